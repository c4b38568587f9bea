//! Load by wrk, from one core: a closed loop, good for rates, not for latencies.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::verification::server::CLIENTS;

/// What is asked: requests that follow each other over and over.
#[derive(Debug)]
pub(crate) struct Requests {
    file: PathBuf,
}

/// What stands between two requests in the file that wrk reads.
const BETWEEN: &str = "--next--";

impl Requests {
    /// Writes requests, and the script by which wrk sends one after the other.
    pub(crate) fn write(folder: &Path, name: &str, requests: &[Vec<u8>]) -> Self {
        let asked = folder.join(format!("{name}.requests"));
        fs::write(&asked, requests.join(BETWEEN.as_bytes())).expect("the folder is writable");
        let script = format!(
            "local requests, at = {{}}, 0\n\
             function init()\n\
               local text = io.open([[{}]]):read('*a') .. [[{BETWEEN}]]\n\
               local from = 1\n\
               while from <= #text do\n\
                 local last, next = text:find([[{BETWEEN}]], from, true)\n\
                 requests[#requests + 1] = text:sub(from, last - 1)\n\
                 from = next + 1\n\
               end\n\
             end\n\
             function request()\n\
               at = at % #requests + 1\n\
               return requests[at]\n\
             end\n",
            asked.canonicalize().expect("it was just written").display(),
        );
        let file = folder.join(format!("{name}.lua"));
        fs::write(&file, script).expect("the folder is writable");
        Self { file }
    }
}

/// Asks for a while on so many connections that stay open; tells how many answers came in a second.
pub(crate) fn ask(port: u16, requests: &Requests, connections: usize, time: Duration) -> f64 {
    let wrk = Command::new("taskset")
        .args(["--cpu-list", CLIENTS, "wrk", "--threads", "1"])
        .args(["--connections", &connections.to_string()])
        .args(["--duration", &format!("{}s", time.as_secs()), "--script"])
        .arg(&requests.file)
        .arg(format!("http://127.0.0.1:{port}/"))
        .output()
        .expect("wrk and taskset are installed");
    let told = String::from_utf8_lossy(&wrk.stdout);
    let faulty = !wrk.status.success()
        || ["Non-2xx", "Socket errors"].iter().any(|fault| told.contains(fault));
    assert!(!faulty, "wrk says: {told} {}", String::from_utf8_lossy(&wrk.stderr));
    let per_second = told.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    per_second.and_then(|rate| rate.trim().parse().ok()).expect("wrk divides")
}

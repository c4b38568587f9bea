//! Load by wrk, from one core: a closed loop, good for what a request costs and for rates, not for
//! latencies.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::verification::server::CLIENTS;

/// What is asked: requests that follow each other over and over.
#[derive(Debug)]
pub(crate) struct Requests {
    file: PathBuf,
}

/// Answers that were counted, and in which time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Completed {
    /// How many.
    pub(crate) requests: f64,
    /// How many in a second.
    pub(crate) per_second: f64,
}

/// What stands between two requests in the file that wrk reads.
const BETWEEN: &str = "--next--";

impl Requests {
    /// Writes requests, and the script by which wrk sends one after the other.
    pub(crate) fn write(
        folder: &Path,
        name: &str,
        requests: impl IntoIterator<Item = Vec<u8>>,
    ) -> Self {
        let requests: Vec<Vec<u8>> = requests.into_iter().collect();
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

/// Asks for so many seconds on so many connections that stay open.
pub(crate) fn ask(port: u16, requests: &Requests, connections: usize, seconds: u64) -> Completed {
    let wrk = Command::new("taskset")
        .args(["--cpu-list", CLIENTS, "wrk", "--threads", "1"])
        .args(["--connections", &connections.to_string(), "--duration", &format!("{seconds}s")])
        .arg("--script")
        .arg(&requests.file)
        .arg(format!("http://127.0.0.1:{port}/"))
        .output()
        .expect("wrk and taskset are installed");
    let told = String::from_utf8_lossy(&wrk.stdout);
    let faulty = !wrk.status.success()
        || ["Non-2xx", "Socket errors"].iter().any(|fault| told.contains(fault));
    assert!(!faulty, "wrk says: {told} {}", String::from_utf8_lossy(&wrk.stderr));
    let number_of = |line: &str, word: usize| -> Option<f64> {
        line.split_whitespace().nth(word)?.parse().ok()
    };
    let requests = told.lines().find(|line| line.contains(" requests in "));
    let per_second = told.lines().find(|line| line.starts_with("Requests/sec:"));
    Completed {
        requests: requests.and_then(|line| number_of(line, 0)).expect("wrk counts"),
        per_second: per_second.and_then(|line| number_of(line, 1)).expect("wrk divides"),
    }
}

//! The servers that are measured, each a process of its own, and the time that they spend.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{fs, thread};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::verification::beside_this;
use crate::verification::http::{Client, request};

/// The core of the servers, where only one may have it.
pub(crate) const SERVERS: &str = "0";
/// The core of who asks them.
pub(crate) const CLIENTS: &str = "1";

const PATIENCE: Duration = Duration::from_mins(1);
const PAUSE: Duration = Duration::from_millis(1);

/// On which cores a server runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cores {
    /// On the one that servers have.
    One,
    /// On all, as it runs when nobody measures it.
    All,
}

/// A running server; it ends with this value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where it listens on this machine.
    pub(crate) port: u16,
}

impl Server {
    /// Starts `symbolon serve` on a data dir, without waiting for it.
    pub(crate) fn symbolon(data_dir: &Path, cores: Cores) -> Self {
        let port = free_port();
        let listen = format!("127.0.0.1:{port}");
        let mut command = on(cores, &beside_this("symbolon"));
        command.args(["serve", "--listen", &listen, "--listen-ops", "off", "--data-dir"]);
        Self::spawn(command.arg(data_dir), &data_dir.with_extension("log"), port)
    }

    /// Starts the empty handler, by its word on the command line.
    pub(crate) fn empty_handler(folder: &Path, word: &str) -> Self {
        let port = free_port();
        let mut command = on(Cores::One, &beside_this("bench"));
        command.args([word, &port.to_string()]);
        let server = Self::spawn(&mut command, &folder.join(word).with_extension("log"), port);
        server.wait_until("/");
        server
    }

    /// Starts nginx, one process; its configuration gets a port to listen on. `None` if there is none.
    pub(crate) fn nginx(folder: &Path, configuration: impl FnOnce(u16) -> String) -> Option<Self> {
        let program = ["/usr/sbin/nginx", "/usr/bin/nginx"].map(PathBuf::from);
        let program = program.iter().find(|path| path.exists())?;
        let port = free_port();
        let file = folder.join("nginx.conf");
        fs::write(&file, configuration(port)).expect("the folder is writable");
        let mut command = on(Cores::One, program);
        command.arg("-p").arg(folder).arg("-c").arg(&file).arg("-e").arg(folder.join("error.log"));
        let server = Self::spawn(&mut command, &folder.join("nginx.log"), port);
        server.wait_until("/nothing");
        Some(server)
    }

    fn spawn(command: &mut Command, log: &Path, port: u16) -> Self {
        let log = File::create(log).expect("the folder is writable");
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        // Nothing of the caller's may configure the server.
        let child = command.env_clear().spawn().expect("the server can be started");
        Self { child, port }
    }

    /// Waits until a path is answered with success.
    pub(crate) fn wait_until(&self, path: &str) {
        self.wait_for(&request(&format!("GET {path}"), &[], ""));
    }

    /// Waits until a request is answered with success, asking over and over.
    pub(crate) fn wait_for(&self, request: &[u8]) {
        let begun = Instant::now();
        let good = |status: u16| (200..300).contains(&status);
        loop {
            let answer = Client::connect(self.port).and_then(|mut client| client.exchange(request));
            if answer.is_ok_and(good) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "a server does not come up");
            pause(PAUSE);
        }
    }

    /// Microseconds of a core that it has used so far, in user mode and in the kernel.
    pub(crate) fn cpu_us(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.expect("a child that was not waited for has its entry");
        // proc(5): fields 14 and 15, counted behind the name, which may hold anything.
        let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ').skip(11).take(2);
        let ticks: f64 = fields.map(|field| field.parse::<f64>().unwrap_or(0.0)).sum();
        ticks * TICK_US
    }

    /// Kibibytes that it has in memory.
    pub(crate) fn resident_kib(&self) -> f64 {
        resident_kib(&self.child.id().to_string())
    }
}

/// Linux counts in hundredths of a second for programs, whatever it counts in itself.
const TICK_US: f64 = 10_000.0;

/// Kibibytes that a process has in memory; `self` is this one.
pub(crate) fn resident_kib(process: &str) -> f64 {
    status_kib(process, "VmRSS:")
}

/// The most that it had in memory since that was last forgotten.
pub(crate) fn peak_kib(process: &str) -> f64 {
    status_kib(process, "VmHWM:")
}

fn status_kib(process: &str, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.and_then(|kib| kib.parse().ok()).expect("proc(5) says so")
}

/// Ends it, and waits until it has ended.
impl Drop for Server {
    fn drop(&mut self) {
        let ended = kill_process(Pid::from_child(&self.child), Signal::TERM);
        assert!(
            ended.is_ok() && self.child.wait().is_ok(),
            "a server that was started can be ended"
        );
    }
}

fn on(cores: Cores, program: &Path) -> Command {
    match cores {
        Cores::One => {
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", SERVERS]).arg(program);
            command
        }
        Cores::All => Command::new(program),
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there is a free port");
    listener.local_addr().expect("it is bound").port()
}

/// Waits in a thread that has nothing else to do.
#[expect(clippy::disallowed_methods, reason = "an open-loop client keeps to a schedule")]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}

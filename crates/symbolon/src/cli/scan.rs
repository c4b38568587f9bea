//! `token scan`: finds tokens where they should not be, without a server.
//!
//! What is found is what has a token's shape and the right check (`core::token_search`); whether it lives
//! only the server knows. Places are printed as they are found, a token never, not of a path either: a mask
//! of it; and one that stands in the name of a file or directory is a finding like any other. Memory is
//! bounded whatever is read: a piece of each file that is open, and the names that still wait.
//!
//! The end says what came of it: 0 where nothing was found, 3 where something was, 1 where nothing was
//! found but not everything could be read.

mod history;
mod stream;
mod walk;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use symbolon_core::token::LENGTH;
use symbolon_core::token_search::{TokenSearch, mask, masked};

use super::progress::Progress;
use crate::exit::{Exit, Failure};
use crate::out::{self, Form, Out, say};
use stream::Found;

/// How often the bar is drawn.
const TICK: Duration = Duration::from_millis(100);

/// Where a piece of text comes from.
#[derive(Debug, Clone, Copy)]
enum Origin<'a> {
    Stdin,
    File(&'a Path),
    /// A line that a commit added; without a path, a line of its message.
    Commit {
        repository: &'a Path,
        commit: &'a str,
        path: Option<&'a str>,
    },
}

/// What all threads of a scan share.
struct Scan {
    search: TokenSearch,
    out: Out,
    progress: Progress,
    files_known: AtomicU64,
    files_done: AtomicU64,
    bytes: AtomicU64,
    found: AtomicU64,
    unreadable: AtomicBool,
    /// The first failure to say what was found: then there is no sense in going on.
    unsaid: Mutex<Option<Failure>>,
}

/// Scans `paths` and the history of `repositories`.
pub(super) fn scan(out: Out, paths: &[PathBuf], repositories: &[PathBuf]) -> Result<(), Failure> {
    let scan = Scan {
        search: TokenSearch::default(),
        out,
        progress: Progress::of(out),
        files_known: AtomicU64::new(0),
        files_done: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        found: AtomicU64::new(0),
        unreadable: AtomicBool::new(false),
        unsaid: Mutex::new(None),
    };
    if out.form == Form::Json {
        say("[")?;
    }
    thread::scope(|scope| {
        // The ticker stops when this end is dropped.
        let (work, ended) = mpsc::channel::<()>();
        if scan.progress.is_shown() {
            let scan = &scan;
            scope.spawn(move || {
                while ended.recv_timeout(TICK) == Err(mpsc::RecvTimeoutError::Timeout) {
                    scan.draw();
                }
            });
        }
        scan_all(&scan, paths, repositories);
        drop(work);
    });
    scan.progress.clear();
    if out.form == Form::Json {
        say("]")?;
    }
    scan.conclude()
}

fn scan_all(scan: &Scan, paths: &[PathBuf], repositories: &[PathBuf]) {
    let (stdin, files): (Vec<&PathBuf>, Vec<&PathBuf>) =
        paths.iter().partition(|path| path.as_os_str() == "-");
    if !stdin.is_empty() {
        let mut buffer = stream::buffer();
        let mut found = |found: Found<'_>| scan.tell(Origin::Stdin, &found);
        let read =
            stream::scan(&scan.search, io::stdin().lock(), &mut buffer, &scan.bytes, &mut found);
        if let Err(error) = read {
            scan.trouble("standard input", &error);
        }
    }
    walk::scan(scan, &files);
    for repository in repositories {
        history::scan(scan, repository);
    }
}

impl Scan {
    /// Says what was found where.
    fn tell(&self, origin: Origin<'_>, found: &Found<'_>) {
        let earlier = self.found.fetch_add(1, Ordering::Relaxed);
        let told = match self.out.form {
            Form::Json => self.say_json(origin, found, earlier),
            Form::Text => {
                let place = match found.at {
                    Some((line, column)) => format!("{}:{line}:{column}", shown(origin)),
                    None => format!("{}:name", shown(origin)),
                };
                self.progress.beside(|| say(&format!("{place}: {}", found.mask)))
            }
        };
        if let Err(failure) = told {
            let mut unsaid = self.unsaid.lock().unwrap_or_else(PoisonError::into_inner);
            unsaid.get_or_insert(failure);
        }
    }

    /// Says what was found in the name of a file or directory.
    fn tell_of_name(&self, origin: Origin<'_>, name: &[u8]) {
        for begin in self.search.find_iter(name) {
            self.tell(origin, &Found { at: None, mask: &mask(&name[begin..begin + LENGTH]) });
        }
    }

    fn say_json(&self, origin: Origin<'_>, found: &Found<'_>, earlier: u64) -> Result<(), Failure> {
        let (line, column) = found.at.unzip();
        let mut value =
            json!({ "path": null, "line": line, "column": column, "token": found.mask });
        match origin {
            Origin::Stdin => {}
            Origin::File(path) => value["path"] = Value::from(masked(&path.to_string_lossy())),
            Origin::Commit { repository, commit, path } => {
                value["path"] = Value::from(path.map(masked));
                value["commit"] = Value::from(commit);
                value["repository"] = Value::from(masked(&repository.to_string_lossy()));
            }
        }
        // The lock of the bar keeps the lines of threads apart; the first alone goes without a comma.
        let separator = if earlier == 0 { " " } else { "," };
        self.progress.beside(|| say(&format!("{separator}{value}")))
    }

    /// Tells of something that could not be read, and goes on.
    fn trouble(&self, what: &str, error: &io::Error) {
        self.unreadable.store(true, Ordering::Relaxed);
        let what = masked(what);
        self.progress.beside(|| out::complain(&format!("cannot read {what}: {error}")));
    }

    /// Whether there is no sense in going on.
    fn is_over(&self) -> bool {
        self.unsaid.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn draw(&self) {
        let (done, known) = (&self.files_done, &self.files_known);
        let words = format!(
            "files, {} MB, {} found",
            self.bytes.load(Ordering::Relaxed) / 1_000_000,
            self.found.load(Ordering::Relaxed)
        );
        self.progress.draw(done.load(Ordering::Relaxed), known.load(Ordering::Relaxed), &words);
    }

    fn conclude(self) -> Result<(), Failure> {
        if let Some(failure) = self.unsaid.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(failure);
        }
        match (self.found.into_inner(), self.unreadable.into_inner()) {
            (0, false) => self.out.note("No token found."),
            (0, true) => {
                Err(Failure::new(Exit::Failed, "no token found, but not everything could be read"))
            }
            (found, _) => {
                let tokens = if found == 1 { "token" } else { "tokens" };
                let reason = format!(
                    "{found} {tokens} found; report each (docs/leaks.md), or reset what is yours"
                );
                Err(Failure::new(Exit::Verdict, reason))
            }
        }
    }
}

/// The origin as it stands before line and column, without tokens and without characters that a terminal
/// would obey.
fn shown(origin: Origin<'_>) -> String {
    let text = match origin {
        Origin::Stdin => "-".to_owned(),
        Origin::File(path) => path.to_string_lossy().into_owned(),
        Origin::Commit { repository, commit, path } => {
            format!("{}@{commit}:{}", repository.display(), path.unwrap_or("(message)"))
        }
    };
    masked(&text).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

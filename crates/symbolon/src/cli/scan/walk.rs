//! Walks files and directories on several threads.
//!
//! Nothing is left out for its name: neither hidden files nor those that a `.gitignore` names, nor binary
//! ones. Symbolic links are not followed, except where one is named on the command line; what is neither a
//! file nor a directory is passed over, for a pipe would never end.

use std::fs::{self, File, FileType};
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, available_parallelism};

use super::stream::{self, Buffer, Found};
use super::{Origin, Scan};

/// Files that are handed to a thread at a time.
const BATCH: usize = 32;
/// Jobs that may wait before whoever finds more files reads them itself.
const MOST_WAITING: usize = 4096;

enum Job {
    Directory(PathBuf),
    Files(Vec<PathBuf>),
}

/// Jobs that wait, and how many are being done: more may come of these.
#[derive(Default)]
struct Jobs {
    waiting: Vec<Job>,
    working: usize,
}

#[derive(Default)]
struct Queue {
    jobs: Mutex<Jobs>,
    changed: Condvar,
}

/// Scans `paths` and everything beneath them.
pub(super) fn scan(scan: &Scan, paths: &[&PathBuf]) {
    let queue = Queue::default();
    for path in paths {
        tell_of_name(scan, path);
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => queue.push(Job::Directory(PathBuf::clone(path))),
            // Named on the command line, so it is meant, whatever it is.
            Ok(_) => {
                scan.files_known.fetch_add(1, Ordering::Relaxed);
                queue.push(Job::Files(vec![PathBuf::clone(path)]));
            }
            Err(error) => scan.trouble(&path.to_string_lossy(), &error),
        }
    }
    let threads = available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut buffer = stream::buffer();
                while let Some(job) = queue.next() {
                    if !scan.is_over() {
                        match job {
                            Job::Directory(path) => list(scan, &queue, &path, &mut buffer),
                            Job::Files(paths) => read_all(scan, &paths, &mut buffer),
                        }
                    }
                    queue.done();
                }
            });
        }
    });
}

/// Queues what is in a directory.
fn list(scan: &Scan, queue: &Queue, directory: &Path, buffer: &mut Buffer) {
    let listed = match fs::read_dir(directory) {
        Ok(listed) => listed,
        Err(error) => return scan.trouble(&directory.to_string_lossy(), &error),
    };
    let mut files = Vec::new();
    for entry in listed {
        let entry = entry.and_then(|entry| Ok((entry.file_type()?, entry.path())));
        if let Ok((_, path)) = &entry {
            tell_of_name(scan, path);
        }
        match entry {
            Ok((kind, path)) if kind.is_dir() => queue.push(Job::Directory(path)),
            Ok((kind, path)) if is_file(kind) => {
                scan.files_known.fetch_add(1, Ordering::Relaxed);
                files.push(path);
            }
            Ok(_) => {}
            Err(error) => scan.trouble(&directory.to_string_lossy(), &error),
        }
        if files.len() == BATCH {
            give(scan, queue, std::mem::take(&mut files), buffer);
        }
    }
    if !files.is_empty() {
        give(scan, queue, files, buffer);
    }
}

/// Says what is found in the last part of a path: what stands before it was looked at before.
fn tell_of_name(scan: &Scan, path: &Path) {
    if let Some(name) = path.file_name() {
        scan.tell_of_name(Origin::File(path), name.as_encoded_bytes());
    }
}

fn is_file(kind: FileType) -> bool {
    kind.is_file()
}

fn give(scan: &Scan, queue: &Queue, files: Vec<PathBuf>, buffer: &mut Buffer) {
    if queue.is_full() {
        read_all(scan, &files, buffer);
    } else {
        queue.push(Job::Files(files));
    }
}

fn read_all(scan: &Scan, paths: &[PathBuf], buffer: &mut Buffer) {
    for path in paths {
        if let Err(error) = read(scan, path, buffer) {
            scan.trouble(&path.to_string_lossy(), &error);
        }
        scan.files_done.fetch_add(1, Ordering::Relaxed);
    }
}

fn read(scan: &Scan, path: &Path, buffer: &mut Buffer) -> io::Result<()> {
    let mut found = |found: Found<'_>| scan.tell(Origin::File(path), &found);
    stream::scan(&scan.search, File::open(path)?, buffer, &scan.bytes, &mut found)
}

impl Queue {
    fn push(&self, job: Job) {
        self.jobs().waiting.push(job);
        self.changed.notify_one();
    }

    fn is_full(&self) -> bool {
        self.jobs().waiting.len() >= MOST_WAITING
    }

    /// The job that came last, so that a tree is walked downwards and few wait; `None` once none waits and
    /// none can come any more.
    fn next(&self) -> Option<Job> {
        let mut jobs = self.jobs();
        loop {
            if let Some(job) = jobs.waiting.pop() {
                jobs.working += 1;
                return Some(job);
            }
            if jobs.working == 0 {
                return None;
            }
            jobs = self.changed.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self) {
        let mut jobs = self.jobs();
        jobs.working -= 1;
        if jobs.working == 0 && jobs.waiting.is_empty() {
            self.changed.notify_all();
        }
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The threads that hash: named, each with memory of its own, at idle priority where the system allows
//! it.
//!
//! An idle thread runs only where no other wants the processor, so that a flood of log-ins takes nothing
//! from verification. The price: on a machine that is busy otherwise log-ins wait, which is why the
//! line before these threads has an end.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use argon2::Block;

/// What one hash works in.
pub(crate) type Memory = Vec<Block>;

/// One piece of work.
pub(super) type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// With which priority passwords are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Below all other work.
    Idle,
    /// Like all other work: the system knows or allows no other.
    Normal,
    /// Not every thread has run yet: either the process has just begun, or nothing on this machine is
    /// left for idle threads.
    NotKnownYet,
}

/// With which priority a thread is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Idle,
    Normal,
}

/// What the threads have found out about their priority.
#[derive(Debug)]
pub(super) struct Priorities {
    threads: usize,
    idle: AtomicUsize,
    normal: AtomicUsize,
}

impl Priorities {
    pub(super) fn of(threads: usize) -> Self {
        Self { threads, idle: AtomicUsize::new(0), normal: AtomicUsize::new(0) }
    }

    pub(super) fn seen(&self) -> Priority {
        if self.normal.load(Ordering::Acquire) > 0 {
            return Priority::Normal;
        }
        let all_idle = self.idle.load(Ordering::Acquire) == self.threads;
        if all_idle { Priority::Idle } else { Priority::NotKnownYet }
    }

    /// Lowers the calling thread if that is wanted, and notes what came of it.
    fn settle(&self, wanted: Wanted) {
        match wanted {
            Wanted::Idle => self.note(lower()),
            Wanted::Normal => {
                self.normal.fetch_add(1, Ordering::AcqRel);
            }
        }
    }

    fn note(&self, lowered: Result<(), String>) {
        match lowered {
            Ok(()) => {
                self.idle.fetch_add(1, Ordering::AcqRel);
            }
            Err(why) => {
                if self.normal.fetch_add(1, Ordering::AcqRel) == 0 {
                    tracing::warn!(
                        "hashing runs at normal priority, so that a flood of log-ins slows other work \
                         down: {why}"
                    );
                }
            }
        }
    }
}

/// A thread that hashes. It ends when this is dropped and its work is done.
#[derive(Debug)]
pub(super) struct Worker {
    jobs: mpsc::Sender<Job>,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system's, where it has no thread to give.
    pub(super) fn start(
        number: usize,
        wanted: Wanted,
        priorities: &Arc<Priorities>,
    ) -> io::Result<Self> {
        let (jobs, given) = mpsc::channel();
        let priorities = Arc::clone(priorities);
        thread::Builder::new().name(format!("hash-{number}")).spawn(move || {
            priorities.settle(wanted);
            work(&given);
        })?;
        Ok(Self { jobs })
    }

    /// Gives the thread a job; it does one after the other. What the job holds is dropped if the thread
    /// is gone.
    pub(super) fn give(&self, job: Job) {
        drop(self.jobs.send(job));
    }
}

fn work(given: &mpsc::Receiver<Job>) {
    let mut memory = Memory::new();
    while let Ok(job) = given.recv() {
        // Whoever waits for the job sees that no answer comes; the thread is there for the next.
        if catch_unwind(AssertUnwindSafe(|| job(&mut memory))).is_err() {
            memory = Memory::new();
        }
    }
}

/// Puts the calling thread below all others.
#[cfg(target_os = "linux")]
fn lower() -> Result<(), String> {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
        set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
    };

    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let asked = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
    // What holds counts: the crate also sets the nice value to 0, which a process that was started
    // with `nice` may not do, and which the idle class does not look at.
    match (thread_schedule_policy(), asked) {
        (Ok(policy), _) if policy == idle => Ok(()),
        (_, Err(error)) => Err(error.to_string()),
        (_, Ok(())) => Err("the system did not keep to it".to_owned()),
    }
}

/// Other systems have no such class, or no way to it that is worth its upkeep.
#[cfg(not(target_os = "linux"))]
fn lower() -> Result<(), String> {
    Err("this system has no idle class of threads".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_at_normal_priority_is_enough_to_say_so() {
        let priorities = Priorities::of(2);
        assert_eq!(priorities.seen(), Priority::NotKnownYet);

        priorities.note(Ok(()));
        assert_eq!(priorities.seen(), Priority::NotKnownYet);

        priorities.note(Err("not permitted".to_owned()));
        assert_eq!(priorities.seen(), Priority::Normal);
    }

    #[test]
    fn a_thread_has_a_name_and_says_its_true_priority() {
        let priorities = Arc::new(Priorities::of(1));
        let worker = Worker::start(1, Wanted::Idle, &priorities).unwrap();
        let (tell, told) = mpsc::channel();

        worker.give(Box::new(move |_| {
            tell.send((thread::current().name().map(str::to_owned), is_idle())).unwrap();
        }));

        let (name, idle) = told.recv().unwrap();
        assert_eq!(name.as_deref(), Some("hash-1"));
        assert_eq!(priorities.seen() == Priority::Idle, idle);
        assert_ne!(priorities.seen(), Priority::NotKnownYet);
    }

    #[cfg(target_os = "linux")]
    fn is_idle() -> bool {
        // proc_pid_stat(5): the policy is field 41, the first behind the name is field 3; sched(7):
        // SCHED_IDLE is 5.
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, behind_name) = stat.rsplit_once(')').unwrap();
        behind_name.split_whitespace().nth(41 - 3) == Some("5")
    }

    #[cfg(not(target_os = "linux"))]
    fn is_idle() -> bool {
        false
    }
}

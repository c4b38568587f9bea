//! The threads that hash: named, each with memory of its own, at idle priority where the system allows
//! it.
//!
//! An idle thread runs only where no other wants the processor, so that a flood of log-ins takes nothing
//! from verification. The price: on a machine that is busy otherwise these threads get nowhere, which is
//! why the line before them has an end, and why they have a rescuer at normal priority (`desk.rs`).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use argon2::Block;

use super::desk::{Desk, keep_watch};

/// What one hash works in.
pub(crate) type Memory = Vec<Block>;

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
    pub(super) fn settle(&self, wanted: Wanted) {
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

/// Starts a thread that hashes what is handed in at `desk`, until that is closed.
///
/// # Errors
/// The system's, where it has no thread to give.
pub(super) fn start(
    number: usize,
    wanted: Wanted,
    priorities: &Arc<Priorities>,
    desk: &Arc<Desk>,
) -> io::Result<()> {
    let (priorities, desk) = (Arc::clone(priorities), Arc::clone(desk));
    thread::Builder::new().name(format!("hash-{number}")).spawn(move || {
        priorities.settle(wanted);
        let mut memory = Memory::new();
        while let Some(job) = desk.fetch(number) {
            let came = job(&mut memory);
            desk.end(number, came);
        }
    })?;
    Ok(())
}

/// Starts the rescuer of these threads.
///
/// # Errors
/// As of [`start`].
pub(super) fn start_rescuer(priorities: &Arc<Priorities>, desk: &Arc<Desk>) -> io::Result<()> {
    let (priorities, desk) = (Arc::clone(priorities), Arc::clone(desk));
    let rescuer = thread::Builder::new().name("rescuer".to_owned());
    rescuer.spawn(move || keep_watch(&desk, &priorities))?;
    Ok(())
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
    use std::sync::mpsc;

    use super::super::jobs::{Came, PATIENCE};
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
        let desk = Arc::new(Desk::open(PATIENCE));
        start(1, Wanted::Idle, &priorities, &desk).unwrap();
        let (tell, told) = mpsc::channel();

        desk.hand_in(Arc::new(move |_| {
            tell.send((thread::current().name().map(str::to_owned), is_idle())).unwrap();
            Came::First
        }));

        let (name, idle) = told.recv().unwrap();
        desk.close();
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

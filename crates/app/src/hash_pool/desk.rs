//! Where hashes are handed in and fetched: by the threads at idle priority, and by the rescuer.
//!
//! The rescuer is one thread at normal priority. It sleeps while the idle threads get on and does what
//! is overdue where they do not, so that on a machine that is busy otherwise log-ins go on at the pace of
//! one thread. A job may thus be done twice; its first answer counts.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::jobs::{Came, Jobs};
use super::thread::{Memory, Priorities, Priority};

/// One piece of work, which tells its answer itself unless another has told one before.
pub(super) type Job = Arc<dyn Fn(&mut Memory) -> Came + Send + Sync>;

/// The desk.
pub(super) struct Desk {
    // An idle thread that is put off while it holds this keeps requests waiting: nothing is done under
    // it but a few moves in memory.
    books: Mutex<Books>,
    /// Calls the idle threads.
    called: Condvar,
    /// Calls the rescuer.
    alarm: Condvar,
    handed_in: AtomicU64,
    rescued: AtomicU64,
}

struct Books {
    jobs: Jobs<Job>,
    /// Until when the rescuer sleeps; without end, or not at all, where there is none.
    alarm_at: Option<Instant>,
    closed: bool,
}

impl Desk {
    pub(super) fn open(patience: Duration) -> Self {
        Self {
            books: Mutex::new(Books { jobs: Jobs::new(patience), alarm_at: None, closed: false }),
            called: Condvar::new(),
            alarm: Condvar::new(),
            handed_in: AtomicU64::new(0),
            rescued: AtomicU64::new(0),
        }
    }

    /// Hands a job in.
    pub(super) fn hand_in(&self, job: Job) {
        self.handed_in.fetch_add(1, Ordering::Relaxed);
        let alarm_is_too_late = {
            let mut books = self.books();
            books.jobs.enter(job, Instant::now());
            let due_at = books.jobs.overdue_at();
            // In a flood the alarm is set already, and nobody is woken for it.
            books.alarm_at.is_none_or(|alarm_at| due_at.is_some_and(|due_at| due_at < alarm_at))
        };
        self.called.notify_one();
        if alarm_is_too_late {
            self.alarm.notify_one();
        }
    }

    /// Waits for a job for the idle thread of this number. `None` where none will come any more.
    pub(super) fn fetch(&self, thread: usize) -> Option<Job> {
        let mut books = self.books();
        loop {
            if let Some(job) = books.jobs.begin(thread, Instant::now()) {
                return Some(job);
            }
            if books.closed {
                return None;
            }
            books = self.called.wait(books).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Notes that an idle thread is done with the job that it fetched last.
    pub(super) fn end(&self, thread: usize, came: Came) {
        self.books().jobs.end(thread, came, Instant::now());
    }

    /// Does what is overdue at `now`, one job; tells whether there was one.
    pub(super) fn rescue_one(&self, now: Instant, memory: &mut Memory) -> bool {
        let Some(job) = self.books().jobs.rescue(now) else { return false };
        match job(memory) {
            Came::First => {
                self.rescued.fetch_add(1, Ordering::Relaxed);
            }
            Came::Late => {}
        }
        true
    }

    /// How many hashes were asked for.
    pub(super) fn handed_in(&self) -> u64 {
        self.handed_in.load(Ordering::Relaxed)
    }

    /// How many hashes the rescuer has given the answer of.
    pub(super) fn rescued(&self) -> u64 {
        self.rescued.load(Ordering::Relaxed)
    }

    /// Lets the threads end once nothing is left to do.
    pub(super) fn close(&self) {
        self.books().closed = true;
        self.called.notify_all();
        self.alarm.notify_all();
    }

    /// Sleeps until somebody is overdue; tells whether the desk is still open.
    fn sleep_until_overdue(&self) -> bool {
        let mut books = self.books();
        while !books.closed {
            books.alarm_at = books.jobs.overdue_at();
            books = match books.alarm_at {
                None => self.alarm.wait(books).unwrap_or_else(PoisonError::into_inner),
                Some(at) => {
                    let left = at.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return true;
                    }
                    let woken = self.alarm.wait_timeout(books, left);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        false
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the rescuer does until the desk is closed.
pub(super) fn keep_watch(desk: &Desk, priorities: &Priorities) {
    while desk.sleep_until_overdue() {
        if priorities.seen() == Priority::Normal {
            // The others are no worse off than this thread: one more would only take from them.
            return;
        }
        // Given back afterwards: it is needed rarely.
        let mut memory = Memory::new();
        while desk.rescue_one(Instant::now(), &mut memory) {}
    }
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Desk({} rescued)", self.rescued())
    }
}

#[cfg(test)]
mod tests {
    use super::super::thread::Wanted;
    use super::*;

    /// A desk with one job, which is overdue at once and after which the desk is closed.
    fn desk_with_a_job() -> Arc<Desk> {
        let desk = Arc::new(Desk::open(Duration::ZERO));
        let closes = Arc::downgrade(&desk);
        desk.hand_in(Arc::new(move |_| {
            closes.upgrade().unwrap().close();
            Came::First
        }));
        desk
    }

    #[test]
    fn what_no_thread_does_the_rescuer_does() {
        let desk = desk_with_a_job();

        keep_watch(&desk, &Priorities::of(1));

        assert_eq!(desk.rescued(), 1);
    }

    #[test]
    fn threads_at_normal_priority_need_no_rescuer() {
        let desk = desk_with_a_job();
        let priorities = Priorities::of(1);
        priorities.settle(Wanted::Normal);

        keep_watch(&desk, &priorities);

        assert_eq!(desk.rescued(), 0);
    }

    #[test]
    fn what_was_handed_in_before_the_desk_is_closed_is_done() {
        let desk = Desk::open(Duration::ZERO);
        desk.hand_in(Arc::new(|_| Came::First));
        desk.close();

        assert!(desk.fetch(1).is_some());
        assert!(desk.fetch(1).is_none());
    }
}

//! Which hashes wait and which are at work, and which of them the rescuer is to do, because the threads
//! at idle priority get nowhere.
//!
//! The rule: nobody is overdue as long as those threads give an answer within every [`PATIENCE`]. If they
//! do not, then first whoever has been at work for that long, the oldest before the others, and then the
//! line, in its order. An answer that comes after the rescuer's is no sign that anything goes on, for
//! nobody waited for it. Nothing in here knows a clock or a thread.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How long the idle threads may give no answer. In a flood on a quiet machine they give dozens in that
/// time, and a person at the log-in page hardly notices it.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Whether an answer was the first of its job, or came after another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    First,
    Late,
}

/// Whom the rescuer is to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// What the thread of this number is at: it is done a second time.
    AtWork { thread: usize },
    /// Who is the first in line: no other thread does it then.
    FirstInLine,
}

/// The jobs without an answer, and those that a thread is still at in vain.
#[derive(Debug)]
pub(super) struct Jobs<J> {
    patience: Duration,
    waiting: VecDeque<J>,
    at_work: Vec<AtWork<J>>,
    /// Since when there is something to do and no idle thread has given an answer. None of them has
    /// anything to do where this is `None`.
    no_answer_since: Option<Instant>,
}

#[derive(Debug)]
struct AtWork<J> {
    thread: usize,
    job: J,
    begun_at: Instant,
    rescued: bool,
}

impl<J: Clone> Jobs<J> {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, waiting: VecDeque::new(), at_work: Vec::new(), no_answer_since: None }
    }

    /// Puts a job at the end of the line.
    pub(super) fn enter(&mut self, job: J, now: Instant) {
        self.no_answer_since.get_or_insert(now);
        self.waiting.push_back(job);
    }

    /// Gives an idle thread the first job of the line.
    pub(super) fn begin(&mut self, thread: usize, now: Instant) -> Option<J> {
        let Some(job) = self.waiting.pop_front() else {
            // That a thread looks in vain shows that the idle ones get to run. While the rescuer alone
            // empties the line nothing shows it, and who comes next need not wait for the patience.
            if self.at_work.is_empty() {
                self.no_answer_since = None;
            }
            return None;
        };
        self.at_work.push(AtWork { thread, job: job.clone(), begun_at: now, rescued: false });
        Some(job)
    }

    /// Notes that an idle thread is done with its job.
    pub(super) fn end(&mut self, thread: usize, came: Came, now: Instant) {
        self.at_work.retain(|at_work| at_work.thread != thread);
        match came {
            Came::First => self.no_answer_since = Some(now),
            Came::Late => {}
        }
    }

    /// Who is overdue at `now`, and to be done before all others.
    pub(super) fn overdue(&self, now: Instant) -> Option<Overdue> {
        if self.no_answer_since? + self.patience > now {
            return None;
        }
        let stuck = self.unrescued().filter(|at_work| at_work.begun_at + self.patience <= now);
        match stuck.min_by_key(|at_work| at_work.begun_at) {
            Some(oldest) => Some(Overdue::AtWork { thread: oldest.thread }),
            None if self.waiting.is_empty() => None,
            None => Some(Overdue::FirstInLine),
        }
    }

    /// When the next one is overdue if nothing happens until then.
    pub(super) fn overdue_at(&self) -> Option<Instant> {
        let stuck_at = self.no_answer_since? + self.patience;
        if !self.waiting.is_empty() {
            return Some(stuck_at);
        }
        let oldest = self.unrescued().map(|at_work| at_work.begun_at).min()?;
        Some(stuck_at.max(oldest + self.patience))
    }

    /// Gives the rescuer the job that is [`overdue`](Self::overdue), each only once.
    pub(super) fn rescue(&mut self, now: Instant) -> Option<J> {
        match self.overdue(now)? {
            Overdue::FirstInLine => self.waiting.pop_front(),
            Overdue::AtWork { thread } => {
                let at_work = self.at_work.iter_mut().find(|at_work| at_work.thread == thread)?;
                at_work.rescued = true;
                Some(at_work.job.clone())
            }
        }
    }

    fn unrescued(&self) -> impl Iterator<Item = &AtWork<J>> {
        self.at_work.iter().filter(|at_work| !at_work.rescued)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What happens at some millisecond.
    #[derive(Clone, Copy)]
    enum Event {
        Enter(&'static str),
        Begin(usize),
        End(usize, Came),
        Rescue(&'static str),
    }
    use Came::{First, Late};
    use Event::{Begin, End, Enter, Rescue};

    const NOBODY: Option<Overdue> = None;
    const IN_LINE: Option<Overdue> = Some(Overdue::FirstInLine);
    const FIRST_THREAD: Option<Overdue> = Some(Overdue::AtWork { thread: 1 });
    const SECOND_THREAD: Option<Overdue> = Some(Overdue::AtWork { thread: 2 });

    type Events = &'static [(u64, Event)];

    fn after(start: Instant, events: &[(u64, Event)]) -> Jobs<&'static str> {
        let mut jobs = Jobs::new(PATIENCE);
        for (at_ms, event) in events {
            let now = start + Duration::from_millis(*at_ms);
            match *event {
                Enter(job) => jobs.enter(job, now),
                Begin(thread) => drop(jobs.begin(thread, now)),
                End(thread, came) => jobs.end(thread, came, now),
                Rescue(job) => assert_eq!(jobs.rescue(now), Some(job), "at {at_ms}"),
            }
        }
        jobs
    }

    #[test]
    fn who_is_overdue_is_a_question_of_answers_then_of_age_then_of_the_line() {
        type Row = (&'static str, Events, u64, Option<Overdue>);
        #[rustfmt::skip]
        let table: &[Row] = &[
            ("nothing to do", &[], 9_000, NOBODY),
            ("in line for not quite a second", &[(0, Enter("a"))], 999, NOBODY),
            ("in line for a second", &[(0, Enter("a"))], 1_000, IN_LINE),
            ("at work for not quite a second", &[(0, Enter("a")), (9, Begin(1))], 1_008, NOBODY),
            ("at work for a second", &[(0, Enter("a")), (9, Begin(1))], 1_009, FIRST_THREAD),
            ("who is at work goes before the line",
                &[(0, Enter("a")), (1, Begin(1)), (2, Enter("b"))], 1_001, FIRST_THREAD),
            ("the oldest of those at work is the first",
                &[(0, Enter("a")), (1, Begin(2)), (2, Enter("b")), (3, Begin(1))], 2_000, SECOND_THREAD),
            ("nobody is rescued twice",
                &[(0, Enter("a")), (0, Begin(1)), (1_000, Rescue("a"))], 9_000, NOBODY),
            ("who is at work and then the line",
                &[(0, Enter("a")), (0, Begin(1)), (2, Enter("b")), (1_000, Rescue("a"))], 1_001, IN_LINE),
            ("who comes while all is stuck need not wait",
                &[(0, Enter("a")), (0, Begin(1)), (1_000, Rescue("a")), (5_000, Enter("b"))], 5_000, IN_LINE),
            ("nor where no thread has even looked",
                &[(0, Enter("a")), (1_000, Rescue("a")), (5_000, Enter("b"))], 5_000, IN_LINE),
            ("but where one has looked since",
                &[(0, Enter("a")), (1_000, Rescue("a")), (4_000, Begin(1)), (5_000, Enter("b"))], 5_999, NOBODY),
            ("an answer gives all others another second",
                &[(0, Enter("a")), (0, Begin(1)), (0, Enter("b")), (0, Begin(2)), (0, Enter("c")),
                  (900, End(1, First))], 1_899, NOBODY),
            ("and no more",
                &[(0, Enter("a")), (0, Begin(1)), (0, Enter("b")), (0, Begin(2)), (0, Enter("c")),
                  (900, End(1, First))], 1_900, SECOND_THREAD),
            ("a late answer gives nobody anything",
                &[(0, Enter("a")), (0, Begin(1)), (1_000, Rescue("a")), (1_100, Enter("b")),
                  (1_200, End(1, Late))], 1_200, IN_LINE),
            ("a pool that was at rest is not late",
                &[(0, Enter("a")), (0, Begin(1)), (30, End(1, First)), (30, Begin(1)),
                  (8_000, Enter("b")), (8_000, Begin(1))], 8_999, NOBODY),
        ];

        let start = Instant::now();
        for (case, events, at_ms, expected) in table {
            let now = start + Duration::from_millis(*at_ms);

            assert_eq!(after(start, events).overdue(now), *expected, "{case}");
        }
    }

    #[test]
    fn a_flood_that_is_answered_makes_nobody_overdue() {
        let start = Instant::now();
        let mut jobs = Jobs::new(PATIENCE);
        for job in 0..64 {
            jobs.enter(job, start);
        }
        for answered in 0..64 {
            let now = start + Duration::from_millis(30 * answered);

            jobs.begin(1, now);
            jobs.end(1, First, now + Duration::from_millis(30));

            assert_eq!(jobs.overdue(now + Duration::from_millis(31)), NOBODY);
        }
    }

    #[test]
    fn the_rescuer_may_sleep_until_exactly_the_instant_at_which_one_is_overdue() {
        let cases: [(Events, Option<u64>); 6] = [
            (&[], None),
            (&[(5, Enter("a"))], Some(1_005)),
            (&[(5, Enter("a")), (9, Begin(1))], Some(1_009)),
            (&[(5, Enter("a")), (9, Begin(1)), (700, Enter("b"))], Some(1_005)),
            (&[(5, Enter("a")), (9, Begin(1)), (1_009, Rescue("a"))], None),
            (
                &[(5, Enter("a")), (9, Begin(1)), (1_009, Rescue("a")), (8_000, Enter("b"))],
                Some(1_005),
            ),
        ];

        let start = Instant::now();
        for (events, expected_ms) in cases {
            let jobs = after(start, events);
            let at = jobs.overdue_at();

            assert_eq!(at, expected_ms.map(|ms| start + Duration::from_millis(ms)));
            let Some(at) = at else { continue };
            assert_eq!(jobs.overdue(at - Duration::from_nanos(1)), NOBODY);
            assert_ne!(jobs.overdue(at), NOBODY);
        }
    }

    #[test]
    fn whom_the_rescuer_takes_out_of_the_line_no_thread_gets() {
        let now = Instant::now();
        let mut jobs = Jobs::new(PATIENCE);
        jobs.enter("a", now);
        jobs.enter("b", now);

        assert_eq!(jobs.rescue(now + PATIENCE), Some("a"));
        assert_eq!(jobs.begin(1, now + PATIENCE), Some("b"));
        assert_eq!(jobs.begin(2, now + PATIENCE), None);
    }
}

//! Who waits for a hash: so many in all, so many for each source address, and a guess at how long the
//! line takes.
//!
//! Places are counted from before anything is done for a request until what came of it is written
//! down, so whatever a request waits for, the turnstile of its name also, it waits in here.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use symbolon_core::names::Source;

use crate::actor::Origin;
use crate::error::AppError;

/// What a turn is taken to last until one was measured: a hash and what is read and written around it.
const FIRST_GUESS: Duration = Duration::from_millis(30);
/// A client is never sent away for less than a second, the smallest that `Retry-After` can say, nor
/// for longer than a person waits.
const RETRY_AFTER: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// Each turn moves the measured length by an eighth of the difference: about a dozen turns to believe
/// that something has changed.
const WEIGHT: u64 = 8;

/// Whose share a hash counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// An address from outside, counted as [`Source::counted_as`] says.
    Source(Source),
    /// Whoever may use the control socket: has no share, and stands in the same line.
    Operator,
}

impl From<&Origin> for Asker {
    fn from(origin: &Origin) -> Self {
        Self::Source(origin.source)
    }
}

/// How many were turned away, by cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TurnedAway {
    /// The line was full.
    pub line_full: u64,
    /// The address had its share already.
    pub share_taken: u64,
}

/// The line.
#[derive(Debug)]
pub(super) struct Line {
    /// At work and waiting together.
    most: usize,
    /// The same of one address.
    share: usize,
    threads: u32,
    standing: Mutex<Standing>,
    turn_us: AtomicU64,
    full: AtomicU64,
    share_taken: AtomicU64,
}

#[derive(Debug, Default)]
struct Standing {
    all: usize,
    at_work: usize,
    of_address: HashMap<String, usize>,
}

/// What a place is given back with.
#[derive(Debug)]
pub(super) struct Ticket {
    address: Option<String>,
}

impl Line {
    /// A line before `threads` threads in which `queue` may wait, two at least: the share of an address
    /// is a quarter of it and two at least, and must leave room for others.
    pub(super) fn new(threads: usize, queue: usize) -> Self {
        let queue = queue.max(2);
        Self {
            most: threads + queue,
            share: (queue / 4).max(2),
            threads: u32::try_from(threads).unwrap_or(u32::MAX),
            standing: Mutex::default(),
            turn_us: AtomicU64::new(micros(FIRST_GUESS)),
            full: AtomicU64::new(0),
            share_taken: AtomicU64::new(0),
        }
    }

    /// Takes a place; it is held until it is left.
    ///
    /// # Errors
    /// [`AppError::TooMany`] where all places or those of the address are taken.
    pub(super) fn enter(&self, asker: Asker) -> Result<Ticket, AppError> {
        let address = match asker {
            Asker::Source(source) => Some(source.counted_as()),
            Asker::Operator => None,
        };
        let mut standing = self.standing();
        if standing.all >= self.most {
            self.full.fetch_add(1, Ordering::Relaxed);
            return Err(self.too_many(standing.all));
        }
        if let Some(address) = &address {
            let own = standing.of_address.get(address).copied().unwrap_or(0);
            if own >= self.share {
                self.share_taken.fetch_add(1, Ordering::Relaxed);
                return Err(self.too_many(standing.all));
            }
            standing.of_address.insert(address.clone(), own + 1);
        }
        standing.all += 1;
        Ok(Ticket { address })
    }

    /// Notes that somebody in line has got a thread.
    pub(super) fn begin(&self) {
        self.standing().at_work += 1;
    }

    /// Notes that he has given it back, and how long he had it.
    pub(super) fn end(&self, took: Duration) {
        self.standing().at_work -= 1;
        let known = self.turn_us.load(Ordering::Relaxed);
        // Two that end at once may lose one measurement; the next makes up for it.
        let now = known - known / WEIGHT + micros(took) / WEIGHT;
        self.turn_us.store(now, Ordering::Relaxed);
    }

    /// Gives a place back.
    pub(super) fn leave(&self, ticket: &mut Ticket) {
        let mut standing = self.standing();
        standing.all -= 1;
        let Some(address) = ticket.address.take() else { return };
        if let Some(own) = standing.of_address.get_mut(&address) {
            *own -= 1;
            if *own == 0 {
                standing.of_address.remove(&address);
            }
        }
    }

    /// How many wait for a thread.
    pub(super) fn waiting(&self) -> usize {
        let standing = self.standing();
        standing.all - standing.at_work
    }

    pub(super) fn turned_away(&self) -> TurnedAway {
        TurnedAway {
            line_full: self.full.load(Ordering::Relaxed),
            share_taken: self.share_taken.load(Ordering::Relaxed),
        }
    }

    /// When the line that stands now will have passed, in whole seconds.
    fn too_many(&self, standing: usize) -> AppError {
        let turn = Duration::from_micros(self.turn_us.load(Ordering::Relaxed));
        let ahead = u32::try_from(standing).unwrap_or(u32::MAX);
        let passed = turn.saturating_mul(ahead) / self.threads.max(1);
        let seconds = passed.as_secs() + u64::from(passed.subsec_nanos() > 0);
        let [least, most] = RETRY_AFTER;
        AppError::TooMany { retry_after: Duration::from_secs(seconds).clamp(least, most) }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> Asker {
        Asker::Source(Source::new(address.parse().unwrap()))
    }

    /// How many places `asker` gets, and what he is told then.
    fn fill(line: &Line, asker: Asker) -> (usize, Duration) {
        for taken in 0.. {
            if let Err(error) = line.enter(asker) {
                let AppError::TooMany { retry_after } = error else { panic!("{error}") };
                return (taken, retry_after);
            }
        }
        unreachable!("a line has an end")
    }

    #[test]
    fn an_address_gets_a_quarter_of_the_queue_and_leaves_the_rest_to_others() {
        let line = Line::new(2, 64);

        assert_eq!(fill(&line, from("10.0.0.1")).0, 16);
        assert_eq!(fill(&line, from("10.0.0.2")).0, 16);
        assert_eq!(line.turned_away(), TurnedAway { line_full: 0, share_taken: 2 });
    }

    #[test]
    fn an_address_never_gets_the_whole_of_the_smallest_line() {
        for (threads, queue) in [(1, 0), (1, 1), (1, 2), (2, 5), (256, 0)] {
            let line = Line::new(threads, queue);

            assert!(fill(&line, from("10.0.0.1")).0 >= 2, "{threads} {queue}");
            assert!(line.enter(from("10.0.0.2")).is_ok(), "{threads} {queue}");
        }
    }

    #[test]
    fn all_addresses_of_an_ipv6_network_have_one_share() {
        let line = Line::new(2, 64);

        fill(&line, from("2001:db8:0:1::7"));

        assert!(line.enter(from("2001:db8:0:1:ffff::9")).is_err());
        assert!(line.enter(from("2001:db8:0:2::7")).is_ok());
    }

    #[test]
    fn many_addresses_and_the_operator_share_one_line() {
        let line = Line::new(2, 8);

        let taken: usize = (1..=9).map(|n| fill(&line, from(&format!("10.0.0.{n}"))).0).sum();

        assert_eq!(taken, 10);
        assert_eq!(fill(&line, Asker::Operator).0, 0);
        assert!(line.turned_away().line_full > 0);
    }

    #[test]
    fn the_operator_has_no_share() {
        let line = Line::new(2, 8);

        assert_eq!(fill(&line, Asker::Operator).0, 10);
    }

    #[test]
    fn a_place_that_is_left_is_free_again_for_its_address() {
        let line = Line::new(1, 8);
        let mut first = line.enter(from("10.0.0.1")).unwrap();
        fill(&line, from("10.0.0.1"));

        line.leave(&mut first);

        assert_eq!(fill(&line, from("10.0.0.1")).0, 1);
    }

    #[test]
    fn addresses_that_have_left_are_forgotten() {
        let line = Line::new(1, 8);
        for n in 0..100 {
            let mut ticket = line.enter(from(&format!("10.0.0.{n}"))).unwrap();
            line.leave(&mut ticket);
        }

        assert!(line.standing().of_address.is_empty());
    }

    #[test]
    fn who_is_turned_away_is_told_how_long_the_line_takes_between_one_second_and_thirty() {
        let line = Line::new(2, 98);

        let (_, quick) = fill(&line, Asker::Operator);
        for _ in 0..100 {
            line.begin();
            line.end(Duration::from_millis(202));
        }
        let (_, slower) = fill(&line, Asker::Operator);
        for _ in 0..100 {
            line.begin();
            line.end(Duration::from_mins(1));
        }
        let (_, stuck) = fill(&line, Asker::Operator);

        // A hundred before two threads, at the first guess of 30 ms: one and a half seconds.
        assert_eq!(quick, Duration::from_secs(2));
        assert_eq!(slower, Duration::from_secs(11));
        assert_eq!(stuck, Duration::from_secs(30));
        assert_eq!(Line::new(2, 64).too_many(0).to_string(), too_many_text(1));
    }

    fn too_many_text(seconds: u64) -> String {
        AppError::TooMany { retry_after: Duration::from_secs(seconds) }.to_string()
    }

    #[test]
    fn who_is_at_work_does_not_wait() {
        let line = Line::new(2, 8);
        line.enter(Asker::Operator).unwrap();
        line.enter(Asker::Operator).unwrap();

        line.begin();

        assert_eq!(line.waiting(), 1);
    }
}

//! The bounded pool that hashes passwords.
//!
//! A hash takes tens of milliseconds of a core and 19 MiB, so only so many run at once, on threads and in
//! memory that are there for nothing else; only so many wait, first come, first served; and no address
//! takes more than its share of the line. Who comes on top of that is told when to come back, and
//! everything else stays quick.

mod line;
mod thread;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

pub use line::{Asker, TurnedAway};
pub(crate) use thread::Memory;
pub use thread::Priority;

use crate::error::AppError;
use line::{Line, Ticket};
use thread::{Priorities, Wanted, Worker};

const BROKEN_OFF: AppError = AppError::Corrupt("password hash");

/// The bounded pool.
pub struct Hasher {
    crew: Arc<Crew>,
    priorities: Arc<Priorities>,
}

struct Crew {
    line: Line,
    /// Fair: whoever waited first is let in first.
    gate: Arc<Semaphore>,
    /// As many as the gate has permits.
    free: Mutex<Vec<Worker>>,
}

/// A place in the line; given back when dropped.
pub struct Place {
    crew: Arc<Crew>,
    ticket: Ticket,
}

/// A turn to hash: one of so many. It lasts until it is dropped, so that what follows from a hash can be
/// written down before the next one begins.
pub(crate) struct Turn {
    seat: Arc<Seat>,
}

/// A thread for as long as a turn or its last hash lasts, and then the way back.
struct Seat {
    worker: Option<Worker>,
    taken_at: Instant,
    // The order matters: fields are dropped in it, and the thread is free before the next is let in.
    _permit: OwnedSemaphorePermit,
    place: Place,
}

impl Hasher {
    /// Starts `threads` threads at idle priority, before which at most `queue` may wait.
    ///
    /// # Errors
    /// The system's, where it has no such threads to give.
    pub fn start(threads: usize, queue: usize) -> io::Result<Self> {
        Self::start_at(Wanted::Idle, threads, queue)
    }

    /// The same at normal priority: for tests, which must not starve beside others.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_at_normal_priority(threads: usize, queue: usize) -> io::Result<Self> {
        Self::start_at(Wanted::Normal, threads, queue)
    }

    fn start_at(wanted: Wanted, threads: usize, queue: usize) -> io::Result<Self> {
        let priorities = Arc::new(Priorities::of(threads));
        let free = (1..=threads).map(|number| Worker::start(number, wanted, &priorities));
        let crew = Crew {
            line: Line::new(threads, queue),
            gate: Arc::new(Semaphore::new(threads)),
            free: Mutex::new(free.collect::<io::Result<_>>()?),
        };
        Ok(Self { crew: Arc::new(crew), priorities })
    }

    /// Takes a place in the line, before anything else is done for a request: whatever it waits for
    /// then counts against the limits.
    ///
    /// # Errors
    /// [`AppError::TooMany`] where the line is full, or the address has its share.
    pub fn line_up(&self, asker: Asker) -> Result<Place, AppError> {
        let ticket = self.crew.line.enter(asker)?;
        Ok(Place { crew: Arc::clone(&self.crew), ticket })
    }

    /// How many stand in line and are not at work yet.
    pub fn waiting(&self) -> usize {
        self.crew.line.waiting()
    }

    /// How many were turned away since the start.
    pub fn turned_away(&self) -> TurnedAway {
        self.crew.line.turned_away()
    }

    /// With which priority the threads run.
    pub fn priority(&self) -> Priority {
        self.priorities.seen()
    }
}

impl Crew {
    fn free(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits for a turn.
    ///
    /// # Errors
    /// None in practice: [`AppError::Corrupt`] if the threads are gone.
    pub(crate) async fn turn(self) -> Result<Turn, AppError> {
        let gate = Arc::clone(&self.crew.gate);
        let permit = gate.acquire_owned().await.map_err(|_| BROKEN_OFF)?;
        let worker = self.crew.free().pop();
        self.crew.line.begin();
        let taken_at = Instant::now();
        let seat = Seat { worker, taken_at, _permit: permit, place: self };
        Ok(Turn { seat: Arc::new(seat) })
    }
}

impl Turn {
    /// Does the work of one hash on the thread of this turn.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, AppError> {
        let (tell, told) = oneshot::channel();
        // The seat goes along: a request that gives up does not make room before its hash is done.
        let seat = Arc::clone(&self.seat);
        let job = move |memory: &mut Memory| {
            let result = work(memory);
            // Where the request is still there it is the one to give the seat back, for an idle thread
            // that is put off in the middle of it would keep everybody waiting.
            drop(seat);
            drop(tell.send(result));
        };
        let worker = self.seat.worker.as_ref().ok_or(BROKEN_OFF)?;
        worker.give(Box::new(job));
        told.await.map_err(|_| BROKEN_OFF)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.place.crew.free().extend(self.worker.take());
        self.place.crew.line.end(self.taken_at.elapsed());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crew.line.leave(&mut self.ticket);
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hasher({} free, {} waiting)", self.crew.gate.available_permits(), self.waiting())
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place")
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::sync::mpsc;
    use std::task::Poll;

    use symbolon_core::names::Source;

    use super::*;

    fn from(address: &str) -> Asker {
        Asker::Source(Source::new(address.parse().unwrap()))
    }

    fn is_too_many<T>(outcome: &Result<T, AppError>) -> bool {
        matches!(outcome, Err(AppError::TooMany { .. }))
    }

    /// Whether a future, asked once, still waits.
    async fn waits<F: Future>(mut future: Pin<&mut F>) -> bool {
        std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
    }

    #[tokio::test]
    async fn an_address_that_fills_its_share_cannot_keep_another_from_its_turn() {
        let pool = Hasher::start_at_normal_priority(1, 8).unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let queue = |asker, name| {
            let (place, order) = (pool.line_up(asker).unwrap(), Arc::clone(&order));
            tokio::spawn(async move {
                let _turn = place.turn().await.unwrap();
                order.lock().unwrap().push(name);
            })
        };

        let at_work = pool.line_up(from("10.0.0.1")).unwrap().turn().await.unwrap();
        let second = queue(from("10.0.0.1"), "flood");
        tokio::task::yield_now().await;
        assert!(is_too_many(&pool.line_up(from("10.0.0.1"))));
        let other = queue(from("10.0.0.2"), "other");
        tokio::task::yield_now().await;
        drop(at_work);
        // The flood takes each place that it leaves, before anybody else can.
        let third = queue(from("10.0.0.1"), "flood again");
        assert!(is_too_many(&pool.line_up(from("10.0.0.1"))));

        for task in [second, other, third] {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), ["flood", "other", "flood again"]);
        assert_eq!(pool.turned_away(), TurnedAway { line_full: 0, share_taken: 2 });
    }

    #[tokio::test]
    async fn as_many_turns_are_given_as_there_are_threads() {
        let pool = Hasher::start_at_normal_priority(2, 8).unwrap();
        let take = || pool.line_up(Asker::Operator).unwrap().turn();

        let (first, _second) = (take().await.unwrap(), take().await.unwrap());
        let mut third = pin!(take());
        assert!(waits(third.as_mut()).await);
        assert_eq!(pool.waiting(), 1);

        drop(first);
        assert!(third.await.is_ok());
    }

    #[tokio::test]
    async fn a_request_that_goes_away_makes_no_room_before_its_hash_is_done() {
        let pool = Hasher::start_at_normal_priority(1, 8).unwrap();
        let (finish, finished) = mpsc::channel::<()>();
        let turn = pool.line_up(Asker::Operator).unwrap().turn().await.unwrap();

        {
            let mut hash = pin!(turn.run(move |_| finished.recv().is_ok()));
            assert!(waits(hash.as_mut()).await);
        }
        drop(turn);
        let mut next = pin!(pool.line_up(Asker::Operator).unwrap().turn());
        assert!(waits(next.as_mut()).await);

        finish.send(()).unwrap();
        assert!(next.await.is_ok());
    }

    #[tokio::test]
    async fn who_stops_waiting_leaves_the_line() {
        let pool = Hasher::start_at_normal_priority(1, 8).unwrap();
        let _at_work = pool.line_up(from("10.0.0.1")).unwrap().turn().await.unwrap();

        {
            let mut waiting = pin!(pool.line_up(from("10.0.0.1")).unwrap().turn());
            assert!(waits(waiting.as_mut()).await);
            assert!(is_too_many(&pool.line_up(from("10.0.0.1"))));
        }

        assert_eq!(pool.waiting(), 0);
        assert!(pool.line_up(from("10.0.0.1")).is_ok());
    }

    #[tokio::test]
    async fn a_hash_that_breaks_off_is_an_error_and_the_next_one_works() {
        let pool = Hasher::start_at_normal_priority(1, 8).unwrap();
        let take = || pool.line_up(Asker::Operator).unwrap().turn();

        let broken = take().await.unwrap().run(|_| -> () { panic!("on purpose") }).await;
        let sound = take().await.unwrap().run(|_| 7).await;

        assert!(matches!(broken, Err(AppError::Corrupt(_))));
        assert_eq!(sound.unwrap(), 7);
    }

    #[tokio::test]
    async fn a_thread_uses_its_memory_again() {
        let pool = Hasher::start_at_normal_priority(1, 8).unwrap();
        let take = || pool.line_up(Asker::Operator).unwrap().turn();

        let grown = |memory: &mut Memory| memory.resize(9, argon2::Block::new());
        take().await.unwrap().run(grown).await.unwrap();
        let found = take().await.unwrap().run(|memory| memory.len()).await;

        assert_eq!(found.unwrap(), 9);
    }
}

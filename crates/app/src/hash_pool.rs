//! The bounded pool that hashes passwords.
//!
//! A hash takes tens of milliseconds of a core and 19 MiB, so only so many run at once, on threads and in
//! memory that are there for nothing else; only so many wait, first come, first served; and no address
//! takes more than its share of the line. Who comes on top of that is told when to come back, and
//! everything else stays quick.
//!
//! At most one hash more than there are turns runs at once: the rescuer's (`desk.rs`), where the threads
//! get nowhere. Either it does what no thread has begun, or what a thread is stuck at a second time.

mod desk;
mod jobs;
mod line;
mod thread;

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

pub use line::{Asker, TurnedAway};
pub(crate) use thread::Memory;
pub use thread::Priority;

use crate::error::AppError;
use desk::{Desk, Job};
use jobs::{Came, PATIENCE};
use line::{Line, Ticket};
use thread::{Priorities, Wanted};

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
    /// As many threads fetch from it as the gate has permits.
    desk: Arc<Desk>,
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

/// A permit for as long as a turn or its last hash lasts, and then the way back.
struct Seat {
    taken_at: Instant,
    _permit: OwnedSemaphorePermit,
    place: Place,
}

/// What goes to whoever has the first answer of a job: it is there once.
struct Owed<T> {
    seat: Arc<Seat>,
    tell: oneshot::Sender<T>,
}

impl Hasher {
    /// Starts `threads` threads at idle priority, before which at most `queue` may wait, and their
    /// rescuer.
    ///
    /// # Errors
    /// The system's, where it has no such threads to give.
    pub fn start(threads: usize, queue: usize) -> io::Result<Self> {
        Self::start_with_rescuer(threads, queue, PATIENCE)
    }

    /// The same at normal priority and without a rescuer: for tests, which must not starve beside
    /// others.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_at_normal_priority(threads: usize, queue: usize) -> io::Result<Self> {
        Self::start_at(Wanted::Normal, threads, queue, PATIENCE)
    }

    fn start_with_rescuer(threads: usize, queue: usize, patience: Duration) -> io::Result<Self> {
        let pool = Self::start_at(Wanted::Idle, threads, queue, patience)?;
        thread::start_rescuer(&pool.priorities, &pool.crew.desk)?;
        Ok(pool)
    }

    fn start_at(
        wanted: Wanted,
        threads: usize,
        queue: usize,
        patience: Duration,
    ) -> io::Result<Self> {
        let priorities = Arc::new(Priorities::of(threads));
        let desk = Arc::new(Desk::open(patience));
        // Made first: if one of the threads cannot be had, its end is that of the others.
        let crew = Crew {
            line: Line::new(threads, queue),
            gate: Arc::new(Semaphore::new(threads)),
            desk: Arc::clone(&desk),
        };
        for number in 1..=threads {
            thread::start(number, wanted, &priorities, &desk)?;
        }
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

    /// How many hashes were asked for since the start.
    pub fn asked_for(&self) -> u64 {
        self.crew.desk.handed_in()
    }

    /// How many hashes the rescuer has done since the start, for the threads got nowhere with them.
    pub fn rescued(&self) -> u64 {
        self.crew.desk.rescued()
    }

    /// With which priority the threads run.
    pub fn priority(&self) -> Priority {
        self.priorities.seen()
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.desk.close();
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
        self.crew.line.begin();
        let seat = Seat { taken_at: Instant::now(), _permit: permit, place: self };
        Ok(Turn { seat: Arc::new(seat) })
    }
}

impl Turn {
    /// Does the work of one hash on a thread of the pool, where need be on two: the first answer counts.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Memory) -> T + Send + Sync + 'static,
    ) -> Result<T, AppError> {
        let (tell, told) = oneshot::channel();
        // The seat goes along: a request that gives up does not make room before its hash is done.
        let owed = Owed { seat: Arc::clone(&self.seat), tell };
        self.seat.place.crew.desk.hand_in(job_of(work, owed));
        told.await.map_err(|_| BROKEN_OFF)
    }
}

fn job_of<T: Send + 'static>(
    work: impl Fn(&mut Memory) -> T + Send + Sync + 'static,
    owed: Owed<T>,
) -> Job {
    let owed = Mutex::new(Some(owed));
    Arc::new(move |memory| {
        let owed = || owed.lock().unwrap_or_else(PoisonError::into_inner);
        if owed().is_none() {
            return Came::Late;
        }
        let result = catch_unwind(AssertUnwindSafe(|| work(memory)));
        if result.is_err() {
            *memory = Memory::new();
        }
        let Some(Owed { seat, tell }) = owed().take() else { return Came::Late };
        // Where the request is still there it is the one to give the seat back, for an idle thread
        // that is put off in the middle of it would keep everybody waiting.
        drop(seat);
        // After a panic nothing is told: whoever waits sees that no answer comes.
        if let Ok(result) = result {
            drop(tell.send(result));
        }
        Came::First
    })
}

impl Drop for Seat {
    fn drop(&mut self) {
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
    use std::thread;

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

    fn on_a_thread_of_the_pool() -> bool {
        thread::current().name().is_some_and(|name| name.starts_with("hash-"))
    }

    /// Work at which a thread of the pool is stuck until it is let go, and the rescuer is not.
    struct Stuck {
        begun: mpsc::Receiver<()>,
        let_go: mpsc::Sender<()>,
    }

    impl Stuck {
        fn new<T>(
            by_rescuer: impl Fn() -> T + Send + Sync,
            by_thread: impl Fn() -> T + Send + Sync,
        ) -> (Self, impl Fn(&mut Memory) -> T + Send + Sync) {
            let (begin, begun) = mpsc::channel();
            let (let_go, gone) = mpsc::channel();
            let gone = Mutex::new(gone);
            let work = move |_: &mut Memory| {
                if !on_a_thread_of_the_pool() {
                    return by_rescuer();
                }
                begin.send(()).ok();
                gone.lock().unwrap().recv().ok();
                by_thread()
            };
            (Self { begun, let_go }, work)
        }
    }

    /// One look of the rescuer, by hand, when all that is there now has been there for long enough.
    fn look(pool: &Hasher) -> bool {
        pool.crew.desk.rescue_one(Instant::now() + PATIENCE, &mut Memory::new())
    }

    #[tokio::test]
    async fn a_hash_that_its_thread_is_stuck_at_is_done_by_the_rescuer_once() {
        let pool = Hasher::start_at_normal_priority(1, 8).unwrap();
        let (stuck, work) = Stuck::new(|| "rescuer", || "thread");
        let turn = pool.line_up(Asker::Operator).unwrap().turn().await.unwrap();
        let mut hash = pin!(turn.run(work));
        assert!(waits(hash.as_mut()).await);
        stuck.begun.recv().unwrap();

        assert!(look(&pool));
        assert!(!look(&pool));

        assert_eq!(hash.await.unwrap(), "rescuer");
        assert_eq!(pool.rescued(), 1);
    }

    #[tokio::test]
    async fn while_a_thread_is_stuck_the_rescuer_does_the_line() {
        let pool = Hasher::start_at_normal_priority(1, 8).unwrap();
        let (stuck, work) = Stuck::new(|| (), || ());
        let take = || pool.line_up(Asker::Operator).unwrap().turn();
        {
            let turn = take().await.unwrap();
            let mut first = pin!(turn.run(work));
            assert!(waits(first.as_mut()).await);
            stuck.begun.recv().unwrap();
            assert!(look(&pool));
            first.await.unwrap();
        }

        let turn = take().await.unwrap();
        let mut second = pin!(turn.run(|_| on_a_thread_of_the_pool()));
        assert!(waits(second.as_mut()).await);
        assert!(look(&pool));

        assert!(!second.await.unwrap());
        assert_eq!(pool.rescued(), 2);
        drop(stuck);
    }

    #[tokio::test]
    async fn a_place_is_given_back_with_the_first_answer_and_not_again_with_the_second() {
        let pool = Hasher::start_at_normal_priority(1, 8).unwrap();
        let (stuck, work) = Stuck::new(|| (), || ());
        let turn = pool.line_up(Asker::Operator).unwrap().turn().await.unwrap();
        {
            let mut hash = pin!(turn.run(work));
            assert!(waits(hash.as_mut()).await);
        }
        drop(turn);
        stuck.begun.recv().unwrap();
        let mut next = pin!(pool.line_up(Asker::Operator).unwrap().turn());
        assert!(waits(next.as_mut()).await);

        assert!(look(&pool));
        let next = next.await.unwrap();
        stuck.let_go.send(()).unwrap();
        // The one thread comes to this when it is done with what it was stuck at.
        next.run(|_| ()).await.unwrap();

        assert_eq!(pool.crew.gate.available_permits(), 0);
        drop(next);
        assert_eq!(pool.crew.gate.available_permits(), 1);
        assert_eq!(pool.waiting(), 0);
    }

    #[tokio::test]
    async fn a_rescuer_that_comes_too_late_has_rescued_nobody() {
        let pool = Hasher::start_at_normal_priority(1, 8).unwrap();
        let (begin, begun) = mpsc::channel();
        let (let_go, gone) = mpsc::channel::<()>();
        let gone = Mutex::new(gone);
        let by_rescuer = move || {
            begin.send(()).ok();
            gone.lock().unwrap().recv().ok();
            "rescuer"
        };
        let (stuck, work) = Stuck::new(by_rescuer, || "thread");
        let turn = pool.line_up(Asker::Operator).unwrap().turn().await.unwrap();
        let mut hash = pin!(turn.run(work));
        assert!(waits(hash.as_mut()).await);
        stuck.begun.recv().unwrap();

        let desk = Arc::clone(&pool.crew.desk);
        let later = Instant::now() + PATIENCE;
        let rescuer = thread::spawn(move || desk.rescue_one(later, &mut Memory::new()));
        begun.recv().unwrap();
        stuck.let_go.send(()).unwrap();
        assert_eq!(hash.await.unwrap(), "thread");
        drop(let_go);

        assert!(rescuer.join().unwrap());
        assert_eq!(pool.rescued(), 0);
    }

    #[tokio::test]
    async fn a_rescue_that_breaks_off_is_an_error_and_the_next_hash_works() {
        let pool = Hasher::start_at_normal_priority(1, 8).unwrap();
        let (stuck, work) = Stuck::new(|| -> u8 { panic!("on purpose") }, || 7);
        let turn = pool.line_up(Asker::Operator).unwrap().turn().await.unwrap();
        let mut hash = pin!(turn.run(work));
        assert!(waits(hash.as_mut()).await);
        stuck.begun.recv().unwrap();

        assert!(look(&pool));

        assert!(matches!(hash.await, Err(AppError::Corrupt(_))));
        drop(stuck);
        assert_eq!(turn.run(|_| 8).await.unwrap(), 8);
    }

    #[test]
    fn a_pool_at_idle_priority_has_a_rescuer() {
        let pool = Hasher::start_with_rescuer(0, 8, Duration::ZERO).unwrap();
        let (tell, told) = mpsc::channel();

        pool.crew.desk.hand_in(Arc::new(move |_| {
            tell.send(thread::current().name().map(str::to_owned)).unwrap();
            Came::First
        }));

        let patient = Duration::from_mins(1);
        assert_eq!(told.recv_timeout(patient).unwrap().as_deref(), Some("rescuer"));
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
        let finished = Mutex::new(finished);
        let turn = pool.line_up(Asker::Operator).unwrap().turn().await.unwrap();

        {
            let mut hash = pin!(turn.run(move |_| finished.lock().unwrap().recv().is_ok()));
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

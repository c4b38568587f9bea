//! The line of those for whom the database is asked about one credential: a session or token that was not used
//! at this node for too long.
//!
//! Nobody is turned away as long as there is room in the line: when all of a node's users come to another
//! one, each of their sessions is looked up there once. Whoever asks about the same credential before its
//! reading begins shares it; who comes later has a reading of his own, since what he asks about may have happened
//! in between.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Session, Token};
use symbolon_core::names::Source;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::error::AppError;
use crate::live::waiting::{self, WaitingRoom};

/// Readings at a time. Who has credentials that have died can make us read without end: he gets the
/// database to himself no more than that.
const AT_A_TIME: usize = 2;
/// Questions that are remembered before those are forgotten that nobody waits for any more. No more are
/// waited for than there are seats in the line.
const MOST_REMEMBERED: usize = 2 * waiting::MOST;

/// See the module.
#[derive(Debug)]
pub(super) struct LookUps {
    line: WaitingRoom,
    places: Semaphore,
    /// Whether there is anything new about a session.
    pub(super) sessions: Shared<Id<Session>, bool>,
    /// When a token was last used; `None` where it has ended.
    pub(super) tokens: Shared<Id<Token>, Option<Timestamp>>,
}

impl Default for LookUps {
    fn default() -> Self {
        Self {
            line: WaitingRoom::default(),
            places: Semaphore::new(AT_A_TIME),
            sessions: Shared::default(),
            tokens: Shared::default(),
        }
    }
}

impl LookUps {
    /// What `reading` tells of the credential `id`, or the reading of another who asked about it before; it
    /// begins within `patience`.
    ///
    /// # Errors
    /// The reading's; [`AppError::Busy`] where the line is full, `source` has its share of it, or nothing has
    /// begun in time.
    pub(super) async fn ask<Key: Eq + Hash + Copy, Known: Copy>(
        &self,
        shared: &Shared<Key, Known>,
        id: Key,
        (source, patience): (Source, Duration),
        reading: impl Future<Output = Result<Known, AppError>>,
    ) -> Result<Known, AppError> {
        let _seat = self.line.enter(source).ok_or(AppError::Busy)?;
        let until = Instant::now() + patience;
        let question = shared.join(id);
        let mut answer = timeout_at(until, question.lock()).await.map_err(|_| AppError::Busy)?;
        if let Some(known) = *answer {
            return Ok(known);
        }
        let place = timeout_at(until, self.places.acquire()).await;
        let _place = place.map_err(|_| AppError::Busy)?;
        shared.begin(id, &question);
        let known = reading.await?;
        *answer = Some(known);
        Ok(known)
    }
}

/// Questions whose readings have not begun.
#[derive(Debug)]
pub(super) struct Shared<Key, Known>(std::sync::Mutex<HashMap<Key, Weak<Question<Known>>>>);

/// Whoever holds it reads, and leaves what he read to those behind him.
type Question<Known> = Mutex<Option<Known>>;

impl<Key, Known> Default for Shared<Key, Known> {
    fn default() -> Self {
        Self(std::sync::Mutex::default())
    }
}

impl<Key: Eq + Hash + Copy, Known> Shared<Key, Known> {
    /// The question about `id`: another's if its reading has not begun.
    fn join(&self, id: Key) -> Arc<Question<Known>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(question) = open.get(&id).and_then(Weak::upgrade) {
            return question;
        }
        if open.len() >= MOST_REMEMBERED {
            open.retain(|_, question| question.strong_count() > 0);
        }
        let question = Arc::new(Mutex::new(None));
        open.insert(id, Arc::downgrade(&question));
        question
    }

    /// Its reading begins: nobody joins it any more.
    fn begin(&self, id: Key, question: &Arc<Question<Known>>) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.get(&id).is_some_and(|known| known.as_ptr() == Arc::as_ptr(question)) {
            open.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;
    use tokio::task::yield_now;

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(150);

    fn from(last: u8) -> (Source, Duration) {
        (Source::new([192, 0, 2, last].into()), PATIENCE)
    }

    /// Asks about session `id` from address `last`, with a reading that takes a while and is counted.
    async fn ask(
        line: &LookUps,
        id: i64,
        last: u8,
        readings: &AtomicUsize,
    ) -> Result<bool, AppError> {
        let reading = async {
            readings.fetch_add(1, Ordering::Relaxed);
            yield_now().await;
            Ok(true)
        };
        line.ask(&line.sessions, Id::from_raw(id), from(last), reading).await
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_finds_a_seat_in_the_line_is_answered() {
        let (line, readings) = (LookUps::default(), AtomicUsize::new(0));

        let asked = (0..200).map(|at| ask(&line, at, u8::try_from(at).unwrap(), &readings));
        let answers = join_all(asked).await;

        assert!(answers.iter().all(|answer| matches!(answer, Ok(true))));
        assert_eq!(readings.into_inner(), 200);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_about_the_same_credential_share_a_reading_that_has_not_begun() {
        let (line, readings) = (LookUps::default(), AtomicUsize::new(0));
        let places = line.places.acquire_many(2).await.unwrap();
        let asking = join_all((0..50).map(|_| ask(&line, 7, 1, &readings)));

        let (answers, ()) = tokio::join!(asking, async { drop(places) });
        let later = ask(&line, 7, 1, &readings).await;

        assert!(answers.iter().chain([&later]).all(|answer| matches!(answer, Ok(true))));
        assert_eq!(readings.into_inner(), 2, "theirs, and the one of him who came later");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_longer_than_he_has_time_nor_beyond_his_share() {
        let line = LookUps::default();
        let readings = AtomicUsize::new(0);
        let _places = line.places.acquire_many(2).await.unwrap();
        let began = Instant::now();
        let hung = || line.ask(&line.sessions, Id::from_raw(7), from(1), pending());

        let waiting = join_all((0..waiting::SHARE).map(|_| hung()));
        let (in_line, beyond) = tokio::join!(waiting, async {
            let beyond = ask(&line, 8, 1, &readings).await;
            (beyond, began.elapsed())
        });

        assert!(matches!(beyond, (Err(AppError::Busy), Duration::ZERO)), "{beyond:?}");
        assert!(in_line.iter().all(|answer| matches!(answer, Err(AppError::Busy))));
        assert!(began.elapsed() < 2 * PATIENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reading_that_fails_is_done_again_for_the_next_who_waits() {
        let (line, readings) = (LookUps::default(), AtomicUsize::new(0));
        let places = line.places.acquire_many(2).await.unwrap();
        let id = Id::from_raw(7);
        let failing = line.ask(&line.sessions, id, from(1), async { Err(AppError::Busy) });

        let (failed, answered, ()) =
            tokio::join!(failing, ask(&line, 7, 2, &readings), async { drop(places) });

        assert!(matches!((failed, answered), (Err(AppError::Busy), Ok(true))));
        assert_eq!(line.line.enter(from(1).0).map(|_| ()), Some(()));
    }
}

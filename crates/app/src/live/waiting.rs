//! Places for verifications that wait: for a revision, or for the database. Each is held by a connection; whoever comes beyond
//! them, or beyond his share of them, is told to ask again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use symbolon_core::names::Source;

/// Verifications that may wait at a time.
pub(super) const MOST: usize = 256;
/// How many of them may come from one address: nobody keeps everybody else from waiting. A gateway that tells
/// no address of its clients has all of its questions counted as one's.
pub(super) const SHARE: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct WaitingRoom(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_source: HashMap<String, usize>,
}

/// A place that is taken until it is dropped.
#[derive(Debug)]
pub(super) struct Place<'a> {
    room: &'a WaitingRoom,
    source: String,
}

impl WaitingRoom {
    /// Takes a place, if there is one left for whoever comes from there.
    pub(super) fn enter(&self, source: Source) -> Option<Place<'_>> {
        let source = source.counted_as();
        let mut taken = self.taken();
        if taken.all >= MOST {
            return None;
        }
        let own = taken.by_source.entry(source.clone()).or_default();
        if *own >= SHARE {
            return None;
        }
        *own += 1;
        taken.all += 1;
        drop(taken);
        Some(Place { room: self, source })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.room.taken();
        taken.all -= 1;
        if let Some(own) = taken.by_source.get_mut(&self.source) {
            *own -= 1;
            if *own == 0 {
                taken.by_source.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8) -> Source {
        Source::new([192, 0, 2, last].into())
    }

    #[test]
    fn who_has_taken_his_share_leaves_places_for_others() {
        let room = WaitingRoom::default();
        let mut places: Vec<_> = (0..SHARE).map(|_| room.enter(from(1)).unwrap()).collect();

        assert!(room.enter(from(1)).is_none());
        assert!(room.enter(from(2)).is_some());
        places.pop();
        assert!(room.enter(from(1)).is_some());
    }

    #[test]
    fn the_places_of_all_are_bounded_and_come_back() {
        let room = WaitingRoom::default();
        let sources = (0..MOST).map(|at| from(u8::try_from(at / SHARE).unwrap()));
        let places: Vec<_> = sources.map(|source| room.enter(source).unwrap()).collect();

        assert!(room.enter(from(200)).is_none());
        drop(places);
        assert!(room.enter(from(200)).is_some());
        assert!(room.taken().by_source.is_empty());
    }
}

//! Places for the bodies of leak reports while they are read: so many in all, and a few of them for each
//! address.
//!
//! A body is read before its sender is counted, and for as long as it may take. Without a share of its own
//! each address could hold every place with bodies that never end, and no report of anybody else's would be
//! taken in meanwhile.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use symbolon_core::names::Source;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// Bodies that are read at a time, on all connections: 32 MiB. Further ones wait their time.
const MOST: usize = 64;
/// Of these, how many may be of one address. HTTP/2 has a hundred streams on one connection.
const MOST_OF_SOURCE: usize = 4;

/// Who is sending a large body.
#[derive(Debug)]
pub(crate) struct LargeBodies {
    all: Semaphore,
    /// By what the address counts as; only those that send or wait.
    of_source: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

/// The share of an address is taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ShareTaken;

/// A body that may be read; its place is free when this is dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    // Before the line: what it holds of its share is given back first.
    _own: OwnedSemaphorePermit,
    _of_all: SemaphorePermit<'a>,
    _line: Line<'a>,
}

impl LargeBodies {
    pub(crate) const fn new() -> Self {
        Self { all: Semaphore::const_new(MOST), of_source: Mutex::new(BTreeMap::new()) }
    }

    /// A place as soon as there is one, if the share of `source` is not taken.
    ///
    /// # Errors
    /// [`ShareTaken`] at once.
    pub(crate) async fn place(&self, source: Source) -> Result<Place<'_>, ShareTaken> {
        let line = self.line(source);
        let own = line.share().try_acquire_owned().map_err(|_| ShareTaken)?;
        self.place_with(line, own).await
    }

    /// A place as soon as there is one, and one of the share of `source` is free: for senders that prove by
    /// the body who they are, and are not to be turned away before.
    ///
    /// # Errors
    /// [`ShareTaken`] if there never will be one.
    pub(crate) async fn next_place(&self, source: Source) -> Result<Place<'_>, ShareTaken> {
        let line = self.line(source);
        let own = line.share().acquire_owned().await.map_err(|_| ShareTaken)?;
        self.place_with(line, own).await
    }

    async fn place_with<'a>(
        &'a self,
        line: Line<'a>,
        own: OwnedSemaphorePermit,
    ) -> Result<Place<'a>, ShareTaken> {
        let of_all = self.all.acquire().await.map_err(|_| ShareTaken)?;
        Ok(Place { _own: own, _of_all: of_all, _line: line })
    }

    fn line(&self, source: Source) -> Line<'_> {
        let source = source.counted_as();
        let mut of_source = self.of_source.lock().unwrap_or_else(PoisonError::into_inner);
        let own = of_source
            .entry(source.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(MOST_OF_SOURCE)));
        Line { bodies: self, own: Some(Arc::clone(own)), source }
    }
}

/// That somebody sends from an address, or waits to; the last of them to go forgets it.
#[derive(Debug)]
struct Line<'a> {
    bodies: &'a LargeBodies,
    /// `None` once it was given back.
    own: Option<Arc<Semaphore>>,
    source: String,
}

impl Line<'_> {
    fn share(&self) -> Arc<Semaphore> {
        self.own.clone().expect("it is given back at the end alone")
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let mut of_source = self.bodies.of_source.lock().unwrap_or_else(PoisonError::into_inner);
        // Given back while the map is locked: of two that go at the same time, the second sees that it is the last.
        drop(self.own.take());
        if of_source.get(&self.source).is_some_and(|own| Arc::strong_count(own) == 1) {
            of_source.remove(&self.source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str) -> Source {
        Source::new(address.parse().unwrap())
    }

    #[tokio::test]
    async fn an_address_has_its_share_and_no_more() {
        let bodies = LargeBodies::new();
        let mut taken = Vec::new();
        for number in 0..MOST_OF_SOURCE {
            taken.push(bodies.place(from(&format!("2001:db8::{number}"))).await.unwrap());
        }

        assert_eq!(bodies.place(from("2001:db8::ff")).await.unwrap_err(), ShareTaken);
        assert!(bodies.place(from("192.0.2.1")).await.is_ok());
        taken.pop();
        assert!(bodies.place(from("2001:db8::ff")).await.is_ok());
    }

    #[tokio::test]
    async fn who_has_gone_is_forgotten() {
        let bodies = LargeBodies::new();
        let mut taken = Vec::new();
        for _ in 0..MOST_OF_SOURCE {
            taken.push(bodies.place(from("192.0.2.1")).await.unwrap());
        }
        bodies.place(from("192.0.2.1")).await.unwrap_err();
        assert_eq!(bodies.of_source.lock().unwrap().len(), 1);

        drop(taken);

        assert!(bodies.of_source.lock().unwrap().is_empty());
    }
}

//! API clients that do not prove themselves where they ask about credentials. Their questions go past the
//! router, whose layers count and log every other request: here they leave their trace.
//!
//! A client whose secret was rolled over, or somebody who guesses: the operator sees either by the counter, and
//! from where by a line in the log. One line for each address in a minute is enough to act upon, and nobody
//! fills a disk with it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use symbolon_app::login::Head;
use symbolon_core::Timestamp;
use symbolon_core::id::{Client, Id};
use symbolon_core::names::Source;
use symbolon_wire::client_proof::ClientProof;
use tracing::warn;

use crate::metrics::Outcome;
use crate::state::HttpState;

/// How long an address is not told of again.
const PAUSE: Duration = Duration::from_mins(1);
/// Addresses that are remembered. Of those beyond there is no line, and they are counted all the same.
const MOST_ADDRESSES: usize = 1024;

/// Which addresses were told of.
static TOLD: Mutex<Told> = Mutex::new(Told::nobody());

/// Counts a question at `head` of a client that has not proved itself, and logs from where it came.
///
/// # Security
/// What was presented as an identifier is logged only if it is one by its form: people put secrets into the wrong
/// field.
pub(super) fn note(
    state: &HttpState,
    head: Head,
    from: Source,
    presented: Option<&ClientProof<'_>>,
) {
    state.front.metrics.count_verification(head, Outcome::Unauthorised);
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    let due = told.is_due(from, state.ctx.clock.now());
    drop(told);
    if !due {
        return;
    }
    let head = head.word();
    match presented.and_then(|client| client.id().parse::<Id<Client>>().ok()) {
        Some(id) => warn!(head, client.id = %id, "an API client at {from} did not prove itself"),
        None => warn!(head, "an API client at {from} did not prove itself"),
    }
}

/// When each address was told of last.
struct Told {
    at: BTreeMap<String, Timestamp>,
    /// When those were last looked for that may be forgotten: the search is long where there are many.
    tidied_at: Option<Timestamp>,
}

impl Told {
    const fn nobody() -> Self {
        Self { at: BTreeMap::new(), tidied_at: None }
    }

    /// Whether `from` is to be told of now; then it counts as told.
    fn is_due(&mut self, from: Source, now: Timestamp) -> bool {
        // A clock that was set back is no reason to keep silent for long.
        let is_recent = |at: Timestamp| at <= now && now < at + PAUSE;
        let address = from.counted_as();
        if self.at.get(&address).is_some_and(|at| is_recent(*at)) {
            return false;
        }
        if self.at.len() >= MOST_ADDRESSES {
            let tidy = |at: Timestamp| at <= now && now < at + Duration::from_secs(1);
            if !self.tidied_at.is_some_and(tidy) {
                self.at.retain(|_, at| is_recent(*at));
                self.tidied_at = Some(now);
            }
        }
        if self.at.len() >= MOST_ADDRESSES {
            return false;
        }
        self.at.insert(address, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_unix_ms(1_795_417_200_000);
    const MS: Duration = Duration::from_millis(1);

    fn at(number: usize) -> Source {
        let [.., a, b] = number.to_be_bytes();
        Source::new([10, 0, a, b].into())
    }

    #[test]
    fn an_address_is_told_of_once_a_minute() {
        let mut told = Told::nobody();

        let moments = [T0, T0 + PAUSE - MS, T0 + PAUSE, T0 + PAUSE + MS];
        let due = moments.map(|now| told.is_due(at(1), now));

        assert_eq!(due, [true, false, true, false]);
        assert!(told.is_due(at(2), T0 + PAUSE));
        assert!(told.is_due(at(2), T0), "the clock was set back");
    }

    #[test]
    fn no_more_addresses_are_remembered_than_there_is_room_for() {
        let mut told = Told::nobody();

        let due = (0..2000).filter(|number| told.is_due(at(*number), T0)).count();

        assert_eq!((due, told.at.len()), (MOST_ADDRESSES, MOST_ADDRESSES));
        assert!(told.is_due(at(1999), T0 + PAUSE));
        assert_eq!(told.at.len(), 1);
    }
}

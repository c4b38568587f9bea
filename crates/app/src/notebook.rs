//! What verifications leave behind until the scribe writes it down: who used which credential from
//! where, and which refusals an owner should read of.
//!
//! A note takes one short lock and waits for nobody. The notebook is bounded, and so is what one credential may
//! take of it: what does not fit is counted and dropped. The same credential from the same place is one note
//! until it is written down.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use symbolon_core::Timestamp;
use symbolon_core::names::ClientName;
use symbolon_core::verification::CredentialRefusal;
use symbolon_live::{Refused, Subject};
use tokio::sync::Notify;

use crate::login::Head;

/// Notes of either kind that are kept until they are written down; some 200 bytes each.
const MOST_NOTES: usize = 16_384;

/// Of these, notes of one credential: whoever holds one may call himself something else each time, and is not to
/// take the room of all others. More than are stored of it at all.
const MOST_OF_CREDENTIAL: usize = 128;

/// From where a credential was used.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The address.
    pub source: IpAddr,
    /// What the client says it is.
    pub client: ClientName,
    /// The head that was asked.
    pub head: Head,
}

/// When a note was made first and last, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) first_at: Timestamp,
    pub(crate) last_at: Timestamp,
    pub(crate) times: i64,
}

/// What was refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Offence {
    /// A credential of ours, for this reason.
    Known(Subject, CredentialRefusal),
    /// A well-formed security token that is not live: perhaps a retired one. By its digest.
    NotLive([u8; 32]),
}

/// All notes that are not written down yet.
#[derive(Debug, Default)]
pub struct Notebook {
    uses: Pages<(Subject, Place)>,
    refusals: Pages<(Offence, Place)>,
    /// What may be retired or made up has pages of its own: strangers fill them at will.
    not_live: Pages<(Offence, Place)>,
    first_use: Notify,
}

impl Notebook {
    /// Notes a use.
    pub fn note_use(&self, subject: Subject, place: Place, now: Timestamp) {
        self.uses.note((subject, place), now);
    }

    /// Tells [`Self::first_use`] of the use of a token that was not in use before.
    pub fn announce_first_use(&self) {
        self.first_use.notify_one();
    }

    /// Resolves at the use of a token that was not in use before, as far as this node knows.
    pub async fn first_use(&self) {
        self.first_use.notified().await;
    }

    /// Notes a refusal that its owner should read of; others leave nothing.
    pub fn note_refusal(&self, refused: &Refused, place: impl FnOnce() -> Place, now: Timestamp) {
        if let Some(offence) = offence_of(refused) {
            self.refusals.note((offence, place()), now);
        } else if !refused.token_digests.is_empty() {
            let place = place();
            for digest in &refused.token_digests {
                self.not_live.note((Offence::NotLive(*digest.as_bytes()), place.clone()), now);
            }
        }
    }

    /// How many notes were dropped for want of room or time.
    pub fn dropped(&self) -> u64 {
        self.uses.dropped() + self.refusals.dropped() + self.not_live.dropped()
    }

    /// Counts refusals that there is no time to write down.
    pub(crate) fn count_dropped(&self, refusals: u64) {
        self.refusals.dropped.fetch_add(refusals, Ordering::Relaxed);
    }

    pub(crate) fn take_uses(&self) -> HashMap<(Subject, Place), Seen> {
        self.uses.take()
    }

    /// Those of credentials that are known come last.
    pub(crate) fn take_refusals(&self) -> Vec<((Offence, Place), Seen)> {
        self.not_live.take().into_iter().chain(self.refusals.take()).collect()
    }

    /// Puts refusals back that could not be written down.
    pub(crate) fn put_back_refusals(&self, refusals: Vec<((Offence, Place), Seen)>) {
        for (key, seen) in refusals {
            let pages = match key.0 {
                Offence::Known(..) => &self.refusals,
                Offence::NotLive(_) => &self.not_live,
            };
            pages.add(key, seen);
        }
    }

    /// Puts uses back that could not be written down.
    pub(crate) fn put_back_uses(&self, uses: HashMap<(Subject, Place), Seen>) {
        for (key, seen) in uses {
            self.uses.add(key, seen);
        }
    }
}

/// What an owner should read of: that a credential of his is being used in vain by something that does
/// not know better, or by somebody who should not have it.
fn offence_of(refused: &Refused) -> Option<Offence> {
    match (refused.refusal, refused.subject) {
        (
            CredentialRefusal::OneHalf
            | CredentialRefusal::TokensFrozen
            | CredentialRefusal::Expired
            | CredentialRefusal::NotAHolder
            | CredentialRefusal::OutsideAddresses
            | CredentialRefusal::OtherKind
            | CredentialRefusal::Unused
            | CredentialRefusal::OtherUser
            | CredentialRefusal::NoAccess
            | CredentialRefusal::OutsideLoginHours
            | CredentialRefusal::OutsideLoginRanges
            | CredentialRefusal::SecondFactorDemanded
            | CredentialRefusal::AddressUnknown
            | CredentialRefusal::NotHere
            | CredentialRefusal::OwnerInactive,
            Some(subject),
        ) => Some(Offence::Known(subject, refused.refusal)),
        (
            CredentialRefusal::Unreadable
            | CredentialRefusal::Unknown
            | CredentialRefusal::Idle
            | CredentialRefusal::PasswordExpired
            | CredentialRefusal::OneHalf
            | CredentialRefusal::TokensFrozen
            | CredentialRefusal::Expired
            | CredentialRefusal::NotAHolder
            | CredentialRefusal::OutsideAddresses
            | CredentialRefusal::OtherKind
            | CredentialRefusal::Unused
            | CredentialRefusal::OtherUser
            | CredentialRefusal::NoAccess
            | CredentialRefusal::OutsideLoginHours
            | CredentialRefusal::OutsideLoginRanges
            | CredentialRefusal::SecondFactorDemanded
            | CredentialRefusal::AddressUnknown
            | CredentialRefusal::NotHere
            | CredentialRefusal::OwnerInactive,
            _,
        ) => None,
    }
}

/// Something that is noted.
trait Note: Eq + Hash {
    /// Whose room it takes; `None` for what is of no credential that is known.
    fn credential(&self) -> Option<Subject>;
}

impl Note for (Subject, Place) {
    fn credential(&self) -> Option<Subject> {
        Some(self.0)
    }
}

impl Note for (Offence, Place) {
    fn credential(&self) -> Option<Subject> {
        match self.0 {
            Offence::Known(subject, _) => Some(subject),
            Offence::NotLive(_) => None,
        }
    }
}

/// Notes of one kind.
#[derive(Debug)]
struct Pages<K> {
    written: Mutex<Written<K>>,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Written<K> {
    notes: HashMap<K, Seen>,
    of_credential: HashMap<Subject, usize>,
}

impl<K> Default for Written<K> {
    fn default() -> Self {
        Self { notes: HashMap::new(), of_credential: HashMap::new() }
    }
}

impl<K> Default for Pages<K> {
    fn default() -> Self {
        Self { written: Mutex::default(), dropped: AtomicU64::new(0) }
    }
}

impl<K: Note> Pages<K> {
    fn note(&self, key: K, now: Timestamp) {
        self.add(key, Seen { first_at: now, last_at: now, times: 1 });
    }

    fn add(&self, key: K, seen: Seen) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let Written { notes, of_credential } = &mut *written;
        let full = notes.len() >= MOST_NOTES;
        let credential = key.credential();
        match notes.entry(key) {
            Entry::Occupied(mut noted) => {
                let noted = noted.get_mut();
                noted.first_at = noted.first_at.min(seen.first_at);
                noted.last_at = noted.last_at.max(seen.last_at);
                noted.times += seen.times;
            }
            Entry::Vacant(_) if full => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
            Entry::Vacant(place) => {
                if let Some(credential) = credential {
                    let count = of_credential.entry(credential).or_default();
                    if *count >= MOST_OF_CREDENTIAL {
                        self.dropped.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                    *count += 1;
                }
                place.insert(seen);
            }
        }
    }

    fn take(&self) -> HashMap<K, Seen> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *written).notes
    }

    fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use symbolon_core::Id;
    use symbolon_live::Sort;

    use super::*;

    const T0: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);

    fn subject(credential: i64) -> Subject {
        Subject { credential, sort: Sort::Session, user: Id::from_raw(1) }
    }

    fn place() -> Place {
        Place {
            source: IpAddr::V4(Ipv4Addr::LOCALHOST),
            client: ClientName::sanitised("curl"),
            head: Head::ForwardAuth,
        }
    }

    #[test]
    fn the_same_use_again_is_one_note() {
        let notebook = Notebook::default();
        let later = T0 + Duration::from_secs(11);

        notebook.note_use(subject(1), place(), T0);
        notebook.note_use(subject(1), place(), later);

        let seen = Seen { first_at: T0, last_at: later, times: 2 };
        assert_eq!(notebook.take_uses(), HashMap::from([((subject(1), place()), seen)]));
        assert!(notebook.take_uses().is_empty());
    }

    #[test]
    fn what_does_not_fit_is_counted_and_what_is_noted_already_still_fits() {
        let notebook = Notebook::default();
        for credential in 0..i64::try_from(MOST_NOTES).unwrap() + 3 {
            notebook.note_use(subject(credential), place(), T0);
        }

        notebook.note_use(subject(0), place(), T0);

        assert_eq!(notebook.dropped(), 3);
        assert_eq!(notebook.take_uses().len(), MOST_NOTES);
    }

    #[test]
    fn a_credential_that_calls_itself_ever_something_else_takes_nobody_elses_room() {
        let notebook = Notebook::default();
        let called = |name: usize| Place {
            client: ClientName::sanitised(&format!("client {name}")),
            ..place()
        };
        let refusal = CredentialRefusal::OneHalf;
        let refused = Refused { refusal, subject: Some(subject(1)), ..Refused::UNREADABLE };

        for name in 0..MOST_NOTES {
            notebook.note_use(subject(1), called(name), T0);
            notebook.note_refusal(&refused, || called(name), T0);
        }
        notebook.note_use(subject(1), called(0), T0);
        notebook.note_use(subject(2), place(), T0);

        assert_eq!(notebook.dropped(), 2 * (MOST_NOTES - MOST_OF_CREDENTIAL) as u64);
        let uses = notebook.take_uses();
        assert_eq!(uses.len(), MOST_OF_CREDENTIAL + 1);
        assert_eq!(uses[&(subject(1), called(0))].times, 2);
        assert_eq!(notebook.take_refusals().len(), MOST_OF_CREDENTIAL);
        notebook.note_use(subject(1), called(MOST_NOTES), T0);
        assert_eq!(notebook.take_uses().len(), 1, "each round has its room anew");
    }

    #[test]
    fn made_up_tokens_crowd_out_no_refusal_of_one_that_is_known() {
        let notebook = Notebook::default();
        let made_up = |number: u64| {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&number.to_le_bytes());
            let token_digests = vec![symbolon_core::secret::Digest::from_bytes(digest)];
            Refused { token_digests, ..Refused::UNREADABLE }
        };
        let refusal = CredentialRefusal::OneHalf;
        let known = Refused { refusal, subject: Some(subject(1)), ..Refused::UNREADABLE };

        for number in 0..MOST_NOTES as u64 + 5 {
            notebook.note_refusal(&made_up(number), place, T0);
        }
        notebook.note_refusal(&known, place, T0);

        assert_eq!(notebook.dropped(), 5);
        let noted = notebook.take_refusals();
        let last = noted.last().map(|((offence, _), _)| offence.clone());
        assert_eq!(last, Some(Offence::Known(subject(1), refusal)));
        notebook.put_back_refusals(noted);
        assert_eq!(notebook.take_refusals().len(), MOST_NOTES + 1);
    }

    #[test]
    fn junk_and_unknown_sessions_leave_no_note() {
        let notebook = Notebook::default();

        notebook.note_refusal(&Refused::UNREADABLE, place, T0);
        let unknown = Refused { refusal: CredentialRefusal::Unknown, ..Refused::UNREADABLE };
        notebook.note_refusal(&unknown, place, T0);

        assert!(notebook.take_refusals().is_empty());
    }
}

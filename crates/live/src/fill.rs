//! What the view is filled with, and the guard against rows that were read too early.
//!
//! Rows are read and put in as the change log goes on: pages while the view is being filled, single
//! sessions afterwards ([`crate::LiveView::refresh_session`]). A row that was read at revision 7 may be put
//! in after change 8 was applied; if change 8 ended its credential, that would bring the dead back to
//! life. So every change that is applied leaves its revision beside its key, and a row of an older
//! reading is dropped: the change has put in what holds.

use std::collections::{HashMap, VecDeque};

use symbolon_core::Timestamp;
use symbolon_core::id::{Client, Id, Profile, User};
use symbolon_core::secret::Digest;
use symbolon_core::verification::OwnerState;

/// What is read of a user.
#[derive(Debug, Clone)]
pub struct UserFacts {
    /// Identifier.
    pub id: Id<User>,
    /// Login name.
    pub username: String,
    /// Address.
    pub email: String,
    /// As shown.
    pub name: String,
    /// Whether an administrator.
    pub administrator: bool,
    /// Profile.
    pub profile: Id<Profile>,
    /// Whether he may do anything.
    pub owner: OwnerState,
}

/// What is read of a live credential.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The identifier of the session or token.
    pub id: i64,
    /// Its keyed digest.
    pub digest: Digest,
    /// Whose.
    pub user: Id<User>,
    /// Which of the two, and its clock.
    pub sort: CredentialSort,
    /// The login, or the issue of the token.
    pub started_at: Timestamp,
    /// The token's device type, or that of the token that opened the session.
    pub device_type: Option<String>,
}

/// Session or token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialSort {
    /// A session.
    Session {
        /// Its last use.
        last_used_at: Timestamp,
        /// The API client that it was opened through.
        client: Option<Id<Client>>,
    },
    /// A token.
    Token {
        /// Its expiry.
        expires_at: Timestamp,
        /// Its last use that was written down, or its issue.
        active_at: Timestamp,
    },
}

/// What a change has touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    User(Id<User>),
    Session(i64),
}

/// The revisions of what has been touched lately; while the view is being filled, since that began.
#[derive(Debug)]
pub(crate) struct Guard {
    filling: bool,
    begun: bool,
    touched: HashMap<Key, i64>,
    /// The same in the order in which it came.
    order: VecDeque<(Key, i64)>,
    /// What was touched up to here may have been forgotten.
    forgotten: i64,
}

/// Touched keys that are remembered. A row is read and put in within milliseconds, in which a node applies
/// a few hundred changes at most; a row that took longer is dropped.
const REMEMBERED: usize = 8192;

impl Guard {
    pub(crate) fn filling() -> Self {
        let (touched, order) = (HashMap::new(), VecDeque::new());
        Self { filling: true, begun: false, touched, order, forgotten: i64::MIN }
    }

    pub(crate) fn is_filling(&self) -> bool {
        self.filling
    }

    /// Tells whether it is the first time.
    pub(crate) fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.begun, true)
    }

    pub(crate) fn finish_filling(&mut self) {
        self.filling = false;
        self.forget();
    }

    pub(crate) fn touch(&mut self, key: Key, revision: i64) {
        let last = self.touched.entry(key).or_insert(revision);
        *last = revision.max(*last);
        self.order.push_back((key, revision));
        self.forget();
    }

    /// Whether a row about `key` that was read at `revision` is too old to be put in.
    pub(crate) fn outdates(&self, key: Key, revision: i64) -> bool {
        revision < self.forgotten
            || self.touched.get(&key).is_some_and(|touched| *touched > revision)
    }

    fn forget(&mut self) {
        while !self.filling && self.order.len() > REMEMBERED {
            let Some((key, revision)) = self.order.pop_front() else {
                return;
            };
            self.forgotten = revision.max(self.forgotten);
            if self.touched.get(&key) == Some(&revision) {
                self.touched.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_before_anything_that_is_forgotten_counts_as_too_old() {
        let mut guard = Guard::filling();
        let key = |session: usize| Key::Session(i64::try_from(session).unwrap());
        for session in 0..=REMEMBERED {
            guard.touch(key(session), i64::try_from(session).unwrap() + 1);
        }
        assert!(!guard.outdates(key(REMEMBERED + 1), 0));

        guard.finish_filling();

        assert!(guard.outdates(key(REMEMBERED + 1), 0));
        assert!(!guard.outdates(key(REMEMBERED + 1), 1));
        assert!(guard.outdates(key(7), 7));
        assert!(!guard.outdates(key(7), 8));
    }
}

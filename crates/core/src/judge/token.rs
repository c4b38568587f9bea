//! The decision on one security token that is presented: whether it lives, and whether its device type allows
//! it here.
//!
//! The same for the token behind a password and for one that somebody proves himself by on the web.

use crate::client_kind::ClientKind;
use crate::device_type::{DeviceRules, Misuse};
use crate::id::{Id, Profile, User};
use crate::judge::{Ended, Refusal, TokenRecord};
use crate::names::Source;
use crate::time::Timestamp;

/// How a token is presented.
#[derive(Debug, Clone, Copy)]
pub struct TokenUse<'a> {
    /// By whom it must be held.
    pub user: Id<User>,
    /// His profile.
    pub profile: Id<Profile>,
    /// What holds for the tokens of its device type.
    pub rules: Option<&'a DeviceRules>,
    /// From where.
    pub source: Source,
    /// By what kind of client, where that is plain and matters.
    pub client_kind: Option<ClientKind>,
    /// When.
    pub now: Timestamp,
}

impl TokenRecord {
    /// How it has ended by `now`, if it was retired or became too old. Of what nobody used for too long that is
    /// so once somebody has retired it: until then a use that is noted late could still have been in time.
    pub fn ended_at(&self, now: Timestamp) -> Option<Ended> {
        match self.retired {
            Some((at, cause)) => Some(Ended::Retired(at, cause)),
            None => (self.expires_at <= now).then_some(Ended::Expired(self.expires_at)),
        }
    }

    /// Decides whether the token is accepted. It dies at the first instant that is not earlier than its
    /// `expires_at`, and of disuse at the first that is not earlier than its last use and the idle end.
    ///
    /// # Errors
    /// The first [`Refusal`] that applies.
    pub fn judge(&self, used: &TokenUse<'_>) -> Result<(), Refusal> {
        if self.user != used.user {
            return Err(Refusal::TokenOfAnotherUser);
        }
        if let Some((at, cause)) = self.retired {
            return Err(Refusal::TokenRetired(at, cause));
        }
        if self.expires_at <= used.now {
            return Err(Refusal::TokenExpired(self.expires_at));
        }
        let Some(rules) = used.rules else {
            return Ok(());
        };
        if rules.idle_at(self.active_at, used.now) {
            return Err(Refusal::TokenUnused(self.active_at));
        }
        let allowed = rules.allow(used.profile, used.source, || used.client_kind);
        allowed.map_err(|misuse| match misuse {
            Misuse::NotAHolder => Refusal::TokenNotForProfile,
            Misuse::OutsideAddresses => Refusal::TokenOutsideAddresses,
            Misuse::OfAnotherKind => Refusal::TokenOfAnotherKind,
        })
    }
}

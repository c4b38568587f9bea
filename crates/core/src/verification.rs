//! The decision on a credential that is presented by itself: a session, or a security token where its
//! device type allows bearer use. A pure function over what the live view holds.
//!
//! Whether a credential exists at all is not decided here: what the view does not know is unknown.

use std::fmt;
use std::time::Duration;

use crate::device_type::Misuse;
use crate::session::SessionTimes;
use crate::time::Timestamp;

/// What is known of a credential and its owner at the moment of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CredentialRecord {
    /// What it is, and when that ends.
    pub kind: CredentialKind,
    /// Whose it is.
    pub owner: OwnerState,
}

/// The two things that can stand for a user by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialKind {
    /// An API session.
    Session {
        /// The last use.
        last_used_at: Timestamp,
        /// Inactivity after which it ends, by its owner's profile.
        idle: Duration,
    },
    /// A security token, presented without a password.
    Token {
        /// The first instant at which it is no longer accepted.
        expires_at: Timestamp,
        /// What its device type says of that.
        bearer: BearerUse,
    },
}

/// Whether a security token is a whole credential by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BearerUse {
    /// Yes.
    Allowed,
    /// No: it is one half, the password is the other.
    OneHalf,
}

impl From<Misuse> for CredentialRefusal {
    fn from(misuse: Misuse) -> Self {
        match misuse {
            Misuse::NotAHolder => Self::NotAHolder,
            Misuse::OutsideAddresses => Self::OutsideAddresses,
            Misuse::OfAnotherKind => Self::OtherKind,
        }
    }
}

/// What is known of a credential's owner, as far as it decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnerState {
    /// Neither removed nor frozen by an administrator.
    pub active: bool,
    /// The account's tokens are frozen, by their owner ("it wasn't me") or because one looks shared.
    pub tokens_frozen: bool,
    /// Only a change of the password is allowed.
    pub password_expired: bool,
}

/// Why a credential is not accepted. Told to its owner, never to who presents it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum CredentialRefusal {
    /// Nothing was presented, or nothing that could be a credential.
    Unreadable,
    /// No live credential.
    Unknown,
    /// The user is frozen or removed.
    OwnerInactive,
    /// The session was not used for too long.
    Idle,
    /// The session's owner must change the password first.
    PasswordExpired,
    /// The account's tokens are frozen. By whom is not known here, so it is not said.
    TokensFrozen,
    /// The token was too old.
    Expired,
    /// The token is only one half: its device type does not allow it to stand alone.
    OneHalf,
    /// The owner's profile is none of those whose users may hold such a token.
    NotAHolder,
    /// The token was used from outside the addresses of its device type.
    OutsideAddresses,
    /// Plainly another kind of client presents the token than its device type is for.
    OtherKind,
    /// The token was last used, or issued, too long ago for its device type.
    Unused,
    /// It was presented under another user's name.
    OtherUser,
    /// The owner's profile opens no API.
    NoAccess,
    /// The token was used outside the login hours of the owner's profile.
    OutsideLoginHours,
    /// The token was used from outside the login IP ranges of the owner's profile.
    OutsideLoginRanges,
    /// The owner's profile demands a second factor at APIs; a token alone is one.
    SecondFactorDemanded,
    /// The device type or the profile says from where, and from where it comes nobody knows.
    AddressUnknown,
    /// It is good, and the route that it was used on demands another device type or profile.
    NotHere,
}

/// Decides whether a credential is accepted at `now`.
///
/// A session ends at the first instant that is not earlier than its idle time after its last use, a
/// token at the first that is not earlier than its expiry.
///
/// # Errors
/// The first [`CredentialRefusal`] that applies.
///
/// # Security
/// A wrong *yes* opens every API that asks; a wrong *no* stops a program.
#[inline]
pub fn judge_credential(
    record: &CredentialRecord,
    now: Timestamp,
) -> Result<(), CredentialRefusal> {
    let owner = record.owner;
    if !owner.active {
        return Err(CredentialRefusal::OwnerInactive);
    }
    match record.kind {
        CredentialKind::Session { last_used_at, idle } => {
            // An API session has no other end than inactivity, so its start does not matter.
            let times = SessionTimes { started_at: last_used_at, last_used_at, ended_at: None };
            if !times.live_at(now, idle, None) {
                return Err(CredentialRefusal::Idle);
            }
            if owner.password_expired {
                return Err(CredentialRefusal::PasswordExpired);
            }
        }
        CredentialKind::Token { expires_at, bearer } => {
            if owner.tokens_frozen {
                return Err(CredentialRefusal::TokensFrozen);
            }
            if now >= expires_at {
                return Err(CredentialRefusal::Expired);
            }
            if bearer == BearerUse::OneHalf {
                return Err(CredentialRefusal::OneHalf);
            }
        }
    }
    Ok(())
}

impl CredentialRefusal {
    /// All refusals, with the word that metrics name them by.
    pub const ALL: [(Self, &'static str); 19] = [
        (Self::Unreadable, "unreadable"),
        (Self::Unknown, "unknown"),
        (Self::OwnerInactive, "owner-inactive"),
        (Self::Idle, "idle"),
        (Self::PasswordExpired, "password-expired"),
        (Self::TokensFrozen, "tokens-frozen"),
        (Self::Expired, "expired"),
        (Self::OneHalf, "one-half"),
        (Self::NotAHolder, "not-a-holder"),
        (Self::OutsideAddresses, "outside-addresses"),
        (Self::OtherKind, "other-kind"),
        (Self::Unused, "unused"),
        (Self::OtherUser, "other-user"),
        (Self::NoAccess, "no-access"),
        (Self::OutsideLoginHours, "outside-login-hours"),
        (Self::OutsideLoginRanges, "outside-login-ranges"),
        (Self::SecondFactorDemanded, "second-factor-demanded"),
        (Self::AddressUnknown, "address-unknown"),
        (Self::NotHere, "not-here"),
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        crate::words::word_of(&Self::ALL, self)
    }
}

/// The reason as the owner's login history gives it.
impl fmt::Display for CredentialRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "the credential could not be read",
            Self::Unknown => "unknown credential",
            Self::OwnerInactive => "user frozen or removed",
            Self::Idle => "session not used for too long",
            Self::PasswordExpired => "the password must be changed first",
            Self::TokensFrozen => "tokens frozen",
            Self::Expired => "token expired",
            Self::OneHalf => {
                "security token without its password: its device type makes it only one half"
            }
            Self::NotAHolder => "token of a device type whose holders do not include the profile",
            Self::OutsideAddresses => "token used from outside the addresses of its device type",
            Self::OtherKind => "token used by another kind of client than its device type is for",
            Self::Unused => "token dead of disuse, last used or issued too long ago",
            Self::OtherUser => "presented under another user's name",
            Self::NoAccess => "the profile does not let in by this way",
            Self::OutsideLoginHours => "outside the login hours of the profile",
            Self::OutsideLoginRanges => "outside the login IP ranges of the profile",
            Self::SecondFactorDemanded => {
                "security token alone, where the profile demands a second factor at APIs"
            }
            Self::AddressUnknown => {
                "from where the token was used is not known, and its device type or profile restricts it"
            }
            Self::NotHere => "used on a route that demands another device type or profile",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);
    const IDLE: Duration = Duration::from_hours(2);
    const MS: Duration = Duration::from_millis(1);
    const GOOD: OwnerState =
        OwnerState { active: true, tokens_frozen: false, password_expired: false };

    fn session(owner: OwnerState) -> CredentialRecord {
        CredentialRecord { kind: CredentialKind::Session { last_used_at: T0, idle: IDLE }, owner }
    }

    fn token(bearer: BearerUse, owner: OwnerState) -> CredentialRecord {
        CredentialRecord { kind: CredentialKind::Token { expires_at: T0 + IDLE, bearer }, owner }
    }

    #[test]
    fn a_session_and_a_token_die_at_the_first_instant_that_is_not_earlier() {
        let bearer = token(BearerUse::Allowed, GOOD);

        assert_eq!(judge_credential(&session(GOOD), T0 + IDLE - MS), Ok(()));
        assert_eq!(judge_credential(&session(GOOD), T0 + IDLE), Err(CredentialRefusal::Idle));
        assert_eq!(judge_credential(&bearer, T0 + IDLE - MS), Ok(()));
        assert_eq!(judge_credential(&bearer, T0 + IDLE), Err(CredentialRefusal::Expired));
    }

    #[test]
    fn a_token_is_one_half_unless_its_device_type_says_otherwise() {
        let half = token(BearerUse::OneHalf, GOOD);

        assert_eq!(judge_credential(&half, T0), Err(CredentialRefusal::OneHalf));
    }

    #[test]
    fn what_the_owner_may_not_do_no_credential_may() {
        let gone = OwnerState { active: false, ..GOOD };
        let frozen = OwnerState { tokens_frozen: true, ..GOOD };
        let expired = OwnerState { password_expired: true, ..GOOD };
        let verdict = |record| judge_credential(&record, T0).err();
        let bearer = |owner| token(BearerUse::Allowed, owner);

        assert_eq!(verdict(session(gone)), Some(CredentialRefusal::OwnerInactive));
        assert_eq!(verdict(bearer(gone)), Some(CredentialRefusal::OwnerInactive));
        assert_eq!(verdict(session(expired)), Some(CredentialRefusal::PasswordExpired));
        assert_eq!(verdict(bearer(frozen)), Some(CredentialRefusal::TokensFrozen));
        // A freeze has ended the sessions that it was about; those that were opened since live.
        assert_eq!(verdict(session(frozen)), None);
        // A token stands beside the password, not on it.
        assert_eq!(verdict(bearer(expired)), None);
    }
}

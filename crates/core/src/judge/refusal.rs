//! Why a login is refused, in the words of the login history, and what would have to change.

use std::fmt;

use crate::judge::{FrozenBy, RetirementCause, TokenFreeze};
use crate::time::Timestamp;

/// Why a login is refused. Told to the owner and to administrators, never to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Refusal {
    /// There is no such user.
    UnknownUser,
    /// Too many failures from this address.
    SourceLockedOut,
    /// The invitation has not been accepted yet.
    NotActivated,
    /// An administrator has frozen the user.
    Frozen(Timestamp),
    /// Too many failures for this user.
    LockedOut(Timestamp),
    /// Wrong password.
    WrongPassword,
    /// The account's tokens are frozen, by their owner or because one looks shared.
    TokensFrozen(TokenFreeze),
    /// The password was right, the token is missing.
    TokenMissing,
    /// The password was right, the token mistyped or cut.
    TokenMistyped,
    /// The password was right; such a token was never issued.
    TokenUnknown,
    /// The password was right; the token is somebody else's.
    TokenOfAnotherUser,
    /// The password was right; the token has been retired.
    TokenRetired(Timestamp, RetirementCause),
    /// The password was right; the token was too old.
    TokenExpired(Timestamp),
    /// The password was right; the token was last used, or issued, too long ago for its device type.
    TokenUnused(Timestamp),
    /// The password was right; the owner's profile is none of those whose users may hold such a token.
    TokenNotForProfile,
    /// The password was right; the token may not be used from there.
    TokenOutsideAddresses,
    /// The password was right; plainly another kind of client presents the token than it is for.
    TokenOfAnotherKind,
    /// The profile lets nobody in by this way: web pages or APIs.
    NoAccess,
    /// Outside the profile's login hours.
    OutsideLoginHours,
    /// From outside the profile's login IP ranges.
    OutsideLoginRanges,
    /// A second factor is demanded since then, and none is enrolled.
    SecondFactorNotEnrolled(Timestamp),
    /// The password was right; the code of the authenticator is missing.
    CodeMissing,
    /// The password was right; a token of the user's own stands where a code is demanded by now.
    TokenInPlaceOfCode,
    /// The password was right; the code of the authenticator was wrong, or used before.
    CodeWrong,
    /// Too many wrong codes.
    CodesLockedOut(Timestamp),
    /// What the browser answered for a passkey was not taken.
    PasskeyRefused,
    /// This way of logging in is switched off.
    SwitchedOff,
    /// The request could not be read.
    Malformed,
}

impl Refusal {
    /// Whether the attempt counts towards lockout.
    ///
    /// A token that is or used to be right, behind the right password, is a client that nobody has told of
    /// the reset or of the duty: it must not lock its owner out. A passkey cannot be guessed. A locked,
    /// frozen or unknown user has nothing to count.
    pub const fn counts(self) -> bool {
        match self {
            Self::WrongPassword
            | Self::TokenMissing
            | Self::TokenMistyped
            | Self::TokenUnknown
            | Self::TokenOfAnotherUser
            | Self::CodeMissing
            | Self::CodeWrong => true,
            Self::UnknownUser
            | Self::SourceLockedOut
            | Self::NotActivated
            | Self::Frozen(_)
            | Self::LockedOut(_)
            | Self::TokensFrozen(_)
            | Self::TokenRetired(..)
            | Self::TokenExpired(_)
            | Self::TokenUnused(_)
            | Self::TokenNotForProfile
            | Self::TokenOutsideAddresses
            | Self::TokenOfAnotherKind
            | Self::NoAccess
            | Self::OutsideLoginHours
            | Self::OutsideLoginRanges
            | Self::SecondFactorNotEnrolled(_)
            | Self::TokenInPlaceOfCode
            | Self::CodesLockedOut(_)
            | Self::PasskeyRefused
            | Self::SwitchedOff
            | Self::Malformed => false,
        }
    }

    /// What would have to change for the login to be let in, for the owner and administrators.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::UnknownUser => "Log in with the name of a user that exists.",
            Self::SourceLockedOut => {
                "Wait until the failures from this address are forgotten, or log in from another one."
            }
            Self::NotActivated => {
                "Open the link in the invitation, or have an administrator invite the user again."
            }
            Self::Frozen(_) => "An administrator unfreezes the user.",
            Self::LockedOut(_) => {
                "Wait for the end of the lockout, log in from a known place or with a passkey, or have \
                 an administrator unlock the user."
            }
            Self::WrongPassword => {
                "Give the right password, or choose a new one by Forgot Password."
            }
            Self::NoAccess => {
                "An administrator opens this way in the profile, or changes the profile."
            }
            Self::OutsideLoginHours => {
                "Log in within the login hours, or have an administrator change them in the profile."
            }
            Self::OutsideLoginRanges => {
                "Log in from within the login IP ranges, or have an administrator add the address to \
                 the profile."
            }
            Self::SecondFactorNotEnrolled(_) => {
                "Enrol an authenticator app on the page Second Factors, or have an administrator lift \
                 the duty in the profile."
            }
            Self::CodeMissing => {
                "Put the six digits that the authenticator app shows behind the password, in place of \
                 the security token."
            }
            Self::TokenInPlaceOfCode => {
                "Put the six digits that the authenticator app shows where the security token stands: the \
                 profile demands a code by now. Or have an administrator lift the duty in the profile."
            }
            Self::CodeWrong => {
                "Give the code that the authenticator app shows now, or the one that was mailed last; each \
                 works once."
            }
            Self::CodesLockedOut(_) => {
                "Wait until codes are taken again, use a passkey, or have an administrator unlock the \
                 user."
            }
            Self::PasskeyRefused => {
                "Try again with a passkey that stands under Second Factors, on the device that holds it and \
                 with its screen lock; or prove yourself in another way. Remove a passkey that somebody may \
                 have copied."
            }
            Self::TokensFrozen(_) => {
                "The owner unfreezes the tokens on My Personal Information, or an administrator on the \
                 user's page; a reset of the whole account does so too."
            }
            Self::TokenMissing => {
                "Put the security token behind the password, or have an administrator add the address \
                 to the trusted networks."
            }
            Self::TokenMistyped => {
                "Give the token as it was mailed: 30 characters, case-sensitive."
            }
            Self::TokenUnknown | Self::TokenOfAnotherUser => {
                "Give the token that was mailed to this user last."
            }
            Self::TokenRetired(..) => {
                "Give the client the token that was mailed last, or reset the security token."
            }
            Self::TokenExpired(_) => "Reset the security token.",
            Self::TokenUnused(_) => {
                "Reset the security token, or have an administrator lengthen the idle end of its device \
                 type."
            }
            Self::TokenNotForProfile => {
                "Use a token of a device type that users of the profile may hold, or have an administrator \
                 add the profile to the holders of this one."
            }
            Self::TokenOutsideAddresses => {
                "Use the token from the addresses of its device type, or have an administrator add this \
                 one to the device type."
            }
            Self::TokenOfAnotherKind => {
                "Give this client a token of its own device type, or have an administrator let the device \
                 type note other kinds of client instead of refusing them."
            }
            Self::SwitchedOff => "An administrator switches this way of logging in on.",
            Self::Malformed => "Write & and < as &amp; and &lt; in XML.",
        }
    }

    /// Whether the attempt counts against its source address: whatever may be guessing does.
    pub const fn counts_against_source(self) -> bool {
        self.counts() || matches!(self, Self::UnknownUser | Self::NotActivated | Self::Frozen(_))
    }
}

/// The reason as the login history says it.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownUser => f.write_str("no such user"),
            Self::SourceLockedOut => f.write_str("too many failures from this address"),
            Self::NotActivated => f.write_str("invitation not yet accepted"),
            Self::Frozen(at) => write!(f, "user frozen since {at}"),
            Self::LockedOut(until) => write!(f, "locked out until {until}"),
            Self::WrongPassword => f.write_str("wrong password"),
            Self::TokensFrozen(TokenFreeze { at, by }) => match by {
                FrozenBy::Owner => write!(f, "tokens frozen by their owner since {at}"),
                FrozenBy::Sharing => write!(f, "tokens frozen as one looks shared, since {at}"),
            },
            Self::TokenMissing => f.write_str("security token missing"),
            Self::TokenMistyped => f.write_str("security token mistyped or cut"),
            Self::TokenUnknown => f.write_str("security token never issued"),
            Self::TokenOfAnotherUser => f.write_str("security token of another user"),
            Self::TokenRetired(at, cause) => write!(f, "token retired {at} by {}", cause.word()),
            Self::TokenExpired(at) => write!(f, "token expired {at}"),
            Self::TokenUnused(at) => write!(f, "token dead of disuse, last used or issued {at}"),
            Self::TokenNotForProfile => {
                f.write_str("token of a device type whose holders do not include the profile")
            }
            Self::TokenOutsideAddresses => {
                f.write_str("token used from outside the addresses of its device type")
            }
            Self::TokenOfAnotherKind => {
                f.write_str("token used by another kind of client than its device type is for")
            }
            Self::NoAccess => f.write_str("the profile does not let in by this way"),
            Self::OutsideLoginHours => f.write_str("outside the login hours of the profile"),
            Self::OutsideLoginRanges => f.write_str("outside the login IP ranges of the profile"),
            Self::SecondFactorNotEnrolled(since) => {
                write!(f, "no second factor enrolled, demanded since {since}")
            }
            Self::CodeMissing => f.write_str("code of the authenticator missing"),
            Self::TokenInPlaceOfCode => {
                f.write_str("security token in place of the code that is demanded")
            }
            Self::CodeWrong => f.write_str("code wrong or used before"),
            Self::CodesLockedOut(until) => {
                write!(f, "too many wrong codes, none taken until {until}")
            }
            Self::PasskeyRefused => f.write_str("passkey refused"),
            Self::SwitchedOff => f.write_str("this way of logging in is switched off"),
            Self::Malformed => {
                f.write_str("request could not be read: an unescaped & or < in the password?")
            }
        }
    }
}

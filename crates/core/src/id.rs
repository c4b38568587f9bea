//! Identifiers: a random number that knows what it names.
//!
//! 63 random bits, so that they are minted anywhere without asking, and Salesforce-shaped when
//! written: three characters for the kind and twelve base-62 digits (`wire` adds the three check
//! characters of the long form). An identifier is no secret and grants nothing.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use rand::CryptoRng;
use thiserror::Error;

use crate::token::BASE62;

/// What each character is worth as a digit of base 62.
const VALUES: [Option<u8>; 256] = {
    let mut values = [None; 256];
    let mut value = 0;
    while value < 62 {
        values[BASE62[value as usize] as usize] = Some(value);
        value += 1;
    }
    values
};

/// What an [`Id`] can name; `PREFIX` is the first three characters of its written form.
pub trait Kind {
    /// Three characters; those of Salesforce where Salesforce has one.
    const PREFIX: &'static str;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {}
        impl Kind for $name {
            const PREFIX: &'static str = $prefix;
        }
    )*};
}

kinds! {
    /// The organization that this authority serves.
    Organization = "00D";
    /// A person or an integration.
    User = "005";
    /// A profile: the policy of a group of users.
    Profile = "00e";
    /// A security token.
    Token = "0TK";
    /// A web or API session.
    Session = "0SS";
    /// A letter in the outbox.
    Letter = "0LT";
    /// Something begun that is still to be proved: a login after its password, an enrolment.
    Challenge = "0CG";
    /// Where a user has proved himself: a browser, or a client in a network.
    Place = "0PL";
    /// A single-use link that was mailed or printed.
    Link = "0LK";
    /// An entry of the login history.
    Login = "0LH";
    /// A trusted network.
    Network = "0NW";
    /// A registered API client.
    Client = "0AC";
    /// One of the secrets of an API client.
    ClientSecret = "0CS";
    /// A device type: what kind of thing holds a token.
    DeviceType = "0DT";
    /// An authenticator app: a second factor.
    Authenticator = "0AU";
    /// A passkey (WebAuthn): a second factor, or a whole login.
    Passkey = "0PK";
    /// A recovery code: what stands in for a lost second factor.
    RecoveryCode = "0RC";
    /// A sighting of a token where it should not be.
    Leak = "0LE";
    /// What looks as if a token were shared.
    SharingSignal = "0SG";
    /// A reset of all users of a profile.
    BulkReset = "0BR";
}

/// The identifier of one `K`.
pub struct Id<K>(i64, PhantomData<fn() -> K>);

/// A text that is no identifier of the kind asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an identifier of this kind")]
pub struct IdError;

const DIGITS: usize = 12;

impl<K> Id<K> {
    /// Mints a new identifier: 63 random bits.
    pub fn mint(rng: &mut impl CryptoRng) -> Self {
        Self::from_raw((rng.next_u64() >> 1).cast_signed())
    }

    /// The identifier with this number, as the database keeps it. The sign is dropped.
    pub const fn from_raw(raw: i64) -> Self {
        Self(raw & i64::MAX, PhantomData)
    }

    /// The number, as the database keeps it.
    pub const fn raw(self) -> i64 {
        self.0
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [b'0'; DIGITS];
        let mut rest = self.0.cast_unsigned();
        for digit in digits.iter_mut().rev() {
            *digit = BASE62[(rest % 62) as usize];
            rest /= 62;
        }
        f.write_str(K::PREFIX)?;
        digits.iter().try_for_each(|digit| write!(f, "{}", char::from(*digit)))
    }
}

impl<K: Kind> FromStr for Id<K> {
    type Err = IdError;

    /// Reads the fifteen-character form.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = text.strip_prefix(K::PREFIX).ok_or(IdError)?;
        if digits.len() != DIGITS {
            return Err(IdError);
        }
        let mut number: i64 = 0;
        for byte in digits.bytes() {
            let value = VALUES[usize::from(byte)].ok_or(IdError)?;
            number = number
                .checked_mul(62)
                .and_then(|number| number.checked_add(i64::from(value)))
                .ok_or(IdError)?;
        }
        Ok(Self::from_raw(number))
    }
}

// Written out because a derive would demand the same of `K`, which is never a value.
impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_identifier_survives_being_written_and_read(raw in 0..=i64::MAX) {
            let id = Id::<User>::from_raw(raw);
            let written = id.to_string();

            prop_assert_eq!(written.len(), 15);
            prop_assert_eq!(written.parse(), Ok(id));
        }

        #[test]
        fn reading_an_identifier_never_panics(text in ".*") {
            let _ = text.parse::<Id<User>>();
        }
    }

    #[test]
    fn an_identifier_of_another_kind_is_refused() {
        let token = Id::<Token>::from_raw(7).to_string();

        assert_eq!(token.parse::<Id<User>>(), Err(IdError));
    }
}

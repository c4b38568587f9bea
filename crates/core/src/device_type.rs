//! What holds for the tokens of one device type: how old they may become, who may hold and use them, from where
//! and by what they may be used.

use std::fmt;
use std::time::Duration;

use crate::client_kind::{ClientKind, kind_of};
use crate::id::{Id, Profile};
use crate::names::Source;
use crate::network::LoginRanges;
use crate::policy::DAY;
use crate::time::Timestamp;
use crate::verification::BearerUse;

/// The longest overlap of a rotation.
pub const LONGEST_OVERLAP: Duration = Duration::from_hours(7 * 24);
/// The overlap of a rotation that names none.
pub const USUAL_OVERLAP: Duration = DAY;
const OLDEST: Duration = Duration::from_hours(3660 * 24);
const MOST_REMINDERS: usize = 8;
/// Profiles that a device type may name as holders.
pub const MOST_HOLDERS: usize = 64;

/// What holds for the tokens of one device type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRules {
    /// Age at which a token dies; 365 days by default, at least one. The profile may set less.
    pub max_age: Duration,
    /// How many days before its death its owner is reminded.
    pub reminders: ReminderDays,
    /// Whether a token is a whole credential by itself; it is one half by default.
    pub bearer: BearerUse,
    /// From where it may be used; from anywhere by default.
    pub addresses: Option<LoginRanges>,
    /// Unused for so long, it dies; never by default.
    pub idle_end: Option<Duration>,
    /// Whether the old token may live on beside the new one for a while; not by default.
    pub overlap: Overlap,
    /// Who may hold one; everybody by default.
    pub holders: Holders,
    /// What kind of client it is for; any, by default.
    pub kind: Option<ClientKind>,
    /// What happens where plainly another kind of client presents it; it is noted.
    pub mismatch: Mismatch,
    /// In how many networks one token may be in use within an hour before it looks shared.
    pub most_places: u32,
    /// What happens to a token that looks shared; its owner and administrators are told.
    pub on_sharing: OnSharing,
}

impl Default for DeviceRules {
    fn default() -> Self {
        Self {
            max_age: 365 * DAY,
            reminders: ReminderDays::default(),
            bearer: BearerUse::OneHalf,
            addresses: None,
            idle_end: None,
            overlap: Overlap::Forbidden,
            holders: Holders::Everybody,
            kind: None,
            mismatch: Mismatch::Noted,
            most_places: 8,
            on_sharing: OnSharing::Tell,
        }
    }
}

impl DeviceRules {
    /// Whether the figures are within their bounds.
    ///
    /// # Errors
    /// What is wrong, in words for the administrator who set it.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.max_age < DAY || self.max_age > OLDEST {
            return Err("the age of tokens must be between one day and ten years");
        }
        if self.idle_end.is_some_and(|idle| idle < DAY || idle > OLDEST) {
            return Err("an unused token must end after one day to ten years");
        }
        if !(1..=1000).contains(&self.most_places) {
            return Err("a token may be in use in 1 to 1000 places");
        }
        // Here alone and not where rows are read: a row that cannot be read closes the whole live view.
        if matches!(&self.holders, Holders::Profiles(profiles) if profiles.len() > MOST_HOLDERS) {
            return Err("64 profiles at most may be named as holders");
        }
        Ok(())
    }

    /// The first instant at which a token issued now is no longer accepted, where its owner's profile
    /// sets a limit of its own. A whole second, as relying services are told it and as the live view knows it.
    pub fn expiry(&self, limit_of_profile: Duration, now: Timestamp) -> Timestamp {
        (now + self.max_age.min(limit_of_profile)).whole_second()
    }

    /// Whether a token that was used last, or issued, at `last` is dead of disuse at `now`.
    pub fn idle_at(&self, last: Timestamp, now: Timestamp) -> bool {
        self.idle_end.is_some_and(|idle| now >= last + idle)
    }

    /// Whether a client of this kind is plainly another than the token is for.
    pub fn mismatched(&self, client: Option<ClientKind>) -> bool {
        matches!((self.kind, client), (Some(meant), Some(client)) if meant != client)
    }

    /// The kind of a client that says this of itself, where that is plainly another than the token is for, and
    /// what the token is for.
    pub fn another_kind(&self, client: &str) -> Option<AnotherKind> {
        let (meant, client) = (self.kind?, kind_of(client)?);
        (meant != client).then_some(AnotherKind { meant, client })
    }

    /// Whether a user of this profile may use a token from there and by that kind of client, which is worked
    /// out only where it decides.
    ///
    /// # Errors
    /// What is wrong with its use.
    #[inline]
    pub fn allow(
        &self,
        profile: Id<Profile>,
        source: Source,
        client: impl FnOnce() -> Option<ClientKind>,
    ) -> Result<(), Misuse> {
        if !self.holders.include(profile) {
            return Err(Misuse::NotAHolder);
        }
        if self.addresses.as_ref().is_some_and(|addresses| !addresses.hold(source)) {
            return Err(Misuse::OutsideAddresses);
        }
        let decides = self.kind.is_some() && self.mismatch == Mismatch::Refused;
        if decides && self.mismatched(client()) {
            return Err(Misuse::OfAnotherKind);
        }
        Ok(())
    }
}

/// A token that is for one kind of client in the hands of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnotherKind {
    /// What it is for.
    pub meant: ClientKind,
    /// What uses it.
    pub client: ClientKind,
}

/// What is wrong with the use of a token that lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misuse {
    /// Its owner's profile is none of those whose users may hold one.
    NotAHolder,
    /// It comes from outside the addresses of its device type.
    OutsideAddresses,
    /// Plainly another kind of client presents it.
    OfAnotherKind,
}

/// Whether a rotation may let the old token live on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlap {
    /// No: a reset is the only way to a new token.
    Forbidden,
    /// Yes, until the new one is first used or a deadline.
    Allowed,
}

impl Overlap {
    /// Both, with the words that scripts and the database know them by.
    pub const ALL: [(Self, &'static str); 2] =
        [(Self::Forbidden, "forbidden"), (Self::Allowed, "allowed")];
}

/// Who may hold tokens of a device type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holders {
    /// Every user.
    Everybody,
    /// The users of these profiles.
    Profiles(Vec<Id<Profile>>),
}

impl Holders {
    /// Whether users of this profile may.
    pub fn include(&self, profile: Id<Profile>) -> bool {
        match self {
            Self::Everybody => true,
            Self::Profiles(profiles) => profiles.contains(&profile),
        }
    }

    /// Reads what [`fmt::Display`] writes: numbers of profiles with commas between, nothing for everybody.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::Everybody);
        }
        let profiles: Option<Vec<Id<Profile>>> =
            text.split(',').map(|id| id.parse().ok().map(Id::from_raw)).collect();
        profiles.map(Self::Profiles)
    }
}

impl fmt::Display for Holders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Profiles(profiles) = self else {
            return Ok(());
        };
        for (at, profile) in profiles.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{}", profile.raw())?;
        }
        Ok(())
    }
}

/// What happens where plainly another kind of client presents a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// It is let in, and the login history says so.
    Noted,
    /// It is refused.
    Refused,
}

impl Mismatch {
    /// Both, with the words that scripts and the database know them by.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Noted, "note"), (Self::Refused, "refuse")];
}

/// What happens to a token that looks shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnSharing {
    /// Its owner and the administrators are told.
    Tell,
    /// The owner's tokens are frozen as well.
    Freeze,
}

impl OnSharing {
    /// Both, with the words that scripts and the database know them by.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Tell, "tell"), (Self::Freeze, "freeze")];
}

/// How many days before a token's death its owner is reminded; the most first, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReminderDays(Vec<u16>);

impl Default for ReminderDays {
    fn default() -> Self {
        Self(vec![30, 14, 7, 1])
    }
}

impl ReminderDays {
    /// Reads days with commas or spaces between; nothing for no reminder.
    ///
    /// # Errors
    /// What is wrong, in words for whoever wrote it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const WRONG: &str = "reminders are up to eight numbers of days between 1 and 365";
        let words = text.split(|c: char| c == ',' || c.is_whitespace());
        let mut days = Vec::new();
        for word in words.filter(|word| !word.is_empty()) {
            let day: u16 = word.parse().map_err(|_| WRONG)?;
            if !(1..=365).contains(&day) || days.len() == MOST_REMINDERS {
                return Err(WRONG);
            }
            days.push(day);
        }
        days.sort_unstable_by_key(|day| std::cmp::Reverse(*day));
        days.dedup();
        Ok(Self(days))
    }

    /// The days, the most first.
    pub fn days(&self) -> &[u16] {
        &self.0
    }
}

impl fmt::Display for ReminderDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, day) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(f, "{comma}{day}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);

    #[test]
    fn the_stricter_of_device_type_and_profile_says_when_a_token_dies() {
        let rules = DeviceRules { max_age: 90 * DAY, ..DeviceRules::default() };

        assert_eq!(rules.expiry(365 * DAY, T0), T0 + 90 * DAY);
        assert_eq!(rules.expiry(30 * DAY, T0), T0 + 30 * DAY);
    }

    #[test]
    fn a_token_dies_of_disuse_to_the_second() {
        let rules = DeviceRules { idle_end: Some(2 * DAY), ..DeviceRules::default() };
        let end = T0 + 2 * DAY;

        assert!(!rules.idle_at(T0, end - Duration::from_millis(1)));
        assert!(rules.idle_at(T0, end));
        assert!(!DeviceRules::default().idle_at(T0, T0 + 4000 * DAY));
    }

    #[test]
    fn reminders_are_read_as_they_are_written() {
        let days = ReminderDays::parse("7, 30 1,7").unwrap();

        assert_eq!(days.to_string(), "30,7,1");
        assert_eq!(ReminderDays::parse(&days.to_string()), Ok(days));
        assert_eq!(ReminderDays::parse("").unwrap().days(), [0_u16; 0]);
        for wrong in ["0", "366", "-1", "soon", "1 2 3 4 5 6 7 8 9"] {
            assert!(ReminderDays::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn holders_are_read_as_they_are_written() {
        let some = Holders::Profiles(vec![Id::from_raw(7), Id::from_raw(9)]);

        assert_eq!(Holders::parse(&some.to_string()), Some(some.clone()));
        assert_eq!(Holders::parse(""), Some(Holders::Everybody));
        assert_eq!(Holders::parse("7,x"), None);
        assert!(some.include(Id::from_raw(7)) && !some.include(Id::from_raw(8)));
    }

    #[test]
    fn more_holders_than_may_be_named_are_refused_where_they_are_set_and_read_all_the_same() {
        let held_by = |count: i64| DeviceRules {
            holders: Holders::Profiles((1..=count).map(Id::from_raw).collect()),
            ..DeviceRules::default()
        };

        assert_eq!(held_by(64).check(), Ok(()));
        assert!(held_by(65).check().is_err());
        for count in [64, 65] {
            let holders = held_by(count).holders;
            assert_eq!(Holders::parse(&holders.to_string()), Some(holders), "{count}");
        }
    }

    #[test]
    fn only_what_is_plainly_another_kind_does_not_match() {
        let rules = DeviceRules { kind: Some(ClientKind::Server), ..DeviceRules::default() };

        assert!(rules.mismatched(Some(ClientKind::Mobile)));
        assert!(!rules.mismatched(Some(ClientKind::Server)));
        assert!(!rules.mismatched(None));
        assert!(!DeviceRules::default().mismatched(Some(ClientKind::Mobile)));
    }

    #[test]
    fn the_name_of_a_client_tells_whether_the_token_is_in_the_hands_of_another_kind() {
        let rules = DeviceRules { kind: Some(ClientKind::Server), ..DeviceRules::default() };

        let (meant, client) = (ClientKind::Server, ClientKind::Mobile);
        assert_eq!(rules.another_kind("okhttp/4.9"), Some(AnotherKind { meant, client }));
        for name in ["jsforce", "shop/1.0", ""] {
            assert_eq!(rules.another_kind(name), None, "{name}");
        }
        assert_eq!(DeviceRules::default().another_kind("okhttp/4.9"), None);
    }

    #[test]
    fn a_token_is_used_by_whom_where_and_by_what_its_device_type_allows() {
        let here = Source::new("10.1.2.3".parse().unwrap());
        let there = Source::new("192.0.2.7".parse().unwrap());
        let (holder, other) = (Id::from_raw(7), Id::from_raw(8));
        let rules = DeviceRules {
            holders: Holders::Profiles(vec![holder]),
            addresses: LoginRanges::parse("10.0.0.0/8").unwrap(),
            kind: Some(ClientKind::Server),
            mismatch: Mismatch::Refused,
            ..DeviceRules::default()
        };
        let noting = DeviceRules { mismatch: Mismatch::Noted, ..rules.clone() };
        let (phone, server) = (Some(ClientKind::Mobile), Some(ClientKind::Server));

        assert_eq!(rules.allow(holder, here, || server), Ok(()));
        assert_eq!(rules.allow(holder, here, || None), Ok(()));
        assert_eq!(rules.allow(other, here, || server), Err(Misuse::NotAHolder));
        assert_eq!(rules.allow(holder, there, || server), Err(Misuse::OutsideAddresses));
        assert_eq!(rules.allow(holder, here, || phone), Err(Misuse::OfAnotherKind));
        assert_eq!(noting.allow(holder, here, || unreachable!("nobody asks")), Ok(()));
    }

    #[test]
    fn figures_out_of_bounds_are_refused() {
        let default = DeviceRules::default;
        let hour = Duration::from_hours(1);

        assert!(default().check().is_ok());
        for rules in [
            DeviceRules { max_age: hour, ..default() },
            DeviceRules { max_age: 4000 * DAY, ..default() },
            DeviceRules { idle_end: Some(hour), ..default() },
            DeviceRules { most_places: 0, ..default() },
        ] {
            assert!(rules.check().is_err(), "{rules:?}");
        }
    }
}

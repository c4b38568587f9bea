//! Letters: the states of a mail that the database has promised, and when the next attempt is due.

use std::time::Duration;

use crate::words::{of_word, word_of};

/// How long a letter with a secret is tried before its secret is erased for good.
pub const MAX_AGE: Duration = Duration::from_hours(3 * 24);

/// How long a courier may hold a letter before another may take it.
///
/// Longer than every timeout of one SMTP delivery together, so that a slow server is not mistaken
/// for a dead courier, which would mail a letter twice.
pub const LEASE: Duration = Duration::from_mins(5);

/// Where a letter stands. The last four are ends; a letter reaches exactly one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LetterState {
    /// It waits for its (next) attempt.
    Waiting,
    /// A courier has it in hand.
    Leased,
    /// The mail server has taken it.
    HandedOver,
    /// The mail server has refused it for good.
    Refused,
    /// What it carries was retired before it was sent.
    Superseded,
    /// No mail server took it within three days.
    TooOld,
}

impl LetterState {
    /// All states, with the words of the contract.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Waiting, "waiting"),
        (Self::Leased, "leased"),
        (Self::HandedOver, "handed-over"),
        (Self::Refused, "refused"),
        (Self::Superseded, "superseded"),
        (Self::TooOld, "too-old"),
    ];

    /// The word of the contract.
    pub fn word(self) -> &'static str {
        word_of(&Self::ALL, self)
    }

    /// The state with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        of_word(&Self::ALL, word)
    }
}

/// What a letter is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LetterKind {
    /// The new security token: the only time that it is shown.
    NewToken,
    /// A notice, without the token, that it was reset.
    TokenChanged,
    /// An invitation to choose a password.
    Invitation,
    /// The link for who forgot the password.
    PasswordRecovery,
    /// A notice that the password was changed.
    PasswordChanged,
    /// Asks the old address to agree to a new one.
    AddressChangeOld,
    /// Asks the new address to prove itself.
    AddressChangeNew,
    /// A notice that the address was changed, to the old one.
    AddressChanged,
    /// A notice that mail with a token goes to another address from now on.
    DeliveryChanged,
    /// The same to the address that it goes to from now on.
    DeliveryBegun,
    /// A notice that the OpenPGP key for mail with a token was added, changed or removed.
    OpenpgpKeyChanged,
    /// Something still uses a retired token.
    RetiredTokenUsed,
    /// The user was locked out.
    LockedOut,
    /// The owner's link froze the account's tokens.
    TokensFrozen,
    /// The freeze of the account's tokens was lifted.
    TokensUnfrozen,
    /// The six-digit code for a browser that is not known.
    VerificationCode,
    /// Too many wrong codes: the entry of codes is locked.
    CodesLocked,
    /// A notice that a second factor was enrolled, or that recovery codes were made.
    SecondFactorAdded,
    /// A notice that second factors were removed.
    SecondFactorRemoved,
    /// A notice that a recovery code was used, and how many are left.
    RecoveryCodeUsed,
    /// A token dies soon, or has died with a reminder owed.
    TokenReminder,
    /// What administrators should know of all tokens, once a week.
    WeeklyDigest,
    /// A token was found where others can read it, and was ended.
    TokenLeaked,
    /// A token looks shared: to its owner.
    TokenShared,
    /// The same to administrators.
    SharingReport,
}

impl LetterKind {
    /// All kinds, with the words that scripts and the database know them by.
    pub const ALL: [(Self, &'static str); 25] = [
        (Self::NewToken, "new-token"),
        (Self::TokenChanged, "token-changed"),
        (Self::Invitation, "invitation"),
        (Self::PasswordRecovery, "password-recovery"),
        (Self::PasswordChanged, "password-changed"),
        (Self::AddressChangeOld, "address-change-old"),
        (Self::AddressChangeNew, "address-change-new"),
        (Self::AddressChanged, "address-changed"),
        (Self::DeliveryChanged, "delivery-changed"),
        (Self::DeliveryBegun, "delivery-begun"),
        (Self::OpenpgpKeyChanged, "openpgp-key-changed"),
        (Self::RetiredTokenUsed, "retired-token-used"),
        (Self::LockedOut, "locked-out"),
        (Self::TokensFrozen, "tokens-frozen"),
        (Self::TokensUnfrozen, "tokens-unfrozen"),
        (Self::VerificationCode, "verification-code"),
        (Self::CodesLocked, "codes-locked"),
        (Self::SecondFactorAdded, "second-factor-added"),
        (Self::SecondFactorRemoved, "second-factor-removed"),
        (Self::RecoveryCodeUsed, "recovery-code-used"),
        (Self::TokenReminder, "token-reminder"),
        (Self::WeeklyDigest, "weekly-digest"),
        (Self::TokenLeaked, "token-leaked"),
        (Self::TokenShared, "token-shared"),
        (Self::SharingReport, "sharing-report"),
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        word_of(&Self::ALL, self)
    }

    /// Whether it goes to an owner whose account something has been done to, or may have been: then it
    /// carries the link "It wasn't me".
    ///
    /// Not so an invitation, for there is no account yet; what goes to an address that has not been proved;
    /// the notice that the link was used; and what administrators read about others. The delivery contact is the
    /// one address that has it without having been proved, in what goes to the owner as well and with the token:
    /// he is the first who sees that something is wrong with it.
    pub const fn offers_freeze(self) -> bool {
        !matches!(
            self,
            Self::Invitation
                | Self::AddressChangeNew
                | Self::DeliveryBegun
                | Self::TokensFrozen
                | Self::WeeklyDigest
                | Self::SharingReport
        )
    }

    /// The kind with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        of_word(&Self::ALL, word)
    }
}

/// How many letters of its like are written at one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volume {
    /// What was done was done to one account.
    Single,
    /// It was done to many accounts at once: a bulk reset, or the end of whatever nobody uses.
    Bulk,
}

/// How urgent a letter is. Of those that are due the courier takes the most urgent first, however many of the
/// others there are and for however long they have waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LetterRank {
    /// Somebody sits and waits for it, and what it carries may not work for long.
    Awaited,
    /// It tells one owner of what was done to one account.
    Notice,
    /// One of very many that were written at once.
    Bulk,
    /// Nobody waits for it, and there may be very many at once.
    Unhurried,
}

impl LetterRank {
    /// The rank of a letter of this kind.
    ///
    /// Whoever still uses a retired token is told of in bulk whatever wrote the letter: after a bulk reset
    /// there may be as many of these letters as tokens, and they help nobody who has not got the new one.
    pub const fn of(kind: LetterKind, volume: Volume) -> Self {
        match (kind, volume) {
            (LetterKind::TokenReminder | LetterKind::WeeklyDigest, _) => Self::Unhurried,
            (LetterKind::RetiredTokenUsed, _) | (_, Volume::Bulk) => Self::Bulk,
            (
                LetterKind::NewToken
                | LetterKind::VerificationCode
                | LetterKind::PasswordRecovery
                | LetterKind::Invitation
                | LetterKind::AddressChangeOld
                | LetterKind::AddressChangeNew,
                Volume::Single,
            ) => Self::Awaited,
            (
                LetterKind::TokenChanged
                | LetterKind::PasswordChanged
                | LetterKind::AddressChanged
                | LetterKind::DeliveryChanged
                | LetterKind::DeliveryBegun
                | LetterKind::OpenpgpKeyChanged
                | LetterKind::LockedOut
                | LetterKind::TokensFrozen
                | LetterKind::TokensUnfrozen
                | LetterKind::CodesLocked
                | LetterKind::SecondFactorAdded
                | LetterKind::SecondFactorRemoved
                | LetterKind::RecoveryCodeUsed
                | LetterKind::TokenLeaked
                | LetterKind::TokenShared
                | LetterKind::SharingReport,
                Volume::Single,
            ) => Self::Notice,
        }
    }

    /// The number by which the database sorts: the lower, the more urgent.
    pub const fn number(self) -> i64 {
        match self {
            Self::Awaited => 0,
            Self::Notice => 1,
            Self::Bulk => 2,
            Self::Unhurried => 3,
        }
    }
}

/// How long to wait after the `attempt`-th attempt was refused for now: 15 s, 30 s, … an hour.
///
/// The first retry comes soon, for greylisting servers take a second attempt and an owner waits.
pub fn pause_after(attempt: u32) -> Duration {
    let doublings = attempt.saturating_sub(1).min(8);
    Duration::from_secs(15 << doublings).min(Duration::from_hours(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_become_rarer_up_to_once_an_hour() {
        let pauses: Vec<u64> = (1..=10).map(|attempt| pause_after(attempt).as_secs()).collect();

        assert_eq!(pauses, [15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
    }

    #[test]
    fn codes_and_tokens_that_somebody_waits_for_go_before_bulk_mail_and_that_before_reminders() {
        use LetterKind::{
            NewToken, PasswordChanged, RetiredTokenUsed, TokenChanged, TokenReminder,
            VerificationCode, WeeklyDigest,
        };
        use LetterRank::{Awaited, Bulk, Notice, Unhurried};
        let single = |kind| LetterRank::of(kind, Volume::Single);
        let in_bulk = |kind| LetterRank::of(kind, Volume::Bulk);

        assert_eq!([VerificationCode, NewToken].map(single), [Awaited; 2]);
        assert_eq!([TokenChanged, PasswordChanged].map(single), [Notice; 2]);
        assert_eq!([NewToken, TokenChanged].map(in_bulk), [Bulk; 2]);
        assert_eq!([single(RetiredTokenUsed), in_bulk(RetiredTokenUsed)], [Bulk; 2]);
        assert_eq!([TokenReminder, WeeklyDigest].map(single), [Unhurried; 2]);
        assert_eq!([TokenReminder, WeeklyDigest].map(in_bulk), [Unhurried; 2]);
        assert_eq!([Awaited, Notice, Bulk, Unhurried].map(LetterRank::number), [0, 1, 2, 3]);
    }

    #[test]
    fn every_state_and_kind_is_known_by_its_word() {
        for (state, word) in LetterState::ALL {
            assert_eq!(LetterState::from_word(word), Some(state));
            assert_eq!(state.word(), word);
        }
        for (kind, word) in LetterKind::ALL {
            assert_eq!(LetterKind::from_word(word), Some(kind));
        }
    }
}

//! What a letter says: the facts alone, without a word of text ([`crate::wording`] has those).
//!
//! Every text in it is of a type that holds no line break and no control character, so nothing in
//! a letter can end a header or forge a line.

use symbolon_core::Timestamp;
use symbolon_core::factor::Factor;
use symbolon_core::id::{Id, Token};
use symbolon_core::judge::Ended;
use symbolon_core::leak::{Reporter, Sighting};
use symbolon_core::letter::LetterKind;
use symbolon_core::mailed_code::MailedCode;
use symbolon_core::names::{ClientName, DeviceType, DisplayName, EmailAddress, Source, Username};
use symbolon_core::reset::Scope;
use symbolon_core::token::TokenSecret;

use crate::link::Link;

/// Who set a change going.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedBy {
    /// The owner of the account.
    Owner,
    /// An administrator.
    Administrator,
    /// The owner, who had forgotten the password and recovered the account.
    Recovery,
    /// A change of the password, under a policy that ties tokens to it.
    PasswordChange,
    /// Somebody who held the token itself.
    Bearer,
    /// Nobody now: a rotation that was begun before.
    Rotation,
    /// Nobody: the token was not used for longer than its device type allows.
    Disuse,
}

/// What became of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenChange {
    /// A new one took the place of the earlier ones.
    Reset {
        /// The first instant at which the new one is no longer accepted.
        expires_at: Timestamp,
    },
    /// It ended without a successor.
    Revoked,
    /// It is being replaced by one that lives beside it for a while.
    Rotation(RotationStep),
}

/// How far a rotation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationStep {
    /// There are two tokens now.
    Begun {
        /// The first instant at which the new one is no longer accepted.
        expires_at: Timestamp,
        /// The first instant at which the old one is no longer accepted, whether the new one was used or not.
        until: Timestamp,
    },
    /// The new one was used, which ended the old one.
    Used,
    /// The old one ended at its deadline.
    TimedOut,
    /// The new one was ended before it was used.
    Cancelled,
}

/// What a mailed code is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeFor {
    /// A log-in from a browser that is not known.
    Login,
    /// A sensitive change by somebody who is logged in.
    Change,
}

/// How long a token has to live, as of the letter that tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeLeft {
    /// So many days at most.
    Days(u16),
    /// It has died.
    None,
}

/// Who uses a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUse {
    /// What the client says it is.
    pub client: ClientName,
    /// From where, where that is known.
    pub source: Option<Source>,
    /// When last.
    pub last_at: Timestamp,
}

/// How the tokens of everybody stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Tokens that expire within 30 days.
    pub expiring: u32,
    /// Tokens that have expired within 30 days and were not replaced.
    pub expired: u32,
    /// Tokens that were issued more than 30 days ago and never used.
    pub never_used: u32,
    /// Users who have no second factor.
    pub without_second_factor: u32,
}

/// A token that is among the next to die.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiringToken {
    /// Which.
    pub token: Id<Token>,
    /// Whose.
    pub username: Username,
    /// What kind of thing holds it.
    pub device_type: DeviceType,
    /// The first instant at which it is no longer accepted.
    pub expires_at: Timestamp,
    /// Who uses it, the latest first; a few.
    pub uses: Vec<TokenUse>,
}

/// What one letter says. One variant for each [`LetterKind`].
///
/// A `source` of `None` says that the request did not come over the network: it was made on the
/// server itself.
#[derive(Debug)]
pub enum Contents {
    /// The new security token: the only time that it is shown.
    NewToken {
        /// The token.
        token: TokenSecret,
        /// Whose it is.
        username: Username,
        /// What kind of thing it is for.
        device_type: DeviceType,
        /// Who asked for it.
        asked_by: AskedBy,
        /// From where.
        source: Option<Source>,
        /// When: the instant at which the earlier tokens ended.
        asked_at: Timestamp,
        /// The first instant at which it is no longer accepted.
        expires_at: Timestamp,
        /// How many earlier tokens ended.
        retired: u32,
        /// Which earlier tokens ended.
        scope: Scope,
        /// In a rotation none has ended yet: until when the old one works, unless this one is used before.
        outgoing_until: Option<Timestamp>,
        /// Since when the tokens of the account are frozen, this one with them.
        frozen_at: Option<Timestamp>,
    },
    /// A notice, without the token, that it was changed.
    TokenChanged {
        /// Whose it is.
        username: Username,
        /// What became of it.
        change: TokenChange,
        /// What kind of thing it is for.
        device_type: DeviceType,
        /// Who asked for it.
        asked_by: AskedBy,
        /// From where.
        source: Option<Source>,
        /// When: the instant at which the earlier tokens ended.
        asked_at: Timestamp,
        /// How many earlier tokens ended.
        retired: u32,
        /// Which earlier tokens ended.
        scope: Scope,
    },
    /// An invitation to choose a password.
    Invitation {
        /// What the new user logs in with.
        username: Username,
        /// Who invites, where that is a person.
        invited_by: Option<DisplayName>,
        /// Opens the page on which the password is chosen.
        link: Link,
        /// The first instant at which the link no longer works.
        valid_until: Timestamp,
    },
    /// The link for who forgot the password.
    PasswordRecovery {
        /// Whose password.
        username: Username,
        /// From where it was asked.
        source: Option<Source>,
        /// When it was asked.
        asked_at: Timestamp,
        /// Opens the page on which a new password is chosen.
        link: Link,
        /// The first instant at which the link no longer works.
        valid_until: Timestamp,
    },
    /// A notice that the password was changed.
    PasswordChanged {
        /// Whose password.
        username: Username,
        /// Who changed it.
        asked_by: AskedBy,
        /// From where.
        source: Option<Source>,
        /// When.
        changed_at: Timestamp,
    },
    /// Asks the old address to agree to a new one.
    AddressChangeOld {
        /// Whose address.
        username: Username,
        /// The address that is to be; the letter shows it masked.
        new_address: EmailAddress,
        /// From where it was asked.
        source: Option<Source>,
        /// When it was asked.
        asked_at: Timestamp,
        /// Opens the page on which the owner agrees or objects.
        link: Link,
        /// The first instant at which the link no longer works.
        valid_until: Timestamp,
    },
    /// Asks the new address to prove itself.
    AddressChangeNew {
        /// Whose address.
        username: Username,
        /// From where it was asked.
        source: Option<Source>,
        /// When it was asked.
        asked_at: Timestamp,
        /// Opens the page on which the address is confirmed.
        link: Link,
        /// The first instant at which the link no longer works.
        valid_until: Timestamp,
    },
    /// A notice that the address was changed, to the old one.
    AddressChanged {
        /// Whose address.
        username: Username,
        /// The address that is now; the letter shows it masked.
        new_address: EmailAddress,
        /// Who changed it.
        asked_by: AskedBy,
        /// From where.
        source: Option<Source>,
        /// When.
        changed_at: Timestamp,
        /// The OpenPGP key that mail with a token stays encrypted to, whoever reads it now.
        encrypted_to: Option<String>,
    },
    /// A notice that mail with a token goes to another address from now on.
    DeliveryChanged {
        /// Whose tokens.
        username: Username,
        /// Where they go; to the owner's own address if `None`. The letter shows it masked.
        delivery: Option<EmailAddress>,
        /// Who changed it.
        asked_by: AskedBy,
        /// From where.
        source: Option<Source>,
        /// When.
        changed_at: Timestamp,
        /// The OpenPGP key that mail with a token stays encrypted to, whoever reads it now.
        encrypted_to: Option<String>,
    },
    /// A notice to an address that mail with a token goes there from now on. Nobody has proved that he reads
    /// it, so it tells no more than it must.
    DeliveryBegun {
        /// Whose tokens.
        username: Username,
        /// Who chose the address.
        asked_by: AskedBy,
        /// When.
        changed_at: Timestamp,
    },
    /// Mail with a token is encrypted to another OpenPGP key from now on, or to none.
    OpenpgpKeyChanged {
        /// Whose key.
        username: Username,
        /// The fingerprint of the key from now on; there is none if `None`.
        fingerprint: Option<String>,
        /// The fingerprint of the key before, where there was one.
        before: Option<String>,
        /// Who changed it.
        asked_by: AskedBy,
        /// From where.
        source: Option<Source>,
        /// When.
        changed_at: Timestamp,
    },
    /// Something still uses a token that was retired or has expired.
    RetiredTokenUsed {
        /// Whose token it was.
        username: Username,
        /// How it has ended.
        ended: Ended,
        /// What the client says it is.
        client: ClientName,
        /// From where it was used.
        source: Option<Source>,
        /// When it was used.
        seen_at: Timestamp,
    },
    /// The user was locked out.
    LockedOut {
        /// Who.
        username: Username,
        /// The first instant at which a log-in is possible again.
        until: Timestamp,
        /// Where the last failure came from.
        source: Option<Source>,
    },
    /// The owner's link froze the account's tokens.
    TokensFrozen {
        /// Whose tokens.
        username: Username,
        /// When.
        at: Timestamp,
        /// From where.
        source: Option<Source>,
    },
    /// The freeze of the account's tokens was lifted.
    TokensUnfrozen {
        /// Whose tokens.
        username: Username,
        /// Who lifted it.
        asked_by: AskedBy,
        /// From where.
        source: Option<Source>,
        /// When.
        at: Timestamp,
    },
    /// The six-digit code for a browser that is not known.
    VerificationCode {
        /// Whose.
        username: Username,
        /// The code.
        code: MailedCode,
        /// What it is for.
        occasion: CodeFor,
        /// What the browser says it is.
        client: ClientName,
        /// From where it was asked.
        source: Option<Source>,
        /// When it was asked.
        asked_at: Timestamp,
        /// The first instant at which it no longer works.
        valid_until: Timestamp,
    },
    /// Too many wrong codes were entered.
    CodesLocked {
        /// For whom.
        username: Username,
        /// The first instant at which codes are accepted again.
        until: Timestamp,
        /// Where the last wrong one came from.
        source: Option<Source>,
    },
    /// A second factor was enrolled, or recovery codes were made anew.
    SecondFactorAdded {
        /// Whose.
        username: Username,
        /// Which kind.
        factor: Factor,
        /// What its owner calls it, where it has a name.
        name: Option<DisplayName>,
        /// From where.
        source: Option<Source>,
        /// When.
        at: Timestamp,
    },
    /// A second factor was removed, or all of them.
    SecondFactorRemoved {
        /// Whose.
        username: Username,
        /// Which kind; `None` where all of them were removed.
        factor: Option<Factor>,
        /// What its owner called it, where it had a name.
        name: Option<DisplayName>,
        /// Who removed it.
        asked_by: AskedBy,
        /// From where.
        source: Option<Source>,
        /// When.
        at: Timestamp,
    },
    /// A recovery code was used.
    RecoveryCodeUsed {
        /// Whose.
        username: Username,
        /// How many are left.
        left: u32,
        /// From where.
        source: Option<Source>,
        /// When.
        at: Timestamp,
    },
    /// A token looks shared.
    TokenShared {
        /// Who reads it.
        username: Username,
        /// Whose token it is, where an administrator reads it.
        owner: Option<Username>,
        /// What kind of thing holds it.
        device_type: DeviceType,
        /// What was seen, a sentence each.
        evidence: Vec<String>,
        /// Since when the owner's tokens are frozen for it.
        frozen: Option<Timestamp>,
        /// When it was noticed.
        at: Timestamp,
    },
    /// A token was found where others can read it, and was ended.
    TokenLeaked {
        /// Whose token it was.
        username: Username,
        /// What kind of thing held it.
        device_type: DeviceType,
        /// Where it was seen, as its finder says.
        seen: Sighting,
        /// Who reported it.
        reporter: Reporter,
        /// From where it was reported.
        source: Option<Source>,
        /// When it was reported, and ended.
        at: Timestamp,
    },
    /// A token dies soon, or has died with a reminder owed.
    TokenReminder {
        /// Whose.
        username: Username,
        /// What kind of thing holds it.
        device_type: DeviceType,
        /// Which: the calendar knows the event by it.
        token: Id<Token>,
        /// The first instant at which it is no longer accepted.
        expires_at: Timestamp,
        /// How long it has to live.
        left: TimeLeft,
        /// Who uses it, the latest first.
        uses: Vec<TokenUse>,
    },
    /// What administrators should know of all tokens, once a week.
    WeeklyDigest {
        /// The numbers.
        tally: Tally,
        /// The next to die, the soonest first.
        next: Vec<ExpiringToken>,
    },
}

impl Contents {
    /// The kind of letter that says this.
    pub fn kind(&self) -> LetterKind {
        match self {
            Self::NewToken { .. } => LetterKind::NewToken,
            Self::TokenChanged { .. } => LetterKind::TokenChanged,
            Self::Invitation { .. } => LetterKind::Invitation,
            Self::PasswordRecovery { .. } => LetterKind::PasswordRecovery,
            Self::PasswordChanged { .. } => LetterKind::PasswordChanged,
            Self::AddressChangeOld { .. } => LetterKind::AddressChangeOld,
            Self::AddressChangeNew { .. } => LetterKind::AddressChangeNew,
            Self::AddressChanged { .. } => LetterKind::AddressChanged,
            Self::DeliveryChanged { .. } => LetterKind::DeliveryChanged,
            Self::DeliveryBegun { .. } => LetterKind::DeliveryBegun,
            Self::OpenpgpKeyChanged { .. } => LetterKind::OpenpgpKeyChanged,
            Self::RetiredTokenUsed { .. } => LetterKind::RetiredTokenUsed,
            Self::LockedOut { .. } => LetterKind::LockedOut,
            Self::TokensFrozen { .. } => LetterKind::TokensFrozen,
            Self::TokensUnfrozen { .. } => LetterKind::TokensUnfrozen,
            Self::VerificationCode { .. } => LetterKind::VerificationCode,
            Self::CodesLocked { .. } => LetterKind::CodesLocked,
            Self::SecondFactorAdded { .. } => LetterKind::SecondFactorAdded,
            Self::SecondFactorRemoved { .. } => LetterKind::SecondFactorRemoved,
            Self::RecoveryCodeUsed { .. } => LetterKind::RecoveryCodeUsed,
            Self::TokenReminder { .. } => LetterKind::TokenReminder,
            Self::WeeklyDigest { .. } => LetterKind::WeeklyDigest,
            Self::TokenLeaked { .. } => LetterKind::TokenLeaked,
            Self::TokenShared { owner: None, .. } => LetterKind::TokenShared,
            Self::TokenShared { owner: Some(_), .. } => LetterKind::SharingReport,
        }
    }

    /// The token, or the code, and the link that the letter carries, each at most one.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        let (token, link) = match self {
            Self::NewToken { token, .. } => (Some(token.reveal()), None),
            Self::Invitation { link, .. }
            | Self::PasswordRecovery { link, .. }
            | Self::AddressChangeOld { link, .. }
            | Self::AddressChangeNew { link, .. } => (None, Some(link)),
            Self::VerificationCode { code, .. } => (Some(code.reveal()), None),
            Self::TokenChanged { .. }
            | Self::CodesLocked { .. }
            | Self::PasswordChanged { .. }
            | Self::AddressChanged { .. }
            | Self::DeliveryChanged { .. }
            | Self::DeliveryBegun { .. }
            | Self::OpenpgpKeyChanged { .. }
            | Self::RetiredTokenUsed { .. }
            | Self::LockedOut { .. }
            | Self::SecondFactorAdded { .. }
            | Self::SecondFactorRemoved { .. }
            | Self::RecoveryCodeUsed { .. }
            | Self::TokenReminder { .. }
            | Self::WeeklyDigest { .. }
            | Self::TokenLeaked { .. }
            | Self::TokenShared { .. }
            | Self::TokensUnfrozen { .. }
            | Self::TokensFrozen { .. } => (None, None),
        };
        token.into_iter().chain(link.map(Link::secret_part))
    }
}

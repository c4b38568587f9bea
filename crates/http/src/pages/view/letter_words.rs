//! Letters and their states in words for pages.

use symbolon_core::letter::{LetterKind, LetterState};

/// What a letter is about.
pub(crate) fn kind_words(kind: LetterKind) -> &'static str {
    match kind {
        LetterKind::NewToken => "a new security token",
        LetterKind::TokenChanged => "notice of a reset",
        LetterKind::Invitation => "an invitation",
        LetterKind::PasswordRecovery => "a link for a forgotten password",
        LetterKind::PasswordChanged => "notice of a changed password",
        LetterKind::AddressChangeOld => "a question about a new address, to the old one",
        LetterKind::AddressChangeNew => "a question about a new address, to the new one",
        LetterKind::DeliveryChanged => "notice of a changed delivery contact",
        LetterKind::DeliveryBegun => "notice to a new delivery contact",
        LetterKind::OpenpgpKeyChanged => "notice of a changed OpenPGP key",
        LetterKind::AddressChanged => "notice of a changed address",
        LetterKind::RetiredTokenUsed => "warning that a retired token is still used",
        LetterKind::LockedOut => "notice of a lockout",
        LetterKind::TokensFrozen => "notice of frozen tokens",
        LetterKind::TokensUnfrozen => "notice that a freeze of tokens was lifted",
        LetterKind::VerificationCode => "verification code",
        LetterKind::CodesLocked => "notice of locked codes",
        LetterKind::SecondFactorAdded => "notice of a new second factor",
        LetterKind::SecondFactorRemoved => "notice of a removed second factor",
        LetterKind::RecoveryCodeUsed => "notice of a used recovery code",
        LetterKind::TokenReminder => "reminder that a token expires",
        LetterKind::WeeklyDigest => "the weekly digest",
        LetterKind::TokenShared => "warning that a token looks shared",
        LetterKind::SharingReport => "report to administrators of a token that looks shared",
        LetterKind::TokenLeaked => "notice of a leaked token",
    }
}

/// Where a letter stands.
pub(crate) fn state_words(state: LetterState) -> &'static str {
    match state {
        LetterState::Waiting | LetterState::Leased => "waiting",
        LetterState::HandedOver => "handed over",
        LetterState::Refused => "refused",
        LetterState::Superseded => "superseded",
        LetterState::TooOld => "too old",
    }
}

/// Which of the style sheet's badges shows the state.
pub(crate) fn state_badge(state: LetterState) -> &'static str {
    match state {
        LetterState::Waiting | LetterState::Leased => "badge going",
        LetterState::HandedOver => "badge good",
        LetterState::Refused | LetterState::TooOld => "badge bad",
        LetterState::Superseded => "badge",
    }
}

//! Why a browser's answer is not taken, in words of ours.
//!
//! The library's own words may repeat what was sent, so none of them reaches a page, a log or the history.

use symbolon_core::judge::Refusal;
use thiserror::Error;
use webauthn_rp::response::auth::error::AuthCeremonyErr;
use webauthn_rp::response::register::error::RegCeremonyErr;

/// Why a browser's answer is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PasskeyFault {
    /// It is no answer, or too long for one.
    #[error("the answer could not be read")]
    Unreadable,
    /// The question was answered before, was asked of somebody else, or its time is up.
    #[error("the question is no longer open")]
    NotAsked,
    /// No such passkey is registered, or it is somebody else's.
    #[error("no such passkey")]
    Unknown,
    /// It is registered already.
    #[error("this passkey is registered already")]
    Registered,
    /// It was made for another site, or on one.
    #[error("made for another site")]
    OtherSite,
    /// It answers another question.
    #[error("answers another question")]
    OtherChallenge,
    /// The device has not verified its user.
    #[error("the device did not verify its user")]
    NotVerified,
    /// The signature is not that of this passkey.
    #[error("wrong signature")]
    Signature,
    /// The counter went back or stood still: there may be a copy of the passkey.
    #[error("its counter went back: there may be a copy of it")]
    Counter,
    /// It was right, and its owner's account was changed before there was a session.
    #[error("the account was changed meanwhile")]
    Overtaken,
    /// It is sound and not what was asked for.
    #[error("not what was asked for")]
    Unfit,
}

impl PasskeyFault {
    /// The reason as the login history says it; by its first words [`crate::history`] finds the remedy.
    pub(crate) fn as_reason(self) -> String {
        format!("{}: {self}", Refusal::PasskeyRefused)
    }
}

impl From<AuthCeremonyErr> for PasskeyFault {
    fn from(error: AuthCeremonyErr) -> Self {
        use AuthCeremonyErr as Error;
        match error {
            Error::Timeout => Self::NotAsked,
            Error::CollectedClientData(_)
            | Error::CollectedClientDataRelaxed(_)
            | Error::AuthenticatorData(_)
            | Error::PubKey(_) => Self::Unreadable,
            Error::AssertionSignature => Self::Signature,
            Error::OriginMismatch
            | Error::CrossOrigin
            | Error::TopOriginMismatch
            | Error::RpIdHashMismatch => Self::OtherSite,
            Error::ChallengeMismatch => Self::OtherChallenge,
            Error::UserNotVerified => Self::NotVerified,
            Error::SignatureCounter => Self::Counter,
            Error::UserHandleMismatch
            | Error::CredentialIdMismatch
            | Error::NoMatchingAllowedCredential
            | Error::MissingUserHandle => Self::Unknown,
            Error::BackupEligible
            | Error::BackupNotEligible
            | Error::BackupDoesNotExist
            | Error::MissingAuthenticatorAttachment
            | Error::AuthenticatorAttachmentMismatch
            | Error::Extension(_)
            | Error::Credential(_) => Self::Unfit,
        }
    }
}

impl From<RegCeremonyErr> for PasskeyFault {
    fn from(error: RegCeremonyErr) -> Self {
        use RegCeremonyErr as Error;
        match error {
            Error::Timeout => Self::NotAsked,
            Error::CollectedClientData(_)
            | Error::CollectedClientDataRelaxed(_)
            | Error::AttestationObject(_)
            | Error::PubKey(_) => Self::Unreadable,
            Error::AttestationSignature => Self::Signature,
            Error::OriginMismatch
            | Error::CrossOrigin
            | Error::TopOriginMismatch
            | Error::RpIdHashMismatch => Self::OtherSite,
            Error::ChallengeMismatch => Self::OtherChallenge,
            Error::UserNotPresent | Error::UserNotVerified => Self::NotVerified,
            Error::BackupEligible
            | Error::BackupNotEligible
            | Error::BackupDoesNotExist
            | Error::MissingAuthenticatorAttachment
            | Error::AuthenticatorAttachmentMismatch
            | Error::Extension(_)
            | Error::PublicKeyAlgorithmMismatch
            | Error::Credential(_) => Self::Unfit,
        }
    }
}

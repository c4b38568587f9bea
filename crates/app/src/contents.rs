//! Turns a letter of the outbox into what it says, its secret derived anew.

use symbolon_core::factor::Factor;
use symbolon_core::id::{Id, Letter};
use symbolon_core::judge::{Ended, RetirementCause};
use symbolon_core::keys::KeyId;
use symbolon_core::leak::{Reporter, Sighting};
use symbolon_core::letter::LetterKind;
use symbolon_core::mailed_code::MailedCode;
use symbolon_core::names::{ClientName, DeviceType, DisplayName, EmailAddress, Source, Username};
use symbolon_core::reset::Scope;
use symbolon_core::secret::{LinkSecret, Nonce};
use symbolon_core::token::TokenSecret;
use symbolon_mail::{AskedBy, CodeFor, Contents, Link, RotationStep, TokenChange};
use symbolon_store::letters::LeasedLetter;

use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::ReadFacts;
use crate::links::LinkKind;
use crate::{digest, reminders};

/// What `letter` says to the user of this name.
#[expect(clippy::too_many_lines, reason = "a table with one entry for each kind of letter")]
pub(crate) fn contents_of(
    ctx: &Ctx,
    letter: &LeasedLetter,
    username: Username,
) -> Result<Contents, AppError> {
    let facts = ReadFacts::of(&letter.facts);
    let secrets = Secrets { ctx, letter: letter.id, nonce: letter.nonce.as_ref() };
    let source = facts.get_some("source", |text| text.parse().ok().map(Source::new));
    Ok(match letter.kind {
        LetterKind::NewToken => Contents::NewToken {
            token: secrets.token()?,
            username,
            device_type: facts.get("device_type", |text| DeviceType::parse(text).ok())?,
            asked_by: token_asked_by(&facts)?,
            source,
            asked_at: facts.at("asked_at")?,
            expires_at: facts.at("expires_at")?,
            retired: facts.get("retired", |text| text.parse().ok())?,
            scope: facts.get("scope", Scope::from_word)?,
            outgoing_until: facts.at("outgoing_until").ok(),
            frozen_at: facts.at("frozen_at").ok(),
        },
        LetterKind::TokenChanged => Contents::TokenChanged {
            username,
            change: token_change(&facts)?,
            device_type: facts.get("device_type", |text| DeviceType::parse(text).ok())?,
            asked_by: token_asked_by(&facts)?,
            source,
            asked_at: facts.at("asked_at")?,
            retired: facts.get("retired", |text| text.parse().ok())?,
            scope: facts.get("scope", Scope::from_word)?,
        },
        LetterKind::Invitation => Contents::Invitation {
            username,
            invited_by: facts.get_some("invited_by", |text| DisplayName::parse(text).ok()),
            link: secrets.link(LinkKind::Invitation)?,
            valid_until: facts.at("valid_until")?,
        },
        LetterKind::PasswordRecovery => Contents::PasswordRecovery {
            username,
            source,
            asked_at: facts.at("asked_at")?,
            link: secrets.link(LinkKind::PasswordRecovery)?,
            valid_until: facts.at("valid_until")?,
        },
        LetterKind::PasswordChanged => Contents::PasswordChanged {
            username,
            asked_by: facts.get("by", asked_by_of)?,
            source,
            changed_at: facts.at("at")?,
        },
        LetterKind::AddressChangeOld => Contents::AddressChangeOld {
            username,
            new_address: facts.get("new_address", |text| EmailAddress::parse(text).ok())?,
            source,
            asked_at: facts.at("asked_at")?,
            link: secrets.link(LinkKind::AddressChangeOld)?,
            valid_until: facts.at("valid_until")?,
        },
        LetterKind::AddressChangeNew => Contents::AddressChangeNew {
            username,
            source,
            asked_at: facts.at("asked_at")?,
            link: secrets.link(LinkKind::AddressChangeNew)?,
            valid_until: facts.at("valid_until")?,
        },
        LetterKind::AddressChanged => Contents::AddressChanged {
            username,
            new_address: facts.get("new_address", |text| EmailAddress::parse(text).ok())?,
            asked_by: facts.get("by", asked_by_of)?,
            source,
            changed_at: facts.at("at")?,
            encrypted_to: facts.get_some("key", |text| Some(text.to_owned())),
        },
        LetterKind::DeliveryChanged => Contents::DeliveryChanged {
            username,
            delivery: facts.get_some("delivery", |text| EmailAddress::parse(text).ok()),
            asked_by: facts.get("by", asked_by_of)?,
            source,
            changed_at: facts.at("at")?,
            encrypted_to: facts.get_some("key", |text| Some(text.to_owned())),
        },
        LetterKind::DeliveryBegun => Contents::DeliveryBegun {
            username,
            asked_by: facts.get("by", asked_by_of)?,
            changed_at: facts.at("at")?,
        },
        LetterKind::OpenpgpKeyChanged => Contents::OpenpgpKeyChanged {
            username,
            fingerprint: facts.get_some("fingerprint", |text| Some(text.to_owned())),
            before: facts.get_some("before", |text| Some(text.to_owned())),
            asked_by: facts.get("by", asked_by_of)?,
            source,
            changed_at: facts.at("at")?,
        },
        LetterKind::RetiredTokenUsed => Contents::RetiredTokenUsed {
            username,
            ended: ended_of(&facts)?,
            client: ClientName::sanitised(&facts.get("client", |text| Some(text.to_owned()))?),
            source,
            seen_at: facts.at("seen_at")?,
        },
        LetterKind::LockedOut => {
            Contents::LockedOut { username, until: facts.at("until")?, source }
        }
        LetterKind::VerificationCode => Contents::VerificationCode {
            username,
            code: secrets.code()?,
            occasion: facts.get("occasion", code_for_of)?,
            client: ClientName::sanitised(&facts.get("client", |text| Some(text.to_owned()))?),
            source,
            asked_at: facts.at("asked_at")?,
            valid_until: facts.at("valid_until")?,
        },
        LetterKind::CodesLocked => {
            Contents::CodesLocked { username, until: facts.at("until")?, source }
        }
        LetterKind::SecondFactorAdded => Contents::SecondFactorAdded {
            username,
            factor: facts.get("factor", Factor::from_word)?,
            name: facts.get_some("name", |text| DisplayName::parse(text).ok()),
            source,
            at: facts.at("at")?,
        },
        LetterKind::SecondFactorRemoved => Contents::SecondFactorRemoved {
            username,
            factor: facts.get_some("factor", Factor::from_word),
            name: facts.get_some("name", |text| DisplayName::parse(text).ok()),
            asked_by: facts.get("by", asked_by_of)?,
            source,
            at: facts.at("at")?,
        },
        LetterKind::RecoveryCodeUsed => Contents::RecoveryCodeUsed {
            username,
            left: facts.get("left", |text| text.parse().ok())?,
            source,
            at: facts.at("at")?,
        },
        LetterKind::TokenShared | LetterKind::SharingReport => Contents::TokenShared {
            username,
            owner: facts.get_some("owner", |text| Username::parse(text).ok()),
            device_type: facts.get("device_type", |text| DeviceType::parse(text).ok())?,
            evidence: ["evidence_1", "evidence_2", "evidence_3", "evidence_4"]
                .into_iter()
                .filter_map(|name| facts.get_some(name, |text| Some(text.to_owned())))
                .collect(),
            frozen: facts.at("frozen_at").ok(),
            at: facts.at("at")?,
        },
        LetterKind::TokenLeaked => Contents::TokenLeaked {
            username,
            device_type: facts.get("device_type", |text| DeviceType::parse(text).ok())?,
            seen: Sighting::sanitised(&facts.get("seen", |text| Some(text.to_owned()))?),
            reporter: facts.get("reporter", Reporter::from_word)?,
            source,
            at: facts.at("at")?,
        },
        LetterKind::TokenReminder => reminders::contents_of(&facts, username)?,
        LetterKind::WeeklyDigest => digest::contents_of(&facts)?,
        LetterKind::TokensFrozen => {
            Contents::TokensFrozen { username, at: facts.at("at")?, source }
        }
        LetterKind::TokensUnfrozen => Contents::TokensUnfrozen {
            username,
            asked_by: facts.get("by", asked_by_of)?,
            source,
            at: facts.at("at")?,
        },
    })
}

/// The link "It wasn't me" of a letter that carries one.
pub(crate) fn freeze_link_of(ctx: &Ctx, letter: &LeasedLetter) -> Result<Option<Link>, AppError> {
    if !letter.kind.offers_freeze() {
        return Ok(None);
    }
    let secrets = Secrets { ctx, letter: letter.id, nonce: letter.nonce.as_ref() };
    secrets.freeze_link().map(Some)
}

/// Derives what a letter carries; each attempt derives the same.
struct Secrets<'a> {
    ctx: &'a Ctx,
    letter: Id<Letter>,
    nonce: Option<&'a (KeyId, Nonce)>,
}

impl Secrets<'_> {
    fn token(&self) -> Result<TokenSecret, AppError> {
        let (key, nonce) = self.nonce.ok_or(AppError::Corrupt("letter.nonce"))?;
        self.ctx.keys.token_of(*key, nonce, self.letter).ok_or(AppError::KeyMissing)
    }

    fn code(&self) -> Result<MailedCode, AppError> {
        let (key, nonce) = self.nonce.ok_or(AppError::Corrupt("letter.nonce"))?;
        self.ctx.keys.code_of(*key, nonce, self.letter).ok_or(AppError::KeyMissing)
    }

    fn link(&self, kind: LinkKind) -> Result<Link, AppError> {
        let (key, nonce) = self.nonce.ok_or(AppError::Corrupt("letter.nonce"))?;
        let secret = self.ctx.keys.link_of(*key, nonce, self.letter).ok_or(AppError::KeyMissing)?;
        self.address_of(kind, &secret)
    }

    fn freeze_link(&self) -> Result<Link, AppError> {
        let (key, nonce) = self.nonce.ok_or(AppError::Corrupt("letter.nonce"))?;
        let secret = self.ctx.keys.freeze_link_of(*key, nonce, self.letter);
        self.address_of(LinkKind::FreezeTokens, &secret.ok_or(AppError::KeyMissing)?)
    }

    fn address_of(&self, kind: LinkKind, secret: &LinkSecret) -> Result<Link, AppError> {
        let address = format!("{}{}", self.ctx.settings.public_url, kind.path(secret));
        Link::parse(address).map_err(|_| AppError::Corrupt("public_url"))
    }
}

fn token_change(facts: &ReadFacts<'_>) -> Result<TokenChange, AppError> {
    let step = facts.get_some("rotation", |word| Some(word.to_owned()));
    let step = match step.as_deref() {
        None => {
            let expires_at = facts.at("expires_at");
            return Ok(match expires_at {
                Ok(expires_at) => TokenChange::Reset { expires_at },
                Err(_) => TokenChange::Revoked,
            });
        }
        Some("begun") => RotationStep::Begun {
            expires_at: facts.at("expires_at")?,
            until: facts.at("outgoing_until")?,
        },
        Some("first-use") => RotationStep::Used,
        Some("deadline") => RotationStep::TimedOut,
        Some("cancelled") => RotationStep::Cancelled,
        Some(_) => return Err(AppError::Corrupt("letter.facts")),
    };
    Ok(TokenChange::Rotation(step))
}

/// How a token has ended that is still used.
fn ended_of(facts: &ReadFacts<'_>) -> Result<Ended, AppError> {
    match facts.at("expired_at") {
        Ok(at) => Ok(Ended::Expired(at)),
        Err(_) => {
            let cause = facts.get("cause", RetirementCause::from_word)?;
            Ok(Ended::Retired(facts.at("retired_at")?, cause))
        }
    }
}

/// Who changed a token: told by the cause that it was retired for, or by `by` where it was revoked.
fn token_asked_by(facts: &ReadFacts<'_>) -> Result<AskedBy, AppError> {
    let cause = facts.get("cause", RetirementCause::from_word)?;
    Ok(match cause {
        RetirementCause::Reset => AskedBy::Owner,
        RetirementCause::AdminReset | RetirementCause::UserRemoved => AskedBy::Administrator,
        RetirementCause::PasswordChange => AskedBy::PasswordChange,
        RetirementCause::Recovery => AskedBy::Recovery,
        RetirementCause::Leaked => AskedBy::Bearer,
        RetirementCause::Revoked
        | RetirementCause::Unused
        | RetirementCause::Rotation
        | RetirementCause::RotationCancelled => facts.get("by", asked_by_of)?,
    })
}

fn asked_by_of(word: &str) -> Option<AskedBy> {
    match word {
        "owner" => Some(AskedBy::Owner),
        "administrator" => Some(AskedBy::Administrator),
        "recovery" => Some(AskedBy::Recovery),
        "bearer" => Some(AskedBy::Bearer),
        "rotation" => Some(AskedBy::Rotation),
        "disuse" => Some(AskedBy::Disuse),
        _ => None,
    }
}

fn code_for_of(word: &str) -> Option<CodeFor> {
    [CodeFor::Login, CodeFor::Change]
        .into_iter()
        .find(|occasion| crate::challenges::code_for_word(*occasion) == word)
}

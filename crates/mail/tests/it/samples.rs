//! One letter of every kind, always the same.

use symbolon_core::factor::Factor;
use symbolon_core::id::{Id, Letter};
use symbolon_core::judge::{Ended, RetirementCause};
use symbolon_core::keys::{KeyId, KeyRing, MasterKey};
use symbolon_core::leak::{Reporter, Sighting};
use symbolon_core::letter::LetterKind;
use symbolon_core::mailed_code::MailedCode;
use symbolon_core::names::{ClientName, DeviceType, DisplayName, EmailAddress, Source, Username};
use symbolon_core::reset::Scope;
use symbolon_core::secret::Nonce;
use symbolon_core::time::Timestamp;
use symbolon_core::token::TokenSecret;
use symbolon_mail::{
    AskedBy, CodeFor, Contents, Envelope, ExpiringToken, Letterhead, Link, Message, Tally,
    TimeLeft, TokenChange, TokenUse, compose,
};

/// 2026-11-23T07:00:05Z.
pub(crate) const ASKED_AT: Timestamp = Timestamp::from_unix_ms(1_795_417_205_000);
const IN_AN_HOUR: Timestamp = Timestamp::from_unix_ms(1_795_420_805_000);
pub(crate) const IN_A_YEAR: Timestamp = Timestamp::from_unix_ms(1_826_953_205_000);
pub(crate) const LETTER: Id<Letter> = Id::from_raw(4711);

pub(crate) fn letterhead() -> Letterhead {
    Letterhead {
        organization: name("Example Corp"),
        from: address("symbolon@example.com"),
        public_url: "https://symbolon.example.com".to_owned(),
    }
}

pub(crate) fn name(text: &str) -> DisplayName {
    DisplayName::parse(text).unwrap()
}

pub(crate) fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

pub(crate) fn token() -> TokenSecret {
    let ring = KeyRing::new(vec![(KeyId(1), MasterKey::from_bytes([1; 32]))]).unwrap();
    ring.token_of(KeyId(1), &Nonce::from_bytes(&[2; 32]).unwrap(), LETTER).unwrap()
}

fn code() -> MailedCode {
    let ring = KeyRing::new(vec![(KeyId(1), MasterKey::from_bytes([1; 32]))]).unwrap();
    ring.code_of(KeyId(1), &Nonce::from_bytes(&[2; 32]).unwrap(), LETTER).unwrap()
}

pub(crate) fn message(contents: &Contents) -> Message {
    message_to("Jane Doe", &letterhead(), contents)
}

pub(crate) fn message_to(to: &str, letterhead: &Letterhead, contents: &Contents) -> Message {
    let (to, address) = (name(to), address("jane@example.com"));
    let freeze = link("activate/freeze");
    let freeze = contents.kind().offers_freeze().then_some(&freeze);
    let envelope =
        Envelope { to: &address, name: Some(&to), letter: LETTER, dated: ASKED_AT, freeze };
    compose(letterhead, &envelope, contents).unwrap()
}

pub(crate) fn new_token() -> Contents {
    new_token_of("jane.doe@example.com", "server", 2, Scope::Account)
}

pub(crate) fn new_token_of(
    username: &str,
    device_type: &str,
    retired: u32,
    scope: Scope,
) -> Contents {
    Contents::NewToken {
        token: token(),
        username: Username::parse(username).unwrap(),
        device_type: DeviceType::parse(device_type).unwrap(),
        asked_by: AskedBy::Owner,
        source: Some(source()),
        asked_at: ASKED_AT,
        expires_at: IN_A_YEAR,
        retired,
        scope,
        outgoing_until: None,
        frozen_at: None,
    }
}

#[expect(clippy::too_many_lines, reason = "a table with one entry for each kind of letter")]
pub(crate) fn sample(kind: LetterKind) -> Contents {
    let username = Username::parse("jane.doe@example.com").unwrap();
    let (source, asked_at, valid_until) = (Some(source()), ASKED_AT, IN_AN_HOUR);
    match kind {
        LetterKind::NewToken => new_token(),
        LetterKind::TokenChanged => Contents::TokenChanged {
            username,
            change: TokenChange::Reset { expires_at: IN_A_YEAR },
            device_type: DeviceType::any(),
            asked_by: AskedBy::Administrator,
            source: None,
            asked_at,
            retired: 1,
            scope: Scope::DeviceType,
        },
        LetterKind::Invitation => Contents::Invitation {
            username,
            invited_by: Some(name("Ada Admin")),
            link: link("activate/invitation"),
            valid_until,
        },
        LetterKind::PasswordRecovery => {
            let link = link("activate/password");
            Contents::PasswordRecovery { username, source, asked_at, link, valid_until }
        }
        LetterKind::PasswordChanged => Contents::PasswordChanged {
            username,
            asked_by: AskedBy::Owner,
            source,
            changed_at: asked_at,
        },
        LetterKind::AddressChangeOld => Contents::AddressChangeOld {
            username,
            new_address: address("jane@elsewhere.example"),
            source,
            asked_at,
            link: link("activate/address-old"),
            valid_until,
        },
        LetterKind::AddressChangeNew => {
            let link = link("activate/address-new");
            Contents::AddressChangeNew { username, source, asked_at, link, valid_until }
        }
        LetterKind::AddressChanged => Contents::AddressChanged {
            username,
            new_address: address("jane@elsewhere.example"),
            asked_by: AskedBy::Owner,
            source,
            changed_at: asked_at,
            encrypted_to: None,
        },
        LetterKind::DeliveryChanged => Contents::DeliveryChanged {
            username,
            delivery: Some(address("integrations@elsewhere.example")),
            asked_by: AskedBy::Owner,
            source,
            changed_at: asked_at,
            encrypted_to: Some("0123456789ABCDEF0123456789ABCDEF01234567".to_owned()),
        },
        LetterKind::DeliveryBegun => Contents::DeliveryBegun {
            username,
            asked_by: AskedBy::Administrator,
            changed_at: asked_at,
        },
        LetterKind::OpenpgpKeyChanged => Contents::OpenpgpKeyChanged {
            username,
            fingerprint: Some("0123456789ABCDEF0123456789ABCDEF01234567".to_owned()),
            before: Some("89ABCDEF0123456789ABCDEF0123456789ABCDEF".to_owned()),
            asked_by: AskedBy::Owner,
            source,
            changed_at: asked_at,
        },
        LetterKind::RetiredTokenUsed => Contents::RetiredTokenUsed {
            username,
            ended: Ended::Retired(asked_at, RetirementCause::AdminReset),
            client: ClientName::sanitised("jsforce/3.10 <b>\"&"),
            source,
            seen_at: valid_until,
        },
        LetterKind::LockedOut => Contents::LockedOut { username, until: valid_until, source },
        LetterKind::VerificationCode => Contents::VerificationCode {
            username,
            code: code(),
            occasion: CodeFor::Login,
            client: ClientName::sanitised("Firefox 130 on Linux"),
            source,
            asked_at,
            valid_until,
        },
        LetterKind::CodesLocked => Contents::CodesLocked { username, until: valid_until, source },
        LetterKind::SecondFactorAdded => Contents::SecondFactorAdded {
            username,
            factor: Factor::Authenticator,
            name: Some(name("Phone")),
            source,
            at: asked_at,
        },
        LetterKind::SecondFactorRemoved => Contents::SecondFactorRemoved {
            username,
            factor: None,
            name: None,
            asked_by: AskedBy::Administrator,
            source: None,
            at: asked_at,
        },
        LetterKind::RecoveryCodeUsed => {
            Contents::RecoveryCodeUsed { username, left: 3, source, at: asked_at }
        }
        LetterKind::TokenShared | LetterKind::SharingReport => Contents::TokenShared {
            username,
            owner: (kind == LetterKind::SharingReport).then(|| Username::parse("joe").unwrap()),
            device_type: DeviceType::parse("desktop").unwrap(),
            evidence: vec!["used by turns from 192.0.2.1 and 198.51.100.1".to_owned()],
            frozen: (kind == LetterKind::SharingReport).then_some(asked_at),
            at: asked_at,
        },
        LetterKind::TokenLeaked => Contents::TokenLeaked {
            username,
            device_type: DeviceType::parse("server").unwrap(),
            seen: Sighting::sanitised(
                "https://git.example/jane/tool/blob/1f2e3d/config.yml#L7 <b>",
            ),
            reporter: Reporter::Anyone,
            source,
            at: asked_at,
        },
        LetterKind::TokenReminder => reminder(TimeLeft::Days(30)),
        LetterKind::WeeklyDigest => Contents::WeeklyDigest {
            tally: Tally { expiring: 12, expired: 3, never_used: 4, without_second_factor: 7 },
            next: vec![ExpiringToken {
                token: Id::from_raw(815),
                username,
                device_type: DeviceType::any(),
                expires_at: IN_AN_HOUR,
                uses: vec![used("jsforce/3.10 <b>", Some(self::source())), used("", None)],
            }],
        },
        LetterKind::TokensFrozen => Contents::TokensFrozen { username, at: asked_at, source },
        LetterKind::TokensUnfrozen => Contents::TokensUnfrozen {
            username,
            asked_by: AskedBy::Administrator,
            source: None,
            at: asked_at,
        },
    }
}

fn used(client: &str, source: Option<Source>) -> TokenUse {
    TokenUse { client: ClientName::sanitised(client), source, last_at: ASKED_AT }
}

pub(crate) fn reminder(left: TimeLeft) -> Contents {
    Contents::TokenReminder {
        username: Username::parse("jane.doe@example.com").unwrap(),
        device_type: DeviceType::parse("server").unwrap(),
        token: Id::from_raw(815),
        expires_at: IN_A_YEAR,
        left,
        uses: vec![used("jsforce/3.10", Some(source())), used("", None)],
    }
}

fn source() -> Source {
    Source::new("198.51.100.7".parse().unwrap())
}

fn link(path: &str) -> Link {
    let secret = "Zq3mVfT0aKxWc9RbYh2LpE";
    Link::parse(format!("https://symbolon.example.com/{path}/{secret}")).unwrap()
}

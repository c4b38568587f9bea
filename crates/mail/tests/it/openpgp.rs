//! Which OpenPGP keys are taken, and that mail is encrypted to them. The keys in `tests/keys` are `GnuPG`'s.

use std::time::Duration;

use pgp::composed::{Deserializable, Message as Encrypted, SignedSecretKey};
use pgp::types::Password;
use symbolon_core::Timestamp;
use symbolon_mail::{Certificate, Envelope, KeyFault, LONGEST_CERTIFICATE, compose_encrypted};

use crate::mime::Entity;
use crate::samples::{ASKED_AT, LETTER, address, letterhead, name, new_token, token};

const CURVE: &str = include_str!("../keys/curve.asc");
const CURVE_SECRET: &str = include_str!("../keys/curve-secret.asc");
const RSA: &str = include_str!("../keys/rsa.asc");
const YEAR: Duration = Duration::from_hours(365 * 24);

/// 2026-01-01, when the keys were made.
const MADE_AT: Timestamp = Timestamp::from_unix_ms(1_767_225_600_000);

fn fault_of(key: &str) -> Option<KeyFault> {
    match Certificate::parse(key.as_bytes()) {
        Ok(certificate) => certificate.usable_at(ASKED_AT).err(),
        Err(fault) => Some(fault),
    }
}

#[test]
fn only_keys_that_can_be_relied_on_are_taken() {
    let expired_at = Timestamp::from_unix_ms(1_735_603_200_000);
    for (key, fault) in [
        (CURVE, None),
        (RSA, None),
        (include_str!("../keys/expired.asc"), Some(KeyFault::Expired { at: expired_at })),
        (include_str!("../keys/revoked.asc"), Some(KeyFault::Revoked)),
        (include_str!("../keys/weak.asc"), Some(KeyFault::Weak)),
        (include_str!("../keys/signing.asc"), Some(KeyFault::NoEncryption)),
        (CURVE_SECRET, Some(KeyFault::SecretKey)),
        ("", Some(KeyFault::NotAKey)),
        ("-----BEGIN PGP PUBLIC KEY BLOCK-----", Some(KeyFault::NotAKey)),
        (&"x".repeat(LONGEST_CERTIFICATE + 1), Some(KeyFault::TooLarge)),
    ] {
        assert_eq!(fault_of(key), fault, "{key}");
    }
}

#[test]
fn a_key_serves_until_the_instant_that_it_expires() {
    let certificate = Certificate::parse(CURVE.as_bytes()).unwrap();
    let dies_at = MADE_AT + 2 * YEAR;
    let last = Timestamp::from_unix_ms(dies_at.unix_ms() - 1);

    assert_eq!(certificate.usable_at(last).unwrap().expires_at(), Some(dies_at));
    assert_eq!(certificate.usable_at(dies_at).err(), Some(KeyFault::Expired { at: dies_at }));
}

#[test]
fn a_key_outlives_the_store_and_no_cut_or_bent_key_makes_the_reader_panic() {
    let stored = Certificate::parse(CURVE.as_bytes()).unwrap().to_bytes().unwrap();

    let again = Certificate::parse(&stored).unwrap();
    assert!(again.usable_at(ASKED_AT).is_ok());
    assert_eq!(again.fingerprint().len(), 40);
    for at in (0..stored.len()).step_by(5) {
        let mut bent = stored.clone();
        bent[at] ^= 0x55;
        for bytes in [&stored[..at], &bent] {
            let _ = Certificate::parse(bytes).map(|key| key.usable_at(ASKED_AT).is_ok());
        }
    }
}

#[test]
fn an_encrypted_mail_is_pgp_mime_shows_no_token_and_its_owner_reads_it() {
    let certificate = Certificate::parse(CURVE.as_bytes()).unwrap();
    let key = certificate.usable_at(ASKED_AT).unwrap();
    let (to, called) = (address("jane@example.com"), name("Jane Doe"));
    let envelope =
        Envelope { to: &to, name: Some(&called), letter: LETTER, dated: ASKED_AT, freeze: None };

    let message = compose_encrypted(&letterhead(), &envelope, &new_token(), &key, [7; 32]).unwrap();

    let raw = String::from_utf8(message.reveal_raw().to_vec()).unwrap();
    for shown in [raw.as_str(), message.reveal_text(), message.reveal_html()] {
        assert!(!shown.contains(token().reveal()));
    }
    let mail = Entity::read(&raw);
    let kind = &mail.headers["content-type"];
    assert!(kind.starts_with("multipart/encrypted;"), "{kind}");
    assert!(kind.contains("protocol=\"application/pgp-encrypted\""), "{kind}");
    let [version, encrypted] = &mail.parts()[..] else { panic!("two parts") };
    assert_eq!(version.headers["content-type"], "application/pgp-encrypted");
    assert_eq!(version.decoded().trim(), "Version: 1");
    let armored = encrypted.decoded();
    let (secret, _) = SignedSecretKey::from_string(CURVE_SECRET).unwrap();
    let (encrypted, _) = Encrypted::from_string(&armored).unwrap();
    let plain = encrypted.decrypt(&Password::empty(), &secret).unwrap().as_data_string().unwrap();
    let plain = Entity::read(&plain);
    assert!(plain.headers["content-type"].starts_with("multipart/"));
    assert!(plain.body.contains(token().reveal()));
}

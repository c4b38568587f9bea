//! OpenPGP (RFC 9580): reads a user's certificate, decides whether mail can be encrypted to it, and does so.
//!
//! A certificate is judged at the instant of use, for it may have expired since it was given. Only what its
//! primary key has signed counts. Mail is encrypted and not signed: the installation has no key of its own.
//! Where a key may be looked up is [`crate::KeyDirectory`]'s business.

use std::io::Cursor;

use pgp::composed::{
    ArmorOptions, Deserializable, MessageBuilder, SignedPublicKey, SignedPublicSubKey,
};
use pgp::crypto::aead::{AeadAlgorithm, ChunkSize};
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::ser::Serialize;
use pgp::types::{KeyDetails, KeyVersion, PublicParams, SignedUser, Tag};
use pgp_rand::SeedableRng;
use pgp_rand::rngs::StdRng;
use symbolon_core::Timestamp;
use symbolon_core::names::EmailAddress;
use thiserror::Error;

/// Room for a certificate with many signatures by others; a bare one takes a few kilobytes.
pub const LONGEST_CERTIFICATE: usize = 64 * 1024;

/// More components or signatures than any key has that a person uses: each costs a verification.
const MOST_SIGNATURES: usize = 500;

/// RFC 9580 §12.4: shorter RSA keys are weak.
const SHORTEST_RSA_BITS: usize = 2048;

/// A certificate that mail can be encrypted to, as far as it was looked at: see [`Certificate::usable_at`].
#[derive(Debug, Clone)]
pub struct Certificate {
    key: SignedPublicKey,
}

/// A certificate that mail can be encrypted to now.
#[derive(Debug)]
pub struct UsableKey<'a> {
    certificate: &'a SignedPublicKey,
    subkey: &'a SignedPublicSubKey,
    modern: bool,
    expires_at: Option<Timestamp>,
}

/// Why mail cannot be encrypted to what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyFault {
    /// Longer than 64 KiB, or of too many parts.
    #[error("it is too large: at most 64 KiB are taken")]
    TooLarge,
    /// A secret key was given.
    #[error("it is a secret key: keep that to yourself, and give the public key")]
    SecretKey,
    /// Not one OpenPGP certificate.
    #[error("it is not one OpenPGP public key")]
    NotAKey,
    /// Of a kind that is not strong enough.
    #[error("it is too weak: RSA takes at least 2048 bits, DSA and ElGamal are not taken")]
    Weak,
    /// Its owner has revoked it.
    #[error("it is revoked")]
    Revoked,
    /// Nothing binds it together that its primary key has signed.
    #[error("it has no valid signature by itself")]
    Unsigned,
    /// The whole key has expired.
    #[error("it expired on {}", .at.day())]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// No subkey is there to encrypt to.
    #[error("it has no subkey that encrypts")]
    NoEncryption,
}

/// Encrypting has failed: a fault of the library or of the key, never of what the letter says.
#[derive(Debug, Error)]
#[error("could not encrypt to the OpenPGP key")]
pub struct EncryptionFailed(#[source] Box<pgp::errors::Error>);

impl Certificate {
    /// Reads one certificate, with armor or without.
    ///
    /// # Errors
    /// [`KeyFault`], as far as no clock is needed.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyFault> {
        if bytes.len() > LONGEST_CERTIFICATE {
            return Err(KeyFault::TooLarge);
        }
        if contains(bytes, b"-----BEGIN PGP PRIVATE KEY BLOCK-----") {
            return Err(KeyFault::SecretKey);
        }
        let key = read_one(bytes)?;
        let users = key.details.users.iter().map(|user| user.signatures.len());
        let subkeys = key.public_subkeys.iter().map(|subkey| subkey.signatures.len());
        let direct = key.details.direct_signatures.len() + key.details.revocation_signatures.len();
        if users.chain(subkeys).sum::<usize>() + direct > MOST_SIGNATURES {
            return Err(KeyFault::TooLarge);
        }
        Ok(Self { key })
    }

    /// Whether it says of itself that it belongs to this address: by a user id that is the address or has it in
    /// angle brackets, signed by the primary key and not taken back. Case does not matter.
    pub fn belongs_to(&self, address: &EmailAddress) -> bool {
        let named = |user: &SignedUser| {
            let id = user.id.as_str().unwrap_or_default().trim();
            let mailbox = id.strip_suffix('>').and_then(|id| id.rsplit_once('<'));
            let mailbox = mailbox.map_or(id, |(_, mailbox)| mailbox);
            mailbox.eq_ignore_ascii_case(address.as_str())
        };
        let mut users = self.key.details.users.iter().filter(|user| named(user));
        users.any(|user| !self.certifications(user).is_empty())
    }

    /// Its fingerprint, in upper-case hexadecimal digits.
    pub fn fingerprint(&self) -> String {
        format!("{:X}", self.key.fingerprint())
    }

    /// The certificate as it is stored, without armor.
    ///
    /// # Errors
    /// [`KeyFault::NotAKey`] where it cannot be written again.
    pub fn to_bytes(&self) -> Result<Vec<u8>, KeyFault> {
        self.key.to_bytes().map_err(|_| KeyFault::NotAKey)
    }

    /// Decides whether mail can be encrypted to it at `now`.
    ///
    /// A key dies at the first instant that is not earlier than its expiry.
    ///
    /// # Errors
    /// The first [`KeyFault`] that applies.
    ///
    /// # Security
    /// A wrong *yes* mails a token to whoever has broken or taken the key; a wrong *no* withholds the mail.
    pub fn usable_at(&self, now: Timestamp) -> Result<UsableKey<'_>, KeyFault> {
        let key = &self.key;
        if is_weak(key.public_params()) {
            return Err(KeyFault::Weak);
        }
        let revocations = &key.details.revocation_signatures;
        if revocations.iter().any(|signature| signature.verify_key(&key.primary_key).is_ok()) {
            return Err(KeyFault::Revoked);
        }
        let signed = newest(self.self_signatures(), now).ok_or(KeyFault::Unsigned)?;
        let dies_at = expiry_of(key, signed);
        if let Some(at) = dies_at.filter(|at| *at <= now) {
            return Err(KeyFault::Expired { at });
        }
        let (subkey, subkey_dies_at) = self.newest_subkey(now)?;
        Ok(UsableKey {
            certificate: key,
            subkey,
            // RFC 9580 §5.13.2: only for who says that he can read it.
            modern: key.version() == KeyVersion::V6
                || signed.features().is_some_and(pgp::packet::Features::seipd_v2),
            expires_at: [dies_at, subkey_dies_at].into_iter().flatten().min(),
        })
    }

    /// What the primary key has signed about itself, names that were taken back left out.
    fn self_signatures(&self) -> Vec<&Signature> {
        let (primary, details) = (&self.key.primary_key, &self.key.details);
        let direct = details.direct_signatures.iter().filter(|s| s.verify_key(primary).is_ok());
        let named = details.users.iter().flat_map(|user| self.certifications(user));
        direct.chain(named).collect()
    }

    /// What the primary key has signed about one of its names and not taken back.
    fn certifications<'a>(&'a self, user: &'a SignedUser) -> Vec<&'a Signature> {
        let by_itself = |signature: &&Signature| {
            let primary = &self.key.primary_key;
            signature.verify_certification(primary, Tag::UserId, &user.id).is_ok()
        };
        let signed: Vec<&Signature> = user.signatures.iter().filter(by_itself).collect();
        let taken_back = signed.iter().filter(|s| s.typ() == Some(SignatureType::CertRevocation));
        let taken_back = taken_back.filter_map(|signature| signature.created()).max();
        let stands = |s: &&Signature| s.is_certification() && s.created() > taken_back;
        signed.into_iter().filter(stands).collect()
    }

    /// The newest subkey that encrypts, and when it dies.
    fn newest_subkey(
        &self,
        now: Timestamp,
    ) -> Result<(&SignedPublicSubKey, Option<Timestamp>), KeyFault> {
        let mut fault = KeyFault::NoEncryption;
        let mut found: Option<(&SignedPublicSubKey, Option<Timestamp>)> = None;
        for subkey in &self.key.public_subkeys {
            let expiry = match judge_subkey(&self.key, subkey, now) {
                Ok(expiry) => expiry,
                Err(KeyFault::NoEncryption) => continue,
                Err(other) => {
                    fault = other;
                    continue;
                }
            };
            if found.is_none_or(|(other, _)| other.created_at() <= subkey.created_at()) {
                found = Some((subkey, expiry));
            }
        }
        found.ok_or(fault)
    }
}

impl UsableKey<'_> {
    /// The fingerprint of the whole certificate.
    pub fn fingerprint(&self) -> String {
        format!("{:X}", self.certificate.fingerprint())
    }

    /// The first instant at which mail can no longer be encrypted to it; `None` for never.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// Encrypts `plain`; returns the armored message. `seed` decides the session key: it is drawn for this one
    /// message and never kept.
    ///
    /// # Errors
    /// [`EncryptionFailed`].
    pub(crate) fn encrypt(&self, plain: &[u8], seed: [u8; 32]) -> Result<String, EncryptionFailed> {
        self.encrypted(plain, StdRng::from_seed(seed)).map_err(|e| EncryptionFailed(Box::new(e)))
    }

    fn encrypted(&self, plain: &[u8], mut rng: StdRng) -> pgp::errors::Result<String> {
        // Not compressed: how well a mail compresses may tell of what is in it.
        let message = MessageBuilder::from_reader("", Cursor::new(plain));
        if self.modern {
            let (cipher, mode) = (SymmetricKeyAlgorithm::AES256, AeadAlgorithm::Ocb);
            let mut message = message.seipd_v2(&mut rng, cipher, mode, ChunkSize::default());
            message.encrypt_to_key(&mut rng, &self.subkey.key)?;
            message.to_armored_string(&mut rng, ArmorOptions::default())
        } else {
            let mut message = message.seipd_v1(&mut rng, SymmetricKeyAlgorithm::AES256);
            message.encrypt_to_key(&mut rng, &self.subkey.key)?;
            message.to_armored_string(&mut rng, ArmorOptions::default())
        }
    }
}

fn read_one(bytes: &[u8]) -> Result<SignedPublicKey, KeyFault> {
    // The first bit of each packet is set (RFC 9580 §4.2), and of no letter of an armor.
    let armored = bytes.first().is_some_and(|first| first & 0x80 == 0);
    let mut keys = if armored {
        let (keys, _) =
            SignedPublicKey::from_armor_many_buf(bytes).map_err(|_| KeyFault::NotAKey)?;
        keys
    } else {
        SignedPublicKey::from_bytes_many(bytes).map_err(|_| KeyFault::NotAKey)?
    };
    let key = keys.next().and_then(Result::ok).ok_or(KeyFault::NotAKey)?;
    if keys.next().is_some() { Err(KeyFault::NotAKey) } else { Ok(key) }
}

fn contains(bytes: &[u8], sought: &[u8]) -> bool {
    bytes.windows(sought.len()).any(|window| window == sought)
}

/// When a subkey that encrypts dies, or why it does not serve.
fn judge_subkey(
    key: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    now: Timestamp,
) -> Result<Option<Timestamp>, KeyFault> {
    let signed = subkey.signatures.iter();
    let signed = signed.filter(|s| s.verify_subkey_binding(&key.primary_key, &subkey.key).is_ok());
    let (bindings, revocations): (Vec<_>, Vec<_>) =
        signed.partition(|s| s.typ() == Some(SignatureType::SubkeyBinding));
    let binding = newest(bindings, now).ok_or(KeyFault::NoEncryption)?;
    let flags = binding.key_flags();
    if !(flags.encrypt_comms() || flags.encrypt_storage()) {
        return Err(KeyFault::NoEncryption);
    }
    if !revocations.is_empty() {
        return Err(KeyFault::Revoked);
    }
    if is_weak(subkey.public_params()) {
        return Err(KeyFault::Weak);
    }
    let encrypts = matches!(
        subkey.algorithm(),
        PublicKeyAlgorithm::RSA
            | PublicKeyAlgorithm::RSAEncrypt
            | PublicKeyAlgorithm::ECDH
            | PublicKeyAlgorithm::X25519
            | PublicKeyAlgorithm::X448
    );
    if !encrypts {
        return Err(KeyFault::NoEncryption);
    }
    let dies_at = expiry_of(subkey, binding);
    match dies_at {
        Some(at) if at <= now => Err(KeyFault::Expired { at }),
        dies_at => Ok(dies_at),
    }
}

/// The newest of the signatures that are in force at `now`.
fn newest(signatures: Vec<&Signature>, now: Timestamp) -> Option<&Signature> {
    let in_force = |signature: &&Signature| {
        let Some(created) = signature.created() else { return false };
        let lasts = signature.signature_expiration_time().map_or(0, pgp::types::Duration::as_secs);
        let created_at = instant(created.as_secs().into());
        created_at <= now && (lasts == 0 || now < instant(after(created.as_secs(), lasts)))
    };
    signatures
        .into_iter()
        .filter(in_force)
        .max_by_key(|s| s.created().map(pgp::types::Timestamp::as_secs))
}

/// RFC 9580 §5.2.3.13: counted from when the key was made; zero is never.
fn expiry_of(key: &impl KeyDetails, signed: &Signature) -> Option<Timestamp> {
    let lasts = signed.key_expiration_time()?.as_secs();
    (lasts != 0).then(|| instant(after(key.created_at().as_secs(), lasts)))
}

fn after(created: u32, lasts: u32) -> i64 {
    i64::from(created) + i64::from(lasts)
}

fn instant(unix_seconds: i64) -> Timestamp {
    Timestamp::from_unix_ms(unix_seconds * 1000)
}

fn is_weak(params: &PublicParams) -> bool {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library's list may grow")]
    match params {
        PublicParams::RSA(rsa) => {
            // An MPI: two bytes that say how many bits follow.
            let bits = rsa.to_bytes().ok().and_then(|bytes| bytes.first_chunk().copied());
            bits.is_none_or(|bits| usize::from(u16::from_be_bytes(bits)) < SHORTEST_RSA_BITS)
        }
        PublicParams::DSA(_) | PublicParams::Elgamal(_) | PublicParams::Unknown { .. } => true,
        _ => false,
    }
}

//! The key ring: master keys, and the keys derived from them for each purpose.
//!
//! Master keys live in the data dir, never in the database, so that a stolen database verifies,
//! derives and forges nothing. Each use has a key of its own (HKDF-SHA-256 with the purpose as
//! label). The newest key is used for what is new; older ones go on recognising what they made.

use std::fmt;

use hkdf::Hkdf;
use rand::CryptoRng;
use sha2::Sha256;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::id::{Id, Letter};
use crate::mac::ReadyKey;
use crate::mailed_code::MailedCode;
use crate::sealed::{Sealed, SealingKey, Seat};
use crate::secret::{Digest, LinkSecret, Nonce};
use crate::token::{self, TokenSecret};

/// Names a master key within the ring; stored beside whatever the key made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u32);

/// What a digest stands for. A digest of one purpose never equals one of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Security tokens.
    Token,
    /// Sessions, web and API.
    Session,
    /// Single-use links.
    Link,
    /// Secrets of API clients.
    Client,
    /// Forms: the nonce that a form must send back.
    Form,
    /// Recovery codes.
    RecoveryCode,
    /// What a known browser holds.
    Place,
    /// What a browser holds while a challenge is to be met.
    Challenge,
    /// Mailed codes, each with its challenge.
    Code,
}

const DIGEST_PURPOSES: [(Purpose, &[u8]); 9] = [
    (Purpose::Token, b"symbolon/1 digest token"),
    (Purpose::Session, b"symbolon/1 digest session"),
    (Purpose::Link, b"symbolon/1 digest link"),
    (Purpose::Client, b"symbolon/1 digest client"),
    (Purpose::Form, b"symbolon/1 digest form"),
    (Purpose::RecoveryCode, b"symbolon/1 digest recovery code"),
    (Purpose::Place, b"symbolon/1 digest place"),
    (Purpose::Challenge, b"symbolon/1 digest challenge"),
    (Purpose::Code, b"symbolon/1 digest code"),
];

/// A master key of 256 random bits.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; 32]);

impl MasterKey {
    /// Draws a new master key.
    pub fn draw(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Takes the bytes read from the key file.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the key file alone.
    pub const fn reveal(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// The keys derived from one master key.
#[derive(ZeroizeOnDrop)]
struct DerivedKeys {
    /// To key an HMAC anew costs as much as to digest a token with it.
    digests: [ReadyKey; DIGEST_PURPOSES.len()],
    derivation: [u8; 32],
    pepper: [u8; 32],
    sealing: SealingKey,
    fingerprint: [u8; 8],
}

/// All master keys of an installation, oldest first.
pub struct KeyRing {
    keys: Vec<(KeyId, DerivedKeys)>,
}

/// A ring that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyRingError {
    /// There must be a key to use.
    #[error("the key ring is empty")]
    Empty,
    /// Identifiers tell keys apart.
    #[error("two keys of the ring have the number {}", .0.0)]
    Twice(KeyId),
}

impl KeyRing {
    /// Derives the keys of every purpose from the master keys.
    ///
    /// # Errors
    /// The ring must hold at least one key, and no two under one number.
    pub fn new(mut masters: Vec<(KeyId, MasterKey)>) -> Result<Self, KeyRingError> {
        masters.sort_by_key(|(id, _)| *id);
        if let Some(pair) = masters.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(KeyRingError::Twice(pair[0].0));
        }
        if masters.is_empty() {
            return Err(KeyRingError::Empty);
        }
        let keys = masters.iter().map(|(id, master)| (*id, derive_keys(master))).collect();
        Ok(Self { keys })
    }

    /// The key that new things are made with: the one with the highest number.
    pub fn current(&self) -> KeyId {
        self.newest().0
    }

    /// The digest of `secret` under the current key.
    pub fn digest(&self, purpose: Purpose, secret: &[u8]) -> Digest {
        digest_with(&self.newest().1, purpose, secret)
    }

    /// The digests of `secret` under every key, newest first: what a look-up compares with.
    pub fn digests(&self, purpose: Purpose, secret: &[u8]) -> Vec<Digest> {
        self.each_digest(purpose, secret).collect()
    }

    /// [`Self::digests`] one by one, each worked out when it is asked for.
    #[inline]
    pub fn each_digest(&self, purpose: Purpose, secret: &[u8]) -> impl Iterator<Item = Digest> {
        self.keys.iter().rev().map(move |(_, keys)| digest_with(keys, purpose, secret))
    }

    /// The security token that `letter` carries; `None` if the ring no longer holds `key`.
    pub fn token_of(&self, key: KeyId, nonce: &Nonce, letter: Id<Letter>) -> Option<TokenSecret> {
        let keys = self.keys_of(key)?;
        Some(TokenSecret::derive(&keys.derivation, nonce, letter.raw()))
    }

    /// The secret of the link that `letter` carries; `None` if the ring no longer holds `key`.
    pub fn link_of(&self, key: KeyId, nonce: &Nonce, letter: Id<Letter>) -> Option<LinkSecret> {
        let keys = self.keys_of(key)?;
        Some(token::derive_link(&keys.derivation, nonce, b"symbolon/1 link", letter.raw()))
    }

    /// The secret of the link in `letter` that freezes its owner's tokens, beside any other that it carries;
    /// `None` if the ring no longer holds `key`.
    pub fn freeze_link_of(
        &self,
        key: KeyId,
        nonce: &Nonce,
        letter: Id<Letter>,
    ) -> Option<LinkSecret> {
        let keys = self.keys_of(key)?;
        Some(token::derive_link(&keys.derivation, nonce, b"symbolon/1 freeze link", letter.raw()))
    }

    /// The six-digit code that `letter` carries; `None` if the ring no longer holds `key`.
    pub fn code_of(&self, key: KeyId, nonce: &Nonce, letter: Id<Letter>) -> Option<MailedCode> {
        let keys = self.keys_of(key)?;
        Some(MailedCode::derive(&keys.derivation, nonce, letter.raw()))
    }

    /// The key that is mixed into password hashes (Argon2's secret value, RFC 9106 §3.1).
    pub fn pepper(&self, key: KeyId) -> Option<&[u8; 32]> {
        Some(&self.keys_of(key)?.pepper)
    }

    /// Seals a text for its seat under the current key.
    pub fn seal(&self, text: &[u8], seat: &Seat, rng: &mut impl CryptoRng) -> Sealed {
        let (key, keys) = self.newest();
        Sealed { key: *key, bytes: keys.sealing.seal(text, seat, rng) }
    }

    /// Opens what was sealed for this seat; `None` if it was altered, belongs elsewhere, or if the ring no
    /// longer holds its key.
    pub fn open(&self, sealed: &Sealed, seat: &Seat) -> Option<Zeroizing<Vec<u8>>> {
        self.keys_of(sealed.key)?.sealing.open(&sealed.bytes, seat)
    }

    /// Eight bytes that name the oldest key without telling it: the database remembers them, so that
    /// a node with another ring refuses to start instead of calling every token unknown.
    pub fn fingerprint(&self) -> [u8; 8] {
        self.keys[0].1.fingerprint
    }

    fn keys_of(&self, key: KeyId) -> Option<&DerivedKeys> {
        self.keys.iter().find(|(id, _)| *id == key).map(|(_, keys)| keys)
    }

    fn newest(&self) -> &(KeyId, DerivedKeys) {
        self.keys.last().expect("a ring holds at least one key: checked in `new`")
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

fn derive_keys(master: &MasterKey) -> DerivedKeys {
    DerivedKeys {
        digests: DIGEST_PURPOSES.map(|(_, label)| {
            let key = Zeroizing::new(derive::<32>(master, label));
            ReadyKey::new(&key)
        }),
        derivation: derive(master, b"symbolon/1 derivation"),
        pepper: derive(master, b"symbolon/1 pepper"),
        sealing: SealingKey::new(derive(master, b"symbolon/1 sealing")),
        fingerprint: derive(master, b"symbolon/1 fingerprint"),
    }
}

fn derive<const N: usize>(master: &MasterKey, label: &[u8]) -> [u8; N] {
    let mut key = [0; N];
    Hkdf::<Sha256>::new(None, master.reveal())
        .expand(label, &mut key)
        .expect("32 bytes are within the limit of HKDF-SHA-256");
    key
}

#[inline]
fn digest_with(keys: &DerivedKeys, purpose: Purpose, secret: &[u8]) -> Digest {
    Digest::from_bytes(keys.digests[purpose as usize].digest(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(numbers: &[u32]) -> KeyRing {
        let masters = numbers
            .iter()
            .map(|n| (KeyId(*n), MasterKey::from_bytes([u8::try_from(*n).unwrap(); 32])));
        KeyRing::new(masters.collect()).unwrap()
    }

    #[test]
    fn purposes_do_not_share_digests() {
        let ring = ring(&[1]);

        assert_ne!(ring.digest(Purpose::Token, b"x"), ring.digest(Purpose::Session, b"x"));
        assert!(
            DIGEST_PURPOSES.iter().enumerate().all(|(at, (purpose, _))| *purpose as usize == at)
        );
    }

    #[test]
    fn an_older_key_still_recognises_what_it_made() {
        let old = ring(&[1]).digest(Purpose::Token, b"x");

        assert!(ring(&[1, 2]).digests(Purpose::Token, b"x").contains(&old));
        assert_ne!(ring(&[1, 2]).digest(Purpose::Token, b"x"), old);
    }

    #[test]
    fn an_empty_ring_and_a_number_given_twice_are_refused() {
        let twice = vec![
            (KeyId(1), MasterKey::from_bytes([1; 32])),
            (KeyId(1), MasterKey::from_bytes([2; 32])),
        ];

        assert_eq!(KeyRing::new(vec![]).unwrap_err(), KeyRingError::Empty);
        assert_eq!(KeyRing::new(twice).unwrap_err(), KeyRingError::Twice(KeyId(1)));
    }
}

//! Sealing: what must be read again and not merely recognised is encrypted under the key ring.
//!
//! XChaCha20-Poly1305 under a key of its own, with a random nonce of 24 bytes, so that none comes twice.
//! What a sealed text is for, whose it is and in which row it stands are authenticated along with it: put
//! into another row, or before another user, it does not open.

use std::fmt;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use rand::CryptoRng;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::id::{Id, User};
use crate::keys::KeyId;

const NONCE: usize = 24;
const KEY_NUMBER: usize = 4;

/// A sealed text, and the key that it is sealed under.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The key.
    pub key: KeyId,
    /// Nonce, encrypted text and tag.
    pub bytes: Vec<u8>,
}

impl Sealed {
    /// Key and text in one, where there is but one column for both.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.key.0.to_be_bytes(), self.bytes.as_slice()].concat()
    }

    /// Reads back what [`Self::to_bytes`] has written.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (key, bytes) = bytes.split_first_chunk::<KEY_NUMBER>()?;
        Some(Self { key: KeyId(u32::from_be_bytes(*key)), bytes: bytes.to_vec() })
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed(key {})", self.key.0)
    }
}

/// Where a sealed text belongs; elsewhere it does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// What it is for.
    pub use_for: SealedFor,
    /// Whose it is.
    pub user: Id<User>,
    /// The number of its row.
    pub row: i64,
}

/// What a sealed text is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedFor {
    /// The secret of an enrolled authenticator app.
    Authenticator,
    /// The secret of one that has not proved itself yet.
    Enrolment,
    /// What a browser keeps of a question for any passkey, and hands back with its answer.
    PasskeyQuestion,
}

impl Seat {
    fn associated(&self) -> Vec<u8> {
        let use_for: &[u8] = match self.use_for {
            SealedFor::Authenticator => b"authenticator",
            SealedFor::Enrolment => b"enrolment",
            SealedFor::PasskeyQuestion => b"passkey question",
        };
        [&self.user.raw().to_be_bytes(), &self.row.to_be_bytes(), use_for].concat()
    }
}

/// The key that texts are sealed under.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct SealingKey([u8; 32]);

impl SealingKey {
    pub(crate) const fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    pub(crate) fn seal(&self, text: &[u8], seat: &Seat, rng: &mut impl CryptoRng) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        let payload = Payload { msg: text, aad: &seat.associated() };
        let encrypted = self
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a text far below 256 GiB can be encrypted");
        [nonce.as_slice(), &encrypted].concat()
    }

    pub(crate) fn open(&self, bytes: &[u8], seat: &Seat) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, encrypted) = bytes.split_first_chunk::<NONCE>()?;
        let payload = Payload { msg: encrypted, aad: &seat.associated() };
        self.cipher().decrypt(&XNonce::from(*nonce), payload).ok().map(Zeroizing::new)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&Key::from(self.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand::rngs::StdRng;

    use super::*;
    use crate::keys::{KeyRing, MasterKey};

    const SEAT: Seat = Seat { use_for: SealedFor::Authenticator, user: Id::from_raw(1), row: 7 };

    fn ring(numbers: &[u8]) -> KeyRing {
        let masters = numbers
            .iter()
            .map(|number| (KeyId(u32::from(*number)), MasterKey::from_bytes([*number; 32])));
        KeyRing::new(masters.collect()).unwrap()
    }

    fn sealed(text: &[u8]) -> Sealed {
        ring(&[1]).seal(text, &SEAT, &mut StdRng::seed_from_u64(1))
    }

    fn opened(sealed: &Sealed, seat: &Seat) -> Option<Vec<u8>> {
        ring(&[1]).open(sealed, seat).map(|text| text.to_vec())
    }

    #[test]
    fn what_was_sealed_opens_in_its_seat_and_in_no_other() {
        let sealed = sealed(b"hush");
        let others = [
            Seat { user: Id::from_raw(2), ..SEAT },
            Seat { row: 8, ..SEAT },
            Seat { use_for: SealedFor::Enrolment, ..SEAT },
        ];

        assert_eq!(opened(&sealed, &SEAT), Some(b"hush".to_vec()));
        for other in others {
            assert_eq!(opened(&sealed, &other), None, "{other:?}");
        }
    }

    #[test]
    fn an_older_key_opens_what_it_sealed_and_another_does_not() {
        let old = sealed(b"hush");
        let ring = ring(&[1, 2]);
        let new = ring.seal(b"hush", &SEAT, &mut StdRng::seed_from_u64(1));

        assert_eq!((old.key, new.key), (KeyId(1), KeyId(2)));
        assert!(ring.open(&old, &SEAT).is_some() && ring.open(&new, &SEAT).is_some());
        assert!(ring.open(&Sealed { key: KeyId(2), ..old.clone() }, &SEAT).is_none());
        assert!(ring.open(&Sealed { key: KeyId(3), ..old }, &SEAT).is_none());
    }

    #[test]
    fn the_same_text_is_never_sealed_alike_and_does_not_show() {
        let mut rng = StdRng::seed_from_u64(1);
        let (one, two) =
            (ring(&[1]).seal(b"hush", &SEAT, &mut rng), ring(&[1]).seal(b"hush", &SEAT, &mut rng));

        assert_ne!(one, two);
        assert!(!one.bytes.windows(4).any(|bytes| bytes == b"hush"));
        assert_eq!(format!("{one:?}"), "Sealed(key 1)");
    }

    proptest! {
        #[test]
        fn any_change_of_any_byte_keeps_it_shut(text: Vec<u8>, at: prop::sample::Index, by in 1..=255_u8) {
            let mut sealed = sealed(&text);
            prop_assert_eq!(opened(&sealed, &SEAT), Some(text));
            let at = at.index(sealed.bytes.len());

            sealed.bytes[at] ^= by;

            prop_assert_eq!(opened(&sealed, &SEAT), None);
        }

        #[test]
        fn no_bytes_make_the_opening_panic(bytes: Vec<u8>) {
            if let Some(read) = Sealed::from_bytes(&bytes) {
                prop_assert_eq!(read.to_bytes(), bytes.clone());
                prop_assert_eq!(opened(&read, &SEAT), None);
            }
            prop_assert_eq!(opened(&Sealed { key: KeyId(1), bytes }, &SEAT), None);
        }
    }
}

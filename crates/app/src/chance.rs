//! The one source of randomness: the operating system's generator, or a seeded one in tests.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use rand::CryptoRng;
use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;

/// Hands out random bytes to whoever mints an identifier or draws a nonce.
pub struct Chance(Mutex<Box<dyn CryptoRng + Send>>);

impl Chance {
    /// The operating system's generator. If it fails the process ends: nothing safe can be done
    /// without it (F20).
    pub fn system() -> Self {
        Self::new(UnwrapErr(SysRng))
    }

    /// Any other generator, for tests that need the same draws each time.
    pub fn new(rng: impl CryptoRng + Send + 'static) -> Self {
        Self(Mutex::new(Box::new(rng)))
    }

    /// Uses the generator for as long as `draw` lasts.
    pub fn with<T>(&self, draw: impl FnOnce(&mut dyn CryptoRng) -> T) -> T {
        let mut rng = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        draw(&mut **rng)
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.with(|rng| rng.fill_bytes(&mut bytes));
        bytes
    }

    /// A text of `length` base-62 characters, each as likely as any other.
    pub fn text(&self, length: usize) -> String {
        use symbolon_core::token::BASE62;
        let mut text = String::with_capacity(length);
        while text.len() < length {
            // 248 = 4 × 62: bytes from there on would favour the first characters.
            let fresh = self.bytes::<32>();
            let digits =
                fresh.iter().filter(|byte| **byte < 248).map(|byte| BASE62[usize::from(byte % 62)]);
            text.extend(digits.take(length - text.len()).map(char::from));
        }
        text
    }
}

impl fmt::Debug for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chance")
    }
}

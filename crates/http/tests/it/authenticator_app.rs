//! The phone's side of an authenticator app: it knows the key that the page showed, and the time.

use symbolon_core::Timestamp;
use symbolon_core::totp::{TotpSecret, step_at};

/// An app that was given a key.
pub(crate) struct AuthenticatorApp(TotpSecret);

impl AuthenticatorApp {
    /// Reads the key as somebody types it.
    pub(crate) fn with_key(groups: &str) -> Self {
        let mut bytes = Vec::new();
        let (mut bits, mut count) = (0_u32, 0);
        for c in groups.chars().filter(|c| *c != ' ') {
            let digit = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".find(c).expect("base 32");
            bits = bits << 5 | u32::try_from(digit).unwrap();
            count += 5;
            if count >= 8 {
                count -= 8;
                bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
            }
        }
        Self(TotpSecret::from_bytes(&bytes).expect("20 bytes"))
    }

    /// What it shows `steps` later than `now`.
    pub(crate) fn code(&self, now: Timestamp, steps: i64) -> String {
        self.0.reveal_code(step_at(now) + steps).to_string()
    }
}

//! Codes of authenticator apps: TOTP (RFC 6238) with SHA-1, six digits and steps of 30 seconds, which is
//! what every app knows.
//!
//! HMAC-SHA-1 is not touched by the collisions of SHA-1 (RFC 6194 §3.3). A code counts one step early or
//! late (RFC 6238 §5.2) and once only: whoever takes one remembers its step and takes none that is not
//! later. Guessing is bounded by whoever asks for the code, not here.

use std::fmt::{self, Write as _};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::CryptoRng;
use sha1::Sha1;
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::secret::TypedCode;
use crate::time::Timestamp;

/// How long a code is shown.
pub const STEP: Duration = Duration::from_secs(30);
/// How many steps early or late a code may come: clocks differ and people type slowly.
const DRIFT: i64 = 1;
/// RFC 4226 §4, R6: the length of the hash.
const SECRET_BYTES: usize = 20;
const DIGITS: usize = 6;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What an authenticator app and this authority share.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct TotpSecret([u8; SECRET_BYTES]);

impl TotpSecret {
    /// Draws a new secret.
    pub fn draw(rng: &mut impl CryptoRng) -> Self {
        let mut bytes = [0; SECRET_BYTES];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// Takes back what was sealed; `None` unless it has 20 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes, for sealing alone.
    pub const fn reveal(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    /// The secret as apps take it: 32 characters of base 32 (RFC 4648 §6).
    pub fn reveal_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(SECRET_BYTES / 5 * 8));
        for chunk in self.0.chunks_exact(5) {
            let bits = chunk.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
            for place in (0..8).rev() {
                let digit = usize::try_from(bits >> (5 * place) & 31).unwrap_or(0);
                text.push(char::from(BASE32[digit]));
            }
        }
        text
    }

    /// What the QR code says: the key URI that authenticator apps read.
    pub fn reveal_uri(&self, issuer: &str, account: &str) -> Zeroizing<String> {
        let (issuer, account) = (escaped(issuer), escaped(account));
        Zeroizing::new(format!(
            "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={}",
            *self.reveal_text(),
            STEP.as_secs(),
        ))
    }

    /// The step of which `code` is, if it is of one that is near `now` and later than `last_step`.
    ///
    /// Every step in reach is computed and compared, whichever fits.
    ///
    /// # Security
    /// A wrong *yes* is a guess that was right, three in a million each; whoever asks must count them. The
    /// caller takes the step by compare-and-set before he believes the code, or it counts twice.
    pub fn step_of(&self, code: &TotpCode, now: Timestamp, last_step: i64) -> Option<i64> {
        let current = step_at(now);
        let mut found = last_step;
        // The earliest that fits is kept, so that a later one stays good.
        for step in (current.saturating_sub(DRIFT)..=current.saturating_add(DRIFT)).rev() {
            let fits = self.code_at(step).ct_eq(&code.0);
            let step = i64::conditional_select(&found, &step, fits);
            found = if step > last_step { step } else { found };
        }
        (found > last_step).then_some(found)
    }

    /// The code of a step, as the app shows it: for the demo and for tests, which play the app.
    pub fn reveal_code(&self, step: i64) -> Zeroizing<String> {
        Zeroizing::new(format!("{:06}", self.code_at(step)))
    }

    /// The code of a step: six digits.
    fn code_at(&self, step: i64) -> u32 {
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.0)
            .expect("a key of HMAC may have any length (RFC 2104 §3)");
        mac.update(&step.to_be_bytes());
        let hash = mac.finalize().into_bytes();
        // RFC 4226 §5.3: four bytes from where the last half byte points, without the sign.
        let offset = usize::from(hash[hash.len() - 1] & 0x0f);
        let word = [hash[offset], hash[offset + 1], hash[offset + 2], hash[offset + 3]];
        (u32::from_be_bytes(word) & 0x7fff_ffff) % 1_000_000
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(..)")
    }
}

/// Six digits that somebody typed.
pub struct TotpCode(u32);

impl TotpCode {
    /// Reads six digits; spaces are forgiven, for apps show them in two groups.
    pub fn parse(typed: &TypedCode) -> Option<Self> {
        let mut digits = typed.reveal().chars().filter(|c| !c.is_whitespace());
        let mut number = 0;
        for _ in 0..DIGITS {
            let digit = digits.next().filter(char::is_ascii_digit)?.to_digit(10)?;
            number = number * 10 + digit;
        }
        digits.next().is_none().then_some(Self(number))
    }
}

impl fmt::Debug for TotpCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpCode(..)")
    }
}

/// The step that `now` lies in.
pub fn step_at(now: Timestamp) -> i64 {
    let step_ms = i64::try_from(STEP.as_millis()).unwrap_or(i64::MAX);
    now.unix_ms().div_euclid(step_ms)
}

/// Percent-encoded but for RFC 3986's unreserved characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NEVER: i64 = -1;

    fn secret() -> TotpSecret {
        TotpSecret::from_bytes(b"12345678901234567890").unwrap()
    }

    fn typed(text: &str) -> Option<TotpCode> {
        TotpCode::parse(&TypedCode::new(text.to_owned()))
    }

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp::from_unix_ms(seconds * 1000)
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B, the rows of SHA-1; eight digits there, the last six of them here.
        for (at, code) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let code = typed(&code[2..]).unwrap();

            assert_eq!(secret().step_of(&code, seconds(at), NEVER), Some(at / 30), "{at}");
        }
    }

    #[test]
    fn counters_are_those_of_rfc_4226() {
        // Appendix D.
        let codes = [755_224, 287_082, 359_152, 969_429, 338_314, 254_676, 287_922, 162_583];
        for (step, code) in (0..).zip(codes) {
            assert_eq!(secret().code_at(step), code);
        }
    }

    #[test]
    fn a_code_is_good_one_step_early_and_one_step_late_and_no_further() {
        let code = TotpCode(secret().code_at(1000));
        let at = |second| secret().step_of(&code, seconds(second), NEVER);

        assert_eq!(at(30_000 - 31), None);
        assert_eq!(at(30_000 - 30), Some(1000));
        assert_eq!(at(30_000 + 59), Some(1000));
        assert_eq!(at(30_000 + 60), None);
    }

    #[test]
    fn the_text_form_is_base_32_as_apps_take_it() {
        assert_eq!(*secret().reveal_text(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
    }

    #[test]
    fn the_key_uri_names_issuer_and_account_and_escapes_both() {
        let uri = secret().reveal_uri("Acme & Co: Auth", "ada@example.com");

        assert_eq!(
            *uri,
            "otpauth://totp/Acme%20%26%20Co%3A%20Auth:ada%40example.com\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Acme%20%26%20Co%3A%20Auth\
             &algorithm=SHA1&digits=6&period=30"
        );
    }

    #[test]
    fn six_digits_are_read_with_spaces_between_them_and_nothing_else() {
        assert_eq!(typed(" 012 345 ").map(|code| code.0), Some(12345));
        for text in ["", "12345", "1234567", "12345a", "-12345", "١٢٣٤٥٦", "12.456"] {
            assert!(typed(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_step_that_was_taken_is_never_taken_again(
            bytes: [u8; SECRET_BYTES], now in 0..i64::MAX / 2, of in -3_i64..=3, last in -3_i64..=3,
        ) {
            let (secret, now) = (TotpSecret(bytes), Timestamp::from_unix_ms(now));
            let code = TotpCode(secret.code_at(step_at(now) + of));
            let last_step = step_at(now) + last;

            if let Some(step) = secret.step_of(&code, now, last_step) {
                prop_assert!(step > last_step);
                prop_assert!((step - step_at(now)).abs() <= DRIFT);
                prop_assert!(secret.code_at(step) == code.0);
                prop_assert!(secret.step_of(&code, now, step).is_none_or(|again| again > step));
            } else {
                prop_assert!(of.abs() > DRIFT || of <= last);
            }
        }

        #[test]
        fn no_instant_and_no_text_makes_it_panic(now: i64, last: i64, text in ".*") {
            if let Some(code) = typed(&text) {
                let _ = secret().step_of(&code, Timestamp::from_unix_ms(now), last);
            }
            let _ = secret().step_of(&TotpCode(1), Timestamp::from_unix_ms(now), last);
            let _ = secret().reveal_uri(&text, &text);
        }
    }
}

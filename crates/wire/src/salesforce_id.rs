//! Record ids in Salesforce's shape: 15 case-sensitive characters, or 18 with a checksum of the
//! case.
//!
//! The first three characters tell the kind of record, the other twelve are a number in base 62.
//! Which kinds exist and who owns a number is not decided here.

use thiserror::Error;

/// Key prefix of the organization.
pub const ORGANIZATION: &str = "00D";
/// Key prefix of users.
pub const USER: &str = "005";
/// Key prefix of profiles.
pub const PROFILE: &str = "00e";
/// Key prefix of roles.
pub const ROLE: &str = "00E";

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHECKSUM: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
const PREFIX_LENGTH: usize = 3;
const DIGIT_COUNT: usize = 12;
const SHORT_LENGTH: usize = PREFIX_LENGTH + DIGIT_COUNT;
const LONG_LENGTH: usize = SHORT_LENGTH + 3;

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IdError {
    /// Neither 15 nor 18 characters.
    #[error("an id has 15 or 18 characters")]
    WrongLength,
    /// A character outside `0-9A-Za-z`.
    #[error("an id holds letters and digits only")]
    WrongAlphabet,
    /// The last three of 18 characters do not fit the case of the first fifteen.
    #[error("the checksum of the id does not match")]
    WrongChecksum,
    /// The number does not fit a signed 64-bit column.
    #[error("the number of the id is too large")]
    TooLarge,
}

/// Renders the 15-character id of record `number` (below 2^63) of the kind `prefix` (three
/// characters).
///
/// ```
/// assert_eq!(symbolon_wire::salesforce_id::to_15("005", 61), "00500000000000z");
/// ```
#[must_use]
pub fn to_15(prefix: &str, number: u64) -> String {
    let mut digits = [b'0'; DIGIT_COUNT];
    let mut rest = number;
    // 62^12 is about 3.2e21, so twelve digits hold every u64.
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[(rest % 62) as usize];
        rest /= 62;
    }
    let mut id = String::with_capacity(LONG_LENGTH);
    id.push_str(prefix);
    id.extend(digits.iter().copied().map(char::from));
    id
}

/// Appends the three characters that let a case-insensitive system tell ids apart.
///
/// Each stands for five characters: bit *i* is set if the *i*-th of them is an upper-case letter.
#[must_use]
pub fn with_checksum(id15: &str) -> String {
    let mut id = id15.to_owned();
    for block in id15.as_bytes().chunks(5) {
        let mut index = 0;
        for (bit, character) in block.iter().enumerate() {
            if character.is_ascii_uppercase() {
                index |= 1_usize << bit;
            }
        }
        id.push(char::from(CHECKSUM[index]));
    }
    id
}

/// Reads an id of 15 or 18 characters as key prefix and number.
///
/// # Errors
///
/// The first [`IdError`] that applies, in the order of its variants.
pub fn parse(id: &str) -> Result<(&str, u64), IdError> {
    if id.len() != SHORT_LENGTH && id.len() != LONG_LENGTH {
        return Err(IdError::WrongLength);
    }
    if !id.bytes().all(|character| character.is_ascii_alphanumeric()) {
        return Err(IdError::WrongAlphabet);
    }
    let (id15, checksum) = id.split_at(SHORT_LENGTH);
    if !checksum.is_empty() && with_checksum(id15) != id {
        return Err(IdError::WrongChecksum);
    }
    let (prefix, digits) = id15.split_at(PREFIX_LENGTH);
    let mut number = 0_u64;
    for character in digits.bytes() {
        number = number
            .checked_mul(62)
            .and_then(|shifted| shifted.checked_add(digit_value(character)))
            .ok_or(IdError::TooLarge)?;
    }
    // The column that holds it is a signed BIGINT.
    if i64::try_from(number).is_err() {
        return Err(IdError::TooLarge);
    }
    Ok((prefix, number))
}

/// Says whether `id` is a 15-character id with the given key prefix: what [`parse`] would read, without
/// working out the number.
pub(crate) fn is_15_of(prefix: &str, id: &str) -> bool {
    /// The largest number that fits, 2^63 - 1. The digits are in the order of their bytes.
    const LAST: &[u8; DIGIT_COUNT] = b"0AzL8n0Y58m7";
    let Some(digits) = id.strip_prefix(prefix).map(str::as_bytes) else { return false };
    digits.len() == DIGIT_COUNT
        && digits.iter().all(u8::is_ascii_alphanumeric)
        && digits <= LAST.as_slice()
}

fn digit_value(character: u8) -> u64 {
    let value = match character {
        b'0'..=b'9' => character - b'0',
        b'A'..=b'Z' => character - b'A' + 10,
        _ => character - b'a' + 36,
    };
    u64::from(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{IdError, is_15_of, parse, to_15, with_checksum};

    const LAST: u64 = (1 << 63) - 1;

    #[test]
    fn number_is_padded_and_most_significant_digit_comes_first() {
        assert_eq!(to_15("005", 0), "005000000000000");
        assert_eq!(to_15("00D", 62), "00D000000000010");
        assert_eq!(to_15("00e", LAST), "00e0AzL8n0Y58m7");
    }

    #[test]
    fn checksum_follows_the_case_of_each_block_of_five() {
        // Worked by hand from the rule: bits count from the first character of a block.
        assert_eq!(with_checksum("00D000000000000"), "00D000000000000EAA");
        assert_eq!(with_checksum("005000000000000"), "005000000000000AAA");
        assert_eq!(with_checksum("00Daaaaaaaaaaaa"), "00DaaaaaaaaaaaaEAA");
        assert_eq!(with_checksum("00DABCDEFGHIJKL"), "00DABCDEFGHIJKL255");
        assert_eq!(with_checksum("AAAAAaaaaaAaAaA"), "AAAAAaaaaaAaAaA5AV");
    }

    #[test]
    fn checksum_agrees_with_pairs_from_public_captures() {
        for id in ["0017e00001sBOuQAAW", "001xx000003DGb2AAG"] {
            assert_eq!(with_checksum(&id[..15]), id);
        }
    }

    #[test]
    fn each_malformed_id_is_refused_for_its_own_reason() {
        assert_eq!(parse(""), Err(IdError::WrongLength));
        assert_eq!(parse("0050000000000001"), Err(IdError::WrongLength));
        assert_eq!(parse("00500000000000!"), Err(IdError::WrongAlphabet));
        assert_eq!(parse("005000000000é0"), Err(IdError::WrongAlphabet));
        assert_eq!(parse("005000000000000AAB"), Err(IdError::WrongChecksum));
        assert_eq!(parse("00D000000000000eaa"), Err(IdError::WrongChecksum));
        assert_eq!(parse(&to_15("005", LAST + 1)), Err(IdError::TooLarge));
        assert_eq!(parse("005zzzzzzzzzzzz"), Err(IdError::TooLarge));
    }

    #[test]
    fn largest_number_is_an_id_and_the_next_is_not() {
        assert!(is_15_of("005", &to_15("005", LAST)));
        assert!(!is_15_of("005", &to_15("005", LAST + 1)));
        assert!(!is_15_of("005", &to_15("00D", 1)));
        assert!(!is_15_of("005", &with_checksum("005000000000000")));
    }

    /// The rule once more, written differently, so that the table above is not its own proof.
    fn block_codes(id15: &str) -> String {
        (0..3)
            .map(|block| {
                let bits: u32 = (0..5)
                    .filter(|at| id15.chars().nth(block * 5 + at).is_some_and(char::is_uppercase))
                    .map(|at| 2_u32.pow(u32::try_from(at).unwrap()))
                    .sum();
                "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
                    .chars()
                    .nth(usize::try_from(bits).unwrap())
                    .unwrap()
            })
            .collect()
    }

    proptest! {
        #[test]
        fn every_id_reads_back_short_and_long(prefix in "[0-9A-Za-z]{3}", number in 0..=LAST) {
            let id15 = to_15(&prefix, number);
            let id18 = with_checksum(&id15);

            prop_assert_eq!(id18.len(), 18);
            prop_assert_eq!(&id18[15..], block_codes(&id15));
            prop_assert_eq!(parse(&id15), Ok((prefix.as_str(), number)));
            prop_assert_eq!(parse(&id18), Ok((prefix.as_str(), number)));
        }

        #[test]
        fn short_check_speaks_the_language_of_the_parser(text in "(005|00D)[0-9A-Za-z!é]{10,13}|005(00|0A)[0-9A-Za-z]{10}|.{0,20}") {
            let parsed = matches!(parse(&text), Ok(("005", _))) && text.len() == 15;

            prop_assert_eq!(is_15_of("005", &text), parsed);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,20}") {
            let _ = parse(&text);
            let _ = with_checksum(&text);
        }
    }
}

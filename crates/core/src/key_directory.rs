//! Where the Web Key Directory of an address is (draft-koch-openpgp-webkey-service §3.1): two places under its
//! domain that hold the OpenPGP key of a local part, under a name made of that.
//!
//! Nothing is fetched here.

use sha1::{Digest, Sha1};

use crate::names::EmailAddress;

/// Z-base-32, as RFC 6189 §5.1.6 has it: five bits a character.
const ALPHABET: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";
const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

/// Where a key may be: a host that is asked by HTTPS, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The host's name.
    pub host: String,
    /// Path and query.
    pub path: String,
}

/// Where the key of an address may be. The second place is asked only where the first one's host does not exist
/// (§3.1): a domain that has such a host means it.
pub fn places(address: &EmailAddress) -> [Place; 2] {
    // An address has one `@`: its type sees to that.
    let (local, domain) = address.as_str().split_once('@').unwrap_or((address.as_str(), ""));
    let domain = domain.to_ascii_lowercase();
    let key = format!("hu/{}?l={}", name_of(local), escaped(local));
    let advanced = Place {
        host: format!("openpgpkey.{domain}"),
        path: format!("/.well-known/openpgpkey/{domain}/{key}"),
    };
    let direct = Place { path: format!("/.well-known/openpgpkey/{key}"), host: domain };
    [advanced, direct]
}

/// The name of a local part: the same whatever its case.
fn name_of(local: &str) -> String {
    let digest = Sha1::digest(local.to_ascii_lowercase());
    z_base_32(&digest)
}

/// The bits in groups of five; 20 bytes are 32 groups and leave no rest.
fn z_base_32(bytes: &[u8]) -> String {
    let (mut text, mut held, mut width) = (String::new(), 0_u32, 0);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        width += 8;
        while width >= 5 {
            width -= 5;
            text.push(char::from(ALPHABET[((held >> width) & 31) as usize]));
        }
        held &= 31;
    }
    text
}

/// RFC 3986 §2.3: whatever is not unreserved is escaped.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let halves = [byte >> 4, byte & 15].map(|half| char::from(DIGITS[usize::from(half)]));
            escaped.push('%');
            escaped.extend(halves);
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places_of(address: &str) -> [String; 2] {
        places(&EmailAddress::parse(address).unwrap())
            .map(|place| format!("https://{}{}", place.host, place.path))
    }

    #[test]
    fn the_places_are_those_of_the_draft() {
        assert_eq!(
            places_of("Joe.Doe@Example.ORG"),
            [
                "https://openpgpkey.example.org/.well-known/openpgpkey/example.org/hu/\
                 iy9q119eutrkn8s1mk4r39qejnbu3n5q?l=Joe.Doe",
                "https://example.org/.well-known/openpgpkey/hu/\
                 iy9q119eutrkn8s1mk4r39qejnbu3n5q?l=Joe.Doe",
            ]
        );
    }

    #[test]
    fn z_base_32_is_written_as_its_authors_write_it() {
        for (bytes, text) in [
            (&[0xf0, 0xbf, 0xc7, 0, 0][..], "6n9hqyyy"),
            (&[0, 0, 0, 0, 0], "yyyyyyyy"),
            (&[0xff, 0xff, 0xff, 0xff, 0xff], "99999999"),
        ] {
            assert_eq!(z_base_32(bytes), text);
        }
    }

    #[test]
    fn what_would_end_a_query_is_escaped() {
        let [advanced, _] = places_of("a&b=c#d?e/f+g%41@example.org");

        assert!(advanced.ends_with("?l=a%26b%3Dc%23d%3Fe%2Ff%2Bg%2541"), "{advanced}");
    }
}

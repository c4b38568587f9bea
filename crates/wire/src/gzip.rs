//! Bounded inflation of gzip request bodies (some SOAP clients compress every request).
//!
//! A small body may inflate a thousandfold, so the output is counted while it grows and never
//! beyond the limit (CWE-409). One gzip member and nothing after it: no client sends more, and what
//! is not understood is not dropped.

use std::io::Read as _;

use flate2::bufread::GzDecoder;
use thiserror::Error;

/// Bytes inflated at a time.
const CHUNK: usize = 4096;

/// Why a body could not be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InflateError {
    /// The inflated body is longer than the limit.
    #[error("the inflated body is too large")]
    TooLarge,
    /// Not gzip, cut short, a wrong checksum, or bytes after the end.
    #[error("the body is not valid gzip")]
    Corrupt,
}

/// Inflates `body` to at most `limit` bytes.
///
/// # Errors
///
/// [`InflateError::TooLarge`] as soon as one byte too many appears, [`InflateError::Corrupt`] for
/// anything else.
pub fn inflate(body: &[u8], limit: usize) -> Result<Vec<u8>, InflateError> {
    let mut decoder = GzDecoder::new(body);
    let mut inflated = Vec::new();
    let mut chunk = [0; CHUNK];
    loop {
        let count = decoder.read(&mut chunk).map_err(|_| InflateError::Corrupt)?;
        if count == 0 {
            break;
        }
        if count > limit - inflated.len() {
            return Err(InflateError::TooLarge);
        }
        grow(&mut inflated, count, limit);
        inflated.extend_from_slice(&chunk[..count]);
    }
    if !decoder.into_inner().is_empty() {
        return Err(InflateError::Corrupt);
    }
    Ok(inflated)
}

/// Makes room for `count` more bytes by doubling, but never for more than `limit` in all.
fn grow(inflated: &mut Vec<u8>, count: usize, limit: usize) {
    let needed = inflated.len() + count;
    if needed > inflated.capacity() {
        let target = inflated.capacity().saturating_mul(2).clamp(needed, limit);
        inflated.reserve_exact(target - inflated.len());
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::{InflateError, inflate};

    fn deflate(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn body_of_exactly_the_limit_passes_and_one_byte_more_does_not() {
        let packed = deflate(&[b'a'; 10_240]);

        assert_eq!(inflate(&packed, 10_240).unwrap().len(), 10_240);
        assert_eq!(inflate(&packed, 10_239), Err(InflateError::TooLarge));
    }

    #[test]
    fn bomb_stops_at_the_limit() {
        let packed = deflate(&vec![0; 16 << 20]);

        assert_eq!(inflate(&packed, 64 * 1024), Err(InflateError::TooLarge));
    }

    #[test]
    fn room_never_exceeds_the_limit() {
        let packed = deflate(&[b'a'; 9_000]);

        assert!(inflate(&packed, 9_001).unwrap().capacity() <= 9_001);
    }

    #[test]
    fn damaged_bodies_are_corrupt() {
        let packed = deflate(b"hello");
        let mut trailing = packed.clone();
        trailing.push(0);
        let mut flipped = packed.clone();
        let checksum = flipped.len() - 8;
        flipped[checksum] ^= 1;

        for damaged in
            [b"".as_slice(), b"plain text", &packed[..packed.len() - 1], &trailing, &flipped]
        {
            assert_eq!(inflate(damaged, 1024), Err(InflateError::Corrupt));
        }
    }

    proptest! {
        #[test]
        fn every_body_inflates_to_itself(body in prop::collection::vec(any::<u8>(), 0..20_000)) {
            prop_assert_eq!(inflate(&deflate(&body), 20_000), Ok(body));
        }

        #[test]
        fn no_bytes_make_it_panic(body in prop::collection::vec(any::<u8>(), 0..200), limit in 0_usize..300) {
            let _ = inflate(&body, limit);
            let mut framed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0];
            framed.extend(body);
            let _ = inflate(&framed, limit);
        }
    }
}

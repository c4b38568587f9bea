//! As much of gRPC as one unary call needs: a message in its frame, and how long the caller waits.
//!
//! HTTP/2 itself, headers and trailers are the head's. Nothing is inflated: a caller that is not
//! offered compression must not use it.

use std::time::Duration;

use bytes::{Buf as _, Bytes};
use prost::Message;
use thiserror::Error;

/// Bytes that a message may have.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// A flag and the length of the message.
const PREFIX: usize = 5;

/// Why a call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GrpcError {
    /// The body ends before its message does.
    #[error("the message is cut off")]
    Truncated,
    /// The message is followed by something.
    #[error("the call holds more than one message")]
    TrailingBytes,
    /// The message is compressed.
    #[error("the message is compressed")]
    Compressed,
    /// A flag that gRPC does not have.
    #[error("the message has an unknown flag")]
    UnknownFlag,
    /// More than [`MAX_MESSAGE`] bytes.
    #[error("the message is longer than {MAX_MESSAGE} bytes")]
    TooLong,
    /// The message is not of the kind that the call takes.
    #[error("the message is malformed")]
    Malformed,
    /// The `grpc-timeout` cannot be read.
    #[error("the timeout is malformed")]
    MalformedTimeout,
}

impl GrpcError {
    /// The number for `grpc-status`.
    pub const fn grpc_status(self) -> i32 {
        match self {
            Self::Truncated
            | Self::TrailingBytes
            | Self::UnknownFlag
            | Self::Malformed
            | Self::MalformedTimeout => status::INVALID_ARGUMENT,
            Self::Compressed => status::UNIMPLEMENTED,
            Self::TooLong => status::RESOURCE_EXHAUSTED,
        }
    }
}

/// The numbers of gRPC's statuses that verification answers with.
pub mod status {
    /// The call was answered, or the request is allowed.
    pub const OK: i32 = 0;
    /// The call cannot be read.
    pub const INVALID_ARGUMENT: i32 = 3;
    /// The answer did not come in time.
    pub const DEADLINE_EXCEEDED: i32 = 4;
    /// Whose credential it is is known, and it is not allowed here.
    pub const PERMISSION_DENIED: i32 = 7;
    /// The call is too large, or there are too many.
    pub const RESOURCE_EXHAUSTED: i32 = 8;
    /// No such method, or no such encoding.
    pub const UNIMPLEMENTED: i32 = 12;
    /// The answer cannot be known now.
    pub const UNAVAILABLE: i32 = 14;
    /// There is no credential, or no good one.
    pub const UNAUTHENTICATED: i32 = 16;
}

/// Takes the one message of a call out of its frame.
///
/// # Errors
///
/// The first [`GrpcError`] met.
pub fn unframe(mut body: Bytes) -> Result<Bytes, GrpcError> {
    if body.len() < PREFIX {
        return Err(GrpcError::Truncated);
    }
    match body.get_u8() {
        0 => {}
        1 => return Err(GrpcError::Compressed),
        _ => return Err(GrpcError::UnknownFlag),
    }
    let length = body.get_u32() as usize;
    if length > MAX_MESSAGE {
        return Err(GrpcError::TooLong);
    }
    if body.len() < length {
        return Err(GrpcError::Truncated);
    }
    if body.len() > length {
        return Err(GrpcError::TrailingBytes);
    }
    Ok(body)
}

/// Writes `message` with its frame.
///
/// # Panics
///
/// If the message has 4 GiB or more, which no answer of ours does.
pub fn frame(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut framed = Vec::with_capacity(PREFIX + length);
    framed.push(0);
    let length = u32::try_from(length).expect("an answer of ours is far below 4 GiB");
    framed.extend_from_slice(&length.to_be_bytes());
    message.encode_raw(&mut framed);
    framed.into()
}

/// Reads a `grpc-timeout` header: one to eight digits and a unit.
///
/// # Errors
///
/// [`GrpcError::MalformedTimeout`].
pub fn parse_timeout(header: &[u8]) -> Result<Duration, GrpcError> {
    let malformed = GrpcError::MalformedTimeout;
    let (&unit, digits) = header.split_last().ok_or(malformed)?;
    if !(1..=8).contains(&digits.len()) {
        return Err(malformed);
    }
    let mut number = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return Err(malformed);
        }
        number = number * 10 + u64::from(digit - b'0');
    }
    Ok(match unit {
        b'H' => Duration::from_secs(number * 3600),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return Err(malformed),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ext_authz::HttpStatus;

    fn unframed(body: &[u8]) -> Result<Bytes, GrpcError> {
        unframe(Bytes::copy_from_slice(body))
    }

    #[test]
    fn frame_is_a_flag_and_a_length() {
        let framed = frame(&HttpStatus { code: 200 });

        assert_eq!(&framed[..], b"\0\0\0\0\x03\x08\xc8\x01");
        assert_eq!(&unframe(framed).unwrap()[..], b"\x08\xc8\x01");
        assert_eq!(&frame(&HttpStatus { code: 0 })[..], b"\0\0\0\0\0");
    }

    #[test]
    fn each_malformed_frame_is_refused_for_its_own_reason() {
        let mut longest = vec![0, 0, 1, 0, 0];
        longest.resize(PREFIX + MAX_MESSAGE, 0);
        let mut long = vec![0, 0, 1, 0, 1];
        long.resize(PREFIX + MAX_MESSAGE + 1, 0);

        assert_eq!(unframed(b""), Err(GrpcError::Truncated));
        assert_eq!(unframed(b"\0\0\0\0"), Err(GrpcError::Truncated));
        assert_eq!(unframed(b"\0\0\0\0\x02a"), Err(GrpcError::Truncated));
        assert_eq!(unframed(b"\0\0\0\0\x01ab"), Err(GrpcError::TrailingBytes));
        assert_eq!(unframed(b"\0\0\0\0\0\0\0\0\0\0"), Err(GrpcError::TrailingBytes));
        assert_eq!(unframed(b"\x01\0\0\0\0"), Err(GrpcError::Compressed));
        assert_eq!(unframed(b"\x02\0\0\0\0"), Err(GrpcError::UnknownFlag));
        assert_eq!(unframed(b"\0\xff\xff\xff\xff"), Err(GrpcError::TooLong));
        assert_eq!(unframed(&long), Err(GrpcError::TooLong));
        assert_eq!(unframed(&longest).map(|message| message.len()), Ok(MAX_MESSAGE));
    }

    #[test]
    fn errors_have_the_numbers_of_grpc() {
        assert_eq!(GrpcError::Malformed.grpc_status(), 3);
        assert_eq!(GrpcError::Compressed.grpc_status(), 12);
        assert_eq!(GrpcError::TooLong.grpc_status(), 8);
    }

    #[test]
    fn timeouts_have_a_unit() {
        assert_eq!(parse_timeout(b"200m"), Ok(Duration::from_millis(200)));
        assert_eq!(parse_timeout(b"1S"), Ok(Duration::from_secs(1)));
        assert_eq!(parse_timeout(b"2M"), Ok(Duration::from_mins(2)));
        assert_eq!(parse_timeout(b"99999999H"), Ok(Duration::from_hours(99_999_999)));
        assert_eq!(parse_timeout(b"0u"), Ok(Duration::ZERO));
        assert_eq!(parse_timeout(b"7n"), Ok(Duration::from_nanos(7)));
        for junk in [&b""[..], b"m", b"1", b"1s", b"-1m", b"+1m", b"1.5S", b" 1m", b"123456789m"] {
            assert_eq!(parse_timeout(junk), Err(GrpcError::MalformedTimeout), "{junk:?}");
        }
    }

    proptest! {
        #[test]
        fn every_message_reads_back(code: i32) {
            let status = HttpStatus { code };
            let message = unframe(frame(&status)).unwrap();

            prop_assert_eq!(HttpStatus::decode(message).unwrap(), status);
        }

        #[test]
        fn no_bytes_make_the_readers_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), length in 0..40_u8) {
            let _ = parse_timeout(&bytes);
            let _ = unframed(&bytes);
            let _ = unframed(&[&[0, 0, 0, 0, length][..], &bytes].concat());
        }
    }
}

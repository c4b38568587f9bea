//! Request bodies, read within limits.
//!
//! A body may hold a password, so it is gathered in memory that is wiped, in one piece that does not
//! grow. Lengths are believed only as far as they refuse.

use std::fmt;
use std::pin::pin;

use axum::body::{Body, Bytes, HttpBody};
use axum::response::Response;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt as _;
use symbolon_wire::gzip::{self, InflateError};
use zeroize::Zeroizing;

use crate::answer::{Kind, refuse};

/// Bytes that any body may have, whatever the route says.
pub const MAX_BODY: usize = 64 * 1024;

/// Bytes of a body over its limit that are read all the same, so that its client hears the refusal.
const MOST_THROWN_AWAY: usize = 4 * 1024 * 1024;

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFault {
    /// Longer than the limit, as sent or inflated.
    TooLarge,
    /// A media type that the route does not take.
    WrongType,
    /// A content encoding that the route does not take.
    WrongEncoding,
    /// Said to be gzip, and is not.
    NotGzip,
    /// The connection broke off, or the chunks are malformed.
    Broken,
    /// It was not there in time.
    TooSlow,
}

impl BodyFault {
    /// The status and the sentence that tell of it.
    pub(crate) fn told(self) -> (StatusCode, &'static str) {
        match self {
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The request body is too large."),
            Self::WrongType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The content type is not supported here.")
            }
            Self::WrongEncoding => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The content encoding is not supported here.")
            }
            Self::NotGzip => (StatusCode::BAD_REQUEST, "The request body is not valid gzip."),
            Self::Broken => (StatusCode::BAD_REQUEST, "The request body broke off."),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "The request body took too long."),
        }
    }

    /// The refusal in the words of `kind`.
    pub(crate) fn refuse(self, kind: Kind) -> Response {
        let (status, text) = self.told();
        refuse(kind, status, text)
    }
}

/// A body in memory that is wiped when it is dropped.
pub(crate) struct Gathered(Zeroizing<Vec<u8>>);

impl Gathered {
    /// The bytes as a body's, wiped when the last of it is dropped.
    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self.0)
    }

    /// The bytes. They may hold secrets.
    pub(crate) fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Gathered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gathered({} bytes)", self.0.len())
    }
}

/// Reads at most `limit` bytes.
///
/// What is over the limit is read and thrown away for a while: a client that is still sending when it is
/// cut off would see a broken connection instead of the refusal.
pub(crate) async fn read(mut body: Body, limit: usize) -> Result<Gathered, BodyFault> {
    let said = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if said > MOST_THROWN_AWAY {
        return Err(BodyFault::TooLarge);
    }
    // A length that was said holds, so no more room is taken than it needs.
    let room = if said == 0 { limit } else { said.min(limit) };
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    let mut sent: usize = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyFault::Broken)?.into_data() else {
            continue;
        };
        sent = sent.saturating_add(data.len());
        if sent > MOST_THROWN_AWAY {
            return Err(BodyFault::TooLarge);
        }
        if sent <= limit {
            bytes.extend_from_slice(&data);
        }
    }
    if sent > limit { Err(BodyFault::TooLarge) } else { Ok(Gathered(bytes)) }
}

/// Reads at most `limit` bytes of any body, without a copy where it came in one piece; `first` of it was read
/// before.
///
/// What is over the limit is thrown away for a while, as [`read`] does.
pub(crate) async fn read_lean<B>(first: Bytes, body: B, limit: usize) -> Result<Bytes, BodyFault>
where
    B: HttpBody<Data = Bytes>,
{
    let mut body = pin!(body);
    let mut sent = first.len();
    let mut whole = first;
    let mut pieces = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyFault::Broken)?.into_data() else {
            continue;
        };
        sent = sent.saturating_add(data.len());
        if sent > MOST_THROWN_AWAY {
            return Err(BodyFault::TooLarge);
        }
        if sent == data.len() {
            whole = data;
        } else if sent <= limit {
            pieces.extend_from_slice(&data);
        }
        if body.is_end_stream() {
            break;
        }
    }
    if sent > limit {
        return Err(BodyFault::TooLarge);
    }
    if pieces.is_empty() {
        return Ok(whole);
    }
    Ok([&whole[..], &pieces[..]].concat().into())
}

/// Reads at most `limit` bytes, as sent and, where the body is gzip, inflated.
pub(crate) async fn read_inflated(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Gathered, BodyFault> {
    let packed = match header_text(headers, &header::CONTENT_ENCODING) {
        Single::Absent => false,
        Single::Text(coding) => match coding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => false,
            "gzip" | "x-gzip" => true,
            _ => return Err(BodyFault::WrongEncoding),
        },
        Single::Unreadable => return Err(BodyFault::WrongEncoding),
    };
    let body = read(body, limit).await?;
    if !packed {
        return Ok(body);
    }
    let inflated = gzip::inflate(body.reveal(), limit).map_err(|fault| match fault {
        InflateError::TooLarge => BodyFault::TooLarge,
        InflateError::Corrupt => BodyFault::NotGzip,
    })?;
    Ok(Gathered(Zeroizing::new(inflated)))
}

/// Demands one of the media types in `allowed`, or none at all.
pub(crate) fn check_media_type(headers: &HeaderMap, allowed: &[&str]) -> Result<(), BodyFault> {
    let text = match header_text(headers, &header::CONTENT_TYPE) {
        Single::Absent => return Ok(()),
        Single::Text(text) => text,
        Single::Unreadable => return Err(BodyFault::WrongType),
    };
    let essence = text.split(';').next().unwrap_or_default().trim();
    let known =
        essence.is_empty() || allowed.iter().any(|known| essence.eq_ignore_ascii_case(known));
    if known { Ok(()) } else { Err(BodyFault::WrongType) }
}

/// Demands a body without content encoding.
pub(crate) fn check_no_encoding(headers: &HeaderMap) -> Result<(), BodyFault> {
    match header_text(headers, &header::CONTENT_ENCODING) {
        Single::Absent => Ok(()),
        Single::Text(coding) if coding.trim().eq_ignore_ascii_case("identity") => Ok(()),
        Single::Text(_) | Single::Unreadable => Err(BodyFault::WrongEncoding),
    }
}

/// A header that may stand once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Single<'a> {
    /// It is not there.
    Absent,
    /// It is there once, in ASCII.
    Text(&'a str),
    /// It is there twice, or not in ASCII.
    Unreadable,
}

/// Reads a header that may stand once.
pub(crate) fn header_text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Single<'a> {
    let mut lines = headers.get_all(name).iter();
    match (lines.next(), lines.next()) {
        (None, _) => Single::Absent,
        (Some(line), None) => line.to_str().map_or(Single::Unreadable, Single::Text),
        (Some(_), Some(_)) => Single::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[tokio::test]
    async fn a_body_of_exactly_the_limit_is_read_and_a_longer_one_is_not() {
        let read_from = |length: usize| read(Body::from(vec![b'a'; length]), 10);

        assert_eq!(read_from(10).await.unwrap().reveal().len(), 10);
        assert_eq!(read_from(11).await.unwrap_err(), BodyFault::TooLarge);
    }

    #[tokio::test]
    async fn only_gzip_is_inflated_and_others_are_refused() {
        let fault = async |coding: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
            read_inflated(&headers, Body::from("plain"), 100).await.map(|_| ()).err()
        };

        assert_eq!(fault("identity").await, None);
        assert_eq!(fault("GZIP").await, Some(BodyFault::NotGzip));
        assert_eq!(fault("br").await, Some(BodyFault::WrongEncoding));
        assert_eq!(fault("gzip, gzip").await, Some(BodyFault::WrongEncoding));
    }

    #[test]
    fn media_types_are_compared_without_their_parameters() {
        let check = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(text));
            check_media_type(&headers, &["text/xml"])
        };

        assert_eq!(check("Text/XML ; charset=UTF-8"), Ok(()));
        assert_eq!(check(""), Ok(()));
        assert_eq!(check_media_type(&HeaderMap::new(), &["text/xml"]), Ok(()));
        assert_eq!(check("text/xmlx"), Err(BodyFault::WrongType));
        assert_eq!(check("application/json"), Err(BodyFault::WrongType));
    }
}

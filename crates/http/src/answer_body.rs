//! The body of an answer: mostly a few bytes that are at hand, for which nothing is boxed.

use std::mem::take;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use http_body::{Frame, SizeHint};

/// See the module.
#[derive(Debug)]
pub enum AnswerBody {
    /// At hand.
    Whole(Bytes),
    /// Any other.
    Other(Body),
}

impl From<Body> for AnswerBody {
    fn from(body: Body) -> Self {
        if body.is_end_stream() { Self::Whole(Bytes::new()) } else { Self::Other(body) }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut *self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(take(bytes))))),
            Self::Other(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Other(body) => body.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn a_body_tells_its_length_and_ends_behind_its_bytes() {
        for (body, expected) in [
            (AnswerBody::Whole(Bytes::from_static(b"abc")), "abc"),
            (AnswerBody::from(Body::from("abc")), "abc"),
            (AnswerBody::from(Body::empty()), ""),
        ] {
            let length = Some(expected.len() as u64);
            assert_eq!(
                (body.size_hint().exact(), body.is_end_stream()),
                (length, expected.is_empty())
            );
            assert_eq!(body.collect().await.unwrap().to_bytes(), expected);
        }
    }
}

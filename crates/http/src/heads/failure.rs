//! Failures that are not the client's doing: noted once, told without detail.

use std::error::Error;
use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use symbolon_app::AppError;

use crate::answer::{Kind, refuse, with_retry_after};

/// What a client may be told of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Too many log-ins at once, in all or from this address.
    TooMany {
        /// When it may go better.
        retry_after: Duration,
    },
    /// It may go better in a moment.
    TryLater,
    /// Somebody has to mend something first.
    Broken,
}

impl Failure {
    /// Sorts a failure and writes it down: this is where it is handled.
    pub(crate) fn noted(error: &AppError) -> Self {
        match error {
            // Counted where it happens: a line in the log for each would make a flood of log-ins one of
            // writes.
            AppError::TooMany { retry_after } => Self::TooMany { retry_after: *retry_after },
            AppError::Busy => {
                tracing::warn!("turned a request away: {error}");
                Self::TryLater
            }
            AppError::Database(_) => {
                tracing::error!("could not answer a request: {}", with_causes(error));
                Self::TryLater
            }
            AppError::Corrupt(_)
            | AppError::KeyMissing
            | AppError::NotFound(_)
            | AppError::Invalid(_)
            | AppError::Taken(_)
            | AppError::KeyUsed
            | AppError::Name { .. }
            | AppError::Password(_)
            | AppError::Forbidden(_) => {
                tracing::error!("could not answer a request: {}", with_causes(error));
                Self::Broken
            }
        }
    }

    /// The status that tells of it.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::TryLater => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The sentence that tells of it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::TooMany { .. } => "Too many logins at once; Retry-After tells when to try again.",
            Self::TryLater => "The server cannot answer now; try again in a moment.",
            Self::Broken => "The server made a mistake; its log tells which.",
        }
    }

    /// The answer that tells of it in the words of `kind`.
    pub(crate) fn refuse(self, kind: Kind) -> Response {
        let response = refuse(kind, self.status(), self.text());
        match self {
            Self::TooMany { retry_after } => with_retry_after(response, retry_after),
            Self::TryLater | Self::Broken => response,
        }
    }
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

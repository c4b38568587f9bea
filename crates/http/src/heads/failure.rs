//! Failures that are not the client's doing: noted once, told without detail.

use std::error::Error;

use http::StatusCode;
use symbolon_app::AppError;

/// What a client may be told of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// It may go better in a moment.
    TryLater,
    /// Somebody has to mend something first.
    Broken,
}

impl Failure {
    /// Sorts a failure and writes it down: this is where it is handled.
    pub(super) fn noted(error: &AppError) -> Self {
        match error {
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
            | AppError::Name { .. }
            | AppError::Password(_)
            | AppError::Forbidden(_) => {
                tracing::error!("could not answer a request: {}", with_causes(error));
                Self::Broken
            }
        }
    }

    /// The status that tells of it.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::TryLater => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The sentence that tells of it.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::TryLater => "The server cannot answer now; try again in a moment.",
            Self::Broken => "The server made a mistake; its log tells which.",
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

//! Why there is no page but an error page, and which.
//!
//! The one table that turns what the use cases meet into a status and a text. What a form itself can
//! show at its fields does not come here.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use symbolon_app::AppError;

use crate::answer::with_retry_after;
use crate::pages::error_page;
use crate::pages::view::faults::sentence;

/// Why a request gets an error page.
#[derive(Debug)]
pub(crate) enum Failure {
    /// There is no such page, or it is somebody else's.
    NoSuchPage,
    /// A single-use link that is used, too old or mistyped; the text says what to do.
    DeadLink(&'static str),
    /// The page is for administrators.
    AdministratorsOnly,
    /// The form carries no valid nonce, or comes from elsewhere.
    StaleForm,
    /// The form is larger than any of ours.
    TooLarge,
    /// The body is not a form.
    NotAForm,
    /// A form that cannot be read, or that has fields we never sent; the text says which.
    Unreadable(String),
    /// A rule forbids it; the text says which and who can lift it.
    Forbidden(&'static str),
    /// What a use case met.
    App(AppError),
}

impl From<AppError> for Failure {
    fn from(error: AppError) -> Self {
        Self::App(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::NoSuchPage => error_page(
                StatusCode::NOT_FOUND,
                "There is no such page",
                "The address may be mistyped, or what it showed is gone. Setup has a list of all pages.",
            ),
            Self::DeadLink(text) => {
                error_page(StatusCode::NOT_FOUND, "This link no longer works", text)
            }
            Self::AdministratorsOnly => error_page(
                StatusCode::FORBIDDEN,
                "For administrators only",
                "Your user is not an administrator. An administrator of your organization can do this for you.",
            ),
            Self::StaleForm => error_page(
                StatusCode::FORBIDDEN,
                "This form is no longer valid",
                "You have logged in or out since it was shown, or cookies are switched off. Nothing was \
                 changed. Open Setup, go to the page again and send the form once more.",
            ),
            Self::TooLarge => error_page(
                StatusCode::PAYLOAD_TOO_LARGE,
                "That was too much",
                "The form was larger than any of ours can be. Nothing was changed.",
            ),
            Self::NotAForm => error_page(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "That was not a form",
                "Pages take forms (application/x-www-form-urlencoded) and nothing else. Nothing was changed.",
            ),
            Self::Unreadable(text) => error_page(
                StatusCode::UNPROCESSABLE_ENTITY,
                "The form could not be read",
                &format!("{text} Nothing was changed. Open the page again and fill in its form."),
            ),
            Self::Forbidden(text) => {
                error_page(StatusCode::FORBIDDEN, "A rule forbids this", &sentence(text))
            }
            Self::App(error) => page_of(error),
        }
    }
}

fn page_of(error: AppError) -> Response {
    match error {
        AppError::Database(source) => {
            tracing::error!(error = %chain(&source), "the database did not answer a page");
            unavailable("The database does not answer. Nothing was lost; try again in a moment.")
        }
        AppError::TooMany { retry_after } => too_many(retry_after),
        AppError::Busy => {
            unavailable("Too much was changed at once. Nothing was lost; try again in a moment.")
        }
        AppError::Corrupt(_) | AppError::KeyMissing => {
            tracing::error!(%error, "a page cannot be shown until somebody looks at the installation");
            error_page(
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something is broken here",
                "It is not your fault, and it is in the server's log. Tell whoever runs this server.",
            )
        }
        AppError::NotFound(_) => Failure::NoSuchPage.into_response(),
        AppError::Forbidden(text) => Failure::Forbidden(text).into_response(),
        AppError::Taken(_)
        | AppError::KeyUsed
        | AppError::Invalid(_)
        | AppError::Name { .. }
        | AppError::Password(_) => {
            Failure::Unreadable(format!("{}.", capitalised(&error.to_string()))).into_response()
        }
    }
}

/// The same whoever is asked for, and whether there is such a user.
fn too_many(retry_after: Duration) -> Response {
    let seconds = match retry_after.as_secs() {
        1 => "1 second".to_owned(),
        seconds => format!("{seconds} seconds"),
    };
    let text = format!("Too many logins at once. Try again in {seconds}.");
    let page = error_page(StatusCode::TOO_MANY_REQUESTS, "Not just now", &text);
    with_retry_after(page, retry_after)
}

fn unavailable(text: &str) -> Response {
    error_page(StatusCode::SERVICE_UNAVAILABLE, "Not available just now", text)
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// The same text with its first letter in upper case, as sentences begin.
pub(crate) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

//! Error pages, in the dress of all pages. Nobody's name is on them: an error may come before it is
//! known who asks.

use axum::response::Response;
use http::StatusCode;

use crate::pages::view::faults::Faults;
use crate::pages::view::frame::Frame;
use crate::pages::view::message::error_message;
use crate::pages::web::answer::Transport;

/// A page that says what is wrong and shows the way on.
///
/// `title` is its heading, `text` whole sentences: what happened, and what to do.
pub fn error_page(status: StatusCode, title: &str, text: &str) -> Response {
    let frame = Frame {
        // An error page knows no organization: whatever failed may be what would have told.
        organization: "Symbolon".to_owned(),
        title: title.to_owned(),
        person: None,
        done: None,
        faults: Faults::none(),
        transport: Transport::Plain,
    };
    error_message(status, frame, text)
}

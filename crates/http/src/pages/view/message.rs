//! A page that says one thing and shows the way on.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use crate::pages::view::frame::Frame;
use crate::pages::web::answer::Page;

#[derive(Template)]
#[template(path = "message.html")]
struct MessagePage {
    frame: Frame,
    text: Vec<String>,
    way_on: Option<(&'static str, &'static str)>,
    code: Option<String>,
}

impl Page for MessagePage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// Answers with a message and, as path and label, the way on.
pub(crate) fn message(
    frame: Frame,
    text: &[&str],
    way_on: Option<(&'static str, &'static str)>,
) -> Response {
    let text = text.iter().map(|line| (*line).to_owned()).collect();
    MessagePage { frame, text, way_on, code: None }.answer(StatusCode::OK)
}

/// Answers with an error page.
pub(crate) fn error_message(status: StatusCode, frame: Frame, text: &str) -> Response {
    let way_on = Some(("/", "Go to the start"));
    let text = vec![text.to_owned()];
    MessagePage { frame, text, way_on, code: Some(format!("HTTP status {status}")) }.answer(status)
}

//! The development mailbox: what `symbolon demo` would have mailed.
//!
//! It shows tokens in the clear to whoever may open it, which is its purpose; without `demo` there is
//! no such page. A mail's HTML is served apart, in a sandbox, for it has styles of its own.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use symbolon_mail::Received;

use crate::pages::view::frame::Frame;
use crate::pages::view::moment::moment;
use crate::pages::web::answer::{Answer, Page, dress};
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;
use crate::pages::web::visit::Visit;

#[derive(Template)]
#[template(path = "mailbox.html")]
struct MailboxPage {
    frame: Frame,
    mails: Vec<Arc<Received>>,
}

#[derive(Template)]
#[template(path = "mailbox_mail.html")]
struct MailPage {
    frame: Frame,
    mail: Arc<Received>,
}

impl Page for MailboxPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

impl Page for MailPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /dev/mailbox`
pub(crate) fn list(visit: &Visit) -> Answer {
    let mailbox = visit.front.mailbox.as_ref().ok_or(Failure::NoSuchPage)?;
    let frame = Frame::for_visitor(visit, "Development Mailbox");
    Ok(MailboxPage { frame, mails: mailbox.list() }.answer(StatusCode::OK))
}

/// `GET /dev/mailbox/{number}`
pub(crate) fn show(visit: &Visit, InPath(number): InPath<String>) -> Answer {
    let mail = mail_of(visit, &number)?;
    let frame = Frame::for_visitor(visit, &*mail.subject);
    Ok(MailPage { frame, mail }.answer(StatusCode::OK))
}

/// `GET /dev/mailbox/{number}/html`
pub(crate) fn show_html(visit: &Visit, InPath(number): InPath<String>) -> Answer {
    let mail = mail_of(visit, &number)?;
    let policy = "sandbox allow-top-navigation-by-user-activation; default-src 'none'; style-src 'unsafe-inline'";
    Ok(part(visit, mail.html.as_bytes(), "text/html; charset=utf-8", policy))
}

/// `GET /dev/mailbox/{number}/raw`
pub(crate) fn show_raw(visit: &Visit, InPath(number): InPath<String>) -> Answer {
    let mail = mail_of(visit, &number)?;
    Ok(part(visit, &mail.raw, "text/plain; charset=utf-8", "sandbox; default-src 'none'"))
}

fn mail_of(visit: &Visit, number: &str) -> Result<Arc<Received>, Failure> {
    let mailbox = visit.front.mailbox.as_ref().ok_or(Failure::NoSuchPage)?;
    let number = number.parse().map_err(|_| Failure::NoSuchPage)?;
    mailbox.get(number).ok_or(Failure::NoSuchPage)
}

fn part(
    visit: &Visit,
    content: &[u8],
    content_type: &'static str,
    policy: &'static str,
) -> Response {
    let mut response = Response::new(Body::from(content.to_vec()));
    dress(&mut response, visit.transport);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

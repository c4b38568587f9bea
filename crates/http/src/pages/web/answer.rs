//! How a page is answered: its headers, and redirects after a write.
//!
//! No script runs on these pages, so the policy forbids all; the one style sheet and the one icon are our
//! own. A page that asks for a passkey has a policy of its own (`view::passkey_form`).

use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, STRICT_TRANSPORT_SECURITY};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::pages::view::frame::Frame;
use crate::pages::web::failure::Failure;

/// What a page's handler yields.
pub(crate) type Answer = Result<Response, Failure>;

/// How the browser reached us, as far as cookies and headers depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Over TLS, to us or to a trusted proxy before us.
    Tls,
    /// In the clear: loopback.
    Plain,
}

/// A whole page: a template with its frame.
pub(crate) trait Page: Template {
    /// The dress of the page.
    fn frame(&self) -> &Frame;

    /// Answers with the page and the headers of every page.
    fn answer(&self, status: StatusCode) -> Response {
        html(status, self.frame().transport, self.render())
    }
}

/// Two years, with the host's subdomains left alone: they may be other people's.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// Headers of every page.
///
/// `Referrer-Policy: no-referrer`, although browsers then post with `Origin: null`: paths of
/// single-use links hold a secret that must not stand in anybody's log, and against forgery the
/// form's nonce and `Sec-Fetch-Site` remain.
const HEADERS: [(&str, &str); 8] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-frame-options", "DENY"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

/// Answers with rendered HTML under the headers of every page.
pub(crate) fn html(
    status: StatusCode,
    transport: Transport,
    rendered: askama::Result<String>,
) -> Response {
    let mut response = match rendered {
        Ok(text) => {
            let mut response = Response::new(Body::from(text));
            *response.status_mut() = status;
            response
        }
        Err(error) => {
            tracing::error!(%error, "could not render a page");
            let mut response = Response::new(Body::from("The page could not be rendered."));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            response
        }
    };
    dress(&mut response, transport);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

/// Puts the headers of every page on a response.
pub(crate) fn dress(response: &mut Response, transport: Transport) {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if transport == Transport::Tls {
        headers.insert(STRICT_TRANSPORT_SECURITY, HSTS);
    }
}

/// Sends the browser on with a GET (303), so that reload and back repeat no write.
pub(crate) fn see_other(to: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    // A path that no header can hold is none of ours: the entrance then.
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    response.headers_mut().insert(LOCATION, to);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

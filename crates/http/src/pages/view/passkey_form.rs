//! The page on which a browser is asked for a passkey: the one kind of page that runs a script.
//!
//! The question stands in the form as JSON, and the script sends the answer in the form's hidden field, so that
//! the nonce, the limits and the paths of every other form hold here too. Where there is no script, or the
//! browser knows no passkeys, the button stays disabled and says why.

use askama::Template;
use askama::filters::HtmlSafe;
use axum::response::Response;
use http::{HeaderValue, StatusCode};
use symbolon_app::Ctx;
use symbolon_app::passkeys;

use crate::pages::assets;
use crate::pages::view::frame::Frame;
use crate::pages::web::answer::Page;
use crate::pages::web::posted::NONCE_FIELD;

/// The field with what the browser answers.
pub(crate) const ANSWER: &str = "answer";
/// The field with the name of the question.
pub(crate) const QUESTION: &str = "question";

/// The policy of every page, with our own script beside our own style.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; \
     base-uri 'none'; frame-ancestors 'none'",
);

/// What a browser is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A new passkey.
    New,
    /// One that it has.
    Held,
}

/// A form that a browser's answer is posted with.
#[derive(Debug, Template)]
#[template(path = "parts/passkey.html")]
pub(crate) struct PasskeyForm {
    asked: Asked,
    action: &'static str,
    hidden: Vec<(&'static str, String)>,
    options: String,
    origin: String,
    button: &'static str,
    cancel: &'static str,
}

impl HtmlSafe for PasskeyForm {}

impl PasskeyForm {
    /// A form that posts to `action`, carrying the nonce `csrf`; `options` is what the browser is asked.
    pub(crate) fn new(
        ctx: &Ctx,
        asked: Asked,
        action: &'static str,
        csrf: &str,
        options: String,
    ) -> Self {
        Self {
            asked,
            action,
            hidden: vec![(NONCE_FIELD, csrf.to_owned())],
            options,
            origin: passkeys::origin_of(ctx),
            button: match asked {
                Asked::New => "Make Passkey",
                Asked::Held => "Use Passkey",
            },
            cancel: "/login",
        }
    }

    /// Adds a value that is sent unseen.
    pub(crate) fn hidden(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.hidden.push((name, value.into()));
        self
    }

    /// Where the way back leads.
    pub(crate) fn cancel(self, cancel: &'static str) -> Self {
        Self { cancel, ..self }
    }

    fn verb(&self) -> &'static str {
        match self.asked {
            Asked::New => "create",
            Asked::Held => "get",
        }
    }

    #[expect(clippy::unused_self, reason = "the template reaches it through the form")]
    fn script(&self) -> &'static str {
        assets::passkey_script_path()
    }
}

#[derive(Template)]
#[template(path = "passkey.html")]
struct SetupPage {
    frame: Frame,
    lead: &'static str,
    form: PasskeyForm,
}

#[derive(Template)]
#[template(path = "passkey_door.html")]
struct DoorPage {
    frame: Frame,
    lead: &'static str,
    form: PasskeyForm,
}

impl Page for SetupPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

impl Page for DoorPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// Answers with the question.
///
/// A frame with a person is one of Setup; without, the form stands alone.
pub(crate) fn passkey_page(frame: Frame, lead: &'static str, form: PasskeyForm) -> Response {
    let mut response = if frame.is_setup() {
        SetupPage { frame, lead, form }.answer(StatusCode::OK)
    } else {
        DoorPage { frame, lead, form }.answer(StatusCode::OK)
    };
    response.headers_mut().insert(http::header::CONTENT_SECURITY_POLICY, POLICY);
    response
}

//! A form as it was posted: of the right type and size, readable, and not to be had before its
//! nonce has been proved.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use symbolon_app::sessions::LiveSession;
use symbolon_core::secret::Password;
use symbolon_wire::Presented;
use symbolon_wire::form::Form;

use crate::body::{self, BodyFault};
use crate::pages::web::csrf::{self, ShownTo};
use crate::pages::web::failure::{Failure, capitalised};
use crate::pages::web::visit::Visit;
use crate::state::HttpState;

/// Largest form that is read: ours are below 4 KiB, with the longest password below 8.
const MAX_BYTES: usize = 16 * 1024;
/// The field that holds a form's nonce.
pub(crate) const NONCE_FIELD: &str = "csrf";

/// A form that was posted, its nonce not yet proved.
#[derive(Debug)]
pub(crate) struct Posted(Form);

impl Posted {
    /// The form, if it was shown to the holder of `session` and has no field beside `fields`.
    pub(crate) fn by_session(
        self,
        visit: &Visit,
        session: &LiveSession,
        fields: &[&str],
    ) -> Result<Form, Failure> {
        self.shown_to(visit, ShownTo::Session(session.session), fields)
    }

    /// The form, if it was shown to this very browser and has no field beside `fields`.
    pub(crate) fn by_visitor(self, visit: &Visit, fields: &[&str]) -> Result<Form, Failure> {
        let cookie = visit.form_cookie.as_deref().ok_or(Failure::StaleForm)?;
        self.shown_to(visit, ShownTo::Browser(cookie), fields)
    }

    fn shown_to(
        mut self,
        visit: &Visit,
        reader: ShownTo<'_>,
        fields: &[&str],
    ) -> Result<Form, Failure> {
        let nonce = self.0.take(NONCE_FIELD);
        if !csrf::proves(&visit.ctx.keys, reader, nonce.as_ref().map(Presented::reveal)) {
            return Err(Failure::StaleForm);
        }
        match self.0.unknown_fields(fields) {
            None => Ok(self.0),
            Some(_) => Err(Failure::Unreadable("It has a field that is not ours.".to_owned())),
        }
    }
}

impl FromRequest<HttpState> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, state: &HttpState) -> Result<Self, Response> {
        read(request, state).await.map(Self).map_err(IntoResponse::into_response)
    }
}

async fn read(request: Request, state: &HttpState) -> Result<Form, Failure> {
    let (parts, body) = request.into_parts();
    if csrf::comes_from_elsewhere(&parts.headers, &state.ctx.settings.public_url) {
        return Err(Failure::StaleForm);
    }
    if !is_form(&parts.headers) {
        return Err(Failure::NotAForm);
    }
    read_form(body).await
}

async fn read_form(body: Body) -> Result<Form, Failure> {
    let bytes = body::read(body, MAX_BYTES).await.map_err(|fault| match fault {
        BodyFault::TooLarge => Failure::TooLarge,
        BodyFault::WrongType | BodyFault::WrongEncoding => Failure::NotAForm,
        BodyFault::NotGzip | BodyFault::Broken | BodyFault::TooSlow => {
            Failure::Unreadable("It was cut off on its way.".to_owned())
        }
    })?;
    Form::parse(bytes.reveal())
        .map_err(|fault| Failure::Unreadable(format!("{}.", capitalised(&fault.to_string()))))
}

fn is_form(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Takes a password out of a form; one that was not sent is empty.
pub(crate) fn take_password(form: &mut Form, name: &str) -> Password {
    let typed = form.take(name);
    Password::new(typed.map(|typed| typed.reveal().to_owned()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_form_is_a_form() {
        let typed = |value| HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);

        assert!(is_form(&typed("application/x-www-form-urlencoded")));
        assert!(is_form(&typed("Application/X-WWW-Form-Urlencoded; charset=UTF-8")));
        assert!(!is_form(&typed("text/plain")));
        assert!(!is_form(&typed("multipart/form-data; boundary=x")));
        assert!(!is_form(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn a_form_over_the_limit_is_refused_as_too_large() {
        let body = Body::from(format!("a={}", "x".repeat(MAX_BYTES)));

        assert!(matches!(read_form(body).await, Err(Failure::TooLarge)));
    }
}

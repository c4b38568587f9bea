//! A button that an administrator pressed: a form without fields, whose nonce has been proved.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use symbolon_app::Actor;
use symbolon_app::sessions::LiveSession;

use crate::pages::web::access::Administrator;
use crate::pages::web::in_path::InPath;
use crate::pages::web::posted::Posted;
use crate::pages::web::visit::Visit;
use crate::state::HttpState;

/// Extractor: the button, pressed by an administrator to whom its form was shown, on what the path names.
#[derive(Debug)]
pub(crate) struct Pressed<T = String> {
    /// The request.
    pub(crate) visit: Visit,
    /// The administrator's.
    pub(crate) session: LiveSession,
    /// The parameters of the path; several are a tuple.
    pub(crate) named: T,
}

impl<T> Pressed<T> {
    /// The administrator, as whoever does it.
    pub(crate) const fn actor(&self) -> Actor {
        Actor::User(self.session.user)
    }
}

impl<T: DeserializeOwned + Send> FromRequest<HttpState> for Pressed<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &HttpState) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visit = Visit::from_request_parts(&mut parts, state).await?;
        let Administrator(session) = Administrator::from_request_parts(&mut parts, state).await?;
        let InPath(named) = InPath::from_request_parts(&mut parts, state).await?;
        let posted = Posted::from_request(Request::from_parts(parts, body), state).await?;
        match posted.by_session(&visit, &session, &[]) {
            Ok(_) => Ok(Self { visit, session, named }),
            Err(failure) => Err(failure.into_response()),
        }
    }
}

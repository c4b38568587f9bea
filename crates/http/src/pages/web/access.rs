//! Whom a page admits: extractors that a handler cannot be reached without.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::Method;
use http::request::Parts;
use symbolon_app::AppError;
use symbolon_app::sessions::{self, LiveSession, Restriction};
use symbolon_app::step_up;
use symbolon_core::session::SessionKind;

use crate::pages::own::verify;
use crate::pages::table;
use crate::pages::web::answer::see_other;
use crate::pages::web::failure::Failure;
use crate::pages::web::local_path::{LocalPath, login_then, page_then};
use crate::pages::web::visit::Visit;
use crate::state::HttpState;

/// Where somebody whose password has expired is led.
pub(crate) const PASSWORD_PAGE: &str = "/setup/personal-information/password";

/// Where somebody who must enrol a second factor is led.
pub(crate) const ENROL_PAGE: &str = "/setup/second-factors";

/// Whoever holds a live session.
#[derive(Debug)]
pub(crate) struct LoggedIn(pub(crate) LiveSession);

/// Whoever holds a live session, even if the password has expired: to change it, or to log out.
#[derive(Debug)]
pub(crate) struct LoggedInEvenExpired(pub(crate) LiveSession);

/// An administrator who holds a live session.
#[derive(Debug)]
pub(crate) struct Administrator(pub(crate) LiveSession);

/// Put into a request's extensions by the table: the route wants its user to have proved himself lately.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WantsProof;

impl FromRequestParts<HttpState> for LoggedInEvenExpired {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Response> {
        let visit = Visit::from_request_parts(parts, state).await?;
        let session = session_of(&visit).await.map_err(|e| Failure::from(e).into_response())?;
        if let Some(session) = &session {
            gate(parts, session, &visit).map_err(|path| see_other(&path))?;
        }
        session.map(Self).ok_or_else(|| {
            // What was posted is gone by the time of the log-in, so a GET alone is come back to.
            see_other(&match parts.method {
                Method::GET | Method::HEAD => {
                    login_then(parts.uri.path_and_query().map_or("/", |path| path.as_str()))
                }
                _ => "/login".to_owned(),
            })
        })
    }
}

impl FromRequestParts<HttpState> for LoggedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Response> {
        let LoggedInEvenExpired(session) =
            LoggedInEvenExpired::from_request_parts(parts, state).await?;
        if session.password_expired && session.restriction.is_none() {
            return Err(see_other(PASSWORD_PAGE));
        }
        Ok(Self(session))
    }
}

impl FromRequestParts<HttpState> for Administrator {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Response> {
        let LoggedIn(session) = LoggedIn::from_request_parts(parts, state).await?;
        if !session.administrator {
            return Err(Failure::AdministratorsOnly.into_response());
        }
        Ok(Self(session))
    }
}

/// Lets a session through, or says where it is led first: to enrol, if it is confined to that; to prove its
/// user, if the route wants that and the last proof is too old.
fn gate(parts: &Parts, session: &LiveSession, visit: &Visit) -> Result<(), String> {
    let path = parts.uri.path();
    let below =
        |page: &str| path.strip_prefix(page).is_some_and(|rest| !rest.starts_with(|c| c != '/'));
    match session.restriction {
        Some(Restriction::Enrol) => {
            let open = [ENROL_PAGE, verify::PATH, "/logout"].into_iter().any(below);
            if !open {
                return Err(ENROL_PAGE.to_owned());
            }
        }
        None => {}
    }
    let wanted = parts.extensions.get::<WantsProof>().is_some();
    if wanted && !step_up::is_fresh(session, visit.ctx.clock.now()) {
        let form = match parts.method {
            Method::GET | Method::HEAD => {
                parts.uri.path_and_query().map_or(path, |path| path.as_str())
            }
            _ => table::form_of(path),
        };
        return Err(page_then(verify::PATH, LocalPath::parse(form).as_ref()));
    }
    Ok(())
}

/// The live session that the browser holds, if any.
pub(crate) async fn session_of(visit: &Visit) -> Result<Option<LiveSession>, AppError> {
    match &visit.session_secret {
        Some(secret) => sessions::find(&visit.ctx, SessionKind::Web, secret).await,
        None => Ok(None),
    }
}

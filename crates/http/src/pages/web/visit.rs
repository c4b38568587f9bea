//! One visit of a page: what the request says beside its form.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::Method;
use http::request::Parts;
use symbolon_app::sessions::LiveSession;
use symbolon_app::{Ctx, Origin};
use symbolon_core::secret::{ChallengeSecret, PlaceSecret, SessionSecret};
use symbolon_wire::form::Form;

use crate::origin::RequestOrigin;
use crate::pages::web::answer::Transport;
use crate::pages::web::cookies;
use crate::state::{Front, HttpState};

/// What a handler knows of the request, whoever sent it.
#[derive(Debug)]
pub(crate) struct Visit {
    /// The authority.
    pub(crate) ctx: Ctx,
    /// How requests are taken.
    pub(crate) front: Arc<Front>,
    /// Where it came from.
    pub(crate) origin: Origin,
    /// How the browser reached us.
    pub(crate) transport: Transport,
    /// The path, for the tree of pages.
    pub(crate) path: String,
    /// Where a GET form of this page may lead: the page itself if it was asked for by GET.
    pub(crate) own_get_path: Option<String>,
    /// The session secret that the browser holds, not yet believed.
    pub(crate) session_secret: Option<SessionSecret>,
    /// What the browser's anonymous forms are tied to.
    pub(crate) form_cookie: Option<String>,
    /// The challenge that the browser holds, not yet believed.
    pub(crate) challenge: Option<ChallengeSecret>,
    /// What the browser holds of places where users have proved themselves, not yet believed.
    pub(crate) places: Vec<PlaceSecret>,
    query: Option<Form>,
}

impl Visit {
    /// The places that the browser holds, for a use case to keep.
    pub(crate) fn held_places(&self) -> Vec<PlaceSecret> {
        self.places.iter().map(|held| PlaceSecret::new(held.reveal().to_owned())).collect()
    }

    /// Where the request came from, within the session that it came in.
    pub(crate) fn origin_of(&self, session: &LiveSession) -> Origin {
        Origin { place: session.place, ..self.origin.clone() }
    }

    /// A value of the query; a query that cannot be read has none.
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.as_ref()?.text(name).filter(|value| !value.is_empty())
    }
}

impl FromRequestParts<HttpState> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Response> {
        let RequestOrigin { origin, secure } = RequestOrigin::from_request_parts(parts, state)
            .await
            .map_err(IntoResponse::into_response)?;
        let transport = if secure { Transport::Tls } else { Transport::Plain };
        let path = parts.uri.path().to_owned();
        Ok(Self {
            ctx: state.ctx.clone(),
            front: Arc::clone(&state.front),
            origin,
            transport,
            own_get_path: matches!(parts.method, Method::GET | Method::HEAD).then(|| path.clone()),
            path,
            session_secret: cookies::session(&parts.headers, transport),
            form_cookie: cookies::form(&parts.headers, transport),
            challenge: cookies::challenge(&parts.headers, transport),
            places: cookies::places(&parts.headers, transport),
            query: parts.uri.query().and_then(|query| Form::parse(query.as_bytes()).ok()),
        })
    }
}

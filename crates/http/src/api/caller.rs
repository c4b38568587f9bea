//! Who asks, by the API session in `Authorization: Bearer`, and by the current password where that is not enough.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderName, StatusCode};
use serde::Deserialize;
use symbolon_app::Origin;
use symbolon_app::login::Head;
use symbolon_app::sessions::LiveSession;

use crate::answer::{Kind, refuse};
use crate::body::{Single, header_text};
use crate::control::problem::Failed;
use crate::heads::session;
use crate::origin::RequestOrigin;
use crate::state::HttpState;

/// Where a client says which request this is, so that it can send it again.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LONGEST_KEY: usize = 128;

/// The user who asks.
pub(super) struct Caller {
    pub(super) session: LiveSession,
    pub(super) origin: Origin,
    /// The key of this request: the client's, or one that nobody sends again.
    pub(super) request_key: String,
}

/// The proof that whoever asks is more than the bearer of a session.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Proved {
    pub(super) current_password: String,
}

impl FromRequestParts<HttpState> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &HttpState) -> Result<Self, Response> {
        let ctx = &state.ctx;
        let RequestOrigin { origin, .. } = RequestOrigin::from_request_parts(parts, state)
            .await
            .map_err(IntoResponse::into_response)?;
        let presented = session::in_headers(&parts.headers);
        let session = match session::live(ctx, presented, Head::Rest, &origin).await {
            Ok(Some(session)) => session,
            Ok(None) => return Err(Failed::session_not_live(ctx).into_response()),
            Err(error) => return Err(Failed::app(ctx, &error).into_response()),
        };
        if session.password_expired {
            return Err(Failed::password_expired(ctx).into_response());
        }
        let request_key = match header_text(&parts.headers, &IDEMPOTENCY_KEY) {
            Single::Absent => ctx.chance.text(24),
            Single::Text(key) if (1..=LONGEST_KEY).contains(&key.len()) => format!("api:{key}"),
            Single::Text(_) | Single::Unreadable => {
                let text = "Idempotency-Key must be one value of 1 to 128 characters.";
                return Err(refuse(Kind::Problem, StatusCode::BAD_REQUEST, text));
            }
        };
        Ok(Self { session, origin, request_key })
    }
}

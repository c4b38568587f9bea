//! API sessions as clients present them, and as they are told to them.
//!
//! A session id is `{org15}!{secret}`. The part before the `!` is there for clients and scanners; only
//! the secret is looked up.

use http::{HeaderMap, HeaderName, header};
use symbolon_app::login::Head;
use symbolon_app::sessions::{self, LiveSession};
use symbolon_app::verify::Presenter;
use symbolon_app::{AppError, Ctx, Origin};
use symbolon_core::id::{Id, Organization};
use symbolon_core::secret::SessionSecret;
use symbolon_wire::Presented;
use symbolon_wire::authorization::{self, Authorization};
use symbolon_wire::form::Form;
use symbolon_wire::session_id;

use crate::body::{Single, header_text};

/// Where bulk clients put the session id.
const X_SFDC_SESSION: HeaderName = HeaderName::from_static("x-sfdc-session");

/// The session id for the client.
pub(super) fn told(organization: Id<Organization>, secret: &SessionSecret) -> Presented {
    Presented::new(format!("{organization}!{}", secret.reveal()))
}

/// The secret in a session id; `None` if the text is none.
pub(crate) fn secret_of(presented: &Presented) -> Option<SessionSecret> {
    let text = presented.reveal();
    session_id::parse(text).ok()?;
    let (_, secret) = text.split_once('!')?;
    Some(SessionSecret::new(secret.to_owned()))
}

/// The session id in the headers: `Authorization: Bearer`, `Authorization: OAuth` or
/// `X-SFDC-Session`.
pub(crate) fn in_headers(headers: &HeaderMap) -> Option<Presented> {
    match header_text(headers, &header::AUTHORIZATION) {
        Single::Text(text) => match authorization::parse(text) {
            Ok(Authorization::Bearer(id) | Authorization::OAuth(id)) => Some(id),
            Ok(Authorization::Basic(_)) | Err(_) => None,
        },
        // Two credentials: which one counts is not ours to guess.
        Single::Unreadable => None,
        Single::Absent => match header_text(headers, &X_SFDC_SESSION) {
            Single::Text(text) => Some(Presented::new(text.to_owned())),
            Single::Absent | Single::Unreadable => None,
        },
    }
}

/// The session id in a query, `oauth_token=` or `access_token=`, as jsforce sends it.
pub(super) fn in_query(form: &mut Form) -> Option<Presented> {
    form.take("oauth_token").or_else(|| form.take("access_token"))
}

/// The live session that a client presents at `head`; `None` if it presents none or a dead one.
pub(crate) async fn live(
    ctx: &Ctx,
    presented: Option<Presented>,
    head: Head,
    origin: &Origin,
) -> Result<Option<LiveSession>, AppError> {
    let Some(secret) = presented.as_ref().and_then(secret_of) else {
        return Ok(None);
    };
    let client = origin.client.as_str().as_bytes();
    let presenter = Presenter::of_client(head, origin.source, client);
    sessions::find_api(ctx, &secret, presenter).await
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_session_id_is_read_back_and_junk_is_not() {
        let secret = SessionSecret::new("a".repeat(96));

        let told = told(Id::from_raw(7), &secret);

        assert_eq!(secret_of(&told).unwrap().reveal(), secret.reveal());
        assert!(secret_of(&Presented::new("a".repeat(96))).is_none());
        assert!(secret_of(&Presented::new(String::new())).is_none());
    }

    #[test]
    fn authorization_counts_before_other_headers_and_once() {
        let mut headers = HeaderMap::new();
        headers.insert(X_SFDC_SESSION, HeaderValue::from_static("bulk"));
        assert_eq!(in_headers(&headers).unwrap().reveal(), "bulk");

        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("OAuth rest"));
        assert_eq!(in_headers(&headers).unwrap().reveal(), "rest");

        headers.append(header::AUTHORIZATION, HeaderValue::from_static("Bearer other"));
        assert!(in_headers(&headers).is_none());
    }
}

//! The token endpoint.
//!
//! The client is proved first, whatever the grant and whoever the user: what is said about a client
//! never depends on a user. From there on every refusal is the same `invalid_grant`, also where
//! the grant is switched off (RFC 9700 §2.4 advises against it): the owner's history tells which.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use symbolon_app::clients::{self, ClientRefusal, ClientView};
use symbolon_app::login::{self, ApiLogin, Head, LoginError, NewSession, Refused};
use symbolon_app::{AppError, Ctx, Origin, sessions};
use symbolon_core::judge::Refusal;
use symbolon_core::secret::{ClientSecret, Credential};
use symbolon_wire::Presented;
use symbolon_wire::oauth::{
    ClientCredentials, Grant, OAuthError, RequestFault, TokenAnswer, TokenRequest,
    parse_token_request, signature,
};

use crate::answer::{JSON, Kind, answer, tell_expiry};
use crate::body::{self, BodyFault, Gathered, Single, header_text};
use crate::heads::oauth::{FORM_LIMIT, FORM_TYPES, failed};
use crate::heads::session;
use crate::origin::RequestOrigin;
use crate::state::HttpState;

/// What RFC 6749 §5.2 demands beside a 401.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"symbolon\"");

pub(super) async fn issue(
    State(state): State<HttpState>,
    origin: RequestOrigin,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let form = match read_form(&headers, body).await {
        Ok(form) => form,
        Err(fault) => return fault.refuse(Kind::OAuth),
    };
    let authorization = match header_text(&headers, &header::AUTHORIZATION) {
        Single::Absent => None,
        Single::Text(text) => Some(text),
        Single::Unreadable => {
            let fault = RequestFault::Refused("authorization header given twice or unreadable");
            return refuse(OAuthError::InvalidRequest(fault), ClientProof::Form);
        }
    };
    let proof = ClientProof::of(authorization);
    let TokenRequest { client, grant } = match parse_token_request(form.reveal(), authorization) {
        Ok(request) => request,
        Err(error) => return refuse(error, proof),
    };
    let ClientCredentials { id, secret } = client;
    let secret = secret.unwrap_or_else(|| Presented::new(String::new()));
    let presented = ClientSecret::new(secret.reveal().to_owned());
    let client = match clients::authenticate(&state.ctx, &id, &presented).await {
        Ok(Ok(client)) => client,
        Ok(Err(ClientRefusal::UnknownClient)) => return refuse(OAuthError::InvalidClientId, proof),
        Ok(Err(ClientRefusal::WrongSecret)) => return refuse(OAuthError::InvalidClient, proof),
        Err(error) => return failed(&error),
    };
    match grant {
        Grant::Password { username, password } => {
            log_in(&state, &client, &secret, username, &password, origin.origin).await
        }
        // None is ever given out, so none can be alive.
        Grant::RefreshToken { .. } => refuse(OAuthError::ExpiredToken, proof),
        Grant::ClientCredentials => refuse(OAuthError::UnsupportedGrantType, proof),
    }
}

async fn read_form(headers: &HeaderMap, body: Body) -> Result<Gathered, BodyFault> {
    body::check_media_type(headers, &FORM_TYPES)?;
    body::check_no_encoding(headers)?;
    body::read(body, FORM_LIMIT).await
}

/// How the client named itself, which decides how a refusal of it is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ClientProof {
    /// `Authorization: Basic`.
    Basic,
    /// Members of the form.
    Form,
}

impl ClientProof {
    fn of(authorization: Option<&str>) -> Self {
        let scheme = authorization.and_then(|text| text.split(' ').next());
        let is_basic = scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("Basic"));
        if is_basic { Self::Basic } else { Self::Form }
    }
}

fn refuse(error: OAuthError, proof: ClientProof) -> Response {
    let is_about_client = matches!(error, OAuthError::InvalidClient | OAuthError::InvalidClientId);
    // Salesforce says 400 throughout; a client that used Basic is told as RFC 6749 §5.2 demands.
    if is_about_client && proof == ClientProof::Basic {
        let mut response = answer(StatusCode::UNAUTHORIZED, JSON, error.to_json(None));
        response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
        return response;
    }
    answer(StatusCode::BAD_REQUEST, JSON, error.to_json(None))
}

async fn log_in(
    state: &HttpState,
    client: &ClientView,
    client_secret: &Presented,
    username: String,
    password: &Presented,
    origin: Origin,
) -> Response {
    let ctx = &state.ctx;
    let is_offered = ctx.settings.password_grant.is_on() && client.password_grant.is_on();
    let outcome = if is_offered {
        let attempt = ApiLogin {
            head: Head::OAuthPassword,
            username,
            credential: Credential::new(password.reveal().to_owned()),
            client: Some(client.id),
            origin,
        };
        login::log_in_to_api(ctx, attempt).await
    } else {
        refuse_switched_off(ctx, &username, &origin).await
    };
    state.front.metrics.count_login(Head::OAuthPassword, &outcome);
    let opened = match outcome {
        Ok(opened) => opened,
        Err(LoginError::Refused(refused)) => return refuse_login(ctx, &refused),
        Err(LoginError::App(error)) => return failed(&error),
    };
    match render(ctx, &opened, client_secret).await {
        Ok(json) => tell_expiry(answer(StatusCode::OK, JSON, json), opened.token_expires_at),
        Err(error) => failed(&error),
    }
}

async fn refuse_switched_off(
    ctx: &Ctx,
    username: &str,
    origin: &Origin,
) -> Result<NewSession, LoginError> {
    let refusal = Refusal::SwitchedOff;
    let noted =
        login::refuse_unread(ctx, Head::OAuthPassword, Some(username), refusal, origin).await;
    Err(noted.map_or_else(LoginError::App, LoginError::Refused))
}

/// # Security
/// That the token is missing tells that the password was right: only where the administrator wants it.
fn refuse_login(ctx: &Ctx, refused: &Refused) -> Response {
    let tells = ctx.settings.tell_missing_token.is_on();
    let error = if tells && refused.refusal == Refusal::TokenMissing {
        OAuthError::SecurityTokenRequired
    } else {
        OAuthError::AuthenticationFailure
    };
    let correlation_id = refused.correlation_id.to_string();
    answer(StatusCode::BAD_REQUEST, JSON, error.to_json(Some(&correlation_id)))
}

async fn render(
    ctx: &Ctx,
    opened: &NewSession,
    client_secret: &Presented,
) -> Result<String, AppError> {
    let organization = sessions::organization(ctx).await?;
    let id = super::person::url(ctx, organization, opened.user);
    let issued_at_ms = opened.started_at.unix_ms();
    let token = TokenAnswer {
        access_token: &session::told(organization, &opened.secret),
        instance_url: &ctx.settings.public_url,
        id: &id,
        issued_at_ms,
        signature: &signature(client_secret, &id, issued_at_ms),
        scope: None,
        refresh_token: None,
    };
    Ok(token.to_json())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_client_that_used_basic_is_challenged() {
        let challenged = refuse(OAuthError::InvalidClient, ClientProof::Basic);
        let not_challenged = refuse(OAuthError::InvalidClient, ClientProof::Form);
        let grant = refuse(OAuthError::AuthenticationFailure, ClientProof::Basic);

        assert_eq!(challenged.status(), StatusCode::UNAUTHORIZED);
        assert!(challenged.headers().contains_key(header::WWW_AUTHENTICATE));
        assert_eq!(not_challenged.status(), StatusCode::BAD_REQUEST);
        assert_eq!(grant.status(), StatusCode::BAD_REQUEST);
    }
}

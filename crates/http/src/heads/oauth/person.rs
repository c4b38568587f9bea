//! Whom a session speaks for: the user-info endpoint and Salesforce's identity service.
//!
//! A session describes its own user and nobody else, whoever asks.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use symbolon_app::login::Head;
use symbolon_app::sessions::LiveSession;
use symbolon_app::users::{self, UserView};
use symbolon_app::{AppError, Ctx, sessions};
use symbolon_core::id::{Id, Organization, User};
use symbolon_wire::form::Form;
use symbolon_wire::oauth::{
    Identity, IdentityFormat, identity_json, identity_urlencoded, identity_xml, userinfo_json,
};
use symbolon_wire::rest::{RestErrorCode, error_array_json};

use crate::answer::{FORM, JSON, Kind, TEXT, XML, answer, refuse};
use crate::heads::failure::Failure;
use crate::heads::{ids, session};
use crate::origin::RequestOrigin;
use crate::state::HttpState;

/// RFC 6750 §3.1.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer error=\"invalid_token\"");

/// The URL of a user's identity, which the token endpoint answers with.
pub(super) fn url(ctx: &Ctx, organization: Id<Organization>, user: Id<User>) -> String {
    let public_url = &ctx.settings.public_url;
    format!("{public_url}/id/{}/{}", ids::long(organization), ids::long(user))
}

/// `/services/oauth2/userinfo` (`OpenID` Connect Core §5.3).
pub(super) async fn user_info(
    State(state): State<HttpState>,
    origin: RequestOrigin,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let ctx = &state.ctx;
    let session = match live(ctx, &headers, &mut read_query(query), &origin).await {
        Ok(Some(session)) if !session.password_expired => session,
        Ok(_) => {
            let code = RestErrorCode::InvalidSessionId;
            let body = error_array_json(code, "Session expired or invalid");
            let mut response = answer(StatusCode::UNAUTHORIZED, JSON, body);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, CHALLENGE);
            return response;
        }
        Err(error) => return failed(&error),
    };
    match Person::of(ctx, session).await {
        Ok(person) => answer(StatusCode::OK, JSON, userinfo_json(&person.identity(ctx, None))),
        Err(error) => failed(&error),
    }
}

/// `/id/{org}/{user}`: Salesforce's identity service, with its own words for errors.
pub(super) async fn identity(
    State(state): State<HttpState>,
    origin: RequestOrigin,
    headers: HeaderMap,
    path: Result<Path<(String, String)>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Response {
    let ctx = &state.ctx;
    let mut query = read_query(query);
    let session = match live(ctx, &headers, &mut query, &origin).await {
        Ok(Some(session)) if !session.password_expired => session,
        Ok(_) => return answer(StatusCode::FORBIDDEN, TEXT, "Bad_OAuth_Token".to_owned()),
        Err(error) => return failed(&error),
    };
    let person = match Person::of(ctx, session).await {
        Ok(person) => person,
        Err(error) => return failed(&error),
    };
    if !path.is_ok_and(|Path((organization, user))| person.is(&organization, &user)) {
        return answer(StatusCode::NOT_FOUND, TEXT, "Bad_Id".to_owned());
    }
    let Some(format) = wanted_format(&query, &headers) else {
        return refuse(Kind::Rest, StatusCode::BAD_REQUEST, "The format is not known.");
    };
    let version = query.text("version").filter(|version| is_version(version));
    let identity = person.identity(ctx, version);
    match format {
        IdentityFormat::Json => answer(StatusCode::OK, JSON, identity_json(&identity)),
        IdentityFormat::Xml => answer(StatusCode::OK, XML, identity_xml(&identity)),
        IdentityFormat::UrlEncoded => answer(StatusCode::OK, FORM, identity_urlencoded(&identity)),
    }
}

/// A query that cannot be read says nothing.
fn read_query(query: Option<String>) -> Form {
    let nothing = || Form::parse(b"").expect("an empty form is a form");
    Form::parse(query.unwrap_or_default().as_bytes()).unwrap_or_else(|_| nothing())
}

async fn live(
    ctx: &Ctx,
    headers: &HeaderMap,
    query: &mut Form,
    origin: &RequestOrigin,
) -> Result<Option<LiveSession>, AppError> {
    let in_query = session::in_query(query);
    let presented = session::in_headers(headers).or(in_query);
    session::live(ctx, presented, Head::Rest, &origin.origin).await
}

/// The query decides, or else `Accept`; JSON where neither says anything.
fn wanted_format(query: &Form, headers: &HeaderMap) -> Option<IdentityFormat> {
    if let Some(format) = query.text("format") {
        return IdentityFormat::parse(Some(format));
    }
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let first = accept.and_then(|accept| accept.split([',', ';']).next()).map(str::trim);
    Some(match first {
        Some("application/xml" | "text/xml") => IdentityFormat::Xml,
        Some("application/x-www-form-urlencoded") => IdentityFormat::UrlEncoded,
        _ => IdentityFormat::Json,
    })
}

/// `59.0` or `latest`; the text goes into URLs.
fn is_version(text: &str) -> bool {
    text.len() <= 8 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.')
}

fn failed(error: &AppError) -> Response {
    let failure = Failure::noted(error);
    refuse(Kind::Rest, failure.status(), failure.text())
}

/// A user as both endpoints describe him.
struct Person {
    user_id: String,
    organization_id: String,
    session: LiveSession,
    view: UserView,
}

impl Person {
    async fn of(ctx: &Ctx, session: LiveSession) -> Result<Self, AppError> {
        let organization = sessions::organization(ctx).await?;
        let view = users::by_id(ctx, session.user).await?;
        Ok(Self {
            user_id: ids::long(session.user),
            organization_id: ids::long(organization),
            session,
            view,
        })
    }

    /// Whether these are the identifiers of this person, in either length.
    fn is(&self, organization: &str, user: &str) -> bool {
        let same = |own: &str, asked: &str| asked == own || own.get(..15) == Some(asked);
        same(&self.organization_id, organization) && same(&self.user_id, user)
    }

    fn identity<'a>(&'a self, ctx: &'a Ctx, version: Option<&'a str>) -> Identity<'a> {
        let username = self.session.username.as_str();
        Identity {
            public_url: &ctx.settings.public_url,
            user_id: &self.user_id,
            organization_id: &self.organization_id,
            username,
            nickname: username.split('@').next().unwrap_or(username),
            display_name: self.session.name.as_str(),
            first_name: None,
            last_name: self.session.name.as_str(),
            email: self.session.email.as_str(),
            // An administrator may have typed it, and a relying party that links accounts by address
            // must not be told otherwise.
            email_verified: false,
            active: true,
            time_zone: "GMT",
            utc_offset_ms: 0,
            language: "en_US",
            locale: "en_US",
            last_modified_at_ms: self.view.created_at.unix_ms(),
            version,
        }
    }
}

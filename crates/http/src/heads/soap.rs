//! Salesforce SOAP, partner and enterprise: login and the calls around it.
//!
//! What clients cut out of answers and faults is in `wire`; here is which outcome becomes which fault.
//! Faults are HTTP 500, as SOAP 1.1 §6.2 says and as clients demand; 413, 415, 429 and 503 tell of
//! requests that were not looked at. Every API version is served alike: what changed between them lies
//! beyond the few calls that are here.

mod denied;
mod login;
mod passwords;
mod person;

use std::sync::OnceLock;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use http::{HeaderMap, Method, StatusCode, Uri};
use symbolon_app::login::Head;
use symbolon_app::sessions::{self, LiveSession};
use symbolon_app::{Ctx, Origin};
use symbolon_core::Timestamp;
use symbolon_core::names::ClientName;
use symbolon_wire::Presented;
use symbolon_wire::soap::{self, FaultCode, Flavor, Operation, SoapPath, SoapRequest};

use crate::answer::{Kind, XML, answer, tell_expiry};
use crate::body::{self, BodyFault, Gathered};
use crate::heads::session;
use crate::heads::soap::denied::Denied;
use crate::origin::RequestOrigin;
use crate::routes::{Admits, Proof, Route};
use crate::state::HttpState;

/// The media types of SOAP 1.1 clients, and what a few send instead.
const MEDIA_TYPES: [&str; 3] = ["text/xml", "application/xml", "application/soap+xml"];

/// The routes of this head. Whom an operation admits is in [`operate`]: all come by the same path.
pub(super) fn routes() -> Vec<Route> {
    ["/services/Soap/{flavour}/{version}", "/services/Soap/{flavour}/{version}/{org}"]
        .map(|path| Route {
            method: Method::POST,
            path,
            admits: Admits::Anyone,
            proof: Proof::Any,
            handler: post(answer_call),
        })
        .into()
}

/// One call, as far as it is known before its operation is.
struct Call<'a> {
    state: &'a HttpState,
    origin: Origin,
    /// From the operation's namespace, or from the path where the body could not be read.
    flavor: Flavor,
    version: &'a str,
    /// When the token expires that a login of this call was let in with.
    token_expires_at: OnceLock<Timestamp>,
}

impl Call<'_> {
    fn ctx(&self) -> &Ctx {
        &self.state.ctx
    }

    /// The name of this head in the login history.
    fn head(&self) -> Head {
        match self.flavor {
            Flavor::Partner => Head::SoapPartner,
            Flavor::Enterprise => Head::SoapEnterprise,
        }
    }
}

async fn answer_call(
    State(state): State<HttpState>,
    origin: RequestOrigin,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(SoapPath { flavor, version, .. }) = soap::parse_path(uri.path()) else {
        let text = "only the partner and enterprise APIs are here, at /services/Soap/u/NN.0 and \
                    /services/Soap/c/NN.0";
        let denied = Denied::unexpected(FaultCode::UnsupportedApiVersion, text);
        return denied.with_status(StatusCode::NOT_FOUND).answer(flavor_of(&uri));
    };
    let mut call = Call {
        state: &state,
        origin: origin.origin,
        flavor,
        version: &version,
        token_expires_at: OnceLock::new(),
    };
    let body = match read_body(&headers, body).await {
        Ok(body) => body,
        Err(fault) => return Denied::body(fault).answer(flavor),
    };
    let request = match soap::parse_request(body.reveal()) {
        Ok(request) => request,
        Err(error) => return login::refuse_unread(&call, error).await.answer(flavor),
    };
    call.flavor = request.flavor;
    if let Some(client) = &request.client {
        call.origin.client = named_by_both(client, &call.origin.client);
    }
    match operate(&call, request).await {
        Ok(envelope) => {
            let expires_at = call.token_expires_at.get().copied();
            tell_expiry(answer(StatusCode::OK, XML, envelope), expires_at)
        }
        Err(denied) => denied.answer(call.flavor),
    }
}

/// The flavour of a path that is no SOAP path of ours.
fn flavor_of(uri: &Uri) -> Flavor {
    match Kind::of(uri.path()) {
        Kind::Soap(flavor) => flavor,
        Kind::Page | Kind::OAuth | Kind::Rest | Kind::Problem | Kind::Plain => Flavor::Partner,
    }
}

async fn read_body(headers: &HeaderMap, body: Body) -> Result<Gathered, BodyFault> {
    body::check_media_type(headers, &MEDIA_TYPES)?;
    body::read_inflated(headers, body, soap::BODY_LIMIT).await
}

/// `simple-salesforce (python-requests/2.32.3)`: what the client calls itself, and what carries it.
fn named_by_both(client: &str, user_agent: &ClientName) -> ClientName {
    if user_agent.as_str().is_empty() {
        return ClientName::sanitised(client);
    }
    ClientName::sanitised(&format!("{client} ({})", user_agent.as_str()))
}

/// Does what is asked; yields the answer's envelope.
async fn operate(call: &Call<'_>, request: SoapRequest) -> Result<String, Denied> {
    let SoapRequest { operation, session_id, .. } = request;
    match operation {
        Operation::Login { username, password } => login::log_in(call, username, password).await,
        Operation::Logout => log_out(call, session_id).await,
        Operation::GetUserInfo => {
            let session = full_session(call, session_id).await?;
            person::get_user_info(call, session).await
        }
        Operation::GetServerTimestamp => {
            full_session(call, session_id).await?;
            let now = call.ctx().clock.now();
            Ok(soap::server_timestamp_response(call.flavor, now.unix_ms()))
        }
        Operation::SetPassword { user_id, password } => {
            let session = any_session(call, session_id).await?;
            passwords::set(call, &session, &user_id, &password).await
        }
        Operation::ChangeOwnPassword { old_password, new_password } => {
            let session = any_session(call, session_id).await?;
            passwords::change_own(call, &session, &old_password, &new_password).await
        }
        Operation::ResetPassword { user_id } => {
            let session = full_session(call, session_id).await?;
            passwords::reset(call, &session, &user_id).await
        }
        Operation::InvalidateSessions { session_ids } => {
            let session = full_session(call, session_id).await?;
            invalidate_sessions(call, &session, &session_ids).await
        }
        Operation::Unknown(name) => Err(Denied::unexpected(
            FaultCode::FunctionalityNotEnabled,
            format!("the operation {} is not offered here", name.as_str()),
        )),
    }
}

/// A live session, whatever the state of its user's password.
async fn any_session(
    call: &Call<'_>,
    session_id: Option<Presented>,
) -> Result<LiveSession, Denied> {
    let found = session::live(call.ctx(), session_id, call.head(), &call.origin).await;
    let found = found.map_err(|e| Denied::failed(&e))?;
    found.ok_or_else(|| Denied::standard(FaultCode::InvalidSessionId))
}

/// A live session that may do more than change an expired password.
async fn full_session(
    call: &Call<'_>,
    session_id: Option<Presented>,
) -> Result<LiveSession, Denied> {
    let session = any_session(call, session_id).await?;
    if session.password_expired {
        return Err(Denied::standard(FaultCode::InvalidOperationWithExpiredPassword));
    }
    Ok(session)
}

/// Ends the session that asks, also one that seems dead here: its last uses may be known elsewhere alone.
async fn log_out(call: &Call<'_>, session_id: Option<Presented>) -> Result<String, Denied> {
    let secret = session_id.as_ref().and_then(session::secret_of);
    let live = any_session(call, session_id).await;
    if let Some(secret) = secret {
        let ended = sessions::end_presented(call.ctx(), &secret).await;
        ended.map_err(|e| Denied::failed(&e))?;
    }
    live.map(|_| soap::logout_response(call.flavor))
}

/// Ends the caller's own sessions among `session_ids`; tells of each whether it did.
async fn invalidate_sessions(
    call: &Call<'_>,
    session: &LiveSession,
    session_ids: &[Presented],
) -> Result<String, Denied> {
    let secrets: Vec<_> = session_ids.iter().map(session::secret_of).collect();
    let is_session_id: Vec<bool> = secrets.iter().map(Option::is_some).collect();
    let readable: Vec<_> = secrets.into_iter().flatten().collect();
    let ended = sessions::end_own(call.ctx(), session.user, &readable)
        .await
        .map_err(|e| Denied::failed(&e))?;
    let mut ended = ended.into_iter();
    let successes: Vec<bool> = is_session_id
        .into_iter()
        .map(|readable| readable && ended.next().unwrap_or(false))
        .collect();
    Ok(soap::invalidate_sessions_response(call.flavor, &successes))
}

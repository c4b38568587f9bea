//! What relying services and proxies send, and credentials to ask about.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Method, Request, header};
use http_body_util::BodyExt as _;
use symbolon_app::clients::NewClient;
use symbolon_app::context::Switch;
use symbolon_app::{Actor, device_types};
use symbolon_core::device_type::DeviceRules;
use symbolon_core::names::DeviceType;
use symbolon_core::verification::BearerUse;
use tower::ServiceExt as _;

use crate::calls::{Answer, request};
use crate::house::TestHouse;

pub(crate) const INTROSPECT: &str = "/services/oauth2/introspect";
pub(crate) const VERIFY: &str = "/api/v1/verify";
pub(crate) const FORWARD_AUTH: &str = "/authz/forward-auth";
pub(crate) const AUTH_REQUEST: &str = "/authz/auth-request";
pub(crate) const EXT_AUTHZ: &str = "/authz/ext-authz";
/// Where proxies ask.
pub(crate) const PROXIES: [&str; 3] = [FORWARD_AUTH, AUTH_REQUEST, EXT_AUTHZ];

/// The whole answer about a token that is not active.
pub(crate) const INACTIVE: &str = r#"{"active":false}"#;

/// A value of `Authorization: Basic`.
pub(crate) fn basic(username: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{username}:{password}")))
}

/// How a registered client proves itself.
pub(crate) fn proof_of(client: &NewClient) -> String {
    basic(&client.id.to_string(), client.secret.reveal())
}

/// The form in which a client asks about one token.
pub(crate) fn question(proof: &str, fields: &[(&str, &str)]) -> Request<Body> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    request(Method::POST, INTROSPECT)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::AUTHORIZATION, proof)
        .body(body.into())
        .unwrap()
}

/// A text of a security token's format, the check right, that was never issued.
pub(crate) fn token_never_issued() -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let random = format!("sbn{}", "7".repeat(22));
    let mut crc = u32::MAX;
    for byte in random.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    let mut rest = !crc % 62_u32.pow(5);
    let mut check = Vec::new();
    for _ in 0..5 {
        check.push(DIGITS[rest as usize % 62]);
        rest /= 62;
    }
    check.reverse();
    format!("{random}{}", String::from_utf8(check).unwrap())
}

impl TestHouse {
    /// A registered client.
    pub(crate) async fn verifier(&self) -> NewClient {
        self.client(Switch::Off).await
    }

    /// Asks whether a token is active.
    pub(crate) async fn introspect(&self, client: &NewClient, token: &str) -> Answer {
        self.send(question(&proof_of(client), &[("token", token)])).await
    }

    /// Asks as a proxy does, with these headers.
    pub(crate) async fn ask(&self, uri: &str, headers: &[(&'static str, &str)]) -> Answer {
        let mut request = request(Method::GET, uri).body(Body::empty()).unwrap();
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            request.headers_mut().append(*name, value);
        }
        self.send(request).await
    }

    /// Asks as a proxy does, with a bearer token.
    pub(crate) async fn ask_bearer(&self, uri: &str, credential: &str) -> Answer {
        self.ask(uri, &[("authorization", &format!("Bearer {credential}"))]).await
    }

    /// Asks about many credentials.
    pub(crate) async fn batch(&self, proof: &str, body: impl Into<Body>) -> Answer {
        let request = request(Method::POST, VERIFY)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, proof);
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Says whether tokens of device type `any` stand alone.
    pub(crate) async fn set_bearer(&self, bearer: Switch) {
        let any = DeviceType::any();
        let bearer = if bearer.is_on() { BearerUse::Allowed } else { BearerUse::OneHalf };
        let set = |rules: &mut DeviceRules| rules.bearer = bearer;
        device_types::set(&self.ctx, Actor::Operator, &any, set).await.unwrap();
    }

    /// A session id of the right form that was never given out.
    pub(crate) async fn session_never_opened(&self) -> String {
        format!("{}!{}", self.organization().await, "A".repeat(96))
    }

    /// What `/metrics` shows.
    pub(crate) async fn metrics(&self) -> String {
        let router = symbolon_http::ops_router(self.state.clone());
        let request = Request::builder().uri("/metrics").body(Body::empty()).unwrap();
        let body = router.oneshot(request).await.unwrap().into_body();
        String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }
}

//! Requests and answers of tests.

use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;

use crate::house::{TestHouse, connection};

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// What stands between the first `<name>` and the `</name>` after it, as text-cutting clients
    /// read it.
    pub(crate) fn element(&self, name: &str) -> &str {
        let (_, rest) = self.body.split_once(&format!("<{name}>")).expect(name);
        rest.split_once(&format!("</{name}>")).expect(name).0
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A request to be sent under the public name.
pub(crate) fn request(method: Method, uri: &str) -> http::request::Builder {
    Request::builder()
        .method(method)
        .uri(uri)
        .header(header::HOST, "auth.example")
        .header(header::USER_AGENT, "python-requests/2.32.3")
}

impl TestHouse {
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.entrance.answer(connection(), request).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(bytes.to_vec()).unwrap();
        // So that what two requests wrote can be told apart by its time.
        self.clock.advance(Duration::from_millis(1));
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn get(&self, uri: &str) -> Answer {
        self.send(request(Method::GET, uri).body(Body::empty()).unwrap()).await
    }

    /// `GET` with a session id as bearer token.
    pub(crate) async fn get_as(&self, session_id: &str, uri: &str) -> Answer {
        let request = request(Method::GET, uri).header("authorization", bearer(session_id));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post_form(&self, uri: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = request(Method::POST, uri)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(body.into()).unwrap()).await
    }

    /// Posts to the partner API.
    pub(crate) async fn soap(&self, envelope: impl Into<Body>) -> Answer {
        self.soap_at("/services/Soap/u/59.0", envelope).await
    }

    pub(crate) async fn soap_at(&self, uri: &str, envelope: impl Into<Body>) -> Answer {
        let request = request(Method::POST, uri)
            .header(header::CONTENT_TYPE, "text/xml; charset=UTF-8")
            .header("SOAPAction", "login");
        self.send(request.body(envelope.into()).unwrap()).await
    }
}

pub(crate) fn bearer(session_id: &str) -> String {
    format!("Bearer {session_id}")
}

/// An envelope of the partner API.
pub(crate) fn envelope(header: &str, body: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?><env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com"><env:Header>{header}</env:Header><env:Body>{body}</env:Body></env:Envelope>"#
    )
}

/// `login`, with the password unescaped as several clients send it.
pub(crate) fn login(username: &str, password: &str) -> String {
    let client = "<CallOptions><client>simple-salesforce</client></CallOptions>";
    let body =
        format!("<login><username>{username}</username><password>{password}</password></login>");
    envelope(client, &body)
}

/// A call within a session.
pub(crate) fn call(session_id: &str, body: &str) -> String {
    envelope(&format!("<SessionHeader><sessionId>{session_id}</sessionId></SessionHeader>"), body)
}

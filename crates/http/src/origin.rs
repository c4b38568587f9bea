//! Where a request came from, and under which name it asks.
//!
//! The peer of the connection is believed. What headers say is believed only where the peer is one
//! of the configured proxies (ASVS 4.1.3); from anybody else the headers are not looked at.

use std::net::SocketAddr;

use axum::extract::FromRequestParts;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use symbolon_app::Origin;
use symbolon_core::names::Source;
use symbolon_core::user_agent::client_of;

use crate::answer::{Kind, refuse};
use crate::forwarded::{self, Contradiction};
use crate::host::{self, PublicUrl};
use crate::state::{Front, HttpState};

/// What the listener knows of a connection; put into each request's extensions.
#[derive(Debug, Clone, Copy)]
pub struct Connection {
    /// The peer.
    pub peer: SocketAddr,
    /// Whether it came over TLS.
    pub tls: bool,
}

impl<S: Sync> FromRequestParts<S> for Connection {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        parts.extensions.get().copied().ok_or_else(|| {
            tracing::error!("a listener did not say where its requests come from");
            let kind = Kind::of(parts.uri.path());
            refuse(kind, StatusCode::INTERNAL_SERVER_ERROR, "The server is broken.")
        })
    }
}

/// Extractor: where the request came from, as far as it is believed.
#[derive(Debug, Clone)]
pub struct RequestOrigin {
    /// Source address and client name (from User-Agent).
    pub origin: Origin,
    /// Whether cookies must be Secure.
    pub secure: bool,
}

impl FromRequestParts<HttpState> for RequestOrigin {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &HttpState,
    ) -> Result<Self, Self::Rejection> {
        let kind = Kind::of(parts.uri.path());
        let connection = Connection::from_request_parts(parts, state).await?;
        let public_url = PublicUrl::of(&state.ctx.settings.public_url);
        let addressed = host::named_by(parts).ok().flatten();
        let is_public = addressed.is_some_and(|name| public_url.is_named(&name));
        origin_of(connection, &parts.headers, &state.front, public_url.https, is_public).map_err(
            |Contradiction| {
                let text = "Forwarded and X-Forwarded-For name different sources; the proxy must \
                            drop the one that it does not write.";
                refuse(kind, StatusCode::BAD_REQUEST, text)
            },
        )
    }
}

/// Works out the origin of a request.
fn origin_of(
    connection: Connection,
    headers: &HeaderMap,
    front: &Front,
    public_is_https: bool,
    names_public_host: bool,
) -> Result<RequestOrigin, Contradiction> {
    let peer = connection.peer.ip();
    let said = if forwarded::is_trusted(peer, &front.trusted_proxies) {
        Some(forwarded::read(headers, peer, &front.trusted_proxies)?)
    } else {
        None
    };
    let source = Source::new(said.map_or(peer, |said| said.source));
    let user_agent = headers.get(header::USER_AGENT).map_or(b"".as_slice(), |v| v.as_bytes());
    let client = client_of(&String::from_utf8_lossy(user_agent));
    // A cookie without Secure is sent in the clear as soon as somebody lures the browser to http://.
    // Where the public URL is https, only a request that visibly came another way may go without.
    let forwarded_https = said.is_some_and(|said| said.https);
    let secure = connection.tls || (public_is_https && (forwarded_https || names_public_host));
    Ok(RequestOrigin { origin: Origin { source, client, place: None }, secure })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::metrics::Metrics;

    fn origin(peer: &str, header: Option<(&'static str, &'static str)>) -> RequestOrigin {
        let front = Front {
            trusted_proxies: vec!["10.0.0.0/24".parse().unwrap()],
            allowed_hosts: vec![],
            mailbox: None,
            secret_scanning_keys: None,
            metrics: Metrics::new(),
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::USER_AGENT, HeaderValue::from_static("curl/8.5.0"));
        if let Some((name, value)) = header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        let connection = Connection { peer: peer.parse().unwrap(), tls: false };
        origin_of(connection, &headers, &front, true, false).unwrap()
    }

    fn source(peer: &str, header: Option<(&'static str, &'static str)>) -> String {
        origin(peer, header).origin.source.to_string()
    }

    #[test]
    fn headers_from_an_untrusted_peer_are_ignored() {
        assert_eq!(source("192.0.2.1:9", Some(("x-forwarded-for", "1.2.3.4"))), "192.0.2.1");
        assert_eq!(source("192.0.2.1:9", Some(("forwarded", "for=1.2.3.4"))), "192.0.2.1");
        assert!(!origin("192.0.2.1:9", Some(("x-forwarded-proto", "https"))).secure);
    }

    #[test]
    fn headers_from_a_trusted_proxy_are_believed() {
        assert_eq!(source("10.0.0.1:9", Some(("x-forwarded-for", "1.2.3.4"))), "1.2.3.4");
        assert_eq!(source("10.0.0.1:9", None), "10.0.0.1");
        assert!(origin("10.0.0.1:9", Some(("x-forwarded-proto", "https"))).secure);
    }

    #[test]
    fn a_proxy_that_connects_by_mapped_ipv6_is_the_same_proxy() {
        let peer = "[::ffff:10.0.0.1]:9";

        assert_eq!(source(peer, Some(("x-forwarded-for", "1.2.3.4"))), "1.2.3.4");
    }

    #[test]
    fn the_client_names_itself_in_user_agent() {
        assert_eq!(origin("192.0.2.1:9", None).origin.client.as_str(), "curl/8.5.0");
    }
}

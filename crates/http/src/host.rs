//! Under which host names requests are answered.
//!
//! The name is checked and then never used: every absolute URL that we emit comes from the configured
//! public URL. The check is what keeps a foreign page from reaching a loopback server by a name of
//! its own (DNS rebinding), so it lets bare addresses pass, which no DNS server can forge.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, StatusCode, Uri, header};

use crate::answer::{Kind, refuse};
use crate::state::HttpState;

/// The configured public URL, taken apart.
#[derive(Debug, Clone)]
pub(crate) struct PublicUrl {
    /// Whether its scheme is https.
    pub(crate) https: bool,
    host: Option<String>,
}

impl PublicUrl {
    /// Reads the URL; one that cannot be read names no host.
    pub(crate) fn of(url: &str) -> Self {
        let uri = url.parse::<Uri>().unwrap_or_default();
        let https = uri.scheme_str().is_some_and(|scheme| scheme.eq_ignore_ascii_case("https"));
        Self { https, host: uri.host().map(normal) }
    }

    /// Says whether `host` is its host.
    pub(crate) fn is_named(&self, host: &str) -> bool {
        self.host.as_deref() == Some(host)
    }
}

/// Why the host of a request cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HostFault {
    /// `Host` twice: two readers of the request need not agree (RFC 9112 §3.2).
    Twice,
    /// Not a host and an optional port.
    Malformed,
}

/// The host that a request names, in lower case and without port: that of an absolute-form target,
/// or else `Host`.
pub(crate) fn named_by(parts: &Parts) -> Result<Option<String>, HostFault> {
    named(&parts.uri, &parts.headers)
}

fn named(uri: &Uri, headers: &HeaderMap) -> Result<Option<String>, HostFault> {
    let mut lines = headers.get_all(header::HOST).iter();
    let line = lines.next();
    if lines.next().is_some() {
        return Err(HostFault::Twice);
    }
    let text = match (uri.authority(), line) {
        (Some(authority), _) => authority.as_str(),
        (None, Some(line)) => line.to_str().map_err(|_| HostFault::Malformed)?,
        (None, None) => return Ok(None),
    };
    let authority: Authority = text.parse().map_err(|_| HostFault::Malformed)?;
    let host = authority.host();
    // What follows the host is a port or nothing; a user name before it would shift the two.
    let port = text.strip_prefix(host).map(|rest| rest.strip_prefix(':').unwrap_or(rest));
    let port_is_sound = port.is_some_and(|port| port.is_empty() || port.parse::<u16>().is_ok());
    if host.is_empty() || !port_is_sound {
        return Err(HostFault::Malformed);
    }
    Ok(Some(normal(host)))
}

fn normal(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Which hosts requests may name.
#[derive(Debug, Clone)]
pub(crate) struct HostRule(Arc<Allowed>);

#[derive(Debug)]
struct Allowed {
    public_url: PublicUrl,
    others: Vec<String>,
}

impl HostRule {
    /// The rule of this installation.
    pub(crate) fn of(state: &HttpState) -> Self {
        Self(Arc::new(Allowed {
            public_url: PublicUrl::of(&state.ctx.settings.public_url),
            others: state.front.allowed_hosts.iter().map(|host| normal(host)).collect(),
        }))
    }

    fn admits(&self, host: &str, path: &str) -> bool {
        let is_machine_head = path.starts_with("/services/") || path.starts_with("/id/");
        self.0.public_url.is_named(host)
            || host == "localhost"
            || host.ends_with(".localhost")
            || is_address(host)
            || self.0.others.iter().any(|other| other == host)
            // Clients that are pointed at us by the private DNS of their network.
            || (is_machine_head && host.ends_with(".salesforce.com"))
    }
}

fn is_address(host: &str) -> bool {
    let v6 = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    host.parse::<Ipv4Addr>().is_ok() || v6.is_some_and(|v6| v6.parse::<Ipv6Addr>().is_ok())
}

/// Middleware: refuses requests that name another host.
///
/// Health checks come under whatever name the orchestrator uses, and forward auth under the name of
/// the site behind the proxy; neither reads the name.
pub(crate) async fn check(State(rule): State<HostRule>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if path == "/livez" || path == "/readyz" || path.starts_with("/authz/") {
        return next.run(request).await;
    }
    let kind = Kind::of(path);
    match named(request.uri(), request.headers()) {
        Ok(Some(host)) if rule.admits(&host, path) => next.run(request).await,
        Ok(Some(_)) => refuse(
            kind,
            StatusCode::MISDIRECTED_REQUEST,
            "This server does not answer under the host name of the request.",
        ),
        Ok(None) => refuse(kind, StatusCode::BAD_REQUEST, "The request names no host."),
        Err(HostFault::Twice) => {
            refuse(kind, StatusCode::BAD_REQUEST, "The request names its host twice.")
        }
        Err(HostFault::Malformed) => {
            refuse(kind, StatusCode::BAD_REQUEST, "The host name of the request is malformed.")
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn rule() -> HostRule {
        HostRule(Arc::new(Allowed {
            public_url: PublicUrl::of("https://Auth.Example:8443"),
            others: vec!["alias.example".to_owned()],
        }))
    }

    fn named_in(uri: &str, hosts: &[&'static str]) -> Result<Option<String>, HostFault> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_static(host));
        }
        named(&uri.parse().unwrap(), &headers)
    }

    #[test]
    fn hosts_are_read_without_port_case_and_final_dot() {
        for (host, name) in [
            ("auth.example", "auth.example"),
            ("AUTH.Example:8443", "auth.example"),
            ("auth.example.", "auth.example"),
            ("[::1]:80", "[::1]"),
            ("127.0.0.1:8080", "127.0.0.1"),
        ] {
            assert_eq!(named_in("/", &[host]), Ok(Some(name.to_owned())), "{host}");
        }
        assert_eq!(named_in("/", &[]), Ok(None));
    }

    #[test]
    fn an_absolute_target_counts_before_host() {
        let name = named_in("http://evil.example/", &["auth.example"]);

        assert_eq!(name, Ok(Some("evil.example".to_owned())));
    }

    #[test]
    fn hosts_that_two_readers_could_read_differently_are_faults() {
        assert_eq!(named_in("/", &["a.example", "a.example"]), Err(HostFault::Twice));
        for host in ["", "a@b.example", "a b", "a.example:x", "a.example:99999", "a/b", "[::1"] {
            assert_eq!(named_in("/", &[host]), Err(HostFault::Malformed), "{host}");
        }
    }

    #[test]
    fn own_names_and_bare_addresses_are_admitted() {
        for host in [
            "auth.example",
            "alias.example",
            "localhost",
            "a.localhost",
            "192.0.2.1",
            "[2001:db8::1]",
        ] {
            assert!(rule().admits(host, "/login"), "{host}");
        }
        for host in
            ["evil.example", "example", "auth.example.evil", "localhost.evil", "::1", "1.2.3"]
        {
            assert!(!rule().admits(host, "/login"), "{host}");
        }
    }

    #[test]
    fn salesforce_names_are_admitted_at_machine_heads_alone() {
        assert!(rule().admits("login.salesforce.com", "/services/Soap/u/59.0"));
        assert!(rule().admits("login.salesforce.com", "/id/a/b"));
        assert!(!rule().admits("login.salesforce.com", "/login"));
        assert!(!rule().admits("evilsalesforce.com", "/services/data"));
    }
}

//! Where a server is, as the configurations of proxies need to say it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use http::Uri;

/// Where Debian and its like keep the authorities that they trust.
const SYSTEM_CA: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A server: scheme, host and port, all of characters that mean nothing to any proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    scheme: Scheme,
    host: Host,
    pub(super) port: u16,
    /// The name that its certificate must carry.
    pub(super) tls_name: String,
    /// The authority that vouches for its certificate, where it is not one that the system trusts.
    pub(super) own_ca: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Name(String),
    Address(IpAddr),
}

impl Place {
    /// Reads a URL.
    ///
    /// # Errors
    /// What it must be.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        const FAULT: &str = "must be http:// or https://, a host and perhaps a port, without a path, \
                             such as http://127.0.0.1:9000";
        let url: Uri = text.parse().map_err(|_| FAULT)?;
        let (scheme, usual_port) = match url.scheme_str() {
            Some("http") => (Scheme::Http, 80),
            Some("https") => (Scheme::Https, 443),
            Some(_) | None => return Err(FAULT),
        };
        let authority = url.authority().ok_or(FAULT)?;
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => usual_port,
            Some(_) => authority.port_u16().filter(|port| *port > 0).ok_or(FAULT)?,
            // A user name, and perhaps a password.
            None => return Err(FAULT),
        };
        if url.path() != "/" || url.query().is_some() || text.contains('#') {
            return Err(FAULT);
        }
        let host = Host::parse(authority.host()).ok_or(FAULT)?;
        Ok(Self { scheme, tls_name: host.bare(), host, port, own_ca: None })
    }

    /// The same, by address if it is `localhost` over plain HTTP: some proxies look that name up
    /// elsewhere than in `/etc/hosts`, or try IPv6 alone.
    pub(super) fn by_address(mut self) -> Self {
        if !self.is_tls() && self.host == Host::Name("localhost".to_owned()) {
            self.host = Host::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        self
    }

    /// The same, with a certificate of the private authority at `ca`. Such a certificate always
    /// carries the name `localhost`, and several proxies compare names alone, not addresses.
    pub(super) fn vouched_for_by(mut self, ca: &str) -> Self {
        if let Host::Address(_) = self.host {
            "localhost".clone_into(&mut self.tls_name);
        }
        self.own_ca = Some(ca.to_owned());
        self
    }

    pub(super) fn is_tls(&self) -> bool {
        self.scheme == Scheme::Https
    }

    pub(super) fn scheme(&self) -> &'static str {
        match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    pub(super) fn url(&self) -> String {
        format!("{}://{}", self.scheme(), self.address())
    }

    /// Host and port.
    pub(super) fn address(&self) -> String {
        match &self.host {
            Host::Name(name) => format!("{name}:{}", self.port),
            Host::Address(IpAddr::V4(address)) => format!("{address}:{}", self.port),
            Host::Address(IpAddr::V6(address)) => format!("[{address}]:{}", self.port),
        }
    }

    /// The host without brackets.
    pub(super) fn host(&self) -> String {
        self.host.bare()
    }

    /// The file of the authorities that may vouch for it.
    pub(super) fn ca(&self) -> &str {
        self.own_ca.as_deref().unwrap_or(SYSTEM_CA)
    }

    /// What HAProxy's `server` line says of TLS.
    pub(super) fn haproxy_tls(&self) -> String {
        if !self.is_tls() {
            return String::new();
        }
        let ca = self.own_ca.as_ref().map_or("@system-ca".to_owned(), |path| format!("\"{path}\""));
        let name = &self.tls_name;
        format!(" ssl verify required ca-file {ca} verifyhost {name} sni str({name})")
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        let v6 = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Some(v6) = v6 {
            return v6.parse::<Ipv6Addr>().ok().map(|address| Self::Address(address.into()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::Address(address.into()));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let sound = !text.is_empty() && !text.starts_with('-') && text.bytes().all(allowed);
        sound.then(|| Self::Name(text.to_ascii_lowercase()))
    }

    fn bare(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Address(address) => address.to_string(),
        }
    }
}

/// Whether a path can stand between double quotes in the configuration of every proxy.
pub(super) fn is_plain(path: &str) -> bool {
    !path.contains(|c: char| c.is_control() || "\"\\$%{}`".contains(c))
}

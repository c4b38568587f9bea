//! Where the server listens, what it is called from outside, and whom it believes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use http::Uri;
use ipnet::IpNet;

use super::read::Reader;

/// The listeners and what belongs to them.
#[derive(Debug, Clone)]
pub(crate) struct Listeners {
    /// Plain HTTP.
    pub(crate) http: Option<SocketAddr>,
    /// HTTPS.
    pub(crate) tls: Option<TlsListener>,
    /// Metrics and health.
    pub(crate) ops: Option<OpsListener>,
    /// What every link begins with, without a slash at the end.
    pub(crate) public_url: Option<String>,
    /// Whose forwarding headers are believed.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Further host names that requests may come under.
    pub(crate) allowed_hosts: Vec<String>,
}

/// A listener for HTTPS.
#[derive(Debug, Clone)]
pub(crate) struct TlsListener {
    /// Where.
    pub(crate) address: SocketAddr,
    /// With which certificate.
    pub(crate) identity: TlsIdentity,
}

/// Where a certificate comes from.
#[derive(Debug, Clone)]
pub(crate) enum TlsIdentity {
    /// From the private authority in the data dir.
    SelfSigned,
    /// From files.
    Files {
        /// The certificate and its chain.
        cert: PathBuf,
        /// Its private key.
        key: PathBuf,
    },
}

/// The operators' listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpsListener {
    /// Where.
    pub(crate) address: SocketAddr,
    /// Whether somebody asked for this address: then it must be had.
    pub(crate) demanded: bool,
}

pub(super) fn read(reader: &mut Reader<'_>) -> Listeners {
    let http = reader.value("listen", address).flatten();
    let tls = read_tls(reader);
    let ops = reader.value("listen_ops", address).flatten();
    let demanded = reader.is_given("listen_ops");
    if http.is_none() && tls.is_none() && reader.faults.is_empty() {
        reader.fault("listen", "is off and so is listen_tls: there is nothing to serve");
    }
    Listeners {
        http,
        tls,
        ops: ops.map(|address| OpsListener { address, demanded }),
        public_url: reader.optional("public_url", public_url),
        trusted_proxies: reader.list("trusted_proxy", range),
        allowed_hosts: reader.list("allowed_hosts", host),
    }
}

fn read_tls(reader: &mut Reader<'_>) -> Option<TlsListener> {
    let listen = reader.value("listen_tls", address).flatten();
    let self_signed = reader.flag("tls_self_signed");
    let cert = reader.optional("tls_cert", existing_file);
    let key = reader.optional("tls_key", existing_file);
    let files =
        [("tls_cert", reader.is_given("tls_cert")), ("tls_key", reader.is_given("tls_key"))];
    let given = files.iter().filter(|(_, given)| *given).count();
    let Some(address) = listen else {
        if !reader.is_given("listen_tls") && (self_signed || given > 0) {
            let name = if self_signed { "tls_self_signed" } else { "tls_cert" };
            reader.fault(name, "is of no use without listen_tls");
        }
        return None;
    };
    match (self_signed, given) {
        (true, 0) => return Some(TlsListener { address, identity: TlsIdentity::SelfSigned }),
        (true, _) => reader.fault("tls_self_signed", "and tls_cert exclude each other"),
        (false, 2) => {}
        (false, _) => {
            reader.fault("listen_tls", "needs tls_cert and tls_key, or tls_self_signed");
        }
    }
    Some(TlsListener { address, identity: TlsIdentity::Files { cert: cert?, key: key? } })
}

fn address(text: &str) -> Result<Option<SocketAddr>, &'static str> {
    if text == "off" {
        return Ok(None);
    }
    if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok(Some(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)));
    }
    text.parse()
        .map(Some)
        .map_err(|_| "must be an address and a port, such as 127.0.0.1:8080, or off")
}

fn existing_file(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_file() { Ok(path) } else { Err(format!("names {text}, which is no file")) }
}

fn public_url(text: &str) -> Result<String, &'static str> {
    const FAULT: &str = "must be http:// or https://, a host and perhaps a port, without a path";
    let url: Uri = text.parse().map_err(|_| FAULT)?;
    let scheme =
        url.scheme_str().filter(|scheme| matches!(*scheme, "http" | "https")).ok_or(FAULT)?;
    let authority = url.authority().ok_or(FAULT)?.as_str();
    let whole = !authority.contains('@') && url.host().is_some_and(|host| !host.is_empty());
    if !whole || url.path() != "/" || url.query().is_some() || text.contains('#') {
        return Err(FAULT);
    }
    Ok(format!("{scheme}://{}", authority.to_ascii_lowercase()))
}

fn range(text: &str) -> Result<IpNet, &'static str> {
    let range = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    range.map(|range| range.trunc()).map_err(|_| "must be addresses or ranges such as 10.1.0.0/16")
}

fn host(text: &str) -> Result<String, &'static str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    if text.bytes().all(allowed) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("must be host names without a port")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_scheme_host_and_port_and_nothing_else() {
        assert_eq!(
            public_url("https://Tokens.Example:8443/").as_deref(),
            Ok("https://tokens.example:8443")
        );
        assert_eq!(public_url("http://[::1]:8080").as_deref(), Ok("http://[::1]:8080"));
        for text in [
            "not a url",
            "ftp://x",
            "https://",
            "https://a/b",
            "https://a?b",
            "https://u:p@a",
            "https://a/#b",
            "",
        ] {
            assert!(public_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_may_be_off_or_localhost() {
        assert_eq!(address("off"), Ok(None));
        assert_eq!(address("localhost:0"), Ok(Some("127.0.0.1:0".parse().unwrap())));
        assert!(address("127.0.0.1:99999").is_err());
    }
}

//! Where the authority is, who asks it, and what is refused before anything is sent.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use hyper::Uri;
use hyper::http::uri::Scheme;
use zeroize::Zeroizing;

/// Long enough for a busy authority, short enough for whoever waits behind us.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// The secret of a registered API client. Wiped when dropped, never printed.
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// Takes the text into custody.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for ClientSecret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}

/// Which authority to ask, and as whom.
///
/// ```
/// use std::time::Duration;
/// use symbolon_client::{Config, Verifier};
///
/// # fn secret() -> String { String::new() }
/// # fn run(authority_pem: Vec<u8>) -> Result<Verifier, symbolon_client::ConfigError> {
/// let config = Config::new("https://tokens.example.com:8443", "my-client", secret())
///     .with_timeout(Duration::from_millis(500))
///     .with_root_certificates(authority_pem);
/// Verifier::new(config)
/// # }
/// ```
pub struct Config {
    pub(crate) url: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: ClientSecret,
    pub(crate) timeout: Duration,
    pub(crate) root_certificates: Vec<Vec<u8>>,
}

impl Config {
    /// The authority at `url`, asked as the API client that `symbolon client add` registered.
    ///
    /// `url` is what the server calls its public URL. It may have a path, if a proxy put the
    /// authority below one.
    pub fn new(
        url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<ClientSecret>,
    ) -> Self {
        Self {
            url: url.into(),
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            timeout: DEFAULT_TIMEOUT,
            root_certificates: Vec::new(),
        }
    }

    /// How long one question may take in all, from looking up the name to the last byte of the
    /// answer. Default 5 s.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Trusts the certificates in `pem` as roots, beside those of the system.
    ///
    /// Meant for a private authority: `symbolon serve --tls-self-signed` leaves its own in `ca.pem`.
    /// May be called several times.
    #[must_use]
    pub fn with_root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.root_certificates.push(pem.into());
        self
    }
}

/// Shows neither the secret nor the URL, which may hold one by mistake.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("client_id", &self.client_id)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// Why a [`Config`] makes no [`Verifier`](crate::Verifier).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The URL cannot be read, or has parts that have no business in it.
    #[error("the authority's URL {0}")]
    Url(&'static str),
    /// Client secrets and credentials would cross a network in the clear.
    #[error("the authority's URL must be https; http goes to loopback alone")]
    Plaintext,
    /// The client id is empty.
    #[error("the client id is empty")]
    ClientId,
    /// The client's secret is empty. A file that was meant to hold it?
    #[error("the client's secret is empty")]
    ClientSecret,
    /// A timeout of nothing lets no question be answered.
    #[error("the timeout is zero")]
    Timeout,
    /// What was given as root certificates is not PEM, or holds no certificate.
    #[error("the root certificates are not PEM, or hold no certificate that can be read")]
    RootCertificates,
    /// Neither the system nor the configuration has a root certificate, so that nobody can be trusted.
    #[error("there is no root certificate: the system has none, and none was given")]
    NoRoots,
    /// The TLS library refuses its settings.
    #[error("TLS cannot be set up")]
    Tls(#[source] Box<dyn Error + Send + Sync>),
}

/// Where the authority's paths begin.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    text: String,
    pub(crate) scheme: Scheme,
}

impl Base {
    /// Checks `url`.
    ///
    /// # Security
    /// Every question carries the client's secret and somebody's credential: a wrong *yes* to a URL
    /// sends both to whoever listens there.
    pub(crate) fn parse(url: &str) -> Result<Self, ConfigError> {
        if url.contains('#') {
            return Err(ConfigError::Url("has a fragment"));
        }
        let uri: Uri = url.parse().map_err(|_| ConfigError::Url("cannot be read"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(ConfigError::Url("is not absolute"));
        };
        if authority.as_str().contains('@') {
            return Err(ConfigError::Url("holds a user name; give client id and secret apart"));
        }
        if authority.host().is_empty() {
            return Err(ConfigError::Url("names no host"));
        }
        if uri.query().is_some() {
            return Err(ConfigError::Url("has a query"));
        }
        let plain = *scheme == Scheme::HTTP;
        if !plain && *scheme != Scheme::HTTPS {
            return Err(ConfigError::Url("is neither https nor http"));
        }
        if plain && !is_loopback(authority.host()) {
            return Err(ConfigError::Plaintext);
        }
        let text = format!("{scheme}://{authority}{}", uri.path().trim_end_matches('/'));
        Ok(Self { text, scheme: scheme.clone() })
    }

    pub(crate) fn join(&self, path: &str) -> Result<Uri, ConfigError> {
        let joined = format!("{}{path}", self.text);
        joined.parse().map_err(|_| ConfigError::Url("cannot be read"))
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_goes_anywhere_and_http_to_loopback_alone() {
        let good = [
            "https://tokens.example.com",
            "https://tokens.example.com:8443/",
            "HTTPS://10.1.2.3",
            "http://localhost:8080",
            "http://LOCALHOST",
            "http://127.0.0.1:8080",
            "http://127.8.8.8",
            "http://[::1]:8080",
        ];
        let plain = [
            "http://tokens.example.com",
            "http://10.1.2.3",
            "http://127.0.0.1.example.com",
            "http://localhost.example.com",
            "http://[::2]",
            "http://0.0.0.0",
            "http://127.1",
        ];

        for url in good {
            assert!(Base::parse(url).is_ok(), "{url}");
        }
        for url in plain {
            assert!(matches!(Base::parse(url), Err(ConfigError::Plaintext)), "{url}");
        }
    }

    #[test]
    fn a_url_with_anything_else_in_it_is_refused() {
        let bad = [
            "",
            "tokens.example.com",
            "/services",
            "ftp://tokens.example.com",
            "https://",
            "https://me:secret@tokens.example.com",
            "http://localhost@tokens.example.com",
            "https://tokens.example.com?a=b",
            "https://tokens.example.com/#a",
            "https://tokens.example.com/a b",
        ];

        for url in bad {
            assert!(matches!(Base::parse(url), Err(ConfigError::Url(_))), "{url}");
        }
    }

    #[test]
    fn a_path_of_the_url_is_kept_and_slashes_are_not_doubled() {
        let joined = |url| Base::parse(url).unwrap().join("/services").unwrap().to_string();

        assert_eq!(joined("https://a.example:8443"), "https://a.example:8443/services");
        assert_eq!(joined("https://a.example/tokens//"), "https://a.example/tokens/services");
    }

    #[test]
    fn neither_secret_nor_url_shows_in_debug_output() {
        let config = Config::new("https://me:hidden@a.example", "id", "hidden".to_owned());

        let shown = format!("{config:?} {:?}", config.client_secret);

        assert!(shown.contains("id") && !shown.contains("hidden"), "{shown}");
    }
}

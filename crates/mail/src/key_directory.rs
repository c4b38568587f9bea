//! Fetches the OpenPGP key of an address from the Web Key Directory of its domain
//! (draft-koch-openpgp-webkey-service), over HTTPS (RFC 9110).
//!
//! The domain is somebody else's choice. So nothing is followed: no redirect, no proxy of the environment, and no
//! address that is not of the public internet; what is connected to is the very address that was looked at. All
//! of it takes five seconds at most. What the key is worth is not decided here.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, HOST, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use symbolon_core::key_directory::{Place, places};
use symbolon_core::names::EmailAddress;
use symbolon_core::public_address::is_public;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::openpgp::LONGEST_CERTIFICATE;

/// Limit of a whole look-up, waiting for a turn included: somebody sits before the page.
const WHOLE_LOOK_UP: Duration = Duration::from_secs(5);
/// Limit of one connection: a host with a dead address before a live one is reached.
const ONE_CONNECT: Duration = Duration::from_millis(1500);
/// Look-ups at a time: whoever presses the button a hundred times holds no hundred connections.
const AT_ONCE: usize = 4;
/// Room for the head of an answer.
const HEAD_LIMIT: usize = 16 * 1024;
const HTTPS: u16 = 443;
const AGENT: &str = concat!("symbolon/", env!("CARGO_PKG_VERSION"));

/// Why a domain has yielded no key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LookupFault {
    /// The domain has no address, nor has the host below it that is asked first.
    #[error("{0} has no Web Key Directory: it has no address")]
    NoHost(String),
    /// The directory does not know the address.
    #[error("the Web Key Directory at {0} has no key for the address")]
    NotFound(String),
    /// The host is in the house, or nowhere.
    #[error("{0} is not at an address of the public internet, and is not asked")]
    NotPublic(String),
    /// No connection, no certificate that holds for the name, or nothing that is HTTP.
    #[error("{0} does not answer by HTTPS with a certificate that holds for it")]
    NoAnswer(String),
    /// Not done in time.
    #[error("the Web Key Directory did not answer within 5 s")]
    Slow,
    /// It sends to another place.
    #[error("{0} sends to another place, which is not followed")]
    Redirect(String),
    /// It answers with something else than a key.
    #[error("{host} answers with status {status}")]
    Status {
        /// Who.
        host: String,
        /// What.
        status: u16,
    },
    /// It answers with more than a key.
    #[error("{0} answers with more than 64 KiB")]
    TooLarge(String),
}

/// TLS cannot be set up, or there is nobody to trust.
#[derive(Debug, Error)]
pub enum KeyDirectorySetupError {
    /// The system names no certificate authority.
    #[error("the system has no certificate authorities to trust")]
    NoRoots,
    /// TLS cannot be set up.
    #[error("cannot set up TLS for Web Key Directories")]
    Tls(#[source] rustls::Error),
}

/// Something that has people's OpenPGP keys.
#[async_trait]
pub trait KeyDirectory: fmt::Debug + Send + Sync {
    /// The bytes of the key of `address`, whatever they are worth; within five seconds.
    ///
    /// # Errors
    /// [`LookupFault`], in words for whoever has asked.
    async fn fetch(&self, address: &EmailAddress) -> Result<Vec<u8>, LookupFault>;
}

/// The way to a host: the internet, or what a test puts in its place.
#[async_trait]
pub trait Network: fmt::Debug + Send + Sync {
    /// The addresses of a host. Its name ends in a dot: it is whole, and the machine's own domains are not to
    /// be tried behind it.
    ///
    /// # Errors
    /// There is no such host, as far as can be known.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;

    /// A connection to the port for HTTPS at this address.
    ///
    /// # Errors
    /// Nobody is there.
    async fn connect(&self, address: IpAddr) -> io::Result<TcpStream>;
}

/// The network that the machine is in.
#[derive(Debug, Clone, Copy)]
pub struct Internet;

#[async_trait]
impl Network for Internet {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((host, HTTPS)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }

    async fn connect(&self, address: IpAddr) -> io::Result<TcpStream> {
        TcpStream::connect((address, HTTPS)).await
    }
}

/// The Web Key Directories of all domains.
pub struct WebKeyDirectory {
    network: Box<dyn Network>,
    tls: TlsConnector,
    turns: Semaphore,
}

impl WebKeyDirectory {
    /// Trusts the authorities that the system trusts.
    ///
    /// # Errors
    /// [`KeyDirectorySetupError`].
    pub fn of_the_internet() -> Result<Self, KeyDirectorySetupError> {
        Self::over(Box::new(Internet), rustls_native_certs::load_native_certs().certs)
    }

    /// Goes by this network, and trusts these authorities alone.
    ///
    /// # Errors
    /// [`KeyDirectorySetupError`].
    pub fn over(
        network: Box<dyn Network>,
        authorities: Vec<CertificateDer<'static>>,
    ) -> Result<Self, KeyDirectorySetupError> {
        let mut roots = RootCertStore::empty();
        // Systems carry some that nobody can read any more.
        let (usable, _) = roots.add_parsable_certificates(authorities);
        if usable == 0 {
            return Err(KeyDirectorySetupError::NoRoots);
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(KeyDirectorySetupError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = TlsConnector::from(Arc::new(tls));
        Ok(Self { network, tls, turns: Semaphore::new(AT_ONCE) })
    }

    async fn look_up(&self, address: &EmailAddress) -> Result<Vec<u8>, LookupFault> {
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        let [advanced, direct] = places(address);
        for place in [&advanced, &direct] {
            // What cannot be resolved counts as not there: resolvers do not tell these apart.
            let whole = format!("{}.", place.host);
            let found = self.network.resolve(&whole).await.unwrap_or_default();
            if !found.is_empty() {
                return self.ask(place, &found).await;
            }
        }
        Err(LookupFault::NoHost(direct.host))
    }

    /// Asks one place.
    ///
    /// # Security
    /// One address in the house is enough to refuse the host: whoever mixes them wants us to come by it.
    async fn ask(&self, place: &Place, addresses: &[IpAddr]) -> Result<Vec<u8>, LookupFault> {
        let host = || place.host.clone();
        if !addresses.iter().all(|address| is_public(*address)) {
            return Err(LookupFault::NotPublic(host()));
        }
        let mut line = None;
        for address in addresses {
            let connected = timeout(ONE_CONNECT, self.network.connect(*address)).await;
            if let Ok(Ok(open)) = connected {
                line = Some(open);
                break;
            }
        }
        let line = line.ok_or_else(|| LookupFault::NoAnswer(host()))?;
        let name = ServerName::try_from(host()).map_err(|_| LookupFault::NoAnswer(host()))?;
        let line = self.tls.connect(name, line).await;
        let line = line.map_err(|_| LookupFault::NoAnswer(host()))?;
        let mut http = http1::Builder::new();
        http.max_buf_size(HEAD_LIMIT);
        let opened = http.handshake(TokioIo::new(line)).await;
        let (mut exchange, driver) = opened.map_err(|_| LookupFault::NoAnswer(host()))?;
        // Ended when this is over, whatever the other side is about.
        let mut drivers = JoinSet::new();
        drivers.spawn(driver);
        let request = Request::get(place.path.as_str())
            .header(HOST, place.host.as_str())
            .header(ACCEPT, "application/octet-stream")
            .header(USER_AGENT, AGENT)
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(|_| LookupFault::NoAnswer(host()))?;
        let response = exchange.send_request(request).await;
        read(response.map_err(|_| LookupFault::NoAnswer(host()))?, place).await
    }
}

#[async_trait]
impl KeyDirectory for WebKeyDirectory {
    async fn fetch(&self, address: &EmailAddress) -> Result<Vec<u8>, LookupFault> {
        let done = timeout(WHOLE_LOOK_UP, self.look_up(address)).await;
        done.unwrap_or(Err(LookupFault::Slow))
    }
}

impl fmt::Debug for WebKeyDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebKeyDirectory").field("network", &self.network).finish_non_exhaustive()
    }
}

async fn read(response: Response<Incoming>, place: &Place) -> Result<Vec<u8>, LookupFault> {
    let host = || place.host.clone();
    match response.status().as_u16() {
        200 => {}
        404 => return Err(LookupFault::NotFound(host())),
        300..=399 => return Err(LookupFault::Redirect(host())),
        status => return Err(LookupFault::Status { host: host(), status }),
    }
    if response.body().size_hint().lower() > LONGEST_CERTIFICATE as u64 {
        return Err(LookupFault::TooLarge(host()));
    }
    match Limited::new(response.into_body(), LONGEST_CERTIFICATE).collect().await {
        Ok(read) => Ok(read.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(LookupFault::TooLarge(host())),
        Err(_) => Err(LookupFault::NoAnswer(host())),
    }
}

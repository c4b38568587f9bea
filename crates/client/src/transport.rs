//! One exchange: connections that are kept, TLS, the time limit, the size limit, and what each
//! status means.
//!
//! No redirect is followed and no proxy of the environment is used: a question carries secrets and
//! goes where the configuration says, or nowhere.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::uri::Scheme;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::config::ConfigError;
use crate::error::{Unreadable, VerifyError};

/// The authority hangs up on connections that were idle for 10 s. Whoever leaves first does not run
/// into the other's leaving.
const IDLE: Duration = Duration::from_secs(8);

/// Heads of answers are small; reading one ends soon after it has taken this much memory.
const HEAD_LIMIT: usize = 64 * 1024;

const AGENT: &str = concat!("symbolon-client/", env!("CARGO_PKG_VERSION"));

/// What is asked: where, in which form, and how much of an answer is read.
pub(crate) struct Question<'a> {
    pub(crate) uri: &'a Uri,
    pub(crate) media_type: &'static str,
    pub(crate) body: Bytes,
    pub(crate) answer_limit: usize,
}

pub(crate) struct Transport {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    proof: HeaderValue,
    timeout: Duration,
}

impl Transport {
    pub(crate) fn new(
        scheme: &Scheme,
        root_certificates: &[Vec<u8>],
        proof: HeaderValue,
        timeout: Duration,
    ) -> Result<Self, ConfigError> {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let roots = roots(scheme, root_certificates)?;
        let tls = HttpsConnectorBuilder::new().with_tls_config(tls(roots)?);
        let tls = if *scheme == Scheme::HTTP { tls.https_or_http() } else { tls.https_only() };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .http1_max_buf_size(HEAD_LIMIT)
            .build(tls.enable_http1().wrap_connector(tcp));
        Ok(Self { client, proof, timeout })
    }

    /// Asks, and returns the body of an answer with status 200.
    pub(crate) async fn ask(&self, question: Question<'_>) -> Result<Bytes, VerifyError> {
        let answered = tokio::time::timeout(self.timeout, self.exchange(&question)).await;
        answered.unwrap_or(Err(VerifyError::Timeout))
    }

    async fn exchange(&self, question: &Question<'_>) -> Result<Bytes, VerifyError> {
        let response = match self.send(question).await {
            // A connection that was kept may be closed by the other side at the very moment that it
            // is used again. A question changes nothing, so it may be asked twice.
            Err(error) if is_hang_up(&error) => self.send(question).await,
            sent => sent,
        };
        let response = response.map_err(|error| VerifyError::Transport(error.into()))?;
        match refusal(&response) {
            None => read(response.into_body(), question.answer_limit).await,
            Some(refusal) => {
                // Read to its end, so that the connection can be kept, above all from an authority
                // that is busy. What it says beyond its status does not matter.
                let _ = read(response.into_body(), question.answer_limit).await;
                Err(refusal)
            }
        }
    }

    async fn send(&self, question: &Question<'_>) -> Result<Response<Incoming>, ClientError> {
        let mut request = Request::new(Full::new(question.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = question.uri.clone();
        let headers = request.headers_mut();
        headers.insert(header::AUTHORIZATION, self.proof.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(question.media_type));
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
        self.client.request(request).await
    }
}

/// What a status other than 200 means.
fn refusal(response: &Response<Incoming>) -> Option<VerifyError> {
    let retry_after = retry_after(response.headers());
    match response.status() {
        StatusCode::OK => None,
        StatusCode::UNAUTHORIZED => Some(VerifyError::Unauthorised),
        StatusCode::TOO_MANY_REQUESTS => Some(VerifyError::TooMany { retry_after }),
        // The first two are what proxies say of an authority that they cannot reach.
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT | StatusCode::SERVICE_UNAVAILABLE => {
            Some(VerifyError::Unavailable { retry_after })
        }
        other => Some(VerifyError::Answer(Unreadable::Status(other.as_u16()))),
    }
}

/// Seconds alone: a date would need a clock that agrees with the authority's.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    seconds.parse().ok().map(Duration::from_secs)
}

async fn read(body: Incoming, limit: usize) -> Result<Bytes, VerifyError> {
    let too_large = || VerifyError::Answer(Unreadable::TooLarge { limit });
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    match Limited::new(body, limit).collect().await {
        Ok(read) => Ok(read.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => Err(VerifyError::Transport(error)),
    }
}

/// Whether the other side closed the connection instead of answering.
fn is_hang_up(error: &ClientError) -> bool {
    if error.is_connect() {
        return false;
    }
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<hyper::Error>()
            && (cause.is_incomplete_message() || cause.is_canceled() || cause.is_closed())
        {
            return true;
        }
        if let Some(cause) = cause.downcast_ref::<io::Error>() {
            return matches!(
                cause.kind(),
                io::ErrorKind::BrokenPipe
                    | io::ErrorKind::ConnectionAborted
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::UnexpectedEof
            );
        }
        source = cause.source();
    }
    false
}

/// Whom TLS trusts: the system's roots and those that were given. Over plain HTTP nobody is asked.
fn roots(scheme: &Scheme, given: &[Vec<u8>]) -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    for pem in given {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| ConfigError::RootCertificates)?;
            roots.add(certificate).map_err(|_| ConfigError::RootCertificates)?;
        }
        if roots.len() == before {
            return Err(ConfigError::RootCertificates);
        }
    }
    if *scheme == Scheme::HTTP {
        return Ok(roots);
    }
    // Systems carry odd certificates; those that cannot be read vouch for nobody.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() { Err(ConfigError::NoRoots) } else { Ok(roots) }
}

fn tls(roots: RootCertStore) -> Result<ClientConfig, ConfigError> {
    // The program around us may have chosen another provider, or none: this one is ours.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let versions = versions.map_err(|error| ConfigError::Tls(error.into()))?;
    Ok(versions.with_root_certificates(roots).with_no_client_auth())
}

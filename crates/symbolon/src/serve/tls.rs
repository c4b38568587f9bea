//! TLS of the HTTPS listener: certificates from files or from the private authority.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use tokio_rustls::TlsAcceptor;

use super::authority;
use super::data_dir::DataDir;
use super::listeners::Bound;
use crate::config::Config;
use crate::config::listeners::TlsIdentity;
use crate::exit::{Exit, Failure};

/// A certificate with its chain, and its private key.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// The acceptor of the HTTPS listener, if there is one.
///
/// # Errors
/// Certificate or key that cannot be read, or do not fit.
pub(super) fn acceptor(
    config: &Config,
    data_dir: &DataDir,
    bound: &Bound,
) -> Result<Option<TlsAcceptor>, Failure> {
    let Some(listener) = &config.listeners.tls else { return Ok(None) };
    let identity = match &listener.identity {
        TlsIdentity::SelfSigned => authority::issue(data_dir.path(), bound)?,
        TlsIdentity::Files { cert, key } => from_files(cert, key)?,
    };
    let unusable = |error: &rustls::Error| {
        Failure::because(Exit::Failed, "the TLS certificate cannot be used", error)
    };
    let mut tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .with_no_client_auth()
        .with_single_cert(identity.chain, identity.key)
        .map_err(|error| unusable(&error))?;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(tls))))
}

fn from_files(cert: &Path, key: &Path) -> Result<Identity, Failure> {
    let about = |path: &Path, error: &pem::Error| {
        Failure::because(Exit::Failed, path.display().to_string(), error)
    };
    let chain = CertificateDer::pem_file_iter(cert).and_then(Iterator::collect);
    let chain: Vec<CertificateDer<'static>> = chain.map_err(|error| about(cert, &error))?;
    if chain.is_empty() {
        let reason = format!("{}: there is no PEM certificate in it", cert.display());
        return Err(Failure::new(Exit::Failed, reason));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| about(key, &error))?;
    Ok(Identity { chain, key })
}

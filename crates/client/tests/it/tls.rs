//! Whom the verifier believes to be the authority.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use symbolon_client::{Config, Verification, Verifier, VerifyError};
use tokio_rustls::TlsAcceptor;

use crate::authority::{Authority, INACTIVE, json};

/// A private authority's certificate, and a server's that it has signed for `name`.
fn certified_for(name: &str) -> (String, TlsAcceptor) {
    let mut root = CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(root, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf =
        CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &root).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    (root.pem(), TlsAcceptor::from(Arc::new(config)))
}

#[tokio::test]
async fn a_private_authority_is_believed_if_its_certificate_was_given() {
    let (root, acceptor) = certified_for("127.0.0.1");
    let authority = Authority::answering_over_tls(acceptor, |_| json(INACTIVE)).await;
    let (another, _) = certified_for("127.0.0.1");
    let config = authority.config().with_root_certificates(another).with_root_certificates(root);
    let verifier = Verifier::new(config).unwrap();

    assert_eq!(verifier.verify("t").await.unwrap(), Verification::Inactive);
    assert_eq!(verifier.verify("t").await.unwrap(), Verification::Inactive);
    assert_eq!(authority.connections(), 1);
}

#[tokio::test]
async fn nobody_else_is_asked() {
    let (_, acceptor) = certified_for("127.0.0.1");
    let authority = Authority::answering_over_tls(acceptor, |_| json(INACTIVE)).await;
    let (another, _) = certified_for("127.0.0.1");
    let config = authority.config().with_root_certificates(another);

    let answered = Verifier::new(config).unwrap().verify("t").await;

    assert!(matches!(answered, Err(VerifyError::Transport(_))), "{answered:?}");
    assert_eq!(authority.asked(), []);
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_believed() {
    let (root, acceptor) = certified_for("tokens.example.com");
    let authority = Authority::answering_over_tls(acceptor, |_| json(INACTIVE)).await;
    let config = authority.config().with_root_certificates(root);

    let answered = Verifier::new(config).unwrap().verify("t").await;

    assert!(matches!(answered, Err(VerifyError::Transport(_))), "{answered:?}");
    assert_eq!(authority.asked(), []);
}

#[tokio::test]
async fn https_is_not_spoken_in_the_clear() {
    let plain = Authority::answering(|_| json(INACTIVE)).await;
    let (root, _) = certified_for("127.0.0.1");
    let url = plain.url().replace("http://", "https://");
    let config = Config::new(url, "client", "secret".to_owned()).with_root_certificates(root);

    let answered = Verifier::new(config).unwrap().verify("t").await;

    assert!(matches!(answered, Err(VerifyError::Transport(_))), "{answered:?}");
    assert_eq!(plain.asked(), []);
}

//! Web Key Directories: which host is asked for what, which answers are taken, and that none in the house is asked.
//! The directory is a TLS server of the test's own; the network says that it is at a public address.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use symbolon_mail::{Certificate, KeyDirectory as _, LookupFault, Network, WebKeyDirectory};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::samples::address;

const KEY: &[u8] = include_bytes!("../keys/curve.asc");
const ADVANCED: &str = "openpgpkey.example.org";
const DIRECT: &str = "example.org";

/// A network of the test's own: its names, and one server, whatever address is asked for.
#[derive(Debug, Clone)]
struct Town {
    names: Vec<(&'static str, &'static [&'static str])>,
    server: SocketAddr,
    connected: Arc<Mutex<Vec<IpAddr>>>,
}

#[async_trait]
impl Network for Town {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        // Without the dot the machine's own domains would be tried behind it.
        let host = host.strip_suffix('.').ok_or(io::ErrorKind::InvalidInput)?;
        let known = self.names.iter().find(|(name, _)| *name == host);
        let (_, addresses) = known.ok_or(io::ErrorKind::NotFound)?;
        Ok(addresses.iter().map(|address| address.parse().expect("an address")).collect())
    }

    async fn connect(&self, address: IpAddr) -> io::Result<TcpStream> {
        self.connected.lock().expect("nobody panics with it").push(address);
        TcpStream::connect(self.server).await
    }
}

/// What the server does once it has read a request.
#[derive(Clone)]
enum Answer {
    Bytes(Vec<u8>),
    Nothing,
}

fn answer(head: &str, body: &[u8]) -> Answer {
    Answer::Bytes([format!("HTTP/1.1 {head}\r\n\r\n").as_bytes(), body].concat())
}

fn key() -> Answer {
    answer("200 OK", KEY)
}

struct Directory {
    town: Town,
    web: WebKeyDirectory,
    /// Server name and head of each request.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Directory {
    /// A server for the host `certified` that gives this answer to everything.
    async fn of(
        certified: &str,
        names: &[(&'static str, &'static [&'static str])],
        answer: Answer,
    ) -> Self {
        let pair = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([certified.to_owned()]).expect("a host name");
        let certificate = params.self_signed(&pair).expect("a certificate").der().clone();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let server = listener.local_addr().expect("an address");
        let acceptor = acceptor(certificate.clone(), &pair);
        tokio::spawn(serve(listener, acceptor, answer, Arc::clone(&asked)));
        let town = Town { names: names.to_vec(), server, connected: Arc::default() };
        let web = WebKeyDirectory::over(Box::new(town.clone()), vec![certificate]);
        Self { town, web: web.expect("TLS"), asked }
    }

    async fn fetch(&self) -> Result<Vec<u8>, LookupFault> {
        self.web.fetch(&address("Joe.Doe@Example.ORG")).await
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("nobody panics with it").clone()
    }

    fn connected(&self) -> Vec<String> {
        let connected = self.town.connected.lock().expect("nobody panics with it");
        connected.iter().map(ToString::to_string).collect()
    }
}

fn acceptor(certificate: CertificateDer<'static>, pair: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(pair.serialize_der()).expect("a key");
    let tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions of TLS")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate with its key");
    TlsAcceptor::from(Arc::new(tls))
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    answer: Answer,
    asked: Arc<Mutex<Vec<String>>>,
) {
    while let Ok((line, _)) = listener.accept().await {
        let Ok(mut line) = acceptor.accept(line).await else { continue };
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match line.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        asked.lock().expect("nobody panics with it").push(head);
        match &answer {
            Answer::Bytes(bytes) => {
                // Whoever has read enough hangs up before the end.
                let _ = line.write_all(bytes).await;
                let _ = line.shutdown().await;
            }
            Answer::Nothing => std::future::pending().await,
        }
    }
}

const PUBLIC: &[&str] = &["1.1.1.1"];

#[tokio::test]
async fn a_key_is_fetched_from_the_host_that_is_there_for_keys() {
    let names = [(ADVANCED, PUBLIC), (DIRECT, PUBLIC)];
    let directory = Directory::of(ADVANCED, &names, key()).await;

    let found = directory.fetch().await.unwrap();

    assert_eq!(found, KEY);
    let asked = directory.asked().remove(0).to_ascii_lowercase();
    let line = "get /.well-known/openpgpkey/example.org/hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q?l=joe.doe \
                http/1.1\r\n";
    assert!(asked.starts_with(line), "{asked}");
    assert!(asked.contains(&format!("host: {ADVANCED}\r\n")), "{asked}");
    assert_eq!(directory.connected(), ["1.1.1.1"]);
}

#[tokio::test]
async fn the_domain_itself_is_asked_where_there_is_no_such_host() {
    let directory = Directory::of(DIRECT, &[(DIRECT, PUBLIC)], key()).await;

    let found = directory.fetch().await.unwrap();

    assert_eq!(found, KEY);
    let asked = directory.asked().remove(0);
    let line = "GET /.well-known/openpgpkey/hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q?l=Joe.Doe HTTP/1.1";
    assert!(asked.starts_with(line), "{asked}");
}

#[tokio::test]
async fn whatever_is_no_key_is_told_apart_and_nothing_is_followed() {
    let large = vec![b'x'; 64 * 1024 + 1];
    let host = || ADVANCED.to_owned();
    for (sent, fault) in [
        (answer("404 Not Found", b""), LookupFault::NotFound(host())),
        (
            answer("302 Found\r\nLocation: https://example.org/key", b""),
            LookupFault::Redirect(host()),
        ),
        (answer("200 OK", &large), LookupFault::TooLarge(host())),
        (answer("200 OK\r\nContent-Length: 70000", b""), LookupFault::TooLarge(host())),
        (answer("500 Oh", b""), LookupFault::Status { host: host(), status: 500 }),
        (Answer::Bytes(b"220 smtp.example.org\r\n".to_vec()), LookupFault::NoAnswer(host())),
    ] {
        let directory =
            Directory::of(ADVANCED, &[(ADVANCED, PUBLIC), (DIRECT, PUBLIC)], sent).await;

        assert_eq!(directory.fetch().await, Err(fault.clone()));
        assert_eq!(directory.asked().len(), 1, "{fault}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_in_time_is_not_waited_for() {
    let directory = Directory::of(ADVANCED, &[(ADVANCED, PUBLIC)], Answer::Nothing).await;

    assert_eq!(directory.fetch().await, Err(LookupFault::Slow));
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_for_the_host_is_no_answer() {
    let names = [(ADVANCED, PUBLIC), (DIRECT, PUBLIC)];
    let directory = Directory::of("other.example", &names, key()).await;

    assert_eq!(directory.fetch().await, Err(LookupFault::NoAnswer(ADVANCED.to_owned())));
    assert!(directory.asked().is_empty());
}

#[tokio::test]
async fn no_host_in_the_house_is_asked_whatever_its_domain_says() {
    for addresses in [
        &["127.0.0.1"][..],
        &["10.1.2.3"],
        &["169.254.169.254"],
        &["fd00::1"],
        &["::ffff:192.168.0.1"],
        &["1.1.1.1", "192.168.0.1"],
    ] {
        let directory = Directory::of(ADVANCED, &[(ADVANCED, addresses)], key()).await;

        let refused = directory.fetch().await;

        assert_eq!(refused, Err(LookupFault::NotPublic(ADVANCED.to_owned())), "{addresses:?}");
        assert!(directory.connected().is_empty(), "{addresses:?}");
    }
}

#[tokio::test]
async fn a_domain_without_any_host_has_no_directory() {
    let directory = Directory::of(ADVANCED, &[], key()).await;

    assert_eq!(directory.fetch().await, Err(LookupFault::NoHost(DIRECT.to_owned())));
}

#[test]
fn a_key_belongs_to_the_addresses_that_its_own_user_ids_name_and_to_no_others() {
    let certificate = Certificate::parse(KEY).unwrap();
    let revoked = Certificate::parse(include_bytes!("../keys/revoked.asc")).unwrap();

    assert!(certificate.belongs_to(&address("curve@example.com")));
    assert!(certificate.belongs_to(&address("Curve@Example.COM")));
    for other in ["curve@example.co", "urve@example.com", "rsa@example.com"] {
        assert!(!certificate.belongs_to(&address(other)), "{other}");
    }
    assert!(revoked.belongs_to(&address("revoked@example.com")), "its key is what is revoked");
}

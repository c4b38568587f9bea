//! Something that speaks the contract as far as a test tells it to, and counts its connections.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use symbolon_client::{Config, Verifier};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// A question as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) authorization: String,
    pub(crate) media_type: String,
    pub(crate) body: String,
}

impl Asked {
    /// The member of the form that holds the credential, for credentials that need no encoding.
    pub(crate) fn credential(&self) -> &str {
        let token = self.body.strip_prefix("token=").unwrap();
        token.split('&').next().unwrap()
    }
}

pub(crate) enum Reply {
    Status(u16, &'static [(&'static str, &'static str)], String),
    /// None, ever.
    Silence,
}

pub(crate) fn json(text: impl Into<String>) -> Reply {
    Reply::Status(200, &[("Content-Type", "application/json")], text.into())
}

pub(crate) fn active(sub: &str) -> String {
    format!(
        r#"{{"active":true,"sub":"{sub}","username":"{sub}@example.com","iat":1,"auth_time":1,"profile":"P","revision":7}}"#
    )
}

pub(crate) const INACTIVE: &str = r#"{"active":false}"#;

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    closed: AtomicUsize,
    asked: Mutex<Vec<Asked>>,
    changed: Notify,
}

type Script = Arc<dyn Fn(&Asked) -> Reply + Send + Sync>;

pub(crate) struct Authority {
    address: SocketAddr,
    scheme: &'static str,
    seen: Arc<Seen>,
}

impl Authority {
    /// Answers each question by `script`, over as many connections as are opened.
    pub(crate) async fn answering(
        script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let script: Script = Arc::new(script);
        Self::listening("http", move |stream, _, seen| speak(stream, seen, Arc::clone(&script)))
            .await
    }

    /// As `answering`, over TLS.
    pub(crate) async fn answering_over_tls(
        acceptor: TlsAcceptor,
        script: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let script: Script = Arc::new(script);
        Self::listening("https", move |stream, _, seen| {
            let (acceptor, script) = (acceptor.clone(), Arc::clone(&script));
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    speak(stream, seen, script).await;
                }
            }
        })
        .await
    }

    /// Writes `bytes` to whoever asks, whatever is asked, and hangs up.
    pub(crate) async fn writing(bytes: &'static [u8]) -> Self {
        Self::listening("http", move |stream, _, _| async move { write(stream, &[bytes]).await })
            .await
    }

    /// As `writing`, with bytes of its own for each question on each connection: the last of them
    /// also for all connections beyond.
    pub(crate) async fn writing_in_turn(turns: &'static [&'static [&'static [u8]]]) -> Self {
        Self::listening("http", move |stream, at, _| write(stream, turns[at.min(turns.len() - 1)]))
            .await
    }

    /// Answers with `bytes`, one at a time and one in each `pause`.
    pub(crate) async fn trickling(bytes: &'static [u8], pause: Duration) -> Self {
        Self::listening("http", move |mut stream, _, _| async move {
            read_question(&mut stream).await;
            for byte in bytes {
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(pause).await;
            }
        })
        .await
    }

    async fn listening<F, S>(scheme: &'static str, serve: S) -> Self
    where
        S: Fn(TcpStream, usize, Arc<Seen>) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let counted = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let at = counted.connections.fetch_add(1, Ordering::SeqCst);
                let served = serve(stream, at, Arc::clone(&counted));
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    served.await;
                    counted.closed.fetch_add(1, Ordering::SeqCst);
                    counted.changed.notify_waiters();
                });
            }
        });
        Self { address, scheme, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub(crate) fn config(&self) -> Config {
        Config::new(self.url(), "client", "the secret".to_owned())
    }

    pub(crate) fn verifier(&self) -> Verifier {
        Verifier::new(self.config()).unwrap()
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.seen.asked.lock().unwrap().clone()
    }

    pub(crate) async fn wait_until_asked(&self, times: usize) {
        self.wait(|| self.asked().len() >= times).await;
    }

    pub(crate) async fn wait_until_closed(&self, connections: usize) {
        self.wait(|| self.seen.closed.load(Ordering::SeqCst) >= connections).await;
    }

    async fn wait(&self, so: impl Fn() -> bool) {
        loop {
            let changed = self.seen.changed.notified();
            if so() {
                return;
            }
            changed.await;
        }
    }
}

async fn speak<S>(stream: S, seen: Arc<Seen>, script: Script)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let (seen, script) = (Arc::clone(&seen), Arc::clone(&script));
        async move { Ok::<_, Infallible>(respond(request, &seen, &script).await) }
    });
    // Ends with an error where a client leaves in the middle, as some tests do.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(
    request: Request<Incoming>,
    seen: &Seen,
    script: &Script,
) -> Response<Full<Bytes>> {
    let header = |name| {
        let value = request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        value.unwrap_or_default()
    };
    let (authorization, media_type) = (header(AUTHORIZATION), header(CONTENT_TYPE));
    let line = format!("{} {}", request.method(), request.uri());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let asked = Asked { line, authorization, media_type, body };
    let reply = script(&asked);
    seen.asked.lock().unwrap().push(asked);
    seen.changed.notify_waiters();
    match reply {
        Reply::Silence => std::future::pending().await,
        Reply::Status(status, headers, body) => {
            let mut response = Response::builder().status(status);
            for (name, value) in headers {
                response = response.header(*name, *value);
            }
            response.body(Full::new(Bytes::from(body))).unwrap()
        }
    }
}

/// Answers one question after the other with the next of `answers`, then hangs up.
async fn write(mut stream: TcpStream, answers: &[&[u8]]) {
    for answer in answers {
        if read_question(&mut stream).await.is_some() {
            // A client may have heard enough before all is written.
            let _ = stream.write_all(answer).await;
        }
    }
    let _ = stream.shutdown().await;
}

/// Reads to the end of a form; its credential is the last thing in it.
async fn read_question(stream: &mut TcpStream) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await.ok().filter(|length| *length > 0)?;
        read.extend_from_slice(&piece[..length]);
        if String::from_utf8_lossy(&read)
            .split("\r\n\r\n")
            .nth(1)
            .is_some_and(|body| !body.is_empty())
        {
            return Some(());
        }
    }
}

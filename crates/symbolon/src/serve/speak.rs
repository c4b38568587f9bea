//! One connection: HTTP/1.1 or HTTP/2, whichever its client begins with.
//!
//! A client that speaks HTTP/2 without TLS (gRPC does) begins with a preface that no HTTP/1.1 request
//! begins with; over TLS it is settled by ALPN.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::Watcher;
use symbolon_http::AnswerBody;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tracing::debug;

/// Time for the head of a request. It also ends connections that are idle.
const HEAD: Duration = Duration::from_secs(10);
/// Most bytes of a request's head.
const MOST_HEAD: usize = 64 * 1024;
/// Requests at a time on one connection of HTTP/2.
const MOST_STREAMS: u32 = 100;
/// Bytes of bodies that a connection of HTTP/2 may have on their way to us.
const WINDOW: u32 = 1024 * 1024;
/// A connection of HTTP/2 that is silent for so long is asked whether it lives.
const SILENCE: Duration = Duration::from_secs(20);
/// What HTTP/2 begins with (RFC 9113 §3.4), as far as it cannot be a method of HTTP/1.1.
const PREFACE: &[u8; 4] = b"PRI ";
/// The pause while a client has sent a part of four bytes.
const SPLIT_PREFACE: Duration = Duration::from_millis(20);

/// Which HTTP a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    /// What ALPN settled on.
    pub(super) fn of_alpn(name: Option<&[u8]>) -> Self {
        if name == Some(b"h2") { Self::Http2 } else { Self::Http1 }
    }

    /// What a client begins with, who has [`HEAD`] to begin.
    pub(super) async fn of_first_bytes(stream: &TcpStream) -> io::Result<Self> {
        let first = timeout(HEAD, first_bytes(stream)).await;
        first.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

async fn first_bytes(stream: &TcpStream) -> io::Result<Protocol> {
    let mut first = [0; PREFACE.len()];
    loop {
        let length = stream.peek(&mut first).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !PREFACE.starts_with(&first[..length]) {
            return Ok(Protocol::Http1);
        }
        if length == PREFACE.len() {
            return Ok(Protocol::Http2);
        }
        // The bytes that are there stay readable, so readiness cannot be waited for.
        sleep(SPLIT_PREFACE).await;
    }
}

/// Serves one connection with `answer`.
pub(super) async fn serve<S, A, F>(stream: S, protocol: Protocol, watcher: Watcher, answer: A)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<AnswerBody>> + Send + 'static,
{
    let service = service_fn(|request| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let stream = TokioIo::new(stream);
    let ended = match protocol {
        Protocol::Http1 => {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .max_buf_size(MOST_HEAD)
                .serve_connection(stream, service);
            watcher.watch(connection).await
        }
        Protocol::Http2 => {
            let connection = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .max_concurrent_streams(MOST_STREAMS)
                .max_header_list_size(u32::try_from(MOST_HEAD).unwrap_or(u32::MAX))
                .initial_connection_window_size(WINDOW)
                .keep_alive_interval(SILENCE)
                .keep_alive_timeout(HEAD)
                .serve_connection(stream, service);
            watcher.watch(connection).await
        }
    };
    if let Err(error) = ended {
        debug!("a connection ended: {error}");
    }
}

//! The accept loop of a network listener: HTTP/1.1 by hyper, over TLS or not.
//!
//! Slow clients are cut off: 10 s for the TLS handshake, 10 s for the head of a request (which also
//! ends idle connections); the body's time is the router's business. A full listener lets further
//! clients wait in the kernel's queue.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Extensions;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use symbolon_http::Connection;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;
use tracing::{debug, warn};

use super::DRAIN;

const HANDSHAKE: Duration = Duration::from_secs(10);
const HEAD: Duration = Duration::from_secs(10);
/// The pause after a failed accept: nearly always the process has too many open files, and some of
/// them close meanwhile.
pub(super) const AFTER_FAILURE: Duration = Duration::from_millis(100);
/// Most bytes of a request's head.
const MOST_HEAD: usize = 64 * 1024;

/// A listener and what answers behind it.
pub(super) struct Door {
    pub(super) listener: TcpListener,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) router: Router,
    /// Connections at a time.
    pub(super) most: usize,
}

/// Lets clients in until `stopped`, and then those inside finish their requests.
pub(super) async fn keep(door: Door, stopped: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(door.most));
    let mut stop = Box::pin(until(stopped));
    loop {
        let next = next_client(&door.listener, &slots);
        let (slot, stream, peer) = tokio::select! {
            biased;
            () = &mut stop => break,
            next = next => match next {
                Ok(next) => next,
                Err(error) => {
                    warn!("could not accept a connection: {error}");
                    sleep(AFTER_FAILURE).await;
                    continue;
                }
            },
        };
        let guest = Guest { stream, peer, slot, watcher: graceful.watcher() };
        tokio::spawn(welcome(guest, door.tls.clone(), door.router.clone()));
    }
    drop(door);
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        debug!("requests in flight did not end in time");
    }
}

/// Resolves when the server stops, or is gone.
pub(super) async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, and so is the server.
    drop(stopped.wait_for(|stopped| *stopped).await);
}

async fn next_client(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> io::Result<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let slot = Arc::clone(slots).acquire_owned().await.expect("the semaphore is never closed");
    let (stream, peer) = listener.accept().await?;
    Ok((slot, stream, peer))
}

/// A client that was let in.
struct Guest {
    stream: TcpStream,
    peer: SocketAddr,
    /// Held until the connection ends.
    slot: OwnedSemaphorePermit,
    watcher: Watcher,
}

async fn welcome(guest: Guest, tls: Option<TlsAcceptor>, router: Router) {
    // Answers are short: waiting for more of them to send together only delays them.
    if let Err(error) = guest.stream.set_nodelay(true) {
        debug!("could not set TCP_NODELAY: {error}");
    }
    let connection = Connection { peer: guest.peer, tls: tls.is_some() };
    let mark = move |extensions: &mut Extensions| {
        extensions.insert(connection);
    };
    match tls {
        None => serve(guest.stream, router, guest.watcher, mark).await,
        Some(tls) => match timeout(HANDSHAKE, tls.accept(guest.stream)).await {
            Ok(Ok(stream)) => serve(stream, router, guest.watcher, mark).await,
            Ok(Err(error)) => debug!("a TLS handshake failed: {error}"),
            Err(_) => debug!("a TLS handshake took too long"),
        },
    }
    drop(guest.slot);
}

/// Serves one connection; `mark` puts into each request what the listener knows.
pub(super) async fn serve<S>(
    stream: S,
    router: Router,
    watcher: Watcher,
    mark: impl Fn(&mut Extensions),
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|mut request: Request<Incoming>| {
        mark(request.extensions_mut());
        let answer = router.clone().oneshot(request);
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MOST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = watcher.watch(connection).await {
        debug!("a connection ended: {error}");
    }
}

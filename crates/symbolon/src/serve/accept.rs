//! The accept loop of a network listener, over TLS or not.
//!
//! Slow clients are cut off: 10 s for the TLS handshake, 10 s for the head of a request (which also
//! ends idle connections); the body's time is the router's business. A full listener lets further
//! clients wait in the kernel's queue.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use symbolon_http::{AnswerBody, Answering, Connection, Entrance};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;
use tracing::{debug, warn};

use super::DRAIN;
use super::speak::{Protocol, serve};

const HANDSHAKE: Duration = Duration::from_secs(10);
/// The pause after a failed accept: nearly always the process has too many open files, and some of
/// them close meanwhile.
pub(super) const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// A listener and what answers behind it.
pub(super) struct Door {
    pub(super) listener: TcpListener,
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) behind: Arc<Behind>,
    /// Connections at a time.
    pub(super) most: usize,
}

/// What answers behind a listener.
#[derive(Debug)]
pub(super) enum Behind {
    /// Everything that is public.
    Entrance(Entrance),
    /// The operators' few paths.
    Router(Router),
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
        tokio::spawn(welcome(guest, door.tls.clone(), Arc::clone(&door.behind)));
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

async fn welcome(guest: Guest, tls: Option<TlsAcceptor>, behind: Arc<Behind>) {
    // Answers are short: waiting for more of them to send together only delays them.
    if let Err(error) = guest.stream.set_nodelay(true) {
        debug!("could not set TCP_NODELAY: {error}");
    }
    let connection = Connection { peer: guest.peer, tls: tls.is_some() };
    let answer = |request: Request<Incoming>| behind.answer(connection, request);
    match tls {
        None => match Protocol::of_first_bytes(&guest.stream).await {
            Ok(protocol) => serve(guest.stream, protocol, guest.watcher, answer).await,
            Err(error) => debug!("a connection ended before a request: {error}"),
        },
        Some(tls) => match timeout(HANDSHAKE, tls.accept(guest.stream)).await {
            Ok(Ok(stream)) => {
                let protocol = Protocol::of_alpn(stream.get_ref().1.alpn_protocol());
                serve(stream, protocol, guest.watcher, answer).await;
            }
            Ok(Err(error)) => debug!("a TLS handshake failed: {error}"),
            Err(_) => debug!("a TLS handshake took too long"),
        },
    }
    drop(guest.slot);
}

impl Behind {
    fn answer(&self, connection: Connection, request: Request<Incoming>) -> Answering<Incoming> {
        match self {
            Self::Entrance(entrance) => entrance.answer(connection, request),
            Self::Router(router) => {
                let answered = router.clone().oneshot(request);
                Answering::later(async {
                    answered.await.unwrap_or_else(|never| match never {}).map(AnswerBody::from)
                })
            }
        }
    }
}

//! The accept loop of the control socket.

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::server::graceful::GracefulShutdown;
use symbolon_http::AnswerBody;
use symbolon_http::control::ControlSocket;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;
use tracing::{debug, warn};

use super::DRAIN;
use super::accept::{AFTER_FAILURE, until};
use super::control_socket::ControlListener;
use super::speak::{Protocol, serve};

/// Serves operators until `stopped`, and then their last requests.
pub(super) async fn keep(
    listener: ControlListener,
    router: Router,
    stopped: watch::Receiver<bool>,
) {
    let graceful = GracefulShutdown::new();
    let mut stop = Box::pin(until(stopped));
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = listener.0.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let router = router.clone();
                let answer = move |mut request: Request<Incoming>| {
                    request.extensions_mut().insert(ControlSocket);
                    let answered = router.clone().oneshot(request);
                    async move {
                        answered.await.unwrap_or_else(|never| match never {}).map(AnswerBody::from)
                    }
                };
                tokio::spawn(serve(stream, Protocol::Http1, graceful.watcher(), answer));
            }
            Err(error) => {
                warn!("could not accept a connection on the control socket: {error}");
                sleep(AFTER_FAILURE).await;
            }
        }
    }
    drop(listener);
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        debug!("requests on the control socket did not end in time");
    }
}

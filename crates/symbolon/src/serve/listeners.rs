//! The network listeners: bound before anything slow begins, so that a taken address is told at once.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::config::listeners::{Listeners, OpsListener};
use crate::exit::{Exit, Failure};

/// Bound sockets.
pub(super) struct Sockets {
    pub(super) http: Option<TcpListener>,
    pub(super) tls: Option<TcpListener>,
    pub(super) ops: Option<TcpListener>,
}

/// Where a server listens, as it turned out.
#[derive(Debug, Clone)]
pub(crate) struct Bound {
    /// Plain HTTP.
    pub(crate) http: Option<SocketAddr>,
    /// HTTPS.
    pub(crate) tls: Option<SocketAddr>,
    /// What every link begins with.
    pub(crate) public_url: String,
}

impl Sockets {
    /// The addresses, and the public URL that follows from them unless one is `configured`.
    pub(super) fn bound(&self, configured: Option<&str>) -> Result<Bound, Failure> {
        let address = |listener: &Option<TcpListener>| {
            let address = listener.as_ref().map(TcpListener::local_addr).transpose();
            address.map_err(|error| {
                Failure::because(Exit::Failed, "cannot ask for an address", &error)
            })
        };
        let (http, tls, ops) = (address(&self.http)?, address(&self.tls)?, address(&self.ops)?);
        for (what, address) in [("HTTP", http), ("HTTPS", tls), ("operators' HTTP", ops)] {
            if let Some(address) = address {
                info!("listening for {what} on {address}");
            }
        }
        let public_url = configured.map_or_else(|| derived(http, tls), str::to_owned);
        Ok(Bound { http, tls, public_url })
    }
}

/// Binds every configured address.
///
/// # Errors
/// The first that cannot be had. The operators' default address may be taken by another server: then
/// this one goes on without.
pub(super) async fn bind(listeners: &Listeners) -> Result<Sockets, Failure> {
    warn_of_plain_http(listeners);
    let http = match listeners.http {
        Some(address) => Some(listen(address).await?),
        None => None,
    };
    let tls = match &listeners.tls {
        Some(listener) => Some(listen(listener.address).await?),
        None => None,
    };
    let ops = match listeners.ops {
        Some(listener) => bind_ops(listener).await?,
        None => None,
    };
    Ok(Sockets { http, tls, ops })
}

async fn bind_ops(listener: OpsListener) -> Result<Option<TcpListener>, Failure> {
    match TcpListener::bind(listener.address).await {
        Ok(socket) => Ok(Some(socket)),
        Err(error) if !listener.demanded => {
            warn!("no metrics: {} cannot be had: {error} (see --listen-ops)", listener.address);
            Ok(None)
        }
        Err(error) => Err(cannot_listen(listener.address, &error)),
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| cannot_listen(address, &error))
}

fn cannot_listen(address: SocketAddr, error: &io::Error) -> Failure {
    Failure::because(Exit::Failed, format!("cannot listen on {address}"), error)
}

fn warn_of_plain_http(listeners: &Listeners) {
    let open = listeners.http.filter(|address| !address.ip().is_loopback());
    if let Some(address) = open.filter(|_| listeners.trusted_proxies.is_empty()) {
        warn!(
            "PLAIN HTTP ON {address}: passwords and tokens cross the network in the clear. \
             Put a proxy in front and name it with --trusted-proxy, or use --listen-tls"
        );
    }
}

/// What the public URL is going to be, for commands that do not listen.
pub(crate) fn expected_public_url(listeners: &Listeners) -> String {
    let tls = listeners.tls.as_ref().map(|listener| listener.address);
    listeners.public_url.clone().unwrap_or_else(|| derived(listeners.http, tls))
}

/// HTTPS is preferred; an address that stands for all of them is told as `localhost`.
fn derived(http: Option<SocketAddr>, tls: Option<SocketAddr>) -> String {
    let (scheme, usual_port, address) = match (tls, http) {
        (Some(address), _) => ("https", 443, address),
        (None, Some(address)) => ("http", 80, address),
        // Refused by the configuration.
        (None, None) => return "http://localhost".to_owned(),
    };
    let host = match address {
        _ if address.ip().is_unspecified() => "localhost".to_owned(),
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    };
    let port = address.port();
    if port == usual_port {
        format!("{scheme}://{host}")
    } else {
        format!("{scheme}://{host}:{port}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_url_follows_from_where_we_listen() {
        let at = |text: &str| Some(text.parse().unwrap());
        for (http, tls, url) in [
            (at("127.0.0.1:8080"), None, "http://127.0.0.1:8080"),
            (at("127.0.0.1:8080"), at("127.0.0.1:8443"), "https://127.0.0.1:8443"),
            (at("0.0.0.0:80"), None, "http://localhost"),
            (None, at("[::]:443"), "https://localhost"),
            (at("[::1]:8080"), None, "http://[::1]:8080"),
        ] {
            assert_eq!(derived(http, tls), url);
        }
    }
}

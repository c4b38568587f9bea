//! `symbolon demo`: a throw-away server that walks the whole job by itself, then stays for a person
//! to try.
//!
//! The walk goes over real HTTP and the real control socket, and each step is judged: with `--once`
//! the exit code tells whether all of it did what it should. Nothing is left behind.

mod browser;
mod form;
mod screen;
mod soap;
mod walk;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use symbolon_app::chance::Chance;
use symbolon_core::names::DisplayName;
use symbolon_core::policy::SourcePolicy;
use symbolon_mail::{MailTarget, Mailbox};
use tokio::net::TcpListener;
use tracing::level_filters::LevelFilter;

use crate::config::listeners::{Listeners, TlsIdentity, TlsListener};
use crate::config::{Config, LogFormat, Logins, Logs, OpenpgpLookup, embedded_database};
use crate::exit::{Exit, Failure};
use crate::out::Out;
use crate::serve::{Server, Signals};
use screen::Screen;

/// Only what somebody must see: the terminal belongs to the walk.
pub(crate) const LOGS: Logs = Logs { format: LogFormat::Text, level: LevelFilter::ERROR };

const HTTP_PORT: u16 = 8080;
const HTTPS_PORT: u16 = 8443;

/// When the demonstration ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// After the walk.
    Walked,
    /// When somebody stops it.
    Stopped,
}

/// Runs the demonstration.
pub(crate) async fn run(out: Out, until: Until) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let dir = tempfile::Builder::new().prefix("symbolon-demo-").tempdir();
    let dir = dir.map_err(|error| {
        Failure::because(Exit::Failed, "cannot make a temporary directory", &error)
    })?;
    let config = config_in(dir.path()).await?;
    let mailbox = Arc::new(Mailbox::default());
    let server = Server::start(&config, Some(Arc::clone(&mailbox))).await?;
    let visitor = walk::Visitor { username: walk::USERNAME, password: one_time_password() };
    let screen = Screen::new(out);

    let walked = tokio::select! {
        walked = walk::walk(&server, &mailbox, &visitor, screen) => walked,
        () = signals.next() => Ok(()),
    };
    if walked.is_ok() && until == Until::Stopped {
        walk::invite(&server, &visitor, dir.path())?;
        signals.next().await;
    }
    let stopped = server.stop_or_break_off(&mut signals).await;
    let removed = dir.close().map_err(|error| {
        Failure::because(Exit::Failed, "cannot remove the temporary directory", &error)
    });
    walked.and(stopped).and(removed)
}

async fn config_in(dir: &Path) -> Result<Config, Failure> {
    let http = free_or_any(HTTP_PORT).await.map_err(|error| no_port(&error))?;
    let https = free_or_any(HTTPS_PORT).await.map_err(|error| no_port(&error))?;
    let organization = DisplayName::parse("Symbolon");
    Ok(Config {
        data_dir: dir.join("data"),
        listeners: Listeners {
            http: Some(http),
            tls: Some(TlsListener { address: https, identity: TlsIdentity::SelfSigned }),
            ops: None,
            // A browser trusts the private authority of the other one only after a warning.
            public_url: Some(format!("http://{http}")),
            trusted_proxies: Vec::new(),
            allowed_hosts: Vec::new(),
        },
        database: embedded_database(&dir.join("data")),
        mail: MailTarget::Mailbox,
        mail_from: None,
        time_zone: symbolon_core::weekly::Zone::UTC,
        organization: organization
            .map_err(|fault| Failure::new(Exit::Failed, format!("the organization {fault}")))?,
        logins: Logins {
            password_grant: true,
            tell_missing_token: false,
            source: SourcePolicy::default(),
        },
        logs: LOGS,
        secret_scanning_keys: None,
        openpgp_lookup: OpenpgpLookup::Off,
        countries: Arc::default(),
        hash_threads: 2,
    })
}

/// The address on loopback with this port, or with any free one where that is taken.
async fn free_or_any(port: u16) -> io::Result<SocketAddr> {
    let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    match TcpListener::bind(at(port)).await {
        Ok(listener) => listener.local_addr(),
        Err(_) => TcpListener::bind(at(0)).await?.local_addr(),
    }
}

fn no_port(error: &io::Error) -> Failure {
    Failure::because(Exit::Failed, "there is no free port", error)
}

/// Sixteen random characters in groups of four: 95 bits, and good to copy.
fn one_time_password() -> String {
    let chance = Chance::system();
    let groups: Vec<String> = (0..4).map(|_| chance.text(4)).collect();
    groups.join("-")
}

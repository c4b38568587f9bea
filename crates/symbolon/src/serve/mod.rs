//! The server: what `symbolon serve` runs and `symbolon demo` shows.
//!
//! Starting goes from what others could hold to what takes time: data dir and lock, addresses, then
//! the database. Stopping goes backwards: no new connection, requests in flight and the letter in
//! hand come to an end, then the database is closed.

mod accept;
mod authority;
mod control;
pub(crate) mod control_socket;
pub(crate) mod data_dir;
mod house;
pub(crate) mod key_file;
mod key_rotation;
mod listeners;
mod open_files;
mod post;
mod speak;
mod tls;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use symbolon_app::links::LinkKind;
use symbolon_app::{
    AppError, Ctx, courier, digest, janitor, live, reminders, scribe, setup, sharing,
};
use symbolon_http::control as operators;
use symbolon_http::{Entrance, Front, HttpState, Metrics, ops_router};
use symbolon_mail::Mailbox;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{error, info, warn};

pub(crate) use authority::CERTIFICATE as PRIVATE_AUTHORITY;
pub(crate) use house::open_without_listening;
pub(crate) use key_rotation::rotate;
pub(crate) use listeners::expected_public_url;

use crate::config::Config;
use crate::exit::{Exit, Failure, chain, of_store};
use crate::out::{Out, say};
use accept::{Behind, Door};
use control_socket::ControlListener;
use data_dir::DataDir;
use listeners::Bound;
use post::Office;

/// How long requests in flight may take to come to an end. With the rest of stopping it stays under
/// 30 s, after which Kubernetes kills by default.
const DRAIN: Duration = Duration::from_secs(25);
/// How long the letter in hand may take. If it is broken off its lease runs out, and it is carried
/// again with the same Message-ID.
const LETTER_IN_HAND: Duration = Duration::from_secs(10);

/// How long the last words to the database may take.
const LAST_WORK: Duration = Duration::from_secs(2);

/// A running server.
pub(crate) struct Server {
    /// The authority.
    pub(crate) ctx: Ctx,
    /// Where it listens.
    pub(crate) bound: Bound,
    stop: watch::Sender<bool>,
    doors: JoinSet<()>,
    courier: Option<JoinHandle<()>>,
    /// What goes round for ever and may be broken off anywhere.
    rounds: JoinSet<()>,
    feed: JoinHandle<()>,
    scribe: JoinHandle<()>,
    /// The scribe writes its last notes when nobody can verify any more.
    doors_closed: watch::Sender<bool>,
    data_dir: DataDir,
}

/// Runs a server until SIGTERM or SIGINT.
pub(crate) async fn run(config: &Config, out: Out) -> Result<(), Failure> {
    let mut signals = Signals::listen()?;
    let server = tokio::select! {
        started = Server::start(config, None) => started?,
        () = signals.next() => return Ok(()),
    };
    greet(&server.ctx, out).await?;
    tell_supervisor(&[sd_notify::NotifyState::Ready]);
    signals.next().await;
    out.note("Stopping. Requests in flight come to an end; a second signal ends at once.")?;
    server.stop_or_break_off(&mut signals).await
}

/// The signals that end a server.
pub(crate) struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// From here on a signal does not end the process by itself.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            let listening = signal(kind);
            listening
                .map_err(|error| Failure::because(Exit::Failed, "cannot wait for signals", &error))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    /// Resolves at the next of them.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Server {
    /// Starts a server; with a mailbox, all mail goes there.
    ///
    /// # Errors
    /// What is missing, and the code to end with.
    pub(crate) async fn start(
        config: &Config,
        mailbox: Option<Arc<Mailbox>>,
    ) -> Result<Self, Failure> {
        let data_dir = DataDir::open_or_make(&config.data_dir)?;
        let sockets = listeners::bind(&config.listeners).await?;
        let control = ControlListener::bind(data_dir.path())?;
        let bound = sockets.bound(config.listeners.public_url.as_deref())?;
        let tls = tls::acceptor(config, &data_dir, &bound)?;
        let office = post::open(config, &bound, mailbox.as_ref())?;
        let ctx = house::open(config, &data_dir, &bound.public_url, office.is_some()).await?;

        let (stop, stopped) = watch::channel(false);
        let state = HttpState {
            ctx: ctx.clone(),
            front: Arc::new(Front {
                trusted_proxies: config.listeners.trusted_proxies.clone(),
                allowed_hosts: config.listeners.allowed_hosts.clone(),
                mailbox,
                secret_scanning_keys: config.secret_scanning_keys.clone(),
                metrics: Metrics::new(),
            }),
        };
        let mut doors = JoinSet::new();
        let network = [&sockets.http, &sockets.tls, &sockets.ops];
        let listeners = network.iter().filter(|listener| listener.is_some()).count();
        let most = open_files::connections_of_each(listeners);
        let mut open = |listener, tls, behind| {
            doors.spawn(accept::keep(Door { listener, tls, behind, most }, stopped.clone()));
        };
        let public = Arc::new(Behind::Entrance(Entrance::new(state.clone())));
        if let Some(listener) = sockets.http {
            open(listener, None, Arc::clone(&public));
        }
        if let Some(listener) = sockets.tls {
            open(listener, tls, public);
        }
        if let Some(listener) = sockets.ops {
            open(listener, None, Arc::new(Behind::Router(ops_router(state.clone()))));
        }
        doors.spawn(control::keep(control, operators::router(state.clone()), stopped.clone()));
        let courier = office.map(|Office { letterhead, transport }| {
            let transport = post::counted(transport, Arc::clone(&state.front));
            let stop = accept::until(stopped.clone());
            tokio::spawn(courier::run(ctx.clone(), letterhead, transport, stop))
        });
        let mut rounds = JoinSet::new();
        rounds.spawn(janitor::run(ctx.clone()));
        rounds.spawn(sharing::run(ctx.clone(), Arc::clone(&config.countries)));
        rounds.spawn(reminders::run(ctx.clone()));
        rounds.spawn(digest::run(ctx.clone()));
        let (doors_closed, closed) = watch::channel(false);
        let feed = tokio::spawn(live::run(ctx.clone(), accept::until(closed.clone())));
        let scribe = tokio::spawn(scribe::run(ctx.clone(), accept::until(closed)));
        info!(public.url = bound.public_url, "serving {}", bound.public_url);
        Ok(Self { ctx, bound, stop, doors, courier, rounds, feed, scribe, doors_closed, data_dir })
    }

    /// Where keys, database and control socket are.
    pub(crate) fn data_dir(&self) -> &Path {
        self.data_dir.path()
    }

    /// Stops; at a second signal at once.
    ///
    /// # Errors
    /// [`Exit::Failed`] if it was broken off.
    pub(crate) async fn stop_or_break_off(self, signals: &mut Signals) -> Result<(), Failure> {
        tokio::select! {
            () = self.stop() => Ok(()),
            () = signals.next() => Err(Failure::new(Exit::Failed, "ended at once, by a second signal")),
        }
    }

    /// Lets what was begun come to an end, and closes the database.
    pub(crate) async fn stop(mut self) {
        tell_supervisor(&[sd_notify::NotifyState::Stopping]);
        info!("stopping");
        self.stop.send_replace(true);
        self.rounds.abort_all();
        let doors_and_reports = async {
            let until = Instant::now() + DRAIN;
            close_doors(&mut self.doors).await;
            if timeout_at(until, self.ctx.leak_reports.all_done()).await.is_err() {
                error!("leaked tokens that were reported could not all be ended in time");
            }
        };
        tokio::join!(doors_and_reports, dismiss(self.courier.as_mut()));
        self.doors_closed.send_replace(true);
        for (name, work) in [("live view", self.feed), ("scribe", self.scribe)] {
            match timeout(LAST_WORK, work).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => error!("the {name} ended in the middle of its work: {error}"),
                Err(_) => warn!("the database does not answer: the {name} is given up"),
            }
        }
        self.ctx.store.close().await;
        control_socket::remove(self.data_dir.path());
        info!("stopped");
    }
}

/// Waits for the last requests; each listener sees to it that they end.
async fn close_doors(doors: &mut JoinSet<()>) {
    while let Some(closed) = doors.join_next().await {
        if let Err(error) = closed {
            error!("a listener ended in the middle of its work: {error}");
        }
    }
}

/// Waits until the courier has finished the letter in hand.
async fn dismiss(courier: Option<&mut JoinHandle<()>>) {
    let Some(courier) = courier else { return };
    match timeout(LETTER_IN_HAND, &mut *courier).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => error!("the courier ended in the middle of its work: {error}"),
        Err(_) => {
            warn!("the mail server does not answer: the letter in hand is put off");
            courier.abort();
        }
    }
}

/// Tells a person where the server is, and how to make the first administrator.
async fn greet(ctx: &Ctx, out: Out) -> Result<(), Failure> {
    let url = &ctx.settings.public_url;
    out.note(&format!("Symbolon {} is ready at {url}", env!("CARGO_PKG_VERSION")))?;
    if !ctx.settings.mail_configured.is_on() {
        out.note("No mail server is configured (--mail): mail waits in the outbox.")?;
    }
    let known = setup::has_administrator(ctx).await;
    if known.map_err(|error| app_failure("cannot look for an administrator", &error))? {
        return Ok(());
    }
    let link = setup::issue_setup_link(ctx).await;
    let (secret, until) = link.map_err(|error| app_failure("cannot issue a setup link", &error))?;
    let path = LinkKind::Setup.path(&secret);
    say(&format!(
        "\nThere is no administrator yet. Open this link to become the first; it works once,\n\
         within 30 minutes (until {until}):\n\n  {url}{path}\n"
    ))
}

/// Tells systemd, if it is there.
fn tell_supervisor(state: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        error!("could not tell systemd: {error}");
    }
}

/// The failure that a use case's error is to a command.
pub(crate) fn app_failure(what: &str, error: &AppError) -> Failure {
    let exit = match error {
        AppError::Database(store) => of_store(store),
        AppError::TooMany { .. } | AppError::Busy => Exit::Unreachable,
        AppError::NotFound(_) => Exit::NotFound,
        AppError::Taken(_) | AppError::KeyUsed => Exit::Conflict,
        AppError::Name { .. }
        | AppError::Password(_)
        | AppError::Invalid(_)
        | AppError::Corrupt(_)
        | AppError::KeyMissing
        | AppError::Forbidden(_) => Exit::Failed,
    };
    Failure::new(exit, format!("{what}: {}", chain(error)))
}

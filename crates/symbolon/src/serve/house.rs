//! The authority itself: database, keys and settings put together.

use std::sync::Arc;
use std::time::Duration;

use symbolon_app::chance::Chance;
use symbolon_app::clock::{Clock as _, SystemClock};
use symbolon_app::context::Switch;
use symbolon_app::hashing::Hasher;
use symbolon_app::turnstile::Turnstile;
use symbolon_app::{Ctx, House, Settings, courier, setup};
use symbolon_mail::{KeyDirectory, MailTarget, WebKeyDirectory};
use symbolon_store::error::StoreError;
use symbolon_store::{DatabaseTarget, Store, migrate_all};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

use super::data_dir::DataDir;
use super::{app_failure, key_file, listeners};
use crate::config::{Config, OpenpgpLookup};
use crate::exit::{Exit, Failure, chain, of_store};

/// How long a PostgreSQL that does not answer is waited for, at the start.
const PATIENCE: Duration = Duration::from_secs(20);
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(500);
/// Passwords that may wait for each that is being hashed: at some 30 ms each, two seconds' worth.
/// Whoever comes then is told when to try again.
const QUEUE_PER_THREAD: usize = 64;

/// An authority without listeners, and the data dir that it holds.
pub(crate) struct OpenHouse {
    pub(crate) ctx: Ctx,
    _data_dir: DataDir,
}

/// Opens the authority for a command that runs while no server does.
///
/// # Errors
/// [`Exit::Conflict`] where a server holds the data dir.
pub(crate) async fn open_without_listening(config: &Config) -> Result<OpenHouse, Failure> {
    let data_dir = DataDir::open(&config.data_dir)?;
    let public_url = listeners::expected_public_url(&config.listeners);
    let ctx = open(config, &data_dir, &public_url, has_mail(config)).await?;
    Ok(OpenHouse { ctx, _data_dir: data_dir })
}

/// Whether the configuration names somewhere to send mail.
pub(super) fn has_mail(config: &Config) -> bool {
    !matches!(config.mail, MailTarget::None)
}

/// Opens the authority: keys, database, migrations, organization.
///
/// # Errors
/// [`Exit::Unreachable`] where the database does not answer.
pub(super) async fn open(
    config: &Config,
    data_dir: &DataDir,
    public_url: &str,
    mail: bool,
) -> Result<Ctx, Failure> {
    let chance = Chance::system();
    let keys = key_file::read_or_make(data_dir.path(), &chance)?;
    let store = open_database(&config.database).await?;
    let queue = config.hash_threads * QUEUE_PER_THREAD;
    let hasher = Hasher::start(config.hash_threads, queue).map_err(|error| {
        Failure::because(Exit::Failed, "cannot start the threads that hash", &error)
    })?;
    let ctx = Ctx::new(House {
        store,
        keys,
        clock: Box::new(SystemClock),
        chance,
        hasher,
        turnstile: Turnstile::default(),
        settings: Settings {
            organization: config.organization.clone(),
            public_url: public_url.to_owned(),
            source_policy: config.logins.source,
            password_grant: switch(config.logins.password_grant),
            tell_missing_token: switch(config.logins.tell_missing_token),
            time_zone: config.time_zone.clone(),
            mail_configured: switch(mail),
        },
        letters_waiting: Notify::new(),
        live: symbolon_app::live::Live::to_be_filled(),
        notebook: symbolon_app::notebook::Notebook::default(),
        leak_reports: symbolon_app::leaks::ReportLimit::default(),
        key_directory: key_directory(config.openpgp_lookup)?,
    });
    setup::prepare(&ctx)
        .await
        .map_err(|error| app_failure("cannot prepare the database", &error))?;
    if let DatabaseTarget::SqliteFile(_) | DatabaseTarget::SqliteMemory = config.database {
        // The lock on the data dir proves that no other courier is at work on an embedded database.
        courier::take_back_leases(&ctx)
            .await
            .map_err(|error| app_failure("cannot look after the outbox", &error))?;
    }
    Ok(ctx)
}

/// Where OpenPGP keys are looked up.
fn key_directory(lookup: OpenpgpLookup) -> Result<Option<Arc<dyn KeyDirectory>>, Failure> {
    match lookup {
        OpenpgpLookup::Off => Ok(None),
        OpenpgpLookup::Wkd => {
            let directory = WebKeyDirectory::of_the_internet();
            let directory = directory
                .map_err(|error| Failure::because(Exit::Failed, "openpgp_lookup", &error))?;
            Ok(Some(Arc::new(directory)))
        }
    }
}

/// Connects and migrates. A PostgreSQL may come up after us and is waited for; a file is there or not.
async fn open_database(target: &DatabaseTarget) -> Result<Store, Failure> {
    let unreachable = |error: &StoreError| {
        Failure::because(of_store(error), "the database cannot be opened", error)
    };
    let store = match target {
        DatabaseTarget::SqliteFile(_) | DatabaseTarget::SqliteMemory => {
            Store::open(target).await.map_err(|error| unreachable(&error))?
        }
        DatabaseTarget::Postgres(_) => wait_for(target).await.map_err(|error| match error {
            Some(error) => unreachable(&error),
            None => Failure::new(Exit::Unreachable, "the database does not answer"),
        })?,
    };
    let migrated = migrate_all(&store, SystemClock.now()).await;
    let applied = migrated.map_err(|error| {
        Failure::because(Exit::Failed, "the database cannot be migrated", &error)
    })?;
    if !applied.is_empty() {
        info!("applied migrations {applied:?}");
    }
    Ok(store)
}

/// The store once it answers, or what kept it from answering last.
async fn wait_for(target: &DatabaseTarget) -> Result<Store, Option<StoreError>> {
    let deadline = Instant::now() + PATIENCE;
    let mut last = None;
    while let Ok(opened) = timeout_at(deadline, Store::open(target)).await {
        match opened {
            Ok(store) => return Ok(store),
            Err(error) => {
                if last.is_none() {
                    warn!("the database does not answer yet: {}", chain(&error));
                }
                last = Some(error);
            }
        }
        if Instant::now() + PAUSE >= deadline {
            break;
        }
        sleep(PAUSE).await;
    }
    Err(last)
}

fn switch(on: bool) -> Switch {
    if on { Switch::On } else { Switch::Off }
}

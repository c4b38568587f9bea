//! The configuration: flag, environment `SYMBOLON_*`, `symbolon.toml`, default, in this order.
//!
//! [`keys`] lists what there is, [`layers`] gathers what was given and remembers where, and the
//! sections read it into types. All faults are told together. This module alone reads the
//! environment.

pub(crate) mod keys;
pub(crate) mod layers;
pub(crate) mod listeners;
mod read;
pub(crate) mod secrets;
pub(crate) mod show;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read as _;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use symbolon_core::country::Countries;
use symbolon_core::names::{DisplayName, EmailAddress};
use symbolon_core::policy::SourcePolicy;
use symbolon_core::weekly::Zone;
use symbolon_http::control::spans;
use symbolon_mail::MailTarget;
use symbolon_store::DatabaseTarget;
use symbolon_wire::leaks::github::SigningKeys;
use tracing::level_filters::LevelFilter;

use layers::Layers;
use listeners::Listeners;
use read::Reader;

/// Bytes that a file of countries may have: as many lines as it may have, with a town in each.
const MOST_OF_COUNTRIES: u64 = 256 << 20;

/// The configuration of a server, checked.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Keys, embedded database, control socket.
    pub(crate) data_dir: PathBuf,
    /// Where it listens.
    pub(crate) listeners: Listeners,
    /// Where the data lives.
    pub(crate) database: DatabaseTarget,
    /// Where mail goes.
    pub(crate) mail: MailTarget,
    /// Who sends it; by default `symbolon@` and the host of the public URL.
    pub(crate) mail_from: Option<EmailAddress>,
    /// Shown in mails and pages.
    pub(crate) organization: DisplayName,
    /// In which the weekly digest's Monday begins.
    pub(crate) time_zone: Zone,
    /// How logins are taken.
    pub(crate) logins: Logins,
    /// The log.
    pub(crate) logs: Logs,
    /// By which GitHub's secret scanning signs its alerts.
    pub(crate) secret_scanning_keys: Option<SigningKeys>,
    /// Whether OpenPGP keys may be looked up.
    pub(crate) openpgp_lookup: OpenpgpLookup,
    /// In which country an address is used.
    pub(crate) countries: Arc<Countries>,
    /// Passwords hashed at a time.
    pub(crate) hash_threads: usize,
}

/// Where OpenPGP keys may be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenpgpLookup {
    /// Nowhere.
    Off,
    /// In the Web Key Directory of an address's domain.
    Wkd,
}

/// Section `logins`.
#[derive(Debug, Clone)]
pub(crate) struct Logins {
    /// Whether the OAuth password grant is to be had.
    pub(crate) password_grant: bool,
    /// Whether a client learns that its token was missing.
    pub(crate) tell_missing_token: bool,
    /// How one address is kept from trying many names.
    pub(crate) source: SourcePolicy,
}

/// The form and the least severity of the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Logs {
    /// How lines look.
    pub(crate) format: LogFormat,
    /// What is logged.
    pub(crate) level: LevelFilter,
}

/// How lines of the log look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Reads the layers into a configuration.
///
/// # Errors
/// Every fault, in whole sentences.
pub(crate) fn read(layers: &Layers) -> Result<Config, Vec<String>> {
    let mut reader = Reader::new(layers);
    let config = read_all(&mut reader);
    let mut faults = layers.faults.clone();
    faults.append(&mut reader.faults);
    match config {
        Some(config) if faults.is_empty() => Ok(config),
        Some(_) | None => Err(faults),
    }
}

/// The data dir alone, for commands that only look for the server in it.
///
/// # Errors
/// What is wrong with how the configuration was given.
pub(crate) fn data_dir(layers: &Layers) -> Result<PathBuf, Vec<String>> {
    if layers.faults.is_empty() {
        return Ok(PathBuf::from(layers.text("data_dir")));
    }
    Err(layers.faults.clone())
}

/// The environment of the process.
pub(crate) fn environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

/// Where the embedded database is, unless another place is named.
pub(crate) fn embedded_database(data_dir: &Path) -> DatabaseTarget {
    DatabaseTarget::SqliteFile(data_dir.join("symbolon.db"))
}

fn read_all(reader: &mut Reader<'_>) -> Option<Config> {
    let path =
        |text: &str| if text.is_empty() { Err("must not be empty") } else { Ok(text.into()) };
    let data_dir = reader.value("data_dir", path);
    let listeners = listeners::read(reader);
    let database = reader.optional("database", DatabaseTarget::parse);
    let mail = reader.optional("mail", mail_target).unwrap_or(MailTarget::None);
    let mail_from = reader.optional("mail_from", EmailAddress::parse);
    let organization = reader.value("organization", DisplayName::parse);
    let time_zone = reader.value("time_zone", Zone::parse);
    let logins = read_logins(reader);
    let logs = read_logs(reader);
    let threads = reader.optional("hash_threads", |text| Reader::count(text, 1, 256));
    let secret_scanning_keys = reader.optional("secret_scanning_keys_file", signing_keys);
    let openpgp_lookup = reader.value("openpgp_lookup", openpgp_lookup);
    let countries = reader.optional("countries_file", countries).unwrap_or_default();
    let data_dir: PathBuf = data_dir?;
    Some(Config {
        database: database.unwrap_or_else(|| embedded_database(&data_dir)),
        data_dir,
        listeners,
        mail,
        mail_from,
        organization: organization?,
        time_zone: time_zone?,
        logins,
        logs,
        secret_scanning_keys,
        openpgp_lookup: openpgp_lookup?,
        countries: Arc::new(countries),
        hash_threads: threads.map_or_else(processors, |threads| threads as usize),
    })
}

fn read_logins(reader: &mut Reader<'_>) -> Logins {
    let usual = SourcePolicy::default();
    let count = |text: &str| Reader::count(text, 1, 1_000_000);
    Logins {
        password_grant: reader.flag("logins.password_grant"),
        tell_missing_token: reader.flag("logins.tell_missing_token"),
        source: SourcePolicy {
            names: reader.value("logins.source_names", count).unwrap_or(usual.names),
            failures: reader.value("logins.source_failures", count).unwrap_or(usual.failures),
            period: reader.value("logins.source_period", period).unwrap_or(usual.period),
        },
    }
}

fn read_logs(reader: &mut Reader<'_>) -> Logs {
    let format = |text: &str| {
        Ok::<_, Infallible>(if text == "json" { LogFormat::Json } else { LogFormat::Text })
    };
    Logs {
        format: reader.value("log_format", format).unwrap_or(LogFormat::Text),
        level: reader.value("log_level", str::parse).unwrap_or(LevelFilter::INFO),
    }
}

fn mail_target(text: &str) -> Result<MailTarget, String> {
    match MailTarget::parse(text) {
        Ok(MailTarget::Mailbox) => {
            Err("must not be mailbox:, the development mailbox that only `symbolon demo` opens"
                .to_owned())
        }
        Ok(target @ (MailTarget::None | MailTarget::Smtp(_))) => Ok(target),
        Err(fault) => Err(fault.to_string()),
    }
}

fn openpgp_lookup(text: &str) -> Result<OpenpgpLookup, &'static str> {
    match text {
        "off" => Ok(OpenpgpLookup::Off),
        "wkd" => Ok(OpenpgpLookup::Wkd),
        _ => Err("must be one of off, wkd"),
    }
}

fn signing_keys(path: &str) -> Result<SigningKeys, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    SigningKeys::parse(&text).map_err(|fault| fault.to_string())
}

fn countries(path: &str) -> Result<Countries, String> {
    let cannot = |error| format!("cannot be read: {error}");
    let mut text = String::new();
    let file = File::open(path).map_err(cannot)?;
    file.take(MOST_OF_COUNTRIES + 1).read_to_string(&mut text).map_err(cannot)?;
    if text.len() as u64 > MOST_OF_COUNTRIES {
        return Err("must not be larger than 256 MiB".to_owned());
    }
    Countries::parse(&text).map_err(|fault| fault.to_string())
}

fn period(text: &str) -> Result<Duration, String> {
    let span = spans::parse(text).map_err(|fault| fault.to_string())?;
    if span < Duration::from_secs(1) { Err("must be at least 1s".to_owned()) } else { Ok(span) }
}

fn processors() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

//! `doctor`: looks at an installation from where the server stands. Changes nothing.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use symbolon_mail::MailTarget;
use symbolon_store::{DatabaseTarget, Store};
use tokio::time::timeout;

use super::link::Link;
use crate::config::Config;
use crate::exit::{Exit, Failure, chain};
use crate::out::{Column, Out};
use crate::serve::data_dir::is_open_to_others;
use crate::serve::key_file;

const FINDINGS: &[Column] = &[("CHECK", "check"), ("STATE", "state"), ("DETAIL", "detail")];
const PATIENCE: Duration = Duration::from_secs(10);

/// What was found of one thing.
enum Finding {
    Sound(String),
    /// Works, but somebody should know.
    Warning(String),
    Broken(String),
}

pub(super) async fn examine(config: Config, out: Out) -> Result<(), Failure> {
    let status = Link::of(&config.data_dir).get("/status").await;
    let found = [
        ("data dir", data_dir(&config.data_dir)),
        ("keys", keys(&config.data_dir)),
        ("server", server(&status)),
        ("hashing", hashing(&status)),
        ("database", database(&config.database).await),
        ("mail", mail(&config)),
        ("transport", transport(&config)),
    ];
    let broken = found.iter().filter(|(_, finding)| matches!(finding, Finding::Broken(_))).count();
    let rows: Value = found.into_iter().map(|(check, finding)| row(check, finding)).collect();
    out.rows(&rows, FINDINGS)?;
    if broken == 0 {
        return Ok(());
    }
    Err(Failure::new(Exit::Failed, format!("{broken} of the checks failed")))
}

fn row(check: &str, finding: Finding) -> Value {
    let (state, detail) = match finding {
        Finding::Sound(detail) => ("ok", detail),
        Finding::Warning(detail) => ("warning", detail),
        Finding::Broken(detail) => ("failed", detail),
    };
    json!({ "check": check, "state": state, "detail": detail })
}

fn data_dir(path: &Path) -> Finding {
    match fs::metadata(path) {
        Ok(found) if !found.is_dir() => {
            Finding::Broken(format!("{} is no directory", path.display()))
        }
        Ok(found) if is_open_to_others(&found) => {
            Finding::Broken(format!("{} is open to others: chmod 700", path.display()))
        }
        Ok(_) => Finding::Sound(path.display().to_string()),
        Err(error) => Finding::Broken(format!("{}: {error}", path.display())),
    }
}

fn keys(data_dir: &Path) -> Finding {
    match key_file::read(data_dir) {
        Ok(Some(_)) => Finding::Sound("the key ring can be read".to_owned()),
        Ok(None) => Finding::Warning("there are none yet: the first start makes them".to_owned()),
        Err(failure) => Finding::Broken(failure.reason),
    }
}

fn server(status: &Result<Value, Failure>) -> Finding {
    match status {
        Ok(status) if status["has_administrator"] == false => {
            Finding::Warning("runs, without an administrator: symbolon recover-admin".to_owned())
        }
        Ok(status) => {
            let text = |name: &str| status[name].as_str().unwrap_or_default().to_owned();
            Finding::Sound(format!("{} at {}", text("version"), text("public_url")))
        }
        Err(failure) => Finding::Broken(failure.reason.clone()),
    }
}

/// Whether a flood of log-ins can slow anything down, and what slows log-ins down.
fn hashing(status: &Result<Value, Failure>) -> Finding {
    let Ok(status) = status else {
        return Finding::Warning("not known: no server answers".to_owned());
    };
    match status["hashing"].as_str() {
        Some("idle") => Finding::Sound(
            "passwords are hashed at idle priority: log-ins do not slow verification down. While other \
             work takes every processor, one thread at normal priority goes on with them"
                .to_owned(),
        ),
        Some("normal") => Finding::Warning(
            "passwords are hashed at normal priority, for this system allows no idle one: a flood of \
             log-ins slows verification down"
                .to_owned(),
        ),
        _ => Finding::Warning(
            "not known yet: the threads that hash passwords have not run so far. If it stays like \
             this, other work takes every processor, and one thread at normal priority goes on with \
             log-ins"
                .to_owned(),
        ),
    }
}

async fn database(target: &DatabaseTarget) -> Finding {
    // Opening would create a missing file.
    if let DatabaseTarget::SqliteFile(path) = target
        && !path.exists()
    {
        return Finding::Warning(format!("{}: not there yet", path.display()));
    }
    match timeout(PATIENCE, Store::open(target)).await {
        Ok(Ok(store)) => {
            let engine = store.engine();
            store.close().await;
            Finding::Sound(format!("{engine} answers"))
        }
        Ok(Err(error)) => Finding::Broken(chain(&error)),
        Err(_) => Finding::Broken("it does not answer".to_owned()),
    }
}

fn mail(config: &Config) -> Finding {
    match config.mail {
        MailTarget::None => Finding::Warning("no mail server: mail waits in the outbox".to_owned()),
        MailTarget::Smtp(_) | MailTarget::Mailbox => Finding::Sound("configured".to_owned()),
    }
}

fn transport(config: &Config) -> Finding {
    let open = config.listeners.http.filter(|address| !address.ip().is_loopback());
    match open {
        Some(address) if config.listeners.trusted_proxies.is_empty() => {
            Finding::Warning(format!("plain HTTP on {address} without a trusted proxy"))
        }
        Some(_) => Finding::Sound("plain HTTP behind a proxy".to_owned()),
        None => Finding::Sound("plain HTTP on loopback alone".to_owned()),
    }
}

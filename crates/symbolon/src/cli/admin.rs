//! The commands that administer: each asks the running server one thing and tells its answer.

use std::fs::File;
use std::io::{self, BufRead as _, Read as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use symbolon_core::names::{DeviceType, DisplayName};
use zeroize::Zeroizing;

use super::commands::{
    ClientCommand, DeviceRulesArgs, DeviceTypeCommand, LoginCommand, MailCommand, NetworkCommand,
    OnOff, OneUser, PolicyArgs, ProfileCommand, ScopeArg, SecretCommand, TokenCommand, UserCommand,
};
use super::link::{Link, segment};
use super::{breakage, bulk_reset, explain, token_show};
use crate::exit::{Exit, Failure};
use crate::out::{Column, Out, table};

/// Rows of one answer; a shorter one is the last.
const PAGE: usize = 1000;

const SESSIONS: &[Column] = &[
    ("ID", "id"),
    ("KIND", "kind"),
    ("CLIENT", "client"),
    ("FROM", "source"),
    ("SINCE", "started_at"),
    ("LAST USE", "last_used_at"),
];

const USERS: &[Column] = &[
    ("USERNAME", "username"),
    ("NAME", "name"),
    ("PROFILE", "profile"),
    ("ADMIN", "administrator"),
    ("ACTIVATED", "activated"),
    ("FROZEN", "frozen_at"),
    ("LOCKED UNTIL", "locked_until"),
    ("LAST LOGIN", "last_login_at"),
];
const TOKENS: &[Column] = &[
    ("ID", "id"),
    ("USER", "user"),
    ("DEVICE TYPE", "device_type"),
    ("STATE", "state"),
    ("ISSUED", "issued_at"),
    ("EXPIRES", "expires_at"),
    ("LAST USED", "last_used_at"),
];
const SIGNALS: &[Column] = &[
    ("ID", "id"),
    ("USER", "user"),
    ("TOKEN", "token"),
    ("RULE", "rule"),
    ("LAST SEEN", "last_at"),
    ("FALSE ALARM", "false_alarm_at"),
    ("EVIDENCE", "evidence"),
];
const NETWORKS: &[Column] = &[("RANGE", "range"), ("LABEL", "label"), ("SINCE", "created_at")];
const CLIENTS: &[Column] = &[
    ("CLIENT ID", "client_id"),
    ("NAME", "name"),
    ("PASSWORD GRANT", "password_grant"),
    ("SINCE", "created_at"),
    ("SECRET ID", "secret_id"),
    ("SECRET SINCE", "secret_created_at"),
];
const DEVICE_TYPES: &[Column] = &[
    ("NAME", "name"),
    ("BEARER", "bearer"),
    ("MAX AGE", "max_age"),
    ("REMINDERS", "reminders"),
    ("ADDRESSES", "addresses"),
    ("IDLE END", "idle_end"),
    ("OVERLAP", "overlap"),
    ("HOLDERS", "holders"),
    ("FOR", "client_kind"),
    ("ON MISMATCH", "on_mismatch"),
    ("MOST PLACES", "most_places"),
    ("ON SHARING", "on_sharing"),
    ("SINCE", "created_at"),
];
const PROFILES: &[Column] = &[
    ("NAME", "name"),
    ("EVERYBODY", "everybody"),
    ("ACCESS", "access"),
    ("LOGIN HOURS", "login_hours"),
    ("TIME ZONE", "time_zone"),
    ("LOGIN RANGES", "login_ranges"),
    ("DUTY", "duty"),
    ("ENROL GRACE", "enrol_grace"),
    ("SESSION IDLE", "session_idle"),
    ("WEB LIFETIME", "web_lifetime"),
    ("PASSWORD LENGTH", "password_min_length"),
    ("KINDS", "password_kinds"),
    ("HISTORY", "password_history"),
    ("PASSWORD MAX AGE", "password_max_age"),
    ("TOKEN MAX AGE", "token_max_age"),
    ("SESSIONS ON RESET", "sessions_on_reset"),
    ("TOKENS ON PASSWORD CHANGE", "tokens_on_password_change"),
    ("MAIL ENCRYPTION", "mail_encryption"),
    ("LOCKOUT", "lockout_failures"),
    ("FOR", "lockout_period"),
];
/// What `login history` shows.
pub(crate) const LOGINS: &[Column] = &[
    ("TIME", "time"),
    ("USER", "user"),
    ("HEAD", "head"),
    ("CLIENT", "client"),
    ("SOURCE", "source"),
    ("OUTCOME", "outcome"),
    ("REASON", "reason"),
    ("CORRELATION ID", "correlation_id"),
];
const LETTERS: &[Column] = &[
    ("ID", "id"),
    ("TO", "to"),
    ("KIND", "kind"),
    ("STATE", "state"),
    ("ATTEMPTS", "attempts"),
    ("NEXT TRY", "next_try"),
    ("LAST REPLY", "last_reply"),
];

pub(super) async fn user(link: Link, out: Out, command: UserCommand) -> Result<(), Failure> {
    match command {
        UserCommand::Add { username, email, name, profile, admin, password_stdin } => {
            let password = if password_stdin { Some(read_password()?) } else { None };
            let asked = json!({
                "username": username.as_str(),
                "email": email.as_str(),
                "name": name.as_ref().map(DisplayName::as_str),
                "profile": profile,
                "administrator": admin,
                "password": password.as_deref(),
            });
            out.card(&link.post("/users", asked).await?)?;
            if password.is_none() {
                out.note(&format!("\nAn invitation is on its way to {email}."))?;
            }
            Ok(())
        }
        UserCommand::List => out.rows(&all_pages(&link, "/users?", "username").await?, USERS),
        UserCommand::Show(OneUser { username }) => {
            out.card(&link.get(&format!("/users/{}", segment(&username))).await?)
        }
        UserCommand::Freeze(OneUser { username }) => {
            link.post(&format!("/users/{}/freeze", segment(&username)), Value::Null).await?;
            out.note(&format!("{username} is frozen: sessions have ended, logins are refused."))
        }
        UserCommand::Unfreeze(OneUser { username }) => {
            link.post(&format!("/users/{}/unfreeze", segment(&username)), Value::Null).await?;
            out.note(&format!("{username} may log in again."))
        }
        UserCommand::UnfreezeTokens(OneUser { username }) => {
            let path = format!("/users/{}/unfreeze-tokens", segment(&username));
            link.post(&path, Value::Null).await?;
            out.note(&format!("The tokens of {username} are not frozen."))
        }
        UserCommand::Unlock(OneUser { username }) => {
            link.post(&format!("/users/{}/unlock", segment(&username)), Value::Null).await?;
            out.note(&format!("{username} is not locked out."))
        }
        UserCommand::Remove(OneUser { username }) => {
            link.delete(&format!("/users/{}", segment(&username))).await?;
            out.note(&format!("{username} is removed."))
        }
        UserCommand::SetPassword(OneUser { username }) => {
            let asked = json!({ "password": read_password()?.as_str() });
            let path = format!("/users/{}/password", segment(&username));
            link.put(&path, asked).await?;
            out.note(&format!("{username} has a new password; sessions have ended."))
        }
        UserCommand::SetProfile { username, profile } => {
            let path = format!("/users/{}/profile", segment(&username));
            link.put(&path, json!({ "profile": profile })).await?;
            out.note(&format!("{username} is under the profile {profile}."))
        }
        UserCommand::SetDelivery { username, to, none: _ } => {
            let path = format!("/users/{}/delivery", segment(&username));
            link.put(&path, json!({ "email": to })).await?;
            let to = to.unwrap_or_else(|| "the user's own address".to_owned());
            out.note(&format!(
                "Mail with a token of {username} goes to {to} from now on. If there is an OpenPGP key, it stays \
                 encrypted to it: set-key replaces or removes the key."
            ))
        }
        UserCommand::SetKey { username, wkd: true, .. } => {
            let path = format!("/users/{}/openpgp-key/look-up", segment(&username));
            let found = link.post(&path, json!({})).await?;
            let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
            out.note(&format!(
                "Mail with a token of {username} is encrypted from now on to the key {}, which was found for {}.",
                text("fingerprint"),
                text("address")
            ))
        }
        UserCommand::SetKey { username, file, .. } => {
            let path = format!("/users/{}/openpgp-key", segment(&username));
            let key = file.map(|file| key_in(&file)).transpose()?;
            let encrypted = if key.is_some() { "is encrypted" } else { "goes in clear" };
            link.put(&path, json!({ "key": key })).await?;
            out.note(&format!("Mail with a token of {username} {encrypted} from now on."))
        }
        UserCommand::ResetSecondFactors(OneUser { username }) => {
            link.delete(&format!("/users/{}/second-factors", segment(&username))).await?;
            out.note(&format!("{username} has no second factor any more, and is told by mail."))
        }
        UserCommand::Sessions(OneUser { username }) => {
            let path = format!("/users/{}/sessions", segment(&username));
            out.rows(&link.get(&path).await?, SESSIONS)
        }
        UserCommand::EndSession { username, session, .. } => {
            let sessions = format!("/users/{}/sessions", segment(&username));
            if let Some(session) = session {
                link.delete(&format!("{sessions}/{}", segment(&session))).await?;
                out.note(&format!("Session {session} of {username} has ended."))
            } else {
                link.delete(&sessions).await?;
                out.note(&format!("Every session of {username} has ended."))
            }
        }
    }
}

pub(super) async fn token(link: Link, out: Out, command: TokenCommand) -> Result<(), Failure> {
    match command {
        TokenCommand::Reset { username, bulk, device_type, scope, reason, dry_run } => {
            let usual =
                if device_type.is_some() { ScopeArg::DeviceType } else { ScopeArg::Account };
            let scope = match scope.unwrap_or(usual) {
                ScopeArg::Account => "account",
                ScopeArg::DeviceType => "device-type",
            };
            let device_type = device_type.as_ref().map(DeviceType::as_str);
            let Some(username) = username else {
                let asked = json!({ "device_type": device_type, "scope": scope, "reason": reason });
                return bulk_reset::reset(&link, out, &bulk, asked, dry_run).await;
            };
            if dry_run {
                return breakage::token_reset(&link, out, &username, scope, device_type).await;
            }
            let asked = json!({ "device_type": device_type, "scope": scope, "reason": reason });
            let path = format!("/users/{}/reset", segment(&username));
            let receipt = link.post(&path, asked).await?;
            out.data(&receipt, |receipt| {
                let retired = counted(&receipt["retired"], "earlier token");
                format!("Done: {retired} retired. The new token is mailed.")
            })
        }
        TokenCommand::Rotate { username, device_type, cancel: true, .. } => {
            let device_type = device_type.as_ref().map(DeviceType::as_str);
            let path = format!("/users/{}/cancel-rotation", segment(&username));
            let done = link.post(&path, json!({ "device_type": device_type })).await?;
            out.data(&done, |_| {
                "Cancelled: the new token has ended, the old one works on.".to_owned()
            })
        }
        TokenCommand::Rotate { username, device_type, overlap, request_key, reason, .. } => {
            let asked = json!({
                "device_type": device_type.as_ref().map(DeviceType::as_str),
                "overlap": overlap,
                "request_key": request_key,
                "reason": reason,
            });
            let path = format!("/users/{}/rotate", segment(&username));
            let receipt = link.post(&path, asked).await?;
            out.data(&receipt, |receipt| match receipt["outgoing_until"].as_str() {
                Some(until) => format!(
                    "The new token is mailed. The old one works until that is first used, \
                     at the latest until {until}."
                ),
                None => "This request was made before; the old token has ended since.".to_owned(),
            })
        }
        TokenCommand::BulkResets => bulk_reset::list(&link, out).await,
        TokenCommand::List { user } => {
            let of = user.map(|user| format!("user={}&", segment(&user))).unwrap_or_default();
            out.rows(&all_pages(&link, &format!("/tokens?{of}"), "id").await?, TOKENS)
        }
        TokenCommand::Show { id } => {
            out.data(&link.get(&format!("/tokens/{}", segment(&id))).await?, token_show::told)
        }
        TokenCommand::Revoke { id } => {
            link.delete(&format!("/tokens/{}", segment(&id))).await?;
            out.note(&format!("Token {id} is retired."))
        }
        TokenCommand::Signals { username } => {
            let of = username.map(|name| format!("?user={}", segment(&name))).unwrap_or_default();
            out.rows(&link.get(&format!("/sharing-signals{of}")).await?, SIGNALS)
        }
        TokenCommand::FalseAlarm { id } => {
            let path = format!("/sharing-signals/{}/false-alarm", segment(&id));
            link.post(&path, json!({})).await?;
            out.note(&format!("Signal {id} is a false alarm; the same is not raised again."))
        }
        // Needs no server; `super::dispatch` has done it.
        TokenCommand::Check { .. } | TokenCommand::Scan { .. } => Ok(()),
    }
}

pub(super) async fn network(link: Link, out: Out, command: NetworkCommand) -> Result<(), Failure> {
    match command {
        NetworkCommand::Add { range, label } => {
            let label = label.as_ref().map(DisplayName::as_str);
            let asked = json!({ "range": range.to_string(), "label": label });
            out.card(&link.post("/networks", asked).await?)
        }
        NetworkCommand::List => out.rows(&link.get("/networks").await?, NETWORKS),
        NetworkCommand::Remove { range } => {
            link.delete(&format!("/networks?range={}", segment(&range.to_string()))).await?;
            out.note(&format!("{range} is no longer trusted."))
        }
    }
}

pub(super) async fn client(link: Link, out: Out, command: ClientCommand) -> Result<(), Failure> {
    match command {
        ClientCommand::Add { name, no_password_grant } => {
            let asked = json!({ "name": name.as_str(), "password_grant": !no_password_grant });
            out.card(&link.post("/clients", asked).await?)?;
            out.note("\nThe secret is not shown again.")
        }
        ClientCommand::List => out.data(&link.get("/clients").await?, |clients| {
            table(&one_for_each_secret(clients), CLIENTS)
        }),
        ClientCommand::Remove { id } => {
            link.delete(&format!("/clients/{}", segment(&id))).await?;
            out.note(&format!("Client {id} is removed."))
        }
        ClientCommand::Secret(SecretCommand::Add { client_id }) => {
            let path = format!("/clients/{}/secrets", segment(&client_id));
            out.card(&link.post(&path, Value::Null).await?)?;
            out.note("\nThe secret is not shown again. The client's other secrets are accepted as before.")
        }
        ClientCommand::Secret(SecretCommand::Remove { client_id, secret_id }) => {
            let (client, secret) = (segment(&client_id), segment(&secret_id));
            link.delete(&format!("/clients/{client}/secrets/{secret}")).await?;
            out.note(&format!("Secret {secret_id} is removed."))
        }
    }
}

pub(super) async fn device_type(
    link: Link,
    out: Out,
    command: DeviceTypeCommand,
) -> Result<(), Failure> {
    match command {
        DeviceTypeCommand::List => out.rows(&link.get("/device-types").await?, DEVICE_TYPES),
        DeviceTypeCommand::Add { name, rules } => {
            let bearer = rules.bearer == Some(OnOff::On);
            let asked = json!({ "name": name.as_str(), "bearer": bearer, "rules": device_rules_of(&rules) });
            out.card(&link.post("/device-types", asked).await?)
        }
        DeviceTypeCommand::Set { name, rules } => {
            let path = format!("/device-types/{}", segment(&name));
            out.card(&link.patch(&path, device_rules_of(&rules)).await?)
        }
    }
}

pub(super) async fn profile(link: Link, out: Out, command: ProfileCommand) -> Result<(), Failure> {
    match command {
        ProfileCommand::List => out.rows(&link.get("/profiles").await?, PROFILES),
        ProfileCommand::Add { name, policy } => {
            let asked = json!({ "name": name.as_str(), "policy": policy_of(&policy) });
            out.card(&link.post("/profiles", asked).await?)
        }
        ProfileCommand::Set { name, policy } => out
            .card(&link.patch(&format!("/profiles/{}", segment(&name)), policy_of(&policy)).await?),
    }
}

pub(super) async fn login(link: Link, out: Out, command: LoginCommand) -> Result<(), Failure> {
    match command {
        LoginCommand::Explain(question) => explain::login(&link, out, &question).await,
        LoginCommand::History { user, limit } => {
            let of = user.map(|user| format!("&user={}", segment(&user))).unwrap_or_default();
            out.rows(&link.get(&format!("/logins?limit={limit}{of}")).await?, LOGINS)
        }
    }
}

pub(super) async fn mail(link: Link, out: Out, command: MailCommand) -> Result<(), Failure> {
    match command {
        MailCommand::Status { limit } => {
            let letters = match limit {
                Some(limit) => link.get(&format!("/letters?limit={limit}")).await?,
                None => all_pages(&link, "/letters?", "id").await?,
            };
            out.rows(&letters, LETTERS)
        }
        MailCommand::Retry { id } => {
            let retried = link.post("/letters/retry", json!({ "letter": id })).await?;
            out.data(&retried, |retried| format!("{} due now.", counted(&retried["due"], "letter")))
        }
    }
}

fn device_rules_of(rules: &DeviceRulesArgs) -> Value {
    json!({
        "bearer": rules.bearer.map(|bearer| bearer == OnOff::On),
        "max_age": rules.max_age,
        "reminders": rules.reminders,
        "addresses": rules.addresses,
        "idle_end": rules.idle_end,
        "overlap": rules.overlap,
        "holders": rules.holders,
        "client_kind": rules.client_kind,
        "on_mismatch": rules.on_mismatch,
        "most_places": rules.most_places,
        "on_sharing": rules.on_sharing,
    })
}

fn policy_of(policy: &PolicyArgs) -> Value {
    json!({
        "access": policy.access,
        "login_hours": policy.login_hours,
        "time_zone": policy.time_zone,
        "login_ranges": policy.login_ranges,
        "duty": policy.duty,
        "enrol_grace": policy.enrol_grace,
        "session_idle": policy.session_idle,
        "web_lifetime": policy.web_lifetime,
        "password_min_length": policy.password_min_length,
        "password_kinds": policy.password_kinds,
        "password_history": policy.password_history,
        "password_max_age": policy.password_max_age,
        "token_max_age": policy.token_max_age,
        "sessions_on_reset": policy.sessions_on_reset,
        "tokens_on_password_change": policy.tokens_on_password_change,
        "mail_encryption": policy.mail_encryption,
        "lockout_failures": policy.lockout_failures,
        "lockout_period": policy.lockout_period,
    })
}

/// Clients as rows of a table: one for each secret, because it is a secret's age that is looked for.
fn one_for_each_secret(clients: &Value) -> Value {
    let clients = clients.as_array().map(Vec::as_slice).unwrap_or_default();
    let rows = clients.iter().flat_map(|client| {
        let secrets = client["secrets"].as_array().map(Vec::as_slice).unwrap_or_default();
        secrets.iter().map(|secret| {
            let mut row = client.clone();
            row["secret_id"] = secret["secret_id"].clone();
            row["secret_created_at"] = secret["created_at"].clone();
            row
        })
    });
    Value::Array(rows.collect())
}

/// Asks page by page; each begins after the last row of the one before, named by `key`.
async fn all_pages(link: &Link, path: &str, key: &str) -> Result<Value, Failure> {
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page = link.get(&format!("{path}limit={PAGE}{after}")).await?;
        let rows = page.as_array().cloned().unwrap_or_default();
        let full = rows.len() == PAGE;
        let last = rows.last().and_then(|row| row[key].as_str()).map(segment);
        all.extend(rows);
        match last {
            Some(last) if full => after = format!("&after={last}"),
            Some(_) | None => return Ok(Value::Array(all)),
        }
    }
}

/// `1 letter`, `2 letters`.
fn counted(count: &Value, what: &str) -> String {
    let ending = if count.as_u64() == Some(1) { "" } else { "s" };
    format!("{count} {what}{ending}")
}

/// A key for the wire. What is larger than a key can be is cut, and refused by the server.
fn key_in(file: &Path) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|open| open.take(48 * 1024).read_to_end(&mut bytes));
    let what = || format!("cannot read {}", file.display());
    read.map_err(|error| Failure::because(Exit::Failed, what(), &error))?;
    Ok(STANDARD.encode(bytes))
}

/// One line of stdin, without its end.
fn read_password() -> Result<Zeroizing<String>, Failure> {
    let mut line = Zeroizing::new(String::new());
    let read = io::stdin().lock().read_line(&mut line);
    read.map_err(|error| {
        Failure::because(Exit::Failed, "cannot read the password from stdin", &error)
    })?;
    let password = line.strip_suffix('\n').unwrap_or(&line);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        return Err(Failure::new(Exit::Usage, "there is no password on stdin"));
    }
    Ok(Zeroizing::new(password.to_owned()))
}

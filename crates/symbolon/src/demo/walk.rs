//! The walk: user, reset, mail, API login with the new token, second reset, the old token refused,
//! the history that says why.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use symbolon_mail::{Mailbox, Received};
use tokio::time::{sleep, timeout};

use super::browser::Browser;
use super::form::Form;
use super::screen::Screen;
use super::soap;
use crate::cli::link::{Link, segment};
use crate::exit::{Exit, Failure};
use crate::out::{Column, say, table};
use crate::serve::Server;

pub(super) const USERNAME: &str = "ada@example.com";
const CONFIRM: &str = "/setup/reset-security-token/confirm";
/// How long a mail may take; it is there "within moments".
const MAIL_PATIENCE: Duration = Duration::from_secs(10);
const CODE_LINE: &str = "Verification code: ";
const TOKEN_LINE: &str = "Security token (case-sensitive): ";
const HISTORY: &[Column] = &[
    ("TIME", "time"),
    ("HEAD", "head"),
    ("SOURCE", "source"),
    ("OUTCOME", "outcome"),
    ("REASON", "reason"),
];

/// Who walks.
pub(super) struct Visitor {
    pub(super) username: &'static str,
    pub(super) password: String,
}

/// Walks the whole job.
///
/// # Errors
/// The first step that did not do what it should.
pub(super) async fn walk(
    server: &Server,
    mailbox: &Arc<Mailbox>,
    visitor: &Visitor,
    screen: Screen,
) -> Result<(), Failure> {
    let address = http_address(server)?;
    say(&format!(
        "Symbolon {}: the whole job, on a throw-away server at {}",
        env!("CARGO_PKG_VERSION"),
        server.bound.public_url
    ))?;

    screen.step(1, "A user is added (by the command line, over the control socket)")?;
    add_user(server, visitor, screen).await?;

    screen.step(2, "Ada resets her security token (in the browser)")?;
    reset(address, mailbox, visitor, screen).await?;

    screen.step(3, "The mail: the only time that the token is ever shown")?;
    let first = await_token(mailbox, None, screen).await?;

    screen.step(4, "A Salesforce client logs in with password + token (SOAP)")?;
    screen.input(&format!("POST {}\n{}", soap::PATH, login_of(visitor, &first)))?;
    let answer = log_in(address, visitor, &first, screen).await?;
    screen.answer(&soap::excerpt(&answer, &["sessionId", "serverUrl", "userName"]))?;
    screen.judge(soap::element(&answer, "sessionId").is_some(), "the new token works at once")?;

    screen.step(5, "Ada resets again")?;
    reset(address, mailbox, visitor, screen).await?;
    let second = await_token(mailbox, Some(&first), screen).await?;

    screen.step(6, "The old token is refused, without telling strangers why")?;
    screen.input(&format!(
        "POST {}  {} / {}{first}",
        soap::PATH,
        visitor.username,
        visitor.password
    ))?;
    let answer = log_in(address, visitor, &first, screen).await?;
    screen.answer(&soap::excerpt(&answer, &["faultcode", "faultstring"]))?;
    let fault = soap::element(&answer, "faultstring").unwrap_or_default();
    screen.judge(
        fault.contains("INVALID_LOGIN"),
        "every earlier token is dead when a reset says so",
    )?;
    screen.input(&format!(
        "POST {}  {} / {}{second}",
        soap::PATH,
        visitor.username,
        visitor.password
    ))?;
    let answer = log_in(address, visitor, &second, screen).await?;
    screen.answer(&soap::excerpt(&answer, &["sessionId"]))?;
    screen.judge(soap::element(&answer, "sessionId").is_some(), "the newest token works")?;

    screen.step(7, "Ada's login history says exactly why")?;
    show_history(server, visitor, screen).await
}

/// Tells a person how to do the walk himself.
pub(super) fn invite(server: &Server, visitor: &Visitor, dir: &Path) -> Result<(), Failure> {
    let url = &server.bound.public_url;
    let tls = server.bound.tls.map(|address| format!("https://{address}")).unwrap_or_default();
    let data_dir = dir.join("data");
    let data_dir = data_dir.display();
    say(&format!(
        "\nNow you. The server stays up until Ctrl-C ends it and removes everything.\n\n\
         \x20  Log in     {url}/login\n\
         \x20             {tls}/login  (private authority: {data_dir}/ca.pem)\n\
         \x20  Username   {}\n\
         \x20  Password   {}\n\
         \x20  Mail       {url}/dev/mailbox\n\
         \x20  Command    symbolon user list --data-dir {data_dir}\n\n\
         Setup (top right) > My Personal Information > Reset Security Token > Save, then read the mail.",
        visitor.username, visitor.password
    ))
}

async fn add_user(server: &Server, visitor: &Visitor, screen: Screen) -> Result<(), Failure> {
    screen.input(&format!(
        "symbolon user add {0} --email {0} --name \"Ada Lovelace\" --admin --password-stdin",
        visitor.username
    ))?;
    let asked = json!({
        "username": visitor.username,
        "email": visitor.username,
        "name": "Ada Lovelace",
        "administrator": true,
        "password": visitor.password,
    });
    let user = link(server).post("/users", asked).await?;
    let text = |name: &str| user[name].as_str().unwrap_or_default().to_owned();
    screen.answer(&format!(
        "id {}  username {}  profile {}",
        text("id"),
        text("username"),
        text("profile")
    ))?;
    screen.judge(user["activated"] == true, "the user exists and may log in")
}

/// The walk of the product: log in, Setup, confirm with the current password, Save.
async fn reset(
    address: SocketAddr,
    mailbox: &Mailbox,
    visitor: &Visitor,
    screen: Screen,
) -> Result<(), Failure> {
    let before = codes_in(mailbox).len();
    let mut browser = Browser::at(address);
    let page = browser.get("/login").await?;
    let mut form = form_of(&page.text, &page.path)?;
    form.type_text(visitor.username);
    form.type_password(&visitor.password);
    screen.input(&format!("Log In      Username {}, Password ****", visitor.username))?;
    let page = browser.submit(&form.action, &form.fields).await?;
    screen.answer(&format!("{} {}", page.status, page.path))?;

    // The browser is not known yet: a code comes by mail.
    let mut form = form_of(&page.text, &page.path)?;
    let code = await_code(mailbox, before).await?;
    form.type_text(&code);
    screen.input(&format!("Verify      Verification Code {code}, from the mail"))?;
    let page = browser.submit(&form.action, &form.fields).await?;
    screen.answer(&format!("{} {}", page.status, page.path))?;

    let page = browser.get(CONFIRM).await?;
    let mut form = form_of(&page.text, &page.path)?;
    form.type_password(&visitor.password);
    screen.input("Setup > My Personal Information > Reset Security Token")?;
    screen.input("Save        Current Password ****")?;
    let page = browser.submit(&form.action, &form.fields).await?;
    screen.answer(&format!("{} {}", page.status, page.path))?;
    screen.judge(page.status == StatusCode::OK && page.path != CONFIRM, "the reset has its receipt")
}

fn form_of(page: &str, path: &str) -> Result<Form, Failure> {
    let missing =
        || Failure::new(Exit::Failed, format!("there is no form with a password at {path}"));
    Form::with_password(page, path).ok_or_else(missing)
}

/// The code of the newest mail, once there are more than `before` with one.
async fn await_code(mailbox: &Mailbox, before: usize) -> Result<String, Failure> {
    let arrival = async {
        loop {
            let mut codes = codes_in(mailbox);
            if codes.len() > before {
                return codes.swap_remove(0);
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let missing = |_| Failure::new(Exit::Failed, "the demonstration failed: no code came by mail");
    timeout(MAIL_PATIENCE, arrival).await.map_err(missing)
}

/// The codes that have come by mail, the newest first.
fn codes_in(mailbox: &Mailbox) -> Vec<String> {
    let mails = mailbox.list();
    let code = |mail: &Arc<Received>| {
        let line = mail.text.lines().find_map(|line| line.trim().strip_prefix(CODE_LINE));
        line.map(str::to_owned)
    };
    mails.iter().filter_map(code).collect()
}

/// The token of the newest mail that carries another than `before`.
async fn await_token(
    mailbox: &Arc<Mailbox>,
    before: Option<&str>,
    screen: Screen,
) -> Result<String, Failure> {
    let arrival = async {
        loop {
            let mails = mailbox.list();
            let fresh = mails.iter().find_map(|mail| {
                token_in(mail)
                    .filter(|token| Some(token.as_str()) != before)
                    .map(|token| (Arc::clone(mail), token))
            });
            match fresh {
                Some(fresh) => return fresh,
                None => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let Ok((mail, token)) = timeout(MAIL_PATIENCE, arrival).await else {
        return Err(Failure::new(Exit::Failed, "the demonstration failed: there is no mail"));
    };
    if before.is_some() {
        screen.answer(&format!("Subject: {}\n{TOKEN_LINE}{token}", mail.subject))?;
    } else {
        screen.answer(&format!(
            "To: {}\nSubject: {}\n\n{}",
            mail.to,
            mail.subject,
            mail.text.trim_end()
        ))?;
    }
    screen.shown("the token came by mail")?;
    Ok(token)
}

fn token_in(mail: &Received) -> Option<String> {
    let line = mail.text.lines().find_map(|line| line.trim().strip_prefix(TOKEN_LINE));
    line.map(str::to_owned)
}

/// The request as it is, credential and all: the server is thrown away in a moment.
fn login_of(visitor: &Visitor, token: &str) -> String {
    soap::login(visitor.username, &format!("{}{token}", visitor.password))
}

async fn log_in(
    address: SocketAddr,
    visitor: &Visitor,
    token: &str,
    screen: Screen,
) -> Result<String, Failure> {
    let body = login_of(visitor, token);
    let page = Browser::at(address).post(soap::PATH, soap::CONTENT_TYPE, body).await?;
    screen.answer(&format!("HTTP {}", page.status))?;
    Ok(page.text)
}

async fn show_history(server: &Server, visitor: &Visitor, screen: Screen) -> Result<(), Failure> {
    screen.input(&format!("symbolon login history --user {}", visitor.username))?;
    let path = format!("/logins?limit=20&user={}", segment(visitor.username));
    let history = link(server).get(&path).await?;
    screen.answer(&table(&history, HISTORY))?;
    let reasons = history.as_array().into_iter().flatten().filter_map(|row| row["reason"].as_str());
    let explained = reasons.into_iter().any(|reason| reason.starts_with("token retired "));
    screen.judge(
        explained && history[0] != Value::Null,
        "the owner sees when and by what it was retired",
    )
}

fn link(server: &Server) -> Link {
    Link::of(server.data_dir())
}

fn http_address(server: &Server) -> Result<SocketAddr, Failure> {
    let missing = || Failure::new(Exit::Failed, "the demonstration needs plain HTTP");
    server.bound.http.ok_or_else(missing)
}

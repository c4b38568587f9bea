//! Hands mail to a mail server by SMTP (RFC 5321), with STARTTLS, TLS or neither.
//!
//! Speaks the dialogue command by command, for two reasons: each has a time limit, and a 5xx means
//! something else in each. In reply to `MAIL`, `RCPT` or the mail itself it is about this letter;
//! earlier it is about our configuration, which somebody will mend, so the letter must wait.

mod linewise;
mod reply;

use std::error::Error as _;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use zeroize::Zeroizing;

use crate::compose::{Message, lettre_address};
use crate::letterhead::host_of;
use crate::smtp::linewise::Linewise;
use crate::smtp::reply::fit_to_show;
use crate::target::{Login, Security, SmtpTarget};
use crate::transport::{Delivery, Transport};

/// How long a connection may lie idle; servers may hang up after five minutes (RFC 5321 §4.5.3.2.7).
const IDLE: Duration = Duration::from_mins(1);
/// Mails on one connection; many servers allow a hundred.
const MAILS_PER_CONNECTION: u32 = 50;
/// Limit of a whole delivery, queueing included.
const WHOLE_DELIVERY: Duration = Duration::from_mins(4);
/// How long a farewell may take: nothing depends on it.
const FAREWELL: Duration = Duration::from_secs(2);

// A courier whose lease has run out would mail a letter twice.
const _: () = assert!(WHOLE_DELIVERY.as_secs() < symbolon_core::letter::LEASE.as_secs());

/// A mail server.
pub struct SmtpTransport {
    target: SmtpTarget,
    tls: Option<TlsParameters>,
    hello: ClientId,
    /// What must not come back in the server's words: our password in its three written forms.
    own_secrets: Vec<Zeroizing<String>>,
    permits: Semaphore,
    idle: Arc<Mutex<Idle>>,
}

/// Connections that wait for the next mail, and whether somebody sees to it that they do not wait
/// for ever.
#[derive(Default)]
struct Idle {
    connections: Vec<Connection>,
    watched: bool,
}

/// Why a mail server cannot be used at all.
#[derive(Debug, Error)]
pub enum SmtpSetupError {
    /// The file of `ca=` cannot be read.
    #[error("cannot read the certificates in {}", path.display())]
    ReadRoots {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file of `ca=` has no certificates.
    #[error("there is no PEM certificate in {}", path.display())]
    NoRoots {
        /// The file.
        path: PathBuf,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS for the mail server")]
    Tls(#[source] lettre::transport::smtp::Error),
}

struct Connection {
    smtp: AsyncSmtpConnection,
    mails: u32,
    idle_since: Instant,
}

/// The steps of a delivery, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Connect,
    StartTls,
    LogIn,
    Reset,
    Sender,
    Recipient,
    Data,
    Body,
}

struct Failure {
    words: String,
    /// Whether the server has refused this letter for good.
    final_refusal: bool,
    /// Whether the server still listens.
    answered: bool,
}

impl SmtpTransport {
    /// Prepares for `target`; connects to nothing yet. `public_url` has the name that we greet with.
    ///
    /// # Errors
    /// [`SmtpSetupError`] where the certificates to trust cannot be loaded.
    pub fn new(target: &SmtpTarget, public_url: &str) -> Result<Self, SmtpSetupError> {
        let tls = match target.security {
            Security::StartTls | Security::Tls => Some(tls_parameters(target)?),
            Security::Plain => None,
        };
        Ok(Self {
            tls,
            hello: hello_name(public_url),
            own_secrets: target.login.as_ref().map(written_forms).unwrap_or_default(),
            permits: Semaphore::new(target.connections),
            idle: Arc::default(),
            target: target.clone(),
        })
    }

    async fn attempt(&self, message: &Message) -> Result<Response, Failure> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        let mut connection = match self.take_idle().await {
            Some(connection) => connection,
            None => self.open().await?,
        };
        match self.transfer(&mut connection.smtp, message).await {
            Ok(response) => {
                self.give_back(connection);
                Ok(response)
            }
            Err(failure) => {
                if failure.answered {
                    // The outcome stands, whatever the farewell yields.
                    let _ = timeout(FAREWELL, connection.smtp.abort()).await;
                }
                Err(failure)
            }
        }
    }

    async fn transfer(
        &self,
        smtp: &mut AsyncSmtpConnection,
        message: &Message,
    ) -> Result<Response, Failure> {
        let mail = Mail::new(Some(lettre_address(message.from())), Vec::new());
        self.step(Step::Sender, smtp.command(mail)).await?;
        let rcpt = Rcpt::new(lettre_address(message.to()), Vec::new());
        self.step(Step::Recipient, smtp.command(rcpt)).await?;
        let go_ahead = self.step(Step::Data, smtp.command(Data)).await?;
        if !go_ahead.has_code(354) {
            return Err(Failure::out_of_step(Step::Data, &go_ahead));
        }
        self.step(Step::Body, smtp.message(message.reveal_raw())).await
    }

    async fn open(&self) -> Result<Connection, Failure> {
        let mut smtp = match (self.target.security, &self.tls) {
            (Security::Tls, Some(tls)) => {
                let server = (self.target.host.as_str(), self.target.port);
                let per_address = Some(self.target.timeout / 2);
                let tls = Some(tls.clone());
                let connect = AsyncSmtpConnection::connect_tokio1(
                    server,
                    per_address,
                    &self.hello,
                    tls,
                    None,
                );
                self.step(Step::Connect, connect).await?
            }
            (Security::StartTls, Some(tls)) => {
                let mut smtp = self.open_plain().await?;
                let upgrade = smtp.starttls(tls.clone(), &self.hello);
                self.step(Step::StartTls, upgrade).await?;
                smtp
            }
            (Security::Plain, _) | (_, None) => self.open_plain().await?,
        };
        if let Some(login) = &self.target.login {
            let credentials =
                Credentials::new(login.user.clone(), login.password.reveal().to_owned());
            let auth = smtp.auth(&[Mechanism::Plain, Mechanism::Login], &credentials);
            let response = self.step(Step::LogIn, auth).await?;
            if !response.has_code(235) {
                return Err(Failure::out_of_step(Step::LogIn, &response));
            }
        }
        Ok(Connection { smtp, mails: 0, idle_since: Instant::now() })
    }

    async fn open_plain(&self) -> Result<AsyncSmtpConnection, Failure> {
        let limit = self.target.timeout;
        let stream = match timeout(limit, dial(&self.target)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(self.no_answer(Step::Connect, &error.to_string())),
            Err(_) => return Err(self.too_slow(Step::Connect)),
        };
        let greeting = AsyncSmtpConnection::connect_with_transport(
            Box::new(Linewise::new(stream)),
            &self.hello,
        );
        self.step(Step::Connect, greeting).await
    }

    /// Runs one step within the time limit and sorts its error.
    async fn step<T>(
        &self,
        step: Step,
        run: impl Future<Output = Result<T, lettre::transport::smtp::Error>>,
    ) -> Result<T, Failure> {
        match timeout(self.target.timeout, run).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(self.failure(step, &error)),
            Err(_) => Err(self.too_slow(step)),
        }
    }

    fn failure(&self, step: Step, error: &lettre::transport::smtp::Error) -> Failure {
        let words = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        let Some(code) = error.status() else {
            return self.no_answer(step, &words);
        };
        Failure {
            words: format!("{code} {words} (in reply to {})", step.command()),
            final_refusal: error.is_permanent() && step.is_about_the_letter(code.into()),
            answered: true,
        }
    }

    fn too_slow(&self, step: Step) -> Failure {
        let seconds = self.target.timeout.as_secs();
        self.no_answer(step, &format!("no answer within {seconds} s"))
    }

    fn no_answer(&self, step: Step, words: &str) -> Failure {
        Failure {
            words: format!("{}: {words} (at {})", self.target.server(), step.command()),
            final_refusal: false,
            answered: false,
        }
    }

    /// An idle connection that still answers.
    async fn take_idle(&self) -> Option<Connection> {
        loop {
            let mut connection = lock(&self.idle).connections.pop()?;
            if connection.idle_since.elapsed() < IDLE
                && self.step(Step::Reset, connection.smtp.command(Rset)).await.is_ok()
            {
                return Some(connection);
            }
        }
    }

    fn give_back(&self, mut connection: Connection) {
        connection.mails += 1;
        if connection.mails >= MAILS_PER_CONNECTION {
            return;
        }
        connection.idle_since = Instant::now();
        let mut idle = lock(&self.idle);
        idle.connections.push(connection);
        if !idle.watched {
            idle.watched = true;
            tokio::spawn(close_idle(Arc::downgrade(&self.idle)));
        }
    }
}

#[async_trait]
impl Transport for SmtpTransport {
    async fn deliver(&self, message: &Message) -> Delivery {
        let outcome = timeout(WHOLE_DELIVERY, self.attempt(message)).await;
        let own = self.own_secrets.iter().map(|secret| secret.as_str());
        let shown = |words: &str| fit_to_show(words, message.secrets().chain(own));
        match outcome {
            Ok(Ok(response)) => Delivery::HandedOver { reply: shown(&words_of(&response)) },
            Ok(Err(Failure { words, final_refusal: true, .. })) => {
                Delivery::Refused { reply: shown(&words) }
            }
            Ok(Err(Failure { words, final_refusal: false, .. })) => {
                Delivery::TryLater { reply: shown(&words) }
            }
            Err(_) => Delivery::TryLater {
                reply: format!("{}: not done within 4 minutes", self.target.server()),
            },
        }
    }

    fn at_once(&self) -> usize {
        self.target.connections
    }
}

impl fmt::Debug for SmtpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmtpTransport").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Step {
    /// The command as the operator knows it from the server's log.
    fn command(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::StartTls => "STARTTLS",
            Self::LogIn => "AUTH",
            Self::Reset => "RSET",
            Self::Sender => "MAIL",
            Self::Recipient => "RCPT",
            Self::Data => "DATA",
            Self::Body => "end of data",
        }
    }

    /// Whether a 5xx in reply to this step is about the letter.
    ///
    /// RFC 4954 §6: 530, 534, 535 and 538 ask for another login or for TLS, whatever the command.
    fn is_about_the_letter(self, code: u16) -> bool {
        match self {
            Self::Connect | Self::StartTls | Self::LogIn | Self::Reset => false,
            Self::Sender | Self::Recipient | Self::Data | Self::Body => {
                !matches!(code, 530 | 534 | 535 | 538)
            }
        }
    }
}

impl Failure {
    /// A reply that is positive but of another command: whoever speaks is not to be trusted.
    fn out_of_step(step: Step, response: &Response) -> Self {
        Self {
            words: format!("unexpected {} (in reply to {})", words_of(response), step.command()),
            final_refusal: false,
            answered: false,
        }
    }
}

/// Hangs up on whatever has been idle for too long, until nothing is left.
async fn close_idle(idle: Weak<Mutex<Idle>>) {
    loop {
        sleep(IDLE).await;
        let Some(idle) = idle.upgrade() else {
            return;
        };
        let mut idle = lock(&idle);
        idle.connections.retain(|connection| connection.idle_since.elapsed() < IDLE);
        if idle.connections.is_empty() {
            idle.watched = false;
            return;
        }
    }
}

/// A panic elsewhere leaves the list whole, for each change of it is a single step.
fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

fn words_of(response: &Response) -> String {
    let lines: Vec<&str> = response.message().collect();
    format!("{} {}", response.code(), lines.join(" "))
}

/// Connects to the first address of the server that answers; each gets its share of the time.
async fn dial(target: &SmtpTarget) -> io::Result<TcpStream> {
    let server = (target.host.as_str(), target.port);
    let addresses: Vec<_> = tokio::net::lookup_host(server).await?.collect();
    let count = u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut last_error = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in addresses {
        match timeout(target.timeout / count, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // The dot behind a mail is a write of its own: it must not wait until the server
                // acknowledges the mail, which it puts off by 40 ms.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last_error = error,
            Err(_) => last_error = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last_error)
}

const PEM: &[u8] = b"-----BEGIN CERTIFICATE-----";

fn tls_parameters(target: &SmtpTarget) -> Result<TlsParameters, SmtpSetupError> {
    let mut builder = TlsParameters::builder(target.host.clone());
    if let Some(path) = target.extra_roots() {
        let pem = std::fs::read(path)
            .map_err(|source| SmtpSetupError::ReadRoots { path: path.to_owned(), source })?;
        // lettre would take a file without certificates for one with none to add.
        if !pem.windows(PEM.len()).any(|window| window == PEM) {
            return Err(SmtpSetupError::NoRoots { path: path.to_owned() });
        }
        let roots = Certificate::from_pem(&pem).map_err(SmtpSetupError::Tls)?;
        builder = builder.add_root_certificate(roots);
    }
    builder.build().map_err(SmtpSetupError::Tls)
}

/// RFC 5321 §4.1.4: our host name, or an address literal where the public URL has an address.
fn hello_name(public_url: &str) -> ClientId {
    let host = host_of(public_url).unwrap_or("localhost");
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(address)) => ClientId::Ipv4(address),
        Ok(IpAddr::V6(address)) => ClientId::Ipv6(address),
        Err(_) => ClientId::Domain(host.to_owned()),
    }
}

/// The password as such, and as `AUTH LOGIN` and `AUTH PLAIN` write it (RFC 4616).
fn written_forms(login: &Login) -> Vec<Zeroizing<String>> {
    let password = login.password.reveal();
    let plain = Zeroizing::new(format!("\0{}\0{password}", login.user));
    [password.to_owned(), BASE64.encode(password), BASE64.encode(plain.as_bytes())]
        .map(Zeroizing::new)
        .into()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::target::MailTarget;

    #[tokio::test]
    async fn the_end_of_a_mail_does_not_wait_for_the_acknowledgement_of_the_mail() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap();
        let target = MailTarget::parse(&format!("smtp://{server}?tls=none")).unwrap();
        let MailTarget::Smtp(target) = target else { panic!("{target:?}") };

        let stream = dial(&target).await.unwrap();

        assert!(stream.nodelay().unwrap());
    }
}

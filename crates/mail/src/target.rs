//! `--mail`: where mail goes, read from one line.
//!
//! `smtp://user:pass@host:587` (STARTTLS, required), `smtps://user:pass@host:465` (TLS from the
//! first byte), `smtp://host:25?tls=none` (plain), `mailbox:`; the options `ca=`,
//! `timeout=` and `connections=`.
//! What is wrong with a line is said without repeating any of it, for the password may be anywhere
//! in it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use symbolon_core::secret::Password;
use thiserror::Error;

/// How long one command may take where `timeout=` says nothing (RFC 5321 §4.5.3.2 would allow
/// minutes; an owner waits, and the courier tries again).
const TIMEOUT: Duration = Duration::from_secs(30);

/// Connections at a time where `connections=` says nothing: enough for a bulk reset, few enough for a mail server
/// that counts.
const CONNECTIONS: usize = 4;
const MOST_CONNECTIONS: usize = 16;

/// Where mail goes.
#[derive(Debug, Clone)]
pub enum MailTarget {
    /// Nowhere: letters wait in the outbox.
    None,
    /// To a mail server.
    Smtp(SmtpTarget),
    /// Into the built-in development mailbox.
    Mailbox,
}

/// A mail server, and how to speak to it.
#[derive(Clone)]
pub struct SmtpTarget {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) security: Security,
    pub(crate) login: Option<Login>,
    pub(crate) extra_roots: Option<PathBuf>,
    pub(crate) timeout: Duration,
    pub(crate) connections: usize,
}

/// How the connection is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    /// Plain first, then STARTTLS or nothing.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// Not at all.
    Plain,
}

/// What we log in to the mail server with.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: Arc<Password>,
}

/// What is wrong with a mail target. It never repeats what was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MailTargetError {
    /// An unknown scheme.
    #[error("must begin with smtp:// or smtps://, or be mailbox:")]
    Scheme,
    /// Something stands between the server and its options.
    #[error(
        "must end after the host and port, but for ?options (in a user name or password write \
         / as %2F, ? as %3F, # as %23, @ as %40, : as %3A and % as %25)"
    )]
    Trailing,
    /// No usable host.
    #[error("must name a host, such as mail.example.com, 192.0.2.1 or [2001:db8::1]")]
    Host,
    /// No usable port.
    #[error(
        "must have a port from 1 to 65535 after the host, or none (in a user name or password \
         write / as %2F, ? as %3F, # as %23, @ as %40, : as %3A and % as %25)"
    )]
    Port,
    /// A user name without a password or the reverse.
    #[error("must have both a user name and a password before the @, or neither")]
    HalfLogin,
    /// A user name or password that no mail server could take.
    #[error("has a user name or password that is not UTF-8 text once %XX is decoded")]
    LoginText,
    /// The password would cross the network readably.
    #[error("must not send a password with tls=none, except to this machine itself (localhost)")]
    PlainLogin,
    /// An unknown option.
    #[error("has an option other than tls, ca, timeout and connections")]
    Option,
    /// An option given twice.
    #[error("has the same option twice")]
    Twice,
    /// An unknown `tls`.
    #[error("option tls must be none, and only with smtp:// (smtps:// always uses TLS)")]
    Tls,
    /// An unusable `ca`.
    #[error("option ca must be the path of a PEM file, and is of no use with tls=none")]
    Ca,
    /// An unusable `timeout`.
    #[error("option timeout must be from 1s to 60s")]
    Timeout,
    /// An unusable `connections`.
    #[error("option connections must be from 1 to 16")]
    Connections,
}

impl MailTarget {
    /// Reads a mail target; an empty text is [`MailTarget::None`].
    ///
    /// # Errors
    /// The first fault that is found, in the order of the line.
    pub fn parse(text: &str) -> Result<Self, MailTargetError> {
        if text.is_empty() {
            return Ok(Self::None);
        }
        if text == "mailbox:" {
            return Ok(Self::Mailbox);
        }
        let (scheme, rest) = text.split_once("://").ok_or(MailTargetError::Scheme)?;
        match scheme {
            "smtp" => parse_smtp(rest, Security::StartTls).map(Self::Smtp),
            "smtps" => parse_smtp(rest, Security::Tls).map(Self::Smtp),
            _ => Err(MailTargetError::Scheme),
        }
    }
}

impl SmtpTarget {
    /// The host as it stands before a colon and a port.
    fn shown_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }

    /// The server as errors name it: `mail.example.com:587`.
    pub(crate) fn server(&self) -> String {
        format!("{}:{}", self.shown_host(), self.port)
    }

    /// The file with the additional root certificates.
    pub(crate) fn extra_roots(&self) -> Option<&Path> {
        self.extra_roots.as_deref()
    }
}

/// The target without user name and password, as pages show it.
impl fmt::Display for MailTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Smtp(target) => target.fmt(f),
            Self::Mailbox => f.write_str("mailbox:"),
        }
    }
}

/// The server without user name and password, as pages show it.
impl fmt::Display for SmtpTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, option) = match self.security {
            Security::StartTls => ("smtp", ""),
            Security::Tls => ("smtps", ""),
            Security::Plain => ("smtp", "?tls=none"),
        };
        write!(f, "{scheme}://{}{option}", self.server())
    }
}

impl fmt::Debug for SmtpTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmtpTarget({self})")
    }
}

fn parse_smtp(rest: &str, scheme: Security) -> Result<SmtpTarget, MailTargetError> {
    let (server, options) = rest.split_once('?').unwrap_or((rest, ""));
    let server = server.strip_suffix('/').unwrap_or(server);
    if server.contains(['/', '#']) {
        return Err(MailTargetError::Trailing);
    }
    let (login, host_and_port) = match server.rsplit_once('@') {
        Some((login, host_and_port)) => (Some(parse_login(login)?), host_and_port),
        None => (None, server),
    };
    let (host, port) = parse_host(host_and_port)?;
    let options = parse_options(options)?;

    let security = match (scheme, options.plain) {
        (scheme, None) => scheme,
        (Security::StartTls, Some(())) => Security::Plain,
        (Security::Tls | Security::Plain, Some(())) => return Err(MailTargetError::Tls),
    };
    if security == Security::Plain && login.is_some() && !is_loopback(&host) {
        return Err(MailTargetError::PlainLogin);
    }
    if security == Security::Plain && options.extra_roots.is_some() {
        return Err(MailTargetError::Ca);
    }
    let usual_port = match security {
        Security::StartTls => 587,
        Security::Tls => 465,
        Security::Plain => 25,
    };
    Ok(SmtpTarget {
        host,
        port: port.unwrap_or(usual_port),
        security,
        login,
        extra_roots: options.extra_roots,
        timeout: options.timeout.unwrap_or(TIMEOUT),
        connections: options.connections.unwrap_or(CONNECTIONS),
    })
}

fn parse_login(text: &str) -> Result<Login, MailTargetError> {
    let (user, password) = text.split_once(':').ok_or(MailTargetError::HalfLogin)?;
    if user.is_empty() || password.is_empty() {
        return Err(MailTargetError::HalfLogin);
    }
    let user = decoded(user).ok_or(MailTargetError::LoginText)?;
    let password = decoded(password).ok_or(MailTargetError::LoginText)?;
    Ok(Login { user, password: Arc::new(Password::new(password)) })
}

/// Decodes `%XX`. A control character is no text: SASL's PLAIN separates with NUL (RFC 4616 §2).
fn decoded(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    (!decoded.chars().any(char::is_control)).then(|| decoded.into_owned())
}

fn parse_host(text: &str) -> Result<(String, Option<u16>), MailTargetError> {
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or(MailTargetError::Host)?;
        let address: Ipv6Addr = address.parse().map_err(|_| MailTargetError::Host)?;
        (address.to_string(), port)
    } else {
        let (host, port) = text.split_at(text.find(':').unwrap_or(text.len()));
        let label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let host = host.to_ascii_lowercase();
        if host.len() > 253 || !host.split('.').all(label) {
            return Err(MailTargetError::Host);
        }
        (host, port)
    };
    if port.is_empty() {
        return Ok((host, None));
    }
    let port = port.strip_prefix(':').and_then(|port| port.parse().ok());
    match port {
        Some(0) | None => Err(MailTargetError::Port),
        Some(port) => Ok((host, Some(port))),
    }
}

#[derive(Default)]
struct Options {
    plain: Option<()>,
    extra_roots: Option<PathBuf>,
    timeout: Option<Duration>,
    connections: Option<usize>,
}

fn parse_options(text: &str) -> Result<Options, MailTargetError> {
    let mut options = Options::default();
    for option in text.split('&').filter(|option| !option.is_empty()) {
        let (key, value) = option.split_once('=').ok_or(MailTargetError::Option)?;
        match key {
            "tls" if value == "none" => set_once(&mut options.plain, ())?,
            "tls" => return Err(MailTargetError::Tls),
            "ca" => {
                let path = decoded(value).filter(|path| !path.is_empty());
                let path = path.ok_or(MailTargetError::Ca)?;
                set_once(&mut options.extra_roots, PathBuf::from(path))?;
            }
            "timeout" => {
                let seconds = value.strip_suffix('s').and_then(|seconds| seconds.parse().ok());
                let seconds = seconds.filter(|seconds| (1..=60).contains(seconds));
                let seconds = seconds.ok_or(MailTargetError::Timeout)?;
                set_once(&mut options.timeout, Duration::from_secs(seconds))?;
            }
            "connections" => {
                let count = value.parse().ok();
                let count = count.filter(|count| (1..=MOST_CONNECTIONS).contains(count));
                let count = count.ok_or(MailTargetError::Connections)?;
                set_once(&mut options.connections, count)?;
            }
            _ => return Err(MailTargetError::Option),
        }
    }
    Ok(options)
}

fn set_once<T>(slot: &mut Option<T>, value: T) -> Result<(), MailTargetError> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(MailTargetError::Twice),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smtp(text: &str) -> SmtpTarget {
        match MailTarget::parse(text).unwrap() {
            MailTarget::Smtp(target) => target,
            MailTarget::None | MailTarget::Mailbox => panic!("{text} is a mail server"),
        }
    }

    #[test]
    fn each_form_of_the_contract_is_read() {
        assert!(matches!(MailTarget::parse(""), Ok(MailTarget::None)));
        assert!(matches!(MailTarget::parse("mailbox:"), Ok(MailTarget::Mailbox)));
        for (text, shown) in [
            ("smtp://u:p@mail.example.com:2587", "smtp://mail.example.com:2587"),
            ("smtp://u:p@Mail.Example.com", "smtp://mail.example.com:587"),
            ("smtps://u:p@mail.example.com/", "smtps://mail.example.com:465"),
            ("smtp://relay?tls=none", "smtp://relay:25?tls=none"),
            ("smtp://u:p@[::1]:2525?tls=none", "smtp://[::1]:2525?tls=none"),
        ] {
            assert_eq!(smtp(text).to_string(), shown);
        }
    }

    #[test]
    fn user_name_and_password_are_percent_decoded() {
        let login = smtp("smtp://jane%40example.com:p%3A%2F%25@ss@mail.example.com").login.unwrap();

        assert_eq!(login.user, "jane@example.com");
        assert_eq!(login.password.reveal(), "p:/%@ss");
    }

    #[test]
    fn options_are_read_once_each() {
        let target = smtp("smtps://mail.example.com?ca=/etc/my%20ca.pem&timeout=5s&connections=16");

        assert_eq!(target.extra_roots(), Some(Path::new("/etc/my ca.pem")));
        assert_eq!((target.timeout, target.connections), (Duration::from_secs(5), 16));
        assert_eq!(smtp("smtp://h").connections, 4);
    }

    #[test]
    fn a_password_crosses_no_network_in_the_clear() {
        for host in ["mail.example.com", "10.0.0.1", "localhost.example.com"] {
            let text = format!("smtp://u:p@{host}:25?tls=none");
            assert_eq!(MailTarget::parse(&text).map(drop), Err(MailTargetError::PlainLogin));
        }
        assert!(MailTarget::parse("smtp://u:p@127.0.0.1:25?tls=none").is_ok());
    }

    #[test]
    fn what_is_wrong_is_said_without_repeating_the_password() {
        use MailTargetError::*;
        for (text, error) in [
            ("secret", Scheme),
            ("smpt://u:secret@h", Scheme),
            ("mailbox:secret", Scheme),
            ("smtp://u:se/secret@h:25", Trailing),
            ("smtp://u:se#secret@h:25", Trailing),
            ("smtp://u:secret?@h:25", Port),
            ("smtp://u:12?secret@h:25", Option),
            ("smtp://u:secret@", Host),
            ("smtp://u:secret@[::1", Host),
            ("smtp://u:secret@h_.-.:25", Host),
            ("smtp://u:secret@h:0", Port),
            ("smtp://u:secret@h:x", Port),
            ("smtp://secret@h", HalfLogin),
            ("smtp://:secret@h", HalfLogin),
            ("smtp://u:secret%00@h", LoginText),
            ("smtp://u:secret%FF@h", LoginText),
            ("smtp://u:secret@h?secret=1", Option),
            ("smtp://u:secret@h?tls=secret", Tls),
            ("smtps://u:secret@h?tls=none", Tls),
            ("smtp://h?tls=none&tls=none", Twice),
            ("smtp://h?tls=none&ca=/secret", Ca),
            ("smtp://h?timeout=90s", Timeout),
            ("smtp://h?timeout=secret", Timeout),
            ("smtp://h?connections=0", Connections),
            ("smtp://h?connections=17", Connections),
            ("smtp://h?connections=secret", Connections),
        ] {
            let found = MailTarget::parse(text).map(drop).unwrap_err();

            assert_eq!(found, error, "{text}");
            assert!(!format!("{found} {found:?}").contains("secret"), "{text}");
        }
    }

    #[test]
    fn a_target_does_not_show_its_password() {
        let target = MailTarget::parse("smtp://hidden-user:hidden-word@mail.example.com").unwrap();

        assert!(!format!("{target} {target:?}").contains("hidden"));
    }
}

//! The table of all configuration keys: the one place from which file, environment, flags,
//! `config show` and `config schema` know them.

use std::borrow::Cow;

/// What a key's value is, in the file and in the schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A string.
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    /// The path of a file.
    Path,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Count,
    /// A length of time, such as `"15m"`.
    Span,
    /// A list of strings; in the environment they are parted by commas.
    List,
}

/// What holds where nothing is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preset {
    /// This very value.
    Value(&'static str),
    /// What the sentence says.
    Unset(&'static str),
}

/// One key of the configuration.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name in the file; a section and a dot come before it where it is in one.
    pub(crate) name: &'static str,
    /// What its value is.
    pub(crate) kind: Kind,
    /// What holds without it.
    pub(crate) preset: Preset,
    /// Whether its value may hold a secret.
    pub(crate) secret: bool,
    /// What it means.
    pub(crate) doc: &'static str,
}

impl Key {
    /// Its name in the environment: `SYMBOLON_LOGINS__SOURCE_NAMES`.
    pub(crate) fn variable(&self) -> String {
        format!("SYMBOLON_{}", self.name.replace('.', "__").to_ascii_uppercase())
    }

    /// Its flag, where it has one.
    pub(crate) fn flag(&self) -> String {
        format!("--{}", self.name.replace('_', "-"))
    }

    /// The value that holds where nothing is given; empty where there is none.
    pub(crate) fn preset_text(&self) -> &'static str {
        match self.preset {
            Preset::Value(text) => text,
            Preset::Unset(_) => "",
        }
    }
}

/// The key of this name.
pub(crate) fn key_named(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The known name that is nearest to a mistyped one, however far that is: it shows how names look here.
pub(crate) fn nearest(typed: &str, name_of: impl Fn(&Key) -> Cow<'static, str>) -> Option<String> {
    let likeness = |name: &str| strsim::normalized_damerau_levenshtein(typed, name);
    KEYS.iter()
        .map(|key| name_of(key).into_owned())
        .map(|name| (likeness(&name), name))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

const fn key(name: &'static str, kind: Kind, preset: Preset, doc: &'static str) -> Key {
    Key { name, kind, preset, secret: false, doc }
}

const fn secret(name: &'static str, preset: Preset, doc: &'static str) -> Key {
    Key { name, kind: Kind::Text, preset, secret: true, doc }
}

/// All keys, in the order in which they are shown. All are there since 0.1.
pub(crate) const KEYS: &[Key] = &[
    key(
        "data_dir",
        Kind::Path,
        Preset::Value("symbolon-data"),
        "Directory of the keys, the embedded database and the control socket; mode 0700.",
    ),
    key(
        "listen",
        Kind::Text,
        Preset::Value("127.0.0.1:8080"),
        "Address for plain HTTP, behind a proxy or on loopback; \"off\" for none, port 0 for a free one.",
    ),
    key(
        "listen_tls",
        Kind::Text,
        Preset::Value("off"),
        "Address for HTTPS; needs tls_cert and tls_key, or tls_self_signed.",
    ),
    key(
        "listen_ops",
        Kind::Text,
        Preset::Value("127.0.0.1:8081"),
        "Address for metrics and health, for operators alone; \"off\" for none.",
    ),
    key(
        "tls_cert",
        Kind::Path,
        Preset::Unset("none"),
        "PEM file of the certificate and its chain.",
    ),
    key("tls_key", Kind::Path, Preset::Unset("none"), "PEM file of the certificate's private key."),
    key(
        "tls_self_signed",
        Kind::Flag,
        Preset::Value("false"),
        "Makes a private authority in the data dir (ca.pem) and a certificate of it at each start.",
    ),
    key(
        "public_url",
        Kind::Text,
        Preset::Unset("from the listening address"),
        "What every link begins with, such as https://symbolon.example.com; never the Host header.",
    ),
    secret(
        "database",
        Preset::Unset("sqlite:symbolon.db in the data dir"),
        "sqlite:PATH or postgres://user:password@host/name.",
    ),
    key(
        "database_file",
        Kind::Path,
        Preset::Unset("none"),
        "File that holds the value of database; not beside database.",
    ),
    secret(
        "mail",
        Preset::Unset("none: mail waits in the outbox"),
        "smtp://user:pass@host:587 (STARTTLS), smtps://user:pass@host, smtp://host:25?tls=none.",
    ),
    key(
        "mail_file",
        Kind::Path,
        Preset::Unset("none"),
        "File that holds the value of mail; not beside mail.",
    ),
    key(
        "mail_from",
        Kind::Text,
        Preset::Unset("symbolon@ and the host of the public URL"),
        "Sender of all mail.",
    ),
    key(
        "trusted_proxy",
        Kind::List,
        Preset::Value(""),
        "Addresses and ranges whose X-Forwarded-For and Forwarded are believed.",
    ),
    key(
        "allowed_hosts",
        Kind::List,
        Preset::Value(""),
        "Host names that requests may come under, besides that of the public URL and loopback.",
    ),
    key(
        "organization",
        Kind::Text,
        Preset::Value("Symbolon"),
        "Name of the organization, shown in mails and pages; 1 to 100 characters.",
    ),
    key(
        "time_zone",
        Kind::Text,
        Preset::Value("UTC"),
        "Time zone of the organization, such as Europe/Berlin: the weekly digest comes on Monday at 08:00 there.",
    ),
    key(
        "secret_scanning_keys_file",
        Kind::Path,
        Preset::Unset("none: alerts of GitHub are not taken"),
        "File of the public keys by which GitHub signs alerts of leaked tokens, as GitHub publishes them.",
    ),
    key(
        "openpgp_lookup",
        Kind::Word(&["off", "wkd"]),
        Preset::Value("off"),
        "Whether OpenPGP keys may be looked up, when somebody asks, in Web Key Directories on the internet.",
    ),
    key(
        "countries_file",
        Kind::Path,
        Preset::Unset("none: no token looks shared for the countries it is used from"),
        "File with a line for each address range, 192.0.2.0/24 DE, or an RFC 8805 geofeed; read at the start.",
    ),
    key(
        "hash_threads",
        Kind::Count,
        Preset::Unset("one per processor"),
        "How many passwords are hashed at a time; each takes 19 MiB; 1 to 256.",
    ),
    key(
        "log_format",
        Kind::Word(&["text", "json"]),
        Preset::Value("text"),
        "Form of the log on stderr.",
    ),
    key(
        "log_level",
        Kind::Word(&["off", "error", "warn", "info", "debug", "trace"]),
        Preset::Value("info"),
        "Least severity that is logged.",
    ),
    key(
        "logins.password_grant",
        Kind::Flag,
        Preset::Value("true"),
        "Whether the OAuth password grant is to be had at all (RFC 9700 §2.4 advises against it).",
    ),
    key(
        "logins.tell_missing_token",
        Kind::Flag,
        Preset::Value("false"),
        "Whether a client learns that its password was right and the token missing.",
    ),
    key(
        "logins.source_names",
        Kind::Count,
        Preset::Value("10"),
        "Different names that may fail from one address within source_period; at least 1.",
    ),
    key(
        "logins.source_failures",
        Kind::Count,
        Preset::Value("100"),
        "Failures of any kind from one address within source_period; at least 1.",
    ),
    key(
        "logins.source_period",
        Kind::Span,
        Preset::Value("15m"),
        "The period; an address that went over is refused until fewer failures lie within it; at least 1s.",
    ),
];

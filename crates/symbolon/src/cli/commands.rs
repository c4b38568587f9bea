//! The commands that speak to the running server, as clap reads them.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use symbolon_core::names::{DeviceType, DisplayName, EmailAddress, Username};
use symbolon_core::network::Network;
use symbolon_http::control::spans;

#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Add a user; without --password-stdin an invitation is mailed
    Add {
        /// What the user logs in with
        #[arg(value_parser = Username::parse)]
        username: Username,
        /// Where mail goes
        #[arg(long, value_name = "ADDRESS", value_parser = EmailAddress::parse)]
        email: EmailAddress,
        /// The user's name as shown
        #[arg(long, value_parser = DisplayName::parse)]
        name: Option<DisplayName>,
        /// The profile that the user is under
        #[arg(long)]
        profile: Option<String>,
        /// Make the user an administrator
        #[arg(long)]
        admin: bool,
        /// Read the password, one line, from stdin
        #[arg(long)]
        password_stdin: bool,
    },
    /// List all users
    List,
    /// Show one user
    Show(OneUser),
    /// End a user's sessions and refuse logins until unfrozen
    Freeze(OneUser),
    /// Let a frozen user log in again
    Unfreeze(OneUser),
    /// Lift the freeze of a user's tokens: by the link in a mail, or because one looked shared
    UnfreezeTokens(OneUser),
    /// Lift a lockout
    Unlock(OneUser),
    /// Remove a user with tokens, sessions, links and letters
    Remove(OneUser),
    /// Set a password, read as one line from stdin
    SetPassword(OneUser),
    /// Put a user under another profile
    SetProfile {
        /// The user
        username: String,
        /// The profile; not the one that holds for everybody
        profile: String,
    },
    /// Say where mail with a token of a user goes: for integrations that read no mail
    SetDelivery {
        /// The user
        username: String,
        /// The address that it goes to
        #[arg(long, value_name = "ADDRESS", required_unless_present = "none")]
        to: Option<String>,
        /// To the user's own address again
        #[arg(long, conflicts_with = "to")]
        none: bool,
    },
    /// Set the OpenPGP key that mail with a token of a user is encrypted to
    SetKey {
        /// The user
        username: String,
        /// The public key, armored or not
        #[arg(required_unless_present_any = ["none", "wkd"])]
        file: Option<PathBuf>,
        /// Encrypt no more
        #[arg(long, conflicts_with_all = ["file", "wkd"])]
        none: bool,
        /// Look it up in the Web Key Directory of the address that gets the mail (`openpgp_lookup`)
        #[arg(long, conflicts_with = "file")]
        wkd: bool,
    },
    /// Remove every second factor of a user who has lost them
    ResetSecondFactors(OneUser),
    /// List a user's live sessions
    Sessions(OneUser),
    /// End one session of a user, or all; without a freeze the user may log in again
    EndSession {
        /// The user
        username: String,
        /// The session, as the list names it
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        session: Option<String>,
        /// End every session of the user
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct OneUser {
    /// The user
    pub(crate) username: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Reset a user's security token, or those of a whole profile; new ones are mailed, never printed
    Reset {
        /// The user
        #[arg(required_unless_present = "bulk", conflicts_with = "bulk")]
        username: Option<String>,
        #[command(flatten)]
        bulk: BulkArgs,
        /// Reset the token of this device type alone
        #[arg(long, value_name = "TYPE", value_parser = DeviceType::parse)]
        device_type: Option<DeviceType>,
        /// Which earlier tokens end (default account; with --device-type: device-type)
        #[arg(long)]
        scope: Option<ScopeArg>,
        /// Why; for the audit trail
        #[arg(long)]
        reason: Option<String>,
        /// Change nothing; tell which clients would stop, or how many users and tokens it is about
        #[arg(long)]
        dry_run: bool,
    },
    /// Mail a user a new token beside the old one, which works until the new one is first used
    Rotate {
        /// The user
        username: String,
        /// The device type whose token it is about (default any)
        #[arg(long, value_name = "TYPE", value_parser = DeviceType::parse)]
        device_type: Option<DeviceType>,
        /// How long the old token works at most (default 24h; 1m to 7d)
        #[arg(long, value_name = "SPAN", value_parser = span, conflicts_with = "cancel")]
        overlap: Option<String>,
        /// Cancel the rotation that is under way: the new token ends, the old one stays
        #[arg(long)]
        cancel: bool,
        /// A name of this request: sent again, it rotates no second time
        #[arg(long, value_name = "KEY", conflicts_with = "cancel")]
        request_key: Option<String>,
        /// Why; for the audit trail
        #[arg(long, conflicts_with = "cancel")]
        reason: Option<String>,
    },
    /// List resets of whole profiles and how far each has come
    BulkResets,
    /// List tokens (never the secrets themselves)
    List {
        /// Of this user alone
        #[arg(long)]
        user: Option<String>,
    },
    /// Show everything that is known of one token: who uses it, how it came to be, who has come back with it
    Show {
        /// The token's id, from `token list`
        id: String,
    },
    /// End a live token without a successor
    Revoke {
        /// The token's id, from `token list`
        id: String,
    },
    /// List what looks as if a token were shared, with the evidence
    Signals {
        /// Of this user alone
        username: Option<String>,
    },
    /// Mark a sharing signal as a false alarm: the same is not raised again of this user
    FalseAlarm {
        /// The signal's id, from `token signals`
        id: String,
    },
    /// Find tokens in files, directories and the history of git; prints places, never tokens; asks no server
    Scan {
        /// Files, directories with everything beneath them, or - for standard input
        #[arg(value_name = "PATH", required_unless_present = "repositories")]
        paths: Vec<PathBuf>,
        /// A git repository: every line that any commit has added, and every message
        #[arg(long = "git", value_name = "REPOSITORY")]
        repositories: Vec<PathBuf>,
    },
    /// Check format and checksum of a token, read from stdin or a file; asks no server
    Check {
        /// The file to read
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// A reset of a whole profile.
#[derive(Debug, Args)]
#[group(id = "bulk", multiple = false)]
pub(crate) struct BulkArgs {
    /// Every user of this profile, in steps that can be interrupted
    #[arg(long)]
    pub(crate) profile: Option<String>,
    /// Go on with a reset of a profile that was interrupted
    #[arg(long, value_name = "ID", conflicts_with_all = ["dry_run", "device_type", "scope", "reason"])]
    pub(crate) resume: Option<String>,
    /// End a reset of a profile where it stands
    #[arg(long, value_name = "ID", conflicts_with_all = ["dry_run", "device_type", "scope", "reason"])]
    pub(crate) cancel: Option<String>,
}

/// Which earlier tokens a reset ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScopeArg {
    /// All of the account
    Account,
    /// That of the device type
    DeviceType,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NetworkCommand {
    /// Trust a network
    Add {
        /// An address or a range such as 10.1.0.0/16
        #[arg(value_parser = Network::parse)]
        range: Network,
        /// What it is
        #[arg(long, value_parser = DisplayName::parse)]
        label: Option<DisplayName>,
    },
    /// List trusted networks
    List,
    /// Trust a network no longer
    Remove {
        /// The range as listed
        #[arg(value_parser = Network::parse)]
        range: Network,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Register an API client; prints its id and secret once
    Add {
        /// What it is called
        #[arg(value_parser = DisplayName::parse)]
        name: DisplayName,
        /// It may not use the OAuth password grant
        #[arg(long)]
        no_password_grant: bool,
    },
    /// List API clients and when each of their secrets was made
    List,
    /// Remove an API client with all its secrets
    Remove {
        /// Its id
        id: String,
    },
    /// Secrets of an API client: add, remove
    #[command(subcommand)]
    Secret(SecretCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Add a secret beside those that the client has; prints it once
    Add {
        /// The client's id
        client_id: String,
    },
    /// Remove a secret; whoever still uses it is refused
    Remove {
        /// The client's id
        client_id: String,
        /// The secret's id, from `client list`
        secret_id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DeviceTypeCommand {
    /// List device types
    List,
    /// Add a device type
    Add {
        /// What it is called
        #[arg(value_parser = DeviceType::parse)]
        name: DeviceType,
        #[command(flatten)]
        rules: DeviceRulesArgs,
    },
    /// Change a device type; it holds at once, also for tokens that are out
    #[command(group = ArgGroup::new("change").required(true).multiple(true).args([
        "bearer", "max_age", "reminders", "addresses", "idle_end", "overlap", "holders", "client_kind",
        "on_mismatch", "most_places", "on_sharing",
    ]))]
    Set {
        /// Which
        name: String,
        #[command(flatten)]
        rules: DeviceRulesArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct DeviceRulesArgs {
    /// Whether a token of it is a whole credential by itself: no password is asked for beside it
    #[arg(long, value_name = "on|off", num_args = 0..=1, default_missing_value = "on")]
    pub(crate) bearer: Option<OnOff>,
    /// Age at which a token dies, such as 90d; of tokens that are issued from now on
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) max_age: Option<String>,
    /// Days before that on which owners are reminded, such as 30,7; '' for none
    #[arg(long, value_name = "DAYS")]
    pub(crate) reminders: Option<String>,
    /// From where a token may be used: addresses and ranges by commas; '' for anywhere
    #[arg(long, value_name = "RANGES")]
    pub(crate) addresses: Option<String>,
    /// How long a token may stay unused before it dies, such as 30d
    #[arg(long, value_name = "SPAN|never", value_parser = span_or_never)]
    pub(crate) idle_end: Option<String>,
    /// Whether a rotation may let the old token live on for a while
    #[arg(long, value_name = "allowed|forbidden", value_parser = ["allowed", "forbidden"])]
    pub(crate) overlap: Option<String>,
    /// The profiles whose users may hold a token; '' for everybody
    #[arg(long, value_name = "PROFILE", num_args = 1..)]
    pub(crate) holders: Option<Vec<String>>,
    /// What kind of client it is for
    #[arg(long, value_name = "KIND", value_parser = ["any", "desktop", "mobile", "server", "command-line"])]
    pub(crate) client_kind: Option<String>,
    /// What happens where plainly another kind of client presents a token
    #[arg(long, value_name = "note|refuse", value_parser = ["note", "refuse"])]
    pub(crate) on_mismatch: Option<String>,
    /// In how many networks one token may be in use within an hour before it looks shared
    #[arg(long, value_name = "N")]
    pub(crate) most_places: Option<u32>,
    /// What happens to a token that looks shared
    #[arg(long, value_name = "tell|freeze", value_parser = ["tell", "freeze"])]
    pub(crate) on_sharing: Option<String>,
}

/// A switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnOff {
    /// It is
    On,
    /// It is not
    Off,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProfileCommand {
    /// List profiles and their policies
    List,
    /// Add a profile
    Add {
        /// What it is called
        #[arg(value_parser = DisplayName::parse)]
        name: DisplayName,
        #[command(flatten)]
        policy: PolicyArgs,
    },
    /// Change the policy of a profile
    Set {
        /// Which
        name: String,
        #[command(flatten)]
        policy: PolicyArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PolicyArgs {
    /// Where users may log in
    #[arg(long, value_name = "web-and-api|web|api", value_parser = ["web-and-api", "web", "api"])]
    pub(crate) access: Option<String>,
    /// When: such as 'mon-fri 08:00-18:00; sat 09:00-12:00'; '' for any time
    #[arg(long, value_name = "HOURS")]
    pub(crate) login_hours: Option<String>,
    /// The time zone of these hours, such as Europe/Berlin
    #[arg(long, value_name = "ZONE")]
    pub(crate) time_zone: Option<String>,
    /// From where: addresses and ranges such as 10.0.0.0/8, by commas; '' for anywhere
    #[arg(long, value_name = "RANGES")]
    pub(crate) login_ranges: Option<String>,
    /// Where a second factor is demanded
    #[arg(long, value_name = "none|web|web-and-api", value_parser = ["none", "web", "web-and-api"])]
    pub(crate) duty: Option<String>,
    /// Time to enrol one after that, such as 14d
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) enrol_grace: Option<String>,
    /// Inactivity that ends a session, such as 2h
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) session_idle: Option<String>,
    /// Age that ends a session on the web, such as 12h
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) web_lifetime: Option<String>,
    /// Fewest characters of a new password
    #[arg(long, value_name = "COUNT")]
    pub(crate) password_min_length: Option<u32>,
    /// Of how many of four kinds it must have characters: lower case, upper case, digits, others
    #[arg(long, value_name = "COUNT")]
    pub(crate) password_kinds: Option<u32>,
    /// How many of the last passwords may not come again
    #[arg(long, value_name = "COUNT")]
    pub(crate) password_history: Option<u32>,
    /// Age at which a password must be changed, such as 90d
    #[arg(long, value_name = "SPAN|none", value_parser = span_or_none)]
    pub(crate) password_max_age: Option<String>,
    /// Age at which a token dies, such as 365d
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) token_max_age: Option<String>,
    /// API sessions of a token that is reset
    #[arg(long, value_name = "end|keep", value_parser = ["end", "keep"])]
    pub(crate) sessions_on_reset: Option<String>,
    /// Tokens when their owner changes the password
    #[arg(long, value_name = "keep|reset", value_parser = ["keep", "reset"])]
    pub(crate) tokens_on_password_change: Option<String>,
    /// Whether mail with a token must be encrypted: without an OpenPGP key there is no reset then
    #[arg(long, value_name = "optional|required", value_parser = ["optional", "required"])]
    pub(crate) mail_encryption: Option<String>,
    /// Failures in a row that lock a user out
    #[arg(long, value_name = "COUNT")]
    pub(crate) lockout_failures: Option<u32>,
    /// How long a lockout lasts, such as 15m
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) lockout_period: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LoginCommand {
    /// Explain how a login would be decided, rule by rule; nothing is written down
    Explain(LoginQuestion),
    /// Show the login history, newest first, with the true reasons
    History {
        /// Of this user alone
        #[arg(long)]
        user: Option<String>,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
}

#[derive(Debug, Args)]
pub(crate) struct LoginQuestion {
    /// Whose login
    pub(crate) username: String,
    /// The address that it would come from
    #[arg(long, value_name = "IP")]
    pub(crate) from: IpAddr,
    /// When, such as 2026-11-23T08:00:00Z (default: now)
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// What kind of login
    #[arg(long, value_name = "NAME", default_value = "soap-partner", value_parser = ["web", "soap-partner", "soap-enterprise", "oauth-password"])]
    pub(crate) head: String,
    /// What the client says it is, such as jsforce (default: nothing)
    #[arg(long, value_name = "NAME", default_value = "")]
    pub(crate) client: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MailCommand {
    /// Show the letters of the outbox and what became of them, newest first
    Status {
        /// How many; all where none is given
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: Option<u16>,
    },
    /// Try waiting letters now
    Retry {
        /// This letter alone
        id: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Verify the chain of the audit trail
    Verify,
    /// Print the audit trail, one JSON object a line (with --json: one array)
    Export,
}

fn span_or_never(text: &str) -> Result<String, spans::SpanError> {
    if text == "never" { Ok(text.to_owned()) } else { span(text) }
}

fn span_or_none(text: &str) -> Result<String, spans::SpanError> {
    if text == "none" { Ok(text.to_owned()) } else { span(text) }
}

fn span(text: &str) -> Result<String, spans::SpanError> {
    spans::parse(text).map(spans::written)
}

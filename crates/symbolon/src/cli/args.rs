//! The command line, as clap reads it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use symbolon_core::names::{DeviceType, DisplayName, EmailAddress, Username};
use symbolon_core::network::Network;
use symbolon_http::control::spans;

/// A self-hosted security-token authority.
#[derive(Debug, Parser)]
#[command(name = "symbolon", version, max_term_width = 100, arg_required_else_help = true)]
#[command(subcommand_required = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Directory of keys, embedded database and control socket [default: symbolon-data]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Common options")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Configuration file [default: symbolon.toml, here or in the data dir]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Common options")]
    pub(crate) config: Option<PathBuf>,
    /// Print data as JSON
    #[arg(long, global = true, help_heading = "Common options")]
    pub(crate) json: bool,
    /// Print data and errors alone
    #[arg(long, short, global = true, help_heading = "Common options")]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server
    Serve(ServeArgs),
    /// Run a throw-away server that shows the whole job, then stays up for you to try
    Demo {
        /// End after the walk
        #[arg(long)]
        once: bool,
    },
    /// Users: add, list, show, freeze, unfreeze, unlock, remove, set-password
    #[command(subcommand)]
    User(UserCommand),
    /// Security tokens: reset, list, revoke, check
    #[command(subcommand)]
    Token(TokenCommand),
    /// Networks from which an API login needs no token
    #[command(subcommand)]
    Network(NetworkCommand),
    /// API clients
    #[command(subcommand)]
    Client(ClientCommand),
    /// Profiles: the policies of groups of users
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Logins
    #[command(subcommand)]
    Login(LoginCommand),
    /// The outbox
    #[command(subcommand)]
    Mail(MailCommand),
    /// The audit trail
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Print a new setup link, for whoever may read the data dir
    RecoverAdmin,
    /// The configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check this installation
    Doctor(ServeArgs),
    /// Print the completions of a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// The flags that are keys of the configuration; their texts are read by `config`.
#[derive(Debug, Default, Args)]
pub(crate) struct ServeArgs {
    /// Address for plain HTTP, or off [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Address for HTTPS
    #[arg(long, value_name = "ADDRESS")]
    listen_tls: Option<String>,
    /// Address for metrics and health, or off [default: 127.0.0.1:8081]
    #[arg(long, value_name = "ADDRESS")]
    listen_ops: Option<String>,
    /// Certificate and chain, PEM
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<String>,
    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<String>,
    /// Make a private authority in the data dir (ca.pem) and use a certificate of it
    #[arg(long)]
    tls_self_signed: bool,
    /// What every link begins with [default: from the listening address]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// sqlite:PATH or postgres://… without a password [default: SQLite in the data dir]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// File that holds the database's URL
    #[arg(long, value_name = "FILE")]
    database_file: Option<String>,
    /// Mail server, such as `smtp://host:587` or `smtps://host`, without a password
    #[arg(long, value_name = "URL")]
    mail: Option<String>,
    /// File that holds the mail server's URL
    #[arg(long, value_name = "FILE")]
    mail_file: Option<String>,
    /// Sender of all mail [default: symbolon@ and the host of the public URL]
    #[arg(long, value_name = "ADDRESS")]
    mail_from: Option<String>,
    /// Proxies whose X-Forwarded-For and Forwarded are believed
    #[arg(long, value_name = "CIDR", num_args = 1.., value_delimiter = ',')]
    trusted_proxy: Vec<String>,
    /// Shown in mails and pages [default: Symbolon]
    #[arg(long, value_name = "NAME")]
    organization: Option<String>,
    /// Form of the log: text or json
    #[arg(long, value_name = "FORM")]
    log_format: Option<String>,
    /// Least severity that is logged: off, error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl ServeArgs {
    /// The keys that were given, with their texts.
    pub(crate) fn given(self) -> Vec<(&'static str, String)> {
        let proxies = (!self.trusted_proxy.is_empty()).then(|| self.trusted_proxy.join(","));
        let all = [
            ("listen", self.listen),
            ("listen_tls", self.listen_tls),
            ("listen_ops", self.listen_ops),
            ("tls_cert", self.tls_cert),
            ("tls_key", self.tls_key),
            ("tls_self_signed", self.tls_self_signed.then(|| "true".to_owned())),
            ("public_url", self.public_url),
            ("database", self.database),
            ("database_file", self.database_file),
            ("mail", self.mail),
            ("mail_file", self.mail_file),
            ("mail_from", self.mail_from),
            ("trusted_proxy", proxies),
            ("organization", self.organization),
            ("log_format", self.log_format),
            ("log_level", self.log_level),
        ];
        all.into_iter().filter_map(|(key, text)| Some((key, text?))).collect()
    }
}

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
    /// Lift a lockout
    Unlock(OneUser),
    /// Remove a user with tokens, sessions, links and letters
    Remove(OneUser),
    /// Set a password, read as one line from stdin
    SetPassword(OneUser),
}

#[derive(Debug, Args)]
pub(crate) struct OneUser {
    /// The user
    pub(crate) username: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Reset a user's security token; the new one is mailed, never printed
    Reset {
        /// The user
        username: String,
        /// Reset the token of this device type alone
        #[arg(long, value_name = "TYPE", value_parser = DeviceType::parse)]
        device_type: Option<DeviceType>,
        /// Which earlier tokens end [default: account; with --device-type: device-type]
        #[arg(long)]
        scope: Option<ScopeArg>,
        /// Why; for the audit trail
        #[arg(long)]
        reason: Option<String>,
    },
    /// List tokens (never the secrets themselves)
    List {
        /// Of this user alone
        #[arg(long)]
        user: Option<String>,
    },
    /// End a live token without a successor
    Revoke {
        /// The token's id, from `token list`
        id: String,
    },
    /// Check format and checksum of a token, read from stdin or a file; asks no server
    Check {
        /// The file to read
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
    },
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
    /// List API clients
    List,
    /// Remove an API client
    Remove {
        /// Its id
        id: String,
    },
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
    /// Age at which a token dies, such as 365d
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) token_max_age: Option<String>,
    /// Failures in a row that lock a user out
    #[arg(long, value_name = "COUNT")]
    pub(crate) lockout_failures: Option<u32>,
    /// How long a lockout lasts, such as 15m
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) lockout_period: Option<String>,
    /// Inactivity that ends a session, such as 2h
    #[arg(long, value_name = "SPAN", value_parser = span)]
    pub(crate) session_idle: Option<String>,
    /// API sessions of a token that is reset
    #[arg(long, value_name = "end|keep", value_parser = ["end", "keep"])]
    pub(crate) sessions_on_reset: Option<String>,
    /// Tokens when their owner changes the password
    #[arg(long, value_name = "keep|reset", value_parser = ["keep", "reset"])]
    pub(crate) tokens_on_password_change: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LoginCommand {
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

#[derive(Debug, Subcommand)]
pub(crate) enum MailCommand {
    /// Show the letters of the outbox and what became of them, newest first
    Status {
        /// How many
        #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
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

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Show every key, its value and where that came from; secrets are masked
    Show(ServeArgs),
    /// Check the configuration
    Check(ServeArgs),
    /// Print a JSON Schema of symbolon.toml
    Schema,
}

fn span(text: &str) -> Result<String, spans::SpanError> {
    spans::parse(text).map(spans::written)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::config::keys::key_named;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_of_serve_is_a_key_of_the_configuration() {
        let serve = Cli::command().find_subcommand("serve").cloned().unwrap();

        for flag in serve.get_arguments().filter_map(|argument| argument.get_long()) {
            let common = ["json", "quiet", "config", "help"].contains(&flag);
            assert!(common || key_named(&flag.replace('-', "_")).is_some(), "--{flag}");
        }
    }

    #[test]
    fn common_options_may_stand_behind_the_command() {
        let cli =
            Cli::try_parse_from(["symbolon", "user", "list", "--json", "--data-dir", "x"]).unwrap();

        assert!(cli.common.json);
        assert_eq!(cli.common.data_dir, Some(PathBuf::from("x")));
    }

    #[test]
    fn several_proxies_may_follow_one_flag() {
        let cli = Cli::try_parse_from([
            "symbolon",
            "serve",
            "--trusted-proxy",
            "10.0.0.1",
            "10.1.0.0/16",
        ])
        .unwrap();

        let Command::Serve(args) = cli.command else { panic!("not serve") };
        assert_eq!(args.given(), [("trusted_proxy", "10.0.0.1,10.1.0.0/16".to_owned())]);
    }
}

//! The command line, as clap reads it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use super::commands::{
    AuditCommand, ClientCommand, DeviceTypeCommand, LoginCommand, MailCommand, NetworkCommand,
    ProfileCommand, TokenCommand, UserCommand,
};
use super::proxy_config::ProxyConfigArgs;

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
    /// Directory of keys, embedded database and control socket (default symbolon-data)
    #[arg(long, global = true, value_name = "DIR", help_heading = "Common options")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Configuration file (default symbolon.toml, here or in the data dir)
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
    /// Users: add, list, show, freeze, unfreeze, unfreeze-tokens, unlock, remove, set-password,
    /// reset-second-factors, sessions, end-session
    #[command(subcommand)]
    User(UserCommand),
    /// Security tokens: reset, list, revoke, check
    #[command(subcommand)]
    Token(TokenCommand),
    /// Device types: what may hold a token, and where the token alone is enough
    #[command(subcommand)]
    DeviceType(DeviceTypeCommand),
    /// Networks from which an API login needs no token
    #[command(subcommand)]
    Network(NetworkCommand),
    /// API clients and their secrets
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
    /// The master keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// The configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check this installation
    Doctor(ServeArgs),
    /// Print a configuration with which a proxy asks Symbolon about each request
    ProxyConfig(ProxyConfigArgs),
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
    /// Address for plain HTTP, or off (default 127.0.0.1:8080)
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Address for HTTPS
    #[arg(long, value_name = "ADDRESS")]
    listen_tls: Option<String>,
    /// Address for metrics and health, or off (default 127.0.0.1:8081)
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
    /// What every link begins with (default from the listening address)
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    /// sqlite:PATH or postgres://… without a password (default SQLite in the data dir)
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
    /// Sender of all mail (default symbolon@ and the host of the public URL)
    #[arg(long, value_name = "ADDRESS")]
    mail_from: Option<String>,
    /// Proxies whose X-Forwarded-For and Forwarded are believed
    #[arg(long, value_name = "CIDR", num_args = 1.., value_delimiter = ',')]
    trusted_proxy: Vec<String>,
    /// Shown in mails and pages (default Symbolon)
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
pub(crate) enum KeysCommand {
    /// Add a new master key and encrypt anew what the older ones encrypt, while no server runs
    Rotate,
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
    fn who_goes_on_with_a_bulk_reset_or_ends_it_asks_for_nothing_else_with_it() {
        for way in ["--resume", "--cancel"] {
            for more in [
                &["--dry-run"][..],
                &["--device-type", "server"],
                &["--scope", "account"],
                &["--reason", "leak"],
            ] {
                let line = [&["symbolon", "token", "reset", way, "0TxA"], more].concat();

                let refused = Cli::try_parse_from(&line).unwrap_err();

                assert_eq!(refused.kind(), clap::error::ErrorKind::ArgumentConflict, "{line:?}");
                assert_eq!(refused.exit_code(), 2, "{line:?}");
            }
            assert!(Cli::try_parse_from(["symbolon", "token", "reset", way, "0TxA"]).is_ok());
        }
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

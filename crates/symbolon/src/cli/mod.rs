//! The command line: from arguments to a command, and from its outcome to an exit code.

mod admin;
mod args;
mod audit;
mod breakage;
mod bulk_reset;
mod commands;
mod config_commands;
mod doctor;
mod explain;
mod keys;
pub(crate) mod link;
mod progress;
mod proxy_config;
mod recover_admin;
mod scan;
mod token_check;
mod token_show;

use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use tokio::runtime;

use crate::config::layers::{Layers, Outside};
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::out::{self, Form, Notes, Out};
use crate::{demo, logs, serve};
use args::{Cli, Command, Common, ConfigCommand, ServeArgs};
use commands::{AuditCommand, TokenCommand};
use link::Link;

/// Runs the command that the arguments name.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // clap ends with 0 for --help and --version and with 2 for wrong usage.
        Err(error) => error.exit(),
    };
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out::complain(&failure.reason);
            failure.exit.into()
        }
    }
}

/// What the arguments and the environment say, apart from the command.
struct Setting {
    out: Out,
    no_color: bool,
    outside: Outside,
}

impl Setting {
    fn of(common: Common) -> Self {
        let environment = config::environment();
        let set =
            |(name, value): &(_, _)| name == OsStr::new("NO_COLOR") && value != OsStr::new("");
        let no_color = environment.iter().any(set);
        let form = if common.json { Form::Json } else { Form::Text };
        let notes = if common.quiet { Notes::Silenced } else { Notes::Told };
        let data_dir = common.data_dir.map(|dir| ("data_dir", dir.to_string_lossy().into_owned()));
        let flags = data_dir.into_iter().collect();
        let outside = Outside { flags, config: common.config, environment };
        Self { out: Out::new(form, notes, no_color), no_color, outside }
    }

    fn layers(self, args: ServeArgs) -> Layers {
        let mut outside = self.outside;
        outside.flags.extend(args.given());
        Layers::gather(outside)
    }

    /// The way to the running server.
    fn link(self) -> Result<Link, Failure> {
        let layers = self.layers(ServeArgs::default());
        let data_dir = config::data_dir(&layers).map_err(|faults| Failure::faulty(&faults))?;
        Ok(Link::of(&data_dir))
    }
}

fn dispatch(cli: Cli) -> Result<(), Failure> {
    let setting = Setting::of(cli.common);
    let (out, no_color) = (setting.out, setting.no_color);
    match cli.command {
        Command::Serve(args) => {
            let config = checked(&setting.layers(args))?;
            logs::begin(config.logs, no_color);
            on_all_processors(serve::run(&config, out))
        }
        Command::Demo { once } => {
            let until = if once { demo::Until::Walked } else { demo::Until::Stopped };
            logs::begin(demo::LOGS, no_color);
            on_all_processors(demo::run(out, until))
        }
        Command::User(command) => on_this_thread(admin::user(setting.link()?, out, command)),
        Command::Token(TokenCommand::Check { file }) => token_check::check(out, file.as_deref()),
        Command::Token(TokenCommand::Scan { paths, repositories }) => {
            scan::scan(out, &paths, &repositories)
        }
        Command::Token(command) => on_this_thread(admin::token(setting.link()?, out, command)),
        Command::DeviceType(command) => {
            on_this_thread(admin::device_type(setting.link()?, out, command))
        }
        Command::Network(command) => on_this_thread(admin::network(setting.link()?, out, command)),
        Command::Client(command) => on_this_thread(admin::client(setting.link()?, out, command)),
        Command::Profile(command) => on_this_thread(admin::profile(setting.link()?, out, command)),
        Command::Login(command) => on_this_thread(admin::login(setting.link()?, out, command)),
        Command::Mail(command) => on_this_thread(admin::mail(setting.link()?, out, command)),
        Command::Audit(AuditCommand::Verify) => on_this_thread(audit::verify(setting.link()?, out)),
        Command::Audit(AuditCommand::Export) => on_this_thread(audit::export(setting.link()?, out)),
        Command::RecoverAdmin => {
            let config = checked(&setting.layers(ServeArgs::default()))?;
            on_all_processors(recover_admin::recover(&config, out))
        }
        Command::Keys(command) => {
            let config = checked(&setting.layers(ServeArgs::default()))?;
            on_all_processors(keys::keys(&config, out, command))
        }
        Command::Config(ConfigCommand::Show(args)) => {
            config_commands::show(&setting.layers(args), out)
        }
        Command::Config(ConfigCommand::Check(args)) => {
            checked(&setting.layers(args))?;
            out.note("The configuration is sound.")
        }
        Command::Config(ConfigCommand::Schema) => config_commands::schema(out),
        Command::Doctor(args) => {
            on_all_processors(doctor::examine(checked(&setting.layers(args))?, out))
        }
        Command::ProxyConfig(mut args) => {
            let config = checked(&setting.layers(std::mem::take(&mut args.symbolon)))?;
            proxy_config::print(args, &config, out)
        }
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "symbolon", &mut io::stdout());
            Ok(())
        }
        Command::Man => {
            let page = clap_mangen::Man::new(Cli::command());
            let written = page.render(&mut io::stdout());
            written
                .map_err(|error| Failure::because(Exit::Failed, "cannot write to stdout", &error))
        }
    }
}

fn checked(layers: &Layers) -> Result<Config, Failure> {
    config::read(layers).map_err(|faults| Failure::faulty(&faults))
}

/// For servers.
fn on_all_processors(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    block_on(runtime::Builder::new_multi_thread(), work)
}

/// For commands that ask a server one thing.
fn on_this_thread(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    block_on(runtime::Builder::new_current_thread(), work)
}

fn block_on(
    mut builder: runtime::Builder,
    work: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let runtime = builder.enable_all().build();
    let runtime =
        runtime.map_err(|error| Failure::because(Exit::Failed, "cannot start threads", &error))?;
    runtime.block_on(work)
}

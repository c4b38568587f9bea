//! The binary: command line, configuration, wiring, signals.
//!
//! The roof of the house: it knows every floor and no floor knows it. Commands that administer speak
//! to the running server over the control socket in its data dir; `serve` is that server, and `demo`
//! a throw-away one that shows the whole job.

mod cli;
mod config;
mod demo;
mod exit;
mod logs;
mod out;
mod serve;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}

//! The log: text or JSON on stderr, and panics in it.
//!
//! Our own crates log from the configured level on, all others from `warn` on: their finer lines
//! could hold what must not be logged.

use std::io::{self, IsTerminal as _};
use std::panic;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{fmt, registry};

use crate::config::{LogFormat, Logs};

/// Begins to log. A second call changes nothing.
pub(crate) fn begin(logs: Logs, no_color: bool) {
    let others = logs.level.min(LevelFilter::WARN);
    let filter = Targets::new().with_default(others).with_target("symbolon", logs.level);
    let lines = fmt::layer().with_writer(io::stderr);
    let colour = !no_color && io::stderr().is_terminal();
    let begun = match logs.format {
        LogFormat::Text => registry().with(filter).with(lines.with_ansi(colour)).try_init(),
        LogFormat::Json => {
            registry().with(filter).with(lines.json().flatten_event(true)).try_init()
        }
    };
    if begun.is_ok() {
        panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            let words = panic.payload_as_str().unwrap_or("without words");
            tracing::error!(code.place = place, "a part of the program failed: {words}");
        }));
    }
}

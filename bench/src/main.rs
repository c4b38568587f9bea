//! The figures that Symbolon is held to, as ratios: each pair is taken in turn in one run, on the same
//! cores, for a few rounds, and medians are printed with their least and most.
//!
//! `cargo run --profile dist -p bench` takes them all; `-- writes`, `-- refusals`, `-- verification`,
//! `-- reminders` and `-- bulk-reset` a part each, and `-- verification wire memory` named parts of it.
//! `--quick` is for trying out: seconds, small sets, one round; `--as-built` takes the server binary that
//! lies there. Absolute rates move with the machine; the ratios hardly do.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod authority;
mod baseline;
mod bulk_reset;
mod crowd;
mod figure;
mod refusals;
mod reminders;
mod rounds;
mod sharing;
mod verification;
mod writes;

use std::process::ExitCode;

use verification::empty_handler::Behind;
use verification::{Part, empty_handler, memory};

const USAGE: &str = "usage: bench [--quick] [--as-built] [writes | refusals | sharing | reminders | bulk-reset | verification [wire|memory|flood|resets|start]…]";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut given = |flag: &str| words.extract_if(.., |word| *word == flag).count() > 0;
    let extent = if given("--quick") { Extent::Quick } else { Extent::Whole };
    let server = if given("--as-built") { Binary::AsBuilt } else { Binary::Current };
    match words.as_slice() {
        [] => {
            writes::measure();
            refusals::measure(extent);
            verification::measure(server, extent, &Part::ALL);
            reminders::measure(extent);
            bulk_reset::measure(extent);
        }
        ["writes"] => writes::measure(),
        ["sharing"] => sharing::measure(),
        ["reminders"] => reminders::measure(extent),
        ["bulk-reset"] => bulk_reset::measure(extent),
        ["refusals"] => refusals::measure(extent),
        ["verification"] => verification::measure(server, extent, &Part::ALL),
        ["verification", parts @ ..] => {
            let parts: Option<Vec<Part>> = parts.iter().map(|word| Part::of_word(word)).collect();
            let Some(parts) = parts else {
                println!("{USAGE}");
                return ExitCode::from(2);
            };
            verification::measure(server, extent, &parts);
        }
        // A data dir to look into by hand.
        ["settle", folder, users] => verification::settle(folder, users.parse().expect("a number")),
        // What this program starts of itself: a server to compare with, and a process whose memory is
        // nobody else's.
        ["empty-handler", port] => {
            empty_handler::serve(port.parse().expect("a port"), Behind::Nothing);
        }
        ["empty-axum-handler", port] => {
            empty_handler::serve(port.parse().expect("a port"), Behind::Router);
        }
        ["sweep-crowd", address] => reminders::sweep(address),
        ["reset-crowd", address, id] => bulk_reset::drive(address, id.parse().expect("a number")),
        ["one-set", size] => memory::measure_set(size.parse().expect("a number"), extent),
        _ => {
            println!("{USAGE}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Which server is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Binary {
    /// What the sources say now: it is built first.
    Current,
    /// Whatever lies beside this program.
    AsBuilt,
}

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Everything, as figures are quoted.
    Whole,
    /// One short round of everything, for trying out.
    Quick,
}

impl Extent {
    /// One of two numbers.
    fn pick<T>(self, whole: T, quick: T) -> T {
        match self {
            Self::Whole => whole,
            Self::Quick => quick,
        }
    }
}

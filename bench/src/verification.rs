//! Figures of verification: what it costs over the wire and in process, what it keeps in memory, whether
//! a flood of logins slows it, whether it ever tells of a state before a reset, how soon it is ready.

pub(crate) mod empty_handler;
mod flood;
mod http;
mod load;
pub(crate) mod memory;
mod population;
mod resets;
pub(crate) mod server;
mod spin;
mod start;
mod wire;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Binary, Extent};
use population::Population;

/// A part of the figures that can be taken by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// CPU per request, against an empty handler; rates.
    Wire,
    /// A verification in process, and the memory of a credential.
    Memory,
    /// Latency beside a flood of logins.
    Flood,
    /// Answers of before a reset.
    Resets,
    /// Start with a million credentials.
    Start,
}

impl Part {
    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::Wire, Self::Memory, Self::Flood, Self::Resets, Self::Start];

    /// The part that a word on the command line means.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "wire" => Self::Wire,
            "memory" => Self::Memory,
            "flood" => Self::Flood,
            "resets" => Self::Resets,
            "start" => Self::Start,
            _ => return None,
        })
    }

    fn needs_population(self) -> bool {
        match self {
            Self::Wire | Self::Flood | Self::Start => true,
            Self::Memory | Self::Resets => false,
        }
    }
}

/// Their credentials lie in the caches; those of the others do not.
const FEW_USERS: usize = 2_000;

/// Takes and prints figures.
pub(crate) fn measure(server: Binary, extent: Extent, parts: &[Part]) {
    if server == Binary::Current {
        build_server();
    }
    let folder = tempfile::tempdir_in(".").expect("the working folder is writable");
    let population = parts
        .iter()
        .any(|part| part.needs_population())
        .then(|| Population::settle(&folder.path().join("data"), extent.pick(100_000, 10_000)));
    for part in parts {
        match (part, &population) {
            (Part::Wire, Some(population)) => {
                let few = Population::settle(&folder.path().join("few"), FEW_USERS);
                for population in [&few, population] {
                    wire::measure(population, extent);
                }
            }
            (Part::Flood, Some(population)) => flood::measure(population, extent),
            (Part::Start, Some(population)) => start::measure(population, extent),
            (Part::Memory, _) => memory::measure(extent),
            (Part::Resets, _) => resets::measure(folder.path(), extent),
            (Part::Wire | Part::Flood | Part::Start, None) => {}
        }
    }
}

/// Makes a data dir and prints whom to ask about, for those who want to look into a figure.
pub(crate) fn settle(folder: &str, users: usize) {
    let population = Population::settle(Path::new(folder), users);
    println!("Authorization: {}", population.client);
    for session in &population.sessions {
        println!("{session}");
    }
}

/// The server is built as this program was: `--profile dist` measures what is shipped.
fn build_server() {
    let folder = beside_this("");
    let profile = folder.components().next_back().expect("it lies in cargo's folder").as_os_str();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "symbolon", "--profile"]).arg(profile);
    assert!(cargo.status().expect("cargo runs").success(), "the server cannot be built");
}

/// The program that `cargo build` has put beside this one.
pub(crate) fn beside_this(name: &str) -> PathBuf {
    env::current_exe().expect("a running program has a path").with_file_name(name)
}

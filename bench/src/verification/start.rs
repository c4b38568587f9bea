//! From the start of the process to the first right answer, with a million credentials in the database.

use rustix::fs::{Advice, fadvise};
use std::fs::File;
use tokio::time::Instant;

use crate::Extent;
use crate::figure::Figure;
use crate::verification::http::request;
use crate::verification::population::Population;
use crate::verification::server::{Cores, Server};
use crate::verification::wire::forward_auth;

const MOST_S: f64 = 3.0;

/// Takes and prints the figures.
pub(crate) fn measure(population: &Population, extent: Extent) {
    println!(
        "\nStart of `symbolon serve` on SQLite: {} credentials of {} users, both cores",
        population.credentials(),
        population.users
    );
    for (kept, name) in [(Kept::InMemory, "in memory"), (Kept::OnDisk, "on disk alone")] {
        let figure = |what: &str| Figure::new(format!("{what}, the file {name}"), " s", 2);
        let mut ready = figure("until /readyz says so");
        let mut answering = figure("until a credential is rightly accepted");
        let mut resident = Figure::new("memory then", " MiB", 0);
        for round in 0..extent.pick(5, 1) {
            if kept == Kept::OnDisk {
                leave_on_disk(population);
            }
            let begun = Instant::now();
            let server = Server::symbolon(&population.data_dir, Cores::All);
            server.wait_for(&request("GET /readyz", &[], ""));
            ready.push(begun.elapsed().as_secs_f64());
            server.wait_for(&forward_auth(&population.sessions[round]));
            answering.push(begun.elapsed().as_secs_f64());
            resident.push(server.resident_kib() / 1024.0);
        }
        ready.print_against(MOST_S);
        answering.print_against(MOST_S);
        resident.print();
    }
}

/// Where the system has the database when the server starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    InMemory,
    OnDisk,
}

/// Has the system forget the file's pages.
fn leave_on_disk(population: &Population) {
    let file = File::open(population.data_dir.join("symbolon.db")).expect("it is there");
    file.sync_all().expect("the disk takes it");
    fadvise(&file, 0, None, Advice::DontNeed).expect("advice costs nothing");
}

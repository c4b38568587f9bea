//! Figures of the write side, as ratios: resets against raw commits, logins against bare hashing.
//!
//! `cargo run --release -p bench` takes each pair in turn, five rounds, and prints the medians. Absolute
//! rates move with the machine; the ratios hardly do. The password check is left out of the resets (they
//! are an administrator's), because it would be all that is measured.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod authority;
mod baseline;
mod rounds;

use rounds::{Pair, ratio_of};

const CLIENTS: [usize; 3] = [1, 8, 64];

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir_in(".").expect("the working folder is writable");
    let authority = authority::open(&folder.path().join("authority.db")).await;
    let mut raw = baseline::RawCommits::open(&folder.path().join("raw.db")).await;

    for clients in CLIENTS {
        let mut pair =
            Pair::named(format!("durable resets, {clients} clients / raw commits, one writer"));
        for _ in 0..rounds::ROUNDS {
            pair.measured(authority::resets(&authority, clients).await);
            pair.baseline(raw.commits().await);
        }
        println!("{}", ratio_of(&pair));
    }

    let threads = authority::HASH_THREADS;
    let mut pair = Pair::named(format!("logins, 16 clients / bare Argon2id on {threads} threads"));
    for _ in 0..rounds::ROUNDS {
        pair.measured(authority::logins(&authority, 16).await);
        pair.baseline(baseline::argon2id(threads));
    }
    println!("{}", ratio_of(&pair));
}

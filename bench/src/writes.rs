//! Figures of the write side: durable resets against raw commits, logins against bare hashing.
//!
//! The password check is left out of the resets (they are an administrator's), because it would be all
//! that is measured.

use symbolon_app::live;

use crate::rounds::{self, Pair, ratio_of};
use crate::{authority, baseline};

const CLIENTS: [usize; 3] = [1, 8, 64];

/// Takes and prints them.
#[tokio::main]
pub(crate) async fn measure() {
    let folder = tempfile::tempdir_in(".").expect("the working folder is writable");
    let authority = authority::open(&folder.path().join("authority.db"), authority::keys()).await;
    authority::add_users(&authority).await;
    // A reset that verifications are answered after has its part in the price.
    live::bring_up_to_date(&authority).await.expect("the database is read");
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

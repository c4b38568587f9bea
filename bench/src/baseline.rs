//! What the figures are judged by: the least that any design would have to do.

use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Executor};
use tokio::time::Instant;

use crate::rounds::ROUND;

/// One row, one commit, one writer, on the same disk with the same durability.
pub(crate) struct RawCommits(SqliteConnection);

impl RawCommits {
    pub(crate) async fn open(path: &Path) -> Self {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let mut connection = options.connect().await.expect("the file can be opened");
        let table = "CREATE TABLE row (id INTEGER PRIMARY KEY, body BLOB NOT NULL)";
        connection.execute(table).await.expect("the table can be made");
        Self(connection)
    }

    /// Commits in a second.
    pub(crate) async fn commits(&mut self) -> f64 {
        let start = Instant::now();
        let mut commits = 0.0;
        while start.elapsed() < ROUND {
            let insert = "INSERT INTO row (body) VALUES (zeroblob(200))";
            self.0.execute(insert).await.expect("a row can be inserted");
            commits += 1.0;
        }
        commits / start.elapsed().as_secs_f64()
    }
}

/// Hashes in a second on so many threads with the product's parameters, and nothing else.
pub(crate) fn argon2id(threads: usize) -> f64 {
    let start = Instant::now();
    let hashes: f64 = std::thread::scope(|scope| {
        let workers: Vec<_> =
            (0..threads).map(|_| scope.spawn(move || hash_until(start))).collect();
        workers.into_iter().map(|worker| worker.join().expect("a hash does not panic")).sum()
    });
    hashes / start.elapsed().as_secs_f64()
}

fn hash_until(start: Instant) -> f64 {
    let parameters = Params::new(19 * 1024, 2, 1, None).expect("the parameters are sound");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
    let mut hashes = 0.0;
    while start.elapsed() < ROUND {
        let mut output = [0; 32];
        argon2
            .hash_password_into(b"a password", b"sixteen bytes ok", &mut output)
            .expect("it hashes");
        std::hint::black_box(output);
        hashes += 1.0;
    }
    hashes
}

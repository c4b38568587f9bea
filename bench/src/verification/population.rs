//! A data dir with a million credentials of a hundred thousand users, as `symbolon serve` finds it.
//!
//! Nearly all digests are random bytes, written by the database itself: they are as good as any to look
//! past. The credentials that are presented have digests under the server's keys, and their owners are
//! spread over all users.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use symbolon_app::context::Switch;
use symbolon_app::{Actor, Ctx, clients};
use symbolon_core::keys::{MasterKey, Purpose};
use symbolon_core::names::DisplayName;
use symbolon_wire::{salesforce_id, session_id};

use crate::authority;
use crate::verification::memory::Lottery;

/// Tokens and sessions of each user, half and half, as far as it goes.
const OF_EACH: usize = 5;
/// Sessions that are presented.
const KNOWN: usize = 10_000;

/// A data dir and what may be presented to its server.
#[derive(Debug)]
pub(crate) struct Population {
    /// The data dir.
    pub(crate) data_dir: PathBuf,
    /// Users in it.
    pub(crate) users: usize,
    /// Session ids that are good.
    pub(crate) sessions: Vec<String>,
    /// The `Authorization` of an API client.
    pub(crate) client: String,
}

impl Population {
    /// Makes the data dir: `users` users, ten credentials for each.
    #[tokio::main]
    pub(crate) async fn settle(data_dir: &Path, users: usize) -> Self {
        let master = authority::keys();
        write_keys(data_dir, &master);
        let database = data_dir.join("symbolon.db");
        let ctx = authority::open(&database, master).await;
        authority::add_users(&ctx).await;
        let name = DisplayName::parse("Bench").expect("a name");
        let client = clients::add(&ctx, Actor::Operator, name, Switch::On).await.expect("a client");
        let client = STANDARD.encode(format!("{}:{}", client.id, client.secret.reveal()));
        let sessions = fill(&ctx, &database, users).await;
        ctx.store.close().await;
        let (data_dir, client) = (data_dir.to_owned(), format!("Basic {client}"));
        Self { data_dir, users, sessions, client }
    }

    /// Credentials in it.
    pub(crate) fn credentials(&self) -> usize {
        2 * OF_EACH * self.users
    }
}

/// The key file, as the server reads it.
fn write_keys(data_dir: &Path, master: &MasterKey) {
    fs::create_dir(data_dir).expect("the folder is writable");
    let private = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode));
    private(data_dir, 0o700).expect("it is ours");
    let keys = data_dir.join("keys.toml");
    let secret = STANDARD.encode(master.reveal());
    fs::write(&keys, format!("[[key]]\nnumber = 1\nsecret = \"{secret}\"\n")).expect("it is ours");
    private(&keys, 0o600).expect("it is ours");
}

const NUMBERS: &str = "
    WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < $most)";

async fn fill(ctx: &Ctx, database: &Path, users: usize) -> Vec<String> {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .synchronous(SqliteSynchronous::Off)
        .foreign_keys(false)
        .pragma("cache_size", "-400000");
    let mut connection = options.connect().await.expect("the file can be opened");
    run(&mut connection, "BEGIN").await;
    run(&mut connection, "CREATE TEMP TABLE crowd (n INTEGER PRIMARY KEY, id INTEGER NOT NULL)")
        .await;
    let numbers = NUMBERS.replace("$most", &users.to_string());
    let most_sessions = OF_EACH * users - KNOWN;
    let now = ctx.clock.now().unix_ms();
    let year = 365 * 24 * 3600 * 1000_i64;
    for statement in [
        format!("INSERT INTO crowd {numbers} SELECT n, abs(random()) FROM n"),
        format!(
            "INSERT INTO user_account (id, username, username_key, email, name, profile_id, epoch,
                                       failures, created_at, profile_since)
             SELECT id, 'crowd' || n || '@example.com', 'crowd' || n || '@example.com',
                    'crowd' || n || '@mail.example', 'Member ' || n || ' of the crowd',
                    (SELECT id FROM profile WHERE everybody_since IS NULL), 0, 0, {now}, {now}
             FROM crowd"
        ),
        format!(
            "INSERT INTO token (id, user_id, device_type, digest, issued_at, expires_at,
                                issued_as, issued_scope)
             SELECT abs(random()), crowd.id, device_type.name, randomblob(32), {now}, {now} + {year},
                    'reset', 'account'
             FROM crowd CROSS JOIN device_type"
        ),
        format!(
            "INSERT INTO session (id, digest, kind, user_id, device_type, head, client, source,
                                  started_at, last_used_at)
             SELECT abs(random()), randomblob(32), 'api', crowd.id, 'server', 'soap-partner',
                    'bench', '127.0.0.1', {now}, {now}
             FROM crowd CROSS JOIN device_type LIMIT {most_sessions}"
        ),
    ] {
        run(&mut connection, &statement).await;
    }
    let sessions = insert_known(ctx, &mut connection, users, now).await;
    run(&mut connection, "DROP TABLE crowd").await;
    run(&mut connection, "COMMIT").await;
    run(&mut connection, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    connection.close().await.expect("it closes");
    sessions
}

async fn insert_known(
    ctx: &Ctx,
    connection: &mut SqliteConnection,
    users: usize,
    now: i64,
) -> Vec<String> {
    let every = users.div_ceil(KNOWN);
    let mut lottery = Lottery::new(11);
    let mut sessions = Vec::with_capacity(KNOWN);
    for number in 0..KNOWN {
        let (id, digest) = session(ctx, &mut lottery);
        let insert = sqlx::query(
            "INSERT INTO session (id, digest, kind, user_id, device_type, head, client, source,
                                  started_at, last_used_at)
             SELECT abs(random()), ?1, 'api', id, 'server', 'soap-partner', 'bench', '127.0.0.1', ?2, ?2
             FROM crowd WHERE n = ?3",
        );
        let owner = i64::try_from(number * every % users + 1).expect("few users");
        let insert = insert.bind(digest.as_bytes().to_vec()).bind(now).bind(owner);
        let done = insert.execute(&mut *connection).await.expect("a row can be inserted");
        assert_eq!(done.rows_affected(), 1, "the owner is there");
        sessions.push(id);
    }
    sessions
}

/// A session id and the digest of its secret part.
pub(crate) fn session(ctx: &Ctx, lottery: &mut Lottery) -> (String, symbolon_core::secret::Digest) {
    let id = session_id::render(&salesforce_id::to_15("00D", 1), &lottery.bytes());
    let secret = session_id::secret_part(&id).expect("it was rendered");
    let digest = ctx.keys.digest(Purpose::Session, secret.as_bytes());
    (id, digest)
}

async fn run(connection: &mut SqliteConnection, statement: &str) {
    let statement = AssertSqlSafe(statement.to_owned());
    connection.execute(sqlx::raw_sql(statement)).await.expect("the statement is sound");
}

//! Many users, each with a token in use that expires within the week, in a database of their own of either
//! kind; and a process that works on them, so that its memory is nobody else's.
//!
//! They are written by the statements of the product, without its decisions: nobody of them logs in.

use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _, stdin};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, raw_sql};
use symbolon_app::{Ctx, live};
use symbolon_core::id::{Id, User};
use symbolon_core::issue::{Issue, IssueCause};
use symbolon_core::keys::{KeyId, MasterKey};
use symbolon_core::names::{DeviceType, DisplayName, EmailAddress, Username};
use symbolon_core::policy::DAY;
use symbolon_core::reset::Scope;
use symbolon_core::secret::Digest;
use symbolon_store::tokens::{self, NewToken};
use symbolon_store::users::{self, NewUserRecord, PasswordRecord};
use symbolon_store::uses::{self, Use};
use symbolon_store::{DatabaseTarget, Tx, profiles};
use tempfile::TempDir;

use crate::authority;
use crate::verification::beside_this;
use crate::verification::memory::Lottery;
use crate::verification::server::{peak_kib, resident_kib};

/// The profile of all of them.
pub(crate) const PROFILE: &str = "Standard";
/// The database goes when the figures are taken, and this key with it.
const KEY: [u8; 32] = [7; 32];
/// Users in one transaction.
const AT_ONCE: usize = 1_000;
const MAX_AGE: Duration = DAY.saturating_mul(365);
const LEFT: Duration = DAY.saturating_mul(6);
/// What a process says when it is ready, and when it has come to its end.
const READY: &str = "ready";
const END: &str = "end";

/// Where the database lies.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    File,
    /// On the server that `SYMBOLON_TEST_POSTGRES` names.
    Server,
}

impl Place {
    /// A file, and a server if one is named.
    pub(crate) fn all() -> Vec<Self> {
        let server = server().map(|_| Self::Server);
        [Self::File].into_iter().chain(server).collect()
    }

    /// How it is told of.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::File => "SQLite on disk",
            Self::Server => "PostgreSQL",
        }
    }
}

/// A database with users in it.
#[derive(Debug)]
pub(crate) struct Crowd {
    address: String,
    /// The file's.
    _folder: Option<TempDir>,
    /// The server's database.
    name: Option<String>,
}

impl Crowd {
    /// Founds an authority with so many users.
    pub(crate) async fn settle(place: Place, count: usize) -> Self {
        let crowd = match place {
            Place::File => {
                let folder = tempfile::tempdir_in(".").expect("the working folder is writable");
                let address = format!("sqlite:{}", folder.path().join("crowd.db").display());
                Self { address, _folder: Some(folder), name: None }
            }
            Place::Server => {
                let name = format!("symbolon_bench_{}", std::process::id());
                administer(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
                administer(format!("CREATE DATABASE {name} TEMPLATE template0")).await;
                let address = url_of(&server().expect("it was named"), &name);
                Self { address, _folder: None, name: Some(name) }
            }
        };
        let ctx = open(&crowd.address).await;
        fill(&ctx, count).await;
        ctx.store.close().await;
        crowd
    }

    /// The authority over it, for a look.
    pub(crate) async fn open(&self) -> Ctx {
        open(&self.address).await
    }

    /// Starts this program's `work` on it in a process of its own, with so many words more.
    pub(crate) fn worker(&self, work: &str, words: &[&str]) -> Worker {
        let mut command = Command::new(beside_this("bench"));
        command.args([work, &self.address]).args(words);
        Worker::start(&mut command)
    }

    /// Removes it.
    pub(crate) async fn remove(self) {
        if let Some(name) = self.name {
            administer(format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
    }
}

/// A process that works on a crowd and says a number after each step.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    says: Lines<BufReader<ChildStdout>>,
    hears: ChildStdin,
    idle_kib: f64,
}

impl Worker {
    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("it is this program");
        let hears = child.stdin.take().expect("it has a pipe");
        let says = BufReader::new(child.stdout.take().expect("it has a pipe")).lines();
        let mut worker = Self { child, says, hears, idle_kib: 0.0 };
        assert_eq!(worker.line(), READY, "a process did not begin");
        let process = worker.process();
        worker.idle_kib = resident_kib(&process);
        // proc(5): the peak is counted from here on.
        fs::write(format!("/proc/{process}/clear_refs"), "5").expect("it is our child");
        worker
    }

    /// Lets it begin.
    pub(crate) fn begin(&mut self) {
        self.hears.write_all(b"\n").expect("it reads");
    }

    /// What it says after its next step; `None` at the end.
    pub(crate) fn step(&mut self) -> Option<usize> {
        let line = self.line();
        (line != END).then(|| line.parse().expect("it says numbers"))
    }

    fn line(&mut self) -> String {
        self.says.next().expect("it says what it does").expect("it speaks UTF-8")
    }

    /// Mebibytes that it had in memory before it began, and what came on top of them at most.
    pub(crate) fn memory_mib(&self) -> (f64, f64) {
        let peak = peak_kib(&self.process());
        (self.idle_kib / 1024.0, (peak - self.idle_kib) / 1024.0)
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it is our child");
    }

    /// Lets it end.
    pub(crate) fn dismiss(mut self) {
        drop(self.hears);
        assert!(self.child.wait().expect("it is our child").success(), "a process failed");
    }

    fn process(&self) -> String {
        self.child.id().to_string()
    }
}

/// The other side of [`Worker`]: works when it is told to, with all that a server has in memory, and stays
/// until it is dismissed.
pub(crate) async fn work_on(address: &str, work: impl AsyncFnOnce(&Ctx)) {
    let ctx = open(address).await;
    live::bring_up_to_date(&ctx).await.expect("the database is read");
    println!("{READY}");
    let mut words = stdin().lines();
    words.next();
    work(&ctx).await;
    println!("{END}");
    words.next();
}

async fn open(address: &str) -> Ctx {
    let target = DatabaseTarget::parse(address).expect("we made it up");
    authority::open_at(&target, MasterKey::from_bytes(KEY)).await
}

async fn fill(ctx: &Ctx, count: usize) {
    let mut lottery = Lottery::new(23);
    for from in (0..count).step_by(AT_ONCE) {
        let mut tx = ctx.store.begin().await.expect("it begins");
        let mut used = Vec::new();
        for number in from..count.min(from + AT_ONCE) {
            let token = add(ctx, &mut tx, number, &mut lottery).await;
            used.push((token, used_by("jsforce/3.1", "10.1.2.3", ctx)));
            used.push((token, used_by("python-requests/2.31", "10.1.2.4", ctx)));
        }
        uses::note(&mut tx, &used).await.expect("they are noted");
        tx.commit().await.expect("it is committed");
    }
}

/// Adds a user with a token; tells its number.
async fn add(ctx: &Ctx, tx: &mut Tx, number: usize, lottery: &mut Lottery) -> i64 {
    let profile = profiles::find_by_name(tx, PROFILE).await.expect("it is read");
    let user = Id::<User>::from_raw(i64::from_le_bytes(lottery.bytes()));
    let hash = "nobody logs in".to_owned();
    let new = NewUserRecord {
        id: user,
        username: &Username::parse(&format!("crowd{number}@example.com")).expect("a name"),
        email: &EmailAddress::parse(&format!("crowd{number}@mail.example")).expect("an address"),
        name: &DisplayName::parse(&format!("Member {number} of the crowd")).expect("a name"),
        profile: profile.expect("it is there from the beginning").id,
        admin_since: None,
        password: Some(&PasswordRecord { hash, pepper: KeyId(1) }),
    };
    let issued_at = ctx.clock.now() + LEFT - MAX_AGE;
    assert!(users::insert(tx, &new, issued_at).await.expect("it is written"), "a name is taken");
    let token = NewToken {
        id: Id::from_raw(i64::from_le_bytes(lottery.bytes())),
        user,
        device_type: &DeviceType::any(),
        digest: &Digest::from_bytes(lottery.bytes()),
        expires_at: issued_at + MAX_AGE,
        issue: Issue {
            cause: IssueCause::Reset,
            scope: Scope::Account,
            issuer: None,
            source: None,
        },
    };
    tokens::insert(tx, &token, issued_at).await.expect("it is written");
    token.id.raw()
}

fn used_by(client: &str, source: &str, ctx: &Ctx) -> Use {
    let last_at = ctx.clock.now() - DAY;
    Use {
        network: source.to_owned(),
        client: client.to_owned(),
        source: source.to_owned(),
        head: "soap-partner".to_owned(),
        first_at: last_at - DAY,
        last_at,
        times: 40,
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench has no configuration but this")]
fn server() -> Option<String> {
    std::env::var("SYMBOLON_TEST_POSTGRES").ok()
}

/// The URL of another database of the same server.
fn url_of(server: &str, database: &str) -> String {
    let authority = server.find("://").map_or(0, |scheme| scheme + 3);
    let end = server[authority..].find('/').map_or(server.len(), |path| authority + path);
    format!("{}/{database}", &server[..end])
}

async fn administer(sql: String) {
    let server = server().expect("it was named");
    let mut connection = PgConnection::connect(&server).await.expect("the server answers");
    let done = raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await;
    done.expect("the role may create databases");
    connection.close().await.expect("the server closes the connection");
}

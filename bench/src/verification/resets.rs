//! Whether a verification ever tells of a state before a reset that was answered.
//!
//! In process, over a database on disk: users with a security token that stands alone and a session that
//! was opened with it are reset over and over, several at a time. From the instant at which a reset has
//! returned, both are presented, by whoever reset them and by threads that do nothing else, and must be
//! refused. That the pair before was accepted is checked just before its reset, so that refusals mean
//! something.
//!
//! The control is the same race with verifications answered by a second view of the same database that
//! is fed late, as one would be that does not take part in a commit: it must be caught.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use arc_swap::ArcSwapOption;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Row as _};
use symbolon_app::login::Head;
use symbolon_app::verify::{NoAdmission, Presented, Presenter, Question, verify_at_once};
use symbolon_app::{Actor, Ctx, device_types, live, reset};
use symbolon_core::device_type::DeviceRules;
use symbolon_core::id::{Id, Letter, Session, Token, User};
use symbolon_core::keys::{KeyId, MasterKey};
use symbolon_core::names::{DeviceType, Source};
use symbolon_core::reset::Scope;
use symbolon_core::secret::Nonce;
use symbolon_core::session::SessionKind;
use symbolon_core::verification::BearerUse;
use symbolon_store::changes::{self, Change};
use symbolon_store::sessions;
use symbolon_wire::session_id;
use tokio::time::Instant;

use crate::verification::memory::Lottery;
use crate::verification::population::session;
use crate::{Extent, authority};

/// Resets at a time.
const RESETTERS: usize = 8;
/// Threads that present retired credentials and do nothing else.
const PRESENTERS: usize = 2;
const DEVICE_TYPE: &str = "server";

/// Takes and prints the figures.
#[tokio::main]
pub(crate) async fn measure(folder: &Path, extent: Extent) {
    println!(
        "\nVerifications racing resets: {} users, {RESETTERS} resets at a time, retired tokens and \
         sessions presented from the answer on",
        authority::USERS
    );
    let database = folder.join("resets.db");
    let master = authority::keys();
    let same = MasterKey::from_bytes(*master.reveal());
    let ctx = authority::open(&database, master).await;
    let server = DeviceType::parse(DEVICE_TYPE).expect("a name");
    let stand_alone = |rules: &mut DeviceRules| rules.bearer = BearerUse::Allowed;
    device_types::set(&ctx, Actor::Operator, &server, stand_alone).await.expect("a change");
    live::bring_up_to_date(&ctx).await.expect("the database is read");
    authority::add_users(&ctx).await;
    let names: Vec<String> = (0..authority::USERS).map(authority::name_of).collect();

    let resets = extent.pick(10_000, 500);
    let least = extent.pick(1_000_000, 50_000);
    // One for both races: the sessions of the second are not those of the first.
    let mut lottery = Lottery::new(17);
    let outcome = race(&ctx, &ctx, &database, &names, &mut lottery, resets, least).await;
    outcome.print();
    let reached = outcome.stale == 0 && outcome.refused_before == 0;
    println!("  stale answers: {}; none may be: {}", outcome.stale, verdict(reached));

    let late = authority::open_as_it_is(&database, same).await;
    live::bring_up_to_date(&late).await.expect("the database is read");
    let feeding = tokio::spawn(live::run(late.clone(), std::future::pending()));
    let resets = extent.pick(500, 100);
    let outcome = race(&ctx, &late, &database, &names, &mut lottery, resets, 0).await;
    feeding.abort();
    let caught =
        if outcome.stale > 0 { "caught" } else { "NOT CAUGHT: the check is worth nothing" };
    println!(
        "  control, a view that is fed late: {} stale answers in {} verifications: {caught}",
        outcome.stale, outcome.verifications
    );
}

fn verdict(reached: bool) -> &'static str {
    if reached { "reached" } else { "NOT REACHED" }
}

/// A token and the session that was opened with it.
#[derive(Debug)]
struct Pair {
    token: String,
    session: String,
}

/// What is counted while the race goes on.
#[derive(Debug, Default)]
struct Tally {
    verifications: AtomicU64,
    stale: AtomicU64,
    refused_before: AtomicU64,
}

/// What came of it.
struct Outcome {
    resets: usize,
    seconds: f64,
    verifications: u64,
    stale: u64,
    refused_before: u64,
}

impl Outcome {
    fn print(&self) {
        let Self { resets, seconds, verifications, refused_before, .. } = self;
        println!(
            "  {verifications} verifications, {resets} resets in {seconds:.1} s; live credentials \
             refused just before their reset: {refused_before}"
        );
    }
}

/// The pair that was retired last, by each resetter.
type Board = [ArcSwapOption<Pair>; RESETTERS];

async fn race(
    resets_by: &Ctx,
    verified_by: &Ctx,
    database: &Path,
    names: &[String],
    lottery: &mut Lottery,
    resets: usize,
    least: u64,
) -> Outcome {
    let board: Arc<Board> = Arc::default();
    let tally: Arc<Tally> = Arc::default();
    let ended = Arc::new(AtomicBool::new(false));
    let begun = Instant::now();
    let presenters: Vec<_> = (0..PRESENTERS)
        .map(|_| {
            let (ctx, board, tally) = (verified_by.clone(), Arc::clone(&board), Arc::clone(&tally));
            let ended = Arc::clone(&ended);
            thread::spawn(move || present(&ctx, &board, &tally, &ended))
        })
        .collect();
    let share = names.len() / RESETTERS;
    let resetters: Vec<_> = names
        .chunks(share)
        .take(RESETTERS)
        .enumerate()
        .map(|(number, names)| {
            let resetter = Resetter {
                resets_by: resets_by.clone(),
                verified_by: verified_by.clone(),
                names: names.to_vec(),
                number,
                lottery: Lottery::new(u64::from_le_bytes(lottery.bytes())),
                board: Arc::clone(&board),
                tally: Arc::clone(&tally),
            };
            let options = SqliteConnectOptions::new().filename(database).read_only(true);
            tokio::spawn(async move {
                let outbox = options.connect().await.expect("the database can be read");
                resetter.run(outbox, resets / RESETTERS).await;
            })
        })
        .collect();
    for resetter in resetters {
        resetter.await.expect("no panic");
    }
    while tally.verifications.load(Ordering::Relaxed) < least {
        tokio::task::yield_now().await;
    }
    ended.store(true, Ordering::Relaxed);
    for presenter in presenters {
        presenter.join().expect("no panic");
    }
    Outcome {
        resets: resets / RESETTERS * RESETTERS,
        seconds: begun.elapsed().as_secs_f64(),
        verifications: tally.verifications.load(Ordering::Relaxed),
        stale: tally.stale.load(Ordering::Relaxed),
        refused_before: tally.refused_before.load(Ordering::Relaxed),
    }
}

/// Presents what was retired last, over and over.
fn present(ctx: &Ctx, board: &Board, tally: &Tally, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        for retired in board {
            if let Some(pair) = &*retired.load() {
                tally.present_retired(ctx, pair);
            }
        }
    }
}

impl Tally {
    /// Presents a pair whose reset was answered: both must be refused.
    fn present_retired(&self, ctx: &Ctx, pair: &Pair) {
        for accepted in self.present(ctx, pair) {
            self.stale.fetch_add(u64::from(accepted), Ordering::Relaxed);
        }
    }

    /// Presents a pair that nobody is resetting: both must be accepted.
    fn present_live(&self, ctx: &Ctx, pair: &Pair) {
        for accepted in self.present(ctx, pair) {
            self.refused_before.fetch_add(u64::from(!accepted), Ordering::Relaxed);
        }
    }

    fn present(&self, ctx: &Ctx, pair: &Pair) -> [bool; 2] {
        self.verifications.fetch_add(2, Ordering::Relaxed);
        let session = session_id::secret_part(&pair.session).expect("it was rendered");
        [Presented::Token(&pair.token), Presented::Session(session)].map(|presented| {
            let question = Question { presented: Some(presented), username: None };
            let source = Source::new(std::net::Ipv4Addr::LOCALHOST.into());
            let presenter = Presenter::of_client(Head::Introspection, source, b"bench");
            match verify_at_once(ctx, &question, presenter, &|_| true).expect("no session is idle")
            {
                Ok(_) => true,
                Err(NoAdmission::Refused(_)) => false,
                Err(NoAdmission::CannotKnow) => panic!("the view is open throughout"),
            }
        })
    }
}

/// Resets users of its own, one after the other.
struct Resetter {
    resets_by: Ctx,
    verified_by: Ctx,
    names: Vec<String>,
    number: usize,
    lottery: Lottery,
    board: Arc<Board>,
    tally: Arc<Tally>,
}

impl Resetter {
    async fn run(mut self, mut outbox: SqliteConnection, resets: usize) {
        let mut live: Vec<Option<Pair>> = self.names.iter().map(|_| None).collect();
        for number in 0..resets + self.names.len() {
            let at = number % self.names.len();
            let before = live[at].take();
            if let Some(before) = &before {
                self.tally.present_live(&self.verified_by, before);
            }
            let token = self.reset(&self.names[at]).await;
            // From here on the pair before is dead.
            if let Some(before) = before {
                self.tally.present_retired(&self.verified_by, &before);
                self.board[self.number].store(Some(Arc::new(before)));
            }
            live[at] = Some(self.pair_of(token, &mut outbox).await);
        }
    }

    async fn reset(&self, name: &str) -> Id<Token> {
        let device_type = DeviceType::parse(DEVICE_TYPE).expect("a name");
        let (actor, scope) = (Actor::Operator, Scope::Account);
        let done = reset::reset_for(&self.resets_by, actor, name, device_type, scope, None).await;
        done.expect("a reset").token
    }

    /// The new token, as its letter carries it, and a session that was opened with it.
    async fn pair_of(&mut self, token: Id<Token>, outbox: &mut SqliteConnection) -> Pair {
        let select = sqlx::query(
            "SELECT letter.id, letter.nonce, token.user_id FROM letter
             JOIN token ON token.id = letter.token_id WHERE token.id = ?1 AND nonce IS NOT NULL",
        );
        let row = select.bind(token.raw()).fetch_one(outbox).await.expect("its letter waits");
        let letter = Id::<Letter>::from_raw(row.get(0));
        let nonce = Nonce::from_bytes(row.get(1)).expect("32 bytes");
        let owner = Id::<User>::from_raw(row.get(2));
        let ctx = &self.resets_by;
        let secret = ctx.keys.token_of(KeyId(1), &nonce, letter).expect("the ring holds its key");
        let session = open_session(ctx, owner, token, &mut self.lottery).await;
        // A late view knows the pair too, so that it can be late about its end.
        live::bring_up_to_date(&self.verified_by).await.expect("the change is applied");
        Pair { token: secret.reveal().to_owned(), session }
    }
}

/// Opens a session as a login does, without the password: its hash would be all that takes time.
async fn open_session(
    ctx: &Ctx,
    user: Id<User>,
    token: Id<Token>,
    lottery: &mut Lottery,
) -> String {
    let (text, digest) = session(ctx, lottery);
    let now = ctx.clock.now();
    let id = ctx.chance.with(|mut rng| Id::<Session>::mint(&mut rng));
    let new = sessions::NewSession {
        id,
        digest: &digest,
        kind: SessionKind::Api,
        user,
        token: Some(token),
        client_id: None,
        head: "soap-partner",
        client: "bench",
        source: "127.0.0.1",
        proof: "password",
        proved_at: None,
        place: None,
        restriction: None,
    };
    let mut tx = ctx.store.begin().await.expect("a transaction");
    sessions::insert(&mut tx, &new, now).await.expect("a session");
    let change = Change::SessionStarted;
    changes::record(&mut tx, change, user, Some(id.raw()), now).await.expect("a change");
    tx.commit().await.expect("a commit");
    live::bring_up_to_date(ctx).await.expect("the change is applied");
    text
}

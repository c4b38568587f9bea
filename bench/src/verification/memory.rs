//! A verification in process, and what a credential takes in memory: sets of two sizes, each in a
//! process of its own.
//!
//! Measured is `app::verify`, from the credential's text on, in one thread: the look at its format, the digest,
//! the look-up and the judgement, as in a batch; and the same as a head asks about one, with a look at the gate
//! and at the clock and the folding of the place of use. The credentials that are presented
//! are drawn at random from all of the set, so with ten million nothing of them is in a cache.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::process::Command;

use rustix::time::{ClockId, clock_gettime};
use symbolon_app::login::Head;
use symbolon_app::verify::{Presented, Presenter, Question, Sort, Together, verify_at_once};
use symbolon_app::{Actor, Ctx, device_types, live, profiles};
use symbolon_core::device_type::DeviceRules;
use symbolon_core::id::{Id, Letter};
use symbolon_core::keys::{KeyId, Purpose};
use symbolon_core::names::{DeviceType, Source};
use symbolon_core::policy::DAY;
use symbolon_core::secret::{Digest, Nonce};
use symbolon_core::verification::BearerUse;
use symbolon_core::verification::OwnerState;
use symbolon_live::{Credential, CredentialSort, UserFacts};
use symbolon_wire::session_id;

use crate::figure::Figure;
use crate::verification::beside_this;
use crate::verification::population::session;
use crate::verification::server::resident_kib;
use crate::{Extent, authority};

const SMALL: usize = 10_000;
const LARGE: usize = 10_000_000;
/// Half of them tokens, half sessions.
const OF_EACH_USER: usize = 10;
/// Most credentials of each kind that are presented: ten times what any cache holds.
const MOST_PRESENTED: usize = 500_000;
/// Verifications of a round, at least.
const IN_ROUND: usize = 500_000;
const PAGE: usize = 10_000;
/// Words of memory for each credential, about.
const WORDS_OF_A_CREDENTIAL: usize = 7;

/// Takes and prints the figures.
pub(crate) fn measure(extent: Extent) {
    let large = extent.pick(LARGE, 1_000_000);
    for (size, pages) in [(SMALL, Pages::Ordinary), (large, Pages::Ordinary), (large, Pages::Huge)]
    {
        let mut child = Command::new(beside_this("bench"));
        child.args(["one-set", &size.to_string()]);
        if extent == Extent::Quick {
            child.arg("--quick");
        }
        if pages == Pages::Huge {
            println!("\nThe next set with {HUGE_PAGES}, as docs/operators.md tells for very many");
            child.env("GLIBC_TUNABLES", HUGE_PAGES);
        }
        assert!(child.status().expect("it is this program").success(), "a set was not measured");
    }
}

/// In what pieces the kernel hands out memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pages {
    /// 4 KiB: where each of very many reads goes to another page, finding the page takes as long as reading.
    Ordinary,
    /// 2 MiB where it can.
    Huge,
}

/// Has glibc ask for huge pages, and keep everything where it asks for them.
const HUGE_PAGES: &str = "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296";

/// Takes and prints the figures of a set of so many credentials.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn measure_set(size: usize, extent: Extent) {
    let folder = tempfile::tempdir_in(".").expect("the working folder is writable");
    let ctx = authority::open(&folder.path().join("authority.db"), authority::keys()).await;
    let server = DeviceType::parse("server").expect("a name");
    let stand_alone = |rules: &mut DeviceRules| rules.bearer = BearerUse::Allowed;
    device_types::set(&ctx, Actor::Operator, &server, stand_alone).await.expect("a change");
    live::bring_up_to_date(&ctx).await.expect("an empty database is read");

    let users = size / OF_EACH_USER;
    println!(
        "\nIn process, one core: {size} credentials, half tokens, half sessions, of {users} users"
    );
    let set = Set::put_in(&ctx, size, users).await;
    let rounds = extent.pick(9, 3);
    for (name, texts) in [("token", &set.tokens), ("session", &set.sessions)] {
        measure_texts(&ctx, name, texts, rounds, most_ns(size));
    }
    set.print_memory(size, users);
    drop(set);
    print_limit(size, users, rounds);
}

/// What no look-up that goes by digest to a credential and from there to its owner can come below: two reads
/// of memory of which the second waits for the first, and the next pair for both.
fn print_limit(size: usize, users: usize, rounds: usize) {
    let mut lottery = Lottery::new(11);
    let owners: Vec<usize> =
        (0..size * WORDS_OF_A_CREDENTIAL).map(|_| lottery.below(users)).collect();
    let states = vec![1_u64; users];
    let mut limit = Figure::new("limit: two reads, one after the other", " ns", 0);
    for _ in 0..rounds {
        let begun = thread_ns();
        let mut pairs = 0;
        while pairs < IN_ROUND {
            let owner = owners[lottery.below(owners.len())];
            lottery = Lottery::new(lottery.0.wrapping_add(states[owner]));
            pairs += 1;
        }
        #[expect(clippy::cast_precision_loss, reason = "some hundred thousands")]
        limit.push((thread_ns() - begun) / pairs as f64);
    }
    black_box(lottery.next());
    limit.print();
}

/// Nanoseconds that a verification may take in a set of so many.
fn most_ns(size: usize) -> f64 {
    if size <= SMALL { 250.0 } else { 600.0 }
}

fn measure_texts(ctx: &Ctx, name: &str, texts: &Texts, rounds: usize, most: f64) {
    let figure = |what: &str| Figure::new(format!("{name}: {what}"), " ns", 0);
    let (mut whole, mut parse) = (figure("verification"), figure("of it parse"));
    let (mut digest, mut judge) = (figure("of it digest"), figure("of it look-up and judgement"));
    let mut alone = figure("as a head asks about one: with gate, clock and place of use");
    let mut told = figure("and the holder looked up, as a head does to tell of him");
    // Every use is noted once in ten seconds; here it is the judgement that counts.
    verify_all(ctx, texts);
    for _ in 0..rounds {
        let verified = verify_all(ctx, texts);
        let parsed = each_ns(texts, |text| black_box(presented(text)).is_some());
        let digested = each_ns(texts, |text| {
            black_box(digest_of(ctx, text));
            true
        });
        alone.push(each_ns(texts, |text| {
            let question = Question { presented: presented(text), username: None };
            verify_at_once(ctx, &question, presenter(), &|_| true)
                .is_some_and(|verified| verified.is_ok())
        }));
        told.push(each_ns(texts, |text| {
            let question = Question { presented: presented(text), username: None };
            let verified = verify_at_once(ctx, &question, presenter(), &|_| true);
            let admission = verified.and_then(Result::ok);
            admission.is_some_and(|admission| !admission.holder().username().is_empty())
        }));
        whole.push(verified);
        parse.push(parsed);
        digest.push(digested - parsed);
        judge.push(verified - digested);
    }
    whole.print_against(most);
    for part in [parse, digest, judge, alone, told] {
        part.print();
    }
}

fn verify_all(ctx: &Ctx, texts: &Texts) -> f64 {
    let together = Together::begin(ctx, presenter()).expect("the gate is open");
    each_ns(texts, |text| {
        let question = Question { presented: presented(text), username: None };
        together.verify(&question).is_ok()
    })
}

fn presenter() -> Presenter<'static> {
    let source = Source::new(Ipv4Addr::LOCALHOST.into());
    Presenter::of_client(Head::Introspection, source, b"bench")
}

/// As the heads take a text for what it can be.
fn presented(text: &str) -> Option<Presented<'_>> {
    match session_id::secret_part(text) {
        Some(secret) => Some(Presented::Session(secret)),
        None => Presented::token(text),
    }
}

fn digest_of(ctx: &Ctx, text: &str) -> Digest {
    match presented(text).expect("a credential of the set") {
        Presented::Session(secret) => ctx.keys.digest(Purpose::Session, secret.as_bytes()),
        Presented::Token(text) => ctx.keys.digest(Purpose::Token, text.as_bytes()),
    }
}

/// Nanoseconds of this thread's time for each text, all of them as often as a round needs.
fn each_ns(texts: &Texts, work: impl Fn(&str) -> bool) -> f64 {
    let passes = IN_ROUND.div_ceil(texts.count());
    let begun = thread_ns();
    let mut good = 0;
    for _ in 0..passes {
        good += texts.each().filter(|text| work(text)).count();
    }
    let took = thread_ns() - begun;
    assert_eq!(good, passes * texts.count(), "every credential is good");
    #[expect(clippy::cast_precision_loss, reason = "some millions")]
    let count = good as f64;
    took / count
}

/// The time that this thread has had a core for: others that want it too do not count.
#[expect(clippy::cast_precision_loss, reason = "some seconds")]
fn thread_ns() -> f64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    used.tv_sec as f64 * 1e9 + used.tv_nsec as f64
}

/// Texts of one length, one behind the other, so that reading them costs next to nothing.
#[derive(Debug, Default)]
struct Texts {
    all: String,
    length: usize,
}

impl Texts {
    fn push(&mut self, text: &str) {
        self.length = text.len();
        self.all.push_str(text);
    }

    fn count(&self) -> usize {
        self.all.len() / self.length
    }

    fn each(&self) -> impl Iterator<Item = &str> {
        (0..self.count()).map(|at| &self.all[at * self.length..(at + 1) * self.length])
    }
}

/// What was put into the view.
struct Set {
    tokens: Texts,
    sessions: Texts,
    kib_of_users: f64,
    kib_of_credentials: f64,
}

impl Set {
    async fn put_in(ctx: &Ctx, size: usize, users: usize) -> Self {
        let mut lottery = Lottery::new(7);
        let (mut tokens, mut sessions) = (Texts::default(), Texts::default());
        let presented = size.min(2 * MOST_PRESENTED);
        // Everything that is not the view's is in memory before it is weighed.
        let mut known = Vec::with_capacity(presented);
        for number in 0..presented {
            let (kind, texts, (text, digest)) = if number % 2 == 0 {
                (Sort::Token, &mut tokens, token(ctx, &mut lottery))
            } else {
                (Sort::Session, &mut sessions, session(ctx, &mut lottery))
            };
            texts.push(&text);
            known.push((kind, digest));
        }
        // They are presented in another order than they are put in.
        for at in (1..presented).rev() {
            known.swap(at, lottery.below(at + 1));
        }
        let mut page = Vec::with_capacity(PAGE);
        let empty = resident_kib("self");

        let profile = profiles::list(ctx).await.expect("there is one").remove(0).id;
        let owner = OwnerState { active: true, tokens_frozen: false, password_expired: false };
        for from in (0..users).step_by(PAGE) {
            let facts: Vec<UserFacts> = (from..users.min(from + PAGE))
                .map(|user| UserFacts {
                    id: id_of(user),
                    username: format!("crowd{user}@example.com"),
                    email: format!("crowd{user}@mail.example"),
                    name: format!("Member {user} of the crowd"),
                    administrator: false,
                    profile,
                    owner,
                })
                .collect();
            ctx.live.view.fill_users(&facts, i64::MAX);
        }
        let with_users = resident_kib("self");

        let now = ctx.clock.now();
        ctx.live.view.make_room_for(size);
        for number in 0..size {
            // Those that are presented lie evenly among the others.
            let (at, next) = (number * presented / size, (number + 1) * presented / size);
            let (sort, digest) = if at < next {
                known[at]
            } else {
                let sort = if number % 2 == 0 { Sort::Token } else { Sort::Session };
                (sort, Digest::from_bytes(lottery.bytes()))
            };
            page.push(Credential {
                id: i64::from_le_bytes(lottery.bytes()) & i64::MAX,
                digest,
                user: id_of(lottery.below(users)),
                sort: match sort {
                    Sort::Token => CredentialSort::Token { expires_at: now + DAY, active_at: now },
                    Sort::Session => CredentialSort::Session { last_used_at: now, client: None },
                },
                started_at: now,
                device_type: Some("server".to_owned()),
            });
            if page.len() == PAGE || number + 1 == size {
                ctx.live.view.fill_credentials(&page, i64::MAX);
                page.clear();
            }
        }
        let with_credentials = resident_kib("self");
        assert_eq!((ctx.live.view.len(), ctx.live.view.left_out()), (size, 0), "all are in");
        Self {
            tokens,
            sessions,
            kib_of_users: with_users - empty,
            kib_of_credentials: with_credentials - with_users,
        }
    }

    fn print_memory(&self, size: usize, users: usize) {
        // A set of some pages tells nothing of its memory.
        if size < 100 * PAGE {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "some millions")]
        let bytes = |kib: f64, of: usize| kib * 1024.0 / of as f64;
        let credential = bytes(self.kib_of_credentials, size);
        Figure::of("memory of a credential", " bytes", 1, [credential]).print_against(64.0);
        Figure::of("memory of a user beside", " bytes", 1, [bytes(self.kib_of_users, users)])
            .print();
    }
}

fn id_of<K>(user: usize) -> Id<K> {
    Id::from_raw(i64::try_from(user).expect("few users") + 1)
}

/// A security token and its digest.
fn token(ctx: &Ctx, lottery: &mut Lottery) -> (String, Digest) {
    let nonce = Nonce::from_bytes(&lottery.bytes::<32>()).expect("32 bytes");
    let letter = Id::<Letter>::from_raw(1);
    let token = ctx.keys.token_of(KeyId(1), &nonce, letter).expect("the ring holds its key");
    let digest = ctx.keys.digest(Purpose::Token, token.reveal().as_bytes());
    (token.reveal().to_owned(), digest)
}

/// Numbers that look random and are the same in every run: splitmix64.
#[derive(Debug)]
pub(crate) struct Lottery(u64);

impl Lottery {
    /// Another seed, other numbers.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// Some bytes.
    pub(crate) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
        bytes
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).expect("64 bits hold it"))
            .expect("as above")
    }
}

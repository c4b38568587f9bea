//! Whether the time of a refusal tells who exists: logins of a name that nobody has, and of users who are
//! locked out, frozen, under the duty of a code or met with a wrong password, taken in turn. Each ends in six digits,
//! which may be a code. The hash is nearly all of each, and all make one; what is asked here is how well a stranger
//! could sort them by their times alone.
//!
//! Told for each kind against the wrong password: the chance that a login of the one takes longer than a
//! login of the other. Half is no knowledge at all.

use std::net::Ipv4Addr;

use symbolon_app::login::{ApiLogin, Head, log_in_to_api};
use symbolon_app::{Actor, Ctx, Origin, profiles, users};
use symbolon_core::id::Id;
use symbolon_core::names::{ClientName, DisplayName, Source, Username};
use symbolon_core::policy::{Duty, Policy};
use symbolon_core::sealed::{SealedFor, Seat};
use symbolon_core::secret::Credential;
use symbolon_core::totp::TotpSecret;
use symbolon_store::authenticators::{self, NewAuthenticator};
use tokio::time::Instant;

use crate::figure::{Figure, median};
use crate::{Extent, authority};

/// What a stranger must not be able to tell from a wrong password.
const KINDS: [Kind; 5] =
    [Kind::WrongPassword, Kind::Unknown, Kind::LockedOut, Kind::Frozen, Kind::UnderDuty];
/// Users who are locked out, and as many who are frozen.
const OF_EACH: usize = 4;
/// Users who owe a code and have an app, whom no wrong password locks out here; the others meet wrong passwords.
const UNDER_DUTY: usize = 8;
/// Where those begin who have nothing of their own.
const OTHERS: usize = 2 * OF_EACH + UNDER_DUTY;
/// Wrong passwords that lock out.
const LOCKING: usize = 10;
/// How far from a half a chance may lie.
const MOST_OFF: f64 = 0.05;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    WrongPassword,
    Unknown,
    LockedOut,
    Frozen,
    UnderDuty,
}

impl Kind {
    const fn words(self) -> &'static str {
        match self {
            Self::WrongPassword => "wrong password",
            Self::Unknown => "unknown user",
            Self::LockedOut => "locked out",
            Self::Frozen => "frozen",
            Self::UnderDuty => "under the duty of a code",
        }
    }

    /// A name of this kind: another one each time where a failure counts.
    fn name(self, round: usize) -> String {
        match self {
            Self::WrongPassword => authority::name_of(OTHERS + round % (authority::USERS - OTHERS)),
            Self::Unknown => format!("nobody{round}@example.com"),
            Self::LockedOut => authority::name_of(round % OF_EACH),
            Self::Frozen => authority::name_of(OF_EACH + round % OF_EACH),
            Self::UnderDuty => authority::name_of(2 * OF_EACH + round % UNDER_DUTY),
        }
    }
}

/// Takes and prints them.
#[tokio::main]
pub(crate) async fn measure(extent: Extent) {
    let folder = tempfile::tempdir_in(".").expect("the working folder is writable");
    let ctx = authority::open(&folder.path().join("authority.db"), authority::keys()).await;
    authority::add_users(&ctx).await;
    for user in 0..OF_EACH {
        for round in 0..LOCKING {
            refused(&ctx, authority::name_of(user), user * LOCKING + round).await;
        }
        let frozen = Username::parse(&authority::name_of(OF_EACH + user)).expect("a name");
        users::freeze(&ctx, Actor::Operator, frozen.as_str()).await.expect("he is frozen");
    }

    put_under_duty(&ctx).await;

    // Of one user no more than nine wrong passwords, lest he be locked out.
    let rounds = extent.pick(432, 40);
    let mut times = KINDS.map(|_| Vec::with_capacity(rounds));
    for round in 0..rounds {
        // Each kind comes first once in a while: what the one before left in caches is nobody's gain.
        for at in 0..KINDS.len() {
            let at = (at + round) % KINDS.len();
            let begun = Instant::now();
            refused(&ctx, KINDS[at].name(round), 1000 + round * KINDS.len() + at).await;
            times[at].push(begun.elapsed().as_secs_f64() * 1e3);
        }
    }

    println!("\nRefusals by kind: {rounds} API logins each, taken in turn");
    for (kind, times) in KINDS.iter().zip(&times) {
        println!("  {}: median {:.3} ms", kind.words(), median(times));
    }
    for (kind, of_kind) in KINDS.iter().zip(&times).skip(1) {
        let chance = chance_of_longer(of_kind, &times[0]);
        let name = format!("{} takes longer than a wrong password", kind.words());
        let off = Figure::of(name, " off a half", 3, [(chance - 0.5).abs()]);
        off.print_against(MOST_OFF);
    }
}

/// Puts those under the duty of a code who are to be, and gives each an app.
async fn put_under_duty(ctx: &Ctx) {
    let policy = Policy { duty: Duty::WebAndApi, lockout_failures: 100, ..Policy::default() };
    let name = DisplayName::parse("Dutiful").expect("a name");
    profiles::add(ctx, Actor::Operator, name.clone(), policy).await.expect("it is new");
    for user in 2 * OF_EACH..OTHERS {
        let username = authority::name_of(user);
        profiles::assign(ctx, Actor::Operator, &username, name.as_str()).await.expect("he is");
        let user = users::show(ctx, &username).await.expect("he is there").id;
        let id = ctx.chance.with(|mut rng| Id::mint(&mut rng));
        let seat = Seat { use_for: SealedFor::Authenticator, user, row: id.raw() };
        let secret = ctx.chance.with(|mut rng| {
            let secret = TotpSecret::draw(&mut rng);
            ctx.keys.seal(secret.reveal(), &seat, &mut rng)
        });
        let app = NewAuthenticator { id, user, name: &name, secret: &secret, last_step: 0 };
        let mut tx = ctx.store.begin().await.expect("a transaction begins");
        let written = authenticators::insert(&mut tx, &app, ctx.clock.now()).await;
        written.expect("the app is written");
        tx.commit().await.expect("the transaction commits");
    }
}

/// One login that is refused, from an address of its own, so that no address is locked.
async fn refused(ctx: &Ctx, username: String, number: usize) {
    let number = u32::try_from(number).expect("few");
    let source = Ipv4Addr::from_bits(0x0A00_0000 + number);
    let login = ApiLogin {
        head: Head::SoapPartner,
        username,
        credential: Credential::new("a guess that is wrong 123456".to_owned()),
        client: None,
        origin: Origin {
            source: Source::new(source.into()),
            client: ClientName::sanitised("bench"),
            place: None,
        },
    };
    assert!(log_in_to_api(ctx, login).await.is_err(), "a wrong guess was let in");
}

/// The chance that one of `these` is greater than one of `those` (the area under the ROC curve).
fn chance_of_longer(these: &[f64], those: &[f64]) -> f64 {
    let mut wins = 0.0;
    for this in these {
        for that in those {
            wins += if this > that {
                1.0
            } else if this < that {
                0.0
            } else {
                0.5
            };
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a few hundred thousand pairs")]
    let pairs = (these.len() * those.len()) as f64;
    wins / pairs
}

//! The authority being measured: the use cases over a database on disk, without HTTP.

use std::path::Path;

use rand::rand_core::UnwrapErr;
use rand::rngs::SysRng;
use symbolon_app::chance::Chance;
use symbolon_app::clock::SystemClock;
use symbolon_app::context::{Settings, Switch};
use symbolon_app::hashing::{Asker, Hasher};
use symbolon_app::login::{self, ApiLogin, Head};
use symbolon_app::turnstile::Turnstile;
use symbolon_app::users::{self, NewUser};
use symbolon_app::{Actor, Ctx, House, Origin, networks, reset, setup};
use symbolon_core::Timestamp;
use symbolon_core::keys::{KeyId, KeyRing, MasterKey};
use symbolon_core::names::{ClientName, DeviceType, DisplayName, EmailAddress, Source, Username};
use symbolon_core::network::Network;
use symbolon_core::policy::SourcePolicy;
use symbolon_core::reset::Scope;
use symbolon_core::secret::{Credential, Password};
use symbolon_store::{DatabaseTarget, Store, migrate_all};
use tokio::time::Instant;

use crate::rounds::ROUND;

/// As many as the machine has cores.
pub(crate) const HASH_THREADS: usize = 2;
/// Users with a password.
pub(crate) const USERS: usize = 64;
/// The password of all of them.
pub(crate) const PASSWORD: &str = "violet tundra marble 42";

/// Keys of their own.
pub(crate) fn keys() -> MasterKey {
    MasterKey::draw(&mut UnwrapErr(SysRng))
}

/// An authority without users, whose machine is a trusted network.
pub(crate) async fn open(path: &Path, master: MasterKey) -> Ctx {
    let ctx = open_as_it_is(path, master).await;
    let everywhere = Network::parse("127.0.0.0/8").expect("a range");
    networks::add(&ctx, Actor::Operator, everywhere, None).await.expect("a network");
    ctx
}

/// An authority over the database that is there, or a new one.
pub(crate) async fn open_as_it_is(path: &Path, master: MasterKey) -> Ctx {
    open_at(&DatabaseTarget::SqliteFile(path.to_owned()), master).await
}

/// As [`open_as_it_is`], of either kind.
pub(crate) async fn open_at(target: &DatabaseTarget, master: MasterKey) -> Ctx {
    let store = Store::open(target).await.expect("it opens");
    migrate_all(&store, Timestamp::from_unix_ms(0)).await.expect("it migrates");
    let ctx = Ctx::new(House {
        store,
        keys: KeyRing::new(vec![(KeyId(1), master)]).expect("one key is a ring"),
        clock: Box::new(SystemClock),
        chance: Chance::system(),
        hasher: Hasher::start(HASH_THREADS, 1024).expect("threads"),
        turnstile: Turnstile::default(),
        settings: Settings {
            organization: DisplayName::parse("Bench").expect("a name"),
            public_url: "http://127.0.0.1".to_owned(),
            source_policy: SourcePolicy::default(),
            password_grant: Switch::On,
            tell_missing_token: Switch::Off,
            time_zone: symbolon_core::weekly::Zone::UTC,
            mail_configured: Switch::Off,
        },
        letters_waiting: tokio::sync::Notify::new(),
        live: symbolon_app::live::Live::to_be_filled(),
        notebook: symbolon_app::notebook::Notebook::default(),
        leak_reports: symbolon_app::leaks::ReportLimit::default(),
        key_directory: None,
    });
    setup::prepare(&ctx).await.expect("it is founded");
    ctx
}

/// Adds the users with a password.
pub(crate) async fn add_users(ctx: &Ctx) {
    for user in 0..USERS {
        let new = NewUser {
            username: Username::parse(&name_of(user)).expect("a name"),
            email: EmailAddress::parse("bench@mail.example").expect("an address"),
            name: None,
            profile: None,
            administrator: false,
            password: Some(Password::new(PASSWORD.to_owned())),
        };
        users::add(ctx, Actor::Operator, Asker::Operator, new).await.expect("a user");
    }
}

/// The name of one of them.
pub(crate) fn name_of(user: usize) -> String {
    format!("user{user}@example.com")
}

/// Resets in a second by so many clients at once, each of a user of its own.
pub(crate) async fn resets(ctx: &Ctx, clients: usize) -> f64 {
    rate(ctx, clients, |ctx, name| async move {
        let (actor, scope) = (Actor::Operator, Scope::Account);
        let done = reset::reset_for(&ctx, actor, &name, DeviceType::any(), scope, None).await;
        assert!(done.is_ok(), "a reset failed");
    })
    .await
}

/// Logins in a second by so many clients at once.
pub(crate) async fn logins(ctx: &Ctx, clients: usize) -> f64 {
    rate(ctx, clients, |ctx, name| async move {
        let login = ApiLogin {
            head: Head::SoapPartner,
            username: name,
            credential: Credential::new(PASSWORD.to_owned()),
            client: None,
            origin: Origin {
                source: Source::new(std::net::Ipv4Addr::LOCALHOST.into()),
                client: ClientName::sanitised("bench"),
                place: None,
            },
        };
        assert!(login::log_in_to_api(&ctx, login).await.is_ok(), "a login failed");
    })
    .await
}

async fn rate<F, W>(ctx: &Ctx, clients: usize, work: W) -> f64
where
    W: Fn(Ctx, String) -> F + Copy + Send + 'static,
    F: Future<Output = ()> + Send,
{
    let start = Instant::now();
    let workers: Vec<_> = (0..clients)
        .map(|client| {
            let ctx = ctx.clone();
            tokio::spawn(async move {
                let mut done = 0.0;
                while start.elapsed() < ROUND {
                    work(ctx.clone(), name_of(client % USERS)).await;
                    done += 1.0;
                }
                done
            })
        })
        .collect();
    let mut done = 0.0;
    for worker in workers {
        done += worker.await.expect("no worker panics");
    }
    done / start.elapsed().as_secs_f64()
}

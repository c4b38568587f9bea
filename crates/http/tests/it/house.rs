//! A whole authority in memory: a database of its own, a clock that stands still, seeded chance and a
//! mailbox.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use symbolon_app::challenges::Entered;
use symbolon_app::chance::Chance;
use symbolon_app::clients::NewClient;
use symbolon_app::clock::Clock;
use symbolon_app::context::Switch;
use symbolon_app::courier;
use symbolon_app::hashing::{Asker, Hasher};
use symbolon_app::login::challenge::Outcome;
use symbolon_app::login::{self, ApiLogin, Head, WebLogin};
use symbolon_app::turnstile::Turnstile;
use symbolon_app::users::{self, NewUser};
use symbolon_app::{Actor, Ctx, House, Origin, Settings, clients, live, reset, sessions, setup};
use symbolon_core::Timestamp;
use symbolon_core::audit::ChainEnd;
use symbolon_core::id::{Id, Organization, User};
use symbolon_core::keys::{KeyId, KeyRing, MasterKey};
use symbolon_core::names::{ClientName, DeviceType, DisplayName, EmailAddress, Source, Username};
use symbolon_core::policy::SourcePolicy;
use symbolon_core::reset::Scope;
use symbolon_core::secret::{Credential, Password, TypedCode};
use symbolon_http::{Connection, Entrance, Front, HttpState, Metrics};
use symbolon_mail::{KeyDirectory, Letterhead, Mailbox, Received};
use symbolon_store::{DatabaseTarget, Store, audit, changes};
use tokio::sync::Notify;

/// What every absolute URL begins with.
pub(crate) const PUBLIC_URL: &str = "https://auth.example";
/// Everybody's password.
pub(crate) const PASSWORD: &str = "seven-Herons-wade!in the dusk";
/// Where requests come from.
pub(crate) const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9));

const T0: i64 = 1_795_417_200_000;

/// A clock that moves when it is told to.
#[derive(Debug, Clone)]
pub(crate) struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }

    pub(crate) fn turn_back(&self, by: Duration) {
        self.0.fetch_sub(i64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.0.load(Ordering::Relaxed))
    }
}

/// What a test may set before the house is opened.
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) front: Front,
    pub(crate) view: View,
    pub(crate) key_directory: Option<Arc<dyn KeyDirectory>>,
}

/// How the live view stands when the house is opened.
#[derive(PartialEq)]
pub(crate) enum View {
    Current,
    ToBeFilled,
}

pub(crate) struct TestHouse {
    pub(crate) ctx: Ctx,
    pub(crate) clock: ManualClock,
    pub(crate) state: HttpState,
    pub(crate) entrance: Entrance,
    mailbox: Mailbox,
}

impl TestHouse {
    pub(crate) async fn open() -> Self {
        Self::open_with(|_| {}).await
    }

    pub(crate) async fn open_with(change: impl FnOnce(&mut Plan)) -> Self {
        let settings = Settings {
            organization: DisplayName::parse("Example Org").unwrap(),
            public_url: PUBLIC_URL.to_owned(),
            source_policy: SourcePolicy::default(),
            password_grant: Switch::On,
            tell_missing_token: Switch::Off,
            time_zone: symbolon_core::weekly::Zone::UTC,
            mail_configured: Switch::On,
        };
        let front = Front {
            trusted_proxies: vec![],
            allowed_hosts: vec![],
            mailbox: None,
            secret_scanning_keys: None,
            metrics: Metrics::new(),
        };
        let mut plan = Plan { settings, front, view: View::Current, key_directory: None };
        change(&mut plan);
        let clock = ManualClock(Arc::new(AtomicI64::new(T0)));
        let store = Store::open(&DatabaseTarget::SqliteMemory).await.unwrap();
        symbolon_store::migrate_all(&store, clock.now()).await.unwrap();
        let ctx = Ctx::new(House {
            store,
            keys: KeyRing::new(vec![(KeyId(1), MasterKey::from_bytes([7; 32]))]).unwrap(),
            clock: Box::new(clock.clone()),
            chance: Chance::new(StdRng::seed_from_u64(7)),
            hasher: Hasher::start_at_normal_priority(2, 64).unwrap(),
            turnstile: Turnstile::default(),
            settings: plan.settings,
            letters_waiting: Notify::new(),
            live: live::Live::to_be_filled(),
            notebook: symbolon_app::notebook::Notebook::default(),
            leak_reports: symbolon_app::leaks::ReportLimit::default(),
            key_directory: plan.key_directory,
        });
        setup::prepare(&ctx).await.unwrap();
        if plan.view == View::Current {
            live::bring_up_to_date(&ctx).await.unwrap();
        }
        let state = HttpState { ctx: ctx.clone(), front: Arc::new(plan.front) };
        let entrance = Entrance::new(state.clone());
        Self { ctx, clock, state, entrance, mailbox: Mailbox::default() }
    }

    /// Adds a user with [`PASSWORD`].
    pub(crate) async fn user(&self, name: &str) -> Id<User> {
        self.add(name, false).await
    }

    /// Adds an administrator with [`PASSWORD`].
    pub(crate) async fn administrator(&self, name: &str) -> Id<User> {
        self.add(name, true).await
    }

    async fn add(&self, name: &str, administrator: bool) -> Id<User> {
        let new = NewUser {
            username: Username::parse(&format!("{name}@example.com")).unwrap(),
            email: EmailAddress::parse(&format!("{name}@mail.example")).unwrap(),
            name: Some(DisplayName::parse(&format!("Test {name}")).unwrap()),
            profile: None,
            administrator,
            password: Some(Password::new(PASSWORD.to_owned())),
        };
        users::add(&self.ctx, Actor::Operator, Asker::Operator, new).await.unwrap().id
    }

    /// Resets the user's token and reads the new one out of the mail.
    pub(crate) async fn token(&self, name: &str) -> String {
        let username = format!("{name}@example.com");
        let (device, scope) = (DeviceType::any(), Scope::Account);
        reset::reset_for(&self.ctx, Actor::Operator, &username, device, scope, None).await.unwrap();
        self.deliver_mail().await;
        self.newest_token(name)
    }

    /// The token that was mailed to the user last.
    pub(crate) fn newest_token(&self, name: &str) -> String {
        let to = format!("{name}@mail.example");
        let label = "Security token (case-sensitive): ";
        let find = |text: &str| text.lines().find_map(|l| Some(l.strip_prefix(label)?.to_owned()));
        let mails = self.mails();
        mails.iter().filter(|mail| mail.to.contains(&to)).find_map(|mail| find(&mail.text)).unwrap()
    }

    /// Every mail that has arrived, the latest first.
    pub(crate) fn mails(&self) -> Vec<Arc<Received>> {
        self.mailbox.list()
    }

    pub(crate) async fn deliver_mail(&self) {
        let letterhead = Letterhead {
            organization: self.ctx.settings.organization.clone(),
            from: EmailAddress::parse("symbolon@auth.example").unwrap(),
            public_url: PUBLIC_URL.to_owned(),
        };
        courier::deliver_due(&self.ctx, &letterhead, &self.mailbox).await.unwrap();
    }

    /// Opens an API session; yields its id as clients have it.
    pub(crate) async fn api_session(&self, name: &str) -> String {
        let token = self.token(name).await;
        let attempt = ApiLogin {
            head: Head::SoapPartner,
            username: format!("{name}@example.com"),
            credential: Credential::new(format!("{PASSWORD}{token}")),
            client: None,
            origin: origin(),
        };
        let opened = login::log_in_to_api(&self.ctx, attempt).await.unwrap();
        format!("{}!{}", self.organization().await, opened.secret.reveal())
    }

    /// Opens a web session; yields the cookie's value.
    pub(crate) async fn web_session(&self, name: &str) -> String {
        let attempt = WebLogin {
            username: format!("{name}@example.com"),
            password: Password::new(PASSWORD.to_owned()),
            places: Vec::new(),
            origin: origin(),
        };
        let secret = match login::log_in_to_web(&self.ctx, attempt).await.unwrap() {
            login::Entrance::Opened(opened) => return opened.secret.reveal().to_owned(),
            login::Entrance::Challenged(secret) => secret,
        };
        self.deliver_mail().await;
        let entered = Entered {
            code: TypedCode::new(self.newest_code(name)),
            token: Credential::new(String::new()),
            password: Password::new(String::new()),
        };
        match login::challenge::answer(&self.ctx, &secret, entered, &origin()).await.unwrap() {
            Outcome::Opened(opened) => opened.secret.reveal().to_owned(),
            other @ (Outcome::Wrong { .. } | Outcome::Over) => {
                panic!("the code was not taken: {other:?}")
            }
        }
    }

    /// The code that was mailed to the user last.
    pub(crate) fn newest_code(&self, name: &str) -> String {
        let to = format!("{name}@mail.example");
        let label = "Verification code: ";
        let find = |text: &str| text.lines().find_map(|l| Some(l.strip_prefix(label)?.to_owned()));
        let mails = self.mails();
        mails.iter().filter(|mail| mail.to.contains(&to)).find_map(|mail| find(&mail.text)).unwrap()
    }

    /// Registers an API client.
    pub(crate) async fn client(&self, password_grant: Switch) -> NewClient {
        let name = DisplayName::parse("Test client").unwrap();
        clients::add(&self.ctx, Actor::Operator, name, password_grant).await.unwrap()
    }

    pub(crate) async fn organization(&self) -> Id<Organization> {
        sessions::organization(&self.ctx).await.unwrap()
    }

    /// What every write of consequence moves: the revision and the head of the audit trail.
    pub(crate) async fn mark(&self) -> (i64, ChainEnd) {
        let mut reader = self.ctx.store.read().await.unwrap();
        let revision = changes::current(&mut reader).await.unwrap();
        (revision, audit::head(&mut reader).await.unwrap())
    }

    /// Reasons in the login history, newest first.
    pub(crate) async fn reasons(&self) -> Vec<String> {
        let rows = symbolon_app::history::list(&self.ctx, None, 100, None).await.unwrap();
        rows.into_iter().map(|row| row.reason).collect()
    }
}

fn origin() -> Origin {
    Origin { source: Source::new(PEER), client: ClientName::sanitised("test"), place: None }
}

/// The connection that requests of tests come by.
pub(crate) fn connection() -> Connection {
    Connection { peer: SocketAddr::new(PEER, 40_000), tls: true }
}

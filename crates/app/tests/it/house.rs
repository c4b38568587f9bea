//! A whole authority for one test: database in memory, clock by hand, seeded chance, mail in a list.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rand::SeedableRng;
use rand::rngs::StdRng;
use symbolon_app::chance::Chance;
use symbolon_app::clock::Clock;
use symbolon_app::context::{Settings, Switch};
use symbolon_app::hashing::{Asker, Hasher};
use symbolon_app::history::LoginEntry;
use symbolon_app::login::{self, ApiLogin, Head, LoginError, NewSession, Refused};
use symbolon_app::reset::{self, OwnReset, Receipt, ResetError};
use symbolon_app::turnstile::Turnstile;
use symbolon_app::users::{self, NewUser, UserView};
use symbolon_app::{Actor, Ctx, House, Origin, courier, history, setup, trail};
use symbolon_core::Timestamp;
use symbolon_core::audit::AuditRow;
use symbolon_core::keys::{KeyId, KeyRing, MasterKey};
use symbolon_core::names::{ClientName, DeviceType, DisplayName, EmailAddress, Source, Username};
use symbolon_core::policy::SourcePolicy;
use symbolon_core::reset::Scope;
use symbolon_core::secret::{Credential, Password};
use symbolon_mail::{Delivery, KeyDirectory, Letterhead, LookupFault, Message, Transport};
use symbolon_store::{DatabaseTarget, Store, changes, migrate_all};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub(crate) const PASSWORD: &str = "violet tundra marble 42";
pub(crate) const T0: i64 = 1_795_417_200_000;

/// A clock that stands still until it is moved.
#[derive(Debug, Clone)]
pub(crate) struct ManualClock(Arc<AtomicI64>);

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.0.load(Ordering::SeqCst))
    }
}

/// What a letter said when it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) to: String,
    pub(crate) subject: String,
    pub(crate) text: String,
}

/// A mail server that says what it is told to say and keeps what it takes.
#[derive(Debug, Default)]
pub(crate) struct Post {
    pub(crate) arrived: Mutex<Vec<Letter>>,
    pub(crate) answers: Mutex<Vec<Delivery>>,
}

#[async_trait]
impl Transport for Post {
    async fn deliver(&self, message: &Message) -> Delivery {
        let answer = self.answers.lock().unwrap().pop();
        let answer = answer.unwrap_or(Delivery::HandedOver { reply: "250 Ok".to_owned() });
        if matches!(answer, Delivery::HandedOver { .. }) {
            self.arrived.lock().unwrap().push(Letter {
                to: message.to().to_string(),
                subject: message.subject().to_owned(),
                text: message.reveal_text().to_owned(),
            });
        }
        answer
    }
}

/// A Web Key Directory that knows the keys that it is told.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) keys: Mutex<BTreeMap<String, Vec<u8>>>,
}

#[async_trait]
impl KeyDirectory for Directory {
    async fn fetch(&self, address: &EmailAddress) -> Result<Vec<u8>, LookupFault> {
        let known = self.keys.lock().unwrap().get(address.as_str()).cloned();
        known.ok_or_else(|| LookupFault::NotFound("openpgpkey.example".to_owned()))
    }
}

pub(crate) struct TestHouse {
    pub(crate) ctx: Ctx,
    pub(crate) clock: ManualClock,
    pub(crate) post: Post,
    pub(crate) directory: Arc<Directory>,
    letterhead: Letterhead,
}

impl TestHouse {
    pub(crate) async fn new() -> Self {
        Self::with_settings(|_| {}).await
    }

    pub(crate) async fn with_settings(change: impl FnOnce(&mut Settings)) -> Self {
        let house = Self::without_tables(change).await;
        migrate_all(&house.ctx.store, house.clock.now()).await.unwrap();
        setup::prepare(&house.ctx).await.unwrap();
        house
    }

    /// A house whose database answers nothing but errors until it is migrated.
    pub(crate) async fn without_tables(change: impl FnOnce(&mut Settings)) -> Self {
        let store = Store::open(&DatabaseTarget::SqliteMemory).await.unwrap();
        Self::without_tables_over(store, change)
    }

    /// A house over this empty database.
    pub(crate) async fn founded_over(store: Store) -> Self {
        let house = Self::without_tables_over(store, |_| {});
        migrate_all(&house.ctx.store, house.clock.now()).await.unwrap();
        setup::prepare(&house.ctx).await.unwrap();
        house
    }

    fn without_tables_over(store: Store, change: impl FnOnce(&mut Settings)) -> Self {
        let clock = ManualClock(Arc::new(AtomicI64::new(T0)));
        let mut settings = Settings {
            organization: DisplayName::parse("Acme").unwrap(),
            public_url: "https://symbolon.example".to_owned(),
            source_policy: SourcePolicy::default(),
            password_grant: Switch::On,
            tell_missing_token: Switch::Off,
            time_zone: symbolon_core::weekly::Zone::UTC,
            mail_configured: Switch::On,
        };
        change(&mut settings);
        let keys = vec![(KeyId(1), MasterKey::from_bytes([7; 32]))];
        Self::around(store, keys, clock, settings, seeded(1))
    }

    /// The same house after a start; its chance is another one.
    pub(crate) fn restarted_over(&self, store: Store, seed: u64) -> Self {
        let keys = vec![(KeyId(1), MasterKey::from_bytes([7; 32]))];
        Self::around(store, keys, self.clock.clone(), self.ctx.settings.clone(), seeded(seed))
    }

    /// The same house after a restart with one key more, the newest.
    pub(crate) fn restarted_with_another_key(&self) -> Self {
        self.beside_with_another_key(seeded(1))
    }

    /// Another node of the same house, with one key more and a chance of its own.
    pub(crate) fn beside_with_another_key(&self, chance: Chance) -> Self {
        let keys =
            [(1, 7), (2, 8)].map(|(id, byte)| (KeyId(id), MasterKey::from_bytes([byte; 32])));
        let (store, settings) = (self.ctx.store.clone(), self.ctx.settings.clone());
        Self::around(store, keys.into(), self.clock.clone(), settings, chance)
    }

    fn around(
        store: Store,
        keys: Vec<(KeyId, MasterKey)>,
        clock: ManualClock,
        settings: Settings,
        chance: Chance,
    ) -> Self {
        let from = EmailAddress::parse("symbolon@symbolon.example").unwrap();
        let letterhead = Letterhead {
            organization: settings.organization.clone(),
            from,
            public_url: settings.public_url.clone(),
        };
        let directory = Arc::new(Directory::default());
        let ctx = Ctx::new(House {
            store,
            keys: KeyRing::new(keys).unwrap(),
            clock: Box::new(clock.clone()),
            chance,
            hasher: Hasher::start_at_normal_priority(2, 1024).unwrap(),
            turnstile: Turnstile::default(),
            settings,
            letters_waiting: tokio::sync::Notify::new(),
            live: symbolon_app::live::Live::to_be_filled(),
            notebook: symbolon_app::notebook::Notebook::default(),
            leak_reports: symbolon_app::leaks::ReportLimit::default(),
            key_directory: Some(Arc::<Directory>::clone(&directory)),
        });
        Self { ctx, clock, post: Post::default(), directory, letterhead }
    }

    pub(crate) fn wait(&self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).unwrap();
        self.clock.0.fetch_add(ms, Ordering::SeqCst);
    }

    pub(crate) fn turn_back(&self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).unwrap();
        self.clock.0.fetch_sub(ms, Ordering::SeqCst);
    }

    /// Puts the clock back.
    pub(crate) fn put_back(&self, time: Duration) {
        let ms = i64::try_from(time.as_millis()).unwrap();
        self.clock.0.fetch_sub(ms, Ordering::SeqCst);
    }

    /// A user called `name@example.com` with [`PASSWORD`].
    pub(crate) async fn user(&self, name: &str) -> UserView {
        users::add(&self.ctx, Actor::Operator, Asker::Operator, called(name)).await.unwrap()
    }

    pub(crate) async fn administrator(&self, name: &str) -> UserView {
        let new = NewUser { administrator: true, ..called(name) };
        users::add(&self.ctx, Actor::Operator, Asker::Operator, new).await.unwrap()
    }

    /// Resets the whole account, with a request key of its own.
    pub(crate) async fn reset(&self, user: &UserView) -> Receipt {
        self.try_reset(user, PASSWORD, &self.ctx.chance.text(32)).await.unwrap()
    }

    pub(crate) async fn try_reset(
        &self,
        user: &UserView,
        current: &str,
        key: &str,
    ) -> Result<Receipt, ResetError> {
        let request = OwnReset {
            user: user.id,
            current_password: password(current),
            scope: Scope::Account,
            device_type: DeviceType::any(),
            request_key: key.to_owned(),
            head: Head::Web,
            origin: origin("10.1.2.3"),
        };
        reset::reset_own(&self.ctx, request).await
    }

    /// Lets the courier carry everything that is due.
    pub(crate) async fn deliver_mail(&self) {
        while courier::deliver_due(&self.ctx, &self.letterhead, &self.post).await.unwrap() > 0 {}
    }

    /// Lets the courier carry what is due to another mail server, once; tells how many letters.
    pub(crate) async fn deliver_by(&self, transport: &dyn Transport) -> usize {
        courier::deliver_due(&self.ctx, &self.letterhead, transport).await.unwrap()
    }

    /// A courier that carries until the other end of `stop` is dropped.
    pub(crate) fn courier(
        &self,
        transport: Arc<dyn Transport>,
        stop: oneshot::Receiver<()>,
    ) -> JoinHandle<()> {
        let (ctx, letterhead) = (self.ctx.clone(), self.letterhead.clone());
        tokio::spawn(courier::run(ctx, letterhead, transport, async {
            let _ = stop.await;
        }))
    }

    /// Everything that has arrived, oldest first.
    pub(crate) fn arrived(&self) -> Vec<Letter> {
        self.post.arrived.lock().unwrap().clone()
    }

    /// The token of the newest token mail.
    pub(crate) async fn newest_token(&self) -> String {
        self.deliver_mail().await;
        let mark = "Security token (case-sensitive): ";
        let arrived = self.arrived();
        let line = arrived.iter().rev().find_map(|letter| {
            letter.text.lines().find_map(|line| line.strip_prefix(mark).map(str::to_owned))
        });
        line.expect("a token mail has arrived")
    }

    /// A reset and the token that it mailed.
    pub(crate) async fn reset_and_read(&self, user: &UserView) -> String {
        self.reset(user).await;
        self.newest_token().await
    }

    pub(crate) async fn log_in(
        &self,
        user: &UserView,
        credential: &str,
    ) -> Result<NewSession, Refused> {
        self.log_in_from(user.username.as_str(), credential, "10.1.2.3").await
    }

    pub(crate) async fn log_in_from(
        &self,
        username: &str,
        credential: &str,
        source: &str,
    ) -> Result<NewSession, Refused> {
        let login = ApiLogin {
            head: Head::SoapPartner,
            username: username.to_owned(),
            credential: Credential::new(credential.to_owned()),
            client: None,
            origin: origin(source),
        };
        login::log_in_to_api(&self.ctx, login).await.map_err(|error| match error {
            LoginError::Refused(refused) => refused,
            LoginError::App(error) => panic!("no decision: {error}"),
        })
    }

    /// The last revision.
    pub(crate) async fn revision(&self) -> i64 {
        let mut reader = self.ctx.store.read().await.unwrap();
        changes::current(&mut reader).await.unwrap()
    }

    /// The last `count` rows of the audit trail, oldest first.
    pub(crate) async fn last_audited(&self, count: usize) -> Vec<AuditRow> {
        let rows = trail::export(&self.ctx, 0, 1000).await.unwrap();
        let first = rows.len() - count;
        rows.into_iter().skip(first).map(|(row, _)| row).collect()
    }

    pub(crate) async fn last_entry(&self, user: &UserView) -> LoginEntry {
        history::list(&self.ctx, Some(user.id), 1, None).await.unwrap().remove(0)
    }
}

fn seeded(seed: u64) -> Chance {
    Chance::new(StdRng::seed_from_u64(seed))
}

/// A user of this name, with [`PASSWORD`].
fn called(name: &str) -> NewUser {
    NewUser {
        username: Username::parse(&format!("{name}@example.com")).expect("a username"),
        email: EmailAddress::parse(&format!("{name}@mail.example")).expect("an address"),
        name: None,
        profile: None,
        administrator: false,
        password: Some(password(PASSWORD)),
    }
}

pub(crate) fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

pub(crate) fn origin(source: &str) -> Origin {
    Origin {
        source: Source::new(source.parse().unwrap()),
        client: ClientName::sanitised("jsforce/3.10"),
        place: None,
    }
}

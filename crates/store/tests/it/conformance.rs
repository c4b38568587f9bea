//! The conformance suite: every aggregate, and everything that may race, on all three stores alike.
//!
//! Nothing here asks which engine it runs on, but for the comparison of the schemas. What two tasks do at
//! once must end without a deadlock, so nothing is tried again: any failure of a write fails the test.

mod address_changes;
mod audit;
mod authenticators;
mod bulk_resets;
mod challenges;
mod changes;
mod clients;
mod clock;
mod device_types;
mod history;
mod inventory;
mod leaks;
mod letters;
mod links;
mod live;
mod networks;
mod nodes;
mod openpgp_keys;
mod organization;
mod passkeys;
mod password_history;
mod places;
mod profiles;
mod recovery_codes;
mod reminders;
mod reset_requests;
mod resets;
mod retired_uses;
mod rotations;
mod schema;
mod sessions;
mod sharing_signals;
mod source_failures;
mod succession;
mod tokens;
mod users;
mod uses;

use std::sync::Arc;
use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Letter, Profile, Token, User};
use symbolon_core::issue::{Issue, IssueCause};
use symbolon_core::keys::KeyId;
use symbolon_core::letter::{LetterKind, LetterRank, Volume};
use symbolon_core::names::{DeviceType, DisplayName, EmailAddress, Username};
use symbolon_core::policy::Policy;
use symbolon_core::reset::Scope;
use symbolon_core::secret::{Digest, Nonce};
use symbolon_store::error::StoreError;
use symbolon_store::letters::NewLetter;
use symbolon_store::profiles::ProfileRecord;
use symbolon_store::sql::{Store, Tx, Value};
use symbolon_store::tokens::NewToken;
use symbolon_store::users::{NewUserRecord, PasswordRecord};
use symbolon_store::{letters as stored_letters, tokens as stored_tokens};
use symbolon_store::{migrate_all, profiles as stored_profiles, users as stored_users};
use tokio::sync::Barrier;

use crate::for_each_engine;

const T0: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);
const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// How many tasks race, and how often each of them does what it does.
const TASKS: i64 = 16;
const ROUNDS: i64 = 12;

const STANDARD: Id<Profile> = Id::from_raw(1);

/// Runs `test` with each store in turn, migrated, with the profile [`STANDARD`].
async fn for_each_house(test: impl AsyncFn(Store)) {
    for_each_engine(async |store: Store| {
        migrate_all(&store, T0).await.expect("the schema is created");
        let standard = ProfileRecord {
            id: STANDARD,
            name: "Standard".to_owned(),
            policy: Policy::default(),
            everybody_since: None,
        };
        write(&store, async |tx| stored_profiles::insert(tx, &standard, T0).await).await;
        test(store).await;
    })
    .await;
}

/// Runs `work` in a transaction of its own, which must succeed.
async fn write<T>(store: &Store, work: impl AsyncFnOnce(&mut Tx) -> Result<T, StoreError>) -> T {
    let mut tx = store.begin().await.expect("a transaction begins");
    let done = work(&mut tx).await.expect("the statements succeed");
    tx.commit().await.expect("the transaction commits");
    done
}

/// Runs `task` sixteen times at once and returns what each came to.
async fn at_once<T, F>(store: &Store, task: impl Fn(Store, i64) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(Barrier::new(usize::try_from(TASKS).expect("a small number")));
    let tasks: Vec<_> = (0..TASKS)
        .map(|number| {
            let (start, work) = (start.clone(), task(store.clone(), number));
            tokio::spawn(async move {
                start.wait().await;
                work.await
            })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.expect("the task ends without a panic"));
    }
    results
}

/// The integer that `sql` answers with.
async fn number(store: &Store, sql: &'static str, args: &[Value]) -> i64 {
    let mut reader = store.read().await.expect("a reader is free");
    let row = reader.fetch_one(sql, args).await.expect("the query is answered");
    row.int(0).expect("an integer")
}

/// Adds a user with a password.
async fn add_user(store: &Store, raw: i64, name: &str) -> Id<User> {
    let password = password("first");
    assert!(insert_user(store, raw, name, Some(&password)).await, "{name} is taken");
    Id::from_raw(raw)
}

async fn insert_user(
    store: &Store,
    raw: i64,
    name: &str,
    password: Option<&PasswordRecord>,
) -> bool {
    let (username, email, shown) = (username(name), address("jane@example.com"), shown("Jane Doe"));
    let user = NewUserRecord {
        id: Id::from_raw(raw),
        username: &username,
        email: &email,
        name: &shown,
        profile: STANDARD,
        admin_since: None,
        password,
    };
    write(store, async |tx| stored_users::insert(tx, &user, T0).await).await
}

/// Writes a live token with the digest `digest(raw)`.
async fn insert_token(
    tx: &mut Tx,
    user: Id<User>,
    raw: i64,
    device_type: &str,
) -> Result<Id<Token>, StoreError> {
    let device_type = DeviceType::parse(device_type).expect("a device type");
    let token = NewToken {
        id: Id::from_raw(raw),
        user,
        device_type: &device_type,
        digest: &digest(raw),
        expires_at: T0 + 365 * DAY,
        issue: by_operator(),
    };
    stored_tokens::insert(tx, &token, T0).await?;
    Ok(token.id)
}

/// How a token comes to be that whoever runs the server has reset, for its device type alone.
const fn by_operator() -> Issue {
    Issue { cause: IssueCause::Reset, scope: Scope::DeviceType, issuer: None, source: None }
}

/// Issues a token in a transaction of its own.
async fn issue(store: &Store, user: Id<User>, raw: i64, device_type: &str) -> Id<Token> {
    write(store, async |tx| insert_token(tx, user, raw, device_type).await).await
}

/// Writes a letter that carries a secret.
async fn insert_letter(
    tx: &mut Tx,
    user: Id<User>,
    raw: i64,
    kind: LetterKind,
    token: Option<Id<Token>>,
    now: Timestamp,
) -> Result<Id<Letter>, StoreError> {
    let nonce = nonce(raw);
    let letter = NewLetter {
        id: Id::from_raw(raw),
        user,
        kind,
        rank: LetterRank::of(kind, Volume::Single),
        to: &address("jane@example.com"),
        to_name: &shown("Jane Doe"),
        facts: "retired=1",
        token,
        nonce: Some((KeyId(1), &nonce)),
    };
    stored_letters::insert(tx, &letter, now).await?;
    Ok(letter.id)
}

fn digest(raw: i64) -> Digest {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&raw.to_be_bytes());
    Digest::from_bytes(bytes)
}

fn nonce(raw: i64) -> Nonce {
    Nonce::from_bytes(digest(raw).as_bytes()).expect("32 bytes")
}

fn password(hash: &str) -> PasswordRecord {
    PasswordRecord { hash: format!("$argon2id$v=19$m=19456,t=2,p=1${hash}"), pepper: KeyId(1) }
}

fn username(text: &str) -> Username {
    Username::parse(text).expect("a username")
}

fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect("an address")
}

fn shown(text: &str) -> DisplayName {
    DisplayName::parse(text).expect("a name")
}

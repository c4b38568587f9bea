//! Authenticator apps: a step is taken once, whoever races for it, and nobody touches those of another.

use symbolon_core::id::{Authenticator, Id, User};
use symbolon_core::keys::KeyId;
use symbolon_core::sealed::Sealed;
use symbolon_store::Store;
use symbolon_store::authenticators::{self, AuthenticatorRecord, NewAuthenticator};

use super::{HOUR, T0, add_user, at_once, for_each_house, shown, write};

const STEP: i64 = 60_000_000;

#[tokio::test]
async fn an_authenticator_comes_back_as_it_was_written() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let id = enrol(&store, 7, jane, "Phone").await;

        let found = only(&store, jane).await;

        assert_eq!((found.id, found.user, found.name), (id, jane, shown("Phone")));
        assert_eq!(found.secret, sealed(1, 7));
        assert_eq!((found.last_step, found.created_at, found.last_used_at), (STEP, T0, None));
    })
    .await;
}

#[tokio::test]
async fn a_step_is_taken_once_and_no_earlier_one_after_it() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let id = enrol(&store, 7, jane, "Phone").await;

        assert!(!take(&store, jane, id, STEP).await, "the step that proved it is taken");
        assert!(take(&store, jane, id, STEP + 2).await);
        assert!(!take(&store, jane, id, STEP + 2).await);
        assert!(!take(&store, jane, id, STEP + 1).await);
        assert!(take(&store, jane, id, STEP + 3).await);
        assert_eq!(only(&store, jane).await.last_used_at, Some(T0 + HOUR));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_who_take_a_step_at_once_one_succeeds() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let id = enrol(&store, 7, jane, "Phone").await;

        let taken =
            at_once(&store, |store, _| async move { take(&store, jane, id, STEP + 1).await }).await;

        assert_eq!(taken.into_iter().filter(|taken| *taken).count(), 1);
    })
    .await;
}

#[tokio::test]
async fn nobody_finds_takes_renames_or_removes_that_of_another() {
    for_each_house(async |store| {
        let (jane, joe) = (add_user(&store, 1, "jane").await, add_user(&store, 2, "joe").await);
        let id = enrol(&store, 7, jane, "Phone").await;

        assert!(!take(&store, joe, id, STEP + 1).await);
        let name = shown("Mine");
        assert!(!write(&store, async |tx| authenticators::rename(tx, joe, id, &name).await).await);
        assert!(!write(&store, async |tx| authenticators::remove(tx, joe, id).await).await);
        assert_eq!(
            write(&store, async |tx| authenticators::remove_of_user(tx, joe).await).await,
            0
        );
        let mut reader = store.read().await.unwrap();
        assert!(authenticators::find(&mut reader, joe, id).await.unwrap().is_none());
        drop(reader);
        assert_eq!(only(&store, jane).await.name, shown("Phone"));
    })
    .await;
}

#[tokio::test]
async fn they_are_renamed_counted_and_removed_one_by_one_or_all_at_once() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let phone = enrol(&store, 7, jane, "Phone").await;
        enrol(&store, 8, jane, "Tablet").await;
        enrol(&store, 9, jane, "Watch").await;

        let name = shown("Old phone");
        assert!(
            write(&store, async |tx| authenticators::rename(tx, jane, phone, &name).await).await
        );
        assert_eq!(names(&store, jane).await, ["Old phone", "Tablet", "Watch"]);
        assert!(write(&store, async |tx| authenticators::remove(tx, jane, phone).await).await);
        assert_eq!(names(&store, jane).await, ["Tablet", "Watch"]);
        let removed =
            write(&store, async |tx| authenticators::remove_of_user(tx, jane).await).await;
        assert_eq!(removed, 2);
        let mut reader = store.read().await.unwrap();
        assert_eq!(authenticators::count(&mut reader, jane).await.unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn what_is_under_an_older_key_is_found_and_sealed_anew_once() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let id = enrol(&store, 7, jane, "Phone").await;
        let new = sealed(2, 99);

        let reseal = async || {
            write(&store, async |tx| authenticators::reseal(tx, id, KeyId(1), &new).await).await
        };

        assert_eq!(under_others(&store, 1).await, []);
        assert_eq!(under_others(&store, 2).await, [id]);
        assert!(reseal().await);
        assert!(!reseal().await, "it is no longer under the old key");
        assert_eq!(under_others(&store, 2).await, []);
        assert_eq!(only(&store, jane).await.secret, new);
    })
    .await;
}

async fn enrol(store: &Store, raw: i64, user: Id<User>, name: &str) -> Id<Authenticator> {
    let byte = u8::try_from(raw).expect("a small number");
    let (name, secret) = (shown(name), sealed(1, byte));
    let id = Id::from_raw(raw);
    let new = NewAuthenticator { id, user, name: &name, secret: &secret, last_step: STEP };
    write(store, async |tx| authenticators::insert(tx, &new, T0).await).await;
    id
}

async fn take(store: &Store, user: Id<User>, id: Id<Authenticator>, step: i64) -> bool {
    let at = T0 + HOUR;
    write(store, async |tx| authenticators::take_step(tx, user, id, step, at).await).await
}

async fn of_user(store: &Store, user: Id<User>) -> Vec<AuthenticatorRecord> {
    let mut reader = store.read().await.expect("a reader is free");
    authenticators::of_user(&mut reader, user).await.expect("the rows can be read")
}

async fn only(store: &Store, user: Id<User>) -> AuthenticatorRecord {
    let mut all = of_user(store, user).await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

async fn names(store: &Store, user: Id<User>) -> Vec<String> {
    let all = of_user(store, user).await;
    all.into_iter().map(|each| each.name.as_str().to_owned()).collect()
}

async fn under_others(store: &Store, key: u32) -> Vec<Id<Authenticator>> {
    let mut reader = store.read().await.expect("a reader is free");
    let found = authenticators::under_other_keys(&mut reader, KeyId(key)).await;
    found.expect("the rows can be read").into_iter().map(|each| each.id).collect()
}

fn sealed(key: u32, byte: u8) -> Sealed {
    Sealed { key: KeyId(key), bytes: vec![byte; 60] }
}

//! Passkeys: one row for each credential, and each of their states is used up once.

use symbolon_core::id::{Id, Passkey, User};
use symbolon_core::names::DisplayName;
use symbolon_store::error::StoreError;
use symbolon_store::passkeys::{self, NewPasskey, PasskeyRecord};
use symbolon_store::sql::Store;

use super::{MS, T0, TASKS, add_user, at_once, for_each_house, write};

fn named(text: &str) -> DisplayName {
    DisplayName::parse(text).expect("a name")
}

async fn register(
    store: &Store,
    user: Id<User>,
    raw: i64,
    credential: &[u8],
) -> Result<Id<Passkey>, StoreError> {
    let id = Id::from_raw(raw);
    let name = named("Laptop");
    let new = NewPasskey {
        id,
        user,
        name: &name,
        credential,
        transports: 5,
        record: b"key",
        state: b"0",
    };
    let mut tx = store.begin().await?;
    passkeys::insert(&mut tx, &new, T0).await?;
    tx.commit().await?;
    Ok(id)
}

async fn of_user(store: &Store, user: Id<User>) -> Vec<PasskeyRecord> {
    let mut reader = store.read().await.expect("a reader is free");
    passkeys::of_user(&mut reader, user).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_is_found_by_what_its_device_calls_it() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let id = register(&store, jane, 10, b"one").await.expect("it is new");

        let mut reader = store.read().await.expect("a reader is free");
        let found = passkeys::find_by_credential(&mut reader, b"one").await.expect("an answer");
        let other = passkeys::find_by_credential(&mut reader, b"two").await.expect("an answer");

        let found = found.expect("it is there");
        assert_eq!((found.id, found.user, found.transports), (id, jane, 5));
        assert_eq!((found.record.as_slice(), found.state.as_slice()), (&b"key"[..], &b"0"[..]));
        assert_eq!((found.created_at, found.last_used_at), (T0, None));
        assert!(other.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_registered_once_whoever_asks() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let joe = add_user(&store, 2, "joe").await;
        register(&store, jane, 10, b"one").await.expect("it is new");

        let again = register(&store, joe, 11, b"one").await;

        assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");
        assert!(of_user(&store, joe).await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_uses_of_one_state_one_is_noted() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let id = register(&store, jane, 10, b"one").await.expect("it is new");

        let noted = at_once(&store, |store, number| async move {
            let new = format!("1 of {number}");
            let used =
                async |tx: &mut _| passkeys::note_use(tx, id, b"0", new.as_bytes(), T0 + MS).await;
            write(&store, used).await
        })
        .await;

        assert_eq!(noted.len(), usize::try_from(TASKS).expect("a few"));
        assert_eq!(noted.into_iter().filter(|noted| *noted).count(), 1);
        assert_eq!(of_user(&store, jane).await[0].last_used_at, Some(T0 + MS));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_its_owner_renames_and_removes_a_passkey() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let joe = add_user(&store, 2, "joe").await;
        let id = register(&store, jane, 10, b"one").await.expect("it is new");
        let phone = named("Phone");

        let by_joe = write(&store, async |tx| {
            let renamed = passkeys::rename(tx, joe, id, &phone).await?;
            Ok((renamed, passkeys::remove(tx, joe, id).await?))
        })
        .await;
        let renamed = write(&store, async |tx| passkeys::rename(tx, jane, id, &phone).await).await;

        assert_eq!((by_joe, renamed), ((false, false), true));
        assert_eq!(of_user(&store, jane).await[0].name, phone);
        assert!(write(&store, async |tx| passkeys::remove(tx, jane, id).await).await);
        assert!(of_user(&store, jane).await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_passkeys_of_a_user_are_removed_and_those_of_others_stay() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let joe = add_user(&store, 2, "joe").await;
        register(&store, jane, 10, b"one").await.expect("it is new");
        register(&store, jane, 11, b"two").await.expect("it is new");
        register(&store, joe, 12, b"three").await.expect("it is new");

        let removed = write(&store, async |tx| passkeys::remove_of_user(tx, jane).await).await;

        let mut reader = store.read().await.expect("a reader is free");
        assert_eq!(removed, 2);
        assert_eq!(passkeys::count(&mut reader, jane).await.expect("an answer"), 0);
        assert_eq!(passkeys::count(&mut reader, joe).await.expect("an answer"), 1);
    })
    .await;
}

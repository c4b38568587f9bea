//! Replaced passwords: the latest are remembered, each user's apart, and those before are forgotten.

use symbolon_core::id::{Id, User};
use symbolon_core::keys::KeyId;
use symbolon_store::users::PasswordRecord;
use symbolon_store::{Store, password_history};

use super::{T0, add_user, for_each_house, write};

#[tokio::test]
async fn the_latest_replaced_passwords_are_remembered_and_those_before_forgotten() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        for hash in ["first", "second", "third"] {
            remember(&store, jane, hash, 2).await;
        }

        assert_eq!(latest(&store, jane, 24).await, ["third", "second"]);
        assert_eq!(latest(&store, jane, 1).await, ["third"]);
        assert!(latest(&store, jane, 0).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn where_none_is_to_be_remembered_none_is() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        remember(&store, jane, "first", 3).await;
        remember(&store, jane, "second", 0).await;
        assert!(latest(&store, jane, 24).await.is_empty());

        remember(&store, jane, "third", 3).await;

        assert_eq!(latest(&store, jane, 24).await, ["third"]);
    })
    .await;
}

#[tokio::test]
async fn the_passwords_of_one_are_not_those_of_another() {
    for_each_house(async |store| {
        let (jane, joe) = (add_user(&store, 1, "jane").await, add_user(&store, 2, "joe").await);
        remember(&store, jane, "hers", 1).await;
        remember(&store, joe, "his", 1).await;

        write(&store, async |tx| password_history::forget(tx, jane).await).await;

        assert!(latest(&store, jane, 24).await.is_empty());
        assert_eq!(latest(&store, joe, 24).await, ["his"]);
    })
    .await;
}

async fn remember(store: &Store, user: Id<User>, hash: &str, keep: u32) {
    let replaced = PasswordRecord { hash: hash.to_owned(), pepper: KeyId(7) };
    write(store, async |tx| password_history::remember(tx, user, &replaced, keep, T0).await).await;
}

async fn latest(store: &Store, user: Id<User>, limit: u32) -> Vec<String> {
    let mut reader = store.read().await.expect("a reader is free");
    let found = password_history::latest(&mut reader, user, limit).await;
    let found = found.expect("the rows can be read");
    assert!(found.iter().all(|password| password.pepper == KeyId(7)));
    found.into_iter().map(|password| password.hash).collect()
}

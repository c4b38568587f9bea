//! API clients and their secrets.

use symbolon_core::id::Id;
use symbolon_store::Store;
use symbolon_store::clients::{self, ClientRow, SecretRow};

use super::{MS, T0, at_once, digest, for_each_house, write};

#[tokio::test]
async fn a_client_comes_back_as_it_was_registered() {
    for_each_house(async |store| {
        register(&store, 1, "warehouse", true).await;
        register(&store, 2, "app", false).await;

        let mut reader = store.read().await.unwrap();
        let warehouse = clients::find(&mut reader, Id::from_raw(1)).await.unwrap().unwrap();
        let app = clients::find(&mut reader, Id::from_raw(2)).await.unwrap().unwrap();
        let all = clients::list(&mut reader).await.unwrap();

        assert_eq!((warehouse.id, warehouse.name.as_str()), (Id::from_raw(1), "warehouse"));
        assert_eq!((warehouse.password_grant_since, warehouse.created_at), (Some(T0 + MS), T0));
        assert_eq!(app.password_grant_since, None);
        assert_eq!(all.iter().map(|row| row.id.raw()).collect::<Vec<_>>(), [2, 1]);
    })
    .await;
}

#[tokio::test]
async fn the_secrets_of_a_client_come_back_oldest_first() {
    for_each_house(async |store| {
        register(&store, 1, "warehouse", true).await;
        register(&store, 2, "app", false).await;
        add_secret(&store, 1, secret(12, T0 + MS)).await;
        add_secret(&store, 1, secret(11, T0)).await;
        add_secret(&store, 2, secret(21, T0)).await;

        let found = secrets_of(&store, 1).await;
        let all = write(&store, async |tx| clients::secrets(tx).await).await;

        let found: Vec<_> =
            found.iter().map(|row| (row.id.raw(), row.digest, row.created_at)).collect();
        assert_eq!(found, [(11, digest(11), T0), (12, digest(12), T0 + MS)]);
        let all: Vec<_> = all.iter().map(|row| (row.client.raw(), row.id.raw())).collect();
        assert_eq!(all, [(1, 11), (2, 21), (1, 12)]);
    })
    .await;
}

#[tokio::test]
async fn a_secret_is_removed_once_and_by_its_own_client_alone() {
    for_each_house(async |store| {
        register(&store, 1, "warehouse", true).await;
        register(&store, 2, "app", false).await;
        add_secret(&store, 1, secret(11, T0)).await;
        add_secret(&store, 1, secret(12, T0)).await;
        let remove = async |client: i64| {
            write(&store, async |tx| {
                clients::remove_secret(tx, Id::from_raw(client), Id::from_raw(11), T0).await
            })
            .await
        };

        let removed = (remove(2).await, remove(1).await, remove(1).await);

        assert_eq!(removed, (false, true, false));
        assert_eq!(ids(&secrets_of(&store, 1).await), [12]);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_was_removed_is_gone_with_its_secrets() {
    for_each_house(async |store| {
        register(&store, 1, "app", false).await;
        add_secret(&store, 1, secret(11, T0)).await;
        let id = Id::from_raw(1);
        let remove = async || write(&store, async |tx| clients::remove(tx, id, T0).await).await;
        let take = async || write(&store, async |tx| clients::take(tx, id).await).await;

        let (before, removed, after) =
            (take().await, (remove().await, remove().await), take().await);

        assert_eq!(removed, (true, false));
        assert_eq!((before, after), (true, false));
        assert!(secrets_of(&store, 1).await.is_empty());
        let mut reader = store.read().await.unwrap();
        assert!(clients::find(&mut reader, id).await.unwrap().is_none());
        assert!(clients::list(&mut reader).await.unwrap().is_empty());
        assert!(clients::secrets(&mut reader).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_taken_a_client_counts_its_secrets_alone() {
    const MOST: usize = 5;
    for_each_house(async |store| {
        register(&store, 1, "app", false).await;

        let added = at_once(&store, |store, task| async move {
            write(&store, async |tx| {
                clients::take(tx, Id::from_raw(1)).await?;
                let room = clients::secrets_of(tx, Id::from_raw(1)).await?.len() < MOST;
                if room {
                    clients::insert_secret(tx, &secret(100 + task, T0)).await?;
                }
                Ok(room)
            })
            .await
        })
        .await;

        assert_eq!(added.into_iter().filter(|added| *added).count(), MOST);
        assert_eq!(secrets_of(&store, 1).await.len(), MOST);
    })
    .await;
}

async fn register(store: &Store, raw: i64, name: &str, password_grant: bool) {
    let client = ClientRow {
        id: Id::from_raw(raw),
        name: name.to_owned(),
        password_grant_since: password_grant.then_some(T0 + MS),
        created_at: T0,
    };
    write(store, async |tx| clients::insert(tx, &client).await).await;
}

/// A secret of client 1.
fn secret(raw: i64, created_at: symbolon_core::Timestamp) -> SecretRow {
    SecretRow { id: Id::from_raw(raw), client: Id::from_raw(1), digest: digest(raw), created_at }
}

async fn add_secret(store: &Store, client: i64, secret: SecretRow) {
    let secret = SecretRow { client: Id::from_raw(client), ..secret };
    write(store, async |tx| clients::insert_secret(tx, &secret).await).await;
}

async fn secrets_of(store: &Store, client: i64) -> Vec<SecretRow> {
    let mut reader = store.read().await.expect("a reader is free");
    clients::secrets_of(&mut reader, Id::from_raw(client)).await.expect("the secrets are read")
}

fn ids(secrets: &[SecretRow]) -> Vec<i64> {
    secrets.iter().map(|secret| secret.id.raw()).collect()
}

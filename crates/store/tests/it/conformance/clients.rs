//! API clients.

use symbolon_core::id::Id;
use symbolon_store::Store;
use symbolon_store::clients::{self, ClientRow};

use super::{MS, T0, digest, for_each_house, write};

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
        assert_eq!(warehouse.secret_digest, digest(1));
        assert_eq!((warehouse.password_grant_since, warehouse.created_at), (Some(T0 + MS), T0));
        assert_eq!(app.password_grant_since, None);
        assert_eq!(all.iter().map(|row| row.id.raw()).collect::<Vec<_>>(), [2, 1]);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_was_removed_is_gone() {
    for_each_house(async |store| {
        register(&store, 1, "app", false).await;
        let id = Id::from_raw(1);
        let remove = async || write(&store, async |tx| clients::remove(tx, id, T0).await).await;

        let removed = (remove().await, remove().await);

        assert_eq!(removed, (true, false));
        let mut reader = store.read().await.unwrap();
        assert!(clients::find(&mut reader, id).await.unwrap().is_none());
        assert!(clients::list(&mut reader).await.unwrap().is_empty());
    })
    .await;
}

async fn register(store: &Store, raw: i64, name: &str, password_grant: bool) {
    let client = ClientRow {
        id: Id::from_raw(raw),
        name: name.to_owned(),
        secret_digest: digest(raw),
        password_grant_since: password_grant.then_some(T0 + MS),
        created_at: T0,
    };
    write(store, async |tx| clients::insert(tx, &client).await).await;
}

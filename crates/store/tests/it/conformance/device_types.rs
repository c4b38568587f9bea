//! Device types: each name once, bearer use as it was set.

use symbolon_core::Timestamp;
use symbolon_core::id::Id;
use symbolon_core::names::DeviceType;
use symbolon_store::Store;
use symbolon_store::device_types::{self, DeviceTypeRow};

use super::{MS, T0, for_each_house, write};

#[tokio::test]
async fn a_device_type_comes_back_as_it_was_added() {
    for_each_house(async |store| {
        add(&store, 1, "server", Some(T0 + MS)).await;
        add(&store, 2, "any", None).await;

        let mut reader = store.read().await.unwrap();
        let all = device_types::list(&mut reader).await.unwrap();
        let server = device_types::find(&mut reader, &named("server")).await.unwrap();
        let nothing = device_types::find(&mut reader, &named("toaster")).await.unwrap();

        assert_eq!(all, [row(2, "any", None), row(1, "server", Some(T0 + MS))]);
        assert_eq!(server, Some(row(1, "server", Some(T0 + MS))));
        assert_eq!(nothing, None);
    })
    .await;
}

#[tokio::test]
async fn a_name_that_is_taken_leaves_the_device_type_as_it_is() {
    for_each_house(async |store| {
        let added =
            (add(&store, 1, "server", Some(T0)).await, add(&store, 2, "server", None).await);

        assert_eq!(added, (true, false));
        let mut reader = store.read().await.unwrap();
        let all = device_types::list(&mut reader).await.unwrap();
        assert_eq!(all, [row(1, "server", Some(T0))]);
    })
    .await;
}

#[tokio::test]
async fn bearer_use_is_set_on_the_device_type_of_that_name_alone() {
    for_each_house(async |store| {
        add(&store, 1, "server", None).await;
        add(&store, 2, "desktop", Some(T0)).await;
        let set = async |name: &str, since: Option<Timestamp>| {
            write(&store, async |tx| device_types::set_bearer(tx, &named(name), since).await).await
        };

        let on = set("server", Some(T0 + MS)).await;
        let off = set("desktop", None).await;
        let unknown = set("toaster", Some(T0)).await;

        assert_eq!((on, off, unknown), (true, true, false));
        let mut reader = store.read().await.unwrap();
        let all = device_types::list(&mut reader).await.unwrap();
        assert_eq!(all, [row(2, "desktop", None), row(1, "server", Some(T0 + MS))]);
    })
    .await;
}

fn named(name: &str) -> DeviceType {
    DeviceType::parse(name).expect("a device type")
}

fn row(raw: i64, name: &str, bearer_since: Option<Timestamp>) -> DeviceTypeRow {
    DeviceTypeRow { id: Id::from_raw(raw), name: named(name), bearer_since, created_at: T0 }
}

async fn add(store: &Store, raw: i64, name: &str, bearer_since: Option<Timestamp>) -> bool {
    let device_type = row(raw, name, bearer_since);
    write(store, async |tx| device_types::insert(tx, &device_type).await).await
}

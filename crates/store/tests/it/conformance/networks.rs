//! Trusted networks: each range once.

use symbolon_core::id::Id;
use symbolon_core::network::Network;
use symbolon_store::Store;
use symbolon_store::networks::{self, NetworkRow};

use super::{T0, for_each_house, write};

#[tokio::test]
async fn a_network_comes_back_as_it_was_added() {
    for_each_house(async |store| {
        add(&store, 1, "2001:db8::/32", "Büro").await;
        add(&store, 2, "10.1.2.3/16", "office").await;

        let mut reader = store.read().await.unwrap();
        let found = networks::list(&mut reader).await.unwrap();

        let found: Vec<_> = found
            .iter()
            .map(|row| (row.id.raw(), row.range.to_string(), row.label.as_str(), row.created_at))
            .collect();
        let expected = [
            (2, "10.1.0.0/16".to_owned(), "office", T0),
            (1, "2001:db8::/32".to_owned(), "Büro", T0),
        ];
        assert_eq!(found, expected);
    })
    .await;
}

#[tokio::test]
async fn a_range_is_added_once_and_removed_once() {
    for_each_house(async |store| {
        let range = Network::parse("10.1.0.0/16").unwrap();
        let remove = async || write(&store, async |tx| networks::remove(tx, range).await).await;

        let added = (
            add(&store, 1, "10.1.0.0/16", "office").await,
            // The same range, written otherwise.
            add(&store, 2, "10.1.9.9/16", "branch").await,
        );
        let removed = (remove().await, remove().await);
        let again = add(&store, 3, "10.1.0.0/16", "office").await;

        assert_eq!(added, (true, false));
        assert_eq!(removed, (true, false));
        assert!(again);
    })
    .await;
}

async fn add(store: &Store, raw: i64, range: &str, label: &str) -> bool {
    let network = NetworkRow {
        id: Id::from_raw(raw),
        range: Network::parse(range).expect("a range"),
        label: label.to_owned(),
        created_at: T0,
    };
    write(store, async |tx| networks::insert(tx, &network).await).await
}

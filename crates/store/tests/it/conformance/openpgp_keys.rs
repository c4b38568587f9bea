//! OpenPGP keys: one each, the latest that was given, byte by byte.

use symbolon_store::openpgp_keys::{self, OpenpgpKeyRow};

use super::{DAY, HOUR, T0, add_user, for_each_house, write};

#[tokio::test]
async fn a_user_has_the_key_that_was_given_last_and_nobody_elses() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let joe = add_user(&store, 2, "joe").await;
        let first = OpenpgpKeyRow {
            fingerprint: "A1".repeat(20),
            certificate: (0..=255).collect(),
            expires_at: Some(T0 + DAY),
            origin: "owner".to_owned(),
            created_at: T0,
        };
        let second = OpenpgpKeyRow {
            certificate: vec![0, 39, 92],
            expires_at: None,
            origin: "administrator".to_owned(),
            created_at: T0 + HOUR,
            ..first.clone()
        };

        write(&store, async |tx| openpgp_keys::put(tx, jane, &first).await).await;
        let before = openpgp_keys::find(&mut store.read().await.unwrap(), jane).await.unwrap();
        write(&store, async |tx| openpgp_keys::put(tx, jane, &second).await).await;
        let after = openpgp_keys::find(&mut store.read().await.unwrap(), jane).await.unwrap();

        assert_eq!((before, after), (Some(first), Some(second)));
        assert_eq!(openpgp_keys::find(&mut store.read().await.unwrap(), joe).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_key_is_removed_once() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let key = OpenpgpKeyRow {
            fingerprint: "B2".repeat(20),
            certificate: vec![1],
            expires_at: None,
            origin: "owner".to_owned(),
            created_at: T0,
        };
        write(&store, async |tx| openpgp_keys::put(tx, jane, &key).await).await;

        let mut removed = Vec::new();
        for _ in 0..2 {
            removed.push(write(&store, async |tx| openpgp_keys::delete(tx, jane).await).await);
        }

        assert_eq!(removed, [true, false]);
        assert_eq!(openpgp_keys::find(&mut store.read().await.unwrap(), jane).await.unwrap(), None);
    })
    .await;
}

//! The organization: founded once, by whichever node comes first.

use symbolon_core::id::Id;
use symbolon_store::organization;

use super::{T0, at_once, for_each_house, number, write};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_nodes_that_start_at_once_one_founds_the_organization() {
    for_each_house(async |store| {
        let mut reader = store.read().await.unwrap();
        let before = organization::find(&mut reader).await.unwrap();

        let founded = at_once(&store, |store, node| async move {
            let fingerprint = node.to_be_bytes();
            write(&store, async |tx| {
                organization::found(tx, Id::from_raw(node), &fingerprint, T0).await
            })
            .await
        })
        .await;

        assert!(before.is_none());
        let founder = founded.iter().position(|founded| *founded).expect("one is the founder");
        let founder = i64::try_from(founder).unwrap();
        let found = organization::find(&mut reader).await.unwrap().unwrap();
        assert_eq!(founded.iter().filter(|founded| **founded).count(), 1);
        assert_eq!(
            (found.id.raw(), found.key_fingerprint),
            (founder, founder.to_be_bytes().into())
        );
        assert_eq!(number(&store, "SELECT COUNT(*) FROM organization", &[]).await, 1);
    })
    .await;
}

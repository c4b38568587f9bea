//! Revisions: dense, and in the order of the commits.

use symbolon_core::id::{Id, User};
use symbolon_store::Store;
use symbolon_store::changes::{self, Change};
use symbolon_store::error::StoreError;

use super::{DAY, MS, ROUNDS, T0, TASKS, at_once, for_each_house, number, write};

const DENSE: &str = "SELECT MAX(revision) - COUNT(*) FROM change";

#[tokio::test]
async fn the_first_revision_is_one() {
    for_each_house(async |store| {
        let before = current(&store).await;

        let first = record(&store, 1).await;

        assert_eq!((before, first, current(&store).await), (0, 1, 1));
    })
    .await;
}

#[tokio::test]
async fn every_kind_of_change_is_kept_under_its_word() {
    for_each_house(async |store| {
        let words = [
            (Change::TokenReset, "token-reset"),
            (Change::TokenRevoked, "token-revoked"),
            (Change::SessionStarted, "session-started"),
            (Change::SessionEnded, "session-ended"),
            (Change::UserChanged, "user-changed"),
        ];
        for (change, word) in words {
            let revision = write(&store, async |tx| {
                changes::record(tx, change, Id::from_raw(5), Some(6), T0).await
            })
            .await;

            let sql = "
                SELECT COUNT(*) FROM change
                WHERE revision = $1 AND kind = $2 AND user_id = 5 AND subject = 6 AND at = $3";
            let args = [revision.into(), word.into(), T0.into()];
            assert_eq!(number(&store, sql, &args).await, 1, "{word}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_change_of_what_is_nobodys_names_no_user() {
    for_each_house(async |store| {
        let words = [
            (Change::ProfileChanged, "profile-changed"),
            (Change::DeviceTypeChanged, "device-type-changed"),
            (Change::ClientChanged, "client-changed"),
        ];
        for (change, word) in words {
            let revision = write(&store, async |tx| {
                changes::record(tx, change, None::<Id<User>>, Some(6), T0).await
            })
            .await;

            let sql = "
                SELECT COUNT(*) FROM change
                WHERE revision = $1 AND kind = $2 AND user_id IS NULL AND subject = 6";
            let args = [revision.into(), word.into()];
            assert_eq!(number(&store, sql, &args).await, 1, "{word}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_transaction_tells_the_last_revision_that_it_took() {
    for_each_house(async |store| {
        let jane = Id::from_raw(1);
        let mut tx = store.begin().await.unwrap();
        let before = tx.revision();

        changes::record(&mut tx, Change::TokenReset, jane, Some(5), T0).await.unwrap();
        let first = tx.revision();
        let second = changes::record(&mut tx, Change::UserChanged, jane, None, T0).await.unwrap();

        assert_eq!((before, first), (None, Some(1)));
        assert_eq!((tx.revision(), second), (Some(2), 2));
    })
    .await;
}

#[tokio::test]
async fn a_transaction_without_a_change_has_no_revision() {
    for_each_house(async |store| {
        record(&store, 1).await;

        let mut tx = store.begin().await.unwrap();
        changes::forget(&mut tx, T0).await.unwrap();
        changes::current(&mut tx).await.unwrap();

        assert_eq!(tx.revision(), None);
    })
    .await;
}

#[tokio::test]
async fn changes_are_forgotten_from_before_the_limit_but_for_the_last_and_the_revision_goes_on() {
    for_each_house(async |store| {
        for at in [T0, T0 + MS, T0 + DAY] {
            write(&store, async |tx| {
                changes::record(tx, Change::UserChanged, Id::from_raw(1), None, at).await
            })
            .await;
        }
        let forget = async |limit| write(&store, async |tx| changes::forget(tx, limit).await).await;

        let forgotten =
            (forget(T0 + MS).await, forget(T0 + DAY).await, forget(T0 + DAY + MS).await);

        assert_eq!(forgotten, (1, 1, 0));
        assert_eq!((current(&store).await, record(&store, 1).await), (3, 4));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_at_once_are_dense_and_in_the_order_of_their_commits() {
    for_each_house(async |store| {
        let revisions = at_once(&store, |store, task| async move {
            let mut revisions = Vec::new();
            for _ in 0..ROUNDS {
                let revision = record(&store, task).await;
                // Whoever was told of a commit sees every earlier revision, and no gap among them.
                assert!(current(&store).await >= revision);
                assert_eq!(number(&store, DENSE, &[]).await, 0);
                revisions.push(revision);
            }
            revisions
        })
        .await;

        assert!(revisions.iter().all(|own| own.is_sorted()));
        let mut revisions: Vec<i64> = revisions.into_iter().flatten().collect();
        revisions.sort_unstable();
        assert_eq!(revisions, (1..=TASKS * ROUNDS).collect::<Vec<_>>());
        assert_eq!(current(&store).await, TASKS * ROUNDS);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_is_rolled_back_leaves_no_gap() {
    for_each_house(async |store| {
        at_once(&store, |store, task| async move {
            for round in 0..ROUNDS {
                let mut tx = store.begin().await.expect("a transaction begins");
                let user = Id::from_raw(task);
                changes::record(&mut tx, Change::UserChanged, user, None, T0)
                    .await
                    .expect("the change is recorded");
                if (task + round) % 3 != 0 {
                    tx.commit().await.expect("the transaction commits");
                }
            }
        })
        .await;

        assert_eq!(number(&store, DENSE, &[]).await, 0);
        let kept = number(&store, "SELECT COUNT(*) FROM change", &[]).await;
        assert_eq!((kept, current(&store).await), (TASKS * ROUNDS * 2 / 3, kept));
    })
    .await;
}

#[tokio::test]
async fn a_change_that_failed_midway_takes_no_revision() {
    for_each_house(async |store| {
        let mut tx = store.begin().await.unwrap();
        changes::record(&mut tx, Change::UserChanged, Id::from_raw(1), None, T0).await.unwrap();
        let failed = tx.execute("INSERT INTO change (revision) VALUES (1)", &[]).await;
        let committed = tx.commit().await;

        assert!(failed.is_err());
        assert!(matches!(committed, Err(StoreError::Aborted)), "{committed:?}");
        assert_eq!(record(&store, 1).await, 1);
    })
    .await;
}

async fn record(store: &Store, user: i64) -> i64 {
    write(store, async |tx| {
        changes::record(tx, Change::UserChanged, Id::from_raw(user), None, T0).await
    })
    .await
}

pub(super) async fn current(store: &Store) -> i64 {
    let mut reader = store.read().await.expect("a reader is free");
    changes::current(&mut reader).await.expect("the revision is read")
}

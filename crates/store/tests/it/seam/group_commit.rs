//! Write transactions of `SQLite` that share a commit.

use std::time::Duration;

use symbolon_store::error::StoreError;
use symbolon_store::sql::{Engine, Store, Tx, Value};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{INSERT, INSERT_PART, bare, create_tables, ids, insert};
use crate::{Database, for_each_engine, for_each_shared, for_each_sqlite};

const PATIENCE: Duration = Duration::from_secs(8);
/// Enough for another task to queue for the slot.
const A_MOMENT: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_writers_are_all_kept_by_fewer_commits() {
    for_each_engine(async |store| {
        create_tables(&store).await;
        let before = store.commits();

        let writers: Vec<_> = (0..64).map(|id| spawn_insert(&store, id)).collect();
        for writer in writers {
            writer.await.unwrap().unwrap();
        }

        let commits = store.commits() - before;
        assert_eq!(ids(&store).await, (0..64).collect::<Vec<_>>());
        match store.engine() {
            Engine::Sqlite => assert!(commits < 32, "{commits} commits"),
            Engine::Postgres => assert_eq!(commits, 64),
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_group_has_committed_is_there_after_opening_again() {
    for_each_shared(async |target| {
        let store = Store::open(target).await.unwrap();
        create_tables(&store).await;
        let writers: Vec<_> = (0..20).map(|id| spawn_insert(&store, id)).collect();
        for writer in writers {
            writer.await.unwrap().unwrap();
        }
        store.close().await;

        let again = Store::open(target).await.unwrap();

        assert_eq!(ids(&again).await.len(), 20);
        again.close().await;
    })
    .await;
}

#[tokio::test]
async fn nobody_is_told_before_the_commit_of_the_group() {
    for_each_sqlite(async |store| {
        create_tables(&store).await;
        let mut first = store.begin().await.unwrap();
        first.execute_one(INSERT, &bare(1)).await.unwrap();
        let second = spawn_begin(&store, 2);
        sleep(A_MOMENT).await;
        let mut first = tokio::spawn(first.commit());
        let second = second.await.unwrap();

        let told_early = timeout(A_MOMENT, &mut first).await;
        let seen_early = ids(&store).await;
        second.commit().await.unwrap();

        assert!(told_early.is_err(), "told before the commit");
        assert_eq!(seen_early, []);
        timeout(PATIENCE, first).await.expect("told").unwrap().unwrap();
        assert_eq!(ids(&store).await, [1, 2]);
    })
    .await;
}

#[tokio::test]
async fn an_error_in_one_member_leaves_the_others_intact() {
    for_each_sqlite(async |store| {
        create_tables(&store).await;
        let mut first = store.begin().await.unwrap();
        first.execute_one(INSERT, &bare(1)).await.unwrap();
        let second = spawn_begin(&store, 2);
        sleep(A_MOMENT).await;
        let third = spawn_insert(&store, 3);
        sleep(A_MOMENT).await;
        let before = store.commits();
        let first = tokio::spawn(first.commit());
        let mut second = second.await.unwrap();

        let failed = second.execute(INSERT, &bare(1)).await;
        drop(second);

        assert!(matches!(failed, Err(StoreError::Conflict { .. })), "{failed:?}");
        timeout(PATIENCE, first).await.expect("told").unwrap().unwrap();
        timeout(PATIENCE, third).await.expect("told").unwrap().unwrap();
        assert_eq!(ids(&store).await, [1, 3]);
        assert_eq!(store.commits() - before, 1);
    })
    .await;
}

#[tokio::test]
async fn the_last_member_may_leave_and_the_group_is_committed() {
    for_each_sqlite(async |store| {
        create_tables(&store).await;
        let mut first = store.begin().await.unwrap();
        first.execute_one(INSERT, &bare(1)).await.unwrap();
        let second = spawn_begin(&store, 2);
        sleep(A_MOMENT).await;
        let first = tokio::spawn(first.commit());

        drop(second.await.unwrap());

        timeout(PATIENCE, first).await.expect("told").unwrap().unwrap();
        assert_eq!(ids(&store).await, [1]);
    })
    .await;
}

#[tokio::test]
async fn a_waiter_may_leave_before_its_turn_and_the_group_is_committed() {
    for_each_sqlite(async |store| {
        create_tables(&store).await;
        for id in 0..20 {
            let mut first = store.begin().await.unwrap();
            first.execute_one(INSERT, &bare(id)).await.unwrap();
            let second = spawn_begin(&store, 100 + id);
            sleep(Duration::from_millis(2)).await;
            let first = tokio::spawn(first.commit());

            second.abort();

            timeout(PATIENCE, first).await.expect("told").unwrap().unwrap();
        }
        assert_eq!(ids(&store).await, (0..20).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn a_group_whose_commit_fails_tells_nobody_ok() {
    for_each_sqlite(async |store| {
        create_tables(&store).await;
        insert(&store, 1).await.unwrap();
        let mut first = store.begin().await.unwrap();
        first.execute_one(INSERT, &bare(2)).await.unwrap();
        let second = spawn_begin(&store, 3);
        sleep(A_MOMENT).await;
        let first = tokio::spawn(first.commit());
        let mut second = second.await.unwrap();
        // Deferred to the commit, which is the group's.
        let orphan: [Value; 3] = [1_i64.into(), "a".into(), 999_i64.into()];
        second.execute_one(INSERT_PART, &orphan).await.unwrap();

        let second = second.commit().await;
        let first = timeout(PATIENCE, first).await.expect("told").unwrap();

        assert!(matches!(second, Err(StoreError::Unavailable(_))), "{second:?}");
        assert!(matches!(first, Err(StoreError::Unavailable(_))), "{first:?}");
        assert_eq!(ids(&store).await, [1]);
        insert(&store, 4).await.unwrap();
        assert_eq!(ids(&store).await, [1, 4]);
    })
    .await;
}

#[tokio::test]
async fn a_full_database_fails_the_group_and_the_next_writer_starts_afresh() {
    for_each_sqlite(async |store| {
        create_tables(&store).await;
        let mut first = store.begin().await.unwrap();
        first.execute_one(INSERT, &bare(1)).await.unwrap();
        let second = spawn_begin(&store, 2);
        sleep(A_MOMENT).await;
        let first = tokio::spawn(first.commit());
        let mut second = second.await.unwrap();
        // SQLite answers a full database by rolling back all that is open, not this member alone.
        second.fetch_all("PRAGMA max_page_count = 1", &[]).await.unwrap();
        let large: [Value; 3] = [5_i64.into(), Value::Text(None), vec![1_u8; 1 << 20].into()];

        let full = second.execute(INSERT, &large).await;
        let after = second.execute(INSERT, &bare(6)).await;
        drop(second);
        let first = timeout(PATIENCE, first).await.expect("told").unwrap();

        assert!(matches!(full, Err(StoreError::Unavailable(_))), "{full:?}");
        assert!(matches!(after, Err(StoreError::Aborted)), "{after:?}");
        assert!(matches!(first, Err(StoreError::Unavailable(_))), "{first:?}");
        assert_eq!(ids(&store).await, []);
        insert(&store, 7).await.unwrap();
        assert_eq!(ids(&store).await, [7]);
    })
    .await;
}

#[tokio::test]
async fn a_closed_store_takes_no_writers() {
    for_each_sqlite(async |store| {
        create_tables(&store).await;

        store.close().await;
        let refused = insert(&store, 1).await;

        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn closing_commits_the_group_that_is_open() {
    for_each_sqlite(async |store| {
        create_tables(&store).await;
        let before = store.commits();
        let mut first = store.begin().await.unwrap();
        first.execute_one(INSERT, &bare(1)).await.unwrap();
        let second = spawn_begin(&store, 2);
        sleep(A_MOMENT).await;
        let closing = tokio::spawn({
            let store = store.clone();
            async move { store.close().await }
        });
        sleep(A_MOMENT).await;
        let first = tokio::spawn(first.commit());
        // Its rollback leaves the group open, and closing is next in the queue.
        drop(second.await.unwrap());

        timeout(PATIENCE, closing).await.expect("closed").unwrap();

        timeout(PATIENCE, first).await.expect("told").unwrap().unwrap();
        assert_eq!(store.commits() - before, 1);
    })
    .await;
}

#[tokio::test]
async fn a_lock_of_another_process_is_waited_for_and_then_busy() {
    let database = Database::file();
    let store = Store::open(&database.target).await.unwrap();
    let other = Store::open(&database.target).await.unwrap();
    create_tables(&store).await;
    let held = other.begin().await.unwrap();

    let refused = insert(&store, 1).await;
    drop(held);

    assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
    insert(&store, 2).await.unwrap();
    assert_eq!(ids(&store).await, [2]);
    store.close().await;
    other.close().await;
}

fn spawn_insert(store: &Store, id: i64) -> JoinHandle<Result<(), StoreError>> {
    let store = store.clone();
    tokio::spawn(async move { insert(&store, id).await })
}

/// Queues for the slot, writes an entry and hands back the open transaction.
fn spawn_begin(store: &Store, id: i64) -> JoinHandle<Tx> {
    let store = store.clone();
    tokio::spawn(async move {
        let mut tx = store.begin().await.expect("the slot comes free");
        tx.execute_one(INSERT, &bare(id)).await.expect("the entry is written");
        tx
    })
}

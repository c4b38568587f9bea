//! Requests that go away at the worst moment.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use symbolon_store::error::StoreError;
use tokio::task::yield_now;
use tokio::time::timeout;

use super::{INSERT, bare, create_tables, ids, insert};
use crate::for_each_engine;

/// Far above what any of this takes; below the waits of the seam.
const PATIENCE: Duration = Duration::from_secs(8);
/// Less than the slow statements take, on any machine.
const A_MOMENT: Duration = Duration::from_millis(10);

const COUNT_SLOWLY: &str = "
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
    SELECT count(*) FROM n";
const INSERT_SLOWLY: &str = "
    INSERT INTO entry (id)
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
    SELECT count(*) FROM n";

#[tokio::test]
async fn a_cancelled_request_rolls_back_and_the_next_writer_works() {
    for_each_engine(async |store| {
        create_tables(&store).await;
        let request = tokio::spawn({
            let store = store.clone();
            async move {
                let mut tx = store.begin().await.unwrap();
                tx.execute_one(INSERT, &bare(1)).await.unwrap();
                std::future::pending::<()>().await;
            }
        });
        tokio::time::sleep(Duration::from_millis(100)).await;

        request.abort();
        timeout(PATIENCE, insert(&store, 2)).await.expect("the slot is free").unwrap();

        assert_eq!(ids(&store).await, [2]);
    })
    .await;
}

#[tokio::test]
async fn a_transaction_with_a_cancelled_statement_cannot_be_committed() {
    for_each_engine(async |store| {
        create_tables(&store).await;
        let mut tx = store.begin().await.unwrap();

        let cancelled = timeout(A_MOMENT, tx.execute(INSERT_SLOWLY, &[])).await;
        let after = tx.execute(INSERT, &bare(2)).await;
        let committed = tx.commit().await;

        assert!(cancelled.is_err());
        assert!(matches!(after, Err(StoreError::Aborted)));
        assert!(matches!(committed, Err(StoreError::Aborted)));
        insert(&store, 3).await.unwrap();
        assert_eq!(ids(&store).await, [3]);
    })
    .await;
}

#[tokio::test]
async fn a_reader_with_a_cancelled_statement_still_reads() {
    for_each_engine(async |store| {
        create_tables(&store).await;
        insert(&store, 1).await.unwrap();
        let mut reader = store.read().await.unwrap();

        let cancelled = timeout(A_MOMENT, reader.fetch_all(COUNT_SLOWLY, &[])).await;
        let row = reader.fetch_one("SELECT id FROM entry", &[]).await.unwrap();

        assert!(cancelled.is_err());
        assert_eq!(row.int(0).unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_commit_that_nobody_waits_for_is_completed_or_undone_but_never_left_open() {
    for_each_engine(async |store| {
        create_tables(&store).await;
        let mut tx = store.begin().await.unwrap();
        tx.execute_one(INSERT, &bare(1)).await.unwrap();

        poll_once(tx.commit()).await;
        timeout(PATIENCE, insert(&store, 2)).await.expect("the slot is free").unwrap();

        assert!(ids(&store).await.contains(&2));
    })
    .await;
}

/// Requests are cut off after any number of steps, among others that are not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_stay_are_served_whenever_others_go_away() {
    const ROUNDS: i64 = 120;
    for_each_engine(async |store| {
        create_tables(&store).await;
        let mut staying = Vec::new();
        let mut leaving = Vec::new();
        for id in 0..ROUNDS {
            let kept = store.clone();
            staying.push(tokio::spawn(async move { insert(&kept, id).await }));
            let left = store.clone();
            let steps = Duration::from_micros(u64::try_from(id).unwrap() * 37);
            leaving.push(tokio::spawn(async move {
                let write = insert(&left, ROUNDS + id);
                timeout(steps, write).await.is_ok_and(|written| written.is_ok())
            }));
            yield_now().await;
        }

        let mut told = Vec::new();
        for (id, writer) in (0..).zip(staying) {
            timeout(PATIENCE, writer).await.expect("not left waiting").unwrap().unwrap();
            told.push(id);
        }
        for (id, writer) in (ROUNDS..).zip(leaving) {
            if writer.await.unwrap() {
                told.push(id);
            }
        }

        // Whoever was told so is there. Whoever left during the commit may be there, too.
        let kept = ids(&store).await;
        let lost: Vec<&i64> = told.iter().filter(|id| !kept.contains(id)).collect();
        assert!(lost.is_empty(), "told, but not kept: {lost:?}");
        timeout(PATIENCE, insert(&store, -1)).await.expect("the slot is free").unwrap();
    })
    .await;
}

/// Starts `work` and goes away.
async fn poll_once(work: impl Future) {
    let mut work = pin!(work);
    poll_fn(|context| {
        let _ = work.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
}

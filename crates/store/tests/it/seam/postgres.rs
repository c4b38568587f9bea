//! What only a server can do: refuse to write, deadlock, end a session.

use symbolon_store::error::StoreError;
use symbolon_store::sql::{DatabaseTarget, Store, Tx};
use tokio::join;

use super::{INSERT, bare, create_tables, ids, insert};
use crate::{Database, administer, for_postgres};

#[tokio::test]
async fn a_read_only_server_is_refused() {
    let database = Database::postgres().await;
    administer(format!("ALTER DATABASE {} SET default_transaction_read_only = on", database.name))
        .await;

    let refused = Store::open(&database.target).await.unwrap_err();

    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
    database.remove().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let target = DatabaseTarget::parse("postgres://nobody@127.0.0.1:1/nothing").unwrap();

    let refused = Store::open(&target).await.unwrap_err();

    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused:?}");
}

#[tokio::test]
async fn a_session_waits_for_the_flush_and_never_for_ever() {
    let database = Database::postgres().await;
    administer(format!("ALTER DATABASE {} SET synchronous_commit = off", database.name)).await;
    let store = Store::open(&database.target).await.unwrap();
    let sql = "
        SELECT current_setting('synchronous_commit'), current_setting('lock_timeout'),
               current_setting('statement_timeout'), current_setting('transaction_isolation'),
               current_setting('application_name')";

    let row = store.begin().await.unwrap().fetch_one(sql, &[]).await.unwrap();

    let settings: Vec<String> = (0..5).map(|column| row.text(column).unwrap()).collect();
    assert_eq!(settings, ["on", "10s", "15s", "read committed", "symbolon"]);
    store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn of_two_that_wait_for_each_other_one_is_told_to_try_again() {
    for_postgres(async |store| {
        create_tables(&store).await;
        insert(&store, 1).await.unwrap();
        insert(&store, 2).await.unwrap();
        let touch = "UPDATE entry SET note = $2 WHERE id = $1";
        let (mut left, mut right) = (store.begin().await.unwrap(), store.begin().await.unwrap());
        left.execute_one(touch, &[1_i64.into(), "left".into()]).await.unwrap();
        right.execute_one(touch, &[2_i64.into(), "right".into()]).await.unwrap();

        let (crossed_left, crossed_right) =
            ([2_i64.into(), "left".into()], [1_i64.into(), "right".into()]);
        let (left_result, right_result) = join!(
            async {
                let result = left.execute_one(touch, &crossed_left).await;
                drop(left);
                result
            },
            async {
                let result = right.execute_one(touch, &crossed_right).await;
                drop(right);
                result
            }
        );

        let (lost, won) = if left_result.is_err() {
            (left_result, right_result)
        } else {
            (right_result, left_result)
        };
        assert!(matches!(lost, Err(StoreError::Busy)), "{lost:?}");
        won.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_session_that_the_server_ended_is_replaced() {
    for_postgres(async |store| {
        create_tables(&store).await;
        let mut tx = store.begin().await.unwrap();
        tx.execute_one(INSERT, &bare(1)).await.unwrap();

        end_session(&mut tx).await;
        let lost = tx.execute_one(INSERT, &bare(2)).await.unwrap_err();
        drop(tx);

        assert!(matches!(lost, StoreError::Unavailable(_)), "{lost:?}");
        insert(&store, 3).await.unwrap();
        assert_eq!(ids(&store).await, [3]);
    })
    .await;
}

#[tokio::test]
async fn the_outcome_of_a_commit_without_an_answer_is_unknown() {
    for_postgres(async |store| {
        create_tables(&store).await;
        let mut tx = store.begin().await.unwrap();
        tx.execute_one(INSERT, &bare(1)).await.unwrap();

        end_session(&mut tx).await;
        let outcome = tx.commit().await;

        assert!(matches!(outcome, Err(StoreError::Unknown(_))), "{outcome:?}");
    })
    .await;
}

/// Ends the session of `tx` as an administrator, a crash or a failover would.
async fn end_session(tx: &mut Tx) {
    let row = tx.fetch_one("SELECT pg_backend_pid()::bigint", &[]).await;
    let session = row.and_then(|row| row.int(0)).expect("the session tells its number");
    administer(format!("SELECT pg_terminate_backend({session}, 5000)")).await;
}

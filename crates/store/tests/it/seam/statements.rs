//! Binding, counting, decoding and sorting of errors, alike on every engine.

use std::os::unix::fs::PermissionsExt as _;

use symbolon_store::error::{Rows, StoreError};
use symbolon_store::sql::{DatabaseTarget, Store, Value};

use super::{INSERT, INSERT_PART, bare, create_tables, ids, insert};
use crate::{Database, for_each_engine};

#[tokio::test]
async fn a_commit_is_visible_to_readers() {
    for_each_engine(async |store| {
        create_tables(&store).await;

        insert(&store, 7).await.unwrap();

        assert_eq!(ids(&store).await, [7]);
    })
    .await;
}

#[tokio::test]
async fn readers_do_not_see_a_transaction_before_its_commit() {
    for_each_engine(async |store| {
        create_tables(&store).await;
        let mut tx = store.begin().await.unwrap();
        tx.execute_one(INSERT, &bare(7)).await.unwrap();

        let before = ids(&store).await;
        tx.commit().await.unwrap();

        assert_eq!(before, []);
        assert_eq!(ids(&store).await, [7]);
    })
    .await;
}

#[tokio::test]
async fn a_dropped_transaction_leaves_nothing() {
    for_each_engine(async |store| {
        create_tables(&store).await;
        let mut tx = store.begin().await.unwrap();
        tx.execute_one(INSERT, &bare(7)).await.unwrap();

        drop(tx);
        insert(&store, 8).await.unwrap();

        assert_eq!(ids(&store).await, [8]);
    })
    .await;
}

#[tokio::test]
async fn every_kind_and_its_absence_comes_back_as_it_went_in() {
    for_each_engine(async |store| {
        create_tables(&store).await;
        let mut tx = store.begin().await.unwrap();
        let full: [Value; 3] = [i64::MIN.into(), "ä".into(), [0_u8, 255].into()];
        let empty: [Value; 3] = [2_i64.into(), "".into(), Vec::new().into()];
        tx.execute_one(INSERT, &full).await.unwrap();
        tx.execute_one(INSERT, &empty).await.unwrap();
        tx.execute_one(INSERT, &bare(3)).await.unwrap();

        let rows =
            tx.fetch_all("SELECT id, note, digest FROM entry ORDER BY id", &[]).await.unwrap();

        assert_eq!(rows[0].int(0).unwrap(), i64::MIN);
        assert_eq!(rows[0].text(1).unwrap(), "ä");
        assert_eq!(rows[0].blob(2).unwrap(), [0, 255]);
        assert_eq!(rows[1].optional_text(1).unwrap().as_deref(), Some(""));
        assert_eq!(rows[1].optional_blob(2).unwrap(), Some(Vec::new()));
        assert_eq!(rows[2].optional_text(1).unwrap(), None);
        assert_eq!(rows[2].optional_blob(2).unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_null_is_compared_as_the_kind_it_stands_for() {
    for_each_engine(async |store| {
        create_tables(&store).await;
        let sql = "SELECT COALESCE($1, 5), COALESCE($2, 'x'), COALESCE($3, $4)";
        let args = [Value::Int(None), Value::Text(None), Value::Blob(None), [1_u8].into()];

        let row = store.read().await.unwrap().fetch_one(sql, &args).await.unwrap();

        assert_eq!(row.int(0).unwrap(), 5);
        assert_eq!(row.text(1).unwrap(), "x");
        assert_eq!(row.blob(2).unwrap(), [1]);
    })
    .await;
}

#[tokio::test]
async fn a_literal_number_is_read_as_any_other() {
    for_each_engine(async |store| {
        let row = store.read().await.unwrap().fetch_one("SELECT 1, NULL", &[]).await.unwrap();

        assert_eq!(row.int(0).unwrap(), 1);
        assert_eq!(row.optional_text(1).unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_value_of_another_kind_is_corrupt() {
    for_each_engine(async |store| {
        let mut reader = store.read().await.unwrap();
        let row = reader.fetch_one("SELECT 1 AS one, 'x' AS x", &[]).await.unwrap();

        let as_text = row.text(0).unwrap_err();
        let as_int = row.int(1).unwrap_err();
        let beyond = row.int(2).unwrap_err();

        assert_eq!(as_text.to_string(), "corrupt value in result.one of ?");
        assert_eq!(as_int.to_string(), "corrupt value in result.x of ?");
        assert_eq!(beyond.to_string(), "corrupt value in result.column 2 of ?");
    })
    .await;
}

#[tokio::test]
async fn a_missing_argument_is_an_error_and_not_a_null() {
    for_each_engine(async |store| {
        create_tables(&store).await;
        let mut tx = store.begin().await.unwrap();

        let error = tx.execute(INSERT, &bare(1)[..2]).await.unwrap_err();

        assert!(matches!(error, StoreError::Arguments { expected: 3, found: 2 }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_write_that_meets_another_number_of_rows_fails_and_ends_the_transaction() {
    for_each_engine(async |store| {
        create_tables(&store).await;
        insert(&store, 1).await.unwrap();
        insert(&store, 2).await.unwrap();
        let mut tx = store.begin().await.unwrap();

        let deleted = tx.execute("DELETE FROM entry WHERE id = $1", &[1_i64.into()]).await.unwrap();
        let none = tx.execute_at_most_one("DELETE FROM entry WHERE id = $1", &[9_i64.into()]).await;
        let missed = tx.execute_one("DELETE FROM entry WHERE id = $1", &[9_i64.into()]).await;

        assert_eq!(deleted, 1);
        assert!(!none.unwrap());
        let missed = missed.unwrap_err();
        assert!(
            matches!(missed, StoreError::Arity { expected: Rows::ExactlyOne, found: 0 }),
            "{missed}"
        );
        assert!(matches!(tx.commit().await, Err(StoreError::Aborted)));
        assert_eq!(ids(&store).await, [1, 2]);
    })
    .await;
}

#[tokio::test]
async fn a_query_that_meets_another_number_of_rows_fails() {
    for_each_engine(async |store| {
        create_tables(&store).await;
        insert(&store, 1).await.unwrap();
        insert(&store, 2).await.unwrap();
        let mut reader = store.read().await.unwrap();

        let second = reader.fetch_optional("SELECT id FROM entry", &[]).await.unwrap_err();
        let none = reader.fetch_one("SELECT id FROM entry WHERE id = 9", &[]).await.unwrap_err();
        let absent = reader.fetch_optional("SELECT id FROM entry WHERE id = 9", &[]).await;

        assert_eq!(second.to_string(), "expected at most one row, found 2");
        assert_eq!(none.to_string(), "expected exactly one row, found 0");
        assert!(absent.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn a_taken_unique_key_is_a_conflict_with_the_same_name_everywhere() {
    for_each_engine(async |store| {
        create_tables(&store).await;
        let taken: [Value; 3] = [1_i64.into(), Value::Text(None), [9_u8].into()];
        let mut tx = store.begin().await.unwrap();
        tx.execute_one(INSERT, &taken).await.unwrap();
        tx.execute_one(INSERT_PART, &[1_i64.into(), "a".into(), Value::Int(None)]).await.unwrap();
        tx.commit().await.unwrap();

        let same_id = conflict(&store, INSERT, &bare(1)).await;
        let same_digest =
            conflict(&store, INSERT, &[2_i64.into(), "n".into(), [9_u8].into()]).await;
        let same_pair =
            conflict(&store, INSERT_PART, &[1_i64.into(), "a".into(), Value::Int(None)]).await;

        assert_eq!(same_id, "entry_pkey");
        assert_eq!(same_digest, "entry_digest");
        assert_eq!(same_pair, "part_entry_id_place_key");
    })
    .await;
}

async fn conflict(store: &Store, sql: &'static str, args: &[Value]) -> String {
    let mut tx = store.begin().await.expect("a transaction begins");
    match tx.execute(sql, args).await {
        Err(StoreError::Conflict { constraint }) => constraint.expect("a name"),
        other => panic!("expected a conflict, got {other:?}"),
    }
}

#[tokio::test]
async fn other_constraints_are_told_apart_from_conflicts() {
    for_each_engine(async |store| {
        create_tables(&store).await;
        let long = "x".repeat(100);
        let cases: [(&'static str, [Value; 3]); 3] = [
            (INSERT, [1_i64.into(), long.into(), Value::Blob(None)]),
            (INSERT_PART, [1_i64.into(), Value::Text(None), Value::Int(None)]),
            (INSERT_PART, [5_i64.into(), "a".into(), Value::Int(None)]),
        ];
        for (position, (sql, args)) in cases.into_iter().enumerate() {
            let mut tx = store.begin().await.unwrap();

            let refused = tx.execute(sql, &args).await;

            assert!(
                matches!(refused, Err(StoreError::Integrity { .. })),
                "case {position}: {refused:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_statement_the_engine_does_not_take_is_our_mistake() {
    for_each_engine(async |store| {
        let mut reader = store.read().await.unwrap();

        let error = reader.fetch_all("SELECT nothing FROM nowhere", &[]).await.unwrap_err();

        assert!(matches!(error, StoreError::Statement(_)), "{error:?}");
    })
    .await;
}

#[tokio::test]
async fn a_reader_cannot_write() {
    for_each_engine(async |store| {
        create_tables(&store).await;
        let mut reader = store.read().await.unwrap();

        let refused = reader.fetch_all(INSERT, &bare(1)).await;

        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        assert_eq!(ids(&store).await, []);
    })
    .await;
}

#[tokio::test]
async fn a_new_database_file_is_for_its_owner_alone() {
    let database = Database::file();
    let DatabaseTarget::SqliteFile(path) = &database.target else {
        panic!("not a file: {:?}", database.target);
    };

    let store = Store::open(&database.target).await.unwrap();
    insert_anything(&store).await;

    for suffix in ["", "-wal", "-shm"] {
        let file = format!("{}{suffix}", path.display());
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    store.close().await;
}

async fn insert_anything(store: &Store) {
    create_tables(store).await;
    insert(store, 1).await.expect("the entry is written");
}

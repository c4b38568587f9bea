//! Migrations: once each, in order, and never a guess.

use symbolon_store::migrate::{MigrateError, Migration, migrate};
use symbolon_store::sql::{Column, Store, columns};

use super::TABLES;
use crate::{for_each_engine, for_each_shared};

const fn step(number: i64, script: &'static str) -> Migration {
    Migration { number, name: "a step", sqlite: script, postgres: script }
}

const ONE: Migration = step(1, "CREATE TABLE a (x BIGINT); INSERT INTO a (x) VALUES (1), (2);");
const TWO: Migration = step(2, "ALTER TABLE a ADD COLUMN y TEXT; UPDATE a SET y = 'new'");

#[tokio::test]
async fn what_is_missing_is_applied_in_order_and_only_once() {
    for_each_engine(async |store| {
        let first = migrate(&store, &[ONE], 10).await.unwrap();
        let second = migrate(&store, &[ONE, TWO], 20).await.unwrap();
        let third = migrate(&store, &[ONE, TWO], 30).await.unwrap();

        assert_eq!((first, second, third), (vec![1], vec![2], vec![]));
        let mut reader = store.read().await.unwrap();
        let sql = "SELECT number, applied_at FROM schema_migration ORDER BY number";
        let rows = reader.fetch_all(sql, &[]).await.unwrap();
        let rows: Vec<_> =
            rows.iter().map(|row| (row.int(0).unwrap(), row.int(1).unwrap())).collect();
        assert_eq!(rows, [(1, 10), (2, 20)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_at_once_apply_each_migration_once() {
    for_each_shared(async |target| {
        let mut nodes = Vec::new();
        for _ in 0..4 {
            let store = Store::open(target).await.unwrap();
            nodes.push(tokio::spawn(async move {
                let applied = migrate(&store, &[ONE, TWO], 0).await.unwrap();
                store.close().await;
                applied
            }));
        }

        let mut applied = Vec::new();
        for node in nodes {
            applied.extend(node.await.unwrap());
        }

        applied.sort_unstable();
        assert_eq!(applied, [1, 2]);
    })
    .await;
}

#[tokio::test]
async fn a_failed_migration_leaves_nothing_of_itself() {
    for_each_engine(async |store| {
        let broken = step(2, "CREATE TABLE b (x BIGINT); INSERT INTO nowhere (x) VALUES (1)");

        let failed = migrate(&store, &[ONE, broken], 0).await.unwrap_err();

        assert!(matches!(failed, MigrateError::Script { number: 2, .. }), "{failed}");
        let tables: Vec<String> =
            columns(&store).await.unwrap().into_iter().map(|c| c.table).collect();
        assert!(
            tables.contains(&"a".to_owned()) && !tables.contains(&"b".to_owned()),
            "{tables:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_changed_migration_is_refused() {
    for_each_engine(async |store| {
        migrate(&store, &[ONE], 0).await.unwrap();
        let changed = step(1, "CREATE TABLE a (x BIGINT)");

        let refused = migrate(&store, &[changed], 0).await.unwrap_err();

        assert!(matches!(refused, MigrateError::Changed { number: 1 }), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    for_each_engine(async |store| {
        migrate(&store, &[ONE, TWO], 0).await.unwrap();

        let refused = migrate(&store, &[ONE], 0).await.unwrap_err();

        assert!(matches!(refused, MigrateError::NewerDatabase { found: 2, known: 1 }), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn a_migration_cannot_be_slipped_in_below() {
    for_each_engine(async |store| {
        migrate(&store, &[TWO_ALONE], 0).await.unwrap();

        let refused = migrate(&store, &[ONE, TWO_ALONE], 0).await.unwrap_err();

        assert!(matches!(refused, MigrateError::Mismatched { number: 2 }), "{refused}");
    })
    .await;
}

const TWO_ALONE: Migration = step(2, "CREATE TABLE c (x BIGINT)");

#[tokio::test]
async fn a_list_out_of_order_is_refused() {
    for_each_engine(async |store| {
        let refused = migrate(&store, &[TWO, ONE], 0).await.unwrap_err();

        assert!(matches!(refused, MigrateError::Disordered { number: 1 }), "{refused}");
    })
    .await;
}

#[tokio::test]
async fn both_engines_describe_a_schema_in_the_same_words() {
    for_each_engine(async |store| {
        migrate(&store, &TABLES, 0).await.unwrap();

        let found = columns(&store).await.unwrap();

        let expected = [
            ("entry", "digest", "blob", true),
            ("entry", "id", "int", false),
            ("entry", "note", "text", true),
            ("part", "entry_id", "int", false),
            ("part", "parent", "int", true),
            ("part", "place", "text", false),
            ("schema_migration", "applied_at", "int", false),
            ("schema_migration", "checksum", "text", false),
            ("schema_migration", "name", "text", false),
            ("schema_migration", "number", "int", false),
        ]
        .map(|(table, column, kind, nullable)| Column {
            table: table.to_owned(),
            column: column.to_owned(),
            kind: kind.to_owned(),
            nullable,
        });
        assert_eq!(found, expected);
    })
    .await;
}

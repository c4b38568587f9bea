//! The schema: the DDL is the one thing that is written twice, so both versions are compared.

use symbolon_store::migrate_all;
use symbolon_store::migrations::ALL;
use symbolon_store::sql::{Engine, Store, columns};

use super::T0;
use crate::{Database, for_each_engine};

#[tokio::test]
async fn migrating_twice_applies_nothing() {
    for_each_engine(async |store| {
        let first = migrate_all(&store, T0).await.unwrap();
        let second = migrate_all(&store, T0).await.unwrap();

        assert_eq!(first, ALL.iter().map(|migration| migration.number).collect::<Vec<_>>());
        assert_eq!(second, []);
    })
    .await;
}

#[tokio::test]
async fn both_engines_have_the_same_tables_and_columns() {
    let (left, right) = both(async |store| columns(&store).await.unwrap()).await;

    assert!(left.iter().any(|column| column.table == "token" && column.column == "digest"));
    assert_eq!(left, right);
}

#[tokio::test]
async fn every_column_is_an_integer_a_text_or_bytes() {
    let (left, _) = both(async |store| columns(&store).await.unwrap()).await;

    let others: Vec<_> = left
        .iter()
        .filter(|column| !["int", "text", "blob"].contains(&column.kind.as_str()))
        .collect();
    assert!(others.is_empty(), "{others:?}");
}

#[tokio::test]
async fn both_engines_have_the_same_indexes() {
    let (left, right) = both(indexes).await;

    // One that lives, and one more that a rotation lets live on.
    for (name, successor) in [("token_one_live", "NULL"), ("token_one_outgoing", "NOT NULL")] {
        let expected = format!(
            "CREATE UNIQUE INDEX {name} ON token user_id, device_type \
             WHERE retired_at IS NULL AND succeeded_by IS {successor}"
        );
        assert!(left.contains(&expected), "{left:#?}");
    }
    assert_eq!(left, right);
}

#[tokio::test]
async fn both_engines_have_the_same_keys() {
    let (left, right) = both(keys).await;

    assert!(left.contains(&"token (user_id) of user_account".to_owned()), "{left:#?}");
    assert!(left.contains(&"token is (id)".to_owned()), "{left:#?}");
    assert!(left.contains(&"network has one (range)".to_owned()), "{left:#?}");
    assert_eq!(left, right);
}

/// What `describe` says of the schema of each engine.
async fn both<T>(describe: impl AsyncFn(Store) -> T) -> (T, T) {
    let postgres = Database::postgres().await;
    let mut found = Vec::new();
    for database in [&Database::memory(), &postgres] {
        let store = Store::open(&database.target).await.expect("the database opens");
        migrate_all(&store, T0).await.expect("the schema is created");
        found.push(describe(store.clone()).await);
        store.close().await;
    }
    postgres.remove().await;
    let right = found.pop().expect("two descriptions");
    (found.pop().expect("two descriptions"), right)
}

/// The indexes that the DDL names, each as its statement without brackets and quotes.
async fn indexes(store: Store) -> Vec<String> {
    let sql = match store.engine() {
        Engine::Sqlite => "SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL",
        Engine::Postgres => {
            "SELECT indexdef FROM pg_indexes
             WHERE schemaname = current_schema() AND indexname NOT LIKE '%\\_pkey'
               AND indexname NOT LIKE '%\\_key'"
        }
    };
    let strip = |index: String| {
        let index = index.replace(" USING btree", "").replace("public.", "");
        index.replace(['(', ')', '"'], "")
    };
    let mut indexes: Vec<String> = texts(&store, sql).await.into_iter().map(strip).collect();
    indexes.sort();
    indexes
}

/// Primary, unique and foreign keys that stand in the tables themselves.
async fn keys(store: Store) -> Vec<String> {
    let sql = match store.engine() {
        Engine::Sqlite => {
            "SELECT m.name || ' (' || f.\"from\" || ') of ' || f.\"table\"
             FROM sqlite_schema AS m JOIN pragma_foreign_key_list(m.name) AS f
             WHERE m.type = 'table'
             UNION ALL
             SELECT m.name || ' is (' ||
                    (SELECT group_concat(c.name, ', ' ORDER BY c.pk)
                     FROM pragma_table_info(m.name) AS c WHERE c.pk > 0) || ')'
             FROM sqlite_schema AS m WHERE m.type = 'table'
             UNION ALL
             SELECT m.name || ' has one (' ||
                    (SELECT group_concat(i.name, ', ') FROM pragma_index_info(l.name) AS i) || ')'
             FROM sqlite_schema AS m JOIN pragma_index_list(m.name) AS l
             WHERE m.type = 'table' AND l.origin = 'u'"
        }
        Engine::Postgres => {
            "SELECT c.conrelid::regclass::text ||
                    CASE c.contype WHEN 'f' THEN ' ' WHEN 'p' THEN ' is ' ELSE ' has one ' END ||
                    '(' || (SELECT string_agg(a.attname, ', ' ORDER BY k.place)
                            FROM unnest(c.conkey) WITH ORDINALITY AS k (number, place)
                            JOIN pg_attribute AS a
                              ON a.attrelid = c.conrelid AND a.attnum = k.number) || ')' ||
                    CASE c.contype WHEN 'f' THEN ' of ' || c.confrelid::regclass::text ELSE '' END
             FROM pg_constraint AS c JOIN pg_namespace AS n ON n.oid = c.connamespace
             WHERE n.nspname = current_schema() AND c.contype IN ('f', 'p', 'u')"
        }
    };
    texts(&store, sql).await
}

async fn texts(store: &Store, sql: &'static str) -> Vec<String> {
    let mut reader = store.read().await.expect("a reader is free");
    let rows = reader.fetch_all(sql, &[]).await.expect("the query is answered");
    let mut texts: Vec<String> = rows.iter().map(|row| row.text(0).expect("a text")).collect();
    texts.sort();
    texts
}

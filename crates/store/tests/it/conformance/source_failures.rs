//! Failures by source address: counted by name, each within the period that is asked about.

use symbolon_core::Timestamp;
use symbolon_core::lockout::SourceFailures;
use symbolon_store::{Store, source_failures};

use super::{DAY, HOUR, MS, T0, at_once, for_each_house, number, write};

const HERE: &str = "192.0.2.1";

#[tokio::test]
async fn failures_of_an_address_are_counted_by_name_and_in_all() {
    for_each_house(async |store| {
        for (source, name) in [(HERE, "jane"), (HERE, "jane"), (HERE, "joe"), ("::1", "jane")] {
            note(&store, source, name, T0).await;
        }

        assert_eq!(since(&store, HERE, T0).await, SourceFailures { names: 2, failures: 3 });
        assert_eq!(since(&store, "::1", T0).await, SourceFailures { names: 1, failures: 1 });
        assert_eq!(since(&store, "192.0.2.2", T0).await, SourceFailures::default());
    })
    .await;
}

#[tokio::test]
async fn failures_that_come_slowly_do_not_add_up_beyond_the_period() {
    for_each_house(async |store| {
        // None of them lies further from the next than the period, which is an hour.
        for hour in 0..24 {
            note(&store, HERE, "jane", T0 + hour * HOUR).await;
        }

        let last_hour = since(&store, HERE, T0 + 22 * HOUR).await;
        let all_day = since(&store, HERE, T0).await;

        assert_eq!(last_hour, SourceFailures { names: 1, failures: 2 });
        assert_eq!(all_day, SourceFailures { names: 1, failures: 24 });
        assert_eq!(since(&store, HERE, T0 + DAY).await, SourceFailures::default());
    })
    .await;
}

#[tokio::test]
async fn failures_from_before_the_period_do_not_count() {
    for_each_house(async |store| {
        note(&store, HERE, "jane", T0).await;

        assert_eq!(since(&store, HERE, T0).await.names, 1);
        assert_eq!(since(&store, HERE, T0 + MS).await, SourceFailures::default());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_at_once_are_all_counted() {
    for_each_house(async |store| {
        at_once(&store, |store, _| async move { note(&store, HERE, "jane", T0).await }).await;

        assert_eq!(since(&store, HERE, T0).await, SourceFailures { names: 1, failures: 16 });
    })
    .await;
}

#[tokio::test]
async fn failures_are_forgotten_from_before_the_limit() {
    for_each_house(async |store| {
        note(&store, HERE, "jane", T0).await;
        note(&store, HERE, "joe", T0 + MS).await;

        let forgotten = write(&store, async |tx| source_failures::forget(tx, T0 + MS).await).await;

        assert_eq!(forgotten, 1);
        assert_eq!(number(&store, "SELECT COUNT(*) FROM source_failure", &[]).await, 1);
    })
    .await;
}

/// Notes a failure.
async fn note(store: &Store, source: &str, name: &str, now: Timestamp) {
    write(store, async |tx| source_failures::note(tx, source, name, now).await).await;
}

async fn since(store: &Store, source: &str, since: Timestamp) -> SourceFailures {
    let mut reader = store.read().await.expect("a reader is free");
    source_failures::since(&mut reader, source, since).await.expect("the failures are read")
}

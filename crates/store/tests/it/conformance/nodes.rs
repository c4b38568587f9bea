//! Nodes under lease: whom an author of a change waits for, by the clock of the database.

use std::time::Duration;

use symbolon_store::{Store, nodes};

use super::{HOUR, MS, at_once, for_each_house, number, write};

/// Over as soon as it has begun: at its first instant it is no lease any more.
const OVER: Duration = Duration::ZERO;

#[tokio::test]
async fn a_node_counts_the_others_under_lease_and_never_itself() {
    for_each_house(async |store| {
        let alone = others(&store, 1).await;
        renew(&store, 1, 0, HOUR).await;
        let with_itself = others(&store, 1).await;
        renew(&store, 2, 0, HOUR).await;
        renew(&store, 3, 0, HOUR).await;

        assert_eq!((alone, with_itself), (0, 0));
        assert_eq!((others(&store, 1).await, others(&store, 9).await), (2, 3));
    })
    .await;
}

#[tokio::test]
async fn a_node_is_waited_for_until_it_has_applied_the_revision() {
    for_each_house(async |store| {
        renew(&store, 2, 6, HOUR).await;

        let behind_6 = behind(&store, 1, 6).await;
        let behind_7 = behind(&store, 1, 7).await;
        report(&store, 2, 7).await;
        let reported = behind(&store, 1, 7).await;

        assert_eq!((behind_6, behind_7, reported), (0, 1, 0));
        assert_eq!(behind(&store, 2, 100).await, 0, "nobody waits for himself");
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_has_run_out_keeps_nobody_waiting() {
    for_each_house(async |store| {
        renew(&store, 2, 0, OVER).await;

        assert_eq!((others(&store, 1).await, behind(&store, 1, 7).await), (0, 0));

        renew(&store, 2, 0, HOUR).await;

        assert_eq!((others(&store, 1).await, behind(&store, 1, 7).await), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn a_lease_runs_from_the_databases_now() {
    for_each_house(async |store| {
        let before = clock(&store).await;
        renew(&store, 2, 0, HOUR).await;
        let after = clock(&store).await;

        let until = number(&store, "SELECT leased_until FROM node WHERE id = 2", &[]).await;
        let hour = i64::try_from(HOUR.as_millis()).unwrap();
        assert!((before + hour..=after + hour).contains(&until), "{before} {until} {after}");
    })
    .await;
}

#[tokio::test]
async fn a_renewal_tells_how_far_the_node_is_and_leaves_its_start() {
    for_each_house(async |store| {
        renew(&store, 2, 3, HOUR).await;
        let started = number(&store, STARTED, &[]).await;

        renew(&store, 2, 8, HOUR).await;

        assert_eq!(behind(&store, 1, 8).await, 0);
        assert_eq!(number(&store, STARTED, &[]).await, started);
        assert_eq!(others(&store, 1).await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_report_goes_forwards_only_and_adds_no_node() {
    for_each_house(async |store| {
        renew(&store, 2, 5, HOUR).await;

        report(&store, 2, 4).await;
        report(&store, 3, 9).await;

        assert_eq!(number(&store, "SELECT applied FROM node WHERE id = 2", &[]).await, 5);
        assert_eq!(others(&store, 1).await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_report_renews_no_lease() {
    for_each_house(async |store| {
        renew(&store, 2, 5, OVER).await;

        report(&store, 2, 6).await;

        assert_eq!(others(&store, 1).await, 0);
    })
    .await;
}

#[tokio::test]
async fn nobody_waits_for_a_node_that_has_left_and_it_may_come_again() {
    for_each_house(async |store| {
        renew(&store, 2, 0, HOUR).await;
        let leave = async || write(&store, async |tx| nodes::leave(tx, 2).await).await;

        leave().await;
        // Who was never there, or has left before, may leave too.
        leave().await;

        assert_eq!((others(&store, 1).await, behind(&store, 1, 7).await), (0, 0));
        renew(&store, 2, 7, HOUR).await;
        assert_eq!((others(&store, 1).await, behind(&store, 1, 7).await), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn nodes_are_forgotten_whose_lease_ran_out_before_the_limit() {
    for_each_house(async |store| {
        renew(&store, 2, 0, OVER).await;
        renew(&store, 3, 0, HOUR).await;
        let until = number(&store, "SELECT leased_until FROM node WHERE id = 2", &[]).await;
        let until = symbolon_core::Timestamp::from_unix_ms(until);
        let forget = async |limit| write(&store, async |tx| nodes::forget(tx, limit).await).await;

        let forgotten = (forget(until).await, forget(until + MS).await);

        assert_eq!(forgotten, (0, 1));
        assert_eq!(number(&store, "SELECT MIN(id) FROM node", &[]).await, 3);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_nodes_that_renew_and_report_at_once_are_all_there() {
    for_each_house(async |store| {
        at_once(&store, |store, task| async move {
            for revision in 1..=12 {
                renew(&store, task, revision - 1, HOUR).await;
                report(&store, task, revision).await;
            }
        })
        .await;

        assert_eq!((others(&store, 0).await, others(&store, 99).await), (15, 16));
        assert_eq!((behind(&store, 99, 12).await, behind(&store, 99, 13).await), (0, 16));
    })
    .await;
}

const STARTED: &str = "SELECT started_at FROM node WHERE id = 2";

async fn renew(store: &Store, node: i64, applied: i64, lease: Duration) {
    write(store, async |tx| nodes::renew(tx, node, applied, lease).await).await;
}

async fn report(store: &Store, node: i64, applied: i64) {
    write(store, async |tx| nodes::report(tx, node, applied).await).await;
}

async fn others(store: &Store, node: i64) -> i64 {
    let mut reader = store.read().await.expect("a reader is free");
    nodes::others(&mut reader, node).await.expect("the nodes are counted")
}

async fn behind(store: &Store, node: i64, revision: i64) -> i64 {
    let mut reader = store.read().await.expect("a reader is free");
    nodes::behind(&mut reader, node, revision).await.expect("the nodes are counted")
}

async fn clock(store: &Store) -> i64 {
    let mut reader = store.read().await.expect("a reader is free");
    reader.clock().await.expect("the clock is read").unix_ms()
}

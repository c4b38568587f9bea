//! Nodes under lease: what an author of a change is told of the others.

use symbolon_core::Timestamp;
use symbolon_store::Store;
use symbolon_store::nodes::{self, NodeRow};

use super::{HOUR, MS, at_once, for_each_house, number, write};

#[tokio::test]
async fn a_node_is_told_of_the_others_and_never_of_itself() {
    for_each_house(async |store| {
        let alone = others(&store, 1).await;
        for node in 1..=3 {
            renew(&store, node, 10 * node).await;
        }

        let mut told: Vec<_> =
            others(&store, 1).await.iter().map(|node| (node.id, node.applied)).collect();

        told.sort_unstable();
        assert_eq!((alone, told), (vec![], vec![(2, 20), (3, 30)]));
        assert_eq!(others(&store, 9).await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_lease_runs_from_the_databases_now() {
    for_each_house(async |store| {
        let before = clock(&store).await;
        renew(&store, 2, 0).await;
        let after = clock(&store).await;

        let until = the_other(&store).await.leased_until;
        assert!((before + HOUR..=after + HOUR).contains(&until), "{before:?} {until:?} {after:?}");
    })
    .await;
}

#[tokio::test]
async fn a_renewal_is_told_from_the_one_before_and_leaves_the_start() {
    for_each_house(async |store| {
        renew(&store, 2, 3).await;
        let (before, started) = (the_other(&store).await, number(&store, STARTED, &[]).await);
        while clock(&store).await + HOUR <= before.leased_until {}

        renew(&store, 2, 8).await;

        let after = the_other(&store).await;
        assert!(after.leased_until > before.leased_until);
        assert_eq!((before.applied, after.applied), (3, 8));
        assert_eq!(number(&store, STARTED, &[]).await, started);
    })
    .await;
}

#[tokio::test]
async fn a_report_goes_forwards_only_adds_no_node_and_renews_no_lease() {
    for_each_house(async |store| {
        renew(&store, 2, 5).await;
        let before = the_other(&store).await;

        report(&store, 2, 4).await;
        report(&store, 3, 9).await;
        let unchanged = the_other(&store).await;
        report(&store, 2, 6).await;

        assert_eq!(unchanged, before);
        assert_eq!(the_other(&store).await, NodeRow { applied: 6, ..before });
    })
    .await;
}

#[tokio::test]
async fn a_node_that_has_left_is_gone_and_may_come_again() {
    for_each_house(async |store| {
        renew(&store, 2, 0).await;
        let leave = async || write(&store, async |tx| nodes::leave(tx, 2).await).await;

        leave().await;
        // Who was never there, or has left before, may leave too.
        leave().await;

        assert_eq!(others(&store, 1).await, []);
        renew(&store, 2, 7).await;
        assert_eq!(the_other(&store).await.applied, 7);
    })
    .await;
}

#[tokio::test]
async fn nodes_are_forgotten_whose_lease_ran_out_before_the_limit() {
    for_each_house(async |store| {
        renew(&store, 2, 0).await;
        let until = the_other(&store).await.leased_until;
        let forget = async |limit| write(&store, async |tx| nodes::forget(tx, limit).await).await;

        let forgotten = (forget(until).await, forget(until + MS).await);

        assert_eq!(forgotten, (0, 1));
        assert_eq!(others(&store, 1).await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_nodes_that_renew_and_report_at_once_are_all_there() {
    for_each_house(async |store| {
        at_once(&store, |store, task| async move {
            for revision in 1..=12 {
                renew(&store, task, revision - 1).await;
                report(&store, task, revision).await;
            }
        })
        .await;

        let told = others(&store, 99).await;
        assert_eq!(told.len(), 16);
        assert!(told.iter().all(|node| node.applied == 12), "{told:?}");
    })
    .await;
}

const STARTED: &str = "SELECT started_at FROM node WHERE id = 2";

async fn renew(store: &Store, node: i64, applied: i64) {
    write(store, async |tx| nodes::renew(tx, node, applied, HOUR).await).await;
}

async fn report(store: &Store, node: i64, applied: i64) {
    write(store, async |tx| nodes::report(tx, node, applied).await).await;
}

async fn others(store: &Store, node: i64) -> Vec<NodeRow> {
    let mut reader = store.read().await.expect("a reader is free");
    nodes::others(&mut reader, node).await.expect("the nodes are read")
}

/// What node 1 is told of the only other.
async fn the_other(store: &Store) -> NodeRow {
    let told = others(store, 1).await;
    let [other] = told.as_slice() else { panic!("{told:?}") };
    *other
}

async fn clock(store: &Store) -> Timestamp {
    let mut reader = store.read().await.expect("a reader is free");
    reader.clock().await.expect("the clock is read")
}

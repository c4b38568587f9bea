//! Changes of an e-mail address: under way until both sides have agreed or the next one begins.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, User};
use symbolon_store::Store;
use symbolon_store::address_changes::{self, AddressChangeRow, Side};

use super::{DAY, HOUR, MS, T0, add_user, address, at_once, for_each_house, write};

#[tokio::test]
async fn a_change_gathers_the_agreement_of_both_sides() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        begin(&store, 5, jane, T0).await;

        let old = confirm(&store, 5, Side::Old, T0 + MS).await.expect("the change is under way");
        let new = confirm(&store, 5, Side::New, T0 + HOUR).await.expect("the change is under way");

        assert_eq!((old.id, old.user, old.created_at), (5, jane, T0));
        assert_eq!(old.new_email, address("roe@example.org"));
        assert_eq!((old.old_confirmed_at, old.new_confirmed_at), (Some(T0 + MS), None));
        assert_eq!((new.old_confirmed_at, new.new_confirmed_at), (Some(T0 + MS), Some(T0 + HOUR)));
    })
    .await;
}

#[tokio::test]
async fn a_change_that_has_ended_can_be_confirmed_no_more() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        begin(&store, 5, jane, T0).await;
        let end = async || {
            write(&store, async |tx| address_changes::end_of_user(tx, jane, T0).await).await
        };

        let ended = (end().await, end().await);

        assert_eq!(ended, (1, 0));
        assert!(confirm(&store, 5, Side::New, T0).await.is_none());
        assert!(of_user(&store, jane, T0 - MS).await.is_none());
        assert!(confirm(&store, 404, Side::New, T0).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn the_change_under_way_is_the_latest_that_is_young_enough() {
    for_each_house(async |store| {
        let (jane, joe) = (add_user(&store, 1, "jane").await, add_user(&store, 2, "joe").await);
        begin(&store, 5, jane, T0).await;
        begin(&store, 6, jane, T0 + HOUR).await;
        begin(&store, 7, joe, T0 + DAY).await;

        let found = async |since| of_user(&store, jane, since).await.map(|row| row.id);

        assert_eq!(found(T0 - MS).await, Some(6));
        assert_eq!(found(T0 + HOUR - MS).await, Some(6));
        assert_eq!(found(T0 + HOUR).await, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sides_that_agree_at_once_both_count_and_one_sees_it_complete() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        begin(&store, 5, jane, T0).await;

        let confirmed = at_once(&store, |store, task| async move {
            let side = if task % 2 == 0 { Side::Old } else { Side::New };
            let row = confirm(&store, 5, side, T0).await.expect("the change is under way");
            row.old_confirmed_at.is_some() && row.new_confirmed_at.is_some()
        })
        .await;

        assert!(confirmed.contains(&true));
    })
    .await;
}

async fn begin(store: &Store, id: i64, user: Id<User>, now: Timestamp) {
    let email = address("roe@example.org");
    write(store, async |tx| address_changes::insert(tx, id, user, &email, now).await).await;
}

async fn confirm(store: &Store, id: i64, side: Side, now: Timestamp) -> Option<AddressChangeRow> {
    write(store, async |tx| address_changes::confirm(tx, id, side, now).await).await
}

async fn of_user(store: &Store, user: Id<User>, since: Timestamp) -> Option<AddressChangeRow> {
    let mut reader = store.read().await.expect("a reader is free");
    address_changes::of_user(&mut reader, user, since).await.expect("the row can be read")
}

//! Device types: each name once, its rules as they were set.

use symbolon_core::Timestamp;
use symbolon_core::client_kind::ClientKind;
use symbolon_core::device_type::{
    DeviceRules, Holders, Mismatch, OnSharing, Overlap, ReminderDays,
};
use symbolon_core::id::Id;
use symbolon_core::names::DeviceType;
use symbolon_core::network::LoginRanges;
use symbolon_core::policy::DAY;
use symbolon_core::verification::BearerUse;
use symbolon_store::Store;
use symbolon_store::device_types::{self, DeviceTypeRow};

use super::{MS, T0, TASKS, at_once, for_each_house, write};

#[tokio::test]
async fn a_device_type_comes_back_as_it_was_added() {
    for_each_house(async |store| {
        add(&store, 1, "server", Some(T0 + MS)).await;
        add(&store, 2, "any", None).await;

        let mut reader = store.read().await.unwrap();
        let all = device_types::list(&mut reader).await.unwrap();
        let server = device_types::find(&mut reader, &named("server")).await.unwrap();
        let nothing = device_types::find(&mut reader, &named("toaster")).await.unwrap();

        assert_eq!(all, [row(2, "any", None), row(1, "server", Some(T0 + MS))]);
        assert_eq!(server, Some(row(1, "server", Some(T0 + MS))));
        assert_eq!(nothing, None);
    })
    .await;
}

#[tokio::test]
async fn a_name_that_is_taken_leaves_the_device_type_as_it_is() {
    for_each_house(async |store| {
        let added =
            (add(&store, 1, "server", Some(T0)).await, add(&store, 2, "server", None).await);

        assert_eq!(added, (true, false));
        let mut reader = store.read().await.unwrap();
        let all = device_types::list(&mut reader).await.unwrap();
        assert_eq!(all, [row(1, "server", Some(T0))]);
    })
    .await;
}

#[tokio::test]
async fn rules_are_set_on_the_device_type_of_that_name_alone() {
    for_each_house(async |store| {
        add(&store, 1, "server", None).await;
        add(&store, 2, "desktop", Some(T0)).await;
        let set = async |name: &str, since: Option<Timestamp>| {
            let device_type = row(if name == "desktop" { 2 } else { 1 }, name, since);
            write(&store, async |tx| device_types::update(tx, &device_type).await).await
        };

        let on = set("server", Some(T0 + MS)).await;
        let off = set("desktop", None).await;
        let unknown = set("toaster", Some(T0)).await;

        assert_eq!((on, off, unknown), (true, true, false));
        let mut reader = store.read().await.unwrap();
        let all = device_types::list(&mut reader).await.unwrap();
        assert_eq!(all, [row(2, "desktop", None), row(1, "server", Some(T0 + MS))]);
    })
    .await;
}

#[tokio::test]
async fn no_change_of_rules_that_holds_the_row_undoes_another() {
    for_each_house(async |store| {
        add(&store, 1, "server", None).await;

        let held = at_once(&store, |store, _| async move {
            write(&store, async |tx| {
                let held = device_types::hold(tx, &named("server")).await?;
                let mut row = device_types::find(tx, &named("server")).await?.expect("it is there");
                row.rules.most_places += 1;
                device_types::update(tx, &row).await?;
                Ok(held)
            })
            .await
        })
        .await;

        let mut reader = store.read().await.unwrap();
        let server = device_types::find(&mut reader, &named("server")).await.unwrap().unwrap();
        assert!(held.into_iter().all(|held| held));
        assert_eq!(i64::from(server.rules.most_places), 3 + TASKS);
        let nothing = write(&store, async |tx| device_types::hold(tx, &named("toaster")).await);
        assert!(!nothing.await);
    })
    .await;
}

#[tokio::test]
async fn more_holders_than_may_be_set_can_be_read_all_the_same() {
    for_each_house(async |store| {
        let mut many = row(1, "server", None);
        many.rules.holders = Holders::Profiles((1..=65).map(Id::from_raw).collect());
        write(&store, async |tx| device_types::insert(tx, &many).await).await;

        let mut reader = store.read().await.unwrap();

        assert_eq!(device_types::list(&mut reader).await.unwrap(), [many]);
    })
    .await;
}

fn named(name: &str) -> DeviceType {
    DeviceType::parse(name).expect("a device type")
}

/// A row in which no rule is as it would be by itself.
fn row(raw: i64, name: &str, bearer_since: Option<Timestamp>) -> DeviceTypeRow {
    let rules = DeviceRules {
        max_age: 90 * DAY,
        reminders: ReminderDays::parse("10,2").expect("days"),
        bearer: if bearer_since.is_some() { BearerUse::Allowed } else { BearerUse::OneHalf },
        addresses: LoginRanges::parse("10.0.0.0/8, 2001:db8::/32").expect("ranges"),
        idle_end: Some(30 * DAY),
        overlap: Overlap::Allowed,
        holders: Holders::Profiles(vec![Id::from_raw(7), Id::from_raw(8)]),
        kind: Some(ClientKind::Server),
        mismatch: Mismatch::Refused,
        most_places: 3,
        on_sharing: OnSharing::Freeze,
    };
    DeviceTypeRow { id: Id::from_raw(raw), name: named(name), created_at: T0, bearer_since, rules }
}

async fn add(store: &Store, raw: i64, name: &str, bearer_since: Option<Timestamp>) -> bool {
    let device_type = row(raw, name, bearer_since);
    write(store, async |tx| device_types::insert(tx, &device_type).await).await
}

//! Known places: found by secret and user, apart in their failures, and known no more once ended.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Place, User};
use symbolon_core::lockout::Failures;
use symbolon_store::places::{self, PlaceKind, PlaceRow, Visitor};
use symbolon_store::sql::Store;

use super::{DAY, HOUR, MS, T0, add_user, at_once, digest, for_each_house, write};

const HOME: Visitor<'static> =
    Visitor { client: "Firefox 130 on Linux", network: "192.0.2.1", source: "192.0.2.1" };
const JOB: Visitor<'static> =
    Visitor { client: "simple-salesforce", network: "2001:db8::/64", source: "2001:db8::7" };

async fn know(store: &Store, user: Id<User>, raw: i64) -> Id<Place> {
    let (place, secret) = (Id::from_raw(raw), digest(raw));
    write(store, async |tx| places::insert_browser(tx, place, user, &secret, HOME, T0).await).await;
    place
}

async fn browser(store: &Store, user: Id<User>, raw: i64, since: Timestamp) -> Option<PlaceRow> {
    let mut reader = store.read().await.expect("a reader is free");
    places::find_browser(&mut reader, user, &[digest(raw)], since).await.expect("an answer")
}

async fn api(store: &Store, user: Id<User>, since: Timestamp) -> Option<PlaceRow> {
    let mut reader = store.read().await.expect("a reader is free");
    let found = places::find_api(&mut reader, user, JOB.client, JOB.network, since).await;
    found.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_known_by_its_secret_to_its_user_alone() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let joe = add_user(&store, 2, "joe").await;
        let place = know(&store, jane, 10).await;

        let found = browser(&store, jane, 10, T0).await.expect("it is known");

        assert_eq!((found.id, found.kind), (place, PlaceKind::Browser));
        assert_eq!((found.client.as_str(), found.first_at), (HOME.client, T0));
        assert!(browser(&store, joe, 10, T0).await.is_none());
        assert!(browser(&store, jane, 11, T0).await.is_none());
        assert!(browser(&store, jane, 10, T0 + MS).await.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_was_ended_is_known_no_more() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let joe = add_user(&store, 2, "joe").await;
        let (here, there) = (know(&store, jane, 10).await, know(&store, jane, 11).await);
        know(&store, joe, 12).await;

        let by_another = write(&store, async |tx| places::end(tx, joe, here, T0).await).await;
        let others =
            write(&store, async |tx| places::end_of_user(tx, jane, Some(here), T0).await).await;
        let twice = write(&store, async |tx| places::end(tx, jane, there, T0).await).await;

        assert_eq!((by_another, others, twice), (false, 1, false));
        assert!(browser(&store, jane, 10, T0).await.is_some());
        assert!(browser(&store, jane, 11, T0).await.is_none());
        assert!(browser(&store, joe, 12, T0).await.is_some());
        let used = write(&store, async |tx| places::note_use(tx, there, HOME, T0).await).await;
        assert!(!used);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_a_network_is_one_place_however_often_it_is_let_in() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;

        at_once(&store, |store, number| async move {
            let place = Id::from_raw(100 + number);
            let note = async |tx: &mut _| places::note_api(tx, place, jane, JOB, T0 + HOUR).await;
            write(&store, note).await;
        })
        .await;

        let mut reader = store.read().await.expect("a reader is free");
        let known = places::of_user(&mut reader, jane, T0, 50).await.expect("an answer");
        assert_eq!(known.len(), 1);
        assert_eq!(known[0].kind, PlaceKind::Api);
        assert!(api(&store, jane, T0 + HOUR).await.is_some());
        assert!(api(&store, jane, T0 + HOUR + MS).await.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_keeps_failures_of_its_own_until_a_login_or_an_administrator_ends_them() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let (here, there) = (know(&store, jane, 10).await, know(&store, jane, 11).await);
        let failures = Failures { count: 0, last_at: Some(T0), locked_until: Some(T0 + HOUR) };
        for place in [here, there] {
            write(&store, async |tx| places::set_failures(tx, place, failures).await).await;
        }

        write(&store, async |tx| places::note_use(tx, here, JOB, T0 + DAY).await).await;
        let before = browser(&store, jane, 11, T0).await.expect("it is known").failures;
        let cleared = write(&store, async |tx| places::clear_failures(tx, jane).await).await;

        assert_eq!((before, cleared), (failures, 1));
        let used = browser(&store, jane, 10, T0 + DAY).await.expect("it is known");
        assert_eq!((used.failures, used.source.as_str()), (Failures::default(), JOB.source));
        let there = browser(&store, jane, 11, T0).await.expect("it is known");
        assert_eq!(there.failures, Failures::default());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn places_that_nobody_used_are_forgotten() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let here = know(&store, jane, 10).await;
        know(&store, jane, 11).await;
        write(&store, async |tx| places::note_use(tx, here, HOME, T0 + DAY).await).await;

        let forgotten = write(&store, async |tx| places::forget(tx, T0 + HOUR).await).await;

        assert_eq!(forgotten, 1);
        assert!(browser(&store, jane, 10, T0).await.is_some());
    })
    .await;
}

//! Single-use links: used up once, whoever races for them.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Link, User};
use symbolon_store::Store;
use symbolon_store::links::{self, NewLink};

use super::{DAY, HOUR, MS, T0, add_user, at_once, digest, for_each_house, number, write};

const KIND: &str = "password-recovery";

#[tokio::test]
async fn a_link_is_found_by_its_kind_and_any_digest_without_being_used_up() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        make(&store, 1, KIND, Some(jane)).await;

        let first = find(&store, KIND, 1, T0).await;
        let second = find(&store, KIND, 1, T0).await;

        assert_eq!(first, Some((Id::from_raw(1), Some(jane), Some(42))));
        assert_eq!(second, first);
        assert_eq!(find(&store, "setup", 1, T0).await, None);
        assert_eq!(find(&store, KIND, 2, T0).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_link_works_until_the_instant_it_expires() {
    for_each_house(async |store| {
        make(&store, 1, "setup", None).await;

        assert!(find(&store, "setup", 1, T0 + HOUR - MS).await.is_some());
        assert!(find(&store, "setup", 1, T0 + HOUR).await.is_none());
        assert_eq!(use_up(&store, "setup", 1, T0 + HOUR).await, None);
        assert_eq!(use_up(&store, "setup", 1, T0 + HOUR - MS).await, Some(Id::from_raw(1)));
    })
    .await;
}

#[tokio::test]
async fn a_link_that_was_used_up_is_dead() {
    for_each_house(async |store| {
        make(&store, 1, "setup", None).await;

        let wrong_kind = use_up(&store, KIND, 1, T0).await;
        let first = use_up(&store, "setup", 1, T0).await;
        let second = use_up(&store, "setup", 1, T0).await;

        assert_eq!((wrong_kind, first, second), (None, Some(Id::from_raw(1)), None));
        assert_eq!(find(&store, "setup", 1, T0).await, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_who_use_a_link_at_once_one_succeeds() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        make(&store, 1, KIND, Some(jane)).await;

        let used =
            at_once(&store, |store, _| async move { use_up(&store, KIND, 1, T0).await }).await;

        assert_eq!(used.into_iter().flatten().collect::<Vec<_>>(), [Id::from_raw(1)]);
    })
    .await;
}

#[tokio::test]
async fn a_link_whose_use_is_rolled_back_works_again() {
    for_each_house(async |store| {
        make(&store, 1, "setup", None).await;

        let mut tx = store.begin().await.unwrap();
        let used = links::use_up(&mut tx, "setup", &[digest(1)], T0).await.unwrap();
        drop(tx);

        assert!(used.is_some());
        assert!(use_up(&store, "setup", 1, T0).await.is_some());
    })
    .await;
}

#[tokio::test]
async fn links_are_ended_by_user_and_kind_by_user_and_by_kind() {
    for_each_house(async |store| {
        let (jane, joe) = (add_user(&store, 1, "jane").await, add_user(&store, 2, "joe").await);
        make(&store, 1, KIND, Some(jane)).await;
        make(&store, 2, KIND, Some(jane)).await;
        make(&store, 3, "invitation", Some(jane)).await;
        make(&store, 4, KIND, Some(joe)).await;
        make(&store, 5, "setup", None).await;
        make(&store, 6, "setup", None).await;
        assert!(use_up(&store, KIND, 1, T0).await.is_some());

        let of_kind_of_jane =
            write(&store, async |tx| links::end_of_user(tx, jane, KIND, T0).await).await;
        let of_jane = write(&store, async |tx| links::end_all_of_user(tx, jane, T0).await).await;
        let of_kind = write(&store, async |tx| links::end_of_kind(tx, "setup", T0).await).await;

        assert_eq!((of_kind_of_jane, of_jane, of_kind), (1, 1, 2));
        let live = "SELECT MIN(id) FROM link WHERE used_at IS NULL";
        let count = "SELECT COUNT(*) FROM link WHERE used_at IS NULL";
        assert_eq!((number(&store, count, &[]).await, number(&store, live, &[]).await), (1, 4));
    })
    .await;
}

#[tokio::test]
async fn links_are_forgotten_that_expired_before_the_limit() {
    for_each_house(async |store| {
        make(&store, 1, "setup", None).await;

        let forget = async |limit| write(&store, async |tx| links::forget(tx, limit).await).await;

        assert_eq!(forget(T0 + HOUR).await, 0);
        assert_eq!(forget(T0 + DAY).await, 1);
    })
    .await;
}

/// Makes a link with the digest `digest(raw)` that is valid for an hour.
async fn make(store: &Store, raw: i64, kind: &str, user: Option<Id<User>>) {
    let link = NewLink {
        id: Id::from_raw(raw),
        kind,
        digest: &digest(raw),
        user,
        subject: user.map(|_| 42),
        expires_at: T0 + HOUR,
    };
    write(store, async |tx| links::insert(tx, &link, T0).await).await;
}

async fn find(
    store: &Store,
    kind: &str,
    raw: i64,
    now: Timestamp,
) -> Option<(Id<Link>, Option<Id<User>>, Option<i64>)> {
    let mut reader = store.read().await.expect("a reader is free");
    let found = links::find(&mut reader, kind, &[digest(99), digest(raw)], now).await;
    found.expect("the row can be read").map(|link| (link.id, link.user, link.subject))
}

async fn use_up(store: &Store, kind: &str, raw: i64, now: Timestamp) -> Option<Id<Link>> {
    let digests = [digest(99), digest(raw)];
    let used = write(store, async |tx| links::use_up(tx, kind, &digests, now).await).await;
    used.map(|link| link.id)
}

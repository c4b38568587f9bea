//! Recovery codes: each used once, whoever races for it, and only by the one whose it is.

use symbolon_core::id::{Id, User};
use symbolon_store::Store;
use symbolon_store::recovery_codes::{self, Standing};

use super::{HOUR, T0, add_user, at_once, digest, for_each_house, write};

#[tokio::test]
async fn a_code_is_used_once_by_any_of_its_digests() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        make(&store, jane, 1).await;
        make(&store, jane, 2).await;

        let used = [use_up(&store, jane, 1).await, use_up(&store, jane, 1).await];

        assert_eq!(used, [true, false]);
        assert!(!use_up(&store, jane, 3).await);
        assert_eq!(standing(&store, jane).await, Standing { left: 1, made_at: Some(T0) });
    })
    .await;
}

#[tokio::test]
async fn the_code_of_one_is_not_used_by_another() {
    for_each_house(async |store| {
        let (jane, joe) = (add_user(&store, 1, "jane").await, add_user(&store, 2, "joe").await);
        make(&store, jane, 1).await;

        assert!(!use_up(&store, joe, 1).await);
        assert_eq!(standing(&store, jane).await.left, 1);
        assert_eq!(standing(&store, joe).await, Standing { left: 0, made_at: None });
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_who_use_a_code_at_once_one_succeeds() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        make(&store, jane, 1).await;

        let used = at_once(&store, |store, _| async move { use_up(&store, jane, 1).await }).await;

        assert_eq!(used.into_iter().filter(|used| *used).count(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_use_that_is_rolled_back_leaves_the_code_good() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        make(&store, jane, 1).await;

        let mut tx = store.begin().await.unwrap();
        assert!(recovery_codes::use_up(&mut tx, jane, &[digest(1)], T0).await.unwrap());
        drop(tx);

        assert!(use_up(&store, jane, 1).await);
    })
    .await;
}

#[tokio::test]
async fn all_codes_of_a_user_end_at_once_used_or_not() {
    for_each_house(async |store| {
        let (jane, joe) = (add_user(&store, 1, "jane").await, add_user(&store, 2, "joe").await);
        make(&store, jane, 1).await;
        make(&store, jane, 2).await;
        make(&store, joe, 1).await;
        assert!(use_up(&store, jane, 1).await);

        let ended = write(&store, async |tx| recovery_codes::remove_of_user(tx, jane).await).await;

        assert_eq!(ended, 2);
        assert_eq!((standing(&store, jane).await.left, standing(&store, joe).await.left), (0, 1));
    })
    .await;
}

async fn make(store: &Store, user: Id<User>, raw: i64) {
    let id = Id::from_raw(user.raw() * 100 + raw);
    write(store, async |tx| recovery_codes::insert(tx, id, user, &digest(raw), T0).await).await;
}

async fn use_up(store: &Store, user: Id<User>, raw: i64) -> bool {
    let digests = [digest(99), digest(raw)];
    write(store, async |tx| recovery_codes::use_up(tx, user, &digests, T0 + HOUR).await).await
}

async fn standing(store: &Store, user: Id<User>) -> Standing {
    let mut reader = store.read().await.expect("a reader is free");
    recovery_codes::standing(&mut reader, user).await.expect("the row can be read")
}

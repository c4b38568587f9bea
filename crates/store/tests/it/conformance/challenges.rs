//! Challenges are tried no more often than they allow, met once, and found for their purpose alone.

use symbolon_core::id::{Challenge, Id, User};
use symbolon_store::challenges::{self, ChallengePurpose, ChallengeRow, NewChallenge};
use symbolon_store::sql::Store;

use super::{HOUR, MS, T0, TASKS, add_user, at_once, digest, for_each_house, write};

const LOGIN: ChallengePurpose = ChallengePurpose::Login;
const MOST: u32 = 5;

async fn make(store: &Store, user: Id<User>, raw: i64) -> Id<Challenge> {
    let new = NewChallenge {
        id: Id::from_raw(raw),
        purpose: LOGIN,
        digest: &digest(raw),
        user: Some(user),
        session: None,
        epoch: Some(3),
        state: Some(b"kept"),
        expires_at: T0 + HOUR,
    };
    write(store, async |tx| challenges::insert(tx, &new, T0).await).await;
    new.id
}

async fn find(
    store: &Store,
    purpose: ChallengePurpose,
    raw: i64,
    now: symbolon_core::Timestamp,
) -> Option<ChallengeRow> {
    let mut reader = store.read().await.expect("a reader is free");
    challenges::find(&mut reader, purpose, &[digest(raw)], now).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_is_found_for_its_purpose_until_it_expires() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        make(&store, jane, 10).await;

        let found = find(&store, LOGIN, 10, T0 + HOUR - MS).await.expect("it lives");

        assert_eq!((found.user, found.epoch, found.tries), (Some(jane), Some(3), 0));
        assert_eq!(found.state.as_deref(), Some(b"kept".as_slice()));
        assert!(find(&store, LOGIN, 10, T0 + HOUR).await.is_none());
        assert!(find(&store, LOGIN, 11, T0).await.is_none());
        assert!(find(&store, ChallengePurpose::StepUp, 10, T0).await.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_back_does_not_lengthen_a_challenge() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        make(&store, jane, 10).await;

        assert!(find(&store, LOGIN, 10, T0 - 60_000 * MS).await.is_some());
        assert!(find(&store, LOGIN, 10, T0 - 60_001 * MS).await.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_guesses_at_once_no_more_are_evaluated_than_the_challenge_allows() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let challenge = make(&store, jane, 10).await;

        let counted = at_once(&store, |store, _| async move {
            write(&store, async |tx| challenges::count_try(tx, challenge, MOST, T0).await).await
        })
        .await;

        let mut evaluated: Vec<u32> = counted.into_iter().flatten().collect();
        evaluated.sort_unstable();
        assert_eq!(evaluated, [1, 2, 3, 4, 5]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_meet_a_challenge_at_once_one_does() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let challenge = make(&store, jane, 10).await;

        let ended = at_once(&store, |store, _| async move {
            write(&store, async |tx| challenges::end(tx, challenge, T0).await).await
        })
        .await;

        assert_eq!(ended.iter().filter(|ended| **ended).count(), 1, "of {TASKS}");
        assert!(find(&store, LOGIN, 10, T0).await.is_none());
        let tried = write(&store, async |tx| challenges::count_try(tx, challenge, MOST, T0).await);
        assert_eq!(tried.await, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_code_that_was_mailed_is_the_one_that_counts_and_there_are_three() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let challenge = make(&store, jane, 10).await;

        let mut taken = Vec::new();
        for raw in 20..24 {
            let code = digest(raw);
            let set = write(&store, async |tx| {
                challenges::set_code(tx, challenge, &code, Id::from_raw(raw), 3).await
            });
            taken.push(set.await);
        }

        assert_eq!(taken, [true, true, true, false]);
        let found = find(&store, LOGIN, 10, T0).await.expect("it lives");
        assert_eq!((found.code, found.letters), (Some(digest(22)), 3));
        assert_eq!(found.letter, Some(Id::from_raw(22)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_challenge_of_a_user_can_end_those_before_it() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let joe = add_user(&store, 2, "joe").await;
        make(&store, jane, 10).await;
        make(&store, joe, 11).await;

        let ended = write(&store, async |tx| challenges::end_of_user(tx, jane, LOGIN, T0).await);

        assert_eq!(ended.await, 1);
        assert!(find(&store, LOGIN, 10, T0).await.is_none());
        assert!(find(&store, LOGIN, 11, T0).await.is_some());
        let forgotten = write(&store, async |tx| challenges::forget(tx, T0 + 2 * HOUR).await);
        assert_eq!(forgotten.await, 2);
    })
    .await;
}

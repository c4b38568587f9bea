//! The columns of a rotation: who lives on for whom and until when, and what is due to end.

use std::fmt;
use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::judge::RetirementCause;
use symbolon_store::Store;
use symbolon_store::error::StoreError;
use symbolon_store::sql::Tx;
use symbolon_store::tokens;

use super::{DAY, MS, T0, add_user, for_each_house, insert_token, issue, write};

const OLD: Id<Token> = Id::from_raw(1);
const NEW: Id<Token> = Id::from_raw(2);
const YEAR: Duration = DAY.saturating_mul(365);

/// Jane with the token [`OLD`].
async fn jane(store: &Store) -> Id<User> {
    let jane = add_user(store, 1, "jane").await;
    issue(store, jane, 1, "any").await;
    jane
}

/// Lets `old` live on until `until`, with `new` in its place.
async fn rotate(tx: &mut Tx, (old, new): (i64, i64), until: Timestamp) -> Result<(), StoreError> {
    tokens::begin_succession(tx, Id::from_raw(old), Id::from_raw(new), until).await
}

async fn begin(store: &Store, user: Id<User>, pair: (i64, i64), until: Timestamp) {
    let device_type = if pair.0 == 1 { "any" } else { "server" };
    write(store, async |tx| {
        rotate(tx, pair, until).await?;
        insert_token(tx, user, pair.1, device_type).await
    })
    .await;
}

async fn retire(store: &Store, token: Id<Token>) {
    let cause = RetirementCause::Revoked;
    assert!(write(store, async |tx| tokens::retire(tx, token, cause, "operator", T0).await).await);
}

async fn due(store: &Store, now: Timestamp, limit: i64) -> Vec<i64> {
    let mut reader = store.read().await.expect("a reader is free");
    let due = tokens::due_to_retire(&mut reader, now, limit).await.expect("the rows are read");
    due.iter().map(|(token, _)| token.raw()).collect()
}

fn assert_nothing_was_written<T: fmt::Debug>(result: &Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Arity { .. })), "{result:?}");
}

#[tokio::test]
async fn both_tokens_of_a_rotation_live_and_the_old_one_names_the_new_and_the_deadline() {
    for_each_house(async |store| {
        let jane = jane(&store).await;
        begin(&store, jane, (1, 2), T0 + DAY).await;

        let mut reader = store.read().await.unwrap();
        let live = tokens::live_of_user(&mut reader, jane).await.unwrap();
        let mut live: Vec<_> =
            live.iter().map(|live| (live.token, live.succeeded_by, live.expires_at)).collect();
        live.sort_unstable();
        assert_eq!(live, [(OLD, Some(NEW), T0 + DAY), (NEW, None, T0 + YEAR)]);
        let before_old = tokens::outgoing_before(&mut reader, OLD).await.unwrap();
        assert!(before_old.is_none());
    })
    .await;
}

#[tokio::test]
async fn no_rotation_begins_on_a_token_that_is_retired_or_has_a_successor_nor_lengthens_a_life() {
    for_each_house(async |store| {
        let jane = jane(&store).await;
        let tried = async |until| {
            let mut tx = store.begin().await.unwrap();
            rotate(&mut tx, (1, 2), until).await
        };

        assert_nothing_was_written(&tried(T0 + YEAR + MS).await);
        assert!(tried(T0 + YEAR).await.is_ok(), "to the last instant of its own");
        begin(&store, jane, (1, 2), T0 + DAY).await;
        assert_nothing_was_written(&tried(T0 + MS).await);
        retire(&store, OLD).await;
        assert_nothing_was_written(&tried(T0 + MS).await);
    })
    .await;
}

#[tokio::test]
async fn of_one_device_type_one_token_at_most_lives_on_beside_the_current_one() {
    for_each_house(async |store| {
        let jane = jane(&store).await;
        begin(&store, jane, (1, 2), T0 + DAY).await;

        let mut tx = store.begin().await.unwrap();
        let second = rotate(&mut tx, (2, 3), T0 + DAY).await;
        drop(tx);
        retire(&store, OLD).await;
        let mut tx = store.begin().await.unwrap();
        let after_its_end = rotate(&mut tx, (2, 3), T0 + DAY).await;

        // SQLite names the columns alone, and those are the same for the two tokens of which one may live.
        let Err(StoreError::Conflict { constraint: Some(name) }) = &second else {
            panic!("{second:?}");
        };
        assert!(["token_one_outgoing", "token_one_live"].contains(&name.as_str()), "{name}");
        assert!(after_its_end.is_ok());
    })
    .await;
}

#[tokio::test]
async fn an_old_token_is_due_from_its_deadline_on_or_once_the_new_one_was_used_until_it_is_retired()
{
    for_each_house(async |store| {
        let jane = jane(&store).await;
        issue(&store, jane, 11, "server").await;
        begin(&store, jane, (1, 2), T0 + DAY).await;
        begin(&store, jane, (11, 12), T0 + 2 * DAY).await;

        assert_eq!(due(&store, T0 + DAY - MS, 10).await, []);
        assert_eq!(due(&store, T0 + DAY, 10).await, [1]);
        let used = Id::from_raw(12);
        write(&store, async |tx| tokens::note_use(tx, used, T0).await).await;
        assert_eq!(due(&store, T0, 10).await, [11], "its deadline is far away");
        assert_eq!(due(&store, T0 + DAY, 10).await, [1, 11]);
        assert_eq!(due(&store, T0 + DAY, 1).await, [1], "a page");
        retire(&store, OLD).await;
        assert_eq!(due(&store, T0 + DAY, 1).await, [11], "the next page");
        // Of a token that nobody rotates nothing is due, however old it is.
        assert_eq!(due(&store, T0 + 2 * YEAR, 10).await, [11]);
    })
    .await;
}

#[tokio::test]
async fn a_successor_was_used_only_if_it_was_and_while_its_predecessor_lives_on() {
    for_each_house(async |store| {
        let jane = jane(&store).await;
        begin(&store, jane, (1, 2), T0 + DAY).await;
        let used = async |asked: &[Id<Token>]| {
            let mut reader = store.read().await.unwrap();
            tokens::used_successors(&mut reader, asked).await.unwrap()
        };

        let unused = used(&[OLD, NEW]).await;
        // News of a use that comes late is a use as well.
        write(&store, async |tx| tokens::note_last_uses(tx, &[(OLD, T0), (NEW, T0)]).await).await;
        let (of_both, of_old, of_none) =
            (used(&[OLD, NEW]).await, used(&[OLD]).await, used(&[]).await);
        retire(&store, OLD).await;

        assert_eq!((unused, of_both), (vec![], vec![(NEW, jane)]));
        assert_eq!((of_old, of_none), (vec![], vec![]));
        assert_eq!(used(&[NEW]).await, []);
    })
    .await;
}

#[tokio::test]
async fn a_cancelled_rotation_gives_back_its_own_expiry_and_only_to_who_has_one() {
    for_each_house(async |store| {
        let jane = jane(&store).await;
        let cancelled = async |successor| {
            let mut tx = store.begin().await.unwrap();
            tokens::cancel_succession(&mut tx, OLD, successor).await
        };
        assert_nothing_was_written(&cancelled(NEW).await);
        begin(&store, jane, (1, 2), T0 + DAY).await;
        assert_nothing_was_written(&cancelled(OLD).await);
        retire(&store, NEW).await;

        write(&store, async |tx| tokens::cancel_succession(tx, OLD, NEW).await).await;

        let mut reader = store.read().await.unwrap();
        let old = tokens::find(&mut reader, OLD).await.unwrap().unwrap();
        drop(reader);
        assert_eq!((old.record.expires_at, old.succeeded_by), (T0 + YEAR, None));
        assert_eq!(due(&store, T0 + DAY, 10).await, []);
        // It may be rotated again, and once it is retired nothing is given back.
        begin(&store, jane, (1, 3), T0 + DAY).await;
        retire(&store, OLD).await;
        assert_nothing_was_written(&cancelled(Id::from_raw(3)).await);
    })
    .await;
}

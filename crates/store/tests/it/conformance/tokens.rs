//! Tokens: one that lives, any number that are remembered.

use std::fmt;
use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token};
use symbolon_core::judge::RetirementCause;
use symbolon_core::names::DeviceType;
use symbolon_store::Store;
use symbolon_store::error::StoreError;
use symbolon_store::sql::Value;
use symbolon_store::tokens::{self, NewToken, TokenRow};

use super::{
    DAY, MS, STANDARD, T0, add_user, at_once, by_operator, digest, for_each_house, insert_token,
    issue, number, username, write,
};

const LIVE: &str = "SELECT COUNT(*) FROM token WHERE user_id = $1 AND retired_at IS NULL";

#[tokio::test]
async fn a_second_live_token_of_one_user_and_device_type_is_refused() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        issue(&store, jane, 1, "any").await;

        let mut tx = store.begin().await.unwrap();
        let refused = insert_token(&mut tx, jane, 2, "any").await;

        assert_one_live(&refused);
        drop(tx);
        assert_eq!(number(&store, LIVE, &[jane.into()]).await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_second_live_token_is_refused_however_it_comes_to_be() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        issue(&store, jane, 1, "any").await;
        issue(&store, jane, 2, "server").await;
        let retired = issue(&store, jane, 3, "cli").await;
        retire(&store, retired).await;
        let by_hand: [(&'static str, Vec<Value>); 3] = [
            (
                "INSERT INTO token (id, user_id, device_type, digest, issued_at, expires_at,
                                    issued_as, issued_scope)
                 VALUES (9, $1, 'any', $2, 0, 0, 'reset', 'account')",
                vec![jane.into(), [9_u8; 32].into()],
            ),
            ("UPDATE token SET device_type = 'any' WHERE id = 2", vec![]),
            (
                "UPDATE token SET device_type = 'any', retired_at = NULL WHERE id = $1",
                vec![retired.into()],
            ),
        ];

        for (sql, args) in by_hand {
            let mut tx = store.begin().await.unwrap();
            assert_one_live(&tx.execute(sql, &args).await);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_tokens_issued_at_once_without_taking_the_user_one_lives() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;

        let issued = at_once(&store, |store, task| async move {
            let mut tx = store.begin().await.expect("a transaction begins");
            insert_token(&mut tx, jane, task, "any").await?;
            tx.commit().await
        })
        .await;

        assert_eq!(issued.iter().filter(|issued| issued.is_ok()).count(), 1, "{issued:?}");
        issued.iter().filter(|issued| issued.is_err()).for_each(assert_one_live);
        assert_eq!(number(&store, LIVE, &[jane.into()]).await, 1);
    })
    .await;
}

#[tokio::test]
async fn each_device_type_and_each_user_may_have_a_token_and_a_retired_one_makes_room() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let joe = add_user(&store, 2, "joe").await;
        let old = issue(&store, jane, 1, "any").await;
        issue(&store, jane, 2, "server").await;
        issue(&store, joe, 3, "any").await;
        retire(&store, old).await;

        issue(&store, jane, 4, "any").await;

        let mut reader = store.read().await.unwrap();
        let live = tokens::live_of_user(&mut reader, jane).await.unwrap();
        let live: Vec<_> =
            live.iter().map(|live| (live.token.raw(), live.device_type.as_str())).collect();
        assert_eq!(live, [(4, "any"), (2, "server")]);
    })
    .await;
}

#[tokio::test]
async fn a_token_lives_on_beside_its_successor_until_that_is_cancelled_or_a_third_is_refused() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let old = issue(&store, jane, 1, "any").await;
        let new = Id::from_raw(2);
        let until = T0 + DAY;
        write(&store, async |tx| {
            tokens::begin_succession(tx, old, new, until).await?;
            insert_token(tx, jane, 2, "any").await
        })
        .await;
        let look = async || {
            let mut reader = store.read().await.unwrap();
            let due = tokens::due_to_retire(&mut reader, until, 10).await.unwrap();
            let before = tokens::outgoing_before(&mut reader, new).await.unwrap();
            (before.map(|row| (row.record.token, row.record.expires_at)), due)
        };

        let both = look().await;
        let mut tx = store.begin().await.unwrap();
        let third = insert_token(&mut tx, jane, 3, "any").await;
        drop(tx);
        let used = {
            write(&store, async |tx| tokens::note_use(tx, new, T0).await).await;
            let mut reader = store.read().await.unwrap();
            tokens::used_successors(&mut reader, &[old, new]).await.unwrap()
        };
        retire(&store, new).await;
        write(&store, async |tx| tokens::cancel_succession(tx, old, new).await).await;

        assert_eq!(both, (Some((old, until)), vec![(old, jane)]));
        assert_one_live(&third);
        assert_eq!(used, [(new, jane)]);
        assert_eq!(look().await, (None, vec![]));
        let mut reader = store.read().await.unwrap();
        let kept = tokens::find(&mut reader, old).await.unwrap().unwrap();
        assert_eq!((kept.record.expires_at, kept.succeeded_by), (T0 + 365 * DAY, None));
    })
    .await;
}

#[tokio::test]
async fn a_digest_is_never_given_twice_not_even_after_retirement() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let old = issue(&store, jane, 1, "any").await;
        retire(&store, old).await;
        let again = NewToken {
            id: Id::from_raw(2),
            user: jane,
            device_type: &DeviceType::any(),
            digest: &digest(1),
            expires_at: T0,
                issue: by_operator(),
        };

        let mut tx = store.begin().await.unwrap();
        let refused = tokens::insert(&mut tx, &again, T0).await.unwrap_err();

        assert!(
            matches!(&refused, StoreError::Conflict { constraint: Some(name) } if name == "token_digest"),
            "{refused:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn nobody_can_have_a_token_who_is_no_user() {
    for_each_house(async |store| {
        let mut tx = store.begin().await.unwrap();
        let refused = insert_token(&mut tx, Id::from_raw(404), 1, "any").await.unwrap_err();

        assert!(matches!(refused, StoreError::Integrity { .. }), "{refused:?}");
    })
    .await;
}

#[tokio::test]
async fn a_token_is_retired_once_and_keeps_the_first_cause() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let token = issue(&store, jane, 1, "any").await;
        let retire = async |cause, at| {
            write(&store, async |tx| tokens::retire(tx, token, cause, "user:005", at).await).await
        };

        let first = retire(RetirementCause::Reset, T0 + MS).await;
        let second = retire(RetirementCause::UserRemoved, T0 + DAY).await;

        assert!(first && !second);
        let mut reader = store.read().await.unwrap();
        let found = tokens::find(&mut reader, token).await.unwrap().unwrap();
        assert_eq!(found.record.retired, Some((T0 + MS, RetirementCause::Reset)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_who_retire_a_token_at_once_one_has_done_it() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let token = issue(&store, jane, 1, "any").await;

        let retired = at_once(&store, |store, _| async move { retire(&store, token).await }).await;

        assert_eq!(retired.iter().filter(|retired| **retired).count(), 1, "{retired:?}");
    })
    .await;
}

#[tokio::test]
async fn a_token_is_found_by_its_digest_under_any_key_while_it_lives_and_afterwards() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let token = issue(&store, jane, 1, "any").await;
        let find = async |digests: &[i64]| {
            let digests: Vec<_> = digests.iter().map(|raw| digest(*raw)).collect();
            let mut reader = store.read().await.unwrap();
            tokens::find_by_digest(&mut reader, &digests).await.unwrap()
        };

        let alive = find(&[77, 1]).await.expect("the token is known");
        write(&store, async |tx| {
            tokens::retire(tx, token, RetirementCause::Revoked, "operator", T0 + MS).await
        })
        .await;
        let retired = find(&[1]).await.expect("the token is remembered");
        let unknown = find(&[77, 78]).await;

        assert_eq!((alive.token, alive.user, alive.retired), (token, jane, None));
        assert_eq!(alive.expires_at, T0 + 365 * DAY);
        assert_eq!(retired.retired, Some((T0 + MS, RetirementCause::Revoked)));
        assert_eq!(unknown, None);
    })
    .await;
}

#[tokio::test]
async fn every_cause_of_retirement_comes_back_as_it_was_written() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;

        for (raw, (cause, _)) in (1_i64..).zip(RetirementCause::ALL) {
            let token = issue(&store, jane, raw, "any").await;
            write(&store, async |tx| tokens::retire(tx, token, cause, "operator", T0).await).await;
            let mut reader = store.read().await.unwrap();
            let found = tokens::find(&mut reader, token).await.unwrap().unwrap();
            assert_eq!(found.record.retired, Some((T0, cause)));
        }
    })
    .await;
}

#[tokio::test]
async fn a_use_is_noted_only_while_the_token_lives() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let token = issue(&store, jane, 1, "any").await;
        let note = async |at| write(&store, async |tx| tokens::note_use(tx, token, at).await).await;

        let alive = note(T0 + MS).await;
        retire(&store, token).await;
        let retired = note(T0 + DAY).await;

        assert!(alive && !retired);
        let mut reader = store.read().await.unwrap();
        let found = tokens::find(&mut reader, token).await.unwrap().unwrap();
        assert_eq!(found.last_used_at, Some(T0 + MS));
    })
    .await;
}

#[tokio::test]
async fn news_of_a_use_moves_the_last_use_forwards_only() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let (token, other) =
            (issue(&store, jane, 1, "any").await, issue(&store, jane, 2, "cli").await);
        let note = async |raw, at| {
            let used = [(Id::from_raw(raw), at)];
            write(&store, async |tx| tokens::note_last_uses(tx, &used).await).await
        };

        let told = [
            note(1, T0 + MS).await,
            note(1, T0 + MS).await,
            note(1, T0).await,
            note(1, T0 + DAY).await,
            note(99, T0).await,
        ];

        assert_eq!(told, [1, 0, 0, 1, 0]);
        assert_eq!(last_use(&store, token).await, Some(T0 + DAY));
        assert_eq!(last_use(&store, other).await, None);
        let both = [(other, T0), (token, T0)];
        assert_eq!(write(&store, async |tx| tokens::note_last_uses(tx, &both).await).await, 1);
        assert_eq!(last_use(&store, token).await, Some(T0 + DAY));
        assert_eq!(last_use(&store, other).await, Some(T0));
    })
    .await;
}

#[tokio::test]
async fn news_of_a_use_is_noted_also_of_a_token_that_was_retired_meanwhile() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let token = issue(&store, jane, 1, "any").await;
        retire(&store, token).await;

        let used = [(token, T0)];
        let noted = write(&store, async |tx| tokens::note_last_uses(tx, &used).await).await;

        assert_eq!(noted, 1);
        assert_eq!(last_use(&store, token).await, Some(T0));
    })
    .await;
}

#[tokio::test]
async fn tokens_are_listed_newest_first_page_by_page() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "Jane").await;
        let joe = add_user(&store, 2, "joe").await;
        // Three of one instant: a page may end among them.
        let issued = [(1, jane, 0), (2, joe, 5), (3, jane, 5), (4, joe, 5), (5, jane, 9)];
        for (raw, user, ms) in issued {
            let device_type = DeviceType::parse(&format!("d{raw}")).unwrap();
            let token = NewToken {
                id: Id::from_raw(raw),
                user,
                device_type: &device_type,
                digest: &digest(raw),
                expires_at: T0 + DAY,
                issue: by_operator(),
            };
            let at = T0 + Duration::from_millis(ms);
            write(&store, async |tx| tokens::insert(tx, &token, at).await).await;
        }

        let mut reader = store.read().await.unwrap();
        let mut before: (Timestamp, Id<Token>) = (T0 + DAY, Id::from_raw(i64::MAX));
        let mut pages = Vec::new();
        loop {
            let page = tokens::list(&mut reader, None, before, 2).await.unwrap();
            let Some(last) = page.last() else { break };
            before = (last.issued_at, last.record.token);
            pages.push(raws(&page));
        }
        let of_jane = tokens::list(&mut reader, Some(jane), (T0 + DAY, Id::from_raw(i64::MAX)), 2)
            .await
            .unwrap();

        assert_eq!(pages, [vec![5, 4], vec![3, 2], vec![1]]);
        assert_eq!(raws(&of_jane), [5, 3]);
        assert_eq!(of_jane[0].username, username("Jane"));
        assert_eq!(of_jane[0].device_type.as_str(), "d5");
        assert_eq!(of_jane[0].issued_at, T0 + Duration::from_millis(9));
    })
    .await;
}

#[tokio::test]
async fn of_a_token_that_lives_its_last_use_is_told_or_its_issue() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let unused = issue(&store, jane, 1, "any").await;
        let used = issue(&store, jane, 2, "cli").await;
        let retired = issue(&store, jane, 3, "server").await;
        write(&store, async |tx| tokens::note_use(tx, used, T0 + DAY).await).await;
        retire(&store, retired).await;

        let mut reader = store.read().await.unwrap();
        let mut told = Vec::new();
        for token in [unused, used, retired, Id::from_raw(99)] {
            told.push(tokens::last_use(&mut reader, token).await.unwrap());
        }

        assert_eq!(told, [Some(T0), Some(T0 + DAY), None, None]);
        let all = [retired, used, unused, Id::from_raw(99)];
        let mut together = tokens::last_uses(&mut reader, &all).await.unwrap();
        together.sort_unstable_by_key(|(token, _)| token.raw());
        assert_eq!(together, [(unused, T0), (used, T0 + DAY)]);
        let row = tokens::find(&mut reader, used).await.unwrap().unwrap();
        assert_eq!(row.profile, STANDARD, "its owner's");
    })
    .await;
}

async fn last_use(store: &Store, token: Id<Token>) -> Option<Timestamp> {
    let mut reader = store.read().await.expect("a reader is free");
    let row = tokens::find(&mut reader, token).await.expect("the row is read");
    row.expect("the token is known").last_used_at
}

fn raws(rows: &[TokenRow]) -> Vec<i64> {
    rows.iter().map(|row| row.record.token.raw()).collect()
}

async fn retire(store: &Store, token: Id<Token>) -> bool {
    write(store, async |tx| tokens::retire(tx, token, RetirementCause::Reset, "operator", T0).await)
        .await
}

fn assert_one_live<T: fmt::Debug>(result: &Result<T, StoreError>) {
    assert!(
        matches!(result, Err(StoreError::Conflict { constraint: Some(name) }) if name == "token_one_live"),
        "{result:?}"
    );
}

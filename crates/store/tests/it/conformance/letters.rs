//! The outbox: a letter is in one hand at a time, reaches one end, and keeps no nonce beyond it.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Letter, User};
use symbolon_core::keys::KeyId;
use symbolon_core::letter::{LetterKind, LetterRank, LetterState};
use symbolon_store::Store;
use symbolon_store::letters::{self, Counts, LeasedLetter, LetterRow, NewLetter};

use super::{
    DAY, HOUR, MS, T0, add_user, address, at_once, for_each_house, insert_letter, issue, nonce,
    number, shown, write,
};

/// The position before every letter.
const NEWEST: (Timestamp, Id<Letter>) = (Timestamp::from_unix_ms(i64::MAX), Id::from_raw(i64::MAX));

const LEASE: Duration = Duration::from_mins(5);

#[tokio::test]
async fn a_leased_letter_comes_back_as_it_was_written() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let token = issue(&store, jane, 1, "any").await;
        let letter = NewLetter {
            id: Id::from_raw(7),
            user: jane,
            kind: LetterKind::NewToken,
            rank: LetterRank::Awaited,
            to: &address("jane@example.com"),
            to_name: &shown("Jané Döe"),
            facts: "retired=1\ncause=reset",
            token: Some(token),
            nonce: Some((KeyId(3), &nonce(7))),
        };
        write(&store, async |tx| letters::insert(tx, &letter, T0).await).await;

        let leased = lease(&store, letter.id, 1, T0).await.expect("the letter is due");

        assert_eq!((leased.id, leased.user), (letter.id, jane));
        assert_eq!((leased.kind, leased.token), (LetterKind::NewToken, Some(token)));
        assert_eq!(leased.to, address("jane@example.com"));
        assert_eq!(leased.to_name, shown("Jané Döe"));
        assert_eq!(leased.facts, "retired=1\ncause=reset");
        let (key, kept) = leased.nonce.expect("the letter carries a secret");
        assert_eq!((key, kept.reveal()), (KeyId(3), nonce(7).reveal()));
        assert_eq!((leased.attempt, leased.created_at), (1, T0));
    })
    .await;
}

#[tokio::test]
async fn a_notice_carries_neither_token_nor_nonce() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let notice = NewLetter {
            id: Id::from_raw(1),
            user: jane,
            kind: LetterKind::TokenChanged,
            rank: LetterRank::Notice,
            to: &address("jane@example.com"),
            to_name: &shown("Jane"),
            facts: "",
            token: None,
            nonce: None,
        };
        write(&store, async |tx| letters::insert(tx, &notice, T0).await).await;

        let leased = lease(&store, notice.id, 1, T0).await.unwrap();

        assert!(leased.token.is_none() && leased.nonce.is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_couriers_who_want_a_letter_at_once_one_gets_it() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let letter = post(&store, jane, 1, T0).await;

        let leased = at_once(&store, |store, courier| async move {
            lease(&store, letter, courier, T0).await.map(|leased| leased.attempt)
        })
        .await;

        assert_eq!(leased.into_iter().flatten().collect::<Vec<_>>(), [1]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_couriers_empty_the_outbox_without_a_letter_in_two_hands() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        for raw in 0..24 {
            post(&store, jane, raw, T0).await;
        }

        let delivered = at_once(&store, |store, courier| async move {
            let mut delivered = Vec::new();
            loop {
                let mut reader = store.read().await.expect("a reader is free");
                let due = letters::due(&mut reader, T0, 5).await.expect("the outbox is read");
                drop(reader);
                if due.is_empty() {
                    return delivered;
                }
                for letter in due {
                    if lease(&store, letter, courier, T0).await.is_some() {
                        assert!(end(&store, letter, courier, LetterState::HandedOver).await);
                        delivered.push(letter.raw());
                    }
                }
            }
        })
        .await;

        let mut delivered: Vec<i64> = delivered.into_iter().flatten().collect();
        delivered.sort_unstable();
        assert_eq!(delivered, (0..24).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn a_letter_in_hand_is_not_due_until_the_lease_runs_out() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let letter = post(&store, jane, 1, T0).await;
        lease(&store, letter, 1, T0).await.unwrap();

        let held = lease(&store, letter, 2, T0 + LEASE - MS).await;
        let due_while_held = due(&store, T0 + LEASE - MS).await;
        let next = next_due(&store).await;
        let due_afterwards = due(&store, T0 + LEASE).await;
        let taken = lease(&store, letter, 2, T0 + LEASE).await;

        assert!(held.is_none());
        assert_eq!((due_while_held, due_afterwards), (vec![], vec![letter]));
        assert_eq!(next, Some(T0 + LEASE));
        assert_eq!(taken.unwrap().attempt, 2);
    })
    .await;
}

#[tokio::test]
async fn who_let_the_lease_run_out_can_neither_end_nor_give_back_the_letter() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let letter = post(&store, jane, 1, T0).await;
        lease(&store, letter, 1, T0).await.unwrap();
        lease(&store, letter, 2, T0 + LEASE).await.unwrap();

        let ended = end(&store, letter, 1, LetterState::Refused).await;
        let given_back = give_back(&store, letter, 1, T0 + HOUR).await;
        let ended_by_holder = end(&store, letter, 2, LetterState::HandedOver).await;

        assert!(!ended && !given_back);
        assert!(ended_by_holder);
        assert_eq!(row(&store, letter).await.state, LetterState::HandedOver);
    })
    .await;
}

#[tokio::test]
async fn a_letter_that_is_given_back_waits_for_its_next_attempt_with_its_nonce() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let letter = post(&store, jane, 1, T0).await;
        lease(&store, letter, 1, T0).await.unwrap();

        assert!(give_back(&store, letter, 1, T0 + HOUR).await);

        let found = row(&store, letter).await;
        assert_eq!((found.state, found.attempts), (LetterState::Waiting, 1));
        assert_eq!(found.next_try_at, T0 + HOUR);
        assert_eq!(found.last_reply.as_deref(), Some("450 come again"));
        assert!(lease(&store, letter, 2, T0 + HOUR - MS).await.is_none());
        assert_eq!(next_due(&store).await, Some(T0 + HOUR));
        let again = lease(&store, letter, 2, T0 + HOUR).await.expect("the letter is due");
        assert_eq!(again.attempt, 2);
        assert!(again.nonce.is_some());
    })
    .await;
}

#[tokio::test]
async fn every_end_erases_the_nonce_and_comes_once() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let ends = [
            LetterState::HandedOver,
            LetterState::Refused,
            LetterState::Superseded,
            LetterState::TooOld,
        ];
        for (raw, state) in (1..).zip(ends) {
            let letter = post(&store, jane, raw, T0).await;
            lease(&store, letter, 1, T0).await.unwrap();

            let first = end(&store, letter, 1, state).await;
            let second = end(&store, letter, 1, LetterState::Refused).await;
            let given_back = give_back(&store, letter, 1, T0 + HOUR).await;

            assert!(first && !second && !given_back, "{state:?}");
            assert_ended(&store, letter, state).await;
            assert_eq!(row(&store, letter).await.last_reply.as_deref(), Some("250 taken"));
        }
    })
    .await;
}

#[tokio::test]
async fn a_letter_whose_token_is_retired_is_superseded_while_it_waits() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let (one, other) =
            (issue(&store, jane, 1, "any").await, issue(&store, jane, 2, "cli").await);
        let kind = LetterKind::NewToken;
        let (first, second) = write(&store, async |tx| {
            let first = insert_letter(tx, jane, 1, kind, Some(one), T0).await?;
            Ok((first, insert_letter(tx, jane, 2, kind, Some(other), T0).await?))
        })
        .await;
        lease(&store, second, 1, T0).await.unwrap();

        let waiting = write(&store, async |tx| letters::supersede(tx, one, T0).await).await;
        let in_hand = write(&store, async |tx| letters::supersede(tx, other, T0).await).await;

        assert_eq!((waiting, in_hand), (1, 0));
        assert_ended(&store, first, LetterState::Superseded).await;
        assert_eq!(row(&store, second).await.state, LetterState::Leased);
    })
    .await;
}

#[tokio::test]
async fn the_waiting_letters_of_a_user_are_superseded_by_kind_or_all() {
    for_each_house(async |store| {
        let (jane, joe) = (add_user(&store, 1, "jane").await, add_user(&store, 2, "joe").await);
        let recovery = LetterKind::PasswordRecovery;
        let (first, second, third, of_joe) = write(&store, async |tx| {
            Ok((
                insert_letter(tx, jane, 1, recovery, None, T0).await?,
                insert_letter(tx, jane, 2, LetterKind::Invitation, None, T0).await?,
                insert_letter(tx, jane, 3, recovery, None, T0).await?,
                insert_letter(tx, joe, 4, recovery, None, T0).await?,
            ))
        })
        .await;
        lease(&store, third, 1, T0).await.unwrap();

        let of_kind =
            write(&store, async |tx| letters::supersede_of_user(tx, jane, recovery, T0).await)
                .await;
        let all =
            write(&store, async |tx| letters::supersede_all_of_user(tx, jane, T0).await).await;

        assert_eq!((of_kind, all), (1, 1));
        assert_ended(&store, first, LetterState::Superseded).await;
        assert_ended(&store, second, LetterState::Superseded).await;
        assert_eq!(row(&store, third).await.state, LetterState::Leased);
        assert_eq!(row(&store, of_joe).await.state, LetterState::Waiting);
    })
    .await;
}

#[tokio::test]
async fn a_letter_that_is_too_old_is_given_up_unless_it_is_in_hand() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let now = T0 + 3 * DAY;
        let waiting = post(&store, jane, 1, T0).await;
        let younger = post(&store, jane, 2, T0 + MS).await;
        let in_hand = post(&store, jane, 3, T0).await;
        let abandoned = post(&store, jane, 4, T0).await;
        lease(&store, in_hand, 1, now).await.unwrap();
        lease(&store, abandoned, 1, now - LEASE).await.unwrap();

        let given_up = write(&store, async |tx| letters::give_up(tx, T0, now).await).await;

        assert_eq!(given_up, 2);
        assert_ended(&store, waiting, LetterState::TooOld).await;
        assert_ended(&store, abandoned, LetterState::TooOld).await;
        assert!(!end(&store, abandoned, 1, LetterState::HandedOver).await, "the lease ran out");
        assert_eq!(row(&store, younger).await.state, LetterState::Waiting);
        assert_eq!(row(&store, in_hand).await.state, LetterState::Leased);
    })
    .await;
}

#[tokio::test]
async fn waiting_letters_can_be_made_due_and_no_others() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let (waiting, other, in_hand, ended) = (
            post(&store, jane, 1, T0 + DAY).await,
            post(&store, jane, 2, T0 + DAY).await,
            post(&store, jane, 3, T0).await,
            post(&store, jane, 4, T0).await,
        );
        lease(&store, in_hand, 1, T0).await.unwrap();
        lease(&store, ended, 1, T0).await.unwrap();
        end(&store, ended, 1, LetterState::Refused).await;
        let make_due = async |letter| {
            write(&store, async |tx| letters::make_due(tx, letter, T0 + MS).await).await
        };

        let made = (make_due(waiting).await, make_due(in_hand).await, make_due(ended).await);
        let due_then = due(&store, T0 + MS).await;
        let all = write(&store, async |tx| letters::make_all_due(tx, T0 + MS).await).await;

        assert_eq!(made, (true, false, false));
        assert_eq!(due_then, [waiting]);
        assert_eq!(all, 2);
        assert!(due(&store, T0 + MS).await.contains(&other));
    })
    .await;
}

#[tokio::test]
async fn due_letters_come_most_urgent_first() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let late = post(&store, jane, 1, T0 + HOUR).await;
        let early = post(&store, jane, 2, T0).await;
        post(&store, jane, 3, T0 + DAY).await;

        assert_eq!(next_due(&store).await, Some(T0));
        assert_eq!(due(&store, T0 + HOUR - MS).await, [early]);
        assert_eq!(due(&store, T0 + HOUR).await, [early, late]);
    })
    .await;
}

#[tokio::test]
async fn a_letter_of_a_more_urgent_rank_is_due_before_those_that_have_waited_for_longer() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let (to, to_name) = (address("jane@example.com"), shown("Jane"));
        let ranks =
            [LetterRank::Unhurried, LetterRank::Bulk, LetterRank::Notice, LetterRank::Awaited];
        for (raw, rank) in (1..).zip(ranks) {
            let (id, kind, facts) = (Id::from_raw(raw), LetterKind::NewToken, "");
            let letter = NewLetter {
                id,
                user: jane,
                kind,
                rank,
                to: &to,
                to_name: &to_name,
                facts,
                token: None,
                nonce: None,
            };
            let at = T0 + Duration::from_millis(u64::try_from(raw).unwrap());
            write(&store, async |tx| letters::insert(tx, &letter, at).await).await;
        }

        let due: Vec<i64> = due(&store, T0 + HOUR).await.iter().map(|id| id.raw()).collect();

        assert_eq!(due, [4, 3, 2, 1]);
    })
    .await;
}

#[tokio::test]
async fn an_empty_outbox_counts_nothing_and_is_never_due() {
    for_each_house(async |store| {
        let empty = Counts { waiting: 0, refused: 0, oldest_waiting_at: None };

        assert_eq!(counts(&store, T0).await, empty);
        assert_eq!(next_due(&store).await, None);
    })
    .await;
}

#[tokio::test]
async fn the_outbox_counts_what_waits_and_what_was_refused_lately() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        post(&store, jane, 1, T0 + MS).await;
        post(&store, jane, 2, T0 + DAY).await;
        for (raw, state) in (3..).zip([LetterState::Refused, LetterState::HandedOver]) {
            let letter = post(&store, jane, raw, T0).await;
            lease(&store, letter, 1, T0).await.unwrap();
            end(&store, letter, 1, state).await;
        }
        let in_hand = post(&store, jane, 5, T0 + HOUR).await;
        lease(&store, in_hand, 1, T0 + HOUR).await.unwrap();

        let since_then = counts(&store, T0).await;
        let since_later = counts(&store, T0 + MS).await;

        let expected = Counts { waiting: 3, refused: 1, oldest_waiting_at: Some(T0 + MS) };
        assert_eq!(since_then, expected);
        assert_eq!(since_later, Counts { refused: 0, ..expected });
    })
    .await;
}

#[tokio::test]
async fn letters_are_listed_newest_first_and_found_by_the_token_they_carry() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let token = issue(&store, jane, 1, "any").await;
        let bare = issue(&store, jane, 2, "cli").await;
        post(&store, jane, 1, T0).await;
        let carrier = write(&store, async |tx| {
            insert_letter(tx, jane, 2, LetterKind::NewToken, Some(token), T0 + HOUR).await
        })
        .await;
        post(&store, jane, 3, T0 + MS).await;

        let mut reader = store.read().await.unwrap();
        let listed = letters::list(&mut reader, NEWEST, 2).await.unwrap();
        let found = letters::of_token(&mut reader, token).await.unwrap().unwrap();
        let none = letters::of_token(&mut reader, bare).await.unwrap();

        assert_eq!(listed.iter().map(|row| row.id.raw()).collect::<Vec<_>>(), [2, 3]);
        assert_eq!((found.id, found.user, found.kind), (carrier, jane, LetterKind::NewToken));
        assert_eq!(found.to, address("jane@example.com"));
        assert_eq!((found.state, found.attempts), (LetterState::Waiting, 0));
        assert_eq!((found.created_at, found.next_try_at), (T0 + HOUR, T0 + HOUR));
        assert_eq!((found.last_reply, found.ended_at), (None, None));
        assert!(none.is_none());
    })
    .await;
}

#[tokio::test]
async fn a_user_is_told_which_letters_did_not_arrive() {
    for_each_house(async |store| {
        let (jane, joe) = (add_user(&store, 1, "jane").await, add_user(&store, 2, "joe").await);
        for (raw, user, state) in [
            (1, jane, LetterState::Refused),
            (2, jane, LetterState::HandedOver),
            (3, jane, LetterState::TooOld),
            (4, joe, LetterState::Refused),
        ] {
            let created_at = T0 - HOUR + Duration::from_millis(u64::try_from(raw).unwrap());
            let letter = post(&store, user, raw, created_at).await;
            lease(&store, letter, 1, T0).await.unwrap();
            end(&store, letter, 1, state).await;
        }

        let troubles = async |since| {
            let mut reader = store.read().await.unwrap();
            let rows = letters::troubles(&mut reader, jane, since).await.unwrap();
            rows.iter().map(|row| row.id.raw()).collect::<Vec<_>>()
        };

        assert_eq!(troubles(T0).await, [3, 1]);
        assert_eq!(troubles(T0 + MS).await, []);
    })
    .await;
}

/// Writes a letter that is due at `now`.
async fn post(store: &Store, user: Id<User>, raw: i64, now: Timestamp) -> Id<Letter> {
    let kind = LetterKind::PasswordRecovery;
    write(store, async |tx| insert_letter(tx, user, raw, kind, None, now).await).await
}

async fn lease(
    store: &Store,
    letter: Id<Letter>,
    lease: i64,
    now: Timestamp,
) -> Option<LeasedLetter> {
    write(store, async |tx| letters::lease(tx, letter, lease, now + LEASE, now).await).await
}

async fn give_back(store: &Store, letter: Id<Letter>, lease: i64, next: Timestamp) -> bool {
    write(store, async |tx| letters::give_back(tx, letter, lease, next, "450 come again").await)
        .await
}

async fn end(store: &Store, letter: Id<Letter>, lease: i64, state: LetterState) -> bool {
    let reply = Some("250 taken");
    write(store, async |tx| letters::end_leased(tx, letter, lease, state, reply, T0).await).await
}

async fn due(store: &Store, now: Timestamp) -> Vec<Id<Letter>> {
    let mut reader = store.read().await.expect("a reader is free");
    letters::due(&mut reader, now, 10).await.expect("the outbox is read")
}

async fn next_due(store: &Store) -> Option<Timestamp> {
    let mut reader = store.read().await.expect("a reader is free");
    letters::next_due(&mut reader).await.expect("the outbox is read")
}

async fn counts(store: &Store, since: Timestamp) -> Counts {
    let mut reader = store.read().await.expect("a reader is free");
    letters::counts(&mut reader, since).await.expect("the outbox is read")
}

async fn row(store: &Store, letter: Id<Letter>) -> LetterRow {
    let mut reader = store.read().await.expect("a reader is free");
    let rows = letters::list(&mut reader, NEWEST, 100).await.expect("the outbox is read");
    rows.into_iter().find(|row| row.id == letter).expect("the letter is kept")
}

/// Asserts that the letter has come to this end and that nothing of its secret is left in the row.
async fn assert_ended(store: &Store, letter: Id<Letter>, state: LetterState) {
    let found = row(store, letter).await;
    assert_eq!(found.state, state);
    assert!(found.ended_at.is_some());
    let sql = "
        SELECT COUNT(*) FROM letter
        WHERE id = $1 AND nonce IS NULL AND lease IS NULL AND leased_until IS NULL";
    assert_eq!(number(store, sql, &[letter.into()]).await, 1, "the nonce of {state:?} is kept");
    assert!(due(store, T0 + 365 * DAY).await.iter().all(|due| *due != letter));
}

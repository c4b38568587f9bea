//! The login history: paged by position, told by user, and what it says of a token's use.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Login, Token, User};
use symbolon_core::names::Source;
use symbolon_store::Store;
use symbolon_store::history::{self, LoginRow};
use symbolon_store::retired_uses::UseRow;

use super::{DAY, MS, T0, add_user, for_each_house, issue, write};

#[tokio::test]
async fn an_entry_comes_back_as_it_was_written_also_without_a_user() {
    for_each_house(async |store| {
        let written = LoginRow {
            id: Id::from_raw(5),
            at: T0,
            user: None,
            username: "nobody\u{e9}".to_owned(),
            head: "soap".to_owned(),
            client: "jsforce 3".to_owned(),
            source: "2001:db8::1".to_owned(),
            outcome: "refused".to_owned(),
            reason: "there is no such user".to_owned(),
            correlation_id: "c0ffee".to_owned(),
        };
        write(&store, async |tx| history::insert(tx, &written, None).await).await;

        let mut reader = store.read().await.unwrap();
        let found = history::list(&mut reader, None, end(), 10).await.unwrap();

        assert_eq!(format!("{found:?}"), format!("{:?}", [written]));
    })
    .await;
}

#[tokio::test]
async fn an_entry_is_found_with_its_steps_by_what_its_client_was_told() {
    for_each_house(async |store| {
        let chain = "password\trefused\twrong\t\u{e9}";
        let entry = |raw, correlation_id: &str| LoginRow {
            correlation_id: correlation_id.to_owned(),
            ..entry_of(raw, T0, None)
        };
        write(&store, async |tx| {
            history::insert_with_chain(tx, &entry(1, "c0ffee"), None, chain).await?;
            history::insert(tx, &entry(2, "decaf"), None).await
        })
        .await;

        let mut reader = store.read().await.unwrap();
        let with = history::find(&mut reader, "c0ffee").await.unwrap().unwrap();
        let without = history::find(&mut reader, "decaf").await.unwrap().unwrap();

        assert_eq!((with.0.id, with.1.as_str()), (Id::from_raw(1), chain));
        assert_eq!((without.0.id, without.1.as_str()), (Id::from_raw(2), ""));
        assert!(history::find(&mut reader, "tea").await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn pages_follow_one_another_without_a_gap_or_a_repetition() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        // Many share an instant, and identifiers are not in the order of time.
        for raw in 0..20 {
            let at = T0 + Duration::from_millis(u64::try_from(raw * 7 % 4).unwrap());
            let user = (raw % 2 == 0).then_some(jane);
            note(&store, raw, at, user, None, "admitted").await;
        }

        let all = pages(&store, None, 3).await;
        let of_jane = pages(&store, Some(jane), 3).await;

        let mut expected: Vec<(i64, i64)> = (0..20).map(|raw| (raw * 7 % 4, raw)).collect();
        expected.sort_unstable_by(|left, right| right.cmp(left));
        let expected: Vec<i64> = expected.into_iter().map(|(_, raw)| raw).collect();
        assert_eq!(all, expected);
        let expected: Vec<i64> = expected.into_iter().filter(|raw| raw % 2 == 0).collect();
        assert_eq!(of_jane, expected);
    })
    .await;
}

#[tokio::test]
async fn the_uses_of_a_token_are_told_by_client_latest_first() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let token = issue(&store, jane, 1, "any").await;
        let other = issue(&store, jane, 2, "cli").await;
        let later = T0 + DAY;
        note(&store, 1, T0, Some(jane), Some((token, "etl")), "admitted").await;
        note(&store, 2, later, Some(jane), Some((token, "etl")), "admitted").await;
        note(&store, 3, later + MS, Some(jane), Some((token, "app")), "admitted").await;
        note(&store, 4, later, Some(jane), Some((token, "bad")), "refused").await;
        note(&store, 5, later, Some(jane), Some((other, "cli")), "admitted").await;

        let mut reader = store.read().await.unwrap();
        let all = history::uses_of_token(&mut reader, jane, token, T0, 10).await.unwrap();
        let late = history::uses_of_token(&mut reader, jane, token, later, 10).await.unwrap();

        let told = |uses: &[UseRow]| -> Vec<_> {
            uses.iter()
                .map(|use_| (use_.client.clone(), use_.first_at, use_.last_at, use_.times))
                .collect()
        };
        let app = ("app".to_owned(), later + MS, later + MS, 1);
        assert_eq!(told(&all), [app.clone(), ("etl".to_owned(), T0, later, 2)]);
        assert_eq!(told(&late), [app, ("etl".to_owned(), later, later, 1)]);
    })
    .await;
}

#[tokio::test]
async fn entries_of_all_addresses_that_count_as_one_are_counted_as_one() {
    for_each_house(async |store| {
        let sources = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "192.0.2.1", "192.0.2.2"];
        for (raw, source) in (0..).zip(sources) {
            let entry = LoginRow { source: source.to_owned(), ..entry_of(raw, T0, None) };
            write(&store, async |tx| history::insert(tx, &entry, None).await).await;
        }

        let mut reader = store.read().await.unwrap();
        let mut count = async |source: &str, since| {
            let source = Source::new(source.parse().unwrap());
            history::count_of_network(&mut reader, source, since).await.unwrap()
        };

        assert_eq!(count("2001:db8::ffff", T0 - MS).await, 2);
        assert_eq!(count("2001:db8:0:1::ffff", T0 - MS).await, 1);
        assert_eq!(count("192.0.2.1", T0 - MS).await, 1);
        assert_eq!(count("2001:db8::1", T0).await, 0);
    })
    .await;
}

#[tokio::test]
async fn entries_are_forgotten_from_before_the_limit() {
    for_each_house(async |store| {
        note(&store, 1, T0, None, None, "refused").await;
        note(&store, 2, T0 + MS, None, None, "refused").await;

        let forgotten = write(&store, async |tx| history::forget(tx, T0 + MS).await).await;

        assert_eq!(forgotten, 1);
        assert_eq!(pages(&store, None, 10).await, [2]);
    })
    .await;
}

fn end() -> (Timestamp, Id<Login>) {
    (T0 + 365 * DAY, Id::from_raw(i64::MAX))
}

async fn note(
    store: &Store,
    raw: i64,
    at: Timestamp,
    user: Option<Id<User>>,
    token: Option<(Id<Token>, &str)>,
    outcome: &str,
) {
    let login = LoginRow {
        client: token.map_or("", |(_, client)| client).to_owned(),
        outcome: outcome.to_owned(),
        ..entry_of(raw, at, user)
    };
    let token = token.map(|(token, _)| token);
    write(store, async |tx| history::insert(tx, &login, token).await).await;
}

fn entry_of(raw: i64, at: Timestamp, user: Option<Id<User>>) -> LoginRow {
    LoginRow {
        id: Id::from_raw(raw),
        at,
        user,
        username: "jane".to_owned(),
        head: "soap".to_owned(),
        client: String::new(),
        source: "192.0.2.1".to_owned(),
        outcome: "refused".to_owned(),
        reason: String::new(),
        correlation_id: String::new(),
    }
}

/// Reads the history page by page to its end.
async fn pages(store: &Store, user: Option<Id<User>>, limit: i64) -> Vec<i64> {
    let mut reader = store.read().await.expect("a reader is free");
    let (mut before, mut found) = (end(), Vec::new());
    loop {
        let page = history::list(&mut reader, user, before, limit).await.expect("a page is read");
        let Some(last) = page.last() else { return found };
        before = (last.at, last.id);
        found.extend(page.iter().map(|row| row.id.raw()));
    }
}

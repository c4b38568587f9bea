//! Reminders and the weekly digest: a sweep meets each token once, and what is noted is noted once.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::judge::{FrozenBy, TokenFreeze};
use symbolon_core::names::DeviceType;
use symbolon_store::reminders::{self, Position};
use symbolon_store::sql::Store;
use symbolon_store::tokens::{self, NewToken};
use symbolon_store::users;

use super::{DAY, T0, add_user, at_once, by_operator, digest, for_each_house, issue, write};

const LATE: Timestamp = Timestamp::from_unix_ms(i64::MAX / 2);

async fn issue_until(store: &Store, user: Id<User>, raw: i64, expires_at: Timestamp) -> Id<Token> {
    let device_type = DeviceType::parse(&format!("kind-{raw}")).expect("a device type");
    let id = Id::from_raw(raw);
    let (digest, issue) = (digest(raw), by_operator());
    let new = NewToken { id, user, device_type: &device_type, digest: &digest, expires_at, issue };
    write(store, async |tx| tokens::insert(tx, &new, T0).await).await;
    id
}

/// All tokens that a sweep with pages of this size meets.
async fn swept(store: &Store, limit: i64) -> Vec<Id<Token>> {
    let mut reader = store.read().await.expect("a reader is free");
    let (mut position, mut met) = (Position::after(T0), Vec::new());
    loop {
        let page =
            reminders::aging(&mut reader, position, T0 + DAY * 9, limit).await.expect("a page");
        let Some(last) = page.last() else { return met };
        position = Position::behind(last);
        met.extend(page.iter().map(|aging| aging.token));
    }
}

#[tokio::test]
async fn a_sweep_meets_each_token_once_in_pages_of_any_size_soonest_first() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        // Five die in the same millisecond; the first is dead at the position, the last too far away.
        for (raw, days) in [(9, 0), (1, 3), (5, 3), (2, 3), (4, 3), (3, 3), (8, 1), (7, 9), (6, 10)]
        {
            issue_until(&store, jane, raw, T0 + DAY * days).await;
        }

        let expected = [8, 1, 2, 3, 4, 5, 7].map(Id::from_raw);
        for limit in [1, 2, 3, 100] {
            assert_eq!(swept(&store, limit).await, expected, "pages of {limit}");
        }
    })
    .await;
}

#[tokio::test]
async fn of_many_nodes_one_takes_a_reminder_and_one_takes_a_week() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let token = issue(&store, jane, 1, "any").await;

        let took = at_once(&store, move |store, _| async move {
            write(&store, async |tx| {
                let reminder = reminders::insert(tx, token, 30, T0).await?;
                Ok((reminder, reminders::take_week(tx, 2900, T0).await?))
            })
            .await
        })
        .await;

        assert_eq!(took.iter().filter(|took| took.0).count(), 1);
        assert_eq!(took.iter().filter(|took| took.1).count(), 1);
        let mut reader = store.read().await.unwrap();
        assert!(reminders::has_week(&mut reader, 2900).await.unwrap());
        assert!(!reminders::has_week(&mut reader, 2901).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_day_that_a_later_reminder_covers_is_not_reminded_of() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let token = issue(&store, jane, 1, "any").await;
        let other = issue(&store, jane, 2, "cli").await;

        let taken = write(&store, async |tx| {
            assert!(reminders::insert(tx, token, 1, T0).await?);
            reminders::cover(tx, &[(token, 30), (token, 7), (token, 1)], T0).await?;
            reminders::cover(tx, &[], T0).await?;
            Ok((
                reminders::insert(tx, token, 7, T0).await?,
                reminders::insert(tx, other, 7, T0).await?,
            ))
        })
        .await;

        assert_eq!(taken, (false, true));
        let mut reader = store.read().await.unwrap();
        let all = reminders::aging(&mut reader, Position::after(T0), LATE, 9).await.unwrap();
        let mut sent = reminders::sent(&mut reader, &all).await.unwrap();
        sent.sort_by_key(|(token, days)| (token.raw(), *days));
        assert_eq!(sent, [(token, 1), (token, 7), (token, 30), (other, 7)]);
        assert_eq!(reminders::sent(&mut reader, &[]).await.unwrap(), []);
    })
    .await;
}

#[tokio::test]
async fn a_reminder_that_is_rolled_back_is_owed_still() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let token = issue(&store, jane, 1, "any").await;

        let mut tx = store.begin().await.unwrap();
        assert!(reminders::insert(&mut tx, token, 30, T0).await.unwrap());
        drop(tx);

        assert!(write(&store, async |tx| reminders::insert(tx, token, 30, T0).await).await);
    })
    .await;
}

#[tokio::test]
async fn the_digest_counts_up_to_its_bounds() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        for (raw, days) in [(1, 0), (2, 1), (3, 30), (4, 31)] {
            issue_until(&store, jane, raw, T0 + DAY * days).await;
        }

        let mut reader = store.read().await.unwrap();
        let expiring = reminders::count_expiring(&mut reader, T0, T0 + DAY * 30).await.unwrap();
        let never_used = reminders::count_never_used(&mut reader, T0, T0).await.unwrap();

        assert_eq!((expiring, never_used), (2, 3));
        assert_eq!(reminders::count_without_second_factor(&mut reader).await.unwrap(), 1);
        assert_eq!(reminders::digest_readers(&mut reader).await.unwrap(), [], "jane is none");
        drop(reader);
        write(&store, async |tx| {
            users::freeze_tokens(tx, jane, TokenFreeze { at: T0, by: FrozenBy::Owner }).await
        })
        .await;
        let mut reader = store.read().await.unwrap();
        let listed = reminders::aging(&mut reader, Position::after(T0), T0 + DAY * 30, 9).await;
        let expiring = reminders::count_expiring(&mut reader, T0, T0 + DAY * 30).await.unwrap();
        let never_used = reminders::count_never_used(&mut reader, T0, T0).await.unwrap();
        assert_eq!(listed.unwrap(), []);
        assert_eq!((expiring, never_used), (0, 0), "what is frozen is in no list either");
    })
    .await;
}

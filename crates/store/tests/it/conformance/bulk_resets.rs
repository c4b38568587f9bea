//! Resets of whole profiles: in steps that leave nobody out, whoever goes on with them.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{BulkReset, Id};
use symbolon_core::judge::{FrozenBy, TokenFreeze};
use symbolon_core::names::DeviceType;
use symbolon_core::policy::MailEncryption;
use symbolon_core::reset::Scope;
use symbolon_store::bulk_resets::{self, BulkState, Extent, NewBulkReset};
use symbolon_store::openpgp_keys::{self, OpenpgpKeyRow};
use symbolon_store::sql::Store;
use symbolon_store::{Conn, users};

use super::{HOUR, STANDARD, T0, add_user, for_each_house, issue, write};

async fn begin(store: &Store, raw: i64, total: i64) -> Id<BulkReset> {
    let id = Id::from_raw(raw);
    let new = NewBulkReset {
        id,
        profile: STANDARD,
        device_type: &DeviceType::any(),
        scope: Scope::Account,
        reason: "drill",
        actor: "operator",
        total,
    };
    write(store, async |tx| bulk_resets::insert(tx, &new, T0 + HOUR).await).await;
    id
}

const FREEZE: TokenFreeze = TokenFreeze { at: T0, by: FrozenBy::Owner };

#[tokio::test]
async fn steps_of_any_size_give_each_user_one_turn() {
    for_each_house(async |store| {
        for raw in [5, 1, 4, 2, 3] {
            add_user(&store, raw, &format!("user{raw}")).await;
        }
        for (raw, limit) in [(1, 1), (2, 2), (3, 5), (4, 99)] {
            let id = begin(&store, raw, 5).await;
            let mut turns = Vec::new();
            loop {
                // Read anew each time, as whoever resumes does.
                let mut tx = store.begin().await.unwrap();
                assert!(bulk_resets::hold(&mut tx, id).await.unwrap());
                let bulk = bulk_resets::find(&mut tx, id).await.unwrap().unwrap();
                let next = bulk_resets::next_users(&mut tx, &bulk, limit).await.unwrap();
                let Some(last) = next.last() else { break };
                let done = i64::try_from(next.len()).unwrap();
                bulk_resets::advance(&mut tx, id, *last, done, 0).await.unwrap();
                tx.commit().await.unwrap();
                turns.extend(next.iter().map(|user| user.raw()));
            }

            let stands =
                bulk_resets::find(&mut store.read().await.unwrap(), id).await.unwrap().unwrap();
            assert_eq!(turns, [1, 2, 3, 4, 5], "steps of {limit}");
            assert_eq!((stands.done, stands.passed_over, stands.total), (5, 0, 5));
        }
    })
    .await;
}

#[tokio::test]
async fn a_step_that_is_rolled_back_is_to_be_done_again() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let id = begin(&store, 1, 1).await;

        let mut tx = store.begin().await.unwrap();
        bulk_resets::advance(&mut tx, id, jane, 1, 0).await.unwrap();
        drop(tx);

        let mut reader = store.read().await.unwrap();
        let bulk = bulk_resets::find(&mut reader, id).await.unwrap().unwrap();
        assert_eq!((bulk.position, bulk.done, bulk.state), (-1, 0, BulkState::Running));
        assert_eq!(bulk_resets::next_users(&mut reader, &bulk, 9).await.unwrap(), [jane]);
    })
    .await;
}

#[tokio::test]
async fn an_end_is_kept_and_an_unknown_one_is_not_held() {
    for_each_house(async |store| {
        let [one, two] = [begin(&store, 1, 0).await, begin(&store, 2, 0).await];
        write(&store, async |tx| {
            bulk_resets::end(tx, one, BulkState::Cancelled, T0 + HOUR * 2).await?;
            assert!(!bulk_resets::hold(tx, Id::from_raw(9)).await?);
            Ok(())
        })
        .await;

        let mut reader = store.read().await.unwrap();
        let ended = bulk_resets::find(&mut reader, one).await.unwrap().unwrap();
        assert_eq!((ended.state, ended.ended_at), (BulkState::Cancelled, Some(T0 + HOUR * 2)));
        assert_eq!((ended.reason.as_str(), ended.profile_name.as_str()), ("drill", "Standard"));
        let states: Vec<_> = bulk_resets::list(&mut reader, 9).await.unwrap();
        assert_eq!(states.len(), 2);
        let running = states.iter().find(|bulk| bulk.id == two).unwrap();
        assert_eq!((running.state, running.ended_at), (BulkState::Running, None));
        assert_eq!(bulk_resets::find(&mut reader, Id::from_raw(9)).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn the_forecast_counts_users_and_tokens() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        add_user(&store, 2, "joe").await;
        issue(&store, jane, 1, "any").await;
        issue(&store, jane, 2, "cli").await;

        let mut reader = store.read().await.unwrap();
        let extent = extent(&mut reader, Scope::Account, MailEncryption::Optional).await;

        assert_eq!((extent.users, extent.passed_over), (2, 0));
        assert_eq!((extent.tokens, extent.tokens_of_type), (2, 1));
    })
    .await;
}

#[tokio::test]
async fn the_forecast_counts_whom_a_rule_forbids_it_once_each() {
    for_each_house(async |store| {
        let [frozen, owners, expired, keyed, _] = [
            add_user(&store, 1, "frozen").await,
            add_user(&store, 2, "owners").await,
            add_user(&store, 3, "expired").await,
            add_user(&store, 4, "keyed").await,
            add_user(&store, 5, "keyless").await,
        ];
        write(&store, async |tx| {
            users::set_frozen(tx, frozen, Some(T0)).await?;
            users::freeze_tokens(tx, frozen, FREEZE).await?;
            users::freeze_tokens(tx, owners, FREEZE).await?;
            openpgp_keys::put(tx, expired, &key_until(T0 + HOUR)).await?;
            openpgp_keys::put(tx, keyed, &key_until(T0 + HOUR + Duration::from_millis(1))).await
        })
        .await;

        let mut reader = store.read().await.unwrap();
        let cases = [
            (Scope::Account, MailEncryption::Optional, 2),
            (Scope::DeviceType, MailEncryption::Optional, 3),
            (Scope::Account, MailEncryption::Required, 4),
            (Scope::DeviceType, MailEncryption::Required, 4),
        ];
        for (scope, encryption, passed_over) in cases {
            let extent = extent(&mut reader, scope, encryption).await;
            assert_eq!((extent.users, extent.passed_over), (5, passed_over), "{scope:?}");
        }
    })
    .await;
}

/// What there is to do an hour after [`T0`].
async fn extent(conn: &mut Conn, scope: Scope, encryption: MailEncryption) -> Extent {
    let what = (&DeviceType::any(), scope);
    bulk_resets::extent(conn, STANDARD, what, encryption, T0 + HOUR)
        .await
        .expect("the extent is counted")
}

fn key_until(expires_at: Timestamp) -> OpenpgpKeyRow {
    OpenpgpKeyRow {
        fingerprint: "A1".repeat(20),
        certificate: vec![1],
        expires_at: Some(expires_at),
        origin: "owner".to_owned(),
        created_at: T0,
    }
}

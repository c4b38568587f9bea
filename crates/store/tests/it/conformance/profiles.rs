//! Profiles: every figure of a policy comes back as it was set.

use std::time::Duration;

use symbolon_core::id::Id;
use symbolon_core::policy::{Policy, SessionsOnReset, TokensOnPasswordChange};
use symbolon_store::Store;
use symbolon_store::profiles::{self, ProfileRecord};

use super::{STANDARD, T0, for_each_house, write};

#[tokio::test]
async fn a_profile_comes_back_as_it_was_added() {
    for_each_house(async |store| {
        let added = add(&store, "Integration", &unusual()).await;

        let mut reader = store.read().await.unwrap();
        let by_id = profiles::find(&mut reader, Id::from_raw(2)).await.unwrap();
        let by_name = profiles::find_by_name(&mut reader, "Integration").await.unwrap().unwrap();
        let all = profiles::list(&mut reader).await.unwrap();

        assert!(added);
        assert_eq!((by_id.name.as_str(), &by_id.policy), ("Integration", &unusual()));
        assert_eq!((by_name.id, &by_name.policy), (Id::from_raw(2), &unusual()));
        assert_eq!(all.iter().map(|row| row.id).collect::<Vec<_>>(), [Id::from_raw(2), STANDARD]);
        assert!(profiles::find_by_name(&mut reader, "Nothing").await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn a_name_that_is_taken_is_refused() {
    for_each_house(async |store| {
        let added = add(&store, "Standard", &unusual()).await;

        let mut reader = store.read().await.unwrap();
        assert!(!added);
        assert_eq!(profiles::find(&mut reader, STANDARD).await.unwrap().policy, Policy::default());
    })
    .await;
}

#[tokio::test]
async fn a_policy_is_replaced_in_the_profile_of_that_name_alone() {
    for_each_house(async |store| {
        add(&store, "Integration", &Policy::default()).await;
        let update = async |name: &str| {
            write(&store, async |tx| profiles::update(tx, name, &unusual()).await).await
        };

        let updated = (update("Integration").await, update("Nothing").await);

        assert_eq!(updated, (true, false));
        let mut reader = store.read().await.unwrap();
        let changed = profiles::find(&mut reader, Id::from_raw(2)).await.unwrap();
        let other = profiles::find(&mut reader, STANDARD).await.unwrap();
        assert_eq!((changed.policy, other.policy), (unusual(), Policy::default()));
    })
    .await;
}

/// A policy that differs from the default in every figure.
fn unusual() -> Policy {
    Policy {
        token_max_age: Duration::from_millis(86_400_001),
        lockout_failures: 99,
        lockout_period: Duration::from_secs(61),
        session_idle: Duration::from_mins(6),
        on_reset: SessionsOnReset::Keep,
        on_password_change: TokensOnPasswordChange::Reset,
    }
}

async fn add(store: &Store, name: &str, policy: &Policy) -> bool {
    let profile =
        ProfileRecord { id: Id::from_raw(2), name: name.to_owned(), policy: policy.clone() };
    write(store, async |tx| profiles::insert(tx, &profile, T0).await).await
}

//! Profiles: every figure of a policy comes back as it was set.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::Id;
use symbolon_core::login_hours::LoginHours;
use symbolon_core::network::LoginRanges;
use symbolon_core::policy::{
    Access, Duty, MailEncryption, PasswordPolicy, Policy, SessionsOnReset, TokensOnPasswordChange,
};
use symbolon_store::Store;
use symbolon_store::profiles::{self, ProfileRecord};

use super::{STANDARD, T0, TASKS, at_once, for_each_house, write};

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
async fn no_change_of_a_policy_that_holds_the_row_undoes_another() {
    for_each_house(async |store| {
        let before = i64::from(Policy::default().lockout_failures);

        let held = at_once(&store, |store, _| async move {
            write(&store, async |tx| {
                let held = profiles::hold(tx, "Standard").await?;
                let found = profiles::find_by_name(tx, "Standard").await?;
                let mut policy = found.expect("it is there").policy;
                policy.lockout_failures += 1;
                profiles::update(tx, "Standard", &policy).await?;
                Ok(held)
            })
            .await
        })
        .await;

        let mut reader = store.read().await.unwrap();
        let policy = profiles::find(&mut reader, STANDARD).await.unwrap().policy;
        assert!(held.into_iter().all(|held| held));
        assert_eq!(i64::from(policy.lockout_failures), before + TASKS);
        assert!(!write(&store, async |tx| profiles::hold(tx, "Nothing").await).await);
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

#[tokio::test]
async fn of_ones_own_profile_and_everybodys_the_stricter_value_is_in_force() {
    for_each_house(async |store| {
        let everybodys = Policy {
            session_idle: Duration::from_mins(6),
            login_ranges: LoginRanges::parse("10.0.0.0/8").unwrap().into_iter().collect(),
            ..Policy::laxest()
        };
        let own = profiles::in_force(&mut store.read().await.unwrap(), STANDARD).await.unwrap();
        add_for(&store, "Organization", &everybodys, Some(T0)).await;

        let both = profiles::in_force(&mut store.read().await.unwrap(), STANDARD).await.unwrap();

        assert_eq!(own, Policy::default());
        assert_eq!(both, Policy::default().strictest(everybodys.upon_everybody()));
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
        mail_encryption: MailEncryption::Required,
        web_lifetime: Duration::from_mins(16),
        access: Access::ApiOnly,
        duty: Duty::WebAndApi,
        duty_since: Some(T0),
        api_duty_since: Some(Timestamp::from_unix_ms(7)),
        duties: Vec::new(),
        enrol_grace: Duration::from_hours(1),
        login_hours: vec![
            LoginHours::parse("mon-fri 08:00-18:00", "Europe/Berlin").expect("it reads"),
        ],
        login_ranges: LoginRanges::parse("10.0.0.0/8, ::1")
            .expect("it reads")
            .into_iter()
            .collect(),
        password: PasswordPolicy {
            min_length: 15,
            kinds: 2,
            history: 7,
            max_age: Some(Duration::from_hours(2400)),
        },
    }
}

async fn add(store: &Store, name: &str, policy: &Policy) -> bool {
    add_for(store, name, policy, None).await
}

async fn add_for(
    store: &Store,
    name: &str,
    policy: &Policy,
    everybody_since: Option<Timestamp>,
) -> bool {
    let (name, policy) = (name.to_owned(), policy.clone());
    let profile = ProfileRecord { id: Id::from_raw(2), name, policy, everybody_since };
    write(store, async |tx| profiles::insert(tx, &profile, T0).await).await
}

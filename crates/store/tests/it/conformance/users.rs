//! Users: one owner of a name, one who takes the row, nothing left of who is removed.

use symbolon_core::id::{Id, User};
use symbolon_core::judge::{FrozenBy, TokenFreeze};
use symbolon_core::keys::KeyId;
use symbolon_core::lockout::Failures;
use symbolon_core::policy::Policy;
use symbolon_store::profiles::{self, ProfileRecord};
use symbolon_store::sql::Store;
use symbolon_store::users::{self, NewUserRecord, PasswordRecord, UserRecord};

use super::{
    HOUR, MS, STANDARD, T0, add_user, address, at_once, for_each_house, insert_user, number,
    password, shown, username, write,
};

#[tokio::test]
async fn a_user_comes_back_as_he_was_added() {
    for_each_house(async |store| {
        let user = NewUserRecord {
            id: Id::from_raw(9),
            username: &username("Jane.Doe"),
            email: &address("jane@example.com"),
            name: &shown("Jané Döe"),
            profile: STANDARD,
            admin_since: Some(T0),
            password: Some(&password("first")),
        };

        assert!(write(&store, async |tx| users::insert(tx, &user, T0 + MS).await).await);

        let found = find(&store, Id::from_raw(9)).await.expect("the user is there");
        assert_eq!(found.standing.user, Id::from_raw(9));
        assert!(found.standing.activated);
        assert_eq!((found.standing.frozen_at, found.standing.tokens_frozen), (None, None));
        assert_eq!(found.standing.failures, Failures::default());
        assert_eq!(found.username, username("Jane.Doe"));
        assert_eq!(found.email, address("jane@example.com"));
        assert_eq!(found.name, shown("Jané Döe"));
        assert_eq!((found.profile, found.admin_since), (STANDARD, Some(T0)));
        assert_eq!(found.password, Some(password("first")));
        assert_eq!((found.password_changed_at, found.password_expired_at), (Some(T0 + MS), None));
        assert_eq!((found.epoch, found.last_login_at, found.created_at), (1, None, T0 + MS));
    })
    .await;
}

#[tokio::test]
async fn an_invited_user_has_no_password_yet() {
    for_each_house(async |store| {
        insert_user(&store, 1, "jane", None).await;

        let found = find(&store, Id::from_raw(1)).await.unwrap();

        assert!(!found.standing.activated);
        assert_eq!((found.password, found.password_changed_at), (None, None));
    })
    .await;
}

#[tokio::test]
async fn a_name_is_taken_in_every_case_and_found_in_every_case() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "Jane@Example.com").await;

        let added = insert_user(&store, 2, "jane@EXAMPLE.com", None).await;

        let mut reader = store.read().await.unwrap();
        let found = users::find_by_name(&mut reader, &username("JANE@example.COM")).await.unwrap();
        assert!(!added);
        assert_eq!(found.unwrap().standing.user, jane);
        assert!(users::find_by_name(&mut reader, &username("joe")).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_who_want_a_name_at_once_one_gets_it() {
    for_each_house(async |store| {
        let added =
            at_once(
                &store,
                |store, task| async move { insert_user(&store, task, "jane", None).await },
            )
            .await;

        assert_eq!(added.iter().filter(|added| **added).count(), 1, "{added:?}");
    })
    .await;
}

#[tokio::test]
async fn users_are_listed_by_name_page_by_page() {
    for_each_house(async |store| {
        for (raw, name) in ["Delta", "alpha", "Charlie", "bravo", "gone"].iter().enumerate() {
            add_user(&store, i64::try_from(raw).unwrap(), name).await;
        }
        write(&store, async |tx| users::remove(tx, Id::from_raw(4), T0).await).await;

        let mut reader = store.read().await.unwrap();
        let first = users::list(&mut reader, "", 3).await.unwrap();
        let second = users::list(&mut reader, &first[2].username.key(), 3).await.unwrap();

        let names = |page: &[UserRecord]| -> Vec<String> {
            page.iter().map(|user| user.username.to_string()).collect()
        };
        assert_eq!(names(&first), ["alpha", "bravo", "Charlie"]);
        assert_eq!(names(&second), ["Delta"]);
    })
    .await;
}

#[tokio::test]
async fn only_administrators_who_can_log_in_are_counted() {
    for_each_house(async |store| {
        let admin = async |raw, name: &str, password: Option<&PasswordRecord>| {
            let user = NewUserRecord {
                id: Id::from_raw(raw),
                username: &username(name),
                email: &address("jane@example.com"),
                name: &shown("Jane"),
                profile: STANDARD,
                admin_since: Some(T0),
                password,
            };
            write(&store, async |tx| users::insert(tx, &user, T0).await).await;
        };
        admin(1, "invited", None).await;
        admin(2, "removed", Some(&password("first"))).await;
        admin(3, "active", Some(&password("first"))).await;
        add_user(&store, 4, "nobody").await;
        write(&store, async |tx| users::remove(tx, Id::from_raw(2), T0).await).await;

        let mut reader = store.read().await.unwrap();

        assert_eq!(users::count_administrators(&mut reader).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn taking_a_user_raises_the_epoch_and_holding_does_not() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;

        let taken = write(&store, async |tx| users::take(tx, jane).await).await;
        let held = write(&store, async |tx| users::hold(tx, jane).await).await;

        assert!(taken && held);
        assert_eq!(find(&store, jane).await.unwrap().epoch, 2);
    })
    .await;
}

#[tokio::test]
async fn who_decided_before_a_take_cannot_hold_the_user() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let decided_on = find(&store, jane).await.unwrap().epoch;
        let hold = async || {
            write(&store, async |tx| users::hold_at_epoch(tx, jane, decided_on).await).await
        };
        let before = hold().await;
        write(&store, async |tx| users::take(tx, jane).await).await;

        let after = hold().await;

        assert!(before);
        assert!(!after);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_who_decided_on_one_epoch_and_take_the_user_one_may_go_on() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;

        let went_on = at_once(&store, |store, _| async move {
            write(&store, async |tx| {
                Ok(users::hold_at_epoch(tx, jane, 1).await? && users::take(tx, jane).await?)
            })
            .await
        })
        .await;

        assert_eq!(went_on.iter().filter(|went_on| **went_on).count(), 1, "{went_on:?}");
        assert_eq!(find(&store, jane).await.unwrap().epoch, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_counted_at_once_under_the_held_row_are_all_counted() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;

        at_once(&store, |store, _| async move {
            write(&store, async |tx| {
                users::hold(tx, jane).await?;
                let failures = users::find(tx, jane).await?.expect("the user").standing.failures;
                let failures = Failures { count: failures.count + 1, ..failures };
                users::set_failures(tx, jane, failures).await
            })
            .await;
        })
        .await;

        assert_eq!(find(&store, jane).await.unwrap().standing.failures.count, 16);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_are_held_together_are_held_alone_and_in_one_order_whoever_names_them() {
    for_each_house(async |store| {
        let (jane, joe) = (add_user(&store, 1, "jane").await, add_user(&store, 2, "joe").await);

        at_once(&store, |store, task| async move {
            let both = if task % 2 == 0 { [jane, joe] } else { [joe, jane] };
            write(&store, async |tx| {
                users::hold_all(tx, &both).await?;
                for user in both {
                    let failures =
                        users::find(tx, user).await?.expect("the user").standing.failures;
                    let failures = Failures { count: failures.count + 1, ..failures };
                    users::set_failures(tx, user, failures).await?;
                }
                Ok(())
            })
            .await;
        })
        .await;

        assert_eq!(find(&store, jane).await.unwrap().standing.failures.count, 16);
        assert_eq!(find(&store, joe).await.unwrap().standing.failures.count, 16);
    })
    .await;
}

#[tokio::test]
async fn failures_and_lockout_are_kept_until_they_are_set_back_and_a_login_is_noted_beside_them() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let failures = Failures { count: 3, last_at: Some(T0), locked_until: Some(T0 + HOUR) };
        write(&store, async |tx| users::set_failures(tx, jane, failures).await).await;
        let failed = find(&store, jane).await.unwrap().standing.failures;

        write(&store, async |tx| users::note_login(tx, jane, T0 + HOUR).await).await;

        let kept = find(&store, jane).await.unwrap().standing.failures;
        assert_eq!(kept, failures);
        let none = Failures::default();
        write(&store, async |tx| users::set_failures(tx, jane, none).await).await;
        let found = find(&store, jane).await.unwrap();
        assert_eq!(failed, failures);
        assert_eq!(found.standing.failures, Failures::default());
        assert_eq!(found.last_login_at, Some(T0 + HOUR));
    })
    .await;
}

#[tokio::test]
async fn a_new_password_replaces_the_old_one_and_forgets_failures() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let failures = Failures { count: 3, last_at: Some(T0), locked_until: None };
        write(&store, async |tx| users::set_failures(tx, jane, failures).await).await;
        let second = PasswordRecord { pepper: KeyId(2), ..password("second") };

        let expired_at = Some(T0 + MS);
        write(&store, async |tx| {
            users::set_password(tx, jane, &second, expired_at, T0 + HOUR).await
        })
        .await;

        let found = find(&store, jane).await.unwrap();
        assert_eq!(found.password, Some(second));
        assert_eq!(found.password_changed_at, Some(T0 + HOUR));
        assert_eq!(found.password_expired_at, expired_at);
        assert_eq!(found.standing.failures, Failures::default());
    })
    .await;
}

#[tokio::test]
async fn a_password_that_was_changed_meanwhile_is_not_rehashed() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let (first, second, third) = (password("first"), password("second"), password("third"));

        let current =
            write(&store, async |tx| users::rehash(tx, jane, &first, &second).await).await;
        let stale = write(&store, async |tx| users::rehash(tx, jane, &first, &third).await).await;

        assert!(current && !stale);
        let found = find(&store, jane).await.unwrap();
        assert_eq!(found.password, Some(second));
        assert_eq!(found.password_changed_at, Some(T0));
    })
    .await;
}

#[tokio::test]
async fn a_password_expires_once_and_a_new_one_has_not_expired() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let expire =
            async |at| write(&store, async |tx| users::expire_password(tx, jane, at).await).await;

        let expired = (expire(T0 + MS).await, expire(T0 + HOUR).await);
        let after = find(&store, jane).await.unwrap().password_expired_at;
        let next = password("next");
        write(&store, async |tx| users::set_password(tx, jane, &next, None, T0 + HOUR).await).await;

        assert_eq!((expired, after), ((true, false), Some(T0 + MS)));
        assert_eq!(find(&store, jane).await.unwrap().password_expired_at, None);
    })
    .await;
}

#[tokio::test]
async fn a_user_is_under_one_profile_and_since_when_is_known() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let before = find(&store, jane).await.unwrap();
        let (policy, name) = (Policy::default(), "Sales".to_owned());
        let sales = ProfileRecord { id: Id::from_raw(2), name, policy, everybody_since: None };
        write(&store, async |tx| profiles::insert(tx, &sales, T0).await).await;

        write(&store, async |tx| users::set_profile(tx, jane, sales.id, T0 + HOUR).await).await;

        let after = find(&store, jane).await.unwrap();
        assert_eq!((before.profile, before.profile_since), (STANDARD, before.created_at));
        assert_eq!((after.profile, after.profile_since), (sales.id, T0 + HOUR));
    })
    .await;
}

#[tokio::test]
async fn a_freeze_is_kept_until_it_is_lifted() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let set = async |frozen, tokens: Option<TokenFreeze>| {
            write(&store, async |tx| {
                users::set_frozen(tx, jane, frozen).await?;
                match tokens {
                    Some(freeze) => users::freeze_tokens(tx, jane, freeze).await,
                    None => users::unfreeze_tokens(tx, jane, T0).await,
                }
            })
            .await;
            let standing = find(&store, jane).await.unwrap().standing;
            (standing.frozen_at, standing.tokens_frozen)
        };
        let freeze = |by| Some(TokenFreeze { at: T0 + MS, by });

        let by_owner = set(Some(T0), freeze(FrozenBy::Owner)).await;
        let by_rule = set(Some(T0), freeze(FrozenBy::Sharing)).await;
        let lifted = set(None, None).await;

        assert_eq!(by_owner, (Some(T0), freeze(FrozenBy::Owner)));
        assert_eq!(by_rule, (Some(T0), freeze(FrozenBy::Sharing)));
        assert_eq!(lifted, (None, None));
    })
    .await;
}

#[tokio::test]
async fn name_and_address_can_be_changed_of_who_is_still_there() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let (name, email) = (shown("Jane Roe"), address("roe@example.org"));
        let change = async || {
            write(&store, async |tx| {
                let named = users::set_name(tx, jane, &name).await?;
                Ok((named, users::set_email(tx, jane, &email).await?))
            })
            .await
        };

        let there = change().await;
        let found = find(&store, jane).await.unwrap();
        write(&store, async |tx| users::remove(tx, jane, T0).await).await;
        let gone = change().await;

        assert_eq!(there, (true, true));
        assert_eq!((found.name, found.email), (name.clone(), email.clone()));
        assert_eq!(gone, (false, false));
    })
    .await;
}

#[tokio::test]
async fn who_is_removed_is_found_no_more_and_cannot_be_taken() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;

        write(&store, async |tx| users::remove(tx, jane, T0).await).await;

        let mut tx = store.begin().await.unwrap();
        assert!(users::find(&mut tx, jane).await.unwrap().is_none());
        assert!(users::find_by_name(&mut tx, &username("jane")).await.unwrap().is_none());
        assert!(!users::take(&mut tx, jane).await.unwrap());
        assert!(!users::hold(&mut tx, jane).await.unwrap());
        assert!(!users::hold_at_epoch(&mut tx, jane, 1).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn removal_frees_the_name() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        write(&store, async |tx| users::remove(tx, jane, T0).await).await;

        let added = insert_user(&store, 2, "JANE", None).await;

        assert!(added);
        assert!(find(&store, Id::from_raw(2)).await.is_some());
    })
    .await;
}

#[tokio::test]
async fn removal_erases_what_belongs_to_the_person() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;

        write(&store, async |tx| users::remove(tx, jane, T0).await).await;

        let sql = "
            SELECT COUNT(*) FROM user_account
            WHERE id = $1 AND removed_at = $2 AND email = '' AND name = ''
              AND password_hash IS NULL AND password_key IS NULL AND admin_since IS NULL";
        assert_eq!(number(&store, sql, &[jane.into(), T0.into()]).await, 1);
    })
    .await;
}

async fn find(store: &Store, user: Id<User>) -> Option<UserRecord> {
    let mut reader = store.read().await.expect("a reader is free");
    users::find(&mut reader, user).await.expect("the row can be read")
}

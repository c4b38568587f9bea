//! New passwords: what a profile demands of them wherever they are chosen, which ones may not come again,
//! and what becomes of those that are too old.

use symbolon_app::account::{self, ChangeError};
use symbolon_app::hashing::Asker;
use symbolon_app::links::LinkKind;
use symbolon_app::passwords::{self, Expiry};
use symbolon_app::users::{self, NewUser, UserView};
use symbolon_app::{Actor, AppError, invitation, profiles, recovery, sessions, setup};
use symbolon_core::names::{DisplayName, EmailAddress, Username};
use symbolon_core::password::PasswordFault;
use symbolon_core::policy::{DAY, PasswordPolicy, Policy};
use symbolon_core::session::SessionKind;
use symbolon_store::password_history;

use crate::accounts::mailed_link;
use crate::house::{PASSWORD, TestHouse, origin, password};

const FIRST: &str = "amber lagoon thistle 77";
const SECOND: &str = "copper window parsley 12";
const THIRD: &str = "saffron bicycle anvil 93";

async fn demand(house: &TestHouse, profile: &str, demanded: PasswordPolicy) {
    let policy = Policy { password: demanded, ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, profile, |known| *known = policy).await.unwrap();
}

async fn change(house: &TestHouse, user: &UserView, from: &str, to: &str) -> Result<(), AppError> {
    let (from, to) = (password(from), password(to));
    let changed =
        account::change_password(&house.ctx, user.id, None, from, to, &origin("10.1.2.3")).await;
    changed.map_err(|error| match error {
        ChangeError::App(error) => error,
        ChangeError::WrongPassword(refused) => panic!("{:?}", refused.refusal),
    })
}

async fn set(house: &TestHouse, user: &UserView, to: &str) -> Result<(), AppError> {
    let name = user.username.as_str();
    users::set_password(&house.ctx, Actor::Operator, Asker::Operator, name, password(to)).await
}

fn new_user(name: &str, first: Option<&str>) -> NewUser {
    NewUser {
        username: Username::parse(name).unwrap(),
        email: EmailAddress::parse(&format!("{name}@mail.example")).unwrap(),
        name: None,
        profile: None,
        administrator: false,
        password: first.map(password),
    }
}

fn was_used_before<T: std::fmt::Debug>(outcome: &Result<T, AppError>) -> bool {
    matches!(outcome, Err(AppError::Password(PasswordFault::UsedBefore)))
}

#[tokio::test]
async fn what_a_profile_demands_of_passwords_holds_wherever_one_is_chosen() {
    let house = TestHouse::new().await;
    let (ctx, from) = (&house.ctx, origin("10.1.2.3"));
    let jane = house.user("jane").await;
    users::add(ctx, Actor::Operator, Asker::Operator, new_user("kim", None)).await.unwrap();
    let invited = mailed_link(&house, LinkKind::Invitation).await;
    recovery::ask(ctx, jane.username.as_str(), &from).await.unwrap();
    let forgotten = mailed_link(&house, LinkKind::PasswordRecovery).await;
    let (founding, _) = setup::issue_setup_link(ctx).await.unwrap();
    // What holds for everybody holds here, though the users' own profile demands less.
    let long = PasswordPolicy { min_length: 30, ..Policy::laxest().password };
    demand(&house, "Organization", long).await;

    let (root, address) = (Username::parse("root").unwrap(), "root@mail.example");
    let (called, address) =
        (DisplayName::parse("Root").unwrap(), EmailAddress::parse(address).unwrap());
    let outcomes = [
        change(&house, &jane, PASSWORD, FIRST).await,
        set(&house, &jane, FIRST).await,
        users::add(ctx, Actor::Operator, Asker::Operator, new_user("joe", Some(FIRST)))
            .await
            .map(drop),
        invitation::accept(ctx, &invited, password(FIRST), &from).await.map(drop),
        recovery::recover(ctx, &forgotten, password(FIRST), &from).await.map(drop),
        setup::accept(ctx, &founding, root, called, address, password(FIRST), &from)
            .await
            .map(drop),
    ];

    for outcome in outcomes {
        let too_short = matches!(outcome, Err(AppError::Password(PasswordFault::TooShort(30))));
        assert!(too_short, "{outcome:?}");
    }
}

#[tokio::test]
async fn the_last_three_passwords_do_not_come_again_and_the_one_before_may() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    change(&house, &jane, PASSWORD, FIRST).await.unwrap();
    change(&house, &jane, FIRST, SECOND).await.unwrap();

    assert!(was_used_before(&change(&house, &jane, SECOND, PASSWORD).await));
    assert!(was_used_before(&change(&house, &jane, SECOND, FIRST).await));
    change(&house, &jane, SECOND, THIRD).await.unwrap();

    change(&house, &jane, THIRD, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn nobody_sets_a_password_that_was_used_before_by_a_link_or_for_another() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    set(&house, &jane, FIRST).await.unwrap();
    recovery::ask(&house.ctx, jane.username.as_str(), &origin("10.1.2.3")).await.unwrap();
    let link = mailed_link(&house, LinkKind::PasswordRecovery).await;
    let recover =
        async |to| recovery::recover(&house.ctx, &link, password(to), &origin("10.1.2.3")).await;

    assert!(was_used_before(&set(&house, &jane, PASSWORD).await));
    assert!(was_used_before(&recover(PASSWORD).await));
    assert!(was_used_before(&recover(FIRST).await));

    recover(SECOND).await.unwrap();
}

#[tokio::test]
async fn where_no_earlier_password_is_remembered_any_may_come_again() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    for profile in ["Standard", "Organization"] {
        demand(&house, profile, PasswordPolicy { history: 0, ..Policy::laxest().password }).await;
    }

    change(&house, &jane, PASSWORD, FIRST).await.unwrap();

    change(&house, &jane, FIRST, PASSWORD).await.unwrap();
    set(&house, &jane, PASSWORD).await.unwrap();
}

#[tokio::test]
async fn the_passwords_of_who_is_removed_are_forgotten() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    change(&house, &jane, PASSWORD, FIRST).await.unwrap();
    let remembered = async || {
        let mut reader = house.ctx.store.read().await.unwrap();
        password_history::latest(&mut reader, jane.id, 24).await.unwrap().len()
    };
    assert_eq!(remembered().await, 1);

    users::remove(&house.ctx, Actor::Operator, jane.username.as_str()).await.unwrap();

    assert_eq!(remembered().await, 0);
}

#[tokio::test]
async fn after_a_login_with_a_password_that_is_too_old_nothing_but_its_change_is_allowed() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    let monthly = PasswordPolicy { max_age: Some(30 * DAY), ..Policy::default().password };
    demand(&house, "Standard", monthly).await;
    let credential = format!("{PASSWORD}{token}");
    house.wait((30 * DAY).saturating_sub(std::time::Duration::from_millis(1)));
    let young = house.log_in(&jane, &credential).await.unwrap();
    assert!(!young.password_expired);
    assert_eq!(passwords::expiry(&house.ctx, jane.id).await.unwrap(), None);

    house.wait(std::time::Duration::from_millis(1));
    let old = house.log_in(&jane, &credential).await.unwrap();

    assert!(old.password_expired);
    assert_eq!(passwords::expiry(&house.ctx, jane.id).await.unwrap(), Some(Expiry::TooOld));
    let audited = house.last_audited(1).await.remove(0);
    assert_eq!((audited.action.as_str(), audited.actor.as_str()), ("password.expired", "symbolon"));
    let found = sessions::find(&house.ctx, SessionKind::Api, &young.secret).await.unwrap();
    assert!(found.unwrap().password_expired, "it holds for what was opened before as well");

    change(&house, &jane, PASSWORD, FIRST).await.unwrap();
    let renewed = house.log_in(&jane, &format!("{FIRST}{token}")).await.unwrap();
    assert!(!renewed.password_expired);
}

#[tokio::test]
async fn no_password_grows_too_old_where_no_profile_says_so() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;

    house.wait(364 * DAY);
    let much_later = house.log_in(&jane, &format!("{PASSWORD}{token}")).await.unwrap();

    assert!(!much_later.password_expired);
}

#[tokio::test]
async fn a_long_password_counts_to_its_last_byte() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    let text = format!("{FIRST} {SECOND} {THIRD} ").repeat(20);

    for length in [64, 72, 73, 128, 1024] {
        let (whole, cut) = (&text[..length], &text[..length - 1]);
        set(&house, &jane, whole).await.unwrap();

        assert!(house.log_in(&jane, &format!("{cut}{token}")).await.is_err(), "{length}");
        assert!(house.log_in(&jane, &format!("{whole}{token}")).await.is_ok(), "{length}");
    }
    let longer = set(&house, &jane, &text[..1025]).await;
    assert!(matches!(longer, Err(AppError::Password(PasswordFault::TooLong))), "{longer:?}");
}

#[tokio::test]
async fn a_temporary_password_has_expired_for_another_reason_than_its_age() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;

    users::reset_password(&house.ctx, Actor::Operator, Asker::Operator, jane.id).await.unwrap();

    assert_eq!(passwords::expiry(&house.ctx, jane.id).await.unwrap(), Some(Expiry::Temporary));
}

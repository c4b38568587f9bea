//! Links, passwords and addresses: single-use, proved, told to the owner.

use symbolon_app::account::{self, AddressConfirmation, ChangeError};
use symbolon_app::hashing::Asker;
use symbolon_app::links::LinkKind;
use symbolon_app::profiles;
use symbolon_app::{Actor, AppError, invitation, links, owner_freeze, recovery, setup, users};
use symbolon_core::judge::Refusal;
use symbolon_core::names::{DisplayName, EmailAddress, Username};
use symbolon_core::policy::{Policy, TokensOnPasswordChange};
use symbolon_core::secret::LinkSecret;

use crate::house::{PASSWORD, TestHouse, origin, password};

const OTHER: &str = "amber lagoon thistle 77";
const ANOTHER: &str = "copper window parsley 12";

/// The secret of the newest mailed link of a kind.
pub(crate) async fn mailed_link(house: &TestHouse, kind: LinkKind) -> LinkSecret {
    house.deliver_mail().await;
    let mark = format!("https://symbolon.example/activate/{}/", kind.word());
    let arrived = house.arrived();
    let found = arrived.iter().rev().find_map(|letter| {
        let (_, rest) = letter.text.split_once(&mark)?;
        Some(rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>())
    });
    LinkSecret::new(found.expect("a letter with such a link has arrived"))
}

#[tokio::test]
async fn a_setup_link_makes_one_administrator_and_no_second() {
    let house = TestHouse::new().await;
    let (link, _) = setup::issue_setup_link(&house.ctx).await.unwrap();
    let from = origin("10.1.2.3");
    let accept = |name: &str| {
        let username = Username::parse(name).unwrap();
        let email = EmailAddress::parse("root@mail.example").unwrap();
        let name = DisplayName::parse("Root").unwrap();
        setup::accept(&house.ctx, &link, username, name, email, password(PASSWORD), &from)
    };

    assert!(!setup::has_administrator(&house.ctx).await.unwrap());
    accept("root").await.unwrap();

    assert!(matches!(accept("second").await, Err(AppError::NotFound("link"))));
    assert!(setup::has_administrator(&house.ctx).await.unwrap());
}

#[tokio::test]
async fn an_invited_user_chooses_a_password_once() {
    let house = TestHouse::new().await;
    let new = users::NewUser {
        username: Username::parse("kim").unwrap(),
        email: EmailAddress::parse("kim@mail.example").unwrap(),
        name: None,
        profile: None,
        administrator: false,
        password: None,
    };
    users::add(&house.ctx, Actor::Operator, Asker::Operator, new).await.unwrap();
    let link = mailed_link(&house, LinkKind::Invitation).await;
    let view = links::look(&house.ctx, LinkKind::Invitation, &link).await.unwrap().unwrap();
    assert_eq!(view.username.unwrap().as_str(), "kim");

    let from = origin("10.1.2.3");
    let weak = invitation::accept(&house.ctx, &link, password("password1234"), &from).await;
    assert!(matches!(weak, Err(AppError::Password(_))));
    invitation::accept(&house.ctx, &link, password(PASSWORD), &from).await.unwrap();

    let again = invitation::accept(&house.ctx, &link, password(OTHER), &from).await;
    assert!(matches!(again, Err(AppError::NotFound("link"))));
}

#[tokio::test]
async fn a_recovery_retires_the_tokens_and_its_link_works_once() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    recovery::ask(&house.ctx, jane.username.as_str(), &origin("10.1.2.3")).await.unwrap();
    let link = mailed_link(&house, LinkKind::PasswordRecovery).await;

    recovery::recover(&house.ctx, &link, password(OTHER), &origin("10.1.2.3")).await.unwrap();

    let refused = house.log_in(&jane, &format!("{OTHER}{token}")).await.unwrap_err();
    assert!(matches!(refused.refusal, Refusal::TokenRetired(..)));
    let again = recovery::recover(&house.ctx, &link, password(PASSWORD), &origin("10.1.2.3")).await;
    assert!(matches!(again, Err(AppError::NotFound("link"))));
}

/// ASVS 6.4.3: mail does not stand in for a second factor.
#[tokio::test]
async fn a_recovery_makes_no_browser_known_to_whoever_has_a_second_factor() {
    let house = TestHouse::new().await;
    let (jane, joe) = (house.user("jane").await, house.user("joe").await);
    house.enrol(&jane).await;

    for (user, becomes_known) in [(&jane, false), (&joe, true)] {
        recovery::ask(&house.ctx, user.username.as_str(), &origin("10.1.2.3")).await.unwrap();
        let link = mailed_link(&house, LinkKind::PasswordRecovery).await;
        let (new, from) = (password(ANOTHER), origin("10.1.2.3"));
        let place = recovery::recover(&house.ctx, &link, new, &from).await.unwrap();

        assert_eq!(place.is_some(), becomes_known, "{}", user.username);
    }
}

#[tokio::test]
async fn a_recovery_for_an_unknown_name_mails_nothing_and_says_the_same() {
    let house = TestHouse::new().await;

    recovery::ask(&house.ctx, "nobody@example.com", &origin("10.1.2.3")).await.unwrap();

    house.deliver_mail().await;
    assert!(house.arrived().is_empty());
}

#[tokio::test]
async fn a_changed_password_leaves_tokens_alive_unless_the_policy_ties_them() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    let change = |from: &'static str, to: &'static str| {
        let from_where = origin("10.1.2.3");
        let ctx = house.ctx.clone();
        let jane = jane.id;
        async move {
            account::change_password(&ctx, jane, None, password(from), password(to), &from_where)
                .await
        }
    };

    change(PASSWORD, OTHER).await.unwrap();
    assert!(house.log_in(&jane, &format!("{OTHER}{token}")).await.is_ok());
    let tied = Policy { on_password_change: TokensOnPasswordChange::Reset, ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = tied).await.unwrap();
    change(OTHER, ANOTHER).await.unwrap();

    let refused = house.log_in(&jane, &format!("{ANOTHER}{token}")).await.unwrap_err();
    assert!(matches!(refused.refusal, Refusal::TokenRetired(..)));
    let mailed = house.newest_token().await;
    assert!(house.log_in(&jane, &format!("{ANOTHER}{mailed}")).await.is_ok());
}

#[tokio::test]
async fn a_password_is_not_changed_without_the_current_one() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;

    let (wrong, new) = (password(OTHER), password(OTHER));
    let result =
        account::change_password(&house.ctx, jane.id, None, wrong, new, &origin("10.1.2.3")).await;

    assert!(matches!(result, Err(ChangeError::WrongPassword(_))));
}

#[tokio::test]
async fn an_address_changes_when_both_addresses_have_agreed_and_both_hear_of_it() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let new = EmailAddress::parse("jane@new.example").unwrap();
    let from = origin("10.1.2.3");
    account::ask_address_change(&house.ctx, jane.id, password(PASSWORD), new, &from).await.unwrap();
    let old_side = mailed_link(&house, LinkKind::AddressChangeOld).await;
    let new_side = mailed_link(&house, LinkKind::AddressChangeNew).await;

    let first = account::confirm_address(&house.ctx, &new_side).await.unwrap();
    assert_eq!(first, AddressConfirmation::OtherSideMissing);
    let second = account::confirm_address(&house.ctx, &old_side).await.unwrap();

    assert_eq!(second, AddressConfirmation::Changed);
    let view = users::by_id(&house.ctx, jane.id).await.unwrap();
    assert_eq!(view.email.as_str(), "jane@new.example");
    house.deliver_mail().await;
    let told: Vec<String> =
        house.arrived().iter().rev().take(2).map(|letter| letter.to.clone()).collect();
    assert!(told.contains(&"jane@mail.example".to_owned()));
    assert!(told.contains(&"jane@new.example".to_owned()));
}

#[tokio::test]
async fn the_link_in_a_token_mail_freezes_the_tokens_once_until_a_reset() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    let link = mailed_link(&house, LinkKind::FreezeTokens).await;

    owner_freeze::freeze(&house.ctx, &link, &origin("10.1.2.3")).await.unwrap();

    let refused = house.log_in(&jane, &format!("{PASSWORD}{token}")).await.unwrap_err();
    assert!(matches!(refused.refusal, Refusal::TokensFrozen(_)));
    let again = owner_freeze::freeze(&house.ctx, &link, &origin("10.1.2.3")).await;
    assert!(matches!(again, Err(AppError::NotFound("link"))));
    let fresh = house.reset_and_read(&jane).await;
    assert!(house.log_in(&jane, &format!("{PASSWORD}{fresh}")).await.is_ok());
}

#[tokio::test]
async fn a_new_password_ends_every_mailed_way_into_the_account() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let from = origin("10.1.2.3");
    recovery::ask(&house.ctx, jane.username.as_str(), &from).await.unwrap();
    let recovery_link = mailed_link(&house, LinkKind::PasswordRecovery).await;
    let new = EmailAddress::parse("eve@evil.example").unwrap();
    account::ask_address_change(&house.ctx, jane.id, password(PASSWORD), new, &from).await.unwrap();
    let address_link = mailed_link(&house, LinkKind::AddressChangeNew).await;

    let (current, chosen) = (password(PASSWORD), password(OTHER));
    account::change_password(&house.ctx, jane.id, None, current, chosen, &from).await.unwrap();

    let recovered = recovery::recover(&house.ctx, &recovery_link, password(PASSWORD), &from).await;
    assert!(matches!(recovered, Err(AppError::NotFound("link"))));
    let confirmed = account::confirm_address(&house.ctx, &address_link).await;
    assert!(matches!(confirmed, Err(AppError::NotFound("link"))));
}

#[tokio::test]
async fn who_was_frozen_since_his_request_began_changes_nothing() {
    let house = TestHouse::new().await;
    let (root, eve) = (house.user("root").await, house.user("eve").await);
    users::freeze(&house.ctx, Actor::Operator, eve.username.as_str()).await.unwrap();

    let by_frozen = users::freeze(&house.ctx, Actor::User(eve.id), root.username.as_str()).await;
    let by_stranger = users::freeze(&house.ctx, Actor::User(root.id), eve.username.as_str()).await;

    assert!(matches!(by_frozen, Err(AppError::Forbidden(_))));
    assert!(matches!(by_stranger, Err(AppError::Forbidden(_))));
    assert!(users::by_id(&house.ctx, root.id).await.unwrap().frozen_at.is_none());
}

#[tokio::test]
async fn the_last_administrator_who_can_log_in_is_spared() {
    let house = TestHouse::new().await;
    for name in ["root", "second"] {
        let new = users::NewUser {
            username: Username::parse(name).unwrap(),
            email: EmailAddress::parse("root@mail.example").unwrap(),
            name: None,
            profile: None,
            administrator: true,
            password: Some(password(PASSWORD)),
        };
        users::add(&house.ctx, Actor::Operator, Asker::Operator, new).await.unwrap();
    }

    users::freeze(&house.ctx, Actor::Operator, "second").await.unwrap();

    let frozen = users::freeze(&house.ctx, Actor::Operator, "root").await;
    let removed = users::remove(&house.ctx, Actor::Operator, "root").await;
    assert!(matches!(frozen, Err(AppError::Forbidden(_))));
    assert!(matches!(removed, Err(AppError::Forbidden(_))));
}

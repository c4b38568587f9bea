//! "It wasn't me": each mail about something done to an account can freeze it, once.

use symbolon_app::bulk_reset::Asked;
use symbolon_app::links::LinkKind;
use symbolon_app::users::{self, UserView};
use symbolon_app::{
    Actor, AppError, account, bulk_reset, own_sessions, owner_freeze, profiles, reset,
};
use symbolon_core::judge::{FrozenBy, Refusal};
use symbolon_core::letter::LetterKind;
use symbolon_core::names::DeviceType;
use symbolon_core::policy::{Access, Policy, TokensOnPasswordChange};
use symbolon_core::reset::Scope;
use symbolon_core::secret::LinkSecret;

use crate::accounts::mailed_link;
use crate::house::{PASSWORD, TestHouse, origin, password};

const OTHER: &str = "another horse another staple";

#[tokio::test]
async fn the_mail_about_a_new_password_freezes_tokens_and_ends_sessions() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let token = house.reset_and_read(&ada).await;
    let (current, new, from) = (password(PASSWORD), password(OTHER), origin("10.1.2.3"));
    account::change_password(&house.ctx, ada.id, None, current, new, &from).await.unwrap();
    let credential = format!("{OTHER}{token}");
    house.log_in(&ada, &credential).await.unwrap();
    let link = mailed_link(&house, LinkKind::FreezeTokens).await;
    let told = house.arrived().pop().unwrap();

    owner_freeze::freeze(&house.ctx, &link, &from).await.unwrap();
    let again = owner_freeze::freeze(&house.ctx, &link, &from).await;

    assert_eq!(told.subject, "Your Acme password was changed");
    assert!(house.log_in(&ada, &credential).await.is_err());
    assert!(matches!(again, Err(AppError::NotFound("link"))), "it works once");
    assert!(own_sessions::list(&house.ctx, ada.id).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_mail_that_says_so_offers_it_no_more() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    house.reset_and_read(&ada).await;
    let link = mailed_link(&house, LinkKind::FreezeTokens).await;

    owner_freeze::freeze(&house.ctx, &link, &origin("10.1.2.3")).await.unwrap();
    house.deliver_mail().await;

    assert!(!LetterKind::TokensFrozen.offers_freeze());
    assert!(!house.arrived().pop().unwrap().text.contains("/activate/freeze/"));
}

/// The link "It wasn't me" of the last mail with this subject.
async fn link_in(house: &TestHouse, subject: &str) -> LinkSecret {
    house.deliver_mail().await;
    let arrived = house.arrived();
    let mail = arrived.iter().rev().find(|mail| mail.subject == subject);
    let (_, rest) = mail
        .and_then(|mail| mail.text.split_once("/activate/freeze/"))
        .expect("such a mail has arrived, with the link");
    LinkSecret::new(rest.chars().take_while(char::is_ascii_alphanumeric).collect())
}

#[tokio::test]
async fn the_link_in_the_mail_about_a_password_works_also_where_tokens_are_tied_to_it() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let tied = Policy { on_password_change: TokensOnPasswordChange::Reset, ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = tied).await.unwrap();
    let before = house.reset_and_read(&ada).await;
    let earlier = mailed_link(&house, LinkKind::FreezeTokens).await;
    let (current, new, from) = (password(PASSWORD), password(OTHER), origin("10.1.2.3"));
    account::change_password(&house.ctx, ada.id, None, current, new, &from).await.unwrap();
    let token = house.newest_token().await;
    house.log_in(&ada, &format!("{OTHER}{token}")).await.unwrap();
    let link = link_in(&house, "Your Acme password was changed").await;

    let old = owner_freeze::freeze(&house.ctx, &earlier, &from).await;
    owner_freeze::freeze(&house.ctx, &link, &from).await.unwrap();

    assert_ne!(token, before);
    assert!(matches!(old, Err(AppError::NotFound("link"))), "the reset has ended earlier links");
    assert!(house.log_in(&ada, &format!("{OTHER}{token}")).await.is_err());
}

async fn frozen(house: &TestHouse, user: &UserView) -> Option<FrozenBy> {
    let view = users::by_id(&house.ctx, user.id).await.unwrap();
    view.tokens_frozen.map(|freeze| freeze.by)
}

#[tokio::test]
async fn an_administrator_lifts_the_freeze_for_whom_no_page_lets_in_and_the_owner_is_told() {
    let house = TestHouse::new().await;
    let robot = house.user("robot").await;
    let token = house.reset_and_read(&robot).await;
    let api_alone = Policy { access: Access::ApiOnly, ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = api_alone)
        .await
        .unwrap();
    let link = mailed_link(&house, LinkKind::FreezeTokens).await;
    owner_freeze::freeze(&house.ctx, &link, &origin("10.1.2.3")).await.unwrap();
    assert_eq!(frozen(&house, &robot).await, Some(FrozenBy::Owner));
    let lift = || owner_freeze::lift_for(&house.ctx, Actor::Operator, robot.username.as_str());

    lift().await.unwrap();
    house.deliver_mail().await;
    let mails = house.arrived().len();
    lift().await.unwrap();
    house.deliver_mail().await;

    assert_eq!(frozen(&house, &robot).await, None);
    assert!(house.log_in(&robot, &format!("{PASSWORD}{token}")).await.is_ok());
    assert_eq!(house.arrived().len(), mails, "there was nothing left to lift");
    let told = house.arrived().pop().unwrap();
    assert_eq!(told.subject, "Your Acme security tokens are accepted again");
    assert_eq!(told.to, robot.email.as_str());
    assert!(told.text.contains("Lifted by: an administrator"), "{}", told.text);
    let row = house.last_audited(1).await.remove(0);
    let told = (row.action.as_str(), row.details.as_str(), row.actor.as_str());
    assert_eq!(told, ("tokens.unfrozen", "frozen_by=owner", "operator"));
    // Whoever finds that wrong has a link to undo it.
    let link = link_in(&house, "Your Acme security tokens are accepted again").await;
    owner_freeze::freeze(&house.ctx, &link, &origin("10.1.2.3")).await.unwrap();
    let nobody = owner_freeze::lift_for(&house.ctx, Actor::Operator, "nobody").await;
    assert!(matches!(nobody, Err(AppError::NotFound("user"))));
}

#[tokio::test]
async fn the_history_says_who_froze_the_tokens() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let token = house.reset_and_read(&ada).await;
    let link = mailed_link(&house, LinkKind::FreezeTokens).await;
    owner_freeze::freeze(&house.ctx, &link, &origin("10.1.2.3")).await.unwrap();

    let refused = house.log_in(&ada, &format!("{PASSWORD}{token}")).await.unwrap_err();

    assert!(
        matches!(refused.refusal, Refusal::TokensFrozen(freeze) if freeze.by == FrozenBy::Owner)
    );
    let reason = house.last_entry(&ada).await.reason;
    assert!(reason.starts_with("tokens frozen by their owner since "), "{reason}");
}

async fn freeze_of(house: &TestHouse) {
    let link = mailed_link(house, LinkKind::FreezeTokens).await;
    owner_freeze::freeze(&house.ctx, &link, &origin("10.1.2.3")).await.unwrap();
    house.deliver_mail().await;
}

#[tokio::test]
async fn a_reset_by_an_administrator_leaves_the_freeze_and_the_mail_says_so() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let old = house.reset_and_read(&ada).await;
    freeze_of(&house).await;
    let (name, device_type) = (ada.username.as_str(), DeviceType::any());

    // Also one that an administrator makes of his own account without the password.
    for actor in [Actor::Operator, Actor::User(ada.id)] {
        let (device_type, scope) = (device_type.clone(), Scope::Account);
        reset::reset_for(&house.ctx, actor, name, device_type, scope, None).await.unwrap();
    }
    let new = house.newest_token().await;

    assert_eq!(frozen(&house, &ada).await, Some(FrozenBy::Owner));
    let refused = house.log_in(&ada, &format!("{PASSWORD}{new}")).await.unwrap_err();
    assert!(matches!(refused.refusal, Refusal::TokensFrozen(_)));
    let mails = house.arrived();
    let mail = mails.iter().rev().find(|mail| mail.text.contains(&new)).unwrap();
    assert!(mail.text.contains("been frozen since"), "{}", mail.text);
    owner_freeze::lift_for(&house.ctx, Actor::Operator, name).await.unwrap();
    assert!(house.log_in(&ada, &format!("{PASSWORD}{new}")).await.is_ok());
    assert!(house.log_in(&ada, &format!("{PASSWORD}{old}")).await.is_err());
}

#[tokio::test]
async fn a_bulk_reset_leaves_a_freeze_as_it_is() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    house.reset_and_read(&ada).await;
    freeze_of(&house).await;
    let asked = Asked {
        profile: "Standard",
        device_type: DeviceType::any(),
        scope: Scope::Account,
        reason: None,
    };

    let begun = bulk_reset::begin(&house.ctx, Actor::Operator, &asked).await.unwrap().0;
    let stands = bulk_reset::step(&house.ctx, Actor::Operator, begun.id).await.unwrap().0;

    assert_eq!((stands.done, stands.passed_over), (1, 0));
    assert_eq!(frozen(&house, &ada).await, Some(FrozenBy::Owner));
}

#[tokio::test]
async fn a_reset_by_the_owner_lifts_the_freeze_and_says_so() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    house.reset_and_read(&ada).await;
    freeze_of(&house).await;

    let new = house.reset_and_read(&ada).await;

    let rows = house.last_audited(2).await;
    assert_eq!(
        (rows[0].action.as_str(), &*rows[0].details),
        ("tokens.unfrozen", "frozen_by=owner")
    );
    assert_eq!(rows[1].action, "token.reset");
    assert_eq!(frozen(&house, &ada).await, None);
    assert!(house.log_in(&ada, &format!("{PASSWORD}{new}")).await.is_ok());
    let told = house.arrived().into_iter().find(|mail| mail.subject.contains("accepted again"));
    let told = told.expect("the owner is told");
    assert!(told.text.contains("Lifted by: you, with your password"), "{}", told.text);
    assert!(told.text.contains("10.1.2.3"));
}

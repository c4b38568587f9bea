//! The delivery contact: who gets the mail with a token, and who is told so.

use symbolon_app::{Actor, AppError, delivery};
use symbolon_core::names::EmailAddress;

use crate::house::{PASSWORD, TestHouse, origin, password};

fn team() -> EmailAddress {
    EmailAddress::parse("integrations@example.com").unwrap()
}

#[tokio::test]
async fn mail_with_a_token_goes_to_the_delivery_contact_and_all_other_mail_to_the_owner() {
    let house = TestHouse::new().await;
    let robot = house.user("robot").await;
    let (current, from) = (password(PASSWORD), origin("10.1.2.3"));
    delivery::set_own(&house.ctx, robot.id, current, Some(team()), &from).await.unwrap();
    house.deliver_mail().await;
    let told = house.arrived().len();

    house.reset_and_read(&robot).await;

    let arrived = house.arrived();
    let to = |mail: usize| (arrived[mail].to.as_str(), arrived[mail].subject.as_str());
    let moved = "Acme security tokens are delivered elsewhere now";
    assert_eq!(told, 2, "both are told");
    assert!([to(0), to(1)].contains(&(robot.email.as_str(), moved)));
    let begun = "Acme security tokens will be delivered to you";
    assert!([to(0), to(1)].contains(&("integrations@example.com", begun)));
    let token = arrived.iter().find(|mail| mail.text.contains("Security token (case-sensitive)"));
    assert_eq!(token.unwrap().to, "integrations@example.com");
    let notice = arrived[told..].iter().find(|mail| mail.to == robot.email.as_str());
    assert!(!notice.unwrap().text.contains("Security token (case-sensitive)"));
}

#[tokio::test]
async fn an_administrator_sets_and_ends_it_and_the_same_again_is_refused() {
    let house = TestHouse::new().await;
    let robot = house.user("robot").await;
    let set = async |to: Option<EmailAddress>| {
        delivery::set_for(&house.ctx, Actor::Operator, robot.username.as_str(), to).await
    };

    set(Some(team())).await.unwrap();
    assert!(matches!(set(Some(team())).await, Err(AppError::Forbidden(_))));
    set(None).await.unwrap();
    house.reset_and_read(&robot).await;

    let arrived = house.arrived();
    let token = arrived.iter().find(|mail| mail.text.contains("Security token (case-sensitive)"));
    assert_eq!(token.unwrap().to, robot.email.as_str());
    let unknown = delivery::set_for(&house.ctx, Actor::Operator, "nobody", None).await;
    assert!(matches!(unknown, Err(AppError::NotFound("user"))));
    let told = house.last_audited(3).await;
    let told: Vec<_> = told.iter().map(|row| row.details.as_str()).collect();
    assert_eq!(told[..2], ["delivery=integrations@example.com", "delivery="]);
}

#[tokio::test]
async fn a_contact_that_nobody_has_proved_gets_no_link_that_freezes_and_the_owner_does() {
    let house = TestHouse::new().await;
    let robot = house.user("robot").await;
    let set = async |to: Option<&str>| {
        let to = to.map(|to| EmailAddress::parse(to).unwrap());
        let name = robot.username.as_str();
        delivery::set_for(&house.ctx, Actor::Operator, name, to).await.unwrap();
        house.deliver_mail().await;
    };
    let offered = |from: usize| {
        let arrived = house.arrived().split_off(from);
        let mut offered: Vec<(String, bool)> = arrived
            .into_iter()
            .map(|mail| (mail.to, mail.text.contains("/activate/freeze/")))
            .collect();
        offered.sort();
        offered
    };
    let (owner, first, second) = (robot.email.as_str(), "a@example.com", "b@example.com");
    let told = |to: &str, link| (to.to_owned(), link);

    set(Some(first)).await;
    assert_eq!(offered(0), [told(first, false), told(owner, true)]);
    set(Some(second)).await;
    assert_eq!(offered(2), [told(first, true), told(second, false), told(owner, true)]);
    set(None).await;
    assert_eq!(offered(5), [told(second, true), told(owner, true)]);
}

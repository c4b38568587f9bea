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
    assert!([to(0), to(1)].contains(&("integrations@example.com", moved)));
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

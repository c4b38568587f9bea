//! Leaks: what is reported dies at once, its owner learns where it was seen, and nobody else anything.

use symbolon_app::leaks::{self, Issued, SeenToken};
use symbolon_app::tokens::{self, TokenState};
use symbolon_core::judge::{Refusal, RetirementCause};
use symbolon_core::leak::{Reporter, Sighting};
use symbolon_core::session::SessionKind;
use symbolon_core::token::PresentedToken;

use crate::house::{PASSWORD, TestHouse, origin};

const PLACE: &str = "https://git.example/jane/tool/config.yml";

fn seen(token: &str, place: &str) -> SeenToken {
    SeenToken { token: PresentedToken::parse(token).unwrap(), seen: Sighting::sanitised(place) }
}

async fn report(house: &TestHouse, reported: Vec<SeenToken>) -> Vec<Issued> {
    let origin = origin("192.0.2.77");
    leaks::report(&house.ctx, reported, Reporter::Anyone, &origin).await.unwrap()
}

/// A token of another house: the right format, and never issued here.
async fn foreign_token() -> String {
    let elsewhere = TestHouse::new().await;
    // Its chance begins like ours; the second token of it is none of ours.
    let eve = elsewhere.user("eve").await;
    elsewhere.reset_and_read(&eve).await;
    elsewhere.reset_and_read(&eve).await;
    elsewhere.reset_and_read(&eve).await
}

#[tokio::test]
async fn a_reported_token_is_dead_at_once_with_its_sessions() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    let session = house.log_in(&jane, &format!("{PASSWORD}{token}")).await.unwrap();

    let issued = report(&house, vec![seen(&token, PLACE)]).await;

    assert_eq!(issued, [Issued::Ever]);
    let refused = house.log_in(&jane, &format!("{PASSWORD}{token}")).await.unwrap_err();
    assert!(matches!(refused.refusal, Refusal::TokenRetired(_, RetirementCause::Leaked)));
    let found = sessions_of(&house, &session.secret).await;
    assert!(!found);
    let views = tokens::of_user(&house.ctx, jane.id).await.unwrap();
    assert!(views.iter().all(|view| view.state == TokenState::Retired));
}

async fn sessions_of(house: &TestHouse, secret: &symbolon_core::secret::SessionSecret) -> bool {
    symbolon_app::sessions::find(&house.ctx, SessionKind::Api, secret).await.unwrap().is_some()
}

#[tokio::test]
async fn the_owner_learns_where_the_token_was_seen_and_gets_no_link_of_it() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;

    report(&house, vec![seen(&token, &format!("{PLACE}?key={token}"))]).await;

    house.deliver_mail().await;
    let letter = house.arrived().pop().unwrap();
    assert_eq!(letter.subject, "Your Acme security token was leaked and has been ended");
    assert!(letter.text.contains("https[:]//git.example/jane/tool/config.yml"));
    assert!(letter.text.contains("192.0.2.77"));
    assert!(!letter.text.contains(&token));
    let views = leaks::of_user(&house.ctx, jane.id).await.unwrap();
    assert_eq!(views.len(), 1);
    assert!(!views[0].seen.as_str().contains(&token));
}

#[tokio::test]
async fn a_leak_is_audited_by_its_bearer() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;

    report(&house, vec![seen(&token, PLACE)]).await;

    let row = house.last_audited(1).await.remove(0);
    assert_eq!(row.action, "token.leaked");
    assert!(row.actor.starts_with("bearer-of:"));
    assert!(row.details.contains(PLACE));
}

#[tokio::test]
async fn what_is_reported_of_a_retired_token_is_noted_and_no_more() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let old = house.reset_and_read(&jane).await;
    let new = house.reset_and_read(&jane).await;
    house.deliver_mail().await;
    let (mails, revision) = (house.arrived().len(), house.revision().await);

    for _ in 0..3 {
        assert_eq!(report(&house, vec![seen(&old, PLACE)]).await, [Issued::Ever]);
    }

    house.deliver_mail().await;
    assert_eq!(house.arrived().len(), mails);
    assert_eq!(house.revision().await, revision);
    assert_eq!(leaks::of_user(&house.ctx, jane.id).await.unwrap().len(), 1);
    assert!(house.log_in(&jane, &format!("{PASSWORD}{new}")).await.is_ok());
}

#[tokio::test]
async fn sightings_of_one_token_are_bounded() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;

    let places = (0..80).map(|number| seen(&token, &format!("{PLACE}#L{number}")));
    report(&house, places.collect()).await;

    let views = leaks::of_user(&house.ctx, jane.id).await.unwrap();
    assert_eq!(views.len(), 50);
    house.deliver_mail().await;
    let told = house.arrived().iter().filter(|mail| mail.subject.contains("leaked")).count();
    assert_eq!(told, 1);
}

#[tokio::test]
async fn a_token_that_was_never_issued_changes_nothing() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    let foreign = foreign_token().await;
    let revision = house.revision().await;

    let issued = report(&house, vec![seen(&foreign, PLACE)]).await;

    assert_eq!(issued, [Issued::Never]);
    assert_eq!(house.revision().await, revision);
    assert!(house.log_in(&jane, &format!("{PASSWORD}{token}")).await.is_ok());
}

#[tokio::test]
async fn a_report_of_many_ends_each_that_lives() {
    let house = TestHouse::new().await;
    let (jane, joe) = (house.user("jane").await, house.user("joe").await);
    let hers = house.reset_and_read(&jane).await;
    let his = house.reset_and_read(&joe).await;
    let foreign = foreign_token().await;

    let issued = report(&house, vec![seen(&his, ""), seen(&foreign, ""), seen(&hers, "")]).await;

    assert_eq!(issued, [Issued::Ever, Issued::Never, Issued::Ever]);
    for user in [&jane, &joe] {
        let views = tokens::of_user(&house.ctx, user.id).await.unwrap();
        assert!(views.iter().all(|view| view.state == TokenState::Retired));
    }
}

//! What the pages tell of a token around its reset: where it goes, before it is sent; then how it came to be,
//! who has come back with it, and that it is frozen.

use axum::body::Body;
use http::{Method, header};
use symbolon_app::login::{self, ApiLogin, Head};
use symbolon_app::{Actor, Origin, delivery, device_types};
use symbolon_core::device_type::{DeviceRules, Overlap};
use symbolon_core::judge::{FrozenBy, TokenFreeze};
use symbolon_core::names::{ClientName, DeviceType, EmailAddress, Source};
use symbolon_core::secret::Credential;

use crate::administration::Administrator;
use crate::calls::request;
use crate::house::{PASSWORD, PEER, TestHouse};

const OWN: &str = "a•••@m•••.example";
const CONTACT: &str = "o•••@g•••.example";

/// Ada, whose mail with a token goes to the group that looks after her integration.
async fn house_with_contact() -> TestHouse {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let contact = EmailAddress::parse("operations@group.example").unwrap();
    let (actor, name) = (Actor::Operator, "ada@example.com");
    delivery::set_for(&house.ctx, actor, name, Some(contact)).await.unwrap();
    let overlap = |rules: &mut DeviceRules| rules.overlap = Overlap::Allowed;
    device_types::set(&house.ctx, actor, &DeviceType::any(), overlap).await.unwrap();
    house
}

#[tokio::test]
async fn every_page_that_leads_to_a_token_names_the_delivery_contact() {
    let house = house_with_contact().await;
    let ada = house.web_session("ada").await;
    reset(&house).await;
    let root = Administrator::of(&house).await;
    let see = async |path: &str| {
        let request = request(Method::GET, path);
        let request = request.header(header::COOKIE, format!("__Host-symbolon={ada}"));
        house.send(request.body(Body::empty()).unwrap()).await.body
    };
    let cards = see("/setup/tokens").await;
    let (_, rest) = cards.split_once("action=\"/setup/tokens/").unwrap();
    let token = rest.split_once('/').unwrap().0.to_owned();

    for page in [
        see("/setup/reset-security-token").await,
        see("/setup/reset-security-token/confirm").await,
        see(&format!("/setup/tokens/{token}/rotate")).await,
        root.see("/setup/users/ada@example.com/reset-security-token").await.body,
    ] {
        assert!(page.contains(CONTACT), "{page}");
        assert!(!page.contains(OWN), "{page}");
    }
    house.deliver_mail().await;
    let carries_token = |text: &str| text.contains("Security token (case-sensitive): ");
    let mails = house.mails();
    let carriers: Vec<_> = mails.iter().filter(|mail| carries_token(&mail.text)).collect();
    assert!(!carriers.is_empty());
    assert!(carriers.iter().all(|mail| mail.to == "operations@group.example"));
}

#[tokio::test]
async fn without_a_contact_the_users_own_address_is_named() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let root = Administrator::of(&house).await;

    let page = root.see("/setup/users/ada@example.com/reset-security-token").await.body;

    assert!(page.contains(OWN), "{page}");
}

/// A token for Ada; its mail does not go to her.
async fn reset(house: &TestHouse) {
    let (any, scope) = (DeviceType::any(), symbolon_core::reset::Scope::Account);
    let (actor, name) = (Actor::Operator, "ada@example.com");
    symbolon_app::reset::reset_for(&house.ctx, actor, name, any, scope, None).await.unwrap();
}

#[tokio::test]
async fn each_card_tells_how_its_token_came_to_be_and_leads_to_who_has_come_back() {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    house.token("ada").await;
    let cookie = house.web_session("ada").await;
    let see = async |path: &str| {
        let request = request(Method::GET, path);
        let request = request.header(header::COOKIE, format!("__Host-symbolon={cookie}"));
        house.send(request.body(Body::empty()).unwrap()).await
    };
    let token = symbolon_app::tokens::of_user(&house.ctx, ada).await.unwrap()[0].token;
    let receipt = format!("/setup/reset-security-token/receipt/{token}");

    let cards = see("/setup/tokens").await.body;
    let fresh = see(&receipt).await.body;
    house.clock.advance(31 * symbolon_core::policy::DAY);
    let cookie = house.web_session("ada").await;
    symbolon_app::janitor::tidy(&house.ctx).await.unwrap();
    let request = request(Method::GET, &receipt);
    let request = request.header(header::COOKIE, format!("__Host-symbolon={cookie}"));
    let late = house.send(request.body(Body::empty()).unwrap()).await;

    assert!(
        cards.contains("<dt>Came of</dt><dd>a reset by whoever runs this server</dd>"),
        "{cards}"
    );
    assert!(cards.contains(&format!(r#"<a href="{receipt}">Who has come back"#)), "{cards}");
    assert!(fresh.contains("Handed over to the mail server"), "{fresh}");
    assert_eq!(late.status, http::StatusCode::OK);
    assert!(late.body.contains("What became of its mail is no longer known"), "{}", late.body);
    assert!(late.body.contains("Who has come back"));
}

#[tokio::test]
async fn frozen_tokens_are_shown_as_frozen_to_their_owner_and_to_administrators() {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    house.token("ada").await;
    let cookie = house.web_session("ada").await;
    let now = house.ctx.clock.now();
    let mut tx = house.ctx.store.begin().await.unwrap();
    let freeze = TokenFreeze { at: now, by: FrozenBy::Owner };
    symbolon_store::users::freeze_tokens(&mut tx, ada, freeze).await.unwrap();
    tx.commit().await.unwrap();
    let root = Administrator::of(&house).await;
    let request = request(Method::GET, "/setup/tokens");
    let request = request.header(header::COOKIE, format!("__Host-symbolon={cookie}"));

    let own = house.send(request.body(Body::empty()).unwrap()).await.body;
    let all = root.see("/setup/all-tokens?state=frozen").await.body;
    let live = root.see("/setup/all-tokens?state=live").await.body;
    let of_user = root.see("/setup/users/ada@example.com").await.body;

    let rule = "The tokens of this account are frozen.";
    assert!(own.contains(r#"<span class="badge bad">frozen</span>"#), "{own}");
    assert!(own.contains(rule) && own.contains(r#"<h2 id="live">Frozen</h2>"#), "{own}");
    assert!(
        all.contains(r#"<span class="badge bad">frozen</span>"#) && all.contains(rule),
        "{all}"
    );
    assert!(live.contains("There is no such token."), "{live}");
    assert!(of_user.contains(r#"<span class="badge bad">frozen</span>"#), "{of_user}");
}

#[tokio::test]
async fn the_card_of_an_expired_token_tells_who_still_tries_it_and_not_who_used_it_while_it_lived()
{
    let house = TestHouse::open().await;
    house.user("ada").await;
    let token = house.token("ada").await;
    let use_it = async || {
        let login = ApiLogin {
            head: Head::SoapPartner,
            username: "ada@example.com".to_owned(),
            credential: Credential::new(format!("{PASSWORD}{token}")),
            client: None,
            origin: Origin {
                source: Source::new(PEER),
                client: ClientName::sanitised("export"),
                place: None,
            },
        };
        login::log_in_to_api(&house.ctx, login).await.is_ok()
    };
    let cards = async || {
        let cookie = house.web_session("ada").await;
        let request = request(Method::GET, "/setup/tokens");
        let request = request.header(header::COOKIE, format!("__Host-symbolon={cookie}"));
        house.send(request.body(Body::empty()).unwrap()).await.body
    };
    let tried = "Clients that still try it, device type any";

    assert!(use_it().await);
    let live = cards().await;
    house.clock.advance(366 * symbolon_core::policy::DAY);
    let expired = cards().await;
    assert!(!use_it().await);
    let still_tried = cards().await;

    assert!(live.contains("Clients that used it in the last 90 days, device type any"), "{live}");
    assert!(!expired.contains("Clients that"), "{expired}");
    assert!(still_tried.contains(tried) && still_tried.contains("export"), "{still_tried}");
}

//! Without a mail server, which is how a house begins: nobody is asked on the web for what cannot have reached him.

use std::time::Duration;

use symbolon_app::challenges::{Entered, Ways};
use symbolon_app::context::Switch;
use symbolon_app::links::LinkKind;
use symbolon_app::login::challenge::{self, Outcome};
use symbolon_app::login::{Entrance, WebLogin, log_in_to_web};
use symbolon_app::users::UserView;
use symbolon_app::{Actor, device_types, owner_freeze};
use symbolon_core::names::DeviceType;
use symbolon_core::network::LoginRanges;
use symbolon_core::policy::DAY;
use symbolon_core::secret::{Credential, TypedCode};

use crate::accounts::mailed_link;
use crate::house::{PASSWORD, TestHouse, origin, password};

const HERE: &str = "10.1.2.3";

async fn house_without_mail() -> TestHouse {
    TestHouse::with_settings(|settings| settings.mail_configured = Switch::Off).await
}

async fn enter(house: &TestHouse, user: &UserView) -> Entrance {
    let username = user.username.to_string();
    let (password, origin) = (password(PASSWORD), origin(HERE));
    let login = WebLogin { username, password, places: Vec::new(), origin };
    log_in_to_web(&house.ctx, login).await.unwrap()
}

async fn is_asked(house: &TestHouse, user: &UserView) -> bool {
    matches!(enter(house, user).await, Entrance::Challenged(_))
}

#[tokio::test]
async fn a_reset_whose_letter_never_leaves_shuts_nobody_out_of_the_pages() {
    let house = house_without_mail().await;
    let jane = house.user("jane").await;
    house.reset(&jane).await;

    assert!(!is_asked(&house, &jane).await);

    house.wait(Duration::from_millis(1));
    enter(&house, &jane).await;
    assert_eq!(house.last_entry(&jane).await.reason, "password; place not proved: no mail server");
}

#[tokio::test]
async fn a_token_that_arrived_before_is_asked_for_and_lets_in() {
    let house = house_without_mail().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;

    let Entrance::Challenged(secret) = enter(&house, &jane).await else { panic!("she has one") };
    let view = challenge::look(&house.ctx, &secret, &origin(HERE)).await.unwrap().unwrap();
    let code = TypedCode::new(String::new());
    let entered = Entered { code, token: Credential::new(token), password: password("") };
    let outcome = challenge::answer(&house.ctx, &secret, entered, &origin(HERE)).await.unwrap();

    assert!(matches!(view.ways, Ways { token: true, mail: false, .. }), "{:?}", view.ways);
    assert!(matches!(outcome, Outcome::Opened(_)), "{outcome:?}");
}

#[tokio::test]
async fn a_token_is_asked_for_long_after_its_letter_was_forgotten() {
    let house = house_without_mail().await;
    let jane = house.user("jane").await;
    house.reset_and_read(&jane).await;

    house.wait(60 * DAY);
    symbolon_app::janitor::tidy(&house.ctx).await.unwrap();

    assert!(is_asked(&house, &jane).await);
}

#[tokio::test]
async fn a_token_that_is_dead_is_not_asked_for_and_one_that_is_restricted_is() {
    let house = house_without_mail().await;
    let (expired, frozen) = (house.user("expired").await, house.user("frozen").await);
    let elsewhere = house.user("elsewhere").await;
    house.reset_and_read(&elsewhere).await;
    house.reset_and_read(&frozen).await;
    let link = mailed_link(&house, LinkKind::FreezeTokens).await;
    owner_freeze::freeze(&house.ctx, &link, &origin(HERE)).await.unwrap();
    let ranges = LoginRanges::parse("192.0.2.0/24").unwrap();
    let any = DeviceType::any();
    let set = device_types::set(&house.ctx, Actor::Operator, &any, |rules| {
        rules.addresses.clone_from(&ranges);
    });
    set.await.unwrap();
    assert!(is_asked(&house, &frozen).await);
    assert!(is_asked(&house, &elsewhere).await, "it may not be used from here");

    let set = device_types::set(&house.ctx, Actor::Operator, &any, |rules| rules.addresses = None);
    set.await.unwrap();
    house.reset_and_read(&expired).await;
    assert!(is_asked(&house, &expired).await);
    house.wait(365 * DAY);
    assert!(!is_asked(&house, &expired).await);
}

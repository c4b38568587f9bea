//! "It wasn't me": each mail about something done to an account can freeze it, once.

use symbolon_app::links::LinkKind;
use symbolon_app::{AppError, account, own_sessions, owner_freeze};
use symbolon_core::letter::LetterKind;

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

//! A reset that races with another change of the same user (fault point F11): whoever comes second sees
//! what the first has done, and what was answered holds afterwards.

use symbolon_app::account;
use symbolon_app::reset::{Receipt, ResetError};
use symbolon_app::tokens::{self, TokenState};
use symbolon_app::users::{self, UserView};
use symbolon_app::{Actor, trail};
use symbolon_core::judge::Refusal;
use symbolon_core::names::EmailAddress;

use crate::house::{PASSWORD, TestHouse, origin, password};

const OTHER: &str = "amber lagoon thistle 77";
const ROUNDS: usize = 6;

/// A user with a token, and a reset that is under way beside `other`.
async fn race<T>(house: &TestHouse, jane: &UserView, other: impl Future<Output = T>) -> (bool, T) {
    let key = house.ctx.chance.text(32);
    let reset = house.try_reset(jane, PASSWORD, &key);
    let (reset, other): (Result<Receipt, ResetError>, T) = tokio::join!(reset, other);
    (reset.is_ok(), other)
}

async fn live_tokens(house: &TestHouse, jane: &UserView) -> usize {
    let views = tokens::of_user(&house.ctx, jane.id).await.unwrap();
    views.iter().filter(|view| view.state == TokenState::Live).count()
}

async fn whole(house: &TestHouse) {
    assert!(trail::verify(&house.ctx).await.unwrap().is_ok());
}

#[tokio::test]
async fn a_reset_beside_a_freeze_leaves_nothing_that_logs_in() {
    for round in 0..ROUNDS {
        let house = TestHouse::new().await;
        let jane = house.user(&format!("jane{round}")).await;
        let old = house.reset_and_read(&jane).await;

        let freeze = users::freeze(&house.ctx, Actor::Operator, jane.username.as_str());
        let (_, frozen) = race(&house, &jane, freeze).await;

        frozen.unwrap();
        let newest = house.newest_token().await;
        for token in [old, newest] {
            let refused = house.log_in(&jane, &format!("{PASSWORD}{token}")).await.unwrap_err();
            assert!(matches!(refused.refusal, Refusal::Frozen(_)));
        }
        whole(&house).await;
    }
}

#[tokio::test]
async fn a_reset_beside_a_removal_leaves_no_live_token() {
    for round in 0..ROUNDS {
        let house = TestHouse::new().await;
        let jane = house.user(&format!("jane{round}")).await;
        house.reset_and_read(&jane).await;

        let removal = users::remove(&house.ctx, Actor::Operator, jane.username.as_str());
        let (_, removed) = race(&house, &jane, removal).await;

        removed.unwrap();
        assert_eq!(live_tokens(&house, &jane).await, 0);
        whole(&house).await;
    }
}

#[tokio::test]
async fn a_reset_beside_a_revocation_of_the_old_token_leaves_the_new_one_alone() {
    for round in 0..ROUNDS {
        let house = TestHouse::new().await;
        let jane = house.user(&format!("jane{round}")).await;
        let receipt = house.reset(&jane).await;

        let revocation = tokens::revoke(&house.ctx, Actor::Operator, receipt.token);
        let (was_reset, _) = race(&house, &jane, revocation).await;

        assert!(was_reset);
        assert_eq!(live_tokens(&house, &jane).await, 1);
        let newest = house.newest_token().await;
        assert!(house.log_in(&jane, &format!("{PASSWORD}{newest}")).await.is_ok());
        whole(&house).await;
    }
}

#[tokio::test]
async fn a_reset_beside_a_change_of_the_password_is_made_with_the_one_that_holds() {
    for round in 0..ROUNDS {
        let house = TestHouse::new().await;
        let jane = house.user(&format!("jane{round}")).await;
        house.reset_and_read(&jane).await;

        let from = origin("10.1.2.3");
        let (current, new) = (password(PASSWORD), password(OTHER));
        let change = account::change_password(&house.ctx, jane.id, None, current, new, &from);
        let (_, changed) = race(&house, &jane, change).await;

        let holds = if changed.is_ok() { OTHER } else { PASSWORD };
        assert_eq!(live_tokens(&house, &jane).await, 1);
        let newest = house.newest_token().await;
        assert!(house.log_in(&jane, &format!("{holds}{newest}")).await.is_ok());
        whole(&house).await;
    }
}

#[tokio::test]
async fn a_reset_beside_a_change_of_the_address_mails_to_the_one_that_holds() {
    for round in 0..ROUNDS {
        let house = TestHouse::new().await;
        let jane = house.user(&format!("jane{round}")).await;
        let new = EmailAddress::parse("jane@new.example").unwrap();

        let from = origin("10.1.2.3");
        let asked =
            account::ask_address_change(&house.ctx, jane.id, password(PASSWORD), new, &from);
        let (was_reset, _) = race(&house, &jane, asked).await;

        assert!(was_reset);
        house.deliver_mail().await;
        let token_mail =
            house.arrived().into_iter().find(|letter| letter.subject.starts_with("Your new"));
        assert_eq!(token_mail.unwrap().to, jane.email.to_string());
        whole(&house).await;
    }
}

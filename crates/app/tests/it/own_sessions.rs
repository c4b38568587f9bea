//! A user's sessions: seen, and ended by their owner and by administrators.

use symbolon_app::sessions;
use symbolon_app::{Actor, AppError, live, own_sessions};
use symbolon_core::session::SessionKind;

use crate::house::{PASSWORD, TestHouse};

#[tokio::test]
async fn an_owner_sees_the_sessions_that_live_and_ends_one_of_them() {
    let house = TestHouse::new().await;
    live::bring_up_to_date(&house.ctx).await.unwrap();
    let ada = house.user("ada").await;
    let credential = format!("{PASSWORD}{}", house.reset_and_read(&ada).await);
    let first = house.log_in(&ada, &credential).await.unwrap();
    let second = house.log_in(&ada, &credential).await.unwrap();

    own_sessions::end(&house.ctx, ada.id, first.session).await.unwrap();

    let left = own_sessions::list(&house.ctx, ada.id).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].session, second.session);
    assert_eq!(left[0].device_type.as_deref(), Some("any"));
    let dead = sessions::find(&house.ctx, SessionKind::Api, &first.secret).await.unwrap();
    assert!(dead.is_none());
}

#[tokio::test]
async fn nobody_ends_the_session_of_another() {
    let house = TestHouse::new().await;
    let (ada, eve) = (house.user("ada").await, house.user("eve").await);
    let credential = format!("{PASSWORD}{}", house.reset_and_read(&ada).await);
    let session = house.log_in(&ada, &credential).await.unwrap();

    let ended = own_sessions::end(&house.ctx, eve.id, session.session).await;

    assert!(matches!(ended, Err(AppError::NotFound(_))));
    assert_eq!(own_sessions::list(&house.ctx, ada.id).await.unwrap().len(), 1);
    assert!(own_sessions::list(&house.ctx, eve.id).await.unwrap().is_empty());
}

#[tokio::test]
async fn all_others_end_at_once_and_the_asking_one_stays() {
    let house = TestHouse::new().await;
    live::bring_up_to_date(&house.ctx).await.unwrap();
    let ada = house.user("ada").await;
    let credential = format!("{PASSWORD}{}", house.reset_and_read(&ada).await);
    let kept = house.log_in(&ada, &credential).await.unwrap();
    house.log_in(&ada, &credential).await.unwrap();
    house.log_in(&ada, &credential).await.unwrap();

    let ended = own_sessions::end_others(&house.ctx, ada.id, kept.session).await.unwrap();

    assert_eq!(ended, 2);
    let left = own_sessions::list(&house.ctx, ada.id).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].session, kept.session);
}

#[tokio::test]
async fn an_administrator_ends_one_session_of_a_user_or_all_without_a_freeze() {
    let house = TestHouse::new().await;
    live::bring_up_to_date(&house.ctx).await.unwrap();
    let (ada, eve) = (house.user("ada").await, house.user("eve").await);
    let credential = format!("{PASSWORD}{}", house.reset_and_read(&ada).await);
    let log_in = async || house.log_in(&ada, &credential).await.unwrap().session;
    let (first, second, _third) = (log_in().await, log_in().await, log_in().await);
    let (ctx, operator) = (&house.ctx, Actor::Operator);
    let left = async || own_sessions::list(ctx, ada.id).await.unwrap().len();

    own_sessions::end_for(ctx, operator, ada.username.as_str(), first).await.unwrap();
    let after_one = left().await;
    let of_another = own_sessions::end_for(ctx, operator, eve.username.as_str(), second).await;
    let ended = own_sessions::end_all_for(ctx, operator, ada.username.as_str()).await.unwrap();

    assert_eq!((after_one, ended, left().await), (2, 2, 0));
    assert!(matches!(of_another, Err(AppError::NotFound("session"))));
    let audited = house.last_audited(2).await;
    assert_eq!(audited[0].action, "session.ended");
    assert_eq!(audited[1].action, "sessions.ended");
    assert!(house.log_in(&ada, &credential).await.is_ok(), "nobody is frozen");
}

//! Logins: who is let in, what the owner's history says, and how guessing is stopped.

use std::collections::HashSet;
use std::mem::discriminant;
use std::task::{Context, Waker};
use std::time::Duration;

use symbolon_app::context::Switch;
use symbolon_app::login::{Head, WebLogin, log_in_to_web, refuse_unread};
use symbolon_app::{Actor, history, networks, profiles, sessions, users};
use symbolon_core::judge::Refusal;
use symbolon_core::network::Network;
use symbolon_core::policy::{Duty, Policy, SourcePolicy};
use symbolon_core::session::SessionKind;

use crate::house::{PASSWORD, TestHouse, origin, password};

#[tokio::test]
async fn a_missing_token_is_refused_outside_and_not_asked_for_in_a_trusted_network() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let range = Network::parse("10.9.0.0/16").unwrap();
    networks::add(&house.ctx, Actor::Operator, range, None).await.unwrap();

    let outside = house.log_in_from(jane.username.as_str(), PASSWORD, "10.1.2.3").await;
    let inside = house.log_in_from(jane.username.as_str(), PASSWORD, "10.9.2.3").await;

    assert_eq!(outside.unwrap_err().refusal, Refusal::TokenMissing);
    assert!(inside.is_ok());
}

#[tokio::test]
async fn the_history_tells_the_owner_when_and_by_what_a_token_was_retired() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let first = house.reset_and_read(&jane).await;
    house.reset(&jane).await;

    let refused = house.log_in(&jane, &format!("{PASSWORD}{first}")).await.unwrap_err();

    let entry = house.last_entry(&jane).await;
    assert_eq!(entry.reason, "token retired 2026-11-23T07:00:00Z by reset");
    assert_eq!(entry.correlation_id, refused.correlation_id.to_string());
    assert_eq!((entry.source.as_str(), entry.client.as_str()), ("10.1.2.3", "jsforce/3.10"));
}

#[tokio::test]
async fn a_retired_token_never_locks_its_owner_out_and_warns_once_a_day_for_each_source() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let old = house.reset_and_read(&jane).await;
    let new = house.reset_and_read(&jane).await;
    let warnings = || house.arrived().iter().filter(|m| m.text.contains("retired")).count();
    let before = warnings();

    for _ in 0..15 {
        house.log_in(&jane, &format!("{PASSWORD}{old}")).await.unwrap_err();
    }
    house.deliver_mail().await;
    assert_eq!(warnings() - before, 1);

    house
        .log_in_from(jane.username.as_str(), &format!("{PASSWORD}{old}"), "10.7.7.7")
        .await
        .unwrap_err();
    house.wait(Duration::from_hours(24));
    house.log_in(&jane, &format!("{PASSWORD}{old}")).await.unwrap_err();
    house.deliver_mail().await;

    assert_eq!(warnings() - before, 3);
    assert!(house.log_in(&jane, &format!("{PASSWORD}{new}")).await.is_ok());
}

#[tokio::test]
async fn parallel_guesses_are_evaluated_no_more_often_than_the_limit() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let guesses = (0..30).map(|guess| {
        let (house, jane) = (&house, &jane);
        async move {
            house.log_in(jane, &format!("a wrong password {guess}")).await.unwrap_err().refusal
        }
    });

    let mut evaluated = 0;
    for refusal in futures(guesses).await {
        evaluated += u32::from(refusal == Refusal::WrongPassword);
    }

    assert_eq!(evaluated, 10);
}

async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = all.map(|future| Box::pin(future)).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        pending.retain_mut(|future| match future.as_mut().poll(cx) {
            std::task::Poll::Ready(output) => {
                done.push(output);
                false
            }
            std::task::Poll::Pending => true,
        });
        if pending.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

#[tokio::test]
async fn one_address_cannot_try_many_names() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;

    for n in 0..10 {
        house
            .log_in_from(&format!("name{n}@example.com"), "whatever it is", "10.6.6.6")
            .await
            .unwrap_err();
    }

    let credential = format!("{PASSWORD}{token}");
    let name = jane.username.as_str();
    let refused = house.log_in_from(name, &credential, "10.6.6.6").await.unwrap_err();
    assert_eq!(refused.refusal, Refusal::SourceLockedOut);
    assert!(house.log_in_from(name, &credential, "10.6.6.7").await.is_ok());
    house.wait(Duration::from_mins(16));
    assert!(house.log_in_from(name, &credential, "10.6.6.6").await.is_ok());
}

#[tokio::test]
async fn a_burst_of_names_from_one_address_is_evaluated_no_more_often_than_the_limit() {
    let house = TestHouse::new().await;
    let guesses = (0..60).map(|guess| {
        let house = &house;
        async move {
            let name = format!("name{guess}@example.com");
            house.log_in_from(&name, "whatever it is", "10.6.6.6").await.unwrap_err().refusal
        }
    });

    let mut evaluated = 0;
    for refusal in futures(guesses).await {
        evaluated += u32::from(refusal == Refusal::UnknownUser);
    }

    // The house hashes on two threads: one more may be under way when the limit is reached.
    assert!((10..=11).contains(&evaluated), "{evaluated} were evaluated");
}

#[tokio::test]
async fn who_hangs_up_while_his_guess_is_hashed_has_guessed_all_the_same() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;

    let hashed = house.ctx.hasher.asked_for();
    let mut guess = Box::pin(house.log_in(&jane, "a wrong guess"));
    while house.ctx.hasher.asked_for() == hashed {
        assert!(guess.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        tokio::task::yield_now().await;
    }
    drop(guess);

    let counted = async {
        while history::list(&house.ctx, Some(jane.id), 1, None).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_mins(1), counted).await.is_ok());
}

#[tokio::test]
async fn a_lockout_ends_after_a_quarter_of_an_hour_and_its_owner_hears_of_it_once() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    for _ in 0..12 {
        house.log_in(&jane, "a wrong password").await.unwrap_err();
    }

    house.wait(Duration::from_mins(15));

    assert!(house.log_in(&jane, &format!("{PASSWORD}{token}")).await.is_ok());
    house.deliver_mail().await;
    let told = house.arrived().iter().filter(|m| m.subject.contains("locked")).count();
    assert_eq!(told, 1);
}

#[tokio::test]
async fn a_freeze_ends_sessions_and_refuses_logins_until_it_is_lifted() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let credential = format!("{PASSWORD}{}", house.reset_and_read(&jane).await);
    let session = house.log_in(&jane, &credential).await.unwrap();

    users::freeze(&house.ctx, Actor::Operator, jane.username.as_str()).await.unwrap();

    let found = sessions::find(&house.ctx, SessionKind::Api, &session.secret).await.unwrap();
    assert!(found.is_none());
    let refused = house.log_in(&jane, &credential).await.unwrap_err();
    assert!(matches!(refused.refusal, Refusal::Frozen(_)));
    users::unfreeze(&house.ctx, Actor::Operator, jane.username.as_str()).await.unwrap();
    assert!(house.log_in(&jane, &credential).await.is_ok());
}

#[tokio::test]
async fn a_session_ends_after_two_idle_hours_and_lives_on_while_it_is_used() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let credential = format!("{PASSWORD}{}", house.reset_and_read(&jane).await);
    let session = house.log_in(&jane, &credential).await.unwrap();
    let find = || sessions::find(&house.ctx, SessionKind::Api, &session.secret);

    house.wait(Duration::from_mins(119));
    assert!(find().await.unwrap().is_some());
    house.wait(Duration::from_mins(119));
    assert!(find().await.unwrap().is_some());
    house.wait(Duration::from_hours(2));

    assert!(find().await.unwrap().is_none());
}

#[tokio::test]
async fn a_login_that_cannot_be_read_is_in_the_history_and_counts_for_nothing() {
    let house = TestHouse::with_settings(|settings| settings.password_grant = Switch::Off).await;
    let jane = house.user("jane").await;
    let (name, from) = (Some(jane.username.as_str()), origin("10.1.2.3"));

    refuse_unread(&house.ctx, Head::OAuthPassword, name, Refusal::SwitchedOff, &from)
        .await
        .unwrap();

    let entry = house.last_entry(&jane).await;
    assert_eq!(entry.head, "oauth-password");
    assert_eq!(entry.reason, "this way of logging in is switched off");
}

#[tokio::test]
async fn a_removed_user_is_unknown_and_the_name_is_free_again() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let credential = format!("{PASSWORD}{}", house.reset_and_read(&jane).await);

    users::remove(&house.ctx, Actor::Operator, jane.username.as_str()).await.unwrap();

    let refused = house.log_in(&jane, &credential).await.unwrap_err();
    assert_eq!(refused.refusal, Refusal::UnknownUser);
    let again = house.user("jane").await;
    let refused = house.log_in(&again, &credential).await.unwrap_err();
    assert_eq!(refused.refusal, Refusal::TokenOfAnotherUser);
}

#[tokio::test]
async fn every_refusal_costs_the_same_one_hash_whoever_is_refused() {
    let house = TestHouse::new().await;
    let (jane, ada, eve) =
        (house.user("jane").await, house.user("ada").await, house.user("eve").await);
    users::freeze(&house.ctx, Actor::Operator, ada.username.as_str()).await.unwrap();
    for _ in 0..10 {
        house.log_in(&eve, "a guess").await.unwrap_err();
    }
    let token = house.reset_and_read(&jane).await;
    house.reset(&jane).await;
    let mut costs = Vec::new();

    for (username, credential) in [
        ("nobody@example.com", "a guess".to_owned()),
        ("not a username at all", "a guess".to_owned()),
        (jane.username.as_str(), "a guess".to_owned()),
        (jane.username.as_str(), PASSWORD.to_owned()),
        (jane.username.as_str(), format!("{PASSWORD}{token}")),
        (ada.username.as_str(), PASSWORD.to_owned()),
        (eve.username.as_str(), PASSWORD.to_owned()),
    ] {
        let before = house.ctx.hasher.asked_for();
        let refused = house.log_in_from(username, &credential, "10.1.2.3").await.unwrap_err();
        costs.push((refused.refusal, house.ctx.hasher.asked_for() - before));
    }

    assert!(costs.iter().all(|(_, hashes)| *hashes == 1), "{costs:?}");
}

#[tokio::test]
async fn on_the_web_too_every_refusal_costs_one_hash() {
    let house = TestHouse::new().await;
    let (jane, ada, eve) =
        (house.user("jane").await, house.user("ada").await, house.user("eve").await);
    users::freeze(&house.ctx, Actor::Operator, ada.username.as_str()).await.unwrap();
    for _ in 0..10 {
        house.log_in(&eve, "a guess").await.unwrap_err();
    }
    let mut costs = Vec::new();

    for (username, typed) in [
        ("nobody@example.com", "a guess"),
        ("not a username at all", "a guess"),
        (jane.username.as_str(), "a guess"),
        (jane.username.as_str(), PASSWORD),
        (ada.username.as_str(), PASSWORD),
        (eve.username.as_str(), PASSWORD),
    ] {
        let before = house.ctx.hasher.asked_for();
        let login = WebLogin {
            username: username.to_owned(),
            password: password(typed),
            places: Vec::new(),
            origin: origin("10.1.2.3"),
        };
        let outcome = log_in_to_web(&house.ctx, login).await.map(drop);
        costs.push((outcome, house.ctx.hasher.asked_for() - before));
    }

    assert!(costs.iter().all(|(_, hashes)| *hashes == 1), "{costs:?}");
}

#[tokio::test]
async fn under_the_duty_of_a_code_too_every_refusal_costs_one_hash() {
    let house = TestHouse::new().await;
    let (jane, ada) = (house.user("jane").await, house.user("ada").await);
    let token = house.reset_and_read(&jane).await;
    house.enrol(&jane).await;
    let grace = Duration::ZERO;
    let policy = Policy { duty: Duty::WebAndApi, enrol_grace: grace, ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = policy).await.unwrap();
    let mut costs = Vec::new();

    for (user, credential) in [
        (&jane, PASSWORD.to_owned()),
        (&jane, format!("{PASSWORD}000000")),
        (&jane, "a guess".to_owned()),
        (&jane, "a guess000000".to_owned()),
        (&jane, format!("{PASSWORD}{token}")),
        (&ada, PASSWORD.to_owned()),
        (&ada, format!("{PASSWORD}000000")),
    ] {
        let before = house.ctx.hasher.asked_for();
        let refused = house.log_in(user, &credential).await.unwrap_err();
        costs.push((refused.refusal, house.ctx.hasher.asked_for() - before));
    }

    assert!(costs.iter().all(|(_, hashes)| *hashes == 1), "{costs:?}");
    let told: HashSet<_> = costs.iter().map(|(refusal, _)| discriminant(refusal)).collect();
    assert_eq!(told.len(), 5, "each for another reason: {costs:?}");
}

#[tokio::test]
async fn who_fills_the_history_from_all_addresses_of_one_network_is_written_down_thirty_times() {
    let house = TestHouse::new().await;
    for number in 1..=40 {
        let from = origin(&format!("2001:db8:1:2::{number}"));
        let head = Head::SoapPartner;
        refuse_unread(&house.ctx, head, None, Refusal::Malformed, &from).await.unwrap();
    }

    let other = origin("2001:db8:1:3::1");
    refuse_unread(&house.ctx, Head::SoapPartner, None, Refusal::Malformed, &other).await.unwrap();

    let written = history::list(&house.ctx, None, 100, None).await.unwrap();
    assert_eq!(written.len(), 31);
}

#[tokio::test]
async fn failures_that_come_slowly_lock_no_address() {
    let sources = SourcePolicy { failures: 3, ..SourcePolicy::default() };
    let house = TestHouse::with_settings(|settings| settings.source_policy = sources).await;
    let name = "nobody@example.com";
    let refused =
        async || house.log_in_from(name, "whatever it is", "10.6.6.6").await.unwrap_err().refusal;

    // Never more than two within the quarter of an hour, and none further from the next than that.
    for _ in 0..6 {
        assert_eq!(refused().await, Refusal::UnknownUser);
        house.wait(Duration::from_mins(8));
    }
    let _ = refused().await;
    let _ = refused().await;

    assert_eq!(refused().await, Refusal::SourceLockedOut, "three within it do");
}

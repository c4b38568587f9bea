//! The line before the hashing threads, as use cases meet it.

use std::time::Duration;

use symbolon_app::account::{self, ChangeError};
use symbolon_app::hashing::{Asker, Place};
use symbolon_app::login::{self, LoginError, WebLogin};
use symbolon_app::reset::ResetError;
use symbolon_app::users::{self, UserView};
use symbolon_app::{Actor, AppError, history, recovery};
use symbolon_core::judge::Refusal;
use symbolon_core::secret::LinkSecret;

use crate::house::{PASSWORD, TestHouse, origin, password};

const FLOOD: &str = "10.6.6.6";
const OTHER: &str = "10.1.2.3";

/// Takes every place that `asker` can get.
fn fill(house: &TestHouse, asker: Asker) -> Vec<Place> {
    std::iter::from_fn(|| house.ctx.hasher.line_up(asker).ok()).collect()
}

async fn log_in(house: &TestHouse, user: &UserView, source: &str) -> Result<(), LoginError> {
    let login = WebLogin {
        places: Vec::new(),
        username: user.username.to_string(),
        password: password(PASSWORD),
        origin: origin(source),
    };
    login::log_in_to_web(&house.ctx, login).await.map(drop)
}

fn is_turned_away(error: &AppError) -> bool {
    matches!(error, AppError::TooMany { retry_after } if *retry_after >= Duration::from_secs(1))
}

#[tokio::test]
async fn a_log_in_beyond_the_share_of_its_address_is_turned_away_and_others_are_served() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let flood = fill(&house, Asker::from(&origin(FLOOD)));

    let turned_away = log_in(&house, &jane, FLOOD).await;
    let served = log_in(&house, &jane, OTHER).await;
    drop(flood);
    let again = log_in(&house, &jane, FLOOD).await;

    assert!(matches!(turned_away, Err(LoginError::App(error)) if is_turned_away(&error)));
    assert!(served.is_ok());
    assert!(again.is_ok());
    let rows = history::list(&house.ctx, Some(jane.id), 10, None).await.unwrap();
    assert_eq!(rows.len(), 2, "whoever is turned away has not tried");
}

#[tokio::test]
async fn guesses_that_wait_for_each_other_at_one_name_count_against_the_share() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let gate = house.ctx.turnstile.pass(&jane.username.key()).await;
    let mut flood = fill(&house, Asker::from(&origin(FLOOD)));
    flood.truncate(flood.len() - 1);

    let mut first = Box::pin(log_in(&house, &jane, FLOOD));
    let mut second = Box::pin(log_in(&house, &jane, FLOOD));
    // The first waits at the turnstile with the last place of its address; the second finds none.
    let second = async {
        tokio::select! {
            biased;
            _ = &mut first => unreachable!("the gate is shut"),
            second = &mut second => second,
        }
    };
    let second = tokio::time::timeout(Duration::from_mins(1), second).await;
    drop(gate);

    let second = second.expect("the second waits for nothing");
    assert!(matches!(second, Err(LoginError::App(error)) if is_turned_away(&error)));
    assert!(first.await.is_ok());
}

#[tokio::test]
async fn whatever_hashes_a_password_has_the_share_of_its_address() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let from = origin(OTHER);
    let _flood = fill(&house, Asker::from(&from));

    let change = account::change_password(
        &house.ctx,
        jane.id,
        None,
        password(PASSWORD),
        password("amber lagoon thistle 77"),
        &from,
    );
    let changed = change.await;
    let reset = house.try_reset(&jane, PASSWORD, "a key of a request").await;
    let nobodys = LinkSecret::new("nobody was sent this".to_owned());
    let recovered =
        recovery::recover(&house.ctx, &nobodys, password("amber lagoon thistle 77"), &from).await;
    let name = jane.username.as_str();
    let set = |asker| {
        let another = password("copper window parsley 12");
        users::set_password(&house.ctx, Actor::Operator, asker, name, another)
    };

    assert!(matches!(changed, Err(ChangeError::App(error)) if is_turned_away(&error)));
    assert!(matches!(reset, Err(ResetError::App(error)) if is_turned_away(&error)));
    assert!(matches!(recovered, Err(AppError::NotFound(_))), "a dead link takes no place");
    assert!(is_turned_away(&set(Asker::from(&from)).await.unwrap_err()));
    assert!(set(Asker::Operator).await.is_ok());
}

#[tokio::test]
async fn a_full_line_turns_everybody_away_until_it_moves() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let mut line = fill(&house, Asker::Operator);

    let turned_away = log_in(&house, &jane, OTHER).await;
    line.pop();
    let served = log_in(&house, &jane, OTHER).await;

    assert!(matches!(turned_away, Err(LoginError::App(error)) if is_turned_away(&error)));
    assert!(served.is_ok());
    assert_eq!(house.ctx.hasher.turned_away().line_full, 2, "the fill itself met the end once");
}

#[tokio::test]
async fn a_burst_of_guesses_is_evaluated_or_turned_away_and_never_more_often_than_the_limit() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let mut flood = fill(&house, Asker::from(&origin(FLOOD)));
    flood.truncate(flood.len() - 40);

    let mut guesses = tokio::task::JoinSet::new();
    for guess in 0..60 {
        let (ctx, username) = (house.ctx.clone(), jane.username.to_string());
        let password = password(&format!("a wrong password {guess}"));
        let places = Vec::new();
        let login = WebLogin { username, password, places, origin: origin(FLOOD) };
        guesses.spawn(async move { login::log_in_to_web(&ctx, login).await });
    }
    let (mut evaluated, mut locked_out, mut turned_away) = (0, 0, 0);
    while let Some(outcome) = guesses.join_next().await {
        match outcome.unwrap().unwrap_err() {
            LoginError::Refused(refused) if refused.refusal == Refusal::WrongPassword => {
                evaluated += 1;
            }
            LoginError::Refused(_) => locked_out += 1,
            LoginError::App(error) => {
                assert!(is_turned_away(&error), "{error}");
                turned_away += 1;
            }
        }
    }

    assert_eq!(evaluated, 10);
    assert_eq!(evaluated + locked_out + turned_away, 60);
    assert!(turned_away > 0);
}

//! Passkeys: registered once, proved by their device alone, and a whole login.

use std::time::Duration;

use symbolon_app::passkeys::login::{self, Entrance};
use symbolon_app::passkeys::registration::{self, Registered};
use symbolon_app::passkeys::{self, PasskeyFault, Question};
use symbolon_app::second_factors::Gains;
use symbolon_app::second_factors::enrolment::Owner;
use symbolon_app::second_factors::removal::remove_all_of;
use symbolon_app::users::{self, UserView};
use symbolon_app::{Actor, AppError, Ctx};
use symbolon_app::{places, sessions};
use symbolon_core::id::Id;
use symbolon_core::names::DisplayName;
use symbolon_core::secret::PlaceSecret;
use symbolon_core::session::SessionKind;

use crate::house::{PASSWORD, TestHouse, origin};
use crate::passkey_device::Device;

const BROWSER: &str = "what this browser holds";
const HERE: &str = "10.1.2.3";

fn named(text: &str) -> DisplayName {
    DisplayName::parse(text).unwrap()
}

async fn finish(ctx: &Ctx, owner: Owner, asked: &Question, answer: &str) -> Registered {
    let (name, label) = (&asked.name, named("Laptop"));
    registration::finish(ctx, owner, name, label, answer, &origin(HERE)).await.unwrap()
}

pub(crate) async fn register(house: &TestHouse, user: &UserView, device: &mut Device) {
    let owner = house.desk(user).await;
    let asked = registration::begin(&house.ctx, owner).await.unwrap();
    let answer = device.make(&asked.options);
    let made = finish(&house.ctx, owner, &asked, &answer).await;
    assert!(matches!(made, Registered::Done(_)), "{made:?}");
}

async fn log_in(house: &TestHouse, asked: &Question, answer: &str) -> Entrance {
    // Entries of the history have an order then.
    house.wait(Duration::from_millis(1));
    login::log_in(&house.ctx, BROWSER, &asked.name, answer, Vec::new(), &origin(HERE))
        .await
        .unwrap()
}

/// Logs in with an answer of `device`.
async fn log_in_with(house: &TestHouse, device: &mut Device) -> Entrance {
    let asked = login::begin_login(&house.ctx, BROWSER).unwrap();
    let answer = device.prove(&asked.options);
    log_in(house, &asked, &answer).await
}

#[track_caller]
fn fault_of(entrance: &Entrance) -> PasskeyFault {
    match entrance {
        Entrance::NotTaken(fault) => *fault,
        Entrance::Opened(_) | Entrance::Refused(_) => panic!("taken: {entrance:?}"),
    }
}

#[tokio::test]
async fn a_passkey_alone_opens_a_session_and_history_says_so() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let mut device = Device::new(1);
    register(&house, &ada, &mut device).await;

    let entrance = log_in_with(&house, &mut device).await;

    let Entrance::Opened(opened) = entrance else { panic!("not let in: {entrance:?}") };
    assert_eq!(opened.user, ada.id);
    let session = sessions::find(&house.ctx, SessionKind::Web, &opened.secret).await.unwrap();
    let session = session.expect("it lives");
    assert_eq!(session.proved_at, Some(house.ctx.clock.now()));
    let entry = house.last_entry(&ada).await;
    assert_eq!((entry.outcome.as_str(), entry.reason.as_str()), ("admitted", "passkey"));
    let listed = passkeys::list(&house.ctx, ada.id).await.unwrap();
    assert_eq!(listed[0].last_used_at, Some(house.ctx.clock.now()));
}

#[tokio::test]
async fn what_is_asked_of_a_device_is_a_key_it_finds_and_a_user_it_verifies() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    register(&house, &ada, &mut Device::new(1)).await;

    let made = registration::begin(&house.ctx, house.desk(&ada).await).await.unwrap().options;
    let held = login::begin_login(&house.ctx, BROWSER).unwrap().options;

    assert!(made.contains(r#""residentKey":"required""#), "{made}");
    assert!(made.contains(r#""userVerification":"required""#), "{made}");
    assert!(made.contains(r#""id":"symbolon.example""#), "{made}");
    assert!(made.contains("excludeCredentials"), "{made}");
    assert!(held.contains(r#""userVerification":"required""#), "{held}");
    assert!(held.contains(r#""rpId":"symbolon.example""#), "{held}");
}

#[tokio::test]
async fn the_first_passkey_brings_recovery_codes_a_letter_and_an_audit_row() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let owner = house.desk(&ada).await;
    let asked = registration::begin(&house.ctx, owner).await.unwrap();
    let answer = Device::new(1).make(&asked.options);

    let first = finish(&house.ctx, owner, &asked, &answer).await;

    assert!(matches!(first, Registered::Done(Gains { codes: Some(_), .. })), "{first:?}");
    house.deliver_mail().await;
    let letter = house.arrived().pop().expect("a letter");
    assert!(letter.text.contains("passkey"), "{}", letter.text);
    let trail = house.last_audited(2).await;
    assert!(trail.iter().any(|row| row.action == "second-factor.added"), "{trail:?}");
}

#[tokio::test]
async fn an_answer_is_taken_once() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let owner = house.desk(&ada).await;
    let mut device = Device::new(1);
    let asked = registration::begin(&house.ctx, owner).await.unwrap();
    let answer = device.make(&asked.options);
    finish(&house.ctx, owner, &asked, &answer).await;
    let question = login::begin_login(&house.ctx, BROWSER).unwrap();
    let proof = device.prove(&question.options);
    assert!(matches!(log_in(&house, &question, &proof).await, Entrance::Opened(_)));

    let made_again = finish(&house.ctx, owner, &asked, &answer).await;
    let proved_again = log_in(&house, &question, &proof).await;

    assert!(matches!(made_again, Registered::Refused(PasskeyFault::NotAsked)));
    assert_eq!(fault_of(&proved_again), PasskeyFault::NotAsked);
}

#[tokio::test]
async fn an_answer_to_another_question_or_from_another_browser_is_not_taken() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let mut device = Device::new(1);
    register(&house, &ada, &mut device).await;
    let earlier = login::begin_login(&house.ctx, BROWSER).unwrap();
    let later = login::begin_login(&house.ctx, BROWSER).unwrap();
    let proof = device.prove(&earlier.options);

    let elsewhere = login::log_in(
        &house.ctx,
        "another browser",
        &earlier.name,
        &proof,
        Vec::new(),
        &origin(HERE),
    )
    .await;
    let crossed = log_in(&house, &later, &proof).await;

    assert_eq!(fault_of(&elsewhere.unwrap()), PasskeyFault::NotAsked);
    assert_eq!(fault_of(&crossed), PasskeyFault::OtherChallenge);
    let entry = house.last_entry(&ada).await;
    assert_eq!(entry.reason, "passkey refused: answers another question");
}

#[tokio::test]
async fn a_question_is_kept_by_the_browser_and_answered_once_at_any_node() {
    let house = TestHouse::new().await;
    let other_node = house.restarted_with_another_key();
    let ada = house.user("ada").await;
    let mut device = Device::new(1);
    register(&house, &ada, &mut device).await;
    let asked = login::begin_login(&house.ctx, BROWSER).unwrap();
    let answer = device.prove(&asked.options);

    let there = log_in(&other_node, &asked, &answer).await;
    let here = log_in(&house, &asked, &answer).await;

    assert!(matches!(there, Entrance::Opened(_)), "{there:?}");
    assert_eq!(fault_of(&here), PasskeyFault::NotAsked);
}

#[tokio::test]
async fn a_question_that_was_made_up_or_altered_was_not_asked() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let mut device = Device::new(1);
    register(&house, &ada, &mut device).await;
    let asked = login::begin_login(&house.ctx, BROWSER).unwrap();
    let answer = device.prove(&asked.options);
    let cut = &asked.name[..asked.name.len() - 1];
    let turned: String = asked.name.chars().rev().collect();

    for name in ["", "AAAA", cut, &turned, &"A".repeat(100_000)] {
        let question = Question { name: name.to_owned(), options: String::new() };
        let entrance = log_in(&house, &question, &answer).await;
        assert_eq!(fault_of(&entrance), PasskeyFault::NotAsked, "{name}");
    }
}

#[tokio::test]
async fn an_answer_that_names_no_passkey_of_ours_leaves_nothing_behind() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let mut device = Device::new(1);
    register(&house, &ada, &mut device).await;
    let asked = login::begin_login(&house.ctx, BROWSER).unwrap();
    let mut strange = device.clone();
    strange.credential[0] ^= 1;

    let unknown = log_in(&house, &asked, &strange.prove(&asked.options)).await;
    let known = log_in(&house, &asked, &device.prove(&asked.options)).await;

    assert_eq!(fault_of(&unknown), PasskeyFault::Unknown);
    // Had a row been written, the question would be closed.
    assert!(matches!(known, Entrance::Opened(_)), "{known:?}");
}

#[tokio::test]
async fn who_loses_his_passkeys_while_he_logs_in_has_no_session_afterwards() {
    for _ in 0..8 {
        let house = TestHouse::new().await;
        let ada = house.user("ada").await;
        let mut device = Device::new(1);
        register(&house, &ada, &mut device).await;
        let asked = login::begin_login(&house.ctx, BROWSER).unwrap();
        let (ctx, answer) = (house.ctx.clone(), device.prove(&asked.options));
        let entering = tokio::spawn(async move {
            login::log_in(&ctx, BROWSER, &asked.name, &answer, Vec::new(), &origin(HERE))
                .await
                .unwrap()
        });
        // The passkey has proved him; now it goes.
        while passkeys::list(&house.ctx, ada.id).await.unwrap()[0].last_used_at.is_none() {
            tokio::task::yield_now().await;
        }
        remove_all_of(&house.ctx, Actor::Operator, ada.username.as_str()).await.unwrap();

        match entering.await.unwrap() {
            Entrance::Opened(opened) => {
                let kind = SessionKind::Web;
                let found = sessions::find(&house.ctx, kind, &opened.secret).await.unwrap();
                assert!(found.is_none(), "opened before, and ended with the passkeys");
            }
            other @ (Entrance::NotTaken(_) | Entrance::Refused(_)) => {
                assert_eq!(fault_of(&other), PasskeyFault::Overtaken);
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_not_taken() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let mut device = Device::new(1);
    register(&house, &ada, &mut device).await;
    let asked = login::begin_login(&house.ctx, BROWSER).unwrap();
    let proof = device.prove(&asked.options);

    house.wait(registration::VALID);

    assert_eq!(fault_of(&log_in(&house, &asked, &proof).await), PasskeyFault::NotAsked);
}

#[tokio::test]
async fn a_device_that_lies_or_was_lied_to_is_refused() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let mut sound = Device::new(1);
    register(&house, &ada, &mut sound).await;
    let with = |change: fn(&mut Device)| {
        let mut device = sound.clone();
        change(&mut device);
        device
    };

    for (mut device, fault) in [
        (with(|d| d.origin = "https://symbolon.example.evil".to_owned()), PasskeyFault::OtherSite),
        (with(|d| d.origin = "https://symbolon.example:8443".to_owned()), PasskeyFault::OtherSite),
        (with(|d| d.origin = "http://symbolon.example".to_owned()), PasskeyFault::OtherSite),
        (with(|d| d.party = "example".to_owned()), PasskeyFault::OtherSite),
        (with(|d| d.verifies = false), PasskeyFault::NotVerified),
        (with(|d| d.handle[7] ^= 1), PasskeyFault::Unknown),
        (with(|d| d.credential[0] ^= 1), PasskeyFault::Unknown),
        (
            with(|d| {
                let (credential, handle) = (d.credential.clone(), d.handle.clone());
                *d = Device { credential, handle, ..Device::new(2) };
            }),
            PasskeyFault::Signature,
        ),
    ] {
        assert_eq!(fault_of(&log_in_with(&house, &mut device).await), fault);
    }
    assert!(matches!(log_in_with(&house, &mut sound).await, Entrance::Opened(_)));
}

#[tokio::test]
async fn a_counter_that_goes_back_or_stands_still_betrays_a_copy() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let mut device = Device::new(1);
    register(&house, &ada, &mut device).await;
    device.counter = 8;
    assert!(matches!(log_in_with(&house, &mut device).await, Entrance::Opened(_)));

    for before in [0, 4, 8] {
        let mut copy = Device { counter: before, ..device.clone() };
        assert_eq!(fault_of(&log_in_with(&house, &mut copy).await), PasskeyFault::Counter);
    }

    let entry = house.last_entry(&ada).await;
    assert_eq!(entry.outcome, "refused");
    assert!(entry.reason.contains("copy"), "{}", entry.reason);
    assert!(matches!(log_in_with(&house, &mut device).await, Entrance::Opened(_)));
}

#[tokio::test]
async fn a_device_without_a_counter_goes_on_working() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let mut device = Device::new(1);
    register(&house, &ada, &mut device).await;

    for _ in 0..2 {
        let asked = login::begin_login(&house.ctx, BROWSER).unwrap();
        let answer = device.prove_uncounted(&asked.options);
        assert!(matches!(log_in(&house, &asked, &answer).await, Entrance::Opened(_)));
    }
}

#[tokio::test]
async fn junk_is_refused_without_a_panic() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let owner = house.desk(&ada).await;
    let mut device = Device::new(1);
    register(&house, &ada, &mut device).await;
    let question = login::begin_login(&house.ctx, BROWSER).unwrap();
    let sound = device.prove(&question.options);
    let deep = "[".repeat(9000);

    let junk = ["", "{}", "null", "[]", "\u{0}", "{\"id\":1}", &deep, &"x".repeat(20_000), "€"];
    let cut = (0..sound.len()).step_by(7).map(|end| &sound[..end]);
    for answer in junk.into_iter().chain(cut) {
        let asked = login::begin_login(&house.ctx, BROWSER).unwrap();
        let fault = fault_of(&log_in(&house, &asked, answer).await);
        assert_eq!(fault, PasskeyFault::Unreadable, "{answer}");
        let asked = registration::begin(&house.ctx, owner).await.unwrap();
        let made = finish(&house.ctx, owner, &asked, answer).await;
        assert!(matches!(made, Registered::Refused(PasskeyFault::Unreadable)), "{answer}");
    }
}

#[tokio::test]
async fn a_passkey_is_one_persons_and_registered_once() {
    let house = TestHouse::new().await;
    let (ada, eve) = (house.user("ada").await, house.user("eve").await);
    let mut device = Device::new(1);
    register(&house, &ada, &mut device).await;
    let passkey = passkeys::list(&house.ctx, ada.id).await.unwrap().remove(0).id;

    let asked = registration::begin(&house.ctx, house.desk(&eve).await).await.unwrap();
    let answer = device.clone().make(&asked.options);
    let taken_over = finish(&house.ctx, house.desk(&eve).await, &asked, &answer).await;
    let (ctx, here) = (&house.ctx, origin(HERE));
    let renamed = passkeys::rename(ctx, eve.id, passkey, named("Mine")).await;
    let removed = passkeys::remove(ctx, eve.id, passkey, &here).await;

    assert!(matches!(taken_over, Registered::Refused(PasskeyFault::Registered)));
    assert!(matches!(renamed, Err(AppError::NotFound(_))));
    assert!(matches!(removed, Err(AppError::NotFound(_))));
    let Entrance::Opened(opened) = log_in_with(&house, &mut device).await else {
        panic!("it is hers still")
    };
    assert_eq!(opened.user, ada.id);
}

#[tokio::test]
async fn a_registration_is_finished_in_the_session_that_began_it() {
    let house = TestHouse::new().await;
    let (ada, eve) = (house.user("ada").await, house.user("eve").await);
    let asked = registration::begin(&house.ctx, house.desk(&ada).await).await.unwrap();
    let answer = Device::new(1).make(&asked.options);

    for owner in [house.desk(&eve).await, Owner { user: ada.id, session: Id::from_raw(8) }] {
        let made = finish(&house.ctx, owner, &asked, &answer).await;
        assert!(matches!(made, Registered::Refused(PasskeyFault::NotAsked)));
    }

    let made = finish(&house.ctx, house.desk(&ada).await, &asked, &answer).await;
    assert!(matches!(made, Registered::Done(Gains { codes: Some(_), .. })));
}

#[tokio::test]
async fn a_removed_passkey_opens_nothing_and_its_owner_is_told() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let mut device = Device::new(1);
    register(&house, &ada, &mut device).await;
    let passkey = passkeys::list(&house.ctx, ada.id).await.unwrap().remove(0).id;

    passkeys::remove(&house.ctx, ada.id, passkey, &origin(HERE)).await.unwrap();

    assert_eq!(fault_of(&log_in_with(&house, &mut device).await), PasskeyFault::Unknown);
    assert_eq!(house.last_audited(1).await[0].action, "second-factor.removed");
}

#[tokio::test]
async fn who_is_locked_out_gets_in_by_passkey() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let mut device = Device::new(1);
    register(&house, &ada, &mut device).await;
    for _ in 0..20 {
        let _ = house.log_in(&ada, "wrong").await;
    }
    let locked = house.log_in(&ada, PASSWORD).await.unwrap_err().refusal.to_string();
    assert!(locked.contains("locked out"), "{locked}");

    let entrance = log_in_with(&house, &mut device).await;

    assert!(matches!(entrance, Entrance::Opened(_)), "{entrance:?}");
}

#[tokio::test]
async fn who_is_frozen_or_removed_does_not_get_in_by_passkey() {
    let house = TestHouse::new().await;
    let (ada, eve) = (house.user("ada").await, house.user("eve").await);
    let (mut hers, mut other) = (Device::new(1), Device::new(2));
    register(&house, &ada, &mut hers).await;
    register(&house, &eve, &mut other).await;
    users::freeze(&house.ctx, Actor::Operator, ada.username.as_str()).await.unwrap();
    users::remove(&house.ctx, Actor::Operator, eve.username.as_str()).await.unwrap();

    let frozen = log_in_with(&house, &mut hers).await;
    let removed = log_in_with(&house, &mut other).await;

    assert!(matches!(frozen, Entrance::Refused(_)), "{frozen:?}");
    assert!(house.last_entry(&ada).await.reason.contains("frozen"));
    assert_eq!(fault_of(&removed), PasskeyFault::Unknown);
}

#[tokio::test]
async fn at_a_bare_address_nothing_is_asked() {
    let house =
        TestHouse::with_settings(|set| set.public_url = "http://127.0.0.1:8080".to_owned()).await;
    let ada = house.user("ada").await;

    let told = passkeys::obstacle(&house.ctx).expect("an obstacle");
    let made = registration::begin(&house.ctx, house.desk(&ada).await).await;
    let held = login::begin_login(&house.ctx, BROWSER);

    assert!(told.contains("--public-url http://localhost:8080"), "{told}");
    assert!(matches!(made, Err(AppError::Forbidden(_))));
    assert!(matches!(held, Err(AppError::Forbidden(_))));
}

#[tokio::test]
async fn there_is_room_for_twenty_passkeys() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    for seed in 1..=20 {
        register(&house, &ada, &mut Device::new(seed)).await;
        house.wait(Duration::from_secs(1));
    }

    let more = registration::begin(&house.ctx, house.desk(&ada).await).await;

    assert!(matches!(more, Err(AppError::Forbidden(_))), "{more:?}");
}

#[tokio::test]
async fn a_browser_that_is_known_to_the_owner_stays_the_place_that_it_is() {
    let house = TestHouse::new().await;
    let (ada, eve) = (house.user("ada").await, house.user("eve").await);
    let (mut hers, mut of_eve) = (Device::new(1), Device::new(2));
    register(&house, &ada, &mut hers).await;
    register(&house, &eve, &mut of_eve).await;
    let log_in_holding = async |device: &mut Device, held: Option<&PlaceSecret>| {
        let asked = login::begin_login(&house.ctx, BROWSER).unwrap();
        let answer = device.prove(&asked.options);
        house.wait(Duration::from_millis(1));
        let held = held.map(|held| PlaceSecret::new(held.reveal().to_owned()));
        let held = held.into_iter().collect();
        let (ctx, here) = (&house.ctx, origin(HERE));
        match login::log_in(ctx, BROWSER, &asked.name, &answer, held, &here).await.unwrap() {
            Entrance::Opened(opened) => opened.place,
            refused @ (Entrance::NotTaken(_) | Entrance::Refused(_)) => {
                panic!("not let in: {refused:?}")
            }
        }
    };

    let first = log_in_holding(&mut hers, None).await.expect("the browser is new");
    let again = log_in_holding(&mut hers, Some(&first)).await;
    let of_another = log_in_holding(&mut of_eve, Some(&first)).await;

    assert!(again.is_none(), "it holds what it needs");
    assert!(of_another.is_some(), "what the browser holds of Ada is nothing of Eve's");
    let places = places::list(&house.ctx, ada.id).await.unwrap();
    assert_eq!(places.len(), 1);
    assert_eq!(places[0].last_at, house.ctx.clock.now() - Duration::from_millis(1));
    assert_eq!(places::list(&house.ctx, eve.id).await.unwrap().len(), 1);
}

//! Second factors: enrolled by a code that came back, taken once, removed where no duty forbids it.

use std::time::Duration;

use symbolon_app::challenges::Entered;
use symbolon_app::login::{Entrance, challenge};
use symbolon_app::passkeys::{self, registration};
use symbolon_app::second_factors::enrolment::{self, Enrolled, Owner};
use symbolon_app::second_factors::recovery;
use symbolon_app::second_factors::removal::{remove, remove_all_of};
use symbolon_app::second_factors::resealing::{other_nodes_answer, reseal_all};
use symbolon_app::second_factors::{self, MOST_AUTHENTICATORS, take_code};
use symbolon_app::users::UserView;
use symbolon_app::{Actor, AppError, Ctx, own_sessions, profiles, users};
use symbolon_core::factor::{Factor, FactorKinds};
use symbolon_core::keys::KeyId;
use symbolon_core::names::DisplayName;
use symbolon_core::policy::{Duty, Policy};
use symbolon_core::secret::Credential;
use symbolon_store::authenticators;

use crate::authenticator_app::{AuthenticatorApp, session, typed};
use crate::house::{Letter, PASSWORD, TestHouse, origin, password};
use crate::other_browsers::enter;
use crate::passkey_device::Device;
use crate::passkeys::register;

const STEP: Duration = Duration::from_secs(30);

/// Takes a code in a transaction of its own.
async fn take(ctx: &Ctx, user: &UserView, code: &str) -> Option<Factor> {
    let (now, origin) = (ctx.clock.now(), origin("10.1.2.3"));
    let mut tx = ctx.store.begin().await.unwrap();
    let taken = take_code(ctx, &mut tx, user.id, &typed(code), &origin, now).await.unwrap();
    tx.commit().await.unwrap();
    taken
}

async fn kinds(ctx: &Ctx, user: &UserView) -> FactorKinds {
    second_factors::list(ctx, user.id).await.unwrap().kinds
}

async fn codes_left(ctx: &Ctx, user: &UserView) -> u32 {
    second_factors::list(ctx, user.id).await.unwrap().recovery_codes.left
}

/// The text of the one letter with this subject.
async fn letter_about(house: &TestHouse, subject: &str) -> Letter {
    house.deliver_mail().await;
    let mut found: Vec<Letter> =
        house.arrived().into_iter().filter(|letter| letter.subject == subject).collect();
    assert_eq!(found.len(), 1, "{subject}");
    found.remove(0)
}

fn label(text: &str) -> DisplayName {
    DisplayName::parse(text).unwrap()
}

#[tokio::test]
async fn an_app_counts_once_a_code_of_it_has_come_back_and_the_owner_is_told() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    house.show_key(&ada).await;
    assert_eq!(kinds(&house.ctx, &ada).await, FactorKinds::NONE);

    let (_, codes) = house.enrol(&ada).await;

    let all = second_factors::list(&house.ctx, ada.id).await.unwrap();
    assert_eq!(all.authenticators.len(), 1);
    assert_eq!(all.authenticators[0].name, label("Phone"));
    assert_eq!(all.kinds, FactorKinds { authenticator: true, passkey: false, recovery_code: true });
    assert_eq!((codes.len(), all.recovery_codes.left), (10, 10));
    let letter = letter_about(&house, "A second factor was added to your Acme account").await;
    assert!(letter.text.contains("Kind: authenticator app\nName: Phone\n"), "{}", letter.text);
    let row = house.last_audited(1).await.remove(0);
    assert_eq!(
        (row.action.as_str(), row.details.as_str()),
        ("second-factor.added", "factor=authenticator\nname=Phone",)
    );
}

#[tokio::test]
async fn a_wrong_code_enrols_nothing_and_the_right_one_may_follow() {
    let house = TestHouse::new().await;
    let (ada, origin) = (house.user("ada").await, origin("10.1.2.3"));
    let (name, app) = house.show_key(&ada).await;
    let (far, owner) = (app.code(house.ctx.clock.now(), 5), house.desk(&ada).await);

    for wrong in [far.as_str(), "", "12345", "abc"] {
        let code = typed(wrong);
        let tried = enrolment::confirm(&house.ctx, owner, &name, label("A"), &code, &origin);
        assert!(matches!(tried.await.unwrap(), Enrolled::WrongCode), "{wrong}");
    }
    assert_eq!(kinds(&house.ctx, &ada).await, FactorKinds::NONE);
    let right = typed(&app.code(house.ctx.clock.now(), 0));
    let tried = enrolment::confirm(&house.ctx, owner, &name, label("A"), &right, &origin);
    let Enrolled::Done(gains) = tried.await.unwrap() else { panic!("the code is right") };
    assert!(gains.codes.is_some());
}

#[tokio::test]
async fn an_enrolment_is_found_in_its_own_session_for_a_quarter_of_an_hour_and_once() {
    let house = TestHouse::new().await;
    let (ada, eve) = (house.user("ada").await, house.user("eve").await);
    let (name, app) = house.show_key(&ada).await;
    let (own, of_eve) = (house.desk(&ada).await, house.desk(&eve).await);
    let strangers = [
        of_eve,
        Owner { user: ada.id, session: session(1) },
        Owner { user: eve.id, session: own.session },
    ];

    for stranger in strangers {
        let found = enrolment::pending(&house.ctx, stranger, &name).await;
        assert!(matches!(found, Err(AppError::NotFound(_))));
        let (code, origin) = (typed(&app.code(house.ctx.clock.now(), 0)), origin("10.1.2.3"));
        let done = enrolment::confirm(&house.ctx, stranger, &name, label("A"), &code, &origin);
        assert!(matches!(done.await, Err(AppError::NotFound(_))));
    }
    house.wait(enrolment::VALID.checked_sub(Duration::from_millis(1)).unwrap());
    assert!(enrolment::pending(&house.ctx, own, &name).await.is_ok());
    house.wait(Duration::from_millis(1));
    let over = enrolment::pending(&house.ctx, own, &name).await;
    assert!(matches!(over, Err(AppError::NotFound(_))));

    let (first, _) = house.show_key(&ada).await;
    house.enrol(&ada).await;
    let ended = enrolment::pending(&house.ctx, own, &first).await;
    assert!(matches!(ended, Err(AppError::NotFound(_))), "a new one ends the one before");
}

#[tokio::test]
async fn no_more_than_five_apps_are_enrolled() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    for _ in 0..MOST_AUTHENTICATORS {
        house.enrol(&ada).await;
    }

    let sixth = enrolment::begin(&house.ctx, house.desk(&ada).await).await;

    assert!(matches!(sixth, Err(AppError::Forbidden(_))));
}

#[tokio::test]
async fn a_code_is_taken_once_and_no_earlier_one_after_it() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let (app, _) = house.enrol(&ada).await;
    let shown = |steps| app.code(house.ctx.clock.now(), steps);

    assert_eq!(take(&house.ctx, &ada, &shown(0)).await, None, "it has enrolled the app");
    assert_eq!(take(&house.ctx, &ada, &shown(1)).await, Some(Factor::Authenticator));
    house.wait(STEP);
    assert_eq!(take(&house.ctx, &ada, &shown(0)).await, None, "the same code again");
    assert_eq!(take(&house.ctx, &ada, &shown(-1)).await, None, "an earlier one");
    assert_eq!(take(&house.ctx, &ada, &shown(2)).await, None, "two steps ahead");
    house.wait(2 * STEP);
    assert_eq!(take(&house.ctx, &ada, &shown(-1)).await, Some(Factor::Authenticator));
    assert_eq!(take(&house.ctx, &ada, &shown(0)).await, Some(Factor::Authenticator));
}

#[tokio::test]
async fn codes_of_another_user_prove_nothing() {
    let house = TestHouse::new().await;
    let (ada, eve) = (house.user("ada").await, house.user("eve").await);
    let (app, codes) = house.enrol(&ada).await;
    house.enrol(&eve).await;
    house.wait(STEP);

    assert_eq!(take(&house.ctx, &eve, &app.code(house.ctx.clock.now(), 0)).await, None);
    assert_eq!(take(&house.ctx, &eve, &codes[0]).await, None);
    assert_eq!(take(&house.ctx, &ada, &codes[0]).await, Some(Factor::RecoveryCode));
}

#[tokio::test]
async fn of_many_who_take_one_code_at_once_one_succeeds() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let (app, codes) = house.enrol(&ada).await;
    house.wait(STEP);

    for code in [app.code(house.ctx.clock.now(), 0), codes[0].clone()] {
        let tries: Vec<_> = (0..8)
            .map(|_| {
                let (ctx, ada, code) = (house.ctx.clone(), ada.clone(), code.clone());
                tokio::spawn(async move { take(&ctx, &ada, &code).await })
            })
            .collect();
        let mut taken = 0;
        for each in tries {
            taken += usize::from(each.await.unwrap().is_some());
        }
        assert_eq!(taken, 1);
    }
}

#[tokio::test]
async fn a_code_that_was_taken_in_a_transaction_that_failed_is_good_again() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let (app, codes) = house.enrol(&ada).await;
    house.wait(STEP);
    let (now, origin) = (house.ctx.clock.now(), origin("10.1.2.3"));

    for code in [app.code(now, 0), codes[0].clone()] {
        let mut tx = house.ctx.store.begin().await.unwrap();
        let taken = take_code(&house.ctx, &mut tx, ada.id, &typed(&code), &origin, now).await;
        assert!(taken.unwrap().is_some());
        drop(tx);
        assert!(take(&house.ctx, &ada, &code).await.is_some());
    }
}

#[tokio::test]
async fn each_recovery_code_works_once_however_it_is_typed_and_mail_tells_how_many_are_left() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let (_, codes) = house.enrol(&ada).await;

    for (used, code) in codes.iter().enumerate() {
        let typed = if used % 2 == 0 { code.to_uppercase() } else { code.replace('-', " ") };
        assert_eq!(take(&house.ctx, &ada, &typed).await, Some(Factor::RecoveryCode));
        assert_eq!(take(&house.ctx, &ada, code).await, None, "a second time");
        assert_eq!(codes_left(&house.ctx, &ada).await, 9 - u32::try_from(used).unwrap());
        house.wait(STEP);
    }
    house.deliver_mail().await;
    let about = |mail: &Letter| mail.subject == "A recovery code of your Acme account was used";
    let letters: Vec<Letter> = house.arrived().into_iter().filter(about).collect();
    assert_eq!(letters.len(), 10);
    assert!(letters[0].text.contains("9 are left."), "{}", letters[0].text);
    assert!(!letters[0].text.contains("Make new ones"), "{}", letters[0].text);
    assert!(letters[6].text.contains("3 are left. Make new ones"), "{}", letters[6].text);
    assert!(letters[9].text.contains("It was the last one."), "{}", letters[9].text);
    assert_eq!(house.last_audited(1).await[0].action, "recovery-code.used");
}

#[tokio::test]
async fn new_recovery_codes_end_the_old_and_are_not_to_be_had_without_a_factor() {
    let house = TestHouse::new().await;
    let (ada, origin) = (house.user("ada").await, origin("10.1.2.3"));
    let none = recovery::renew(&house.ctx, ada.id, &origin).await;
    assert!(matches!(none, Err(AppError::Forbidden(_))));
    let (_, old) = house.enrol(&ada).await;

    let new = recovery::renew(&house.ctx, ada.id, &origin).await.unwrap();

    assert_eq!(take(&house.ctx, &ada, &old[0]).await, None);
    assert_eq!(take(&house.ctx, &ada, &new.0[0].reveal()).await, Some(Factor::RecoveryCode));
    assert_eq!(codes_left(&house.ctx, &ada).await, 9);
    letter_about(&house, "New recovery codes for your Acme account").await;
}

#[tokio::test]
async fn an_app_is_renamed_and_removed_by_its_owner_and_nobody_else() {
    let house = TestHouse::new().await;
    let (ada, eve, origin) = (house.user("ada").await, house.user("eve").await, origin("10.1.2.3"));
    house.enrol(&ada).await;
    let app = second_factors::list(&house.ctx, ada.id).await.unwrap().authenticators.remove(0);
    let foreign = second_factors::rename(&house.ctx, eve.id, app.id, label("Mine")).await;
    assert!(matches!(foreign, Err(AppError::NotFound(_))));
    let foreign = remove(&house.ctx, eve.id, app.id, &origin).await;
    assert!(matches!(foreign, Err(AppError::NotFound(_))));

    second_factors::rename(&house.ctx, ada.id, app.id, label("Old phone")).await.unwrap();
    remove(&house.ctx, ada.id, app.id, &origin).await.unwrap();

    assert_eq!(kinds(&house.ctx, &ada).await, FactorKinds::NONE, "recovery codes go with the last");
    let letter = letter_about(&house, "A second factor was removed from your Acme account").await;
    assert!(letter.text.contains("Name: Old phone\n"), "{}", letter.text);
    assert_eq!(house.last_audited(1).await[0].action, "second-factor.removed");
}

#[tokio::test]
async fn under_duty_the_last_factor_stays_and_any_other_goes() {
    let house = TestHouse::new().await;
    let (ada, origin) = (house.user("ada").await, origin("10.1.2.3"));
    let policy = Policy { duty: Duty::Web, ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = policy).await.unwrap();
    house.enrol(&ada).await;
    house.wait(STEP);
    house.enrol(&ada).await;
    let apps = second_factors::list(&house.ctx, ada.id).await.unwrap().authenticators;

    remove(&house.ctx, ada.id, apps[0].id, &origin).await.unwrap();
    let last = remove(&house.ctx, ada.id, apps[1].id, &origin).await;

    let Err(AppError::Forbidden(rule)) = last else { panic!("{last:?}") };
    assert!(rule.contains("An administrator can lift"), "{rule}");
    let all = second_factors::list(&house.ctx, ada.id).await.unwrap();
    assert_eq!((all.authenticators.len(), all.duty), (1, Duty::Web));
    assert_eq!(all.recovery_codes.left, 10);
}

#[tokio::test]
async fn where_apis_demand_a_code_the_last_app_stays_beside_a_passkey() {
    let house = TestHouse::new().await;
    let (ada, origin) = (house.user("ada").await, origin("10.1.2.3"));
    house.enrol(&ada).await;
    register(&house, &ada, &mut Device::new(1)).await;
    let app = second_factors::list(&house.ctx, ada.id).await.unwrap().authenticators.remove(0);
    let demand = async |duty| {
        let policy = Policy { duty, ..Policy::default() };
        profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = policy)
            .await
            .unwrap();
    };

    demand(Duty::WebAndApi).await;
    let kept = remove(&house.ctx, ada.id, app.id, &origin).await;
    demand(Duty::Web).await;
    let removed = remove(&house.ctx, ada.id, app.id, &origin).await;

    let Err(AppError::Forbidden(rule)) = kept else { panic!("{kept:?}") };
    assert!(rule.contains("at APIs too") && rule.contains("An administrator can lift"), "{rule}");
    assert!(removed.is_ok());
}

#[tokio::test]
async fn a_secret_that_cannot_be_opened_keeps_no_other_app_from_being_asked() {
    let house = TestHouse::new().await;
    let (ada, eve) = (house.user("ada").await, house.user("eve").await);
    let later = house.restarted_with_another_key();
    later.enrol(&ada).await;
    later.enrol(&eve).await;
    let (app, _) = house.enrol(&ada).await;
    house.wait(STEP);
    let right = app.code(house.ctx.clock.now(), 0);
    let wrong = app.code(house.ctx.clock.now(), 9);

    // This house has not the key that the first apps are sealed with.
    assert_eq!(take(&house.ctx, &ada, &wrong).await, None, "a wrong code is one, and counted");
    assert_eq!(take(&house.ctx, &ada, &right).await, Some(Factor::Authenticator));
    let (now, mut tx) = (house.ctx.clock.now(), house.ctx.store.begin().await.unwrap());
    let (code, origin) = (typed(&wrong), origin("10.1.2.3"));
    let none_opens = take_code(&house.ctx, &mut tx, eve.id, &code, &origin, now).await;
    assert!(matches!(none_opens, Err(AppError::KeyMissing)));
}

#[tokio::test]
async fn a_try_counts_also_where_no_secret_can_be_opened() {
    let house = TestHouse::new().await;
    let (eve, origin) = (house.user("eve").await, origin("10.1.2.3"));
    house.restarted_with_another_key().enrol(&eve).await;
    let Entrance::Challenged(secret) = enter(&house, &eve, PASSWORD, Vec::new()).await else {
        panic!("a browser that nobody knows is asked")
    };
    let none = || Credential::new(String::new());
    let entered = Entered { code: typed("123456"), token: none(), password: password("") };

    let answer = challenge::answer(&house.ctx, &secret, entered, &origin).await;

    assert!(matches!(answer, Err(AppError::KeyMissing)), "{answer:?}");
    let view = challenge::look(&house.ctx, &secret, &origin).await.unwrap().expect("it is open");
    assert_eq!(view.tries_left, 4);
}

#[tokio::test]
async fn an_administrator_removes_all_of_them_and_the_owner_is_told() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let (app, codes) = house.enrol(&ada).await;
    let (pending, _) = house.show_key(&ada).await;
    let owner = house.desk(&ada).await;
    house.wait(STEP);

    remove_all_of(&house.ctx, Actor::Operator, ada.username.as_str()).await.unwrap();

    assert_eq!(kinds(&house.ctx, &ada).await, FactorKinds::NONE);
    assert_eq!(take(&house.ctx, &ada, &app.code(house.ctx.clock.now(), 0)).await, None);
    assert_eq!(take(&house.ctx, &ada, &codes[0]).await, None);
    assert!(enrolment::pending(&house.ctx, owner, &pending).await.is_err());
    let letter =
        letter_about(&house, "All second factors were removed from your Acme account").await;
    assert!(letter.text.contains("Removed by: an administrator"), "{}", letter.text);
    assert_eq!(house.last_audited(1).await[0].action, "second-factors.reset");
    let again = remove_all_of(&house.ctx, Actor::Operator, ada.username.as_str()).await;
    assert!(matches!(again, Err(AppError::Forbidden(_))));
}

#[tokio::test]
async fn rotation_seals_secrets_anew_and_codes_go_on_being_taken() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let (app, codes) = house.enrol(&ada).await;
    house.wait(STEP);
    let house = house.restarted_with_another_key();

    let done = reseal_all(&house.ctx, Actor::Operator).await.unwrap();
    let again = reseal_all(&house.ctx, Actor::Operator).await.unwrap();

    assert_eq!((done.key, done.authenticators, again.authenticators), (KeyId(2), 1, 0));
    assert_eq!(done.passwords, 1, "hers is hashed with the old pepper until she logs in");
    let mut reader = house.ctx.store.read().await.unwrap();
    let row = authenticators::of_user(&mut reader, ada.id).await.unwrap().remove(0);
    drop(reader);
    assert_eq!(row.secret.key, KeyId(2));
    let code = app.code(house.ctx.clock.now(), 0);
    assert_eq!(take(&house.ctx, &ada, &code).await, Some(Factor::Authenticator));
    assert_eq!(take(&house.ctx, &ada, &codes[0]).await, Some(Factor::RecoveryCode));
    assert_eq!(house.last_audited(2).await[0].action, "keys.rotated");
    assert!(!other_nodes_answer(&house.ctx).await.unwrap());
}

/// Adds an app of which a code has come back, in a session that the test holds.
async fn confirm(
    house: &TestHouse,
    owner: Owner,
    (name, app): (&str, &AuthenticatorApp),
) -> Result<Enrolled, AppError> {
    let code = typed(&app.code(house.ctx.clock.now(), 0));
    enrolment::confirm(&house.ctx, owner, name, label("A"), &code, &origin("10.1.2.3")).await
}

#[tokio::test]
async fn in_a_session_that_has_ended_meanwhile_nothing_is_enrolled() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let (name, app) = house.show_key(&ada).await;
    let owner = house.desk(&ada).await;
    let mut device = Device::new(1);
    let asked = registration::begin(&house.ctx, owner).await.unwrap();
    let answer = device.make(&asked.options);
    own_sessions::end(&house.ctx, ada.id, owner.session).await.unwrap();
    let before = house.last_audited(1).await.remove(0).number;

    let app = confirm(&house, owner, (&name, &app)).await;
    let (laptop, here) = (label("Laptop"), origin("10.1.2.3"));
    let passkey =
        registration::finish(&house.ctx, owner, &asked.name, laptop, &answer, &here).await;

    assert!(matches!(app, Err(AppError::Forbidden(_))), "{app:?}");
    assert!(matches!(passkey, Err(AppError::Forbidden(_))), "{passkey:?}");
    assert_eq!(kinds(&house.ctx, &ada).await, FactorKinds::NONE);
    assert_eq!(house.last_audited(1).await[0].number, before, "nothing is half done");
}

#[tokio::test]
async fn who_was_frozen_meanwhile_neither_adds_nor_removes_a_second_factor() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let mut device = Device::new(1);
    register(&house, &ada, &mut device).await;
    house.enrol(&ada).await;
    let (name, app) = house.show_key(&ada).await;
    let owner = house.desk(&ada).await;
    let asked = registration::begin(&house.ctx, owner).await.unwrap();
    let answer = Device::new(2).make(&asked.options);
    let enrolled = second_factors::list(&house.ctx, ada.id).await.unwrap().authenticators[0].id;
    let held = passkeys::list(&house.ctx, ada.id).await.unwrap()[0].id;
    let before = kinds(&house.ctx, &ada).await;
    users::freeze(&house.ctx, Actor::Operator, ada.username.as_str()).await.unwrap();
    let (ctx, here, laptop) = (&house.ctx, origin("10.1.2.3"), label("Laptop"));

    let outcomes = [
        confirm(&house, owner, (&name, &app)).await.map(drop),
        registration::finish(ctx, owner, &asked.name, laptop, &answer, &here).await.map(drop),
        recovery::renew(ctx, ada.id, &here).await.map(drop),
        remove(ctx, ada.id, enrolled, &here).await,
        passkeys::remove(ctx, ada.id, held, &here).await,
    ];

    for outcome in outcomes {
        assert!(matches!(outcome, Err(AppError::Forbidden(_))), "{outcome:?}");
    }
    assert_eq!(kinds(&house.ctx, &ada).await, before);
    assert_eq!(house.last_audited(1).await[0].action, "user.frozen");
}

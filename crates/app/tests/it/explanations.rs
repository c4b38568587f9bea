//! Explanations: what would be decided, and what was.

use std::time::Duration;

use symbolon_app::explain::{self, Conclusion, ExplainedStep, Explanation, Question, Said};
use symbolon_app::history::{self, Reader};
use symbolon_app::login::Head;
use symbolon_app::users::{self, UserView};
use symbolon_app::{Actor, AppError, device_types, networks, passkeys, profiles, reset};
use symbolon_core::Timestamp;
use symbolon_core::judge::{Refusal, Rule};
use symbolon_core::lockout::Failures;
use symbolon_core::login_hours::LoginHours;
use symbolon_core::names::{ClientName, DeviceType, Source};
use symbolon_core::network::{LoginRanges, Network};
use symbolon_core::policy::{Access, DAY, Duty, Policy};
use symbolon_core::reset::Scope;
use symbolon_store::users as stored_users;

use crate::house::{PASSWORD, TestHouse, origin};
use crate::passkey_device::Device;
use crate::passkeys::register;

const HERE: &str = "10.1.2.3";

fn question(user: &UserView, head: Head) -> Question {
    let username = user.username.to_string();
    Question {
        username,
        source: Source::new(HERE.parse().unwrap()),
        at: None,
        head,
        client: ClientName::sanitised(""),
    }
}

async fn explain(house: &TestHouse, user: &UserView, head: Head) -> Explanation {
    explain::explain(&house.ctx, question(user, head)).await.unwrap()
}

async fn set_policy(house: &TestHouse, policy: Policy) {
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = policy).await.unwrap();
}

fn first_refusal(steps: &[ExplainedStep]) -> Option<&ExplainedStep> {
    steps.iter().find(|step| step.said == Said::Refused)
}

#[tokio::test]
async fn a_login_is_explained_by_every_rule_with_the_token_that_the_user_has() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    house.reset(&jane).await;

    let explanation = explain(&house, &jane, Head::SoapPartner).await;

    let rules: Vec<&str> = explanation.steps.iter().map(|step| step.rule.as_str()).collect();
    assert_eq!(rules, Rule::ALL.map(|(_, word)| word));
    assert_eq!(explanation.conclusion, Conclusion::Admitted);
    assert!(explanation.premise.contains("token of device type any"), "{}", explanation.premise);
    assert!(explanation.premise.contains("no second factor"), "{}", explanation.premise);
}

#[tokio::test]
async fn what_a_user_lacks_is_told_with_what_would_have_to_change() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;

    let api = explain(&house, &jane, Head::OAuthPassword).await;
    let web = explain(&house, &jane, Head::Web).await;

    let refusal = first_refusal(&api.steps).unwrap();
    assert_eq!(refusal.rule, Rule::Token.word());
    assert!(refusal.remedy.contains("Put the security token behind the password"));
    assert!(api.premise.contains("no token"), "{}", api.premise);
    let demand = web.steps.iter().find(|step| step.said == Said::Demanded).unwrap();
    assert_eq!((web.conclusion, demand.rule.as_str()), (Conclusion::AskedForMore, "known place"));
    assert!(demand.remedy.contains("mailed"));
}

#[tokio::test]
async fn an_explanation_writes_nothing() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    house.reset(&jane).await;
    let before = (house.revision().await, house.last_audited(1).await);

    for head in explain::HEADS {
        let _ = explain(&house, &jane, head).await;
    }

    assert_eq!((house.revision().await, house.last_audited(1).await), before);
    assert!(history::list(&house.ctx, None, 10, None).await.unwrap().is_empty());
}

#[tokio::test]
async fn nobody_is_explained_as_nobody() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let nobody =
        Question { username: "nobody@example.com".to_owned(), ..question(&jane, Head::Web) };
    let elsewhere = question(&jane, Head::Introspection);

    let of_nobody = explain::explain(&house.ctx, nobody).await;
    let of_no_login = explain::explain(&house.ctx, elsewhere).await;

    assert!(matches!(of_nobody, Err(AppError::NotFound("user"))));
    assert!(matches!(of_no_login, Err(AppError::Invalid(_))));
}

#[tokio::test]
async fn an_explanation_refuses_by_the_rule_that_refuses_the_login() {
    let hours = LoginHours::parse("sun 00:00-00:01", "UTC").unwrap();
    let ranges = LoginRanges::parse("192.0.2.0/24").unwrap();
    let standard = Policy::default;
    let late = Duration::ZERO;
    let policies = [
        Policy { access: Access::WebOnly, ..standard() },
        Policy { login_hours: vec![hours], ..standard() },
        Policy { login_ranges: ranges.into_iter().collect(), ..standard() },
        Policy { duty: Duty::WebAndApi, enrol_grace: late, ..standard() },
        standard(),
    ];
    for policy in policies {
        let house = TestHouse::new().await;
        let jane = house.user("jane").await;
        let token = house.reset_and_read(&jane).await;
        set_policy(&house, policy).await;

        let explanation = explain(&house, &jane, Head::SoapPartner).await;
        let outcome = house.log_in(&jane, &format!("{PASSWORD}{token}")).await;

        let told = first_refusal(&explanation.steps).map(|step| step.remedy.clone());
        let refused = outcome.err().map(|refused| refused.refusal.remedy().to_owned());
        assert_eq!(told, refused);
    }
}

#[tokio::test]
async fn an_explanation_looks_at_the_clock_that_it_is_given() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    house.reset(&jane).await;
    let at = Some(Timestamp::from_unix_ms(crate::house::T0) + Duration::from_hours(24 * 365));

    let question = Question { at, ..question(&jane, Head::SoapPartner) };
    let explanation = explain::explain(&house.ctx, question).await.unwrap();

    let refusal = first_refusal(&explanation.steps).unwrap();
    assert!(refusal.input.contains("token expired"), "{}", refusal.input);
}

#[tokio::test]
async fn a_refusal_keeps_its_steps_as_they_were_at_that_moment() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let name = jane.username.as_str();
    users::freeze(&house.ctx, Actor::Operator, name).await.unwrap();
    house.log_in(&jane, PASSWORD).await.unwrap_err();
    users::unfreeze(&house.ctx, Actor::Operator, name).await.unwrap();
    let entry = house.last_entry(&jane).await;

    let owner = Reader::Owner(jane.id);
    let kept = history::explain_entry(&house.ctx, owner, &entry.correlation_id).await.unwrap();

    let refusal = first_refusal(&kept.steps).unwrap();
    assert_eq!(refusal.rule, Rule::Active.word());
    assert!(refusal.input.starts_with("frozen since"), "{}", refusal.input);
    assert_eq!(kept.remedy, Some(refusal.remedy.as_str()));
    assert_eq!(kept.steps.len(), Rule::ALL.len());
}

#[tokio::test]
async fn a_refusal_is_explained_to_its_owner_and_to_administrators_alone() {
    let house = TestHouse::new().await;
    let (jane, john) = (house.user("jane").await, house.user("john").await);
    house.log_in(&jane, "wrong").await.unwrap_err();
    let id = house.last_entry(&jane).await.correlation_id;

    let explained = async |reader| history::explain_entry(&house.ctx, reader, &id).await;

    assert!(explained(Reader::Owner(jane.id)).await.is_ok());
    assert!(explained(Reader::Administrator).await.is_ok());
    assert!(matches!(explained(Reader::Owner(john.id)).await, Err(AppError::NotFound(_))));
    let unknown = history::explain_entry(&house.ctx, Reader::Administrator, "unknown").await;
    assert!(matches!(unknown, Err(AppError::NotFound(_))));
}

#[tokio::test]
async fn it_is_told_whether_a_trusted_network_or_the_login_ip_ranges_spared_the_token() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token_input = async || {
        let explanation = explain(&house, &jane, Head::SoapPartner).await;
        let step = explanation.steps.into_iter().find(|step| step.rule == Rule::Token.word());
        step.unwrap().input
    };
    let ranges = LoginRanges::parse("10.0.0.0/8").unwrap().into_iter().collect();
    set_policy(&house, Policy { login_ranges: ranges, ..Policy::default() }).await;

    let by_ranges = token_input().await;
    let trusted = Network::parse("10.1.0.0/16").unwrap();
    networks::add(&house.ctx, Actor::Operator, trusted, None).await.unwrap();
    let by_network = token_input().await;

    let none = "none, and none is needed: the address lies";
    assert_eq!(by_ranges, format!("{none} within the login IP ranges"));
    assert_eq!(by_network, format!("{none} in a trusted network"));
}

#[tokio::test]
async fn the_refusal_of_an_address_keeps_what_failed_from_there() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    for n in 0..10 {
        house.log_in_from(&format!("name{n}@example.com"), "whatever", HERE).await.unwrap_err();
    }
    let refused = house.log_in(&jane, PASSWORD).await.unwrap_err().correlation_id.to_string();

    let kept = history::explain_entry(&house.ctx, Reader::Administrator, &refused).await.unwrap();

    let steps: Vec<(&str, Said)> =
        kept.steps.iter().map(|step| (step.rule.as_str(), step.said)).collect();
    assert_eq!(steps, [(Rule::Source.word(), Said::Refused)]);
    assert!(kept.steps[0].input.contains("10 names of at most 10"), "{}", kept.steps[0].input);
    assert_eq!(kept.remedy, Some(Refusal::SourceLockedOut.remedy()));
}

#[tokio::test]
async fn a_refused_passkey_is_explained_by_a_remedy_of_its_own() {
    let house = TestHouse::new().await;
    let ada = house.user("ada").await;
    let mut device = Device::new(1);
    register(&house, &ada, &mut device).await;
    let here = origin(HERE);
    let asked = passkeys::login::begin_login(&house.ctx, "browser").unwrap();
    let other = passkeys::login::begin_login(&house.ctx, "browser").unwrap();
    let answer = device.prove(&other.options);
    let (ctx, name) = (&house.ctx, &asked.name);
    let refused = passkeys::login::log_in(ctx, "browser", name, &answer, Vec::new(), &here).await;

    let entry = house.last_entry(&ada).await.correlation_id;
    let kept = history::explain_entry(ctx, Reader::Owner(ada.id), &entry).await.unwrap();

    assert!(matches!(refused.unwrap(), passkeys::login::Entrance::NotTaken(_)));
    assert_eq!(kept.entry.reason, "passkey refused: answers another question");
    assert_eq!(kept.remedy, Some(Refusal::PasskeyRefused.remedy()));
}

#[tokio::test]
async fn what_an_explanation_assumes_stands_at_its_rule() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    house.enrol(&jane).await;
    set_policy(&house, Policy { duty: Duty::WebAndApi, ..Policy::default() }).await;

    let explanation = explain(&house, &jane, Head::SoapPartner).await;

    let input = |rule: Rule| {
        let step = explanation.steps.iter().find(|step| step.rule == rule.word());
        step.unwrap().input.clone()
    };
    assert_eq!(explanation.conclusion, Conclusion::Admitted);
    assert_eq!(input(Rule::Password), "right (assumed)");
    assert_eq!(input(Rule::SecondFactor), "demanded; the code was right (assumed)");
    assert!(explanation.premise.contains("another code, or with none, is refused"));
}

/// Resets the token of one device type alone, whose tokens live for so long.
async fn reset_of_type(house: &TestHouse, user: &UserView, name: &str, max_age: Duration) {
    let device_type = DeviceType::parse(name).unwrap();
    device_types::set(&house.ctx, Actor::Operator, &device_type, |rules| rules.max_age = max_age)
        .await
        .unwrap();
    let (name, scope) = (user.username.as_str(), Scope::DeviceType);
    reset::reset_for(&house.ctx, Actor::Operator, name, device_type, scope, None).await.unwrap();
}

#[tokio::test]
async fn of_several_tokens_the_one_that_is_let_in_is_explained() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    reset_of_type(&house, &jane, "server", 300 * DAY).await;
    reset_of_type(&house, &jane, "mobile", 200 * DAY).await;
    reset_of_type(&house, &jane, "command-line", 100 * DAY).await;
    let elsewhere = LoginRanges::parse("192.0.2.0/24").unwrap();
    let restrict = async |name: &str| {
        let device_type = DeviceType::parse(name).unwrap();
        let set = device_types::set(&house.ctx, Actor::Operator, &device_type, |rules| {
            rules.addresses.clone_from(&elsewhere);
        });
        set.await.unwrap();
    };
    let explained = async || {
        let explanation = explain(&house, &jane, Head::SoapPartner).await;
        (explanation.conclusion, explanation.premise)
    };

    let (all, with_all) = explained().await;
    restrict("server").await;
    let (some, with_some) = explained().await;
    restrict("mobile").await;
    restrict("command-line").await;
    let (none, with_none) = explained().await;

    assert_eq!(
        [all, some, none],
        [Conclusion::Admitted, Conclusion::Admitted, Conclusion::Refused]
    );
    let choice = ", of those that are let in the one that expires last.";
    assert!(with_all.contains(&format!("device type server{choice}")), "{with_all}");
    assert!(with_some.contains(&format!("device type mobile{choice}")), "{with_some}");
    let choice = ", the one that expires last: with none of his is he let in.";
    assert!(with_none.contains(&format!("device type server{choice}")), "{with_none}");
}

#[tokio::test]
async fn where_no_token_is_needed_a_dead_one_is_not_presented() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    house.reset(&jane).await;
    let trusted = Network::parse("10.1.0.0/16").unwrap();
    networks::add(&house.ctx, Actor::Operator, trusted, None).await.unwrap();
    house.wait(365 * DAY);

    let explanation = explain(&house, &jane, Head::SoapPartner).await;
    let admitted = house.log_in(&jane, PASSWORD).await;

    assert!(admitted.is_ok());
    assert_eq!(explanation.conclusion, Conclusion::Admitted);
    assert!(explanation.premise.contains("none is needed"), "{}", explanation.premise);
}

#[tokio::test]
async fn a_login_on_the_web_is_explained_with_the_lock_of_codes() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    house.enrol(&jane).await;
    let until = house.ctx.clock.now() + Duration::from_hours(1);
    let locked = Failures { count: 10, last_at: None, locked_until: Some(until) };
    let mut tx = house.ctx.store.begin().await.unwrap();
    stored_users::set_code_failures(&mut tx, jane.id, locked).await.unwrap();
    tx.commit().await.unwrap();

    let explanation = explain(&house, &jane, Head::Web).await;
    house.wait(Duration::from_hours(1));
    let later = explain(&house, &jane, Head::Web).await;

    let demand = |explanation: Explanation| {
        let mut steps = explanation.steps.into_iter();
        steps.find(|step| step.said == Said::Demanded).unwrap()
    };
    let (locked, open) = (demand(explanation), demand(later));
    assert!(locked.input.ends_with(&format!("no code is taken until {until}")), "{}", locked.input);
    let remedy = Refusal::CodesLockedOut(until).remedy();
    assert!(locked.remedy.ends_with(remedy), "{}", locked.remedy);
    assert!(!open.input.contains("no code") && !open.remedy.contains(remedy), "{open:?}");
}

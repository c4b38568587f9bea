//! Why a login was or would be refused, on the pages and over the control socket; and controls that a rule
//! forbids.

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use symbolon_app::login::{self, ApiLogin, Head, LoginError};
use symbolon_app::profiles;
use symbolon_app::{Actor, Origin, users};
use symbolon_core::judge::{FrozenBy, Rule, TokenFreeze};
use symbolon_core::names::{ClientName, Source};
use symbolon_core::policy::{Access, Policy};
use symbolon_core::secret::Credential;
use symbolon_http::control::{self, ControlSocket};
use tower::ServiceExt as _;

use crate::calls::{Answer, request};
use crate::house::{PEER, TestHouse};

async fn see(house: &TestHouse, cookie: &str, path: &str) -> Answer {
    let request = request(Method::GET, path);
    let request = request.header(header::COOKIE, format!("__Host-symbolon={cookie}"));
    house.send(request.body(Body::empty()).unwrap()).await
}

/// Over the control socket.
async fn ask(house: &TestHouse, path: &str) -> (StatusCode, Value) {
    let request = Request::builder().uri(path).extension(ControlSocket);
    let router = control::router(house.state.clone());
    let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&bytes).unwrap())
}

/// A login with a wrong password; yields what the client was told.
async fn refused(house: &TestHouse, name: &str) -> String {
    let login = ApiLogin {
        head: Head::SoapPartner,
        username: format!("{name}@example.com"),
        credential: Credential::new("wrong".to_owned()),
        client: None,
        origin: Origin {
            source: Source::new(PEER),
            client: ClientName::sanitised("test"),
            place: None,
        },
    };
    match login::log_in_to_api(&house.ctx, login).await {
        Err(LoginError::Refused(refused)) => refused.correlation_id.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

async fn freeze_tokens(house: &TestHouse, name: &str) {
    let user = users::show(&house.ctx, &format!("{name}@example.com")).await.unwrap().id;
    let mut tx = house.ctx.store.begin().await.unwrap();
    let freeze = TokenFreeze { at: house.ctx.clock.now(), by: FrozenBy::Owner };
    symbolon_store::users::freeze_tokens(&mut tx, user, freeze).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn each_refusal_in_the_history_leads_to_its_explanation() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let cookie = house.web_session("ada").await;
    let id = refused(&house, "ada").await;

    let listed = see(&house, &cookie, "/setup/login-history").await.body;
    let page = see(&house, &cookie, &format!("/setup/login-history/{id}")).await;

    assert!(listed.contains(&format!(r#"<a href="/setup/login-history/{id}">Explain"#)));
    assert_eq!(listed.matches(">Explain<").count(), 1, "only refusals are explained");
    assert_eq!(page.status, StatusCode::OK);
    for (_, rule) in Rule::ALL {
        assert!(page.body.contains(rule), "{rule}");
    }
    assert!(page.body.contains("or choose a new one by Forgot Password."));
}

#[tokio::test]
async fn a_foreign_refusal_is_none_to_a_user_and_one_to_an_administrator() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    house.user("bob").await;
    house.administrator("root").await;
    let (bob, root) = (house.web_session("bob").await, house.web_session("root").await);
    let id = refused(&house, "ada").await;
    let path = format!("/setup/login-history/{id}");

    let (foreign, all) = (see(&house, &bob, &path).await, see(&house, &root, &path).await);
    let nothing = see(&house, &root, "/setup/login-history/unknown").await;

    assert_eq!((foreign.status, all.status), (StatusCode::NOT_FOUND, StatusCode::OK));
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
    assert!(!foreign.body.contains("ada@example.com"));
    assert!(all.body.contains("ada@example.com"));
}

#[tokio::test]
async fn an_administrator_asks_how_a_login_would_be_decided() {
    let house = TestHouse::open().await;
    house.administrator("root").await;
    house.token("root").await;
    let root = house.web_session("root").await;

    let form = see(&house, &root, "/setup/explain-login").await;
    let asked = "/setup/explain-login?username=root%40example.com&from=192.0.2.7&at=&head=web&client=jsforce";
    let web = see(&house, &root, asked).await;
    let asked = "/setup/explain-login?username=nobody&from=here&at=soon&head=ftp";
    let wrong = see(&house, &root, asked).await;
    let asked = "/setup/explain-login?username=nobody&from=2001%3Adb8%3A%3A7&head=soap-partner";
    let nobody = see(&house, &root, asked).await;

    assert_eq!(form.status, StatusCode::OK);
    assert!(
        form.body.contains(r#"<form class="form" method="get" action="/setup/explain-login">"#)
    );
    assert_eq!(web.status, StatusCode::OK);
    assert!(web.body.contains("The login is let in once what is demanded has been proved."));
    assert!(web.body.contains("demands more"));
    assert!(web.body.contains(r#"name="client" type="text" value="jsforce""#), "{}", web.body);
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    for id in ["from-fault", "at-fault", "head-fault"] {
        assert!(wrong.body.contains(&format!(r#"id="{id}""#)), "{id}");
    }
    assert!(nobody.body.contains("There is no such user."));
}

#[tokio::test]
async fn the_command_line_is_told_every_rule_with_its_input_verdict_and_remedy() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let path = "/logins/explanation?username=ada%40example.com&from=192.0.2.7";

    let (status, said) = ask(&house, path).await;
    let (nobody, _) = ask(&house, "/logins/explanation?username=eve&from=192.0.2.7").await;
    let (nowhere, _) = ask(&house, "/logins/explanation?username=ada&from=here").await;
    let (never, _) = ask(&house, &format!("{path}&at=soon")).await;
    let (by_nothing, _) = ask(&house, &format!("{path}&head=ftp")).await;

    assert_eq!((status, nobody), (StatusCode::OK, StatusCode::NOT_FOUND));
    for wrong in [nowhere, never, by_nothing] {
        assert_eq!(wrong, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let steps = said["steps"].as_array().unwrap();
    assert_eq!(steps.len(), Rule::ALL.len());
    let token = steps.iter().find(|step| step["rule"] == Rule::Token.word()).unwrap();
    assert_eq!(token["verdict"], "refused");
    assert_eq!(token["input"], "security token missing");
    assert!(token["remedy"].as_str().unwrap().starts_with("Put the security token"));
    assert_eq!(steps[0]["remedy"], Value::Null);
}

#[tokio::test]
async fn the_history_says_no_more_to_scripts_than_it_always_did() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    refused(&house, "ada").await;

    let (_, said) = ask(&house, "/logins?limit=1").await;

    let mut members: Vec<&String> = said[0].as_object().unwrap().keys().collect();
    members.sort();
    let shape = ["client", "correlation_id", "head", "outcome", "reason", "source", "time", "user"];
    assert_eq!(members, shape);
}

#[tokio::test]
async fn frozen_tokens_leave_the_reset_of_one_device_type_in_sight_with_the_rule() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    house.administrator("root").await;
    let (ada, root) = (house.web_session("ada").await, house.web_session("root").await);
    freeze_tokens(&house, "ada").await;

    let own = see(&house, &ada, "/setup/reset-security-token/confirm").await.body;
    let path = "/setup/users/ada@example.com/reset-security-token";
    let administrators = see(&house, &root, path).await.body;

    for page in [own, administrators] {
        assert!(page.contains(r#"value="device-type" disabled aria-describedby="#), "{page}");
        assert!(page.contains(r#"<p class="rule" id="scope-device-type-rule">The tokens of this"#));
        assert!(
            page.contains(r#"<button class="button main" type="submit">"#),
            "the account may be"
        );
    }
}

#[tokio::test]
async fn an_ended_token_and_the_session_in_use_keep_their_buttons_disabled() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    house.token("ada").await;
    house.token("ada").await;
    let ada = house.web_session("ada").await;

    let tokens = see(&house, &ada, "/setup/tokens").await.body;
    let sessions = see(&house, &ada, "/setup/sessions").await.body;

    assert_eq!(tokens.matches(">Revoke<").count(), 2);
    assert_eq!(tokens.matches("It has ended already: there is nothing left to revoke.").count(), 1);
    assert!(sessions.contains("This is the session that you are using: Log Out ends it."));
    assert!(tokens.contains(r#"disabled aria-describedby="rule-setup-tokens-"#));
    assert!(sessions.contains(r#"disabled aria-describedby="rule-setup-sessions-"#));
}

#[tokio::test]
async fn the_last_administrator_is_told_why_he_stays() {
    let house = TestHouse::open().await;
    house.administrator("root").await;
    let root = house.web_session("root").await;

    let alone = see(&house, &root, "/setup/users/root@example.com").await.body;
    house.administrator("second").await;
    let of_two = see(&house, &root, "/setup/users/root@example.com").await.body;

    let last = "This is the last administrator: make another one first.";
    assert_eq!(alone.matches(last).count(), 2, "neither frozen nor removed");
    assert!(!of_two.contains(last));
    assert!(of_two.contains("You cannot remove yourself: another administrator can."));
}

#[tokio::test]
async fn a_profile_without_apis_is_told_what_its_tokens_are_good_for() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let ada = house.web_session("ada").await;
    let policy = Policy { access: Access::WebOnly, ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = policy).await.unwrap();

    let page = see(&house, &ada, "/setup/reset-security-token").await.body;

    assert!(page.contains("Your profile opens no API"));
    assert!(page.contains(r#"<button class="button main" type="submit">Reset Security Token"#));
}

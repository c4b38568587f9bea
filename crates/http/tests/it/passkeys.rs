//! The pages of passkeys: what they ask, under which policy, and what they refuse.

use axum::body::Body;
use http::{Method, StatusCode, header};

use crate::calls::{Answer, request};
use crate::house::TestHouse;

const BEGIN: &str = "/login/passkey";
const FINISH: &str = "/login/passkey/finish";
const ADD: &str = "/setup/second-factors/passkeys";
const ADDED: &str = "/setup/second-factors/passkeys/finish";

/// A browser with what it holds.
struct Browser<'a> {
    house: &'a TestHouse,
    cookie: String,
}

impl<'a> Browser<'a> {
    /// One that has looked at the log-in page.
    async fn of_stranger(house: &'a TestHouse) -> Self {
        let page = house.send(request(Method::GET, "/login").body(Body::empty()).unwrap()).await;
        let (cookie, _) = page.header("set-cookie").split_once(';').unwrap();
        Self { house, cookie: cookie.to_owned() }
    }

    /// One in which somebody is logged in.
    async fn of(house: &'a TestHouse, name: &str) -> Self {
        house.user(name).await;
        Self { house, cookie: format!("__Host-symbolon={}", house.web_session(name).await) }
    }

    async fn see(&self, path: &str) -> Answer {
        let request = request(Method::GET, path).header(header::COOKIE, &self.cookie);
        self.house.send(request.body(Body::empty()).unwrap()).await
    }

    /// Posts `fields` with the nonce that `page` shows.
    async fn post(&self, page: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let shown = self.see(page).await.body;
        let (_, rest) = shown.split_once(r#"name="csrf" value=""#).unwrap();
        let (nonce, _) = rest.split_once('"').unwrap();
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("csrf", nonce)
            .extend_pairs(fields)
            .finish();
        let request = request(Method::POST, path)
            .header(header::COOKIE, &self.cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.house.send(request.body(Body::from(body)).unwrap()).await
    }
}

fn policy(answer: &Answer) -> &str {
    answer.header("content-security-policy")
}

#[tokio::test]
async fn only_a_page_that_asks_for_a_passkey_may_run_our_script() {
    let house = TestHouse::open().await;
    let stranger = Browser::of_stranger(&house).await;
    let ada = Browser::of(&house, "ada").await;

    let login = stranger.see("/login").await;
    let asked = stranger.post("/login", BEGIN, &[]).await;
    let added = ada.post("/setup", ADD, &[("name", "Laptop")]).await;

    assert!(!policy(&login).contains("script-src"), "{}", policy(&login));
    for page in [&asked, &added] {
        assert_eq!(page.status, StatusCode::OK);
        assert!(policy(page).contains("default-src 'none'; script-src 'self';"));
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(page.body.matches("<script").count(), 1);
        let (_, rest) = page.body.split_once(r#"<script src=""#).unwrap();
        let (path, _) = rest.split_once('"').unwrap();
        let script = stranger.see(path).await;
        assert_eq!(script.header("content-type"), "text/javascript; charset=utf-8");
    }
    assert!(asked.body.contains(r#"data-passkey="get""#));
    assert!(added.body.contains(r#"data-passkey="create""#));
    assert!(added.body.contains("Passkeys need JavaScript"));
}

#[tokio::test]
async fn an_answer_that_is_none_gets_a_page_that_says_what_to_do() {
    let house = TestHouse::open().await;
    let stranger = Browser::of_stranger(&house).await;
    let ada = Browser::of(&house, "ada").await;

    for answer in ["", "{}", "null", "<script>", &"a".repeat(9000)] {
        let fields = [("question", "nothing"), ("answer", answer)];
        let refused = stranger.post("/login", FINISH, &fields).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{answer}");
        assert!(refused.body.contains("Begin anew"), "{}", refused.body);
        let fields = [("name", "Laptop"), ("question", "nothing"), ("answer", answer)];
        let refused = ada.post("/setup", ADDED, &fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
    }
}

#[tokio::test]
async fn an_answer_larger_than_any_form_is_not_read() {
    let house = TestHouse::open().await;
    let stranger = Browser::of_stranger(&house).await;

    let fields = [("question", "x"), ("answer", &"a".repeat(17 * 1024))];
    let refused = stranger.post("/login", FINISH, &fields).await;

    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_name_that_is_none_is_told_before_a_device_is_asked() {
    let house = TestHouse::open().await;
    let ada = Browser::of(&house, "ada").await;

    let refused = ada.post("/setup", ADD, &[("name", "")]).await;

    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("Name must not be empty."));
    assert!(!refused.body.contains("<script"));
}

#[tokio::test]
async fn where_passkeys_cannot_be_used_the_buttons_stay_and_say_why() {
    let house = TestHouse::open_with(|plan| {
        plan.settings.public_url = "http://127.0.0.1:8080".to_owned();
        plan.front.allowed_hosts = vec!["auth.example".to_owned()];
    })
    .await;
    let page = house.send(request(Method::GET, "/login").body(Body::empty()).unwrap()).await;

    let (_, form) = page.body.split_once(r#"action="/login/passkey""#).unwrap();
    let (form, _) = form.split_once("</form>").unwrap();

    assert!(form.contains("disabled"), "{form}");
    assert!(form.contains("--public-url http://localhost:8080"), "{form}");
}

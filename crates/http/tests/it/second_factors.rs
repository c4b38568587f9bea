//! The page of second factors: from the QR code to the recovery codes, and what is removed by whom.

use std::cell::RefCell;

use axum::body::Body;
use http::{Method, StatusCode, header};
use symbolon_app::second_factors::{self, SecondFactors};
use symbolon_app::{Actor, profiles};
use symbolon_core::factor::FactorKinds;
use symbolon_core::id::{Id, User};
use symbolon_core::policy::{Duty, Policy};

use crate::authenticator_app::AuthenticatorApp;
use crate::calls::{Answer, request};
use crate::house::TestHouse;

const PAGE: &str = "/setup/second-factors";
const APPS: &str = "/setup/second-factors/authenticators";
const CODES: &str = "/setup/second-factors/recovery-codes";

/// Somebody in front of a browser.
pub(crate) struct Person<'a> {
    house: &'a TestHouse,
    pub(crate) id: Id<User>,
    /// What the browser holds: the answers change it.
    cookie: RefCell<String>,
}

impl<'a> Person<'a> {
    pub(crate) async fn of(house: &'a TestHouse, name: &str) -> Self {
        let id = house.user(name).await;
        Self { house, id, cookie: house.web_session(name).await.into() }
    }

    pub(crate) async fn administrator(house: &'a TestHouse, name: &str) -> Self {
        let id = house.administrator(name).await;
        Self { house, id, cookie: house.web_session(name).await.into() }
    }

    /// The same in a browser that has logged in now.
    pub(crate) async fn anew(house: &'a TestHouse, id: Id<User>, name: &str) -> Self {
        Self { house, id, cookie: house.web_session(name).await.into() }
    }

    pub(crate) async fn see(&self, path: &str) -> Answer {
        let request = request(Method::GET, path).header(header::COOKIE, self.cookies());
        self.house.send(request.body(Body::empty()).unwrap()).await
    }

    /// Posts `fields` with the nonce of the forms of this session.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        // The one page that every session opens, also one that is confined to enrolling.
        let shown = self.see(PAGE).await.body;
        let (_, rest) = shown.split_once(r#"name="csrf" value=""#).unwrap();
        let (nonce, _) = rest.split_once('"').unwrap();
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("csrf", nonce)
            .extend_pairs(fields)
            .finish();
        let request = request(Method::POST, path)
            .header(header::COOKIE, self.cookies())
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = self.house.send(request.body(Body::from(body)).unwrap()).await;
        let set = answer.headers.get_all(header::SET_COOKIE);
        for cookie in set.iter().filter_map(|set| set.to_str().ok()) {
            if let Some((_, rest)) = cookie.split_once("__Host-symbolon=") {
                rest.split(';').next().unwrap().clone_into(&mut self.cookie.borrow_mut());
            }
        }
        answer
    }

    fn cookies(&self) -> String {
        format!("__Host-symbolon={}", self.cookie.borrow())
    }

    /// Begins an enrolment; yields where it goes on, and the app that has the key.
    async fn begin(&self) -> (String, AuthenticatorApp) {
        let begun = self.post(APPS, &[]).await;
        assert_eq!(begun.status, StatusCode::SEE_OTHER);
        let path = begun.header("location").to_owned();
        let key = secrets_shown(&self.see(&path).await.body).remove(0);
        (path, AuthenticatorApp::with_key(&key))
    }

    /// Enrols an app called so; yields it and the answer.
    pub(crate) async fn enrol(&self, name: &str) -> (AuthenticatorApp, Answer) {
        let (path, app) = self.begin().await;
        let code = app.code(self.house.ctx.clock.now(), 0);
        let answer = self.post(&path, &[("code", &code), ("name", name)]).await;
        (app, answer)
    }

    pub(crate) async fn factors(&self) -> SecondFactors {
        second_factors::list(&self.house.ctx, self.id).await.unwrap()
    }

    /// Where the only app of this person is.
    async fn only_app(&self) -> String {
        format!("{APPS}/{}", self.factors().await.authenticators[0].id)
    }
}

/// What stands in `<span class="secret">…</span>`, in the order of the page.
fn secrets_shown(page: &str) -> Vec<String> {
    let parts = page.split(r#"<span class="secret">"#).skip(1);
    parts.map(|part| part.split_once('<').unwrap().0.to_owned()).collect()
}

#[tokio::test]
async fn the_page_shows_the_code_as_a_picture_with_a_text_and_the_key_in_groups() {
    let house = TestHouse::open().await;
    let ada = Person::of(&house, "ada").await;

    let (path, _) = ada.begin().await;
    let page = ada.see(&path).await;

    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(page.body.contains(r#"<svg class="qr" role="img" aria-labelledby="qr-title""#));
    assert!(page.body.contains(r#"<title id="qr-title">QR code for your authenticator app"#));
    let key = secrets_shown(&page.body).remove(0);
    let groups: Vec<&str> = key.split(' ').collect();
    assert!(groups.len() == 8 && groups.iter().all(|group| group.len() == 4), "{key}");
    assert!(page.body.contains(r#"<label for="code">Verification Code</label>"#));
    assert!(page.body.contains(r#"autocomplete="one-time-code""#));
    assert!(!ada.see(PAGE).await.body.contains(&key), "nothing is enrolled yet");
}

#[tokio::test]
async fn the_first_app_brings_ten_codes_that_are_shown_once_and_the_second_none() {
    let house = TestHouse::open().await;
    let ada = Person::of(&house, "ada").await;

    let (_, first) = ada.enrol("Phone").await;
    let (_, second) = ada.enrol("<b>Tablet</b>").await;

    assert_eq!(first.status, StatusCode::CREATED);
    assert_eq!(first.header("cache-control"), "no-store");
    let codes = secrets_shown(&first.body);
    assert_eq!(codes.len(), 10);
    assert!(codes.iter().all(|code| code.len() == 19 && code.matches('-').count() == 3));
    assert_eq!(second.header("location"), "/setup/second-factors?done=authenticator-added");
    let page = ada.see(PAGE).await.body;
    assert!(codes.iter().all(|code| !page.contains(code)));
    assert!(page.contains("10 recovery codes left"));
    assert!(page.contains("Phone") && page.contains("&#60;b&#62;Tablet"), "{page}");
    assert_eq!(ada.factors().await.authenticators.len(), 2);
}

#[tokio::test]
async fn with_a_second_factor_the_browser_holds_a_new_secret_and_the_old_one_opens_nothing() {
    let house = TestHouse::open().await;
    let ada = Person::of(&house, "ada").await;
    let before = ada.cookies();

    let (_, enrolled) = ada.enrol("Phone").await;

    assert_eq!(enrolled.status, StatusCode::CREATED);
    assert_ne!(ada.cookies(), before);
    assert_eq!(ada.see(PAGE).await.status, StatusCode::OK);
    let taken = request(Method::GET, PAGE).header(header::COOKIE, before);
    let with_old = house.send(taken.body(Body::empty()).unwrap()).await;
    assert!(with_old.header("location").starts_with("/login"), "{:?}", with_old.status);
}

#[tokio::test]
async fn a_wrong_code_is_told_at_its_field_and_the_same_key_stays() {
    let house = TestHouse::open().await;
    let ada = Person::of(&house, "ada").await;
    let (path, app) = ada.begin().await;
    let before = secrets_shown(&ada.see(&path).await.body);
    let far = app.code(house.ctx.clock.now(), 9);

    let refused = ada.post(&path, &[("code", &far), ("name", "Phone")]).await;
    let nameless = ada.post(&path, &[("code", &far), ("name", "")]).await;

    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains(r#"id="code-fault">This code is not right."#));
    assert_eq!(secrets_shown(&refused.body), before);
    assert!(nameless.body.contains(r#"id="name-fault""#));
    assert_eq!(ada.factors().await.kinds, FactorKinds::NONE);
}

#[tokio::test]
async fn the_enrolment_of_one_is_neither_seen_nor_finished_by_another() {
    let house = TestHouse::open().await;
    let (ada, eve) = (Person::of(&house, "ada").await, Person::of(&house, "eve").await);
    let (path, app) = ada.begin().await;
    let elsewhere =
        Person { house: &house, id: ada.id, cookie: house.web_session("ada").await.into() };
    let code = app.code(house.ctx.clock.now(), 0);

    for other in [&eve, &elsewhere] {
        assert_eq!(other.see(&path).await.status, StatusCode::NOT_FOUND);
        let posted = other.post(&path, &[("code", &code), ("name", "Mine")]).await;
        assert_eq!(posted.status, StatusCode::NOT_FOUND);
        assert_eq!(other.factors().await.kinds, FactorKinds::NONE);
    }
}

#[tokio::test]
async fn an_app_is_renamed_and_removed_after_a_question_and_not_by_another() {
    let house = TestHouse::open().await;
    let (ada, eve) = (Person::of(&house, "ada").await, Person::of(&house, "eve").await);
    ada.enrol("Phone").await;
    let app = ada.only_app().await;
    let (rename, remove) = (format!("{app}/rename"), format!("{app}/remove"));
    for path in [&rename, &remove] {
        assert_eq!(eve.see(path).await.status, StatusCode::NOT_FOUND);
        let fields: &[(&str, &str)] = if *path == rename { &[("name", "Mine")] } else { &[] };
        assert_eq!(eve.post(path, fields).await.status, StatusCode::NOT_FOUND);
    }

    let renamed = ada.post(&rename, &[("name", "Old phone")]).await;
    let question = ada.see(&remove).await;
    let removed = ada.post(&remove, &[]).await;

    assert_eq!(renamed.header("location"), "/setup/second-factors?done=second-factor-renamed");
    assert!(question.body.contains("“Old phone” proves nothing any more"), "{}", question.body);
    assert!(question.body.contains("your recovery codes end with it"));
    assert_eq!(removed.header("location"), "/setup/second-factors?done=second-factor-removed");
    assert_eq!(ada.factors().await.kinds, FactorKinds::NONE);
    assert_eq!(ada.see(&remove).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn under_duty_the_last_app_keeps_its_button_disabled_with_the_rule() {
    let house = TestHouse::open().await;
    let ada = Person::of(&house, "ada").await;
    ada.enrol("Phone").await;
    let policy = Policy { duty: Duty::Web, ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = policy).await.unwrap();
    let remove = format!("{}/remove", ada.only_app().await);

    let page = ada.see(PAGE).await.body;
    let question = ada.see(&remove).await.body;
    let forced = ada.post(&remove, &[]).await;

    for shown in [page, question] {
        assert!(shown.contains("An administrator can lift the demand in the profile."), "{shown}");
    }
    assert_eq!(forced.status, StatusCode::FORBIDDEN);
    assert_eq!(ada.factors().await.authenticators.len(), 1);
}

#[tokio::test]
async fn new_recovery_codes_are_made_after_a_question_and_few_left_are_warned_of() {
    let house = TestHouse::open().await;
    let ada = Person::of(&house, "ada").await;
    let without = ada.see(PAGE).await.body;
    assert!(
        without.contains("Recovery codes stand in for a lost second factor, and you have none.")
    );
    assert_eq!(ada.post(CODES, &[]).await.status, StatusCode::FORBIDDEN);
    let (_, enrolled) = ada.enrol("Phone").await;
    let old = secrets_shown(&enrolled.body);

    use_up(&ada, &old[..6]).await;
    let four = ada.see(PAGE).await.body;
    use_up(&ada, &old[6..7]).await;
    let three = ada.see(PAGE).await.body;
    let question = ada.see(CODES).await;
    let renewed = ada.post(CODES, &[]).await;

    assert!(!four.contains("Only 4"), "{four}");
    assert!(three.contains("Only 3 recovery codes left."), "{three}");
    assert!(question.body.contains("The codes that you have now stop working"));
    assert_eq!(renewed.status, StatusCode::CREATED);
    let new = secrets_shown(&renewed.body);
    assert_eq!(new.len(), 10);
    assert!(new.iter().all(|code| !old.contains(code)));
    assert_eq!(ada.factors().await.recovery_codes.left, 10);
}

#[tokio::test]
async fn an_administrator_resets_the_factors_of_others_and_not_his_own() {
    let house = TestHouse::open().await;
    let ada = Person::of(&house, "ada").await;
    let root = Person::administrator(&house, "root").await;
    ada.enrol("Phone").await;
    root.enrol("Phone").await;
    let reset = |name| format!("/setup/users/{name}@example.com/reset-second-factors");

    assert_eq!(ada.post(&reset("root"), &[]).await.status, StatusCode::FORBIDDEN);
    let question = root.see(&reset("ada")).await;
    let done = root.post(&reset("ada"), &[]).await;
    let own = root.post(&reset("root"), &[]).await;

    assert!(question.body.contains("whom you have recognised"), "{}", question.body);
    assert_eq!(done.header("location"), "/setup/users/ada@example.com?done=second-factors-reset");
    assert_eq!(ada.factors().await.kinds, FactorKinds::NONE);
    assert_eq!(own.status, StatusCode::FORBIDDEN);
    assert_eq!(root.factors().await.authenticators.len(), 1);
    house.deliver_mail().await;
    let subject = &house.mails()[0].subject;
    assert_eq!(subject, "All second factors were removed from your Example Org account");
}

/// Uses recovery codes up, as logins do.
async fn use_up(person: &Person<'_>, codes: &[String]) {
    use symbolon_app::Origin;
    use symbolon_core::names::{ClientName, Source};
    use symbolon_core::secret::TypedCode;
    let ctx = &person.house.ctx;
    let origin = Origin {
        source: Source::new(crate::house::PEER),
        client: ClientName::sanitised("test"),
        place: None,
    };
    for code in codes {
        let mut tx = ctx.store.begin().await.unwrap();
        let (typed, now) = (TypedCode::new(code.clone()), ctx.clock.now());
        let taken = second_factors::take_code(ctx, &mut tx, person.id, &typed, &origin, now).await;
        assert!(taken.unwrap().is_some());
        tx.commit().await.unwrap();
    }
}

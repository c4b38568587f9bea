//! Pages of administrators: clients' secrets, device types, a user's OpenPGP key and frozen tokens.

use axum::body::Body;
use http::{Method, StatusCode, header};
use symbolon_app::clients::{self, ClientView};
use symbolon_app::context::Switch;
use symbolon_app::{Actor, device_types, openpgp};
use symbolon_core::device_type::DeviceRules;
use symbolon_core::judge::{FrozenBy, TokenFreeze};
use symbolon_core::names::DeviceType;
use symbolon_core::policy::DAY;
use symbolon_core::secret::ClientSecret;
use symbolon_core::verification::BearerUse;

use crate::calls::{Answer, request};
use crate::house::TestHouse;

const CLIENTS: &str = "/setup/clients";
const DEVICE_TYPES: &str = "/setup/device-types";

/// An administrator in front of a browser.
pub(crate) struct Administrator<'a> {
    house: &'a TestHouse,
    cookie: String,
}

impl<'a> Administrator<'a> {
    pub(crate) async fn of(house: &'a TestHouse) -> Self {
        house.administrator("root").await;
        Self::logged_in(house).await
    }

    /// The one called `root`, who is there.
    pub(crate) async fn logged_in(house: &'a TestHouse) -> Self {
        let cookie = format!("__Host-symbolon={}", house.web_session("root").await);
        Self { house, cookie }
    }

    pub(crate) async fn see(&self, path: &str) -> Answer {
        let request = request(Method::GET, path).header(header::COOKIE, &self.cookie);
        self.house.send(request.body(Body::empty()).unwrap()).await
    }

    /// Posts `fields` with the nonce of the forms on `page`, and what it says of the state that was seen.
    pub(crate) async fn post(&self, page: &str, path: &str, fields: &str) -> Answer {
        let shown = self.see(page).await.body;
        self.post_as_seen(&shown, path, fields).await
    }

    /// The same from a page that was opened earlier.
    pub(crate) async fn post_as_seen(&self, shown: &str, path: &str, fields: &str) -> Answer {
        let hidden = |name: &str| {
            let (_, rest) = shown.split_once(&format!(r#"name="{name}" value=""#))?;
            Some(format!("&{name}={}", rest.split_once('"')?.0))
        };
        let (nonce, seen) = (hidden("csrf").unwrap(), hidden("seen").unwrap_or_default());
        let request = request(Method::POST, path)
            .header(header::COOKIE, &self.cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let body = format!("{}{seen}{fields}", nonce.trim_start_matches('&'));
        self.house.send(request.body(Body::from(body)).unwrap()).await
    }
}

async fn only_client(house: &TestHouse) -> ClientView {
    clients::list(&house.ctx).await.unwrap().remove(0)
}

/// What stands in `<dd class="secret">…</dd>`, in the order of the page.
fn secrets_shown(answer: &Answer) -> Vec<String> {
    let parts = answer.body.split(r#"<dd class="secret">"#).skip(1);
    parts.map(|part| part.split_once('<').unwrap().0.to_owned()).collect()
}

#[tokio::test]
async fn a_secret_that_is_added_is_shown_once_and_works() {
    let house = TestHouse::open().await;
    let root = Administrator::of(&house).await;
    let client = house.client(Switch::Off).await.id;

    let added = root.post(CLIENTS, &format!("{CLIENTS}/{client}/secrets"), "").await;

    assert_eq!(added.status, StatusCode::CREATED);
    assert_eq!(added.header("cache-control"), "no-store");
    let shown = secrets_shown(&added);
    assert_eq!(shown[0], client.to_string());
    let secret = ClientSecret::new(shown[1].clone());
    assert!(clients::authenticate(&house.ctx, &shown[0], &secret).await.unwrap().is_ok());
    let listed = root.see(CLIENTS).await.body;
    assert!(!listed.contains(&shown[1]));
    for secret in only_client(&house).await.secrets {
        assert!(listed.contains(&secret.id.to_string()));
    }
}

#[tokio::test]
async fn a_secret_is_removed_after_a_question() {
    let house = TestHouse::open().await;
    let root = Administrator::of(&house).await;
    let client = house.client(Switch::Off).await;
    root.post(CLIENTS, &format!("{CLIENTS}/{}/secrets", client.id), "").await;
    let first = only_client(&house).await.secrets[0].id;
    let path = format!("{CLIENTS}/{}/secrets/{first}/remove", client.id);

    let question = root.see(&path).await;
    let removed = root.post(&path, &path, "").await;

    assert_eq!(question.status, StatusCode::OK);
    assert!(question.body.contains("This cannot be undone"));
    assert_eq!(removed.header("location"), "/setup/clients?done=client-secret-removed");
    let known = clients::authenticate(&house.ctx, &client.id.to_string(), &client.secret).await;
    assert!(known.unwrap().is_err());
    assert_eq!(root.see(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_administrator_resets_his_own_token_with_the_current_password_alone() {
    let house = TestHouse::open().await;
    let root = Administrator::of(&house).await;
    house.user("ada").await;
    let rule =
        "This is your own: use Reset My Security Token, which asks for your current password.";
    let (own, adas) = ["root", "ada"].map(|name| format!("/setup/users/{name}@example.com")).into();
    let reset = |page: &str| format!("{page}/reset-security-token");
    let fields = "&scope=account&device_type=any&reason=";
    let before = house.mark().await;

    let shown = root.see(&own).await.body;
    let asked = root.see(&reset(&own)).await.body;
    let forced = root.post(&own, &reset(&own), fields).await;
    let after = house.mark().await;
    let of_ada = root.post(&adas, &reset(&adas), fields).await;

    assert!(shown.contains(rule), "{shown}");
    assert!(asked.contains(rule), "{asked}");
    assert_eq!(forced.status, StatusCode::FORBIDDEN);
    assert!(forced.body.contains("Reset My Security Token"), "{}", forced.body);
    assert_eq!(after, before, "nothing was reset");
    assert!(of_ada.header("location").starts_with(&adas), "{}", of_ada.status);
}

#[tokio::test]
async fn what_a_rule_forbids_stays_in_sight_with_the_rule() {
    let house = TestHouse::open().await;
    let root = Administrator::of(&house).await;
    let client = house.client(Switch::Off).await.id;
    let only = only_client(&house).await.secrets[0].id;
    let removal = format!("{CLIENTS}/{client}/secrets/{only}/remove");

    let with_one = root.see(CLIENTS).await.body;
    let refused = root.post(CLIENTS, &removal, "").await;
    for _ in 1..clients::MOST_SECRETS {
        root.post(CLIENTS, &format!("{CLIENTS}/{client}/secrets"), "").await;
    }
    let with_five = root.see(CLIENTS).await.body;
    let sixth = root.post(CLIENTS, &format!("{CLIENTS}/{client}/secrets"), "").await;

    assert!(with_one.contains("This is the only secret of the client: add another first"));
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(with_five.contains("A client has at most 5 secrets"));
    assert_eq!(sixth.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(only_client(&house).await.secrets.len(), 5);
}

#[tokio::test]
async fn bearer_use_is_switched_on_the_page_of_device_types() {
    let house = TestHouse::open().await;
    let root = Administrator::of(&house).await;
    let server = async || {
        let all = device_types::list(&house.ctx).await.unwrap();
        all.into_iter().find(|row| row.name.as_str() == "server").unwrap().rules.bearer
    };
    let path = format!("{DEVICE_TYPES}/server/bearer");

    let on = root.post(DEVICE_TYPES, &path, "&bearer=on").await;
    let (then, page) = (server().await, root.see(on.header("location")).await.body);
    let off = root.post(DEVICE_TYPES, &path, "&bearer=off").await;

    assert_eq!((then, server().await), (BearerUse::Allowed, BearerUse::OneHalf));
    assert_eq!(on.header("location"), "/setup/device-types?done=bearer-on");
    assert_eq!(off.header("location"), "/setup/device-types?done=bearer-off");
    assert!(page.contains("Switch Off"));
    assert!(page.contains("a whole credential by itself"));
}

#[tokio::test]
async fn a_switch_that_is_neither_on_nor_off_or_of_no_device_type_changes_nothing() {
    let house = TestHouse::open().await;
    let root = Administrator::of(&house).await;
    let before = house.mark().await;
    let post = async |name: &str, fields: &str| {
        root.post(DEVICE_TYPES, &format!("{DEVICE_TYPES}/{name}/bearer"), fields).await.status
    };

    assert_eq!(post("server", "&bearer=perhaps").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(post("server", "").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(post("toaster", "&bearer=on").await, StatusCode::NOT_FOUND);
    assert_eq!(post("A%20Toaster", "&bearer=on").await, StatusCode::NOT_FOUND);
    assert_eq!(house.mark().await, before);
}

#[tokio::test]
async fn an_administrator_sees_the_key_of_a_user_and_removes_it() {
    const KEY: &[u8] = include_bytes!("../../../mail/tests/keys/curve.asc");
    const PAGE: &str = "/setup/users/jane@example.com";
    let house = TestHouse::open().await;
    let root = Administrator::of(&house).await;
    let jane = house.user("jane").await;
    let key = openpgp::read(&house.ctx, KEY).unwrap();
    openpgp::set_for(&house.ctx, Actor::Operator, "jane@example.com", Some(key)).await.unwrap();
    let fingerprint = openpgp::of_user(&house.ctx, jane).await.unwrap().key.unwrap().fingerprint;

    let before = root.see(PAGE).await.body;
    let removed = root.post(PAGE, &format!("{PAGE}/remove-openpgp-key"), "").await;
    let after = root.see(removed.header("location")).await.body;

    assert!(before.contains(&fingerprint));
    assert!(openpgp::of_user(&house.ctx, jane).await.unwrap().key.is_none());
    assert!(!after.contains(&fingerprint));
    assert!(after.contains("The OpenPGP key was removed"));
    assert!(after.contains("The user has no OpenPGP key."));
}

#[tokio::test]
async fn an_administrator_reads_who_froze_the_tokens_of_a_user_and_lifts_it() {
    const PAGE: &str = "/setup/users/jane@example.com";
    let house = TestHouse::open().await;
    let root = Administrator::of(&house).await;
    let jane = house.user("jane").await;
    let freeze = async |by| {
        let freeze = TokenFreeze { at: house.ctx.clock.now(), by };
        let mut tx = house.ctx.store.begin().await.unwrap();
        symbolon_store::users::freeze_tokens(&mut tx, jane, freeze).await.unwrap();
        tx.commit().await.unwrap();
    };

    let unfrozen = root.see(PAGE).await.body;
    freeze(FrozenBy::Owner).await;
    let by_owner = root.see(PAGE).await.body;
    freeze(FrozenBy::Sharing).await;
    let by_rule = root.see(PAGE).await.body;
    let own = house.web_session("jane").await;
    let seen_by_jane = request(Method::GET, "/setup/personal-information")
        .header(header::COOKIE, format!("__Host-symbolon={own}"));
    let seen_by_jane = house.send(seen_by_jane.body(Body::empty()).unwrap()).await.body;
    let lifted = root.post(PAGE, &format!("{PAGE}/unfreeze-tokens"), "").await;
    let after = root.see(lifted.header("location")).await.body;

    assert!(unfrozen.contains("The tokens are not frozen."), "{unfrozen}");
    assert!(by_owner.contains(", by their owner</dd>"), "{by_owner}");
    assert!(by_rule.contains(", because one looks shared</dd>"), "{by_rule}");
    assert!(seen_by_jane.contains(">looks shared</a>"), "{seen_by_jane}");
    assert!(!seen_by_jane.contains("Freeze my tokens"), "{seen_by_jane}");
    assert!(after.contains("The freeze was lifted"), "{after}");
    assert!(!after.contains("because one looks shared"));
    assert!(after.contains("The tokens are not frozen."));
}

/// The form of a device type filled in, but for `max_age`.
const RULES: &str = "&holders=&reminders=30&idle_end=&overlap=forbidden&bearer=off&addresses=&client_kind=server\
    &on_mismatch=note&most_places=8&on_sharing=tell";

#[tokio::test]
async fn a_form_that_was_opened_before_another_change_does_not_undo_it() {
    let house = TestHouse::open().await;
    let root = Administrator::of(&house).await;
    let path = format!("{DEVICE_TYPES}/server");
    let fields = format!("&max_age=90{RULES}");
    let rules = async || {
        let all = device_types::list(&house.ctx).await.unwrap();
        all.into_iter().find(|row| row.name.as_str() == "server").unwrap().rules
    };
    let opened = root.see(&path).await.body;
    let switch = |rules: &mut DeviceRules| rules.most_places = 2;
    let server = DeviceType::parse("server").unwrap();
    device_types::set(&house.ctx, Actor::Operator, &server, switch).await.unwrap();
    let before = rules().await;

    let stale = root.post_as_seen(&opened, &path, &fields).await;
    let untouched = rules().await;
    let unseen = root.post_as_seen(&opened.replace("name=\"seen\"", ""), &path, &fields).await;
    let again = root.post_as_seen(&stale.body, &path, &fields).await;

    assert_eq!(stale.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(stale.body.contains("Somebody has changed this since you opened the page"));
    assert!(stale.body.contains(r#"name="most_places""#) && stale.body.contains(r#"value="2""#));
    assert_eq!((untouched, unseen.status), (before, StatusCode::UNPROCESSABLE_ENTITY));
    assert_eq!(again.header("location"), "/setup/device-types?done=device-type-saved");
    assert_eq!((rules().await.max_age, rules().await.most_places), (90 * DAY, 8));
}

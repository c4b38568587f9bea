//! What a reset will break, on the pages and over the control socket; the receipt that follows clients; and
//! rotation on the page Tokens.

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use symbolon_app::login::{self, ApiLogin, Head};
use symbolon_app::{Actor, Origin, device_types, reset};
use symbolon_core::client_kind::ClientKind;
use symbolon_core::device_type::{DeviceRules, Holders, Overlap};
use symbolon_core::id::Id;
use symbolon_core::names::{ClientName, DeviceType, Source};
use symbolon_core::reset::Scope;
use symbolon_core::secret::Credential;
use symbolon_http::control::{self, ControlSocket};
use tower::ServiceExt as _;

use crate::calls::{Answer, request};
use crate::house::{PASSWORD, PEER, TestHouse};

const MINUTE: std::time::Duration = std::time::Duration::from_mins(1);

async fn see(house: &TestHouse, cookie: &str, path: &str) -> Answer {
    let request = request(Method::GET, path);
    let request = request.header(header::COOKIE, format!("__Host-symbolon={cookie}"));
    house.send(request.body(Body::empty()).unwrap()).await
}

/// Fills in the form that the page at `path` shows, with the hidden fields as they are.
async fn fill_in(house: &TestHouse, cookie: &str, path: &str, typed: &[(&str, &str)]) -> Answer {
    let page = see(house, cookie, path).await.body;
    // Quick Find leads here as well, by GET.
    let action = format!(r#"method="post" action="{path}""#);
    let form =
        page.split("<form").find(|form| form.contains(&action)).expect("the page has a form");
    let hidden = form.split("type=\"hidden\" name=\"").skip(1).map(|input| {
        let (name, rest) = input.split_once("\" value=\"").unwrap();
        (name, rest.split('"').next().unwrap())
    });
    let mut fields = form_urlencoded::Serializer::new(String::new());
    fields.extend_pairs(hidden).extend_pairs(typed);
    let request = request(Method::POST, path)
        .header(header::COOKIE, format!("__Host-symbolon={cookie}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    house.send(request.body(Body::from(fields.finish())).unwrap()).await
}

async fn log_in(house: &TestHouse, token: &str, client: &str) -> bool {
    let login = ApiLogin {
        head: Head::SoapPartner,
        username: "ada@example.com".to_owned(),
        credential: Credential::new(format!("{PASSWORD}{token}")),
        client: None,
        origin: Origin {
            source: Source::new(PEER),
            client: ClientName::sanitised(client),
            place: None,
        },
    };
    login::log_in_to_api(&house.ctx, login).await.is_ok()
}

/// A further token, for servers.
async fn token_for_servers(house: &TestHouse) -> String {
    let server = DeviceType::parse("server").unwrap();
    let (actor, scope) = (Actor::Operator, Scope::DeviceType);
    reset::reset_for(&house.ctx, actor, "ada@example.com", server, scope, None).await.unwrap();
    house.deliver_mail().await;
    house.newest_token("ada")
}

/// Ada with a session, a token that jsforce uses and one for servers that export uses.
async fn house_with_two_tokens() -> (TestHouse, String, String) {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let any = house.token("ada").await;
    house.clock.advance(MINUTE);
    let server = token_for_servers(&house).await;
    assert!(log_in(&house, &any, "jsforce").await);
    assert!(log_in(&house, &server, "export").await);
    house.clock.advance(MINUTE);
    let cookie = house.web_session("ada").await;
    (house, cookie, any)
}

async fn allow_overlap(house: &TestHouse) {
    let set = |rules: &mut DeviceRules| rules.overlap = Overlap::Allowed;
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), set).await.unwrap();
}

/// The pages of the tokens whose button of this label is not disabled.
fn open_ways(page: &str, way: &str) -> Vec<String> {
    let end = format!("/{way}\"");
    let forms = page.split("<form").filter(|form| form.contains(&end));
    let open = forms.filter(|form| !form.contains(" disabled"));
    let path = |form: &str| {
        let rest = form.split_once("action=\"").unwrap().1;
        rest.split('"').next().unwrap().to_owned()
    };
    open.map(path).collect()
}

#[tokio::test]
async fn before_a_reset_each_token_is_shown_with_the_clients_that_stop() {
    let (house, cookie, _) = house_with_two_tokens().await;

    let page = see(&house, &cookie, "/setup/reset-security-token").await.body;

    for client in ["jsforce", "export"] {
        assert!(page.contains(&format!(r#"class="any">{client}</th>"#)), "{page}");
    }
    assert_eq!(page.matches(r#"data-label="If the token ends">stops</td>"#).count(), 2);
    assert!(page.contains("ends all 2 tokens below"));
}

#[tokio::test]
async fn the_confirm_page_tells_what_either_choice_ends_and_takes_a_choice_from_the_address() {
    let (house, cookie, _) = house_with_two_tokens().await;
    let confirm = "/setup/reset-security-token/confirm";

    let usual = see(&house, &cookie, confirm).await.body;
    let chosen = format!("{confirm}?scope=device-type&device_type=server");
    let chosen = see(&house, &cookie, &chosen).await.body;

    assert!(usual.contains(r#"value="account" checked"#));
    assert!(usual.contains("<strong>ends</strong>: 1 client stops"));
    assert!(
        usual.contains("ends if server is the device type that you choose; lives on otherwise")
    );
    assert!(chosen.contains(r#"value="device-type" checked"#));
    assert!(chosen.contains(r#"<option value="server" selected>"#));
}

#[tokio::test]
async fn a_device_type_that_an_administrator_has_added_is_offered() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let cookie = house.web_session("ada").await;
    let kiosk = DeviceType::parse("kiosk").unwrap();
    device_types::add(&house.ctx, Actor::Operator, kiosk, DeviceRules::default()).await.unwrap();

    let page = see(&house, &cookie, "/setup/reset-security-token/confirm").await.body;

    assert!(page.contains(r#"<option value="kiosk">kiosk</option>"#), "{page}");
}

#[tokio::test]
async fn tokens_offers_every_action_and_says_why_one_is_forbidden() {
    let (house, cookie, _) = house_with_two_tokens().await;
    allow_overlap(&house).await;

    let page = see(&house, &cookie, "/setup/tokens").await.body;

    for label in ["Reset<", "Rotate<", "Cancel Rotation<", "Revoke<"] {
        assert_eq!(page.matches(&format!(">{label}")).count(), 2, "{label}");
    }
    assert_eq!(open_ways(&page, "rotate").len(), 1, "servers may not overlap");
    assert_eq!(open_ways(&page, "cancel-rotation").len(), 0);
    assert!(page.contains("No rotation of this token is under way."));
}

#[tokio::test]
async fn the_receipt_follows_a_client_until_it_has_come_back() {
    let (house, cookie, old) = house_with_two_tokens().await;
    let confirm = "/setup/reset-security-token/confirm";
    let typed = [("current_password", PASSWORD), ("scope", "account"), ("device_type", "any")];
    let receipt = fill_in(&house, &cookie, confirm, &typed).await.header("location").to_owned();
    house.deliver_mail().await;
    let new = house.newest_token("ada");

    let unseen = see(&house, &cookie, &receipt).await.body;
    house.clock.advance(MINUTE);
    assert!(!log_in(&house, &old, "jsforce").await);
    house.clock.advance(3 * MINUTE);
    let tried = see(&house, &cookie, &receipt).await.body;
    assert!(log_in(&house, &new, "jsforce").await);
    let back = see(&house, &cookie, &receipt).await.body;

    assert!(unseen.contains("Of 2 clients of the earlier tokens 2 have not come back"), "{unseen}");
    assert_eq!(unseen.matches("not seen since</span>").count(), 2);
    assert!(
        tried.contains("still on the retired token</span> last try 3 minutes ago, 1 try in all")
    );
    assert!(back.contains("came back</span> with the new token at"));
    assert!(back.contains("Of 2 clients of the earlier tokens 1 has not come back"));
    assert!(back.contains(&format!(r#"href="{receipt}">Refresh</a>"#)));
}

#[tokio::test]
async fn a_rotation_leads_to_the_receipt_and_can_be_cancelled_on_tokens() {
    let (house, cookie, old) = house_with_two_tokens().await;
    allow_overlap(&house).await;
    let page = see(&house, &cookie, "/setup/tokens").await.body;
    let rotate = open_ways(&page, "rotate").remove(0);

    let typed = [("current_password", PASSWORD), ("overlap", "24")];
    let rotated = fill_in(&house, &cookie, &rotate, &typed).await;
    let receipt = see(&house, &cookie, rotated.header("location")).await.body;
    let during = see(&house, &cookie, "/setup/tokens").await.body;
    let cancel = open_ways(&during, "cancel-rotation").remove(0);
    let cancelled = fill_in(&house, &cookie, &cancel, &[]).await;

    assert_eq!(rotated.status, StatusCode::SEE_OTHER, "{}", rotated.body);
    assert!(receipt.contains("The old one lives on until this one is first used"), "{receipt}");
    assert_eq!(during.matches("rotation under way").count(), 2);
    assert_eq!(cancelled.header("location"), "/setup/tokens?done=rotation-cancelled");
    assert!(log_in(&house, &old, "jsforce").await);
}

#[tokio::test]
async fn an_overlap_out_of_bounds_is_refused_at_its_field() {
    let (house, cookie, _) = house_with_two_tokens().await;
    allow_overlap(&house).await;
    let page = see(&house, &cookie, "/setup/tokens").await.body;
    let rotate = open_ways(&page, "rotate").remove(0);

    for hours in ["0", "169", "soon"] {
        let typed = [("current_password", PASSWORD), ("overlap", hours)];
        let refused = fill_in(&house, &cookie, &rotate, &typed).await;

        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{hours}: {}", refused.body);
        assert!(refused.body.contains("Use a whole number from 1 to 168."), "{hours}");
    }
}

#[tokio::test]
async fn nobody_rotates_the_token_of_another() {
    let (house, _, _) = house_with_two_tokens().await;
    let ada = house.web_session("ada").await;
    house.user("eve").await;
    let eve = house.web_session("eve").await;
    allow_overlap(&house).await;
    let page = see(&house, &ada, "/setup/tokens").await.body;

    for way in ["rotate", "cancel-rotation", "revoke"] {
        let path = page.split("action=\"").find_map(|form| {
            let path = form.split('"').next()?;
            path.ends_with(way).then(|| path.to_owned())
        });
        let answer = see(&house, &eve, &path.unwrap()).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{way}");
    }
}

#[tokio::test]
async fn a_client_that_is_plainly_of_another_kind_is_remarked_upon_on_pages_and_to_scripts() {
    let (house, cookie, _) = house_with_two_tokens().await;
    let set = |rules: &mut DeviceRules| rules.kind = Some(ClientKind::Mobile);
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), set).await.unwrap();

    let page = see(&house, &cookie, "/setup/tokens").await.body;
    let said = breakage_of_ada(&house, "scope=account").await;

    let remark = r#"<span class="badge going">server</span> <span class="quiet">another kind: the token is for mobile</span>"#;
    assert!(page.contains(&format!("jsforce {remark}</th>")), "{page}");
    assert_eq!(page.matches("another kind:").count(), 1);
    let kinds = [0, 1].map(|token| &said["tokens"][token]["clients"][0]["another_kind"]);
    assert_eq!(kinds, [&json!("server"), &Value::Null]);
}

#[tokio::test]
async fn a_token_that_its_owner_may_not_hold_is_shown_with_the_rule_and_who_can_lift_it() {
    let (house, cookie, _) = house_with_two_tokens().await;
    let set = |rules: &mut DeviceRules| rules.holders = Holders::Profiles(vec![Id::from_raw(1)]);
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), set).await.unwrap();

    let page = see(&house, &cookie, "/setup/tokens").await.body;

    let rule = "Nobody is let in with it now. Users of this profile may not hold a token of this \
                device type. An administrator can allow it in the device type.";
    assert_eq!(page.matches(rule).count(), 1, "{page}");
}

/// What the control socket says that a reset of Ada's would break.
async fn breakage_of_ada(house: &TestHouse, asked: &str) -> Value {
    let path = format!("/users/ada@example.com/breakage?{asked}");
    let asked = Request::builder().uri(path).extension(ControlSocket);
    let router = control::router(house.state.clone());
    let asked = asked.body(Body::empty()).expect("the request is sound");
    let answer = router.oneshot(asked).await.expect("a router answers");
    let bytes = answer.into_body().collect().await.expect("the answer is whole").to_bytes();
    serde_json::from_slice(&bytes).expect("the answer is JSON")
}

#[tokio::test]
async fn scripts_are_told_what_would_break_and_nothing_is_changed() {
    let (house, _, _) = house_with_two_tokens().await;
    let before = house.mark().await;

    let said = breakage_of_ada(&house, "scope=device-type&device_type=server").await;

    let told = |token: &Value| {
        let client = &token["clients"][0];
        json!([token["device_type"], token["ends"], client["client"], client["outcome"]])
    };
    let tokens: Vec<Value> = said["tokens"].as_array().unwrap().iter().map(told).collect();
    assert_eq!(
        tokens,
        [json!(["any", false, "jsforce", "goes-on"]), json!(["server", true, "export", "stops"])]
    );
    assert_eq!(house.mark().await, before);
}

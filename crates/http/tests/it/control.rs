//! The control socket: clients' secrets and device types, as the command line asks for them.

use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use symbolon_app::clients;
use symbolon_app::context::Switch;
use symbolon_core::secret::ClientSecret;
use symbolon_http::control::{self, ControlSocket, kind};
use tower::ServiceExt as _;

use crate::house::TestHouse;

/// Asks over the control socket; yields the status and what the answer says.
pub(crate) async fn ask(
    house: &TestHouse,
    method: Method,
    path: &str,
    body: Value,
) -> (StatusCode, Value) {
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    let request = Request::builder().method(method).uri(path);
    let request = request.header(header::CONTENT_TYPE, "application/json").extension(ControlSocket);
    let router = control::router(house.state.clone());
    let response = router.oneshot(request.body(body).unwrap()).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let said = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
    (status, said)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

async fn proves(house: &TestHouse, client: &str, secret: &str) -> bool {
    let secret = ClientSecret::new(secret.to_owned());
    clients::authenticate(&house.ctx, client, &secret).await.unwrap().is_ok()
}

#[tokio::test]
async fn a_clients_secret_is_rolled_over_by_what_the_socket_says() {
    let house = TestHouse::open().await;
    let asked = json!({ "name": "warehouse", "password_grant": false });
    let (_, client) = ask(&house, Method::POST, "/clients", asked).await;
    let id = text(&client["client_id"]);
    let (_, listed) = ask(&house, Method::GET, "/clients", Value::Null).await;
    let first = text(&listed[0]["secrets"][0]["secret_id"]);

    let (added, new) =
        ask(&house, Method::POST, &format!("/clients/{id}/secrets"), Value::Null).await;
    let path = format!("/clients/{id}/secrets/{first}");
    let (removed, nothing) = ask(&house, Method::DELETE, &path, Value::Null).await;

    assert_eq!(
        (added, removed, nothing),
        (StatusCode::CREATED, StatusCode::NO_CONTENT, Value::Null)
    );
    assert_eq!(new["client_id"], *id);
    assert!(proves(&house, id, text(&new["client_secret"])).await);
    assert!(!proves(&house, id, text(&client["client_secret"])).await);
    let (_, listed) = ask(&house, Method::GET, "/clients", Value::Null).await;
    let secrets = listed[0]["secrets"].as_array().unwrap();
    assert_eq!(secrets.len(), 1);
    assert_eq!(secrets[0]["secret_id"], new["secret_id"]);
    assert!(text(&secrets[0]["created_at"]).ends_with('Z'));
    assert!(!listed.to_string().contains(text(&new["client_secret"])));
}

#[tokio::test]
async fn registering_a_client_says_its_id_and_its_secret_and_no_more() {
    let house = TestHouse::open().await;

    let asked = json!({ "name": "warehouse", "password_grant": true });
    let (status, client) = ask(&house, Method::POST, "/clients", asked).await;

    assert_eq!(status, StatusCode::CREATED);
    let members: Vec<_> = client.as_object().unwrap().keys().collect();
    assert_eq!(members, ["client_id", "client_secret"]);
}

#[tokio::test]
async fn what_cannot_be_done_to_secrets_is_refused_by_its_own_kind() {
    let house = TestHouse::open().await;
    let client = house.client(Switch::Off).await.id;
    let secrets = format!("/clients/{client}/secrets");
    let only = clients::list(&house.ctx).await.unwrap().remove(0).secrets.remove(0).id;
    let kind_of = async |method: Method, path: &str| {
        let (status, problem) = ask(&house, method, path, Value::Null).await;
        assert!(status.is_client_error(), "{path}: {status}");
        text(&problem["type"]).to_owned()
    };

    let last = kind_of(Method::DELETE, &format!("{secrets}/{only}")).await;
    let junk = kind_of(Method::DELETE, &format!("{secrets}/junk")).await;
    let of_nobody = kind_of(Method::POST, "/clients/0AC000000000001/secrets").await;
    for _ in 1..clients::MOST_SECRETS {
        let (status, _) = ask(&house, Method::POST, &secrets, Value::Null).await;
        assert_eq!(status, StatusCode::CREATED);
    }
    let sixth = kind_of(Method::POST, &secrets).await;

    assert_eq!(last, kind::FORBIDDEN);
    assert_eq!((&*junk, &*of_nobody), (kind::NOT_FOUND, kind::NOT_FOUND));
    assert_eq!(sixth, kind::INVALID);
}

#[tokio::test]
async fn device_types_are_listed_added_and_set() {
    let house = TestHouse::open().await;
    let asked = json!({ "name": "printer", "bearer": true });

    let (added, printer) = ask(&house, Method::POST, "/device-types", asked.clone()).await;
    let off = json!({ "bearer": false });
    let (set, changed) = ask(&house, Method::PATCH, "/device-types/printer", off).await;
    let (_, listed) = ask(&house, Method::GET, "/device-types", Value::Null).await;

    assert_eq!((added, set), (StatusCode::CREATED, StatusCode::OK));
    let at = "2026-11-23T07:00:00.000Z";
    let shape = |bearer| {
        json!({
            "name": "printer", "bearer": bearer, "created_at": at, "max_age": "365d",
            "reminders": "30,14,7,1", "addresses": "", "idle_end": "never", "overlap": "forbidden",
            "holders": [], "client_kind": "any", "on_mismatch": "note", "most_places": 8,
            "on_sharing": "tell",
        })
    };
    assert_eq!((printer, &changed), (shape(true), &shape(false)));
    assert_eq!(listed.as_array().unwrap().len(), 6);
    assert!(listed.as_array().unwrap().contains(&changed));
}

#[tokio::test]
async fn every_rule_of_a_device_type_is_set_and_shown() {
    let house = TestHouse::open().await;
    let (_, profiles) = ask(&house, Method::GET, "/profiles", Value::Null).await;
    let holder = profiles[0]["name"].clone();
    let rules = json!({
        "bearer": true, "max_age": "90d", "reminders": "30,7", "addresses": "10.0.0.0/8",
        "idle_end": "30d", "overlap": "allowed", "holders": [holder], "client_kind": "server",
        "on_mismatch": "refuse", "most_places": 3, "on_sharing": "freeze",
    });

    let (status, set) = ask(&house, Method::PATCH, "/device-types/any", rules.clone()).await;

    assert_eq!(status, StatusCode::OK);
    for (field, value) in rules.as_object().unwrap() {
        assert_eq!(&set[field], value, "{field}");
    }
}

#[tokio::test]
async fn device_types_that_cannot_be_are_refused_by_their_own_kind() {
    let house = TestHouse::open().await;
    let on = || json!({ "bearer": true });
    let added = |name: &str| json!({ "name": name, "bearer": false });
    let cases = [
        (Method::POST, "/device-types", added("any"), kind::TAKEN),
        (Method::POST, "/device-types", added("A Toaster"), kind::INVALID),
        (Method::POST, "/device-types", json!({ "name": "x" }), kind::INVALID),
        (Method::PATCH, "/device-types/toaster", on(), kind::NOT_FOUND),
        (Method::PATCH, "/device-types/A%20Toaster", on(), kind::NOT_FOUND),
        (Method::PATCH, "/device-types/any", json!({ "bearer": "perhaps" }), kind::INVALID),
    ];

    for (method, path, body, expected) in cases {
        let told = format!("{method} {path} {body}");
        let (_, problem) = ask(&house, method, path, body).await;
        assert_eq!(text(&problem["type"]), expected, "{told}");
    }
}

#[tokio::test]
async fn a_reset_for_a_device_type_that_there_is_not_is_not_found() {
    let house = TestHouse::open().await;
    house.user("ada").await;

    let asked = json!({ "device_type": "toaster", "scope": "account", "reason": null });
    let (status, problem) = ask(&house, Method::POST, "/users/ada@example.com/reset", asked).await;

    assert_eq!((status, text(&problem["type"])), (StatusCode::NOT_FOUND, kind::NOT_FOUND));
    assert_eq!(text(&problem["detail"]), "no such device type");
}

#[tokio::test]
async fn a_list_of_tokens_has_the_members_that_scripts_rely_on_and_no_others() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    house.token("ada").await;

    let (_, listed) = ask(&house, Method::GET, "/tokens", Value::Null).await;

    let mut members: Vec<_> = listed[0].as_object().unwrap().keys().cloned().collect();
    members.sort();
    let told = ["device_type", "expires_at", "id", "issued_at", "last_used_at", "state", "user"];
    assert_eq!(members, told);
}

#[tokio::test]
async fn one_token_is_shown_with_everything_that_is_known_of_it() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    house.api_session("ada").await;
    house.clock.advance(Duration::from_secs(1));
    house.token("ada").await;
    let (_, listed) = ask(&house, Method::GET, "/tokens", Value::Null).await;
    let live = listed.as_array().unwrap().iter().find(|row| row["state"] == "live").unwrap();
    let path = format!("/tokens/{}", text(&live["id"]));

    let (status, shown) = ask(&house, Method::GET, &path, Value::Null).await;
    let (missing, _) = ask(&house, Method::GET, "/tokens/2O0000000000001", Value::Null).await;

    assert_eq!(status, StatusCode::OK);
    assert_eq!((&shown["id"], &shown["user"]), (&live["id"], &json!("ada@example.com")));
    let issued = json!({
        "cause": "reset", "scope": "account", "by": "operator", "administrator": null,
        "source": null,
    });
    assert_eq!(shown["issued"], issued);
    assert_eq!(
        (&shown["mail"]["state"], &shown["mail"]["to"]),
        (&json!("handed-over"), &json!("a•••@m•••.example"))
    );
    assert_eq!(shown["follow_up"]["missing"], 1);
    assert_eq!(shown["follow_up"]["clients"][0]["whereabouts"], "not-seen");
    assert_eq!((&shown["sharing_signals"], &shown["leaks"]), (&json!([]), &json!([])));
    assert_eq!(missing, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_user_is_shown_with_the_delivery_contact_and_the_key() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let contact = json!({ "email": "operations@group.example" });
    ask(&house, Method::PUT, "/users/ada@example.com/delivery", contact).await;

    let (_, shown) = ask(&house, Method::GET, "/users/ada@example.com", Value::Null).await;

    assert_eq!(shown["username"], "ada@example.com");
    assert_eq!(shown["delivery"], "operations@group.example");
    assert_eq!(shown["openpgp_key"], Value::Null);
}

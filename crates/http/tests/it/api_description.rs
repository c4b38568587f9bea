//! The description of the JSON API, held against what it describes: routes, problem types, answers.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::Body;
use http::{Method, header};
use serde_json::Value;
use symbolon_app::{Actor, device_types};
use symbolon_core::device_type::{DeviceRules, Overlap};
use symbolon_core::names::DeviceType;
use symbolon_http::all_routes;
use symbolon_http::routes::Admits;

use crate::calls::{bearer, request};
use crate::house::{PASSWORD, TestHouse};

const DOCUMENT: &str = "/api/v1/openapi.json";
const PAGE: &str = "/api/v1/docs";

async fn document(house: &TestHouse) -> Value {
    house.get(DOCUMENT).await.json()
}

fn names(value: &Value) -> BTreeSet<String> {
    value.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

/// Every place that a reference in `value` names.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                if let ("$ref", Some(place)) = (name.as_str(), member.as_str()) {
                    found.insert(place.to_owned());
                } else {
                    references(member, found);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn every_route_of_the_json_api_is_described_and_nothing_else_is() {
    let house = TestHouse::open().await;
    let document = document(&house).await;

    let mut described = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let security = &operation["security"];
            let admits = match security.as_array().unwrap().first() {
                None => Admits::Anyone,
                Some(way) if way.get("apiSession").is_some() => Admits::ApiSession,
                Some(_) => Admits::ApiClient,
            };
            described.insert((path.clone(), method.to_uppercase(), format!("{admits:?}")));
        }
    }
    let routes = all_routes();
    let api = routes.iter().filter(|route| route.path.starts_with("/api/v1/"));
    let there: BTreeSet<_> = api
        .map(|route| {
            (route.path.to_owned(), route.method.to_string(), format!("{:?}", route.admits))
        })
        .collect();

    assert!(there.len() > 12);
    assert_eq!(described, there);
}

#[tokio::test]
async fn the_document_is_whole_and_of_this_version() {
    let house = TestHouse::open().await;
    let answer = house.get(DOCUMENT).await;
    let document = answer.json();

    assert_eq!(answer.header("content-type"), "application/json; charset=UTF-8");
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let mut places = BTreeSet::new();
    references(&document, &mut places);
    for place in &places {
        assert!(document.pointer(place.trim_start_matches('#')).is_some(), "{place} leads nowhere");
    }
    for kind in ["schemas", "responses", "parameters", "headers"] {
        for name in names(&document["components"][kind]) {
            let place = format!("#/components/{kind}/{name}");
            assert!(places.contains(&place), "nothing leads to {place}");
        }
    }
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let named = |name: &str| {
                parameters.iter().any(|known| known["name"] == name && known["in"] == "path")
            };
            let variables = path.split('{').skip(1).map(|part| part.split('}').next().unwrap());
            for variable in variables {
                assert!(named(variable), "{method} {path}: {variable} is not described");
            }
        }
    }
}

#[tokio::test]
async fn every_type_of_problem_is_described() {
    let house = TestHouse::open().await;
    let document = document(&house).await;
    let told = &document["components"]["schemas"]["Problem"]["properties"]["type"]["enum"];
    let told: BTreeSet<&str> = told.as_array().unwrap().iter().filter_map(Value::as_str).collect();

    let source = include_str!("../../src/control/problem.rs");
    let there: BTreeSet<&str> =
        source.split('"').filter(|text| text.starts_with("urn:symbolon:problem:")).collect();

    assert_eq!(told, there);
}

/// Fails if `value` has other members than the schema of this name says, at any depth.
fn assert_described(document: &Value, schema: &Value, value: &Value, at: &str) {
    if let Some(place) = schema["$ref"].as_str() {
        let schema = document.pointer(place.trim_start_matches('#')).unwrap();
        return assert_described(document, schema, value, at);
    }
    if let Some(either) = schema["anyOf"].as_array() {
        if !value.is_null() {
            assert_described(document, &either[0], value, at);
        }
        return;
    }
    match value {
        Value::Object(_) => {
            assert_eq!(names(value), names(&schema["properties"]), "{at}");
            for name in names(value) {
                let place = format!("{at}.{name}");
                assert_described(document, &schema["properties"][&name], &value[&name], &place);
            }
        }
        Value::Array(items) => {
            assert_eq!(schema["type"], "array", "{at}");
            for item in items {
                assert_described(document, &schema["items"], item, at);
            }
        }
        Value::String(text) => {
            let is_one = |kinds: &Value| kinds == "string" || kinds[0] == "string";
            assert!(is_one(&schema["type"]), "{at}");
            let choices = schema["enum"].as_array();
            assert!(choices.is_none_or(|known| known.contains(value)), "{at}: {text}");
        }
        Value::Number(_) => {
            assert!(schema["type"] == "integer" || schema["type"][0] == "integer", "{at}");
        }
        Value::Bool(_) => assert_eq!(schema["type"], "boolean", "{at}"),
        Value::Null => assert_eq!(schema["type"][1], "null", "{at}"),
    }
}

#[tokio::test]
async fn answers_have_the_members_that_are_described_and_no_others() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    house.api_session("jane").await;
    house.clock.advance(Duration::from_secs(1));
    let session = house.api_session("jane").await;
    let overlap = |rules: &mut DeviceRules| rules.overlap = Overlap::Allowed;
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), overlap).await.unwrap();
    let document = document(&house).await;
    let check = |name: &str, value: &Value| {
        let schema = &document["components"]["schemas"][name];
        assert_described(&document, schema, value, name);
    };
    let post = async |path: &str| {
        let body = format!(r#"{{"current_password":"{PASSWORD}"}}"#);
        let request = request(Method::POST, path)
            .header(header::AUTHORIZATION, bearer(&session))
            .header(header::CONTENT_TYPE, "application/json");
        house.send(request.body(Body::from(body)).unwrap()).await.json()
    };
    let tokens = "/api/v1/tokens";

    let list = house.get_as(&session, tokens).await.json();
    check("TokenList", &list);
    let one = format!("{tokens}/{}", list["tokens"][0]["id"].as_str().unwrap());
    let whole = house.get_as(&session, &one).await.json();
    assert!(!whole["follow_up"]["clients"].as_array().unwrap().is_empty());
    assert!(whole["mail"].is_object());
    check("WholeToken", &whole);
    check("Breakage", &house.get_as(&session, &format!("{tokens}/breakage")).await.json());
    check("SharingSignalList", &house.get_as(&session, "/api/v1/sharing-signals").await.json());
    check("Problem", &house.get(tokens).await.json());
    check("RotationReceipt", &post(&format!("{tokens}/rotate")).await);
    check("Cancelled", &post(&format!("{one}/cancel-rotation")).await);
    check("ResetReceipt", &post(&format!("{tokens}/reset")).await);
}

#[tokio::test]
async fn the_description_can_be_read_by_anybody_as_a_page_without_a_script() {
    let house = TestHouse::open().await;

    let page = house.get(PAGE).await;

    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(!page.body.contains("<script"));
    let document = document(&house).await;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in names(methods) {
            let told = format!("<code>{} {path}</code>", method.to_uppercase());
            assert!(page.body.contains(&told), "{told}");
        }
    }
    for name in names(&document["components"]["schemas"]) {
        assert!(page.body.contains(&format!(r#"id="shape-{name}""#)), "{name}");
    }
    // Every link within the page leads somewhere, and no identifier is there twice.
    let ids: Vec<&str> =
        page.body.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let distinct: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), distinct.len());
    for link in page.body.split("href=\"#").skip(1) {
        let id = link.split('"').next().unwrap();
        assert!(distinct.contains(id), "{id}");
    }
}

#[tokio::test]
async fn a_request_sent_again_and_one_that_cannot_be_taken_are_answered_as_described() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    let session = house.api_session("jane").await;
    let document = document(&house).await;
    let send = async |path: &str, key: &str, more: &str| {
        let scope = r#""scope":"device-type","device_type":"server""#;
        let body = format!(r#"{{"current_password":"{PASSWORD}",{scope}{more}}}"#);
        let request = request(Method::POST, path)
            .header(header::AUTHORIZATION, bearer(&session))
            .header(header::CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", key);
        house.send(request.body(Body::from(body)).unwrap()).await
    };
    let described = |path: &str, status: u16| {
        let responses = &document["paths"][path]["post"]["responses"];
        assert!(responses[status.to_string()].is_object(), "{path}: {status} is not described");
    };
    let reset = "/api/v1/tokens/reset";
    let too_large = format!(r#","reason":"{}""#, "x".repeat(1024 * 1024));

    let first = send(reset, "one", "").await.json();
    let again = send(reset, "one", "").await.json();
    let bad_key = send(reset, &"k".repeat(129), "").await;
    let too_large = send(reset, "two", &too_large).await;

    let schema = &document["components"]["schemas"]["ResetReceipt"];
    assert_described(&document, schema, &again, "ResetReceipt");
    assert_eq!((&again["token"], &again["repeated"]), (&first["token"], &true.into()));
    assert!(again["revision"].as_i64() >= first["revision"].as_i64());
    let told = &schema["properties"]["revision"]["description"];
    assert!(!told.as_str().unwrap().contains("0 where"), "{told}");
    assert_eq!((bad_key.status.as_u16(), too_large.status.as_u16()), (400, 413));
    for answer in [bad_key, too_large] {
        described(reset, answer.status.as_u16());
        assert_eq!(answer.json()["type"], "urn:symbolon:problem:unreadable");
    }
    for (path, methods) in document["paths"].as_object().unwrap() {
        let writes = methods.as_object().unwrap().iter().filter(|(method, _)| *method != "get");
        for (method, operation) in
            writes.filter(|(_, it)| it["security"][0]["apiSession"].is_array())
        {
            let parameters = operation["parameters"].to_string();
            assert!(parameters.contains("/IdempotencyKey"), "{method} {path}");
            for status in ["400", "408", "413"] {
                assert!(operation["responses"][status].is_object(), "{method} {path}: {status}");
            }
        }
    }
    let revoke = &document["paths"]["/api/v1/tokens/{token}/revoke"]["post"]["responses"]["204"];
    assert!(revoke["headers"]["X-Symbolon-Revision"].is_object());
}

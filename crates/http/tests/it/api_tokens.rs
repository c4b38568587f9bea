//! The JSON API of one's own tokens.

use std::time::Duration;

use axum::body::Body;
use http::{Method, StatusCode, header};
use symbolon_app::{Actor, device_types, history};
use symbolon_core::device_type::{DeviceRules, Overlap};
use symbolon_core::judge::{FrozenBy, TokenFreeze};
use symbolon_core::names::DeviceType;

use crate::calls::{Answer, bearer, request};
use crate::house::{PASSWORD, TestHouse};

const TOKENS: &str = "/api/v1/tokens";

impl TestHouse {
    /// `POST` of JSON under a session, as the request of this key.
    async fn post_json(&self, session: &str, (path, key): (&str, &str), body: &str) -> Answer {
        let request = request(Method::POST, path)
            .header(header::AUTHORIZATION, bearer(session))
            .header(header::CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", key);
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn delete_as(&self, session: &str, path: &str, body: &str) -> Answer {
        let request = request(Method::DELETE, path)
            .header(header::AUTHORIZATION, bearer(session))
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }
}

fn proved() -> String {
    format!(r#"{{"current_password":"{PASSWORD}"}}"#)
}

#[tokio::test]
async fn an_owner_reads_his_tokens_and_nobody_elses() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    house.user("ada").await;
    let (janes, adas) = (house.api_session("jane").await, house.api_session("ada").await);

    let list = house.get_as(&janes, TOKENS).await;
    let tokens = list.json()["tokens"].clone();
    let path = format!("{TOKENS}/{}", tokens[0]["id"].as_str().unwrap());

    assert_eq!(tokens.as_array().unwrap().len(), 1);
    assert_eq!((&tokens[0]["state"], &tokens[0]["device_type"]), (&"live".into(), &"any".into()));
    assert_eq!(tokens[0]["uses"][0]["client"], "test");
    assert!(!list.body.contains("sbn"), "no answer holds a token");
    assert_eq!(house.get_as(&janes, &path).await.json()["id"], tokens[0]["id"]);
    assert_eq!(house.get_as(&adas, &path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.delete_as(&adas, &path, &proved()).await.status, StatusCode::NOT_FOUND);
    let stranger = house.get(TOKENS).await;
    assert_eq!(stranger.status, StatusCode::UNAUTHORIZED);
    assert_eq!(stranger.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    assert_eq!(stranger.json()["type"], "urn:symbolon:problem:session-not-live");
    assert!(stranger.json()["correlation_id"].is_string());
}

#[tokio::test]
async fn a_reset_asks_for_the_password_and_ends_the_session_that_its_token_opened() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    let session = house.api_session("jane").await;
    let reset = format!("{TOKENS}/reset");
    let right = format!(r#"{{"current_password":"{PASSWORD}"}}"#);

    let foreseen = house.get_as(&session, &format!("{TOKENS}/breakage")).await.json();
    let wrong = house.post_json(&session, (&reset, "1"), r#"{"current_password":"no"}"#).await;
    let odd = house.post_json(&session, (&reset, "2"), r#"{"password":"x"}"#).await;
    let done = house.post_json(&session, (&reset, "3"), &right).await;
    let after = house.get_as(&session, TOKENS).await;

    assert_eq!(foreseen["tokens"][0]["ends"], true);
    assert_eq!(foreseen["tokens"][0]["open_sessions"], 1);
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    assert_eq!(odd.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!odd.body.contains("\"x\""), "what may be a password is not repeated");
    assert_eq!(done.status, StatusCode::OK, "{}", done.body);
    assert_eq!((&done.json()["retired"], &done.json()["repeated"]), (&1.into(), &false.into()));
    assert!(done.json()["revision"].as_i64().unwrap() > 0);
    assert_eq!(after.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_rotation_sent_twice_is_one_and_can_be_cancelled() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    let session = house.api_session("jane").await;
    let set = |rules: &mut DeviceRules| rules.overlap = Overlap::Allowed;
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), set).await.unwrap();
    let rotate = format!("{TOKENS}/rotate");
    let body = format!(r#"{{"current_password":"{PASSWORD}","overlap_seconds":3600}}"#);

    let first = house.post_json(&session, (&rotate, "spring"), &body).await.json();
    let again = house.post_json(&session, (&rotate, "spring"), &body).await.json();
    let path = format!("{TOKENS}/{}/cancel-rotation", first["token"].as_str().unwrap());
    let unproved = house.post_json(&session, (&path, "1"), "{}").await;
    let guessed = house.post_json(&session, (&path, "2"), r#"{"current_password":"no"}"#).await;
    let cancelled = house.post_json(&session, (&path, "3"), &proved()).await;

    assert_eq!((&first["repeated"], &again["repeated"]), (&false.into(), &true.into()));
    assert_eq!(first["token"], again["token"]);
    assert_eq!(unproved.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(guessed.status, StatusCode::FORBIDDEN);
    assert_eq!(cancelled.json()["retired"], first["token"], "{}", cancelled.body);
    assert_eq!(cancelled.json()["kept"], first["outgoing"]);
}

#[tokio::test]
async fn pages_of_a_list_follow_one_another() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    house.token("jane").await;
    house.clock.advance(Duration::from_secs(1));
    let session = house.api_session("jane").await;

    let first = house.get_as(&session, &format!("{TOKENS}?limit=1")).await;
    let link = first.header("link").to_owned();
    let next = link.split_once("auth.example").unwrap().1.split_once('>').unwrap().0;
    let second = house.get_as(&session, next).await;

    assert!(link.ends_with("rel=\"next\""));
    assert_eq!(first.json()["tokens"][0]["state"], "live");
    assert_eq!(second.json()["tokens"][0]["state"], "retired");
    assert!(second.headers.get("link").is_none());
    assert_eq!(
        house.get_as(&session, &format!("{TOKENS}?colour=red")).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

#[tokio::test]
async fn whoever_holds_a_session_alone_ends_no_token() {
    for method in [Method::DELETE, Method::POST] {
        let house = TestHouse::open().await;
        house.user("jane").await;
        let session = house.api_session("jane").await;
        let list = house.get_as(&session, TOKENS).await.json();
        let path = format!("{TOKENS}/{}", list["tokens"][0]["id"].as_str().unwrap());
        let revoke = async |body: &str| match method {
            Method::DELETE => house.delete_as(&session, &path, body).await,
            _ => house.post_json(&session, (&format!("{path}/revoke"), "1"), body).await,
        };

        let unproved = revoke("").await;
        let guessed = revoke(r#"{"current_password":"no"}"#).await;
        let before = house.get_as(&session, &path).await;
        let revoked = revoke(&proved()).await;

        assert_eq!(unproved.status, StatusCode::UNPROCESSABLE_ENTITY, "{method}");
        assert_eq!(guessed.status, StatusCode::FORBIDDEN, "{method}");
        assert_eq!(guessed.json()["detail"], "the password was wrong", "{method}");
        assert_eq!(before.json()["state"], "live", "{method}");
        assert_eq!(revoked.status, StatusCode::NO_CONTENT, "{method}: {}", revoked.body);
        // Its session has ended along with it.
        assert_eq!(house.get_as(&session, &path).await.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn guesses_of_the_password_at_a_token_count_towards_the_lockout() {
    let house = TestHouse::open().await;
    let jane = house.user("jane").await;
    let session = house.api_session("jane").await;
    let list = house.get_as(&session, TOKENS).await.json();
    let path = format!("{TOKENS}/{}", list["tokens"][0]["id"].as_str().unwrap());
    let last_entry =
        async || history::list(&house.ctx, Some(jane), 1, None).await.unwrap().remove(0);

    let guessed = house.delete_as(&session, &path, r#"{"current_password":"no"}"#).await;
    let of_guess = last_entry().await;
    for _ in 1..20 {
        house.delete_as(&session, &path, r#"{"current_password":"no"}"#).await;
    }
    let locked_out = house.delete_as(&session, &path, &proved()).await;
    let of_lockout = last_entry().await;

    assert_eq!(guessed.json()["detail"], "the password was wrong");
    assert_eq!(locked_out.status, StatusCode::FORBIDDEN);
    let told = locked_out.json()["detail"].as_str().unwrap().to_owned();
    assert!(told.starts_with("locked out until 20"), "{told}");
    assert!(told.contains("an administrator unlock the user"), "{told}");
    for (answer, entry) in [(guessed, of_guess), (locked_out, of_lockout)] {
        assert_eq!(answer.json()["correlation_id"], entry.correlation_id, "it leads to the entry");
        assert_eq!(entry.head, "rest", "by which it came");
    }
    assert_eq!(house.get_as(&session, &path).await.json()["state"], "live");
}

#[tokio::test]
async fn a_key_that_was_used_for_something_else_is_a_conflict_of_its_own_type() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    let session = house.api_session("jane").await;
    let reset = format!("{TOKENS}/reset");
    let of_type = |device_type: &str| {
        format!(
            r#"{{"current_password":"{PASSWORD}","scope":"device-type","device_type":"{device_type}"}}"#
        )
    };

    let first = house.post_json(&session, (&reset, "one"), &of_type("server")).await;
    let again = house.post_json(&session, (&reset, "one"), &of_type("server")).await;
    let other = house.post_json(&session, (&reset, "one"), &of_type("mobile")).await;
    let rotate = format!("{TOKENS}/rotate");
    let rotated = house.post_json(&session, (&rotate, "one"), &proved()).await;

    assert_eq!((first.status, again.status), (StatusCode::OK, StatusCode::OK), "{}", first.body);
    assert_eq!(first.json()["token"], again.json()["token"]);
    for refused in [other, rotated] {
        assert_eq!(refused.status, StatusCode::CONFLICT, "{}", refused.body);
        assert_eq!(refused.json()["type"], "urn:symbolon:problem:key-used");
    }
}

#[tokio::test]
async fn one_token_tells_of_its_rotation_its_mail_and_who_has_come_back() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    let session = house.api_session("jane").await;
    let set = |rules: &mut DeviceRules| {
        rules.overlap = Overlap::Allowed;
        rules.idle_end = Some(Duration::from_hours(24 * 30));
    };
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), set).await.unwrap();
    house.clock.advance(Duration::from_secs(1));
    let rotated = house.post_json(&session, (&format!("{TOKENS}/rotate"), "1"), &proved()).await;
    let rotated = rotated.json();
    let one = async |id: &serde_json::Value| {
        house.get_as(&session, &format!("{TOKENS}/{}", id.as_str().unwrap())).await.json()
    };

    let (new, old) = (one(&rotated["token"]).await, one(&rotated["outgoing"]).await);

    assert_eq!((&new["rotation"], &old["rotation"]), (&"incoming".into(), &"outgoing".into()));
    assert_eq!((&new["rotation_partner"], &old["rotation_partner"]), (&old["id"], &new["id"]));
    assert_eq!(new["outgoing_until"], rotated["outgoing_until"]);
    assert_eq!(old["outgoing_until"], rotated["outgoing_until"]);
    assert_eq!(
        (&new["issued"]["cause"], &new["issued"]["by"]),
        (&"rotation".into(), &"owner".into())
    );
    assert_eq!(new["issued"]["source"], "203.0.113.9");
    assert_eq!(new["mail"]["state"], "waiting");
    assert_eq!(new["follow_up"]["clients"][0]["whereabouts"], "not-seen");
    assert!(new["idle_end"].as_str().unwrap().starts_with("2026-12-23T"), "{new}");
    assert_eq!(
        (&new["sharing_signals"], &new["leaks"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
}

#[tokio::test]
async fn frozen_tokens_say_so_and_who_can_lift_it() {
    let house = TestHouse::open().await;
    let jane = house.user("jane").await;
    let session = house.api_session("jane").await;
    let now = house.ctx.clock.now();
    let mut tx = house.ctx.store.begin().await.unwrap();
    let freeze = TokenFreeze { at: now, by: FrozenBy::Owner };
    symbolon_store::users::freeze_tokens(&mut tx, jane, freeze).await.unwrap();
    tx.commit().await.unwrap();

    let list = house.get_as(&session, TOKENS).await.json();

    let token = &list["tokens"][0];
    assert_eq!(token["state"], "frozen", "{token}");
    let rule = token["frozen"]["rule"].as_str().unwrap();
    assert!(rule.contains("The owner lifts that by a reset of every earlier token"), "{rule}");
    assert!(rule.contains("under My Personal Information; an administrator does"), "{rule}");
    assert_eq!(token["frozen"]["since"], now.rfc3339());
}

#[tokio::test]
async fn a_revocation_that_is_asked_for_again_is_answered_the_same() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    let session = house.api_session("jane").await;
    let reset = async |key: &str| {
        let body = format!(
            r#"{{"current_password":"{PASSWORD}","scope":"device-type","device_type":"server"}}"#
        );
        let done = house.post_json(&session, (&format!("{TOKENS}/reset"), key), &body).await;
        done.json()["token"].as_str().unwrap().to_owned()
    };
    let (replaced, revoked) = (reset("1").await, reset("2").await);
    let path = |token: &str| format!("{TOKENS}/{token}");
    let revoke = async |token: &str, key: &str| {
        let path = format!("{}/revoke", path(token));
        house.post_json(&session, (&path, key), &proved()).await
    };

    let first = revoke(&revoked, "3").await;
    let mark = house.mark().await;
    let again = revoke(&revoked, "3").await;
    let deleted = house.delete_as(&session, &path(&revoked), &proved()).await;
    let ended_by_a_reset = revoke(&replaced, "4").await;

    let revision = |answer: &Answer| answer.header("x-symbolon-revision").parse::<i64>().unwrap();
    for answer in [&first, &again, &deleted] {
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.body);
        assert!(revision(answer) >= revision(&first));
    }
    assert_eq!(ended_by_a_reset.status, StatusCode::NOT_FOUND);
    assert_eq!(house.mark().await, mark, "it was done once");
}

#[tokio::test]
async fn a_cancellation_that_is_asked_for_again_ends_no_rotation_begun_since() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    let session = house.api_session("jane").await;
    let set = |rules: &mut DeviceRules| rules.overlap = Overlap::Allowed;
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), set).await.unwrap();
    let rotate = async |key: &str| {
        house.post_json(&session, (&format!("{TOKENS}/rotate"), key), &proved()).await.json()
    };
    let cancel = async |rotation: &serde_json::Value| {
        let token = rotation["token"].as_str().unwrap();
        let path = format!("{TOKENS}/{token}/cancel-rotation");
        house.post_json(&session, (&path, "cancel"), &proved()).await
    };

    let first = rotate("spring").await;
    let cancelled = cancel(&first).await;
    let second = rotate("another job").await;
    let again = cancel(&first).await;

    assert_eq!(
        (cancelled.status, again.status),
        (StatusCode::OK, StatusCode::OK),
        "{}",
        again.body
    );
    for member in ["retired", "kept"] {
        assert_eq!(cancelled.json()[member], again.json()[member]);
    }
    let path = format!("{TOKENS}/{}", second["token"].as_str().unwrap());
    let new = house.get_as(&session, &path).await.json();
    assert_eq!((&new["state"], &new["rotation"]), (&"live".into(), &"incoming".into()));
}

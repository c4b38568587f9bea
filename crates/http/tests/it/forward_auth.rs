//! What proxies ask before they let a request pass, and what each of them can take for an answer.

use std::time::Duration;

use axum::body::Body;
use futures_util::stream;
use http::{Method, header};
use symbolon_app::login::{self, ApiLogin, Head};
use symbolon_app::rotation::{self, RotationFor};
use symbolon_app::{Actor, Origin, device_types, history, networks, scribe::Scribe};
use symbolon_core::device_type::{DeviceRules, Overlap};
use symbolon_core::names::{ClientName, DeviceType, Source};
use symbolon_core::network::Network;
use symbolon_core::secret::Credential;
use symbolon_core::verification::BearerUse;
use symbolon_wire::identity_headers::NAMES;
use tokio::time::Instant;

use crate::asking::{AUTH_REQUEST, EXT_AUTHZ, FORWARD_AUTH, PROXIES, basic};
use crate::calls::{Answer, request};
use crate::house::{PASSWORD, PEER, TestHouse};

const CHALLENGE: &str = r#"Bearer error="invalid_token""#;

/// Every identity header with its value, in the order of [`NAMES`].
fn identity(answer: &Answer) -> [&str; NAMES.len()] {
    NAMES.map(|name| {
        let lines: Vec<_> = answer.headers.get_all(name).iter().collect();
        assert_eq!(lines.len(), 1, "{name}: {lines:?}");
        str::from_utf8(lines[0].as_bytes()).unwrap()
    })
}

#[tokio::test]
async fn whoever_is_allowed_is_named_in_all_the_headers_that_could_be_forged() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let revision = house.mark().await.0.to_string();

    for uri in PROXIES {
        let answer = house.ask_bearer(uri, &session).await;

        assert_eq!(answer.status, 200, "{uri}");
        assert_eq!(
            identity(&answer)[..5],
            ["ada@example.com", "ada@mail.example", "Test ada", "Standard", "any"],
        );
        assert!(identity(&answer)[5].starts_with("2026-11-23T09:00:0"), "{uri}");
        assert_eq!(identity(&answer)[6], revision);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.body, "");
    }
}

#[tokio::test]
async fn a_session_from_a_trusted_network_has_an_empty_device_type_all_the_same() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let range = Network::parse(&format!("{PEER}/32")).unwrap();
    networks::add(&house.ctx, Actor::Operator, range, None).await.unwrap();
    let attempt = ApiLogin {
        head: Head::SoapPartner,
        username: "ada@example.com".to_owned(),
        credential: Credential::new(PASSWORD.to_owned()),
        client: None,
        origin: Origin {
            source: Source::new(PEER),
            client: ClientName::sanitised("test"),
            place: None,
        },
    };
    let opened = login::log_in_to_api(&house.ctx, attempt).await.unwrap();
    let session = format!("{}!{}", house.organization().await, opened.secret.reveal());

    for uri in PROXIES {
        let answer = house.ask_bearer(uri, &session).await;

        assert_eq!((answer.status.as_u16(), identity(&answer)[4]), (200, ""), "{uri}");
    }
    let demanded = house.ask_bearer(&format!("{FORWARD_AUTH}?device_type=any"), &session).await;
    assert_eq!(demanded.status, 403);
}

#[tokio::test]
async fn each_proxy_hears_of_a_refusal_in_the_statuses_that_it_understands() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let junk = house.session_never_opened().await;

    for uri in PROXIES {
        for headers in [vec![], vec![("authorization", format!("Bearer {junk}"))]] {
            let headers: Vec<_> =
                headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let refused = house.ask(uri, &headers).await;

            assert_eq!(refused.status, 401, "{uri}");
            assert_eq!(refused.header("www-authenticate"), CHALLENGE);
            assert_eq!(refused.header("cache-control"), "no-store");
            assert!(NAMES.iter().all(|name| !refused.headers.contains_key(*name)));
        }
        let good = format!("Bearer {session}");
        let elsewhere =
            [("authorization", good.as_str()), ("x-symbolon-require-profile", "Nobody")];
        let forbidden = house.ask(uri, &elsewhere).await;

        assert_eq!(forbidden.status, 403, "{uri}");
        assert_eq!(forbidden.header("cache-control"), "no-store");
        assert!(!forbidden.headers.contains_key(header::WWW_AUTHENTICATE));
        assert!(NAMES.iter().all(|name| !forbidden.headers.contains_key(*name)));
    }
}

#[tokio::test]
async fn envoy_alone_is_told_to_take_the_credential_away() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let bearer = format!("Bearer {session}");
    let named = "x-envoy-auth-headers-to-remove";

    let by_bearer = house.ask(EXT_AUTHZ, &[("authorization", &bearer)]).await;
    let by_key = house.ask(EXT_AUTHZ, &[("x-api-key", &session)]).await;

    assert_eq!(by_bearer.header(named), "authorization");
    assert_eq!(by_key.header(named), "x-api-key");
    for uri in [FORWARD_AUTH, AUTH_REQUEST] {
        let answer = house.ask(uri, &[("authorization", &bearer)]).await;
        assert!(!answer.headers.contains_key(named), "{uri}");
    }
}

#[tokio::test]
async fn basic_takes_the_credential_under_its_owners_name_alone() {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    house.user("bob").await;
    let session = house.api_session("ada").await;
    let as_user = async |name: &str| {
        let value = basic(name, &session);
        house.ask(FORWARD_AUTH, &[("authorization", &value)]).await.status.as_u16()
    };

    assert_eq!(as_user("ada@example.com").await, 200);
    assert_eq!(as_user("Ada@EXAMPLE.com").await, 200);
    for name in ["bob@example.com", "ada", "", "ada@example.com ", "ada@example.com\u{e9}"] {
        assert_eq!(as_user(name).await, 401, "{name:?}");
    }
    Scribe::default().write_down(&house.ctx).await.unwrap();
    let entry = history::list(&house.ctx, Some(ada), 1, None).await.unwrap().remove(0);
    assert_eq!(entry.reason, "presented under another user's name");
    assert_eq!(entry.head, "forward-auth");
}

#[tokio::test]
async fn the_first_place_that_holds_anything_decides() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let good = format!("Bearer {session}");
    let good_basic = basic("ada@example.com", &session);
    let bad = format!("Bearer {}", house.session_never_opened().await);
    let (auth, key) = ("authorization", "x-api-key");

    for (headers, status) in [
        (vec![(key, session.as_str())], 200),
        (vec![(auth, good_basic.as_str())], 200),
        (vec![(key, "junk"), (auth, &good)], 200),
        (vec![(auth, &bad), (key, &session)], 401),
        (vec![(auth, "Basic ????"), (key, &session)], 401),
        (vec![(auth, "Digest x"), (key, &session)], 401),
        (vec![(auth, ""), (key, &session)], 401),
        // Two of one name are never resolved into one.
        (vec![(auth, &good), (auth, &good)], 401),
        (vec![(auth, &good), (auth, &bad)], 401),
        (vec![(auth, &good_basic), (auth, &good)], 401),
        (vec![(key, &session), (key, &session)], 401),
        // Not a place that is looked at.
        (vec![("proxy-authorization", &good)], 401),
        (vec![("cookie", &good)], 401),
    ] {
        for uri in PROXIES {
            let answer = house.ask(uri, &headers).await;
            assert_eq!(answer.status.as_u16(), status, "{uri} {headers:?}");
        }
    }
}

#[tokio::test]
async fn a_route_may_demand_a_device_type_and_a_profile() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let good = format!("Bearer {session}");
    let status = async |query: &str, headers: &[(&'static str, &str)]| {
        let mut lines = vec![("authorization", good.as_str())];
        lines.extend(headers);
        let by_query = house.ask(&format!("{AUTH_REQUEST}{query}"), &lines).await.status.as_u16();
        let other = house.ask(&format!("{FORWARD_AUTH}{query}"), &lines).await.status.as_u16();
        assert_eq!(by_query, other, "{query} {headers:?}");
        by_query
    };
    let device = "x-symbolon-require-device-type";
    let profile = "x-symbolon-require-profile";

    for query in [
        "?device_type=any",
        "?device_type=server&device_type=any",
        "?profile=Standard",
        "?device_type=any&profile=Standard",
        "?",
        "?rd=https%3A%2F%2Fexample.com",
    ] {
        assert_eq!(status(query, &[]).await, 200, "{query}");
    }
    for query in [
        "?device_type=server",
        "?device_type=any&profile=Other",
        "?device_type=",
        "?device_type=any%zz",
        "?profile=standard",
        "?profile=Standard%00",
        "?min_revision=x",
        "?min_revision=0&min_revision=0",
    ] {
        assert_eq!(status(query, &[]).await, 403, "{query}");
    }
    assert_eq!(status("", &[(device, "server, any")]).await, 200);
    assert_eq!(status("", &[(device, "any"), (profile, "Standard")]).await, 200);
    assert_eq!(status("", &[(device, "any"), (device, "server")]).await, 403);
    assert_eq!(status("", &[(device, "")]).await, 403);
    assert_eq!(status("?device_type=any", &[(device, "server")]).await, 403);
    assert_eq!(status("?device_type=server", &[(device, "any")]).await, 403);
    assert_eq!(status("", &[(profile, "\u{ff}")]).await, 403);
}

#[tokio::test]
async fn demands_do_not_tell_a_bad_credential_from_a_good_one_that_is_not_there() {
    let house = TestHouse::open().await;
    let uri = format!("{FORWARD_AUTH}?device_type=server");

    assert_eq!(house.ask(&uri, &[]).await.status, 401);
    assert_eq!(house.ask_bearer(&uri, &house.session_never_opened().await).await.status, 401);
}

#[tokio::test]
async fn the_query_of_envoys_client_is_nobodys_demand() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let far = i64::MAX;

    for tail in [
        "",
        "/",
        "/a/b",
        "/a?device_type=none&profile=none",
        "?device_type=none",
        "/x?min_revision=junk",
        "/%2e%2e/%00",
    ] {
        let answer = house.ask_bearer(&format!("{EXT_AUTHZ}{tail}"), &session).await;
        assert_eq!(answer.status, 200, "{tail}");
    }
    let waiting = house.ask_bearer(&format!("{EXT_AUTHZ}/x?min_revision={far}"), &session).await;
    assert_eq!(waiting.status, 200);
}

#[tokio::test]
async fn any_method_is_answered_and_no_body_is_ever_read() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let good = format!("Bearer {session}");
    let made_up = Method::from_bytes(b"PURGE").unwrap();

    for method in [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
        Method::TRACE,
        made_up,
    ] {
        for uri in [FORWARD_AUTH, AUTH_REQUEST, "/authz/ext-authz/some/path"] {
            for (credential, status) in [(good.as_str(), 200), ("Bearer junk", 401)] {
                let body =
                    stream::poll_fn(|_| -> std::task::Poll<Option<std::io::Result<String>>> {
                        panic!("the body was read")
                    });
                let request = request(method.clone(), uri)
                    .header(header::AUTHORIZATION, credential)
                    .header(header::CONTENT_LENGTH, "17")
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(Body::from_stream(body));
                let answer = house.send(request.unwrap()).await;

                assert_eq!(answer.status.as_u16(), status, "{method} {uri}");
            }
        }
    }
}

#[tokio::test]
async fn a_path_that_is_not_spelled_as_configured_allows_nobody() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;

    for uri in [
        "/authz/",
        "/authz/other",
        "/authz/ext-authzed",
        "/authz/forward-auth/more",
        "/authz/auth-request/",
        "//authz//forward-auth",
        "/AUTHZ/forward-auth",
        "/authz/%66orward-auth",
        "/login.salesforce.com/authz/forward-auth",
    ] {
        assert_eq!(house.ask_bearer(uri, &session).await.status, 404, "{uri}");
    }
}

#[tokio::test]
async fn a_proxy_may_ask_under_the_name_of_the_site_behind_it() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let good = format!("Bearer {}", house.api_session("ada").await);

    for uri in PROXIES {
        let request = http::Request::builder()
            .uri(uri)
            .header(header::HOST, "shop.example")
            .header(header::AUTHORIZATION, &good);
        let answer = house.send(request.body(Body::empty()).unwrap()).await;

        assert_eq!(answer.status, 200, "{uri}");
    }
}

#[tokio::test]
async fn a_proxy_is_answered_within_the_time_that_it_waits() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let good = format!("Bearer {}", house.api_session("ada").await);
    let far = i64::MAX.to_string();
    tokio::time::pause();

    for (uri, headers, waited_ms) in [
        (FORWARD_AUTH, vec![], 150),
        (FORWARD_AUTH, vec![("x-symbolon-deadline-ms", "900")], 900),
        (EXT_AUTHZ, vec![("x-envoy-expected-rq-timeout-ms", "200")], 180),
        (
            EXT_AUTHZ,
            vec![("x-envoy-expected-rq-timeout-ms", "200"), ("x-symbolon-deadline-ms", "900")],
            180,
        ),
        (EXT_AUTHZ, vec![("x-envoy-expected-rq-timeout-ms", "18446744073709551615")], 5000),
        // Nobody but Envoy says so.
        (AUTH_REQUEST, vec![("x-envoy-expected-rq-timeout-ms", "4000")], 150),
    ] {
        let mut lines = vec![("authorization", good.as_str()), ("x-symbolon-min-revision", &far)];
        lines.extend(headers);
        let asked_at = Instant::now();
        let answer = house.ask(uri, &lines).await;

        assert!(matches!(answer.status.as_u16(), 403 | 503), "{lines:?}");
        assert_eq!(answer.header("x-symbolon-reason"), "unavailable", "{lines:?}");
        let waited = asked_at.elapsed().as_millis();
        assert!((waited_ms..waited_ms + 5).contains(&waited), "{lines:?}: {waited}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_credential_is_not_kept_waiting_for_a_revision() {
    let house = TestHouse::open().await;
    let far = i64::MAX.to_string();
    let revision = ("x-symbolon-min-revision", far.as_str());
    tokio::time::pause();
    let asked_at = Instant::now();

    for uri in PROXIES {
        assert_eq!(house.ask(uri, &[revision]).await.status, 401);
        assert_eq!(house.ask(uri, &[revision, ("authorization", "Bearer junk")]).await.status, 401);
    }

    assert_eq!(asked_at.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_junk_credential_of_any_shape_is_refused_in_one_way() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let organization = house.organization().await;
    let secret = session.split_once('!').unwrap().1;
    let half = house.token("ada").await;

    for value in [
        "Bearer",
        "Bearer ",
        "bearer",
        "Bearer a b",
        "Bearer \u{ff}",
        "Bearer é",
        secret,
        &format!("Bearer {secret}"),
        &format!("Bearer {organization}!{}", &secret[..95]),
        &format!("Bearer {session}x"),
        &format!("Bearer {}", session.to_lowercase()),
        &format!("Bearer {}", "x".repeat(60_000)),
        &format!("Bearer {half}"),
        &format!("Bearer {PASSWORD}{half}").replace(' ', ""),
        &basic("ada@example.com", PASSWORD),
        &basic("ada@example.com", &format!("{PASSWORD}{half}")),
    ] {
        let answer = house.ask(FORWARD_AUTH, &[("authorization", value)]).await;

        let shown = &value.chars().take(40).collect::<String>();
        assert_eq!(answer.status, 401, "{shown}");
        assert_eq!(answer.header("www-authenticate"), CHALLENGE, "{shown}");
        assert_eq!(answer.body, "The credential is missing or not accepted.\n", "{shown}");
    }
}

#[tokio::test]
async fn a_route_that_refuses_the_new_token_of_a_rotation_leaves_the_old_one_alive() {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    let set = |rules: &mut DeviceRules| {
        (rules.overlap, rules.bearer) = (Overlap::Allowed, BearerUse::Allowed);
    };
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), set).await.unwrap();
    let old = house.token("ada").await;
    let (device_type, overlap) = (DeviceType::any(), None);
    let asked = RotationFor { device_type, overlap, request_key: None, reason: None };
    rotation::rotate_for(&house.ctx, Actor::Operator, "ada@example.com", asked).await.unwrap();
    house.deliver_mail().await;
    let new = house.newest_token("ada");
    let status = async |token: &str, query: &str| {
        let answer = house.ask_bearer(&format!("{FORWARD_AUTH}{query}"), token).await;
        Scribe::default().write_down(&house.ctx).await.unwrap();
        answer.status.as_u16()
    };

    assert_eq!(status(&new, "?device_type=server").await, 403);
    assert_eq!(status(&old, "").await, 200, "the new one has come into use nowhere");
    let told = history::list(&house.ctx, Some(ada), 1, None).await.unwrap().remove(0);
    assert_eq!(told.reason, "used on a route that demands another device type or profile");
    assert_eq!(status(&new, "?device_type=any").await, 200);
    assert_eq!(status(&old, "").await, 401);
}

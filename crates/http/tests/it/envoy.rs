//! Envoy's `ext_authz` over gRPC, as it comes by HTTP/2.

use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{HeaderMap, Method, Request, StatusCode, Version};
use http_body_util::BodyExt as _;
use prost::Message as _;
use symbolon_app::{Actor, device_types};
use symbolon_core::device_type::DeviceRules;
use symbolon_core::names::DeviceType;
use symbolon_core::network::LoginRanges;
use symbolon_core::policy::DAY;
use symbolon_core::verification::BearerUse;
use symbolon_wire::ext_authz::{
    Address, AttributeContext, CHECK_PATH, CheckRequest, CheckResponse, ContextExtension,
    DeniedHttpResponse, HeaderValue, HttpRequest, HttpResponse, OkHttpResponse, Peer,
    SocketAddress,
};
use symbolon_wire::grpc::{MAX_MESSAGE, frame};
use symbolon_wire::identity_headers::NAMES;
use tokio::time::Instant;

use crate::asking::basic;
use crate::house::{PEER, TestHouse, connection};

/// An answer to a call: the head, the message and the trailers.
struct Called {
    status: StatusCode,
    headers: HeaderMap,
    message: Bytes,
    trailers: HeaderMap,
}

impl Called {
    /// The status of the call itself, from wherever it stands.
    fn grpc_status(&self) -> &str {
        let places = [self.headers.get("grpc-status"), self.trailers.get("grpc-status")];
        let stated: Vec<_> = places.into_iter().flatten().collect();
        assert_eq!(stated.len(), 1);
        stated[0].to_str().unwrap()
    }

    fn check(&self) -> CheckResponse {
        assert_eq!(self.status, 200);
        assert_eq!(self.headers["content-type"], "application/grpc");
        assert_eq!(self.grpc_status(), "0");
        assert!(
            self.trailers.contains_key("grpc-status"),
            "a call that has a message ends in trailers"
        );
        assert_eq!(self.message[0], 0);
        assert_eq!(
            self.message[1..5],
            u32::try_from(self.message.len() - 5).unwrap().to_be_bytes()
        );
        CheckResponse::decode(&self.message[5..]).unwrap()
    }

    fn allowed(&self) -> OkHttpResponse {
        let check = self.check();
        assert_eq!(check.status.unwrap().code, 0);
        match check.http_response {
            Some(HttpResponse::Ok(allowed)) => allowed,
            other => panic!("not allowed: {other:?}"),
        }
    }

    fn denied(&self) -> (i32, DeniedHttpResponse) {
        let check = self.check();
        match check.http_response {
            Some(HttpResponse::Denied(denied)) => (check.status.unwrap().code, denied),
            other => panic!("not denied: {other:?}"),
        }
    }
}

fn call_with(body: impl Into<Body>, headers: &[(&'static str, &str)]) -> Request<Body> {
    let mut request = Request::builder()
        .method(Method::POST)
        .version(Version::HTTP_2)
        .uri(format!("http://auth.example{CHECK_PATH}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

fn check_of(headers: &[(&'static str, &str)], extensions: &[(&str, &str)]) -> CheckRequest {
    let line = |(name, value): &(&'static str, &str)| HeaderValue {
        key: Bytes::from(*name),
        value: Bytes::copy_from_slice(value.as_bytes()),
        raw_value: Bytes::new(),
    };
    let http = HttpRequest {
        method: "GET".to_owned(),
        headers: headers.iter().map(line).collect(),
        path: "/orders?device_type=none&profile=none&min_revision=9223372036854775807".to_owned(),
        host: "shop.example".to_owned(),
        scheme: "https".to_owned(),
        header_map: None,
    };
    let socket = SocketAddress { address: "198.51.100.7".to_owned() };
    let extension = |(key, value): &(&str, &str)| ContextExtension {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
    };
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(Peer { address: Some(Address { socket_address: Some(socket) }) }),
            request: Some(symbolon_wire::ext_authz::Request { http: Some(http) }),
            context_extensions: extensions.iter().map(extension).collect(),
        }),
    }
}

impl TestHouse {
    async fn call(&self, request: Request<Body>) -> Called {
        let (parts, body) = self.entrance.answer(connection(), request).await.into_parts();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned().unwrap_or_default();
        let message = collected.to_bytes();
        Called { status: parts.status, headers: parts.headers, message, trailers }
    }

    async fn check(&self, headers: &[(&'static str, &str)], extensions: &[(&str, &str)]) -> Called {
        self.call(call_with(frame(&check_of(headers, extensions)), &[])).await
    }
}

async fn house_with_session() -> (TestHouse, String) {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    (house, session)
}

#[tokio::test]
async fn whoever_is_allowed_goes_on_with_all_identity_headers_and_without_the_credential() {
    let (house, session) = house_with_session().await;

    for (headers, removed) in [
        ([("authorization", format!("Bearer {session}"))], "authorization"),
        ([("authorization", basic("ada@example.com", &session))], "authorization"),
        ([("x-api-key", session.clone())], "x-api-key"),
    ] {
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let allowed = house.check(&headers, &[]).await.allowed();

        let told: Vec<_> =
            allowed.headers.iter().map(|line| line.header.clone().unwrap()).collect();
        assert_eq!(told.iter().map(|line| line.key.clone()).collect::<Vec<_>>(), NAMES);
        assert_eq!(told[0].value, "ada@example.com");
        assert_eq!(told[4].value, "any");
        // Whatever the client sent under these names is overwritten, also by nothing.
        assert!(
            allowed.headers.iter().all(|line| line.append_action == 2 && line.keep_empty_value)
        );
        assert_eq!(allowed.headers_to_remove, [removed]);
    }
}

#[tokio::test]
async fn whoever_is_refused_is_answered_with_401_and_a_challenge() {
    let (house, session) = house_with_session().await;
    let good = format!("Bearer {session}");
    let joined = format!("Bearer {session},Bearer {session}");

    for headers in [
        vec![],
        vec![("authorization", "Bearer junk")],
        vec![("authorization", good.as_str()), ("authorization", &good)],
        vec![("authorization", &joined)],
        vec![("authorization", "Bearer junk"), ("x-api-key", &session)],
    ] {
        let (code, denied) = house.check(&headers, &[]).await.denied();

        assert_eq!((code, denied.status.unwrap().code), (16, 401), "{headers:?}");
        let line = denied.headers[0].header.clone().unwrap();
        assert_eq!(
            (&line.key[..], &line.value[..]),
            (&b"www-authenticate"[..], &br#"Bearer error="invalid_token""#[..])
        );
        assert_eq!(denied.body, "The credential is missing or not accepted.\n");
    }
}

#[tokio::test]
async fn a_route_demands_by_its_context_extensions() {
    let (house, session) = house_with_session().await;
    let good = format!("Bearer {session}");
    let headers = [("authorization", good.as_str())];

    for extensions in [
        &[("device_type", "any")][..],
        &[("device_type", "server, any"), ("profile", "Standard")],
        &[("team", "blue")],
    ] {
        house.check(&headers, extensions).await.allowed();
    }
    for extensions in [
        &[("device_type", "server")][..],
        &[("device_type", "any"), ("profile", "Other")],
        &[("device_type", "any"), ("device_type", "server")],
        &[("device_type", "")],
        &[("min_revision", "soon")],
    ] {
        let (code, denied) = house.check(&headers, extensions).await.denied();
        assert_eq!((code, denied.status.unwrap().code), (7, 403), "{extensions:?}");
    }
}

#[tokio::test]
async fn a_client_can_only_make_its_own_request_harder_to_admit() {
    let (house, session) = house_with_session().await;
    let good = format!("Bearer {session}");
    let harder = [("authorization", good.as_str()), ("x-symbolon-require-device-type", "server")];
    let easier = [("authorization", good.as_str()), ("x-symbolon-require-device-type", "any")];

    assert_eq!(house.check(&harder, &[("device_type", "any")]).await.denied().0, 7);
    assert_eq!(house.check(&easier, &[("device_type", "server")]).await.denied().0, 7);
}

#[tokio::test]
async fn a_revision_that_does_not_come_is_503_before_envoy_gives_up() {
    let (house, session) = house_with_session().await;
    let good = format!("Bearer {session}");
    let check = check_of(&[("authorization", &good)], &[("min_revision", "9223372036854775807")]);
    tokio::time::pause();

    for (timeout, most) in [("200m", 180), ("1S", 900), ("3600S", 5000)] {
        let asked_at = Instant::now();
        let called = house.call(call_with(frame(&check), &[("grpc-timeout", timeout)])).await;

        let (code, denied) = called.denied();
        assert_eq!((code, denied.status.unwrap().code), (14, 503));
        let line = denied.headers[0].header.clone().unwrap();
        assert_eq!((&line.key[..], &line.value[..]), (&b"retry-after"[..], &b"5"[..]));
        let waited = asked_at.elapsed();
        assert!(waited <= Duration::from_millis(most + 2), "{timeout}: {waited:?}");
    }
}

#[tokio::test]
async fn a_call_that_cannot_be_read_has_a_status_and_no_message() {
    let (house, session) = house_with_session().await;
    let good = format!("Bearer {session}");
    let framed = frame(&check_of(&[("authorization", &good)], &[]));
    let mut compressed = framed.to_vec();
    compressed[0] = 1;
    let mut followed = framed.to_vec();
    followed.extend_from_slice(&framed);
    let mut long = vec![0, 0, 1, 0, 1];
    long.resize(MAX_MESSAGE + 6, 0);
    let lying = [&[0, 0xff, 0xff, 0xff, 0xff][..], &framed[5..]].concat();

    for (body, status) in [
        (vec![], "3"),
        (framed[..4].to_vec(), "3"),
        (framed[..framed.len() - 1].to_vec(), "3"),
        (followed, "3"),
        (vec![7, 0, 0, 0, 0], "3"),
        (b"\0\0\0\0\x02\xff\xff".to_vec(), "3"),
        (compressed, "12"),
        (long, "8"),
        (lying, "8"),
        (vec![0; 5 * 1024 * 1024], "8"),
    ] {
        let shown = body[..body.len().min(8)].to_vec();
        let called = house.call(call_with(body, &[])).await;

        assert_eq!(called.status, 200, "{shown:?}");
        assert_eq!(called.headers["content-type"], "application/grpc");
        assert_eq!(called.grpc_status(), status, "{shown:?}");
        assert!(called.message.is_empty());
    }
    let bad_timeout = house.call(call_with(framed, &[("grpc-timeout", "soon")])).await;
    assert_eq!(bad_timeout.grpc_status(), "3");
}

#[tokio::test]
async fn a_call_about_nothing_is_refused_and_not_allowed() {
    let house = TestHouse::open().await;

    let called = house.call(call_with(&b"\0\0\0\0\0"[..], &[])).await;

    assert_eq!(called.denied().0, 16);
}

#[tokio::test]
async fn the_path_without_http_2_or_grpc_is_nothing_here() {
    let (house, session) = house_with_session().await;
    let good = format!("Bearer {session}");
    let body = frame(&check_of(&[("authorization", &good)], &[]));
    let mut first = call_with(body.clone(), &[("host", "auth.example")]);
    *first.version_mut() = Version::HTTP_11;
    let mut second = call_with(body, &[]);
    second.headers_mut().insert("content-type", "application/json".parse().unwrap());

    for request in [first, second] {
        assert_eq!(house.call(request).await.status, 404);
    }
}

#[tokio::test]
async fn behind_another_proxy_envoys_client_is_the_one_whom_that_proxy_names() {
    const OUTER: &str = "198.51.100.7";
    let house = TestHouse::open_with(|plan| {
        let trusted = [format!("{PEER}/32"), format!("{OUTER}/32")];
        plan.front.trusted_proxies = trusted.map(|range| range.parse().unwrap()).to_vec();
    })
    .await;
    let ada = house.user("ada").await;
    let token = format!("Bearer {}", house.token("ada").await);
    let inside = LoginRanges::parse("192.0.2.0/24, 198.51.100.0/24").unwrap();
    let set = |rules: &mut DeviceRules| {
        (rules.bearer, rules.addresses) = (BearerUse::Allowed, inside.clone());
    };
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), set).await.unwrap();

    for (list, source, allowed) in [
        // Envoy appends its peer, or does not.
        (Some("192.0.2.9, 198.51.100.7"), "192.0.2.9", true),
        (Some("192.0.2.9"), "192.0.2.9", true),
        (Some("192.0.2.9,203.0.113.200, 198.51.100.7"), "203.0.113.200", false),
        (Some("unknown, 198.51.100.7"), OUTER, false),
        (Some("?!"), OUTER, false),
        (Some(OUTER), OUTER, false),
        (None, OUTER, false),
    ] {
        let headers = [("authorization", token.as_str())];
        let more = list.map(|list| ("x-forwarded-for", list));
        let headers: Vec<_> = headers.into_iter().chain(more).collect();

        let check = house.check(&headers, &[]).await.check();

        assert_eq!(check.status.unwrap().code == 0, allowed, "{list:?}");
        if !allowed {
            symbolon_app::scribe::Scribe::default().write_down(&house.ctx).await.unwrap();
            let told = symbolon_app::history::list(&house.ctx, Some(ada), 1, None).await.unwrap();
            assert_eq!(told[0].source, source, "{list:?}");
        }
        house.clock.advance(DAY);
    }
}

#[tokio::test]
async fn envoys_word_on_its_clients_address_counts_if_envoy_is_a_trusted_proxy() {
    for (trusted, source) in [(false, PEER.to_string()), (true, "198.51.100.7".to_owned())] {
        let house = TestHouse::open_with(|plan| {
            if trusted {
                plan.front.trusted_proxies = vec![format!("{PEER}/32").parse().unwrap()];
            }
        })
        .await;
        let ada = house.user("ada").await;
        let half = format!("Bearer {}", house.token("ada").await);

        house.check(&[("authorization", &half), ("user-agent", "shop/1.0")], &[]).await.denied();
        symbolon_app::scribe::Scribe::default().write_down(&house.ctx).await.unwrap();

        let entry =
            symbolon_app::history::list(&house.ctx, Some(ada), 1, None).await.unwrap().remove(0);
        assert_eq!(entry.source, source);
        assert_eq!((entry.client.as_str(), entry.head.as_str()), ("shop/1.0", "ext-authz-grpc"));
    }
}

//! Bad input: a clear error of the head's own kind, nothing written, no panic.

use std::io::Write as _;

use axum::body::{Body, Bytes};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use http::{Method, header};

use crate::calls::{Answer, call, login, request};
use crate::house::{PASSWORD, TestHouse};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn post(
    house: &TestHouse,
    uri: &str,
    headers: &[(header::HeaderName, &str)],
    body: impl Into<Body>,
) -> Answer {
    let mut request = request(Method::POST, uri);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    house.send(request.body(body.into()).unwrap()).await
}

const SOAP: &str = "/services/Soap/u/59.0";

#[tokio::test]
async fn what_soap_cannot_read_is_a_fault_and_nothing_is_written() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let before = house.mark().await;
    let doctype = |inside: &str| {
        login("&x;", "p").replace("?><env:", &format!("?><!DOCTYPE a [{inside}]><env:"))
    };
    let laughs = doctype("<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\"><!ENTITY x \"&b;&b;\">");
    let external = doctype("<!ENTITY x SYSTEM \"http://127.0.0.1:9/x\">");
    let deep = call("s", &format!("{}{}", "<a>".repeat(100), "</a>".repeat(100)));
    let attributes: Vec<String> = (0..200).map(|n| format!(" a{n}='1'")).collect();
    let attributes = attributes.concat();

    for (body, status) in [
        (laughs.into_bytes(), 500),
        (external.into_bytes(), 500),
        (deep.into_bytes(), 500),
        (call("s", &format!("<logout{attributes}/>")).into_bytes(), 500),
        (login("ada\u{0}@example.com", "p").into_bytes(), 500),
        (login("ada&#0;@example.com", "p").into_bytes(), 500),
        (b"\xff\xfe<\0e\0".to_vec(), 500),
        (login("ada@example.com", &"p".repeat(5_000)).into_bytes(), 500),
        (login("ada@example.com", &"p".repeat(20_000)).into_bytes(), 500),
        (vec![b' '; 70_000], 413),
        (b"{}".to_vec(), 500),
        (Vec::new(), 500),
    ] {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let answer = house.soap(body).await;

        assert_eq!(answer.status, status, "{shown}");
        assert!(answer.body.contains("<soapenv:Fault>"), "{shown}");
        assert!(answer.body.contains("xsi:type=\"sf:"), "{shown}");
    }
    assert_eq!(house.mark().await, before);
}

#[tokio::test]
async fn a_login_over_ten_kilobytes_is_too_large() {
    let house = TestHouse::open().await;
    let padded = format!("{}{}", login("ada@example.com", "p"), " ".repeat(11_000));

    let answer = house.soap(padded).await;

    assert_eq!(answer.status, 413);
    assert!(answer.body.contains("<soapenv:Fault>"));
}

#[tokio::test]
async fn gzip_is_accepted_and_a_bomb_is_cut_off() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let token = house.token("ada").await;
    let packed = gzip(login("ada@example.com", &format!("{PASSWORD}{token}")).as_bytes());
    let headers = [(header::CONTENT_TYPE, "text/xml"), (header::CONTENT_ENCODING, "gzip")];

    let admitted = post(&house, SOAP, &headers, packed.clone()).await;
    let bomb = post(&house, SOAP, &headers, gzip(&vec![b' '; 32 << 20])).await;
    let cut = post(&house, SOAP, &headers, packed[..packed.len() - 4].to_vec()).await;
    let brotli = [(header::CONTENT_ENCODING, "br")];
    let other = post(&house, SOAP, &brotli, packed).await;

    assert_eq!(admitted.status, 200, "{}", admitted.body);
    assert_eq!(bomb.status, 413);
    assert_eq!(cut.status, 400);
    assert_eq!(other.status, 415);
    for answer in [bomb, cut, other] {
        assert!(answer.body.contains("<soapenv:Fault>"));
    }
}

#[tokio::test]
async fn chunked_bodies_are_read_and_counted() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let token = house.token("ada").await;
    let chunks = |text: String| {
        let parts: Vec<_> = text
            .into_bytes()
            .chunks(7)
            .map(|part| Ok::<_, std::io::Error>(Bytes::copy_from_slice(part)))
            .collect();
        Body::from_stream(stream::iter(parts))
    };

    let admitted =
        house.soap(chunks(login("ada@example.com", &format!("{PASSWORD}{token}")))).await;
    let endless = house.soap(chunks(" ".repeat(80_000))).await;

    assert_eq!(admitted.status, 200, "{}", admitted.body);
    assert_eq!(endless.status, 413);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_told_so() {
    let house = TestHouse::open().await;
    let parts = [Ok(Bytes::from_static(b"<env")), Err(std::io::Error::other("gone"))];

    let answer = house.soap(Body::from_stream(stream::iter(parts))).await;

    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("<soapenv:Fault>"));
}

#[tokio::test]
async fn media_types_are_judged_by_each_head() {
    let house = TestHouse::open().await;
    let envelope = login("nobody@example.com", "p");
    let typed = async |uri: &'static str, media_type: &'static str, body: String| {
        post(&house, uri, &[(header::CONTENT_TYPE, media_type)], body).await
    };

    for known in ["text/xml", "application/xml", "application/soap+xml; charset=utf-8"] {
        assert_eq!(typed(SOAP, known, envelope.clone()).await.status, 500, "{known}");
    }
    assert_eq!(post(&house, SOAP, &[], envelope.clone()).await.status, 500);
    for wrong in
        ["application/json", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"]
    {
        let answer = typed(SOAP, wrong, envelope.clone()).await;
        assert_eq!(answer.status, 415, "{wrong}");
        assert!(answer.body.contains("<soapenv:Fault>"));
    }
    let oauth = typed("/services/oauth2/token", "application/json", "{}".to_owned()).await;
    assert_eq!(oauth.status, 415);
    assert_eq!(oauth.json()["error"], "invalid_request");
    let revoke = typed("/services/oauth2/revoke", "application/json", "{}".to_owned()).await;
    assert_eq!(revoke.status, 415);
    assert!(revoke.body.starts_with("error=invalid_request"));
}

#[tokio::test]
async fn what_oauth_cannot_read_is_an_invalid_request() {
    let house = TestHouse::open().await;
    let typed = [(header::CONTENT_TYPE, "application/x-www-form-urlencoded")];
    let before = house.mark().await;

    for (body, status) in [
        (b"grant_type=password&username=a%00b&client_id=c&password=p".to_vec(), 400),
        (b"grant_type=password&username=%ff&client_id=c&password=p".to_vec(), 400),
        (b"grant_type=password&grant_type=password".to_vec(), 400),
        (b"grant_type=%zz".to_vec(), 400),
        (Vec::new(), 400),
        (vec![b'a'; 11_000], 413),
    ] {
        let answer = post(&house, "/services/oauth2/token", &typed, body).await;

        assert_eq!(answer.status, status);
        assert_eq!(answer.json()["error"], "invalid_request");
    }
    assert_eq!(house.mark().await, before);
}

#[tokio::test]
async fn over_long_names_are_refused_logins() {
    let house = TestHouse::open().await;

    let answer = house.soap(login(&"a".repeat(4_000), "p")).await;

    assert_eq!(answer.status, 500);
    assert_eq!(answer.element("sf:exceptionCode"), "INVALID_LOGIN");
    let rows = symbolon_app::history::list(&house.ctx, None, 1, None).await.unwrap();
    assert!(rows[0].username.len() <= 400, "{}", rows[0].username.len());
}

#[tokio::test]
async fn what_is_reflected_is_escaped() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let name = symbolon_core::names::DisplayName::parse("</userFullName>&<x>").unwrap();
    let ada = symbolon_app::users::show(&house.ctx, "ada@example.com").await.unwrap().id;
    symbolon_app::account::change_name(&house.ctx, ada, name).await.unwrap();

    let answer = house.soap(call(&session, "<getUserInfo/>")).await;

    assert_eq!(answer.element("userFullName"), "&lt;/userFullName&gt;&amp;&lt;x&gt;");
}

#[tokio::test]
async fn what_is_not_there_under_the_json_api_is_a_problem_document() {
    let house = TestHouse::open().await;

    for (method, uri, status, kind) in [
        (Method::GET, "/api/v1/verify", 405, "method-not-allowed"),
        (Method::DELETE, "/api/v1/verify", 405, "method-not-allowed"),
        (Method::GET, "/api/v1/nothing", 404, "not-found"),
        (Method::POST, "/api/", 404, "not-found"),
    ] {
        let asked = request(method.clone(), uri).body(Body::empty()).unwrap();
        let answer = house.send(asked).await;

        assert_eq!(answer.status, status, "{method} {uri}");
        assert_eq!(answer.header("content-type"), "application/problem+json", "{method} {uri}");
        assert_eq!(answer.header("cache-control"), "no-store", "{method} {uri}");
        let problem = answer.json();
        assert_eq!(problem["type"], format!("urn:symbolon:problem:{kind}"), "{method} {uri}");
        assert_eq!(problem["status"], status, "{method} {uri}");
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{method} {uri}");
        assert_eq!(problem["correlation_id"].as_str().unwrap().len(), 12, "{method} {uri}");
        if status == 405 {
            assert_eq!(answer.header("allow"), "POST", "{method} {uri}");
        }
    }
}

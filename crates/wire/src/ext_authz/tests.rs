//! Calls as Envoy sends them, and answers as it reads them.

use proptest::prelude::*;

use super::*;
use crate::credential::{self, Credential, CredentialError};
use crate::demands::Demands;
use crate::identity_headers::{self, Identity};

/// A field whose type has a length, from the numbers in Envoy's files alone.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    prost::encode_length_delimiter(content.len(), &mut bytes).unwrap();
    [&bytes, content].concat()
}

fn pair(key: &str, value: &str) -> Vec<u8> {
    [field(1, key.as_bytes()), field(2, value.as_bytes())].concat()
}

fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), message].concat().into()
}

/// The call about a request with `headers`, which are fields of `HttpRequest`.
fn call(headers: &[Vec<u8>], others: &[Vec<u8>]) -> Bytes {
    let http = [
        field(1, b"1234567890"),
        field(2, b"DELETE"),
        headers.concat(),
        field(4, b"/things/7?profile=Guest"),
        field(5, b"api.example"),
        field(6, b"https"),
        // int64 size = -1
        vec![9 << 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
        field(10, b"HTTP/2"),
        field(11, b"body"),
    ];
    // SocketAddress{protocol: TCP, address, port_value: 4321}
    let address = [field(2, b"203.0.113.9"), vec![3 << 3, 0xe1, 0x21]].concat();
    let source = field(1, &field(1, &address));
    let request = [field(1, &[8, 1]), field(2, &http.concat())].concat();
    let attributes =
        [field(1, &source), field(2, b""), field(4, &request), others.concat()].concat();
    framed(&field(1, &attributes))
}

fn joined_header(name: &str, value: &str) -> Vec<u8> {
    field(3, &pair(name, value))
}

fn raw_headers(lines: &[(&str, &[u8])]) -> Vec<u8> {
    let line = |(name, value): &(&str, &[u8])| {
        field(1, &[field(1, name.as_bytes()), field(3, value)].concat())
    };
    field(13, &lines.iter().map(line).collect::<Vec<_>>().concat())
}

fn bearer(request: &CheckRequest) -> Result<String, CredentialError> {
    match credential::find(request)? {
        Some(Credential::Bearer(token)) => Ok(token.reveal().to_owned()),
        other => panic!("not a bearer: {other:?}"),
    }
}

#[test]
fn call_of_envoy_is_read() {
    let headers =
        [joined_header(":authority", "api.example"), joined_header("authorization", "Bearer a!b")];
    let extensions = field(10, &pair("device_type", "server"));
    let request = CheckRequest::parse(call(&headers, &[extensions])).unwrap();
    let http = request.http().unwrap();

    assert_eq!((http.method.as_str(), http.path.as_str()), ("DELETE", "/things/7?profile=Guest"));
    assert_eq!((http.host.as_str(), http.scheme.as_str()), ("api.example", "https"));
    assert_eq!(request.source_address(), Some("203.0.113.9"));
    assert_eq!(request.context_extensions().collect::<Vec<_>>(), [("device_type", "server")]);
    assert_eq!(request.header_lines(":authority").collect::<Vec<_>>(), [b"api.example"]);
    assert_eq!(bearer(&request), Ok("a!b".to_owned()));
}

#[test]
fn headers_that_envoy_sends_line_by_line_are_read_instead_of_the_joined_ones() {
    let lines = raw_headers(&[("authorization", b"Bearer a"), ("x-latin", b"\xe9")]);
    let request =
        CheckRequest::parse(call(&[joined_header("authorization", "Basic b"), lines], &[]))
            .unwrap();

    assert_eq!(bearer(&request), Ok("a".to_owned()));
    assert_eq!(request.header_lines("x-latin").collect::<Vec<_>>(), [b"\xe9"]);
    assert!(!request.lines_may_be_joined());
}

#[test]
fn two_credentials_are_ambiguous_whether_joined_or_not() {
    let joined = [joined_header("authorization", "Bearer a,Bearer b")];
    let twice = [raw_headers(&[("authorization", b"Bearer a"), ("authorization", b"Bearer b")])];

    for headers in [&joined, &twice] {
        let request = CheckRequest::parse(call(headers, &[])).unwrap();
        assert_eq!(bearer(&request), Err(CredentialError::Ambiguous));
    }
}

#[test]
fn demands_come_from_the_route_and_a_client_can_only_add_to_them() {
    let headers = [joined_header("x-symbolon-require-device-type", "mobile,server")];
    let extensions = [
        field(10, &pair("device_type", "server,desktop")),
        field(10, &pair("profile", "Standard")),
    ];
    let request = CheckRequest::parse(call(&headers, &extensions)).unwrap();
    let of_route = Demands::default().and_extensions(request.context_extensions()).unwrap();

    assert!(of_route.device_types.all_contain("server"));
    assert!(of_route.profiles.all_contain("Standard"));
    assert!(!of_route.profiles.all_contain("Guest"));
    let of_both = of_route.and_headers(&request).unwrap();
    // Two lines of a client that Envoy has joined: each of them is demanded.
    assert!(!of_both.device_types.all_contain("server"));
}

#[test]
fn call_without_a_request_presents_nothing() {
    for message in [vec![], field(1, b""), field(1, &field(4, b""))] {
        let request = CheckRequest::parse(framed(&message)).unwrap();

        assert_eq!(request.http(), None);
        assert_eq!(request.source_address(), None);
        assert!(credential::find(&request).unwrap().is_none());
    }
}

#[test]
fn what_is_no_check_request_is_malformed() {
    let not_utf8 = field(1, &field(4, &field(2, &field(2, b"\xff"))));
    let wrong_type = vec![1 << 3, 7];
    let cut_off = vec![1 << 3 | 2, 200, 1];

    for message in [not_utf8, wrong_type, cut_off] {
        assert_eq!(CheckRequest::parse(framed(&message)), Err(GrpcError::Malformed));
    }
}

#[test]
fn debug_of_a_call_shows_neither_headers_nor_target() {
    let headers =
        [joined_header("authorization", "Bearer hunter2"), joined_header("cookie", "hunter2")];
    let shown = format!("{:?}", CheckRequest::parse(call(&headers, &[])).unwrap());

    assert!(!shown.contains("hunter2") && !shown.contains("/things"), "{shown}");
    let header = HeaderValue { value: Bytes::from_static(b"hunter2"), ..HeaderValue::default() };
    assert!(!format!("{header:?}").contains("hunter2"));
}

#[test]
fn allowed_request_has_every_identity_header_replaced() {
    let identity = Identity {
        username: "zoe",
        email: None,
        name: Some("Zoë"),
        profile: None,
        device_type: None,
        expires_at_ms: None,
        revision: 7,
    };
    let response = CheckResponse::allowed(identity.lines(), &["authorization", "x-api-key"]);
    let Some(HttpResponse::Ok(ok)) = &response.http_response else { panic!("{response:?}") };

    assert_eq!(response.status.as_ref().map(|status| status.code), Some(0));
    assert_eq!(ok.headers.len(), identity_headers::NAMES.len());
    for (option, name) in ok.headers.iter().zip(identity_headers::NAMES) {
        assert_eq!(option.header.as_ref().unwrap().key, name);
        assert_eq!(option.append_action, 2);
    }
    assert_eq!(ok.headers_to_remove, ["authorization", "x-api-key"]);
}

#[test]
fn answers_have_the_field_numbers_of_envoy() {
    let allowed = CheckResponse::allowed([("a", Cow::Borrowed("b"))], &["c"]);
    let option = [field(1, &pair("a", "b")), vec![3 << 3, 2, 4 << 3, 1]].concat();
    let ok = [field(2, &option), field(5, b"c")].concat();
    assert_eq!(allowed.render(), framed(&[field(1, b""), field(3, &ok)].concat()));

    let headers = [("a", Cow::Owned("b".to_owned()))];
    let denied = CheckResponse::denied(Denial::Unauthenticated, 401, headers, "{}".to_owned());
    let response = [field(1, &[8, 0x91, 3]), field(2, &option), field(3, b"{}")].concat();
    assert_eq!(denied.render(), framed(&[field(1, &[8, 16]), field(2, &response)].concat()));
}

#[test]
fn no_denial_has_the_status_that_allows() {
    for (denial, code) in [
        (Denial::Unauthenticated, 16),
        (Denial::PermissionDenied, 7),
        (Denial::ResourceExhausted, 8),
        (Denial::Unavailable, 14),
    ] {
        let response = CheckResponse::denied(denial, 403, [], String::new());
        assert_eq!(response.status.unwrap().code, code);
    }
}

proptest! {
    #[test]
    fn every_answer_reads_back(name in "[ -~]{0,20}", value: String, body: String, http_status in 100..600_u16) {
        let headers = [("a", Cow::Borrowed(value.as_str())), ("b", Cow::Owned(name))];
        for response in [
            CheckResponse::allowed(headers.clone(), &["c"]),
            CheckResponse::denied(Denial::PermissionDenied, http_status, headers, body),
        ] {
            let message = grpc::unframe(response.render()).unwrap();
            prop_assert_eq!(CheckResponse::decode(message).unwrap(), response);
        }
    }

    #[test]
    fn every_header_reads_back(names in prop::collection::vec("[a-z-]{1,12}", 0..6), value in "[^\0]{0,20}") {
        let headers: Vec<_> = names.iter().map(|name| joined_header(name, &value)).collect();
        let lines: Vec<_> = names.iter().map(|name| (name.as_str(), value.as_bytes())).collect();

        for headers in [headers, vec![raw_headers(&lines)]] {
            let request = CheckRequest::parse(call(&headers, &[])).unwrap();
            for name in &names {
                let expected = names.iter().filter(|other| *other == name).count();
                let lines: Vec<_> = request.header_lines(name).collect();
                prop_assert_eq!(lines, vec![value.as_bytes(); expected]);
            }
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..80),
        at in any::<prop::sample::Index>(),
        byte: u8,
    ) {
        let _ = CheckRequest::parse(framed(&bytes));
        let _ = CheckRequest::parse(framed(&field(1, &field(4, &field(2, &bytes)))));
        let headers = [joined_header("authorization", "Bearer a"), raw_headers(&[("x-api-key", b"k")])];
        let mut changed = call(&headers, &[field(10, &pair("profile", "Standard"))]).to_vec();
        let place = at.index(changed.len());
        changed[place] = byte;
        if let Ok(request) = CheckRequest::parse(changed.into()) {
            let _ = credential::find(&request);
            let _ = Demands::default().and_extensions(request.context_extensions());
            let _ = request.source_address();
        }
    }
}

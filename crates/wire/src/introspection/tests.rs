//! What the introspection endpoint reads and writes.

use std::net::Ipv6Addr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Active, INACTIVE, IntrospectionRequest, parse_introspection_request};
use crate::PresentedText;
use crate::form::{Form, FormError};
use crate::freshness::Freshness;
use crate::oauth::{OAuthError, RequestFault};
use crate::used_by::MAX_AGENT;

/// The client of RFC 7662 §2.1's second example.
const RFC_CLIENT: &str = "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW";

const ACTIVE: Active<'static> = Active {
    sub: "005000000000001AAA",
    username: "jdoe@example.com",
    client_id: Some("l238j323ds-23ij4"),
    issued_at_ms: 1_419_350_238_999,
    expires_at_ms: Some(1_419_356_238_000),
    authenticated_at_ms: 1_419_350_230_000,
    iss: "https://server.example.com/",
    device_type: Some("server"),
    profile: "Standard \"User\"",
    revision: 42,
};

fn read(form: &str) -> IntrospectionRequest<'_> {
    parse_introspection_request(form.as_bytes(), Some(RFC_CLIENT)).unwrap()
}

fn refusal(form: &str, authorization: Option<&str>) -> OAuthError {
    parse_introspection_request(form.as_bytes(), authorization).unwrap_err()
}

fn fault(form: &str) -> RequestFault {
    let refusal = refusal(form, Some(RFC_CLIENT));
    let OAuthError::InvalidRequest(fault) = refusal else { panic!("{refusal:?}") };
    fault
}

fn written(active: &Active<'_>) -> String {
    let mut out = Vec::new();
    active.write_to(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn example_of_the_rfc_is_read() {
    let request = read("token=mF_9.B5f-4.1JqM&token_type_hint=access_token");

    assert_eq!(request.token.reveal(), "mF_9.B5f-4.1JqM");
    assert_eq!(request.client.id(), "s6BhdRkqt3");
    assert_eq!(request.client.secret(), "gX1fBat3bV");
    assert_eq!(request.freshness, Freshness::default());
}

#[test]
fn who_presented_the_token_may_be_told_and_only_as_it_should_be() {
    let told = read("token=t&client_address=%3A%3A1&client_agent=curl%2F8.5.0+x");
    let agent = told.used_by.agent.as_ref().map(PresentedText::reveal);
    assert_eq!(
        (told.used_by.address, agent),
        (Some(Ipv6Addr::LOCALHOST.into()), Some("curl/8.5.0 x"))
    );
    let untold = read("token=t&client_address=&client_agent=");
    assert!(untold.used_by.address.is_none() && untold.used_by.agent.is_none());

    for text in ["192.0.2.7%3A80", "unknown", "192.0.2", "%5B%3A%3A1%5D"] {
        let asked = format!("token=t&client_address={text}");
        assert_eq!(fault(&asked), RequestFault::Malformed("client_address"), "{text}");
    }
    let longest = "a".repeat(MAX_AGENT);
    assert!(read(&format!("token=t&client_agent={longest}")).used_by.agent.is_some());
    let too_long = format!("token=t&client_agent={longest}a");
    assert_eq!(fault(&too_long), RequestFault::Malformed("client_agent"));
    let twice = refusal("token=t&client_agent=a&client_agent=a", Some(RFC_CLIENT));
    assert!(matches!(twice, OAuthError::InvalidRequest(_)));
}

#[test]
fn client_may_stand_in_the_form() {
    let form = b"client_id=c%3A1&client_secret=s%2B&token=t";
    let request = parse_introspection_request(form, None).unwrap();

    assert_eq!(request.client.id(), "c:1");
    assert_eq!(request.client.secret(), "s+");
    assert_eq!(request.token.reveal(), "t");
}

#[test]
fn client_of_the_form_and_of_the_header_must_be_the_same() {
    assert_eq!(fault("token=t&client_id=other"), RequestFault::ClientGivenTwice);
    assert_eq!(read("token=t&client_id=s6BhdRkqt3").client.id(), "s6BhdRkqt3");
}

#[test]
fn whoever_proves_nothing_is_an_invalid_client_and_learns_nothing_else() {
    for form in ["token=t", "token=t&client_id=c", "token=t&client_id=c&client_secret=", ""] {
        assert_eq!(refusal(form, None), OAuthError::InvalidClient, "{form}");
        assert_eq!(refusal(form, Some("Basic ????")), OAuthError::InvalidClient, "{form}");
        // RFC 7662 §2.1's first example: bearer tokens prove no client with us.
        assert_eq!(
            refusal(form, Some("Bearer 23410913-abewfq.123483")),
            OAuthError::InvalidClient,
            "{form}"
        );
    }
}

#[test]
fn demands_on_freshness_are_numbers_within_their_bounds() {
    let request = read("token=t&min_revision=12&deadline_ms=250");

    assert_eq!(
        request.freshness,
        Freshness { min_revision: Some(12), deadline: Some(Duration::from_millis(250)) }
    );
    assert_eq!(read("token=t&min_revision=&deadline_ms=").freshness, Freshness::default());
    for junk in ["-1", "%2B1", "1.5", "x", "9223372036854775808"] {
        let form = format!("token=t&min_revision={junk}");
        assert_eq!(fault(&form), RequestFault::Malformed("min_revision"), "{junk}");
    }
    for junk in ["0", "5001", "-1", "1s"] {
        let form = format!("token=t&deadline_ms={junk}");
        assert_eq!(fault(&form), RequestFault::Malformed("deadline_ms"), "{junk}");
    }
}

#[test]
fn each_malformed_form_is_refused_for_its_own_reason() {
    assert_eq!(fault(""), RequestFault::Missing("token"));
    assert_eq!(fault("token="), RequestFault::Missing("token"));
    assert_eq!(fault("token=a&token=b"), RequestFault::Form(FormError::DuplicateField));
    assert_eq!(fault("token=&token=b"), RequestFault::Form(FormError::DuplicateField));
    assert_eq!(fault("token=a&x=1&%78=2"), RequestFault::Form(FormError::DuplicateField));
    assert_eq!(fault("token=%zz"), RequestFault::Form(FormError::BadEscape));
    assert_eq!(fault("token=%ff"), RequestFault::Form(FormError::NotUtf8));
    assert_eq!(fault("token=a%00"), RequestFault::Form(FormError::Nul));
    assert_eq!(fault(&"a&".repeat(65)), RequestFault::Form(FormError::DuplicateField));
    let many: Vec<_> = (0..65).map(|at| format!("f{at}")).collect();
    assert_eq!(fault(&many.join("&")), RequestFault::Form(FormError::TooManyFields));
    assert_eq!(read("token=a&resource=x&%74oken_type_hint=saml").token.reveal(), "a");
}

#[test]
fn debug_of_a_request_shows_no_secret() {
    let shown = format!("{:?}", read("token=hunter2&min_revision=3"));

    assert!(!shown.contains("hunter2") && !shown.contains("gX1fBat3bV"), "{shown}");
}

#[test]
fn active_answer_has_the_members_of_the_rfc_and_ours() {
    assert_eq!(
        written(&ACTIVE),
        concat!(
            r#"{"active":true,"sub":"005000000000001AAA","username":"jdoe@example.com","#,
            r#""client_id":"l238j323ds-23ij4","token_type":"Bearer","iat":1419350238,"#,
            r#""exp":1419356238,"auth_time":1419350230,"iss":"https://server.example.com/","#,
            r#""device_type":"server","profile":"Standard \"User\"","revision":42}"#
        )
    );
}

#[test]
fn what_is_not_known_is_left_out() {
    let short = Active { client_id: None, expires_at_ms: None, device_type: None, ..ACTIVE };
    let answer: Value = serde_json::from_str(&written(&short)).unwrap();

    for absent in ["client_id", "exp", "device_type", "scope"] {
        assert_eq!(answer.get(absent), None, "{absent}");
    }
    assert_eq!(answer["active"], json!(true));
}

#[test]
fn inactive_answer_says_nothing_else() {
    assert_eq!(serde_json::from_str::<Value>(INACTIVE).unwrap(), json!({ "active": false }));
}

proptest! {
    #[test]
    fn every_answer_is_the_json_that_serde_would_write(
        texts in prop::array::uniform4(any::<String>()),
        client_id in prop::option::of(any::<String>()),
        device_type in prop::option::of(any::<String>()),
        times in prop::array::uniform3(any::<i64>()),
        expires in any::<bool>(),
        revision in any::<i64>(),
    ) {
        let active = Active {
            sub: &texts[0],
            username: &texts[1],
            client_id: client_id.as_deref(),
            issued_at_ms: times[0],
            expires_at_ms: expires.then_some(times[1]),
            authenticated_at_ms: times[2],
            iss: &texts[2],
            device_type: device_type.as_deref(),
            profile: &texts[3],
            revision,
        };
        let mut expected = json!({
            "active": true,
            "sub": texts[0],
            "username": texts[1],
            "token_type": "Bearer",
            "iat": times[0].div_euclid(1000),
            "auth_time": times[2].div_euclid(1000),
            "iss": texts[2],
            "profile": texts[3],
            "revision": revision,
        });
        if let Some(id) = &client_id {
            expected["client_id"] = json!(id);
        }
        if let Some(name) = &device_type {
            expected["device_type"] = json!(name);
        }
        if expires {
            expected["exp"] = json!(times[1].div_euclid(1000));
        }

        prop_assert_eq!(serde_json::from_str::<Value>(&written(&active)).unwrap(), expected);
    }

    #[test]
    fn every_question_reads_back(token in "[^\0]{1,60}", secret in "[^\0]{1,30}", revision in 0..=i64::MAX) {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("token", token.as_str()), ("client_id", "c"), ("client_secret", &secret)])
            .append_pair("min_revision", &revision.to_string())
            .finish();
        let request = parse_introspection_request(form.as_bytes(), None).unwrap();

        prop_assert_eq!(request.token.reveal(), token);
        prop_assert_eq!(request.client.secret(), secret);
        prop_assert_eq!(request.freshness.min_revision, Some(revision));
    }

    /// The form reader of the other endpoints is the measure of this one.
    #[test]
    fn forms_are_read_as_everywhere_else(body in "((token|%74oken|min_revision|x|[%a-f0-9+é]{0,3})=[%a-f0-9+é]{0,4}&?){0,5}") {
        let parsed = parse_introspection_request(body.as_bytes(), Some(RFC_CLIENT));
        match Form::parse(body.as_bytes()) {
            Err(fault) => prop_assert_eq!(parsed.unwrap_err(), OAuthError::from(fault)),
            Ok(form) => {
                let token = form.text("token").filter(|token| !token.is_empty());
                let read = match &parsed {
                    Ok(request) => Some(request.token.reveal()),
                    Err(OAuthError::InvalidRequest(RequestFault::Malformed("min_revision"))) => token,
                    Err(_) => None,
                };
                prop_assert_eq!(read, token);
            }
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(
        body in prop::collection::vec(any::<u8>(), 0..200),
        form in "(token|min_revision|deadline_ms|client_id)=[%a-f0-9&=+]{0,50}",
        header in ".{0,60}",
    ) {
        let basic = format!("Basic {}", STANDARD.encode(&body));
        let _ = parse_introspection_request(&body, Some(&header));
        let _ = parse_introspection_request(&body, Some(RFC_CLIENT));
        let _ = parse_introspection_request(form.as_bytes(), Some(&basic));
        let _ = parse_introspection_request(form.as_bytes(), Some(RFC_CLIENT));
    }
}

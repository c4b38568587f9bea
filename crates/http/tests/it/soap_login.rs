//! `login`: the answer and the one refusal, to the byte.

use http::Method;
use symbolon_app::context::Switch;
use symbolon_app::places;
use symbolon_core::network::Network;

use crate::calls::{Answer, envelope, login, request};
use crate::house::{PASSWORD, PEER, TestHouse};

/// The correlation id at the end of the message.
fn correlation_id(answer: &Answer) -> &str {
    let message = answer.element("sf:exceptionMessage");
    message.rsplit_once(" (").unwrap().1.strip_suffix(')').unwrap()
}

#[tokio::test]
async fn password_with_token_opens_a_session_and_every_member_is_told() {
    let house = TestHouse::open().await;
    let user = house.user("ada").await;
    let token = house.token("ada").await;

    let answer = house.soap(login("ada@example.com", &format!("{PASSWORD}{token}"))).await;

    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "text/xml; charset=UTF-8");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let organization = house.organization().await.to_string();
    assert_eq!(
        answer.element("serverUrl"),
        format!("https://auth.example/services/Soap/u/59.0/{organization}")
    );
    assert_eq!(
        answer.element("metadataServerUrl"),
        format!("https://auth.example/services/Soap/m/59.0/{organization}")
    );
    assert_eq!(answer.element("passwordExpired"), "false");
    assert!(answer.element("sessionId").starts_with(&format!("{organization}!")));
    assert_eq!(answer.element("sessionId").len(), 112);
    assert_eq!(answer.element("userId").len(), 18);
    assert!(answer.element("userId").starts_with(&user.to_string()));
    assert_eq!(answer.element("organizationId").len(), 18);
    assert_eq!(answer.element("organizationName"), "Example Org");
    assert_eq!(answer.element("userName"), "ada@example.com");
    assert_eq!(answer.element("userFullName"), "Test ada");
    assert_eq!(answer.element("userEmail"), "ada@mail.example");
    assert_eq!(answer.element("sessionSecondsValid"), "7200");
    assert!(answer.body.contains(r#"<roleId xsi:nil="true"/>"#));
}

#[tokio::test]
async fn the_answer_stays_the_same_to_the_byte() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let token = house.token("ada").await;

    let answer = house.soap(login("ada@example.com", &format!("{PASSWORD}{token}"))).await;

    let shown = [answer.element("sessionId"), answer.element("userId")]
        .iter()
        .fold(answer.body.clone(), |text, secret| text.replace(*secret, "[…]"))
        .replace(&house.organization().await.to_string(), "[org15]")
        .replace(answer.element("profileId"), "[profile]");
    let checksum = &answer.element("organizationId")[15..];
    insta::assert_snapshot!(shown.replace(&format!("[org15]{checksum}"), "[org18]"));
}

#[tokio::test]
async fn each_refusal_is_the_same_fault_and_the_history_tells_them_apart() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let retired = house.token("ada").await;
    let token = house.token("ada").await;
    let wrong = format!("{}{token}", "wrong");
    let tries = [
        ("nobody@example.com", format!("{PASSWORD}{token}"), "no such user"),
        ("ada@example.com", wrong, "wrong password"),
        ("ada@example.com", PASSWORD.to_owned(), "security token missing"),
        ("ada@example.com", format!("{PASSWORD}{retired}"), "token retired"),
    ];

    for (username, password, reason) in tries {
        let answer = house.soap(login(username, &password)).await;

        let id = correlation_id(&answer).to_owned();
        assert_eq!(answer.status, 500);
        assert_eq!(
            answer.body.replace(&id, "ID"),
            concat!(
                r#"<?xml version="1.0" encoding="UTF-8"?>"#,
                r#"<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" "#,
                r#"xmlns:sf="urn:fault.partner.soap.sforce.com" "#,
                r#"xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>"#,
                r#"<soapenv:Fault><faultcode>sf:INVALID_LOGIN</faultcode><faultstring>"#,
                r#"INVALID_LOGIN: Invalid username, password, security token; or user locked out. "#,
                r#"(ID)</faultstring><detail><sf:LoginFault xsi:type="sf:LoginFault">"#,
                r#"<sf:exceptionCode>INVALID_LOGIN</sf:exceptionCode><sf:exceptionMessage>"#,
                r#"Invalid username, password, security token; or user locked out. (ID)"#,
                r#"</sf:exceptionMessage></sf:LoginFault></detail></soapenv:Fault>"#,
                r#"</soapenv:Body></soapenv:Envelope>"#,
            )
        );
        let reasons = house.reasons().await;
        assert!(reasons[0].starts_with(reason), "{reasons:?}");
    }
}

#[tokio::test]
async fn client_and_carrier_stand_in_the_history() {
    let house = TestHouse::open().await;
    house.user("ada").await;

    house.soap(login("ada@example.com", "wrong password, no token")).await;

    let rows = symbolon_app::history::list(&house.ctx, None, 1, None).await.unwrap();
    assert_eq!(rows[0].client, "simple-salesforce (python-requests/2.32.3)");
    assert_eq!(rows[0].head, "soap-partner");
    assert_eq!(rows[0].source, "203.0.113.9");
}

#[tokio::test]
async fn a_missing_token_is_told_where_that_is_switched_on() {
    let house = TestHouse::open_with(|plan| plan.settings.tell_missing_token = Switch::On).await;
    house.user("ada").await;

    let missing = house.soap(login("ada@example.com", PASSWORD)).await;
    let wrong = house.soap(login("ada@example.com", "not her password at all")).await;

    assert_eq!(missing.element("sf:exceptionCode"), "LOGIN_MUST_USE_SECURITY_TOKEN");
    assert!(missing.body.contains("<sf:LoginFault xsi:type=\"sf:LoginFault\">"));
    assert!(missing.element("faultstring").contains("Are you at a new location?"));
    assert_eq!(wrong.element("sf:exceptionCode"), "INVALID_LOGIN");
}

#[tokio::test]
async fn from_a_trusted_network_the_password_is_enough() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let range = Network::parse("203.0.113.0/24").unwrap();
    let operator = symbolon_app::Actor::Operator;
    symbolon_app::networks::add(&house.ctx, operator, range, None).await.unwrap();

    let answer = house.soap(login("ada@example.com", PASSWORD)).await;

    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn the_enterprise_api_answers_in_its_own_namespace() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let token = house.token("ada").await;
    let enterprise = |password: &str| {
        login("ada@example.com", password)
            .replace("urn:partner.soap.sforce.com", "urn:enterprise.soap.sforce.com")
    };

    let at = "/services/Soap/c/48.0";
    let admitted = house.soap_at(at, enterprise(&format!("{PASSWORD}{token}"))).await;
    let refused = house.soap_at(at, enterprise("wrong password, no token")).await;

    assert!(admitted.body.contains(r#"xmlns="urn:enterprise.soap.sforce.com""#));
    assert!(admitted.element("serverUrl").contains("/services/Soap/c/48.0/"));
    assert!(refused.body.contains(r#"xmlns:sf="urn:fault.enterprise.soap.sforce.com""#));
}

#[tokio::test]
async fn every_spelling_of_the_path_leads_to_the_same_place() {
    let house = TestHouse::open().await;

    for path in [
        "/services/Soap/u/59.0",
        "/services/Soap/u/59.0/",
        "/services/Soap/u/v44.0",
        "//services/Soap/u/64.0/",
        "/services/Soap/u/59.0/00D000000000001",
        "/services/Soap/u/59.0/00D000000000001EAA//",
        "/login.salesforce.com/services/Soap/u/59.0",
        "/test.salesforce.com//services/Soap/c/59",
    ] {
        let answer = house.soap_at(path, login("nobody@example.com", "p")).await;

        assert_eq!(answer.element("sf:exceptionCode"), "INVALID_LOGIN", "{path}");
    }
}

#[tokio::test]
async fn other_apis_and_versions_are_a_fault_not_a_page() {
    let house = TestHouse::open().await;

    for path in
        ["/services/Soap/m/59.0", "/services/Soap/u/x", "/services/Soap/u", "/services/Soap/"]
    {
        let answer = house.soap_at(path, login("nobody@example.com", "p")).await;

        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("<soapenv:Fault>") || path.ends_with('/'), "{path}");
    }
}

#[tokio::test]
async fn an_unescaped_password_is_a_refused_login_whose_reason_says_so() {
    let house = TestHouse::open().await;
    house.user("ada").await;

    for password in ["fish&chips and more", "a<b and so on", "a]]>b"] {
        let answer = house.soap(login("ada@example.com", password)).await;

        assert_eq!(answer.status, 500);
        assert_eq!(answer.element("sf:exceptionCode"), "INVALID_LOGIN");
        assert!(house.reasons().await[0].contains("unescaped"), "{password}");
        assert!(answer.body.contains(correlation_id(&answer)));
    }
}

#[tokio::test]
async fn an_unknown_operation_is_named_in_the_fault() {
    let house = TestHouse::open().await;

    let answer = house.soap(envelope("", "<query><queryString>x</queryString></query>")).await;

    assert_eq!(answer.status, 500);
    assert_eq!(answer.element("sf:exceptionCode"), "FUNCTIONALITY_NOT_ENABLED");
    assert_eq!(answer.element("sf:exceptionMessage"), "the operation query is not offered here");
}

#[tokio::test]
async fn get_is_answered_with_what_is_allowed() {
    let house = TestHouse::open().await;

    let answer = house.get("/services/Soap/u/59.0").await;

    assert_eq!(answer.status, 405);
    assert_eq!(answer.header("allow"), "POST");
    assert!(answer.body.contains("<soapenv:Fault>"));
}

#[tokio::test]
async fn what_an_untrusted_peer_says_of_its_address_makes_no_known_place() {
    let house = TestHouse::open().await;
    let user = house.user("ada").await;
    let token = house.token("ada").await;

    for forged in ["198.51.100.7", "198.51.101.7"] {
        let body = login("ada@example.com", &format!("{PASSWORD}{token}"));
        let asked = request(Method::POST, "/services/Soap/u/59.0")
            .header("content-type", "text/xml; charset=UTF-8")
            .header("x-forwarded-for", forged)
            .header("forwarded", format!("for={forged}"));
        let answer = house.send(asked.body(body.into()).unwrap()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    let places = places::list(&house.ctx, user).await.unwrap();
    let sources: Vec<&str> = places.iter().map(|place| place.source.as_str()).collect();
    assert_eq!(sources, [PEER.to_string().as_str()], "one place, that of the peer");
}

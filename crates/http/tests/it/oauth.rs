//! The token endpoint and revocation.

use axum::body::Body;
use http::{Method, header};
use symbolon_app::clients::NewClient;
use symbolon_app::context::Switch;

use crate::calls::{Answer, request};
use crate::house::{PASSWORD, TestHouse, View};

const TOKEN: &str = "/services/oauth2/token";

async fn log_in(house: &TestHouse, client: &NewClient, username: &str, password: &str) -> Answer {
    let id = client.id.to_string();
    let fields = [
        ("grant_type", "password"),
        ("client_id", id.as_str()),
        ("client_secret", client.secret.reveal()),
        ("username", username),
        ("password", password),
    ];
    house.post_form(TOKEN, &fields).await
}

#[tokio::test]
async fn password_with_token_yields_what_clients_demand() {
    let house = TestHouse::open().await;
    let client = house.client(Switch::On).await;
    let user = house.user("ada").await;
    let token = house.token("ada").await;

    let answer = log_in(&house, &client, "ada@example.com", &format!("{PASSWORD}{token}")).await;

    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("content-type"), "application/json; charset=UTF-8");
    let json = answer.json();
    assert_eq!(json["token_type"], "Bearer");
    assert_eq!(json["instance_url"], "https://auth.example");
    assert_eq!(json["issued_at"], "1795417200000");
    assert!(json["signature"].is_string());
    let id = json["id"].as_str().unwrap();
    assert!(id.starts_with("https://auth.example/id/00D"));
    assert!(id.rsplit('/').next().unwrap().starts_with(&user.to_string()));
    let session = json["access_token"].as_str().unwrap();
    assert_eq!(house.get_as(session, "/services/data/v59.0/").await.status, 200);
}

#[tokio::test]
async fn refusals_look_alike_and_also_where_the_grant_is_switched_off() {
    let open = TestHouse::open().await;
    let client = open.client(Switch::On).await;
    let without_grant = open.client(Switch::Off).await;
    open.user("ada").await;
    let token = open.token("ada").await;
    let right = format!("{PASSWORD}{token}");
    let closed = TestHouse::open_with(|plan| plan.settings.password_grant = Switch::Off).await;
    let of_closed = closed.client(Switch::On).await;

    let answers = [
        log_in(&open, &client, "ada@example.com", "wrong password, no token").await,
        log_in(&open, &client, "nobody@example.com", &right).await,
        log_in(&open, &client, "ada@example.com", PASSWORD).await,
        log_in(&open, &without_grant, "ada@example.com", &right).await,
        log_in(&closed, &of_closed, "ada@example.com", &right).await,
    ];

    for answer in answers {
        let json = answer.json();
        let description = json["error_description"].as_str().unwrap();
        let (text, id) = description.split_once(" (").unwrap();
        assert_eq!(answer.status, 400);
        assert_eq!(json["error"], "invalid_grant");
        assert_eq!(text, "authentication failure");
        assert_eq!(id.len(), 13, "twelve characters and the closing parenthesis");
        assert_eq!(json.as_object().unwrap().len(), 2);
    }
    assert!(open.reasons().await[0].contains("switched off"));
    assert!(closed.reasons().await[0].contains("switched off"));
}

#[tokio::test]
async fn a_missing_token_is_told_where_that_is_switched_on() {
    let house = TestHouse::open_with(|plan| plan.settings.tell_missing_token = Switch::On).await;
    let client = house.client(Switch::On).await;
    house.user("ada").await;

    let answer = log_in(&house, &client, "ada@example.com", PASSWORD).await;

    let description = answer.json()["error_description"].as_str().unwrap().to_owned();
    let text = "authentication failure - Failed: API security token required (";
    assert!(description.starts_with(text), "{description}");
}

#[tokio::test]
async fn the_client_is_refused_before_the_user_is_looked_at() {
    let house = TestHouse::open().await;
    let client = house.client(Switch::On).await;
    house.user("ada").await;
    let token = house.token("ada").await;
    let id = client.id.to_string();
    let right = format!("{PASSWORD}{token}");
    let before = house.mark().await;

    for (id, secret, error) in [
        ("0AC000000000001", "x", "invalid_client_id"),
        ("junk", "x", "invalid_client_id"),
        (id.as_str(), "wrong", "invalid_client"),
        (id.as_str(), "", "invalid_client"),
    ] {
        for username in ["ada@example.com", "nobody@example.com"] {
            let fields = [
                ("grant_type", "password"),
                ("client_id", id),
                ("client_secret", secret),
                ("username", username),
                ("password", right.as_str()),
            ];
            let answer = house.post_form(TOKEN, &fields).await;

            assert_eq!((answer.status.as_u16(), &answer.json()["error"]), (400, &error.into()));
            assert!(!answer.headers.contains_key(header::WWW_AUTHENTICATE));
        }
    }
    assert_eq!(house.mark().await, before);
    assert!(house.reasons().await.is_empty());
}

#[tokio::test]
async fn a_client_that_used_basic_is_challenged() {
    let house = TestHouse::open().await;
    let request = request(Method::POST, TOKEN)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::AUTHORIZATION, "Basic MEFDMDAwMDAwMDAwMDAxOng=")
        .body(Body::from("grant_type=password&username=u&password=p"))
        .unwrap();

    let answer = house.send(request).await;

    assert_eq!(answer.status, 401);
    assert!(answer.header("www-authenticate").starts_with("Basic "));
}

#[tokio::test]
async fn other_grants_have_their_own_errors() {
    let house = TestHouse::open().await;
    let client = house.client(Switch::On).await;
    let id = client.id.to_string();

    for (grant, error, description) in [
        ("refresh_token", "invalid_grant", "expired access/refresh token"),
        ("client_credentials", "unsupported_grant_type", "grant type not supported"),
        ("authorization_code", "unsupported_grant_type", "grant type not supported"),
    ] {
        let fields = [
            ("grant_type", grant),
            ("client_id", id.as_str()),
            ("client_secret", client.secret.reveal()),
            ("refresh_token", "x"),
        ];
        let answer = house.post_form(TOKEN, &fields).await;

        assert_eq!(answer.status, 400);
        assert_eq!(answer.json()["error"], error);
        assert_eq!(answer.json()["error_description"], description);
    }
}

#[tokio::test]
async fn a_revoked_session_is_dead_and_revoking_it_again_is_no_error() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let path = "/services/oauth2/revoke";

    for by_query in [false, true] {
        let session = house.api_session("ada").await;
        for _ in 0..2 {
            let answer = if by_query {
                house.get(&format!("{path}?token={session}")).await
            } else {
                house.post_form(path, &[("token", &session)]).await
            };
            assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""));
        }
        assert_eq!(house.get_as(&session, "/services/data/v59.0").await.status, 401);
    }
    let missing = house.post_form(path, &[]).await;
    assert_eq!(missing.status, 400);
    assert!(missing.body.starts_with("error=invalid_request&"));
}

#[tokio::test]
async fn a_database_that_is_gone_is_not_taken_for_an_unknown_token() {
    // A view that is current would keep a connection, and the closing wait for it.
    let house = TestHouse::open_with(|plan| plan.view = View::ToBeFilled).await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    house.ctx.store.close().await;

    let revoked = house.post_form("/services/oauth2/revoke", &[("token", &session)]).await;
    let asked = house.get_as(&session, "/services/data/v59.0").await;
    let login = house.soap(crate::calls::login("ada@example.com", PASSWORD)).await;

    for answer in [revoked, asked] {
        assert_eq!(answer.status, 503, "{}", answer.body);
        assert!(!answer.header("retry-after").is_empty());
    }
    assert_eq!(login.status, 503);
    assert_eq!(login.element("sf:exceptionCode"), "SERVER_UNAVAILABLE");
    assert!(!login.header("retry-after").is_empty());
}

#[tokio::test]
async fn the_metadata_names_endpoints_under_the_public_url() {
    let house = TestHouse::open().await;

    let answer = house.get("/.well-known/oauth-authorization-server").await;

    assert_eq!(answer.json()["token_endpoint"], "https://auth.example/services/oauth2/token");
}

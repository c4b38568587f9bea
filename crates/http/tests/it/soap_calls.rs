//! The calls within a session.

use std::time::Duration;

use symbolon_app::hashing::Asker;
use symbolon_app::{Actor, users};

use crate::calls::{Answer, call, login};
use crate::house::{PASSWORD, TestHouse};

const NEW_PASSWORD: &str = "nine quiet Otters under a bridge";

fn code(answer: &Answer) -> &str {
    answer.element("sf:exceptionCode")
}

#[tokio::test]
async fn get_user_info_describes_the_caller() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;

    let answer = house.soap(call(&session, "<getUserInfo/>")).await;

    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains("<getUserInfoResponse><result><accessibilityMode>"));
    assert_eq!(answer.element("userName"), "ada@example.com");
    assert_eq!(answer.element("userType"), "Standard");
}

#[tokio::test]
async fn the_server_tells_its_time_within_a_session_alone() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;

    let told = house.soap(call(&session, "<getServerTimestamp/>")).await;
    let refused = house.soap(call("junk", "<getServerTimestamp/>")).await;

    assert_eq!(told.element("timestamp"), "2026-11-23T07:00:00.000Z");
    assert_eq!(code(&refused), "INVALID_SESSION_ID");
}

#[tokio::test]
async fn a_dead_session_is_a_fault_that_renewing_clients_recognise() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;

    let logout = house.soap(call(&session, "<logout/>")).await;
    let after = house.soap(call(&session, "<getUserInfo/>")).await;

    assert!(logout.body.contains("<logoutResponse/>"), "{}", logout.body);
    assert_eq!(after.status, 500);
    // jsforce: 500 and this pattern. WSC: these words in the fault's string.
    assert!(after.body.contains("<faultcode>sf:INVALID_SESSION_ID</faultcode>"));
    assert!(after.element("faultstring").contains("Illegal Session"));
    let kind = "<sf:UnexpectedErrorFault xsi:type=\"sf:UnexpectedErrorFault\">";
    assert!(after.body.contains(kind));
}

#[tokio::test]
async fn a_session_dies_of_idleness() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;

    house.clock.advance(Duration::from_hours(2));
    let answer = house.soap(call(&session, "<getUserInfo/>")).await;

    assert_eq!(code(&answer), "INVALID_SESSION_ID");
}

#[tokio::test]
async fn own_password_is_changed_by_who_knows_the_old_one() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    let session = house.api_session("ada").await;
    let change = |old: &str, new: &str| {
        call(
            &session,
            &format!(
                "<changeOwnPassword><oldPassword>{old}</oldPassword><newPassword>{new}</newPassword></changeOwnPassword>"
            ),
        )
    };

    let wrong = house.soap(change("not the old one", NEW_PASSWORD)).await;
    let weak = house.soap(change(PASSWORD, "password1234")).await;
    let done = house.soap(change(PASSWORD, NEW_PASSWORD)).await;
    let still = house.soap(call(&session, "<getUserInfo/>")).await;

    assert_eq!(code(&wrong), "INVALID_OLD_PASSWORD");
    assert!(wrong.body.contains("<sf:InvalidOldPasswordFault"));
    assert_eq!(code(&weak), "INVALID_NEW_PASSWORD");
    assert!(weak.body.contains("<sf:InvalidNewPasswordFault"));
    assert!(done.body.contains("<changeOwnPasswordResponse><result/>"), "{}", done.body);
    assert_eq!(still.status, 200);
}

#[tokio::test]
async fn a_session_alone_does_not_set_its_own_password() {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    let session = house.api_session("ada").await;
    let before = house.mark().await;

    let set = format!(
        "<setPassword><userId>{ada}</userId><password>{NEW_PASSWORD}</password></setPassword>"
    );
    let answer = house.soap(call(&session, &set)).await;

    assert_eq!(code(&answer), "INVALID_OPERATION");
    assert!(answer.element("faultstring").contains("changeOwnPassword"));
    assert_eq!(house.mark().await, before);
}

#[tokio::test]
async fn passwords_of_others_are_for_administrators() {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    let root = house.administrator("root").await;
    let user = house.api_session("ada").await;
    let administrator = house.api_session("root").await;
    let set = |id| {
        format!(
            "<setPassword><userId>{id}</userId><password>{NEW_PASSWORD}</password></setPassword>"
        )
    };
    let reset = |id| format!("<resetPassword><userId>{id}</userId></resetPassword>");
    let before = house.mark().await;

    let by_user = house.soap(call(&user, &set(root))).await;
    let reset_by_user = house.soap(call(&user, &reset(root))).await;
    assert_eq!(house.mark().await, before);
    let by_administrator = house.soap(call(&administrator, &set(ada))).await;
    let temporary = house.soap(call(&administrator, &reset(ada))).await;

    assert_eq!(code(&by_user), "INSUFFICIENT_ACCESS");
    assert_eq!(code(&reset_by_user), "INSUFFICIENT_ACCESS");
    assert!(by_administrator.body.contains("<setPasswordResponse><result/>"));
    assert!(!temporary.element("password").is_empty());
}

#[tokio::test]
async fn ids_that_name_nobody_are_told_apart_from_text_that_names_nothing() {
    let house = TestHouse::open().await;
    house.administrator("root").await;
    let session = house.api_session("root").await;
    let reset =
        |id: &str| call(&session, &format!("<resetPassword><userId>{id}</userId></resetPassword>"));

    let nobody = house.soap(reset("005000000000001")).await;
    let nothing = house.soap(reset("me")).await;
    let organization = house.soap(reset("00D000000000001")).await;

    assert_eq!(code(&nobody), "INVALID_ID_FIELD");
    assert_eq!(code(&nothing), "MALFORMED_ID");
    assert_eq!(code(&organization), "MALFORMED_ID");
    assert!(nothing.body.contains("<sf:InvalidIdFault"));
}

#[tokio::test]
async fn an_expired_password_lets_nothing_through_but_its_change() {
    let house = TestHouse::open().await;
    let ada = house.user("ada").await;
    let temporary =
        users::reset_password(&house.ctx, Actor::Operator, Asker::Operator, ada).await.unwrap();
    let token = house.token("ada").await;

    let credential = format!("{}{token}", temporary.reveal());
    let opened = house.soap(login("ada@example.com", &credential)).await;
    assert_eq!(opened.element("passwordExpired"), "true");
    let session = opened.element("sessionId");
    let refused = house.soap(call(session, "<getUserInfo/>")).await;
    let set = format!(
        "<setPassword><userId>{ada}</userId><password>{NEW_PASSWORD}</password></setPassword>"
    );
    let done = house.soap(call(session, &set)).await;
    let again = house.soap(login("ada@example.com", &format!("{NEW_PASSWORD}{token}"))).await;

    assert_eq!(code(&refused), "INVALID_OPERATION_WITH_EXPIRED_PASSWORD");
    assert!(done.body.contains("<setPasswordResponse><result/>"), "{}", done.body);
    assert_eq!(again.element("passwordExpired"), "false");
}

#[tokio::test]
async fn only_own_sessions_are_ended_and_each_is_told() {
    let house = TestHouse::open().await;
    house.user("ada").await;
    house.user("bob").await;
    let caller = house.api_session("ada").await;
    let token = house.token("ada").await;
    let opened = house.soap(login("ada@example.com", &format!("{PASSWORD}{token}"))).await;
    let own = opened.element("sessionId").to_owned();
    let others = house.api_session("bob").await;
    // The reset of ada's token has ended the first session; the second one asks.
    let ids = format!(
        "<sessionIds>{others}</sessionIds><sessionIds>junk</sessionIds><sessionIds>{own}</sessionIds>"
    );

    let invalidate = format!("<invalidateSessions>{ids}</invalidateSessions>");
    let dead = house.soap(call(&caller, &invalidate)).await;
    let done = house.soap(call(&own, &invalidate)).await;

    assert_eq!(code(&dead), "INVALID_SESSION_ID");
    let results: Vec<&str> = done.body.split("<success>").skip(1).map(|rest| &rest[..4]).collect();
    assert_eq!(results, ["fals", "fals", "true"]);
    assert_eq!(house.soap(call(&own, "<getUserInfo/>")).await.status, 500);
    assert_eq!(house.soap(call(&others, "<getUserInfo/>")).await.status, 200);
}

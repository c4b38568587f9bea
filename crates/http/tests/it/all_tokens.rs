//! *All Tokens*, as administrators look through them: what each row tells, what each filter leaves in, and
//! page by page.

use std::time::Duration;

use http::StatusCode;
use symbolon_app::rotation::{self, RotationFor};
use symbolon_app::{Actor, device_types, reset, tokens, users};
use symbolon_core::device_type::{DeviceRules, Overlap};
use symbolon_core::names::DeviceType;
use symbolon_core::policy::DAY;
use symbolon_core::reset::Scope;

use crate::administration::Administrator;
use crate::house::TestHouse;

const PATH: &str = "/setup/all-tokens";

async fn reset(house: &TestHouse, name: &str, device_type: &str) {
    let (username, scope) = (format!("{name}@example.com"), Scope::DeviceType);
    let device_type = DeviceType::parse(device_type).unwrap();
    reset::reset_for(&house.ctx, Actor::Operator, &username, device_type, scope, None)
        .await
        .unwrap();
}

async fn set(house: &TestHouse, device_type: &str, change: impl Fn(&mut DeviceRules)) {
    let device_type = DeviceType::parse(device_type).unwrap();
    device_types::set(&house.ctx, Actor::Operator, &device_type, change).await.unwrap();
}

/// Owner, device type and state of each row, in the order of the page.
fn rows(page: &str) -> Vec<(String, String, String)> {
    let cell = |row: &str, label: &str| {
        let start = format!(r#"data-label="{label}""#);
        let (_, rest) = row.split_once(&start).unwrap();
        let (_, text) = rest.split_once('>').unwrap();
        let text = text.split_once("</t").unwrap().0;
        let words = text.split('<').map(|part| part.rsplit('>').next().unwrap());
        words.collect::<Vec<_>>().join(" ").split_whitespace().next().unwrap().to_owned()
    };
    let body = page.split_once("<tbody").map_or("", |(_, rest)| rest);
    body.split("<tr ")
        .skip(1)
        .map(|row| (cell(row, "Owner"), cell(row, "Device type"), cell(row, "State")))
        .collect()
}

fn row(owner: &str, device_type: &str, state: &str) -> (String, String, String) {
    (format!("{owner}@example.com"), device_type.to_owned(), state.to_owned())
}

#[tokio::test]
async fn an_administrator_sees_everybodys_tokens_and_no_token() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    house.user("joe").await;
    let token = house.token("jane").await;
    house.clock.advance(DAY);
    reset(&house, "joe", "server").await;
    reset(&house, "joe", "server").await;

    let root = Administrator::of(&house).await;
    let page = root.see(PATH).await;

    assert_eq!(page.status, StatusCode::OK);
    let mut shown = rows(&page.body);
    // The two of one instant, in the order of their numbers, which chance draws.
    shown[..2].sort();
    let expected =
        [row("joe", "server", "live"), row("joe", "server", "retired"), row("jane", "any", "live")];
    assert_eq!(shown, expected);
    assert!(page.body.contains(r#"<a href="/setup/users/jane@example.com">jane@example.com</a>"#));
    assert!(page.body.contains("364 days left"));
    assert!(!page.body.contains(&token));
}

#[tokio::test]
async fn each_filter_leaves_in_what_it_names_and_stays_chosen() {
    let house = TestHouse::open().await;
    house.user("jane").await;
    house.user("joe").await;
    reset(&house, "jane", "any").await;
    house.clock.advance(DAY);
    reset(&house, "joe", "server").await;
    let root = Administrator::of(&house).await;
    let see = async |query: &str| root.see(&format!("{PATH}?{query}")).await.body;

    let (jane, joe) = (row("jane", "any", "live"), row("joe", "server", "live"));
    for (query, expected) in [
        ("username=JA", vec![jane.clone()]),
        ("username=&state=live&device_type=&profile=", vec![joe.clone(), jane.clone()]),
        ("state=retired", vec![]),
        ("device_type=server", vec![joe.clone()]),
        ("profile=Standard&username=jo", vec![joe]),
    ] {
        assert_eq!(rows(&see(query).await), expected, "{query}");
    }
    assert!(see("device_type=server").await.contains(r#"value="server" selected"#));
    assert!(see("state=retired").await.contains("There is no such token."));
}

#[tokio::test]
async fn a_filter_that_names_nothing_is_told_and_not_passed_over() {
    let house = TestHouse::open().await;
    let root = Administrator::of(&house).await;

    for query in ["state=dead", "device_type=toaster", "profile=None", "after=x", "after=0AB"] {
        let answer = root.see(&format!("{PATH}?{query}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{query}");
    }
}

#[tokio::test]
async fn the_pages_of_a_filter_hold_every_token_once() {
    let house = TestHouse::open().await;
    let root = Administrator::of(&house).await;
    house.user("jane").await;
    for _ in 0..103 {
        reset(&house, "jane", "server").await;
    }
    reset(&house, "jane", "any").await;
    let all = tokens::list(&house.ctx, None, 200, None).await.unwrap();
    let servers: Vec<_> =
        all.iter().filter(|token| token.device_type.as_str() == "server").collect();

    let (mut path, mut pages) = (format!("{PATH}?device_type=server"), Vec::new());
    loop {
        let body = root.see(&path).await.body;
        pages.push(body.clone());
        let link = body.split(r#"<a class="button" href=""#).find(|part| part.contains(">Older<"));
        let Some(link) = link else { break };
        path = link.split_once('"').unwrap().0.replace("&#38;", "&").replace("&amp;", "&");
    }

    assert_eq!(pages.iter().map(|page| rows(page).len()).collect::<Vec<_>>(), [50, 50, 3]);
    let together = pages.concat();
    for token in servers {
        assert_eq!(together.matches(&format!(">{}<", token.token)).count(), 1);
    }
    assert!(!pages[0].contains(">Newest<") && pages[2].contains(">Newest<"));
}

#[tokio::test]
async fn a_row_tells_of_rotation_disuse_and_an_owner_who_is_gone() {
    let house = TestHouse::open().await;
    let root = Administrator::of(&house).await;
    house.user("jane").await;
    house.user("joe").await;
    set(&house, "any", |rules| rules.overlap = Overlap::Allowed).await;
    set(&house, "server", |rules| rules.idle_end = Some(30 * DAY)).await;
    reset(&house, "jane", "any").await;
    reset(&house, "jane", "server").await;
    reset(&house, "joe", "any").await;
    users::remove(&house.ctx, Actor::Operator, "joe@example.com").await.unwrap();
    let asked = RotationFor {
        device_type: DeviceType::any(),
        overlap: Some(Duration::from_hours(1)),
        reason: None,
        request_key: None,
    };
    let rotated =
        rotation::rotate_for(&house.ctx, Actor::Operator, "jane@example.com", asked).await;
    let new = rotated.unwrap().token;

    let page = root.see(PATH).await.body;
    house.clock.advance(30 * DAY);
    let root = Administrator::logged_in(&house).await;
    let expired = root.see(&format!("{PATH}?state=expired&device_type=server")).await.body;

    assert!(page.contains(&format!("until {new} is first used")));
    assert!(page.contains("comes in the place of "));
    assert!(page.contains("unused, it ends "));
    assert!(page.contains(r#"joe@example.com <span class="badge">removed</span>"#));
    assert!(!page.contains("/setup/users/joe@example.com"));
    assert_eq!(rows(&expired), [row("jane", "server", "expired")]);
}

//! What verifications leave behind: last uses, who uses what from where, and what owners read of
//! refusals.

use std::net::IpAddr;
use std::time::Duration;

use symbolon_app::login::Head;
use symbolon_app::notebook::Place;
use symbolon_app::scribe::Scribe;
use symbolon_app::users::UserView;
use symbolon_app::verify::{
    self, NoAdmission, Presented, Presenter, Question, Sort, Subject, Waiter, Waiting,
};
use symbolon_app::{Actor, device_types, history, live, tokens};
use symbolon_core::client_kind::ClientKind;
use symbolon_core::device_type::DeviceRules;
use symbolon_core::id::Id;
use symbolon_core::keys::Purpose;
use symbolon_core::names::{ClientName, DeviceType, Source};
use symbolon_core::network::LoginRanges;
use symbolon_core::session::SessionKind;
use symbolon_core::verification::{BearerUse, CredentialRefusal};
use symbolon_store::uses::{self, Use};
use symbolon_store::{migrate_all, retired_uses, sessions};

use crate::house::{PASSWORD, TestHouse};

const SECOND: Duration = Duration::from_secs(1);
/// Notes that the notebook holds.
const MOST_NOTES: usize = 16_384;

/// A house that answers from memory, with Jane and her token in it.
async fn house_with_token() -> (TestHouse, UserView, String) {
    let house = TestHouse::new().await;
    live::bring_up_to_date(&house.ctx).await.unwrap();
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    (house, jane, token)
}

async fn let_tokens_stand_alone(house: &TestHouse) {
    let any = DeviceType::any();
    let set = |rules: &mut DeviceRules| rules.bearer = BearerUse::Allowed;
    device_types::set(&house.ctx, Actor::Operator, &any, set).await.unwrap();
}

fn presenter<'a>(source: &str, client: &'a str) -> Presenter<'a> {
    let source = Source::new(source.parse().unwrap());
    Presenter::of_client(Head::ForwardAuth, source, client.as_bytes())
}

async fn present(
    house: &TestHouse,
    presented: Presented<'_>,
    presenter: Presenter<'_>,
) -> Result<(), NoAdmission> {
    let question = Question { presented: Some(presented), username: None };
    let waiting = Waiting::of(Waiter::Stranger(presenter.source.any()), None);
    verify::verify(&house.ctx, &question, presenter, waiting).await.map(|_| ())
}

async fn present_token(house: &TestHouse, token: &str, source: &str) -> Result<(), NoAdmission> {
    present(house, Presented::token(token).unwrap(), presenter(source, "shop/1.0")).await
}

async fn write_down(house: &TestHouse) {
    Scribe::default().write_down(&house.ctx).await.unwrap();
}

async fn uses_of(house: &TestHouse, credential: i64) -> Vec<Use> {
    let mut reader = house.ctx.store.read().await.unwrap();
    uses::of_credential(&mut reader, credential, 1000).await.unwrap()
}

async fn reasons(house: &TestHouse, user: &UserView) -> Vec<String> {
    let entries = history::list(&house.ctx, Some(user.id), 1000, None).await.unwrap();
    entries.into_iter().map(|entry| entry.reason).collect()
}

async fn last_use_of_session(house: &TestHouse, secret: &str) -> i64 {
    let digest = house.ctx.keys.digest(Purpose::Session, secret.as_bytes());
    let mut reader = house.ctx.store.read().await.unwrap();
    let found = sessions::find(&mut reader, SessionKind::Api, &[digest]).await.unwrap();
    found.unwrap().times.last_used_at.unix_ms()
}

#[tokio::test]
async fn who_uses_a_session_from_where_is_written_down_with_its_first_and_last_time() {
    let (house, jane, token) = house_with_token().await;
    let opened = house.log_in(&jane, &format!("{PASSWORD}{token}")).await.unwrap();
    let secret = opened.secret.reveal();
    let began = house.ctx.clock.now().unix_ms();

    for (client, source) in [
        ("shop/1.0", "198.51.100.7"),
        ("shop/1.0", "198.51.100.7"),
        ("till/2", "2001:db8:1:2::7"),
        ("till/2", "2001:db8:1:2::8"),
    ] {
        let asked = presenter(source, client);
        assert_eq!(present(&house, Presented::Session(secret), asked).await, Ok(()));
        house.wait(15 * SECOND);
    }
    write_down(&house).await;

    let noted: Vec<_> = uses_of(&house, opened.session.raw())
        .await
        .into_iter()
        .map(|noted| {
            let at = |at: symbolon_core::Timestamp| (at.unix_ms() - began) / 1000;
            let times = (at(noted.first_at), at(noted.last_at), noted.times);
            (noted.client, noted.network, noted.source, times)
        })
        .collect();
    let row = |client: &str, network: &str, source: &str, times| {
        (client.to_owned(), network.to_owned(), source.to_owned(), times)
    };
    assert_eq!(
        noted,
        [
            row("till/2", "2001:db8:1:2::/64", "2001:db8:1:2::8", (30, 45, 2)),
            row("shop/1.0", "198.51.100.7", "198.51.100.7", (0, 15, 2)),
        ]
    );
    assert_eq!(last_use_of_session(&house, secret).await, began + 45_000);
}

#[tokio::test]
async fn the_last_use_of_a_token_that_stands_alone_is_written_down() {
    let (house, jane, token) = house_with_token().await;
    let_tokens_stand_alone(&house).await;
    let before = tokens::of_user(&house.ctx, jane.id).await.unwrap()[0].last_used_at;
    house.wait(Duration::from_hours(1));

    present_token(&house, &token, "198.51.100.7").await.unwrap();
    write_down(&house).await;

    let view = &tokens::of_user(&house.ctx, jane.id).await.unwrap()[0];
    assert_eq!(before, None);
    assert_eq!(view.last_used_at, Some(house.ctx.clock.now()));
    assert_eq!(uses_of(&house, view.token.raw()).await.len(), 1);
}

#[tokio::test]
async fn a_use_is_written_down_once() {
    let (house, jane, token) = house_with_token().await;
    let_tokens_stand_alone(&house).await;
    let token_id = tokens::of_user(&house.ctx, jane.id).await.unwrap()[0].token.raw();

    for _ in 0..50 {
        present_token(&house, &token, "198.51.100.7").await.unwrap();
    }
    write_down(&house).await;
    write_down(&house).await;

    // Uses from one place within ten seconds are one.
    assert_eq!(uses_of(&house, token_id).await[0].times, 1);
}

#[tokio::test]
async fn the_hundred_newest_pairs_of_a_credential_are_kept() {
    let (house, jane, token) = house_with_token().await;
    let_tokens_stand_alone(&house).await;
    let token_id = tokens::of_user(&house.ctx, jane.id).await.unwrap()[0].token.raw();

    for number in 0..130 {
        let client = format!("client {number:03}");
        let presented = Presented::token(&token).unwrap();
        present(&house, presented, presenter("198.51.100.7", &client)).await.unwrap();
        house.wait(Duration::from_millis(1));
    }
    write_down(&house).await;

    let kept = uses_of(&house, token_id).await;
    assert_eq!(kept.len(), 100);
    assert_eq!(kept[0].client, "client 129");
    assert_eq!(kept[99].client, "client 030");
}

#[tokio::test]
async fn no_more_than_a_hundred_are_kept_where_all_came_at_the_same_instant() {
    let (house, jane, token) = house_with_token().await;
    let_tokens_stand_alone(&house).await;
    let token_id = tokens::of_user(&house.ctx, jane.id).await.unwrap()[0].token.raw();

    for number in 0..130 {
        let client = format!("client {number:03}");
        let presented = Presented::token(&token).unwrap();
        present(&house, presented, presenter("198.51.100.7", &client)).await.unwrap();
    }
    write_down(&house).await;

    assert_eq!(uses_of(&house, token_id).await.len(), 100);
}

#[tokio::test]
async fn what_does_not_fit_into_the_notebook_is_counted_and_holds_nobody_up() {
    let (house, jane, token) = house_with_token().await;
    let_tokens_stand_alone(&house).await;

    for number in 0..MOST_NOTES + 3 {
        let client = format!("client {number}");
        let presented = Presented::token(&token).unwrap();
        let asked = present(&house, presented, presenter("198.51.100.7", &client)).await;
        assert_eq!(asked, Ok(()));
    }

    assert_eq!(house.ctx.notebook.dropped(), 3);
    drop(jane);
}

#[tokio::test]
async fn what_the_database_does_not_take_is_noted_again_and_written_down_later() {
    let house = TestHouse::without_tables(|_| {}).await;
    let used = Subject { credential: 7, sort: Sort::Session, user: Id::from_raw(1) };
    let source: IpAddr = "198.51.100.7".parse().unwrap();
    let client = ClientName::sanitised("shop/1.0");
    let place = Place { source, client, head: Head::ForwardAuth };
    let first = house.ctx.clock.now();
    house.ctx.notebook.note_use(used, place.clone(), first);

    let mut scribe = Scribe::default();
    assert!(scribe.write_down(&house.ctx).await.is_err());
    house.wait(20 * SECOND);
    house.ctx.notebook.note_use(used, place, house.ctx.clock.now());
    migrate_all(&house.ctx.store, house.ctx.clock.now()).await.unwrap();
    scribe.write_down(&house.ctx).await.unwrap();

    let written = uses_of(&house, 7).await;
    assert_eq!((written.len(), written[0].times), (1, 2));
    assert_eq!((written[0].first_at, written[0].last_at), (first, house.ctx.clock.now()));
    assert_eq!(house.ctx.notebook.dropped(), 0);
}

#[tokio::test]
async fn a_refusal_is_told_once_an_hour_for_each_address() {
    let (house, jane, token) = house_with_token().await;
    let refused = Err(NoAdmission::Refused(CredentialRefusal::OneHalf));
    let told = reasons(&house, &jane).await.len();
    let mut scribe = Scribe::default();
    let mut ask = async |source: &str| {
        for _ in 0..3 {
            assert_eq!(present_token(&house, &token, source).await, refused);
        }
        scribe.write_down(&house.ctx).await.unwrap();
        reasons(&house, &jane).await.len() - told
    };

    assert_eq!(ask("198.51.100.7").await, 1);
    house.wait(Duration::from_mins(59));
    assert_eq!(ask("198.51.100.7").await, 1);
    assert_eq!(ask("198.51.100.8").await, 2);
    house.wait(Duration::from_mins(1));
    assert_eq!(ask("198.51.100.7").await, 3);
}

#[tokio::test]
async fn another_reason_is_told_at_once() {
    let (house, jane, token) = house_with_token().await;
    let mut scribe = Scribe::default();
    assert!(present_token(&house, &token, "198.51.100.7").await.is_err());
    scribe.write_down(&house.ctx).await.unwrap();
    let set = |rules: &mut DeviceRules| {
        rules.bearer = BearerUse::Allowed;
        rules.addresses = LoginRanges::parse("10.0.0.0/8").unwrap();
    };
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), set).await.unwrap();

    for _ in 0..2 {
        assert!(present_token(&house, &token, "198.51.100.7").await.is_err());
        scribe.write_down(&house.ctx).await.unwrap();
        house.wait(11 * SECOND);
    }

    let told = reasons(&house, &jane).await;
    assert_eq!(told[0], "token used from outside the addresses of its device type");
    assert!(told[1].starts_with("security token without its password"), "{told:?}");
}

#[tokio::test]
async fn each_client_of_a_retired_token_is_remembered_though_its_history_tells_of_one_an_hour() {
    let (house, jane, retired) = house_with_token().await;
    let token = tokens::of_user(&house.ctx, jane.id).await.unwrap()[0].token;
    house.reset(&jane).await;
    let told = reasons(&house, &jane).await.len();
    let mut scribe = Scribe::default();

    for client in ["shop/1.0", "till/2", "shop/1.0"] {
        let presented = Presented::token(&retired).unwrap();
        assert!(present(&house, presented, presenter("198.51.100.7", client)).await.is_err());
        house.wait(11 * SECOND);
        scribe.write_down(&house.ctx).await.unwrap();
    }

    let mut reader = house.ctx.store.read().await.unwrap();
    let used = retired_uses::of_token(&mut reader, token, 10).await.unwrap();
    let used: Vec<_> = used.iter().map(|it| (it.client.as_str(), it.times)).collect();
    assert_eq!(used, [("shop/1.0", 2), ("till/2", 1)]);
    assert_eq!(reasons(&house, &jane).await.len(), told + 1);
}

#[tokio::test]
async fn a_retired_token_under_ever_new_names_is_remembered_within_bounds() {
    let (house, jane, retired) = house_with_token().await;
    let token = tokens::of_user(&house.ctx, jane.id).await.unwrap()[0].token;
    house.reset(&jane).await;

    for number in 0..130 {
        let client = format!("client {number}");
        let presented = Presented::token(&retired).unwrap();
        assert!(present(&house, presented, presenter("198.51.100.7", &client)).await.is_err());
    }
    write_down(&house).await;

    let mut reader = house.ctx.store.read().await.unwrap();
    assert_eq!(retired_uses::of_token(&mut reader, token, 1000).await.unwrap().len(), 100);
}

#[tokio::test]
async fn tokens_that_were_never_issued_leave_nothing() {
    let (house, jane, token) = house_with_token().await;
    let before = reasons(&house, &jane).await.len();
    let foreign = TestHouse::new().await;
    let joe = foreign.user("joe").await;
    foreign.reset(&joe).await;
    let of_others = foreign.reset_and_read(&joe).await;
    assert_ne!(of_others, token);

    let asked = present_token(&house, &of_others, "198.51.100.7").await;
    write_down(&house).await;

    assert_eq!(asked, Err(NoAdmission::Refused(CredentialRefusal::Unknown)));
    assert_eq!(reasons(&house, &jane).await.len(), before);
}

#[tokio::test]
async fn refusals_that_the_database_does_not_take_are_noted_again() {
    let house = TestHouse::without_tables(|_| {}).await;
    let subject = Subject { credential: 7, sort: Sort::Token, user: Id::from_raw(1) };
    let refusal = CredentialRefusal::OneHalf;
    let refused =
        symbolon_live::Refused { subject: Some(subject), refusal, token_digests: Vec::new() };
    let source: IpAddr = "198.51.100.7".parse().unwrap();
    let client = ClientName::sanitised("shop/1.0");
    let place = || Place { source, client, head: Head::ForwardAuth };
    house.ctx.notebook.note_refusal(&refused, place, house.ctx.clock.now());
    let mut scribe = Scribe::default();

    assert!(scribe.write_down(&house.ctx).await.is_err());
    let again = scribe.write_down(&house.ctx).await;

    assert!(again.is_err() || house.ctx.notebook.dropped() == 1, "it was lost without a word");
}

#[tokio::test]
async fn the_use_of_a_retired_token_is_told_whatever_is_made_up_beside_it() {
    let (house, jane, retired) = house_with_token().await;
    house.reset(&jane).await;
    let before = reasons(&house, &jane).await.len();
    for number in 0..10_000_u32 {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        let made_up = symbolon_live::Refused {
            refusal: CredentialRefusal::Unknown,
            token_digests: vec![symbolon_core::secret::Digest::from_bytes(bytes)],
            ..symbolon_live::Refused::UNREADABLE
        };
        let source: IpAddr = "198.51.100.7".parse().unwrap();
        let client = ClientName::sanitised("shop/1.0");
        let place = || Place { source, client, head: Head::ForwardAuth };
        house.ctx.notebook.note_refusal(&made_up, place, house.ctx.clock.now());
    }

    assert!(present_token(&house, &retired, "198.51.100.8").await.is_err());
    let mut scribe = Scribe::default();
    for _ in 0..3 {
        scribe.write_down(&house.ctx).await.unwrap();
    }

    assert_eq!(reasons(&house, &jane).await.len(), before + 1);
}

#[tokio::test]
async fn who_moves_through_the_addresses_of_one_network_does_not_fill_his_victims_mailbox() {
    let (house, jane, retired) = house_with_token().await;
    house.reset(&jane).await;
    house.deliver_mail().await;
    let (letters, told) = (house.arrived().len(), reasons(&house, &jane).await.len());

    for number in 1..=50 {
        let source = format!("2001:db8:1:2::{number}");
        assert!(present_token(&house, &retired, &source).await.is_err());
    }
    write_down(&house).await;
    house.deliver_mail().await;

    assert_eq!(house.arrived().len(), letters + 1);
    assert_eq!(reasons(&house, &jane).await.len(), told + 1);
}

#[tokio::test]
async fn the_use_of_a_token_that_an_older_key_made_is_told_when_it_is_retired() {
    let (house, jane, retired) = house_with_token().await;
    house.reset(&jane).await;
    let house = house.restarted_with_another_key();
    live::bring_up_to_date(&house.ctx).await.unwrap();

    assert!(present_token(&house, &retired, "198.51.100.7").await.is_err());
    write_down(&house).await;

    let reason = reasons(&house, &jane).await.remove(0);
    assert!(reason.starts_with("token retired"), "{reason}");
}

#[tokio::test]
async fn what_uses_a_token_by_itself_and_is_plainly_of_another_kind_is_remarked_upon() {
    let (house, jane, token) = house_with_token().await;
    let rule = async |change: &dyn Fn(&mut DeviceRules)| {
        let (any, operator) = (DeviceType::any(), Actor::Operator);
        device_types::set(&house.ctx, operator, &any, |rules| change(rules)).await.unwrap();
    };
    rule(&|rules| (rules.bearer, rules.kind) = (BearerUse::Allowed, Some(ClientKind::Server)))
        .await;
    for client in ["okhttp/4.9", "jsforce/3", "shop/1.0"] {
        let presented = Presented::token(&token).unwrap();
        present(&house, presented, presenter("10.1.2.3", client)).await.unwrap();
    }
    write_down(&house).await;
    let remarked = async || {
        let uses = tokens::of_user(&house.ctx, jane.id).await.unwrap().remove(0).uses;
        let kinds = uses.into_iter().filter_map(|used| Some((used.client, used.another_kind?)));
        kinds.map(|(client, kinds)| (client, kinds.meant, kinds.client)).collect::<Vec<_>>()
    };

    let for_servers = remarked().await;
    rule(&|rules| rules.kind = Some(ClientKind::Mobile)).await;
    let for_telephones = remarked().await;

    let (mobile, server) = (ClientKind::Mobile, ClientKind::Server);
    assert_eq!(for_servers, [("okhttp/4.9".to_owned(), server, mobile)]);
    assert_eq!(for_telephones, [("jsforce/3".to_owned(), mobile, server)]);
}

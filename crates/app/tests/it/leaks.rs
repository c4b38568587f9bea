//! Leaks: what is reported dies at once, its owner learns where it was seen, and nobody else anything.

use std::time::Duration;

use symbolon_app::leaks::{self, Issued, SeenToken};
use symbolon_app::tokens::{self, TokenState};
use symbolon_app::users::UserView;
use symbolon_core::id::Id;
use symbolon_core::issue::{Issue, IssueCause};
use symbolon_core::judge::{Refusal, RetirementCause};
use symbolon_core::keys::Purpose;
use symbolon_core::leak::{Reporter, Sighting};
use symbolon_core::names::DeviceType;
use symbolon_core::reset::Scope;
use symbolon_core::secret::Nonce;
use symbolon_core::session::SessionKind;
use symbolon_core::token::PresentedToken;
use symbolon_store::tokens::{self as stored_tokens, NewToken};
use symbolon_store::users as stored_users;
use tokio::time::timeout;

use crate::house::{PASSWORD, TestHouse, origin};

const PLACE: &str = "https://git.example/jane/tool/config.yml";

fn seen(token: &str, place: &str) -> SeenToken {
    SeenToken { token: PresentedToken::parse(token).unwrap(), seen: Sighting::sanitised(place) }
}

async fn report(house: &TestHouse, reported: Vec<SeenToken>) -> Vec<Issued> {
    report_by(house, Reporter::Anyone, reported).await
}

async fn report_by(house: &TestHouse, reporter: Reporter, reported: Vec<SeenToken>) -> Vec<Issued> {
    let (ctx, origin) = (&house.ctx, origin("192.0.2.77"));
    let place = ctx.leak_reports.place().unwrap();
    let received = leaks::report(ctx, reported, reporter, &origin, place).await.unwrap();
    let issued = received.issued.clone();
    received.ended().await.unwrap();
    issued
}

/// The same while somebody else writes: what needs the writer does not come to an end.
async fn report_beside_a_writer(house: &TestHouse, reported: Vec<SeenToken>) -> bool {
    let writer = house.ctx.store.begin().await.unwrap();
    let patience = Duration::from_secs(2);
    let in_time = timeout(patience, report(house, reported)).await.is_ok();
    drop(writer);
    house.ctx.leak_reports.all_done().await;
    in_time
}

/// The same for what needs no writer: whoever needs it would be told in the end that it is busy.
async fn report_without_writing(house: &TestHouse, reported: Vec<SeenToken>) {
    let writer = house.ctx.store.begin().await.unwrap();
    report(house, reported).await;
    drop(writer);
}

async fn epoch(house: &TestHouse, user: &UserView) -> i64 {
    let mut reader = house.ctx.store.read().await.unwrap();
    stored_users::find(&mut reader, user.id).await.unwrap().unwrap().epoch
}

/// A token of another house: the right format, and never issued here.
async fn foreign_token() -> String {
    let elsewhere = TestHouse::new().await;
    // Its chance begins like ours; the second token of it is none of ours.
    let eve = elsewhere.user("eve").await;
    elsewhere.reset_and_read(&eve).await;
    elsewhere.reset_and_read(&eve).await;
    elsewhere.reset_and_read(&eve).await
}

#[tokio::test]
async fn a_reported_token_is_dead_at_once_with_its_sessions() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    let session = house.log_in(&jane, &format!("{PASSWORD}{token}")).await.unwrap();

    let issued = report(&house, vec![seen(&token, PLACE)]).await;

    assert_eq!(issued, [Issued::Ever]);
    let refused = house.log_in(&jane, &format!("{PASSWORD}{token}")).await.unwrap_err();
    assert!(matches!(refused.refusal, Refusal::TokenRetired(_, RetirementCause::Leaked)));
    let found = sessions_of(&house, &session.secret).await;
    assert!(!found);
    let views = tokens::of_user(&house.ctx, jane.id).await.unwrap();
    assert!(views.iter().all(|view| view.state == TokenState::Retired));
}

async fn sessions_of(house: &TestHouse, secret: &symbolon_core::secret::SessionSecret) -> bool {
    symbolon_app::sessions::find(&house.ctx, SessionKind::Api, secret).await.unwrap().is_some()
}

#[tokio::test]
async fn the_owner_learns_where_the_token_was_seen_and_gets_no_link_of_it() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;

    report(&house, vec![seen(&token, &format!("{PLACE}?key={token}"))]).await;

    house.deliver_mail().await;
    let letter = house.arrived().pop().unwrap();
    assert_eq!(letter.subject, "Your Acme security token was leaked and has been ended");
    assert!(letter.text.contains("https[:]//git[.]example/jane/tool/config[.]yml"));
    assert!(letter.text.contains("192.0.2.77"));
    assert!(!letter.text.contains(&token));
    let views = leaks::of_user(&house.ctx, jane.id).await.unwrap();
    assert_eq!(views.len(), 1);
    assert!(!views[0].seen.as_str().contains(&token));
}

#[tokio::test]
async fn a_leak_is_audited_by_its_bearer() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;

    report(&house, vec![seen(&token, PLACE)]).await;

    let row = house.last_audited(1).await.remove(0);
    assert_eq!(row.action, "token.leaked");
    assert!(row.actor.starts_with("bearer-of:"));
    assert!(row.details.contains(PLACE));
}

#[tokio::test]
async fn what_is_reported_of_a_retired_token_is_noted_and_no_more() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let old = house.reset_and_read(&jane).await;
    let new = house.reset_and_read(&jane).await;
    house.deliver_mail().await;
    let (mails, revision) = (house.arrived().len(), house.revision().await);

    for _ in 0..3 {
        assert_eq!(report(&house, vec![seen(&old, PLACE)]).await, [Issued::Ever]);
    }

    house.deliver_mail().await;
    assert_eq!(house.arrived().len(), mails);
    assert_eq!(house.revision().await, revision);
    assert_eq!(leaks::of_user(&house.ctx, jane.id).await.unwrap().len(), 1);
    assert!(house.log_in(&jane, &format!("{PASSWORD}{new}")).await.is_ok());
}

#[tokio::test]
async fn sightings_of_one_token_are_bounded() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;

    let places = (0..80).map(|number| seen(&token, &format!("{PLACE}#L{number}")));
    report(&house, places.collect()).await;

    let views = leaks::of_user(&house.ctx, jane.id).await.unwrap();
    assert_eq!(views.len(), 45);
    house.deliver_mail().await;
    let told = house.arrived().iter().filter(|mail| mail.subject.contains("leaked")).count();
    assert_eq!(told, 1);
}

#[tokio::test]
async fn what_github_sees_is_noted_however_much_strangers_have_reported() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    report(&house, (0..80).map(|number| seen(&token, &format!("{PLACE}#L{number}"))).collect())
        .await;

    let proved = (0..10).map(|number| seen(&token, &format!("https://git.example/{number}")));
    report_by(&house, Reporter::GitHub, proved.collect()).await;

    let views = leaks::of_user(&house.ctx, jane.id).await.unwrap();
    let by_github = views.iter().filter(|view| view.reporter == Reporter::GitHub).count();
    assert_eq!((views.len(), by_github), (50, 5));
}

#[tokio::test]
async fn a_new_sighting_is_shown_however_many_there_were_before() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    for number in 0..5 {
        let token = house.reset_and_read(&jane).await;
        let places = (0..45).map(|line| seen(&token, &format!("{PLACE}#{number}.{line}")));
        report(&house, places.collect()).await;
        house.wait(Duration::from_mins(1));
    }
    let token = house.reset_and_read(&jane).await;

    report(&house, vec![seen(&token, "https://paste.example/new")]).await;

    let views = leaks::of_user(&house.ctx, jane.id).await.unwrap();
    assert_eq!(views.len(), 200);
    assert_eq!(views.last().unwrap().seen.as_str(), "https://paste.example/new");
    assert!(views.is_sorted_by_key(|view| view.at));
}

#[tokio::test]
async fn a_token_that_cannot_be_ended_keeps_no_other_alive() {
    let house = TestHouse::new().await;
    let (jane, joe) = (house.user("jane").await, house.user("joe").await);
    let broken = house.reset_and_read(&jane).await;
    let sound = house.reset_and_read(&joe).await;
    let mut tx = house.ctx.store.begin().await.unwrap();
    let break_row = "UPDATE token SET device_type = '' WHERE user_id = $1";
    tx.execute(break_row, &[jane.id.raw().into()]).await.unwrap();
    tx.commit().await.unwrap();
    let (ctx, origin) = (&house.ctx, origin("192.0.2.77"));
    let place = ctx.leak_reports.place().unwrap();

    let reported = vec![seen(&broken, PLACE), seen(&sound, PLACE)];
    let received = leaks::report(ctx, reported, Reporter::Anyone, &origin, place).await.unwrap();
    let ended = received.ended().await;

    assert!(ended.is_err(), "whoever reported hears that not all of it was done");
    let views = tokens::of_user(&house.ctx, joe.id).await.unwrap();
    assert!(views.iter().all(|view| view.state == TokenState::Retired));
}

#[tokio::test]
async fn a_token_that_was_never_issued_changes_nothing() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;
    let foreign = foreign_token().await;
    let revision = house.revision().await;

    let issued = report(&house, vec![seen(&foreign, PLACE)]).await;

    assert_eq!(issued, [Issued::Never]);
    assert_eq!(house.revision().await, revision);
    assert!(house.log_in(&jane, &format!("{PASSWORD}{token}")).await.is_ok());
}

#[tokio::test]
async fn a_report_of_many_ends_each_that_lives() {
    let house = TestHouse::new().await;
    let (jane, joe) = (house.user("jane").await, house.user("joe").await);
    let hers = house.reset_and_read(&jane).await;
    let his = house.reset_and_read(&joe).await;
    let foreign = foreign_token().await;

    let issued = report(&house, vec![seen(&his, ""), seen(&foreign, ""), seen(&hers, "")]).await;

    assert_eq!(issued, [Issued::Ever, Issued::Never, Issued::Ever]);
    for user in [&jane, &joe] {
        let views = tokens::of_user(&house.ctx, user.id).await.unwrap();
        assert!(views.iter().all(|view| view.state == TokenState::Retired));
    }
}

#[tokio::test]
async fn a_retired_token_that_is_named_a_thousand_times_is_noted_once_and_then_not_at_all() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let old = house.reset_and_read(&jane).await;
    house.reset_and_read(&jane).await;
    let (revision, before) = (house.revision().await, epoch(&house, &jane).await);
    let a_thousand = || (0..1000).map(|_| seen(&old, PLACE)).collect::<Vec<_>>();

    let news = report_beside_a_writer(&house, a_thousand()).await;
    let issued = report(&house, a_thousand()).await;
    report_without_writing(&house, a_thousand()).await;

    assert!(!news, "a sighting that is news is written down");
    assert!(issued.iter().all(|one| *one == Issued::Ever) && issued.len() == 1000);
    assert_eq!(leaks::of_user(&house.ctx, jane.id).await.unwrap().len(), 1);
    // Whoever logs in meanwhile need not begin anew.
    assert_eq!((house.revision().await, epoch(&house, &jane).await), (revision, before));
}

#[tokio::test]
async fn retired_tokens_of_which_enough_was_seen_need_no_transaction() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let old = house.reset_and_read(&jane).await;
    house.reset_and_read(&jane).await;
    let at = |number: usize| seen(&old, &format!("{PLACE}#L{number}"));
    report(&house, (0..45).map(at).collect()).await;

    report_without_writing(&house, (45..80).map(at).collect()).await;
    assert_eq!(leaks::of_user(&house.ctx, jane.id).await.unwrap().len(), 45);
}

#[tokio::test]
async fn a_thousand_retired_tokens_are_noted_each_and_then_not_at_all() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let mut retired = Vec::new();
    for number in 0..1000 {
        retired.push(retired_token(&house, &jane, number).await);
    }
    let all = || retired.iter().map(|token| seen(token, PLACE)).collect::<Vec<_>>();

    report(&house, all()).await;

    let mut reader = house.ctx.store.read().await.unwrap();
    let noted = symbolon_store::leaks::of_user(&mut reader, jane.id, 2000).await.unwrap();
    drop(reader);
    assert_eq!(noted.len(), 1000);
    report_without_writing(&house, all()).await;
}

/// A retired token of Jane's, written down as the database has it.
async fn retired_token(house: &TestHouse, jane: &UserView, number: u32) -> String {
    let keys = &house.ctx.keys;
    let nonce = house.ctx.chance.with(|mut rng| Nonce::draw(&mut rng));
    let token = keys.token_of(keys.current(), &nonce, Id::from_raw(1)).expect("the key is there");
    let token = token.reveal().to_owned();
    let digest = keys.digest(Purpose::Token, token.as_bytes());
    let now = house.ctx.clock.now();
    let id = Id::from_raw(i64::from(number) + 1);
    let device_type = DeviceType::any();
    let row = NewToken {
        id,
        user: jane.id,
        device_type: &device_type,
        digest: &digest,
        expires_at: now + Duration::from_hours(1),
        issue: Issue {
            cause: IssueCause::Reset,
            scope: Scope::Account,
            issuer: None,
            source: None,
        },
    };
    let mut tx = house.ctx.store.begin().await.expect("the database is there");
    stored_tokens::insert(&mut tx, &row, now).await.expect("the token is new");
    let cause = RetirementCause::Reset;
    stored_tokens::retire(&mut tx, id, cause, "", now).await.expect("it is live");
    tx.commit().await.expect("the database is there");
    token
}

#[tokio::test]
async fn a_token_that_was_never_issued_needs_no_transaction() {
    let house = TestHouse::new().await;
    let foreign = foreign_token().await;

    let a_thousand = (0..1000).map(|number| seen(&foreign, &format!("{PLACE}#L{number}")));

    report_without_writing(&house, a_thousand.collect()).await;
}

#[tokio::test]
async fn what_is_live_is_ended_also_if_nobody_waits() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let token = house.reset_and_read(&jane).await;

    let in_time = report_beside_a_writer(&house, vec![seen(&token, PLACE)]).await;

    assert!(!in_time);
    assert!(house.log_in(&jane, &format!("{PASSWORD}{token}")).await.is_err());
}

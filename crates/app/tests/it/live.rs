//! The live view against the database that feeds it: what was answered holds for the next verification,
//! whatever else goes on, and nothing that has ended comes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use symbolon_app::context::Switch;
use symbolon_app::login::Head;
use symbolon_app::scribe::Scribe;
use symbolon_app::users::UserView;
use symbolon_app::verify::{
    self, NoAdmission, NotAdmitted, Presented, Presenter, Question, Together, Waiter, Waiting,
};
use symbolon_app::{Actor, Ctx, clients, device_types, live, sessions, tokens, users};
use symbolon_core::device_type::DeviceRules;
use symbolon_core::id::{Id, Session};
use symbolon_core::keys::Purpose;
use symbolon_core::names::{DeviceType, DisplayName, Source};
use symbolon_core::policy::DAY;
use symbolon_core::verification::{BearerUse, CredentialRefusal};
use symbolon_live::{Credential, CredentialSort};
use symbolon_store::{sessions as stored_sessions, tokens as stored_tokens};

use crate::house::{PASSWORD, TestHouse};

const IDLE: Duration = Duration::from_hours(2);
const DEAD: Result<(), NoAdmission> = Err(NoAdmission::Refused(CredentialRefusal::Unknown));

/// A house that answers from memory, with Jane in it.
async fn house_with_jane() -> (TestHouse, UserView) {
    let house = TestHouse::new().await;
    live::bring_up_to_date(&house.ctx).await.unwrap();
    let jane = house.user("jane").await;
    (house, jane)
}

async fn let_tokens_stand_alone(house: &TestHouse) {
    let any = DeviceType::any();
    let set = |rules: &mut DeviceRules| rules.bearer = BearerUse::Allowed;
    device_types::set(&house.ctx, Actor::Operator, &any, set).await.unwrap();
}

async fn present(ctx: &Ctx, presented: Presented<'_>) -> Result<(), NoAdmission> {
    let source = Source::new("198.51.100.7".parse().unwrap());
    let presenter = Presenter::of_client(Head::ForwardAuth, source, b"shop/1.0");
    let question = Question { presented: Some(presented), username: None };
    let waiting = Waiting::of(Waiter::Stranger(source), Some(verify::LONGEST_DEADLINE));
    verify::verify(ctx, &question, presenter, waiting).await.map(|_| ())
}

fn source() -> Source {
    Source::new("198.51.100.7".parse().unwrap())
}

async fn session_of(house: &TestHouse, user: &UserView) -> (Id<Session>, String) {
    let token = house.reset_and_read(user).await;
    let opened = house.log_in(user, &format!("{PASSWORD}{token}")).await.unwrap();
    (opened.session, opened.secret.reveal().to_owned())
}

/// That a session was used, as another node writes it.
async fn used_elsewhere(house: &TestHouse, session: Id<Session>) {
    let mut tx = house.ctx.store.begin().await.unwrap();
    stored_sessions::touch(&mut tx, session, house.ctx.clock.now()).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn while_the_view_is_emptied_no_credential_is_called_dead() {
    let (house, jane) = house_with_jane().await;
    let (_, secret) = session_of(&house, &jane).await;
    let presenter = Presenter::of_client(Head::Verify, source(), b"shop/1.0");
    let question = Question { presented: Some(Presented::Session(&secret)), username: None };
    let together = Together::begin(&house.ctx, presenter).unwrap();

    house.ctx.live.view.begin_anew();
    let meanwhile = together.verify(&question).map(|_| ());
    let nonsense = together.verify(&Question { presented: None, username: None }).map(|_| ());

    assert_eq!(meanwhile, Err(NotAdmitted::CannotKnow));
    assert_eq!(nonsense, Err(NotAdmitted::Refused(CredentialRefusal::Unreadable)));
    let told = house.last_entry(&jane).await;
    assert_ne!(told.head, "verify", "nobody reads of it");
}

#[tokio::test]
async fn a_session_that_is_used_at_another_node_does_not_idle_here() {
    let (house, jane) = house_with_jane().await;
    let (session, secret) = session_of(&house, &jane).await;
    house.wait(IDLE.saturating_sub(Duration::from_mins(1)));
    used_elsewhere(&house, session).await;
    house.wait(Duration::from_mins(2));

    assert_eq!(present(&house.ctx, Presented::Session(&secret)).await, Ok(()));

    house.wait(IDLE);
    let idle = Err(NoAdmission::Refused(CredentialRefusal::Idle));
    assert_eq!(present(&house.ctx, Presented::Session(&secret)).await, idle);
}

#[tokio::test]
async fn when_all_come_from_another_node_at_once_each_is_looked_up_and_let_in() {
    let (house, jane) = house_with_jane().await;
    let token = house.reset_and_read(&jane).await;
    let mut opened = Vec::new();
    for _ in 0..12 {
        opened.push(house.log_in(&jane, &format!("{PASSWORD}{token}")).await.unwrap());
    }
    house.wait(IDLE.saturating_sub(Duration::from_mins(1)));
    for session in &opened {
        used_elsewhere(&house, session.session).await;
    }
    house.wait(Duration::from_mins(2));

    let present = |secret| present(&house.ctx, Presented::Session(secret));
    let coming = opened.iter().map(|session| present(session.secret.reveal()));
    let let_in = join_all(coming).await;

    assert_eq!(let_in, [Ok(()); 12]);
}

#[tokio::test]
async fn the_sweeping_asks_the_database_before_it_gives_a_session_up() {
    let (house, jane) = house_with_jane().await;
    let joe = house.user("joe").await;
    let (used, secret) = session_of(&house, &jane).await;
    let (_, unused) = session_of(&house, &joe).await;
    house.wait(DAY + IDLE);
    used_elsewhere(&house, used).await;
    let before = house.ctx.live.view.len();

    live::sweep(&house.ctx).await.unwrap();

    assert_eq!(house.ctx.live.view.len(), before - 1);
    assert_eq!(present(&house.ctx, Presented::Session(&secret)).await, Ok(()));
    assert_eq!(present(&house.ctx, Presented::Session(&unused)).await, DEAD);
}

#[tokio::test]
async fn news_of_a_use_at_another_node_may_come_after_the_sweeping() {
    let (house, jane) = house_with_jane().await;
    let (session, secret) = session_of(&house, &jane).await;
    house.wait(IDLE);

    live::sweep(&house.ctx).await.unwrap();
    used_elsewhere(&house, session).await;

    assert_eq!(present(&house.ctx, Presented::Session(&secret)).await, Ok(()));
}

#[tokio::test]
async fn what_has_ended_is_kept_for_a_day_for_the_clock_may_be_set_back() {
    let (house, jane) = house_with_jane().await;
    let (_, secret) = session_of(&house, &jane).await;
    let hours = Duration::from_hours(20);

    house.wait(hours);
    live::sweep(&house.ctx).await.unwrap();
    assert!(present(&house.ctx, Presented::Session(&secret)).await.is_err());
    house.turn_back(hours);

    assert_eq!(present(&house.ctx, Presented::Session(&secret)).await, Ok(()));
}

#[tokio::test]
async fn a_clock_that_is_set_forward_and_back_again_takes_nothing_out_of_the_view() {
    let (house, jane) = house_with_jane().await;
    let_tokens_stand_alone(&house).await;
    let (_, secret) = session_of(&house, &jane).await;
    let token = house.newest_token().await;
    let far = 365 * DAY + IDLE;

    house.wait(far);
    live::sweep(&house.ctx).await.unwrap();
    assert!(present(&house.ctx, Presented::Session(&secret)).await.is_err());
    assert!(present(&house.ctx, Presented::token(&token).unwrap()).await.is_err());
    house.turn_back(far);
    live::bring_up_to_date(&house.ctx).await.unwrap();

    assert_eq!(present(&house.ctx, Presented::Session(&secret)).await, Ok(()));
    assert_eq!(present(&house.ctx, Presented::token(&token).unwrap()).await, Ok(()));
}

/// A session as somebody reads it who is held up before he can put it in.
fn reading_of(
    house: &TestHouse,
    user: &UserView,
    session: Id<Session>,
    secret: &str,
) -> Credential {
    let now = house.ctx.clock.now();
    Credential {
        id: session.raw(),
        digest: house.ctx.keys.digest(Purpose::Session, secret.as_bytes()),
        user: user.id,
        sort: CredentialSort::Session { last_used_at: now, client: None },
        started_at: now,
        device_type: None,
    }
}

#[tokio::test]
async fn a_session_that_ended_between_its_reading_and_the_putting_in_stays_dead() {
    let (house, jane) = house_with_jane().await;
    let (session, secret) = session_of(&house, &jane).await;
    let view = &house.ctx.live.view;
    let read_at = view.applied();
    let reading = reading_of(&house, &jane, session, &secret);

    sessions::end(&house.ctx, session).await.unwrap();
    view.refresh_session(&reading, read_at);

    assert_eq!(present(&house.ctx, Presented::Session(&secret)).await, DEAD);
    // Without the revision that it was read at, it would be alive.
    view.refresh_session(&reading, view.applied());
    assert_eq!(present(&house.ctx, Presented::Session(&secret)).await, Ok(()));
}

#[tokio::test]
async fn a_session_that_a_change_of_its_user_ended_stays_dead_too() {
    for change in ["reset", "freeze", "remove"] {
        let (house, jane) = house_with_jane().await;
        let (session, secret) = session_of(&house, &jane).await;
        let read_at = house.ctx.live.view.applied();
        let reading = reading_of(&house, &jane, session, &secret);
        let name = jane.username.as_str();

        match change {
            "reset" => assert!(house.reset(&jane).await.fresh),
            "freeze" => users::freeze(&house.ctx, Actor::Operator, name).await.unwrap(),
            _ => users::remove(&house.ctx, Actor::Operator, name).await.unwrap(),
        }
        house.ctx.live.view.refresh_session(&reading, read_at);

        assert!(present(&house.ctx, Presented::Session(&secret)).await.is_err(), "{change}");
    }
}

#[tokio::test]
async fn a_change_that_came_while_the_view_was_closed_is_in_when_it_opens() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let_tokens_stand_alone(&house).await;
    let old = house.reset_and_read(&jane).await;
    live::fill(&house.ctx).await.unwrap();

    // The view has the token; nobody is asked to wait for this reset, since nobody answers from memory.
    let new = house.reset_and_read(&jane).await;
    let closed = present(&house.ctx, Presented::token(&old).unwrap()).await;
    live::bring_up_to_date(&house.ctx).await.unwrap();

    assert_eq!(closed, Err(NoAdmission::CannotKnow));
    assert_eq!(present(&house.ctx, Presented::token(&old).unwrap()).await, DEAD);
    assert_eq!(present(&house.ctx, Presented::token(&new).unwrap()).await, Ok(()));
}

#[tokio::test]
async fn what_an_older_key_made_is_known_after_a_restart_with_another() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let_tokens_stand_alone(&house).await;
    let (_, secret) = session_of(&house, &jane).await;
    let token = house.newest_token().await;

    let house = house.restarted_with_another_key();
    live::bring_up_to_date(&house.ctx).await.unwrap();

    assert_eq!(present(&house.ctx, Presented::Session(&secret)).await, Ok(()));
    assert_eq!(present(&house.ctx, Presented::token(&token).unwrap()).await, Ok(()));
}

#[tokio::test]
async fn a_filling_that_broke_off_leaves_nothing_that_outlives_its_end() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let (session, secret) = session_of(&house, &jane).await;
    let (view, revision) = (&house.ctx.live.view, house.revision().await);
    view.begin_filling(revision);
    view.fill_credentials(&[reading_of(&house, &jane, session, &secret)], revision);

    house.reset(&jane).await;
    live::bring_up_to_date(&house.ctx).await.unwrap();

    assert_eq!(present(&house.ctx, Presented::Session(&secret)).await, DEAD);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_verification_after_a_reset_accepts_the_token_of_before_whatever_goes_on_beside_it() {
    let (house, jane) = house_with_jane().await;
    let_tokens_stand_alone(&house).await;
    let house = Arc::new(house);
    let done = Arc::new(AtomicBool::new(false));
    let noise: Vec<_> = ["joe", "sue", "tim"]
        .into_iter()
        .map(|name| {
            let (house, done) = (Arc::clone(&house), Arc::clone(&done));
            tokio::spawn(async move {
                let other = house.user(name).await;
                while !done.load(Ordering::Relaxed) {
                    let username = other.username.as_str();
                    users::freeze(&house.ctx, Actor::Operator, username).await.unwrap();
                    users::unfreeze(&house.ctx, Actor::Operator, username).await.unwrap();
                }
            })
        })
        .collect();

    for _ in 0..20 {
        let old = house.reset_and_read(&jane).await;
        assert_eq!(present(&house.ctx, Presented::token(&old).unwrap()).await, Ok(()));
        house.reset(&jane).await;
        assert_eq!(present(&house.ctx, Presented::token(&old).unwrap()).await, DEAD);
    }
    done.store(true, Ordering::Relaxed);
    for task in noise {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn who_waits_for_a_revision_waits_no_longer_than_it_takes() {
    let (house, jane) = house_with_jane().await;
    let next = house.ctx.live.view.applied() + 1;
    let long = Duration::from_mins(1);

    let waiting = live::at_least(&house.ctx, next, long, Waiter::Client(source()));
    let name = jane.username.as_str();
    let (reached, frozen) = tokio::join!(waiting, users::freeze(&house.ctx, Actor::Operator, name));

    frozen.unwrap();
    assert_eq!(reached, Ok(()));
    assert_eq!(
        live::at_least(&house.ctx, next, Duration::ZERO, Waiter::Client(source())).await,
        Ok(())
    );
    assert_eq!(
        live::at_least(&house.ctx, next + 1, Duration::ZERO, Waiter::Client(source())).await,
        Err(live::Stale)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_gate_stays_open_however_many_changes_are_committed() {
    let (house, _) = house_with_jane().await;
    let ctx = house.ctx.clone();
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|number| {
            let (ctx, done) = (ctx.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let name = DisplayName::parse(&format!("client {number}")).unwrap();
                while !done.load(Ordering::Relaxed) {
                    let added =
                        clients::add(&ctx, Actor::Operator, name.clone(), Switch::Off).await;
                    clients::remove(&ctx, Actor::Operator, added.unwrap().id).await.unwrap();
                }
            })
        })
        .collect();

    // What the feed does once a second.
    let mut open = 0;
    for _ in 0..300 {
        live::bring_up_to_date(&ctx).await.unwrap();
        open += u32::from(ctx.live.gate.is_open());
    }

    done.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(open, 300, "nobody could be answered for a second after each of the others");
}

#[tokio::test]
async fn an_unused_token_is_refused_by_itself_from_the_instant_its_time_is_full_and_never_revived()
{
    const MS: Duration = Duration::from_millis(1);
    let (house, jane) = house_with_jane().await;
    let_tokens_stand_alone(&house).await;
    let idle = 30 * DAY;
    let set = |rules: &mut DeviceRules| rules.idle_end = Some(idle);
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), set).await.unwrap();
    let token = house.reset_and_read(&jane).await;
    let ask = async || present(&house.ctx, Presented::token(&token).unwrap()).await;
    let unused = Err(NoAdmission::Refused(CredentialRefusal::Unused));

    house.wait(idle.saturating_sub(MS));
    assert_eq!(ask().await, Ok(()), "the database knows the millisecond");
    Scribe::default().write_down(&house.ctx).await.unwrap();
    house.wait(idle.saturating_sub(MS));
    assert_eq!(ask().await, Ok(()), "from the use on it has as much time again");
    Scribe::default().write_down(&house.ctx).await.unwrap();
    house.wait(idle);
    assert_eq!(ask().await, unused);
    Scribe::default().write_down(&house.ctx).await.unwrap();
    house.wait(MS);
    assert_eq!(ask().await, unused, "what was refused was no use");
    live::sweep(&house.ctx).await.unwrap();
    assert_eq!(ask().await, unused);

    let told = house.last_entry(&jane).await.reason;
    assert_eq!(told, CredentialRefusal::Unused.to_string());
}

#[tokio::test]
async fn a_token_that_is_used_at_another_node_does_not_die_of_disuse_here() {
    let (house, jane) = house_with_jane().await;
    let_tokens_stand_alone(&house).await;
    let idle = 30 * DAY;
    let set = |rules: &mut DeviceRules| rules.idle_end = Some(idle);
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), set).await.unwrap();
    let token = house.reset_and_read(&jane).await;
    let id = tokens::of_user(&house.ctx, jane.id).await.unwrap()[0].token;
    let used_elsewhere = async || {
        let mut tx = house.ctx.store.begin().await.unwrap();
        stored_tokens::note_use(&mut tx, id, house.ctx.clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    };

    for _ in 0..3 {
        house.wait(20 * DAY);
        used_elsewhere().await;
        house.wait(20 * DAY);
        let here = present(&house.ctx, Presented::token(&token).unwrap()).await;
        assert_eq!(here, Ok(()));
    }
}

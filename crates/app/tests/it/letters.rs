//! Letters: neither lost nor left lying about; each ends in exactly one of its four ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use symbolon_app::{janitor, mail_status, reset};
use symbolon_core::letter::{LetterKind, LetterState};
use symbolon_mail::{Delivery, Message, Transport};
use symbolon_store::sql::Value;
use tokio::sync::{Barrier, Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use crate::house::{PASSWORD, TestHouse};

fn later() -> Delivery {
    Delivery::TryLater { reply: "451 4.7.1 greylisted".to_owned() }
}

fn never() -> Delivery {
    Delivery::Refused { reply: "550 5.1.1 no such mailbox".to_owned() }
}

async fn nonces_left(house: &TestHouse) -> i64 {
    let mut reader = house.ctx.store.read().await.unwrap();
    let sql = "SELECT COUNT(*) FROM letter WHERE nonce IS NOT NULL AND user_id > $1";
    reader.fetch_one(sql, &[Value::from(0_i64)]).await.unwrap().int(0).unwrap()
}

/// A mail server with three lines, which answers only once all three are busy.
#[derive(Debug)]
struct ThreeLines {
    busy: Barrier,
    taken: AtomicUsize,
}

#[async_trait]
impl Transport for ThreeLines {
    async fn deliver(&self, _: &Message) -> Delivery {
        self.busy.wait().await;
        self.taken.fetch_add(1, Ordering::SeqCst);
        Delivery::HandedOver { reply: "250 Ok".to_owned() }
    }

    fn at_once(&self) -> usize {
        3
    }
}

#[tokio::test]
async fn as_many_letters_are_carried_at_a_time_as_the_mail_server_has_lines_for() {
    let house = TestHouse::new().await;
    for name in ["jane", "joe", "ada"] {
        let user = house.user(name).await;
        house.reset(&user).await;
    }
    let server = ThreeLines { busy: Barrier::new(3), taken: AtomicUsize::new(0) };

    let carried = timeout(Duration::from_mins(1), house.deliver_by(&server)).await;

    assert_eq!((carried, server.taken.into_inner()), (Ok(6), 6));
    assert_eq!(nonces_left(&house).await, 0);
}

/// A mail server that keeps the first letter until it is told, and tells of each that it takes.
#[derive(Debug)]
struct SlowAtFirst {
    is_first: AtomicBool,
    told: Semaphore,
    taken: mpsc::UnboundedSender<String>,
}

#[async_trait]
impl Transport for SlowAtFirst {
    async fn deliver(&self, message: &Message) -> Delivery {
        if self.is_first.swap(false, Ordering::SeqCst) {
            self.told.acquire().await.unwrap().forget();
        }
        self.taken.send(message.to().to_string()).unwrap();
        Delivery::HandedOver { reply: "250 Ok".to_owned() }
    }

    fn at_once(&self) -> usize {
        2
    }
}

#[tokio::test]
async fn a_letter_that_the_mail_server_takes_its_time_over_keeps_no_other_waiting() {
    let house = TestHouse::new().await;
    let (jane, joe) = (house.user("jane").await, house.user("joe").await);
    let (taken, mut arrivals) = mpsc::unbounded_channel();
    let server = SlowAtFirst { is_first: AtomicBool::new(true), told: Semaphore::new(0), taken };
    let server = Arc::new(server);
    let (stop, stopped) = oneshot::channel();
    let courier = house.courier(Arc::<SlowAtFirst>::clone(&server), stopped);
    let mut next =
        async || timeout(Duration::from_secs(20), arrivals.recv()).await.expect("a letter arrives");

    house.reset(&jane).await;
    let first = next().await;
    // By now the other hand has nothing left to do.
    house.reset(&joe).await;
    let others = [next().await, next().await];
    drop(stop);
    server.told.add_permits(1);
    let slow = next().await;
    timeout(Duration::from_secs(20), courier).await.unwrap().unwrap();

    assert_eq!(
        (first.as_deref(), slow.as_deref()),
        (Some(jane.email.as_str()), Some(jane.email.as_str()))
    );
    assert!(others.iter().all(|to| to.as_deref() == Some(joe.email.as_str())), "{others:?}");
    assert_eq!(nonces_left(&house).await, 0, "what was in hand is finished first");
}

#[tokio::test]
async fn a_letter_refused_for_now_is_tried_again_with_the_same_token() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let receipt = house.reset(&jane).await;
    house.post.answers.lock().unwrap().extend([later(), later()]);
    house.deliver_mail().await;
    let view = reset::receipt(&house.ctx, jane.id, receipt.token).await.unwrap();
    assert_eq!(view.mail.as_ref().unwrap().state, LetterState::Waiting);
    assert_eq!(view.mail.unwrap().reply.as_deref(), Some("451 4.7.1 greylisted"));

    house.wait(Duration::from_secs(15));
    let token = house.newest_token().await;

    assert!(house.log_in(&jane, &format!("{PASSWORD}{token}")).await.is_ok());
    let mail = reset::receipt(&house.ctx, jane.id, receipt.token).await.unwrap().mail.unwrap();
    assert_eq!((mail.state, mail.attempts), (LetterState::HandedOver, 2));
}

#[tokio::test]
async fn a_letter_refused_for_good_is_shown_to_its_owner_with_the_servers_words() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    house.reset(&jane).await;
    house.post.answers.lock().unwrap().extend([never(), never()]);

    house.deliver_mail().await;

    let troubles = mail_status::troubles_of(&house.ctx, jane.id).await.unwrap();
    let letter = troubles.iter().find(|letter| letter.kind == LetterKind::NewToken).unwrap();
    assert_eq!(letter.state, LetterState::Refused);
    assert_eq!(letter.last_reply.as_deref(), Some("550 5.1.1 no such mailbox"));
    assert_eq!(nonces_left(&house).await, 0);
}

#[tokio::test]
async fn nothing_that_a_secret_could_be_derived_from_is_left_after_the_hand_over() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    house.reset(&jane).await;
    assert_eq!(nonces_left(&house).await, 2, "of the mail with the token, and of the notice");

    house.deliver_mail().await;

    assert_eq!(nonces_left(&house).await, 0);
}

#[tokio::test]
async fn a_letter_that_nobody_takes_for_three_days_is_too_old() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let receipt = house.reset(&jane).await;

    house.wait(Duration::from_hours(72));
    janitor::tidy(&house.ctx).await.unwrap();
    house.deliver_mail().await;

    let view = reset::receipt(&house.ctx, jane.id, receipt.token).await.unwrap();
    assert_eq!(view.mail.as_ref().unwrap().state, LetterState::TooOld);
    assert!(house.arrived().is_empty());
    assert_eq!(nonces_left(&house).await, 0);
}

#[tokio::test]
async fn an_administrator_can_have_waiting_letters_tried_at_once() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    house.reset(&jane).await;
    house.post.answers.lock().unwrap().extend([later(), later()]);
    house.deliver_mail().await;

    let due = mail_status::retry(&house.ctx, None).await.unwrap();
    house.deliver_mail().await;

    assert_eq!((due, house.arrived().len()), (2, 2));
}

#[tokio::test]
async fn the_notice_of_a_reset_does_not_hold_the_token() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;

    let token = house.reset_and_read(&jane).await;

    let holding = house.arrived().iter().filter(|letter| letter.text.contains(&token)).count();
    assert_eq!((house.arrived().len(), holding), (2, 1));
}

//! Connections: kept, shared, renewed, given up; and how long all that may take.

use std::time::Duration;

use symbolon_client::{Verification, Verifier, VerifyError};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::authority::{Authority, INACTIVE, Reply, active, json};

const ACTIVE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Length: 89\r\n\r\n{\"active\":true,\"sub\":\"s\",\"username\":\"u\",\"iat\":1,\"auth_time\":1,\"profile\":\"P\",\"revision\":7}";

async fn sub(verifier: &Verifier, credential: &str) -> String {
    verifier.verify(credential).await.unwrap().holder().unwrap().sub
}

#[tokio::test]
async fn questions_one_after_the_other_share_a_connection_whatever_they_are_answered() {
    let authority = Authority::answering(|asked| match asked.credential() {
        "many" => Reply::Status(429, &[("Retry-After", "1")], "{}".to_owned()),
        "unavailable" => Reply::Status(503, &[], "x".repeat(20_000)),
        "unknown" => json(INACTIVE),
        other => json(active(other)),
    })
    .await;
    let verifier = authority.verifier();

    for credential in ["good", "many", "good", "unavailable", "good", "unknown", "good"] {
        let answered = verifier.clone().verify(credential).await;
        assert_eq!(answered.is_ok(), !["many", "unavailable"].contains(&credential));
    }

    assert_eq!(authority.asked().len(), 7);
    assert_eq!(authority.connections(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_at_the_same_time_each_get_their_own_answer() {
    let authority = Authority::answering(|asked| json(active(asked.credential()))).await;
    let verifier = authority.verifier();

    let mut asking = JoinSet::new();
    for asker in 0..16 {
        let verifier = verifier.clone();
        asking.spawn(async move {
            for at in 0..25 {
                let credential = format!("credential{asker}x{at}");
                assert_eq!(sub(&verifier, &credential).await, credential);
            }
        });
    }
    while let Some(ended) = asking.join_next().await {
        ended.unwrap();
    }

    assert_eq!(authority.asked().len(), 400);
    assert!(authority.connections() <= 32, "{} connections", authority.connections());
}

#[tokio::test]
async fn the_answer_to_a_question_that_was_dropped_is_never_anothers() {
    let authority = Authority::answering(|asked| match asked.credential() {
        "dropped" => Reply::Silence,
        other => json(active(other)),
    })
    .await;
    let verifier = authority.verifier();
    assert_eq!(sub(&verifier, "first").await, "first");

    tokio::select! {
        answered = verifier.verify("dropped") => panic!("{answered:?}"),
        () = authority.wait_until_asked(2) => {}
    }

    assert_eq!(sub(&verifier, "next").await, "next");
    authority.wait_until_closed(1).await;
    assert_eq!(authority.connections(), 2, "the first was given up");
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let authority = Authority::writing_in_turn(&[&[ACTIVE], &[ACTIVE]]).await;
    let verifier = authority.verifier();

    assert_eq!(sub(&verifier, "t").await, "s");
    authority.wait_until_closed(1).await;

    assert_eq!(sub(&verifier, "t").await, "s");
    assert_eq!(authority.connections(), 2);
}

#[tokio::test]
async fn a_question_that_meets_a_hang_up_is_asked_once_more() {
    // Answers, reads the next question, and hangs up on it.
    let authority = Authority::writing_in_turn(&[&[ACTIVE, b""], &[ACTIVE]]).await;
    let verifier = authority.verifier();

    assert_eq!(sub(&verifier, "t").await, "s");

    assert_eq!(sub(&verifier, "t").await, "s");
    assert_eq!(authority.connections(), 2);
}

#[tokio::test]
async fn a_question_is_asked_twice_at_most() {
    let authority = Authority::writing(b"").await;

    let answered = authority.verifier().verify("t").await;

    assert!(matches!(answered, Err(VerifyError::Transport(_))), "{answered:?}");
    assert_eq!(authority.connections(), 2);
}

#[tokio::test]
async fn an_authority_that_is_not_there_is_a_transport_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let config = symbolon_client::Config::new(url, "client", "secret".to_owned());

    let answered = Verifier::new(config).unwrap().verify("t").await;

    assert!(matches!(answered, Err(VerifyError::Transport(_))), "{answered:?}");
}

// Time stands still in these but for what the verifier waits for.

#[tokio::test(start_paused = true)]
async fn silence_ends_when_the_time_is_up() {
    let authority = Authority::answering(|_| Reply::Silence).await;
    let patience = Duration::from_millis(700);
    let verifier = Verifier::new(authority.config().with_timeout(patience)).unwrap();

    let began = Instant::now();
    let answered = verifier.verify("t").await;

    assert!(matches!(answered, Err(VerifyError::Timeout)), "{answered:?}");
    assert!((700..705).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_time_runs_on_while_an_answer_comes_drop_by_drop() {
    let authority = Authority::trickling(ACTIVE, Duration::from_millis(900)).await;

    let began = Instant::now();
    let answered = authority.verifier().verify("t").await;

    assert!(matches!(answered, Err(VerifyError::Timeout)), "{answered:?}");
    assert!((5000..5005).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_timeout_gives_its_connection_up_and_the_next_question_is_answered() {
    let authority = Authority::answering(|asked| match asked.credential() {
        "slow" => Reply::Silence,
        _ => json(INACTIVE),
    })
    .await;
    let verifier = authority.verifier();

    let slow = verifier.verify("slow").await;
    authority.wait_until_closed(1).await;
    tokio::time::resume();
    let next = verifier.verify("next").await;

    assert!(matches!(slow, Err(VerifyError::Timeout)), "{slow:?}");
    assert_eq!(next.unwrap(), Verification::Inactive);
    assert_eq!(authority.connections(), 2);
}

#[test]
fn a_verifier_and_its_futures_go_from_thread_to_thread() {
    fn travels<T: Send + Sync + Clone + 'static>() {}
    fn moves<T: Send>(_: &T) {}
    travels::<Verifier>();

    let config = symbolon_client::Config::new("http://localhost:1", "client", "secret".to_owned());
    let verifier = Verifier::new(config).unwrap();
    moves(&verifier.verify("t"));
    moves(&verifier.verify_at_least("t", 1));
    moves(&verifier.verify_many(&["t"]));
}

//! How a delivery is judged by what the mail server says, command by command.

use symbolon_core::letter::LetterKind;
use symbolon_mail::{Delivery, MailTarget, SmtpTransport, Transport};

use crate::mime::raw_of;
use crate::samples::{message, new_token, sample, token};
use crate::server::{Script, Server};

fn transport(login: &str, server: &Server, options: &str) -> SmtpTransport {
    let text = format!("smtp://{login}{}?timeout=1s{options}", server.address);
    match MailTarget::parse(&text).unwrap() {
        MailTarget::Smtp(target) => {
            SmtpTransport::new(&target, "https://symbolon.example.com").unwrap()
        }
        MailTarget::None | MailTarget::Mailbox => panic!("{text} is a mail server"),
    }
}

async fn delivery(script: Script) -> Delivery {
    let server = Server::start(script).await;
    transport("", &server, "&tls=none").deliver(&message(&new_token())).await
}

fn reply(delivery: Delivery) -> String {
    match delivery {
        Delivery::HandedOver { reply }
        | Delivery::TryLater { reply }
        | Delivery::Refused { reply } => reply,
    }
}

#[tokio::test]
async fn a_mail_is_handed_over_with_the_words_of_the_server() {
    let server = Server::start(&[]).await;
    let message = message(&new_token());

    let delivery = transport("", &server, "&tls=none").deliver(&message).await;

    let reply = "250 2.0.0 Ok: queued as 4F2".to_owned();
    assert_eq!(delivery, Delivery::HandedOver { reply });
    let heard = server.heard();
    assert_eq!(
        heard[..4],
        [
            "EHLO symbolon.example.com",
            "MAIL FROM:<symbolon@example.com>",
            "RCPT TO:<jane@example.com>",
            "DATA"
        ]
    );
    assert_eq!(heard[4].strip_suffix("\r\n.\r\n"), Some(raw_of(&message)));
}

#[tokio::test]
async fn one_connection_carries_several_mails() {
    let server = Server::start(&[]).await;
    let transport = transport("", &server, "&tls=none");

    for kind in [LetterKind::NewToken, LetterKind::LockedOut, LetterKind::TokensFrozen] {
        let delivery = transport.deliver(&message(&sample(kind))).await;
        assert!(matches!(delivery, Delivery::HandedOver { .. }));
    }

    let heard = server.heard();
    let count = |word: &str| heard.iter().filter(|line| line.starts_with(word)).count();
    assert_eq!((count("EHLO"), count("RSET"), count("MAIL")), (1, 2, 3));
}

#[tokio::test]
async fn a_connection_that_died_in_the_pool_costs_no_letter() {
    let server = Server::start(&[("RSET", "hang up")]).await;
    let transport = transport("", &server, "&tls=none");

    for _ in 0..2 {
        let delivery = transport.deliver(&message(&new_token())).await;
        assert!(matches!(delivery, Delivery::HandedOver { .. }));
    }
}

#[tokio::test]
async fn a_permanent_no_to_the_letter_is_final() {
    for script in [
        &[("MAIL", "550 5.7.1 sender refused")] as Script,
        &[("RCPT", "550 5.1.1 no such user")],
        &[("DATA", "554 5.6.0 no")],
        &[(".", "552-5.2.2 mailbox\r\n552 5.2.2 full")],
    ] {
        let delivery = delivery(script).await;

        assert!(matches!(delivery, Delivery::Refused { .. }), "{delivery:?}");
    }
}

#[tokio::test]
async fn the_words_of_a_refusal_are_those_of_the_server() {
    let delivery = delivery(&[("RCPT", "550-5.1.1 no\r\n550 5.1.1 such user")]).await;

    let reply = "550 5.1.1 no such user (in reply to RCPT)".to_owned();
    assert_eq!(delivery, Delivery::Refused { reply });
}

#[tokio::test]
async fn a_passing_trouble_is_tried_again() {
    for script in [
        &[("", "421 4.3.2 too busy")] as Script,
        &[("MAIL", "451 4.3.0 later")],
        &[("RCPT", "450 4.2.0 greylisted")],
        &[("DATA", "452 4.3.1 disk full")],
        &[(".", "451 4.3.0 later")],
        &[(".", "hang up")],
        &[(".", "silence")],
        &[("", "silence")],
        &[("DATA", "250 what?")],
        &[("RCPT", "nonsense")],
    ] {
        let delivery = delivery(script).await;

        assert!(matches!(delivery, Delivery::TryLater { .. }), "{delivery:?}");
    }
}

#[tokio::test]
async fn a_fault_of_our_configuration_never_loses_a_letter() {
    for script in [
        &[("", "554 5.7.1 go away")] as Script,
        &[("EHLO", "550 5.7.1 bad name")],
        &[("AUTH", "535 5.7.8 wrong password")],
        &[("MAIL", "530 5.7.0 authentication required")],
    ] {
        let server = Server::start(script).await;

        let delivery =
            transport("jane:hunter2@", &server, "&tls=none").deliver(&message(&new_token())).await;

        assert!(matches!(delivery, Delivery::TryLater { .. }), "{delivery:?}");
    }
}

#[tokio::test]
async fn a_server_without_starttls_gets_neither_password_nor_mail() {
    let server = Server::start(&[]).await;

    let delivery = transport("jane:hunter2@", &server, "").deliver(&message(&new_token())).await;

    assert!(matches!(delivery, Delivery::TryLater { .. }), "{delivery:?}");
    assert!(reply(delivery).contains("STARTTLS is not supported"));
    assert_eq!(server.heard(), ["EHLO symbolon.example.com"]);
}

#[tokio::test]
async fn nobody_listening_is_a_passing_trouble_that_names_the_server() {
    let server = Server::nobody();

    let delivery = transport("", &server, "&tls=none").deliver(&message(&new_token())).await;

    assert!(matches!(delivery, Delivery::TryLater { .. }), "{delivery:?}");
    let reply = reply(delivery);
    assert!(reply.starts_with("127.0.0.1:1: Connection refused"), "{reply}");
}

#[tokio::test]
async fn a_server_that_quotes_the_mail_does_not_bring_the_token_into_our_records() {
    let token = token();
    let quoted = format!("554-5.6.0 spam: Security token: {}\r\n", token.reveal())
        + &format!(
            "554-5.6.0 {}\r\n554-5.6.0 {}\r\n",
            &token.reveal()[..17],
            &token.reveal()[17..]
        )
        + "554 5.6.0 https://symbolon.example.com/activate/freeze/Zq3mVfT0aKxWc9RbYh2LpE";
    let script: Script = Box::leak(Box::new([(".", &*quoted.leak())]));

    let reply = reply(delivery(script).await);

    for piece in [&token.reveal()[3..11], &token.reveal()[18..26], "Zq3mVfT0", "bYh2LpE"] {
        assert!(!reply.contains(piece), "{piece} in {reply}");
    }
    assert!(reply.contains("spam: Security token: sbn…"), "{reply}");
}

#[tokio::test]
async fn a_server_that_quotes_our_login_does_not_bring_the_password_into_our_records() {
    let server =
        Server::start(&[("AUTH", "501 bad: AUTH PLAIN AGphbmUAaHVudGVyMg== hunter2")]).await;

    let delivery =
        transport("jane:hunter2@", &server, "&tls=none").deliver(&message(&new_token())).await;

    assert_eq!(reply(delivery), "501 bad: AUTH PLAIN … … (in reply to AUTH)");
}

#[test]
fn certificates_that_cannot_be_loaded_are_named_at_the_start() {
    for (path, words) in [
        ("/nonexistent/ca.pem", "cannot read the certificates in /nonexistent/ca.pem"),
        ("/dev/null", "there is no PEM certificate in /dev/null"),
    ] {
        let target = MailTarget::parse(&format!("smtps://mail.example.com?ca={path}")).unwrap();
        let MailTarget::Smtp(target) = target else { panic!("a mail server") };

        let error = SmtpTransport::new(&target, "https://symbolon.example.com").unwrap_err();

        assert_eq!(error.to_string(), words);
    }
}

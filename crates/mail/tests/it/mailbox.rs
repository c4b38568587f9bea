//! The built-in development mailbox.

use symbolon_core::letter::LetterKind;
use symbolon_mail::{Delivery, Mailbox, Transport};

use crate::samples::{message, new_token, sample};

#[tokio::test]
async fn a_delivered_mail_can_be_read_in_every_form() {
    let mailbox = Mailbox::default();
    let message = message(&new_token());

    let delivery = mailbox.deliver(&message).await;

    assert!(matches!(delivery, Delivery::HandedOver { .. }));
    let mail = mailbox.get(1).unwrap();
    assert_eq!(mail.to, "jane@example.com");
    assert_eq!(mail.subject, "Your new Example Corp security token");
    assert_eq!(mail.text.as_str(), message.reveal_text());
    assert_eq!(mail.html.as_str(), message.reveal_html());
    assert_eq!(mail.raw.as_slice(), message.reveal_raw());
    assert!(!format!("{mailbox:?}").contains("sbn"));
}

#[tokio::test]
async fn the_last_200_mails_are_kept_and_listed_newest_first() {
    let mailbox = Mailbox::default();
    let message = message(&sample(LetterKind::LockedOut));

    for _ in 0..203 {
        let _ = mailbox.deliver(&message).await;
    }

    let numbers: Vec<u64> = mailbox.list().iter().map(|mail| mail.number).collect();
    assert_eq!(numbers, (4..=203).rev().collect::<Vec<u64>>());
    assert!(mailbox.get(3).is_none());
}

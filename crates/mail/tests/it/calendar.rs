//! The calendar file beside a letter, read by the rules of RFC 5545 and not by the code that writes it.

use symbolon_core::letter::LetterKind;
use symbolon_mail::{Contents, Letterhead, TimeLeft};

use crate::mime::{Entity, raw_of};
use crate::samples::{letterhead, message, message_to, name, reminder, sample};

/// The lines of the attached file, unfolded.
fn attached(raw: &str) -> Vec<String> {
    let mail = Entity::read(raw);
    assert!(mail.headers["content-type"].starts_with("multipart/mixed;"));
    let parts = mail.parts();
    let [_, file] = parts.as_slice() else { panic!("a letter and a file") };
    assert_eq!(file.headers["content-type"], "text/calendar; charset=utf-8; method=PUBLISH");
    assert_eq!(file.headers["content-disposition"], "attachment; filename=\"security-token.ics\"");
    let text = file.decoded();
    assert!(text.lines().all(|line| line.len() <= 75), "{text}");
    text.replace("\n ", "").lines().map(str::to_owned).collect()
}

#[test]
fn a_reminder_brings_the_date_and_an_alarm_the_day_before() {
    let lines = attached(raw_of(&message(&reminder(TimeLeft::Days(30)))));

    assert_eq!(
        lines,
        [
            "BEGIN:VCALENDAR",
            "VERSION:2.0",
            "PRODID:-//Symbolon//Security tokens//EN",
            "CALSCALE:GREGORIAN",
            "METHOD:PUBLISH",
            "BEGIN:VEVENT",
            "UID:token-0TK0000000000D9@symbolon.example.com",
            "DTSTAMP:20261123T070005Z",
            "DTSTART:20271123T070005Z",
            "SUMMARY:Example Corp security token expires (server)",
            "DESCRIPTION:The security token of jane.doe@example.com for the device type server is \
             refused from now on. Reset it before:\\nhttps://symbolon.example.com/setup/\
             reset-security-token",
            "URL:https://symbolon.example.com/setup/reset-security-token",
            "TRANSP:TRANSPARENT",
            "BEGIN:VALARM",
            "ACTION:DISPLAY",
            "DESCRIPTION:Example Corp security token expires (server)",
            "TRIGGER:-P1D",
            "END:VALARM",
            "END:VEVENT",
            "END:VCALENDAR",
        ]
    );
}

#[test]
fn names_in_any_script_neither_break_a_line_nor_add_one() {
    let hostile = "組織; BEGIN:VEVENT, \\n Société Générale d'Été 組織組織組織組織組織";
    let letterhead = Letterhead { organization: name(hostile), ..letterhead() };

    let lines = attached(raw_of(&message_to("J", &letterhead, &reminder(TimeLeft::Days(7)))));

    let summary = lines.iter().find(|line| line.starts_with("SUMMARY:")).unwrap();
    let escaped = hostile.replace('\\', "\\\\").replace(';', "\\;").replace(',', "\\,");
    assert_eq!(*summary, format!("SUMMARY:{escaped} security token expires (server)"));
    assert_eq!(lines.iter().filter(|line| *line == "BEGIN:VEVENT").count(), 1);
}

#[test]
fn two_letters_about_one_token_speak_of_one_event() {
    let uid = |contents: &Contents| {
        let lines = attached(raw_of(&message(contents)));
        lines.into_iter().find(|line| line.starts_with("UID:")).unwrap()
    };

    let digest = sample(LetterKind::WeeklyDigest);

    assert_eq!(uid(&reminder(TimeLeft::Days(30))), uid(&reminder(TimeLeft::Days(7))));
    assert_eq!(uid(&reminder(TimeLeft::Days(30))), uid(&digest));
}

#[test]
fn each_date_of_the_digest_leads_to_the_reset_of_that_users_token() {
    let lines = attached(raw_of(&message(&sample(LetterKind::WeeklyDigest))));

    let reset =
        "https://symbolon.example.com/setup/users/jane.doe@example.com/reset-security-token";
    assert!(lines.contains(&format!("URL:{reset}")), "{lines:?}");
    let description = lines.iter().find(|line| line.starts_with("DESCRIPTION:Its owner")).unwrap();
    assert!(description.ends_with(reset), "{description}");
}

#[test]
fn a_token_that_has_died_is_no_date_any_more() {
    let message = message(&reminder(TimeLeft::None));

    assert!(!raw_of(&message).contains("text/calendar"));
    assert_eq!(message.subject(), "Your Example Corp security token has expired");
}

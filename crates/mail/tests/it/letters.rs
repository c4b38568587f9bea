//! Every letter, word by word, and the rules that hold for all of them.

use std::collections::BTreeSet;
use std::time::Duration;

use symbolon_core::letter::{LetterKind, LetterRank, Volume};
use symbolon_core::names::{DeviceType, EmailAddress, Username};
use symbolon_core::reset::Scope;
use symbolon_mail::{AskedBy, Contents, Envelope, Letterhead, RotationStep, TokenChange, compose};

use crate::mime::{Entity, raw_of};
use crate::samples::{
    ASKED_AT, IN_A_YEAR, LETTER, letterhead, message, message_to, name, new_token, new_token_of,
    sample, token,
};

/// The letter itself: the whole mail, or the first part of one that has a calendar file beside it.
fn letter_of(raw: &str) -> Entity {
    let mail = Entity::read(raw);
    let whole = mail.headers["content-type"].starts_with("multipart/alternative;");
    if whole { mail } else { mail.parts().remove(0) }
}

fn both_parts(raw: &str) -> (String, String) {
    let parts = letter_of(raw).parts();
    let [text, html] = parts.as_slice() else { panic!("a mail has two parts") };
    assert_eq!(text.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(html.headers["content-type"], "text/html; charset=utf-8");
    (text.decoded(), html.decoded())
}

#[test]
fn the_manual_lists_every_kind_of_letter_with_its_rank_and_whether_it_offers_the_freeze() {
    let manual = include_str!("../../../../docs/mail.md");
    for (kind, word) in LetterKind::ALL {
        let row = manual.lines().find(|line| line.starts_with(&format!("| `{word}` |")));
        let row = row.unwrap_or_else(|| panic!("{word} is not in docs/mail.md"));
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [.., rank, freeze, ""] = cells[..] else { panic!("{row}") };
        let single = LetterRank::of(kind, Volume::Single).number() + 1;
        assert!(rank.starts_with(&single.to_string()), "{row}");
        assert_eq!(freeze == "❄", kind.offers_freeze(), "{row}");
    }
}

#[test]
fn every_letter_reads_as_it_was_agreed() {
    for (kind, word) in LetterKind::ALL {
        let contents = sample(kind);
        let message = message(&contents);

        assert_eq!(contents.kind(), kind);
        let text = format!("Subject: {}\n\n{}", message.subject(), message.reveal_text());
        insta::assert_snapshot!(format!("{word}.text"), text);
        insta::assert_snapshot!(format!("{word}.html"), message.reveal_html());
    }
}

#[test]
fn the_mail_with_the_token_reads_as_it_was_agreed_on_the_wire() {
    let message = message(&new_token());

    insta::assert_snapshot!("new-token.raw", raw_of(&message).replace("\r\n", "\n"));
}

#[test]
fn both_parts_decode_to_what_was_rendered() {
    for (kind, _) in LetterKind::ALL {
        let message = message_to("Jürgen Groß", &letterhead(), &sample(kind));

        let (text, html) = both_parts(raw_of(&message));

        assert_eq!(text.trim_end(), message.reveal_text().trim_end());
        assert_eq!(html.trim_end(), message.reveal_html().trim_end());
    }
}

#[test]
fn every_letter_has_the_headers_of_automatic_mail() {
    for (kind, word) in LetterKind::ALL {
        let message = message(&sample(kind));
        let raw = raw_of(&message);

        let headers = Entity::read(raw).headers;

        assert!(raw.is_ascii());
        assert!(raw.lines().all(|line| line.len() <= 998));
        assert_eq!(headers["date"], "Mon, 23 Nov 2026 07:00:05 +0000");
        assert_eq!(headers["message-id"], format!("<{LETTER}.symbolon@symbolon.example.com>"));
        assert_eq!(headers["auto-submitted"], "auto-generated");
        assert_eq!(headers["x-symbolon-event"], word);
        assert_eq!(headers["from"], "\"Example Corp\" <symbolon@example.com>");
        assert_eq!(headers["to"], "\"Jane Doe\" <jane@example.com>");
        let letter = letter_of(raw);
        assert!(letter.headers["content-type"].starts_with("multipart/alternative;"));
        assert_eq!(headers["mime-version"], "1.0");
        for absent in ["reply-to", "list-unsubscribe", "bcc", "cc"] {
            assert!(!headers.contains_key(absent));
        }
    }
}

#[test]
fn every_attempt_at_a_letter_sends_the_same_bytes() {
    let first = message(&new_token());
    let second = message(&new_token());

    assert_eq!(first.reveal_raw(), second.reveal_raw());
}

#[test]
fn no_two_kinds_of_letter_have_the_same_subject() {
    let subjects: BTreeSet<String> = LetterKind::ALL
        .iter()
        .map(|(kind, _)| message(&sample(*kind)).subject().to_owned())
        .collect();

    assert_eq!(subjects.len(), LetterKind::ALL.len());
    assert!(subjects.contains("Your new Example Corp security token"));
}

#[test]
fn programs_find_the_two_lines_whatever_the_names_are() {
    let longest_username = format!("{}@example.com", "u".repeat(68));
    for (username, organization, to) in [
        ("jane.doe@example.com", "Example Corp", "Jane Doe"),
        (longest_username.as_str(), "Société Générale d'Été", "Jürgen Groß"),
        ("j", &"組織".repeat(50), &"名".repeat(100)),
        ("j", "Security token (case-sensitive): sbnFORGED", "Username: mallory"),
    ] {
        let letterhead = Letterhead { organization: name(organization), ..letterhead() };
        let contents = new_token_of(username, "any", 1, Scope::Account);
        let message = message_to(to, &letterhead, &contents);

        let (text, _) = both_parts(raw_of(&message));

        let lines: Vec<&str> = text.lines().collect();
        let at = lines.iter().position(|line| line.starts_with("Username: ")).unwrap();
        let token = token();
        let expected = format!("Security token (case-sensitive): {}", token.reveal());
        assert_eq!(lines[at], format!("Username: {username}"));
        assert_eq!(lines[at + 1], expected);
        assert_eq!(lines[at + 2], "");
    }
}

#[test]
fn the_token_stands_once_in_each_part_and_nowhere_else() {
    let message = message(&new_token());
    let token = token();
    let entity = Entity::read(raw_of(&message));

    let (text, html) = both_parts(raw_of(&message));

    assert_eq!(text.matches(token.reveal()).count(), 1);
    assert_eq!(html.matches(token.reveal()).count(), 1);
    assert!(html.contains(&format!(">{}</code>", token.reveal())));
    assert_eq!(raw_of(&message).matches("sbn").count(), 2);
    assert!(entity.headers.values().all(|value| !value.contains("sbn")));
}

#[test]
fn only_the_letter_of_the_new_token_has_its_two_lines() {
    for (kind, _) in LetterKind::ALL {
        let text = message(&sample(kind)).reveal_text().to_owned();

        let found = text.contains("Security token (case-sensitive)");

        assert_eq!(found, kind == LetterKind::NewToken, "{kind:?}");
    }
}

#[test]
fn names_cannot_add_a_header_a_recipient_or_markup() {
    for hostile in [
        "Bob <x@y>",
        "\"Bob\" \\ <x@y>, eve@example.com",
        "=?utf-8?q?=0D=0ABcc:_eve@example.com?=",
        "Bcc: eve@example.com",
        "<script>alert(1)</script>",
        "Jürgen \"Groß\" <x@y>",
        "名前 😀",
        &"long ".repeat(20),
        &"é".repeat(100),
        &"x".repeat(100),
    ] {
        let letterhead = Letterhead { organization: name(hostile), ..letterhead() };
        let message = message_to(hostile, &letterhead, &new_token());

        let mail = Entity::read(raw_of(&message));
        let (_, html) = both_parts(raw_of(&message));

        let names: Vec<&str> = mail.headers.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "auto-submitted",
                "content-type",
                "date",
                "from",
                "message-id",
                "mime-version",
                "subject",
                "to",
                "x-symbolon-event"
            ]
        );
        assert!(mail.headers["to"].ends_with(" <jane@example.com>"), "{}", mail.headers["to"]);
        assert!(mail.headers["from"].ends_with(" <symbolon@example.com>"));
        let outside_quotes: String =
            mail.headers["to"].split('"').step_by(2).collect::<Vec<_>>().concat();
        if !hostile.contains('"') {
            assert_eq!(outside_quotes.matches('@').count(), 1, "{}", mail.headers["to"]);
        }
        assert!(!html.contains("<script"));
    }
}

#[test]
fn the_html_part_is_self_contained_and_accessible() {
    for (kind, _) in LetterKind::ALL {
        let html = message(&sample(kind)).reveal_html().to_owned();

        for banned in ["src=", "url(", "<img", "<script", "<link", "@import", "<form"] {
            assert!(!html.contains(banned), "{banned} in {kind:?}");
        }
        assert!(html.contains("<html lang=\"en\">"));
        assert_eq!(html.matches("<h1").count(), 1);
        assert!(html.contains("prefers-color-scheme: dark"));
    }
}

#[test]
fn what_a_client_calls_itself_is_escaped() {
    let html = message(&sample(LetterKind::RetiredTokenUsed)).reveal_html().to_owned();

    assert!(html.contains("jsforce/3.10 &#60;b&#62;&#34;&#38;"));
}

#[test]
fn a_letter_says_which_earlier_tokens_ended() {
    let says = |retired, scope, words: &str| {
        let contents = new_token_of("jane", "server", retired, scope);
        let flowing = message(&contents).reveal_text().replace('\n', " ");
        assert!(flowing.contains(words), "{flowing}");
    };

    says(0, Scope::Account, "07:00:05 UTC. There was none that still worked.");
    says(1, Scope::Account, "Every earlier token of your account, for every device type, ended at");
    says(3, Scope::Account, "There were 3: whatever still uses one of them is refused.");
    says(1, Scope::DeviceType, "Every earlier token for the device type server ended at");
    says(1, Scope::DeviceType, "Your tokens for other device types live on.");
}

#[test]
fn a_letter_without_a_name_still_greets() {
    let to = EmailAddress::parse("jane@localhost").unwrap();
    let envelope = Envelope { to: &to, name: None, letter: LETTER, dated: ASKED_AT, freeze: None };
    let message = compose(&letterhead(), &envelope, &new_token()).unwrap();

    assert!(message.reveal_text().starts_with("Hello,\n"));
    assert_eq!(Entity::read(raw_of(&message)).headers["to"], "jane@localhost");
}

#[test]
fn a_letterhead_without_a_host_composes_nothing() {
    let letterhead = Letterhead { public_url: "symbolon".to_owned(), ..letterhead() };
    let to = EmailAddress::parse("jane@example.com").unwrap();
    let envelope = Envelope { to: &to, name: None, letter: LETTER, dated: ASKED_AT, freeze: None };

    let error = compose(&letterhead, &envelope, &new_token()).unwrap_err();

    assert_eq!(error.to_string(), "the public URL has no host");
}

#[test]
fn neither_a_message_nor_its_contents_show_a_secret_in_debug_output() {
    let contents: Contents = new_token();
    let message = message(&contents);

    let shown = format!("{contents:?} {message:?}");

    assert!(!shown.contains("sbn") && !shown.contains("Zq3mV"), "{shown}");
}

#[test]
fn the_letters_of_a_rotation_say_what_works_until_when() {
    let notice = |change, asked_by| Contents::TokenChanged {
        username: Username::parse("jane.doe@example.com").unwrap(),
        change: TokenChange::Rotation(change),
        device_type: DeviceType::any(),
        asked_by,
        source: None,
        asked_at: ASKED_AT,
        retired: 0,
        scope: Scope::DeviceType,
    };
    let (expires_at, until) = (IN_A_YEAR, ASKED_AT + Duration::from_hours(24));
    let begun = RotationStep::Begun { expires_at, until };
    let mut token = new_token();
    if let Contents::NewToken { outgoing_until, .. } = &mut token {
        *outgoing_until = Some(until);
    }

    for (name, contents) in [
        ("token", token),
        ("begun", notice(begun, AskedBy::Owner)),
        ("used", notice(RotationStep::Used, AskedBy::Rotation)),
        ("timed-out", notice(RotationStep::TimedOut, AskedBy::Rotation)),
        ("cancelled", notice(RotationStep::Cancelled, AskedBy::Administrator)),
    ] {
        let message = message(&contents);
        let text = format!("Subject: {}\n\n{}", message.subject(), message.reveal_text());
        insta::assert_snapshot!(format!("rotation-{name}.text"), text);
    }
}

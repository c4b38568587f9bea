//! The dates at which tokens die, as a calendar file (RFC 5545).
//!
//! The identifier of an event hangs on the token alone, so that a later letter about the same token moves
//! the event and adds none. Instants are in UTC: the reader's calendar shows them in its own zone.

use std::fmt::Write as _;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token};

use crate::contents::{Contents, TimeLeft};
use crate::letterhead::{Letterhead, host_of};
use crate::wording::age::reset_for;

/// RFC 5545 §3.1, in octets and without the line break.
const LONGEST_LINE: usize = 75;

/// One date.
struct Event {
    token: Id<Token>,
    at: Timestamp,
    summary: String,
    description: String,
    link: String,
}

/// The calendar file that goes with a letter, its lines ended by LF; `None` where there is no date in it.
///
/// `dated` is the letter's own date, so that every attempt sends the same file.
pub(crate) fn of(letterhead: &Letterhead, contents: &Contents, dated: Timestamp) -> Option<String> {
    let org = &letterhead.organization;
    let url = letterhead.public_url.trim_end_matches('/');
    let reset = format!("{url}/setup/reset-security-token");
    let events: Vec<Event> = match contents {
        Contents::TokenReminder { username, device_type, token, expires_at, left, .. } => {
            if *left == TimeLeft::None {
                return None;
            }
            vec![Event {
                token: *token,
                at: *expires_at,
                summary: format!("{org} security token expires ({device_type})"),
                description: format!(
                    "The security token of {username} for the device type {device_type} is refused \
                     from now on. Reset it before:\n{reset}"
                ),
                link: reset,
            }]
        }
        Contents::WeeklyDigest { next, .. } => next
            .iter()
            .map(|token| {
                let link = reset_for(url, &token.username);
                Event {
                    token: token.token,
                    at: token.expires_at,
                    summary: format!(
                        "{org} security token of {} expires ({})",
                        token.username, token.device_type
                    ),
                    description: format!(
                        "Its owner is reminded by mail. Reset it for its owner:\n{link}"
                    ),
                    link,
                }
            })
            .collect(),
        Contents::NewToken { .. }
        | Contents::TokenChanged { .. }
        | Contents::Invitation { .. }
        | Contents::PasswordRecovery { .. }
        | Contents::PasswordChanged { .. }
        | Contents::AddressChangeOld { .. }
        | Contents::AddressChangeNew { .. }
        | Contents::AddressChanged { .. }
        | Contents::DeliveryChanged { .. }
        | Contents::DeliveryBegun { .. }
        | Contents::OpenpgpKeyChanged { .. }
        | Contents::RetiredTokenUsed { .. }
        | Contents::LockedOut { .. }
        | Contents::TokensFrozen { .. }
        | Contents::TokensUnfrozen { .. }
        | Contents::VerificationCode { .. }
        | Contents::CodesLocked { .. }
        | Contents::SecondFactorAdded { .. }
        | Contents::SecondFactorRemoved { .. }
        | Contents::RecoveryCodeUsed { .. }
        | Contents::TokenShared { .. }
        | Contents::TokenLeaked { .. } => return None,
    };
    let host = host_of(&letterhead.public_url)?;
    (!events.is_empty()).then(|| file(&events, host, dated))
}

fn file(events: &[Event], host: &str, dated: Timestamp) -> String {
    let mut file = String::new();
    let mut line = |text: &str| fold_into(&mut file, text);
    line("BEGIN:VCALENDAR");
    line("VERSION:2.0");
    line("PRODID:-//Symbolon//Security tokens//EN");
    line("CALSCALE:GREGORIAN");
    line("METHOD:PUBLISH");
    for event in events {
        let Event { token, at, summary, description, link } = event;
        let (summary, description) = (escaped(summary), escaped(description));
        line("BEGIN:VEVENT");
        line(&format!("UID:token-{token}@{host}"));
        line(&format!("DTSTAMP:{}", instant(dated)));
        line(&format!("DTSTART:{}", instant(*at)));
        line(&format!("SUMMARY:{summary}"));
        line(&format!("DESCRIPTION:{description}"));
        line(&format!("URL:{link}"));
        // It is a date to know, and no time during which anybody is busy.
        line("TRANSP:TRANSPARENT");
        line("BEGIN:VALARM");
        line("ACTION:DISPLAY");
        line(&format!("DESCRIPTION:{summary}"));
        line("TRIGGER:-P1D");
        line("END:VALARM");
        line("END:VEVENT");
    }
    line("END:VCALENDAR");
    file
}

/// RFC 5545 §3.3.5, form 2; the second that has surely not passed the instant.
fn instant(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.unix_ms() - at.unix_ms().rem_euclid(1000))
        .map_or_else(|_| at.to_string(), |civil| civil.strftime("%Y%m%dT%H%M%SZ").to_string())
}

/// RFC 5545 §3.3.11.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' | ';' | ',' => escaped.extend(['\\', character]),
            '\n' => escaped.push_str("\\n"),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// RFC 5545 §3.1: a long line is broken, never inside a character, and goes on after a blank.
fn fold_into(file: &mut String, text: &str) {
    let mut width = 0;
    for character in text.chars() {
        if width + character.len_utf8() > LONGEST_LINE {
            file.push_str("\n ");
            width = 1;
        }
        // Writing to a String cannot fail.
        let _ = file.write_char(character);
        width += character.len_utf8();
    }
    file.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_folded_at_75_octets_and_never_inside_a_character() {
        let text = format!("SUMMARY:{}{}", "x".repeat(66), "é".repeat(60));
        let mut folded = String::new();

        fold_into(&mut folded, &text);

        assert!(folded.lines().all(|line| line.len() <= 75), "{folded}");
        assert_eq!(folded.lines().count(), 3);
        assert_eq!(folded.replace("\n ", ""), format!("{text}\n"));
    }

    #[test]
    fn what_parts_and_ends_values_is_escaped() {
        assert_eq!(escaped("a;b,c\\d\ne:f"), "a\\;b\\,c\\\\d\\ne:f");
    }

    #[test]
    fn an_instant_is_never_written_later_than_it_is() {
        assert_eq!(instant(Timestamp::from_unix_ms(1_795_417_205_999)), "20261123T070005Z");
    }
}

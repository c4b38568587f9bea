//! What letters about mailed codes say: the code itself, and that too many wrong ones were entered.

use symbolon_core::Timestamp;
use symbolon_core::mailed_code::MailedCode;
use symbolon_core::names::{ClientName, DisplayName, Source, Username};

use super::{Block, Wording, client_name, deadline, event, fact, forgot_password, from, paragraph};
use crate::contents::CodeFor;

/// The code for a browser that is not known, or for who is to prove himself again.
pub(super) fn code<'a>(
    org: &DisplayName,
    url: &str,
    username: &'a Username,
    code: &'a MailedCode,
    (occasion, valid_until): (CodeFor, Timestamp),
    (client, source, asked_at): (&ClientName, Option<Source>, Timestamp),
) -> Wording<'a> {
    let opening = match occasion {
        CodeFor::Login => format!(
            "Somebody is logging in to {org} with your password, from a browser that you have not \
             used there before. If it is you, enter this code on the page that asks for it."
        ),
        CodeFor::Change => format!(
            "Somebody who is logged in to {org} as you is about to change something that matters. \
             If it is you, enter this code on the page that asks for it."
        ),
    };
    Wording {
        subject: format!("Your {org} verification code"),
        blocks: vec![
            paragraph(opening),
            Block::Code { username: username.as_str(), code: code.reveal() },
            paragraph("It works on that page alone. Nobody will ever ask you for it elsewhere."),
            Block::Facts(vec![
                fact("Browser", &client_name(client)),
                fact("Asked for from", &from(source)),
                fact("Asked for at", &event(asked_at)),
                fact("Code works", &format!("once, until {}", deadline(valid_until))),
            ]),
            Block::Heading("Was this not you?"),
            paragraph(
                "Then somebody knows your password: tell nobody this code, and choose a new \
                 password now.",
            ),
            forgot_password(url),
        ],
    }
}

/// Too many wrong codes: the entry of codes is locked for a while.
pub(super) fn locked<'a>(
    org: &DisplayName,
    url: &str,
    username: &Username,
    until: Timestamp,
    source: Option<Source>,
) -> Wording<'a> {
    Wording {
        subject: format!("Wrong codes for your {org} account"),
        blocks: vec![
            paragraph(format!(
                "Too many wrong codes were entered for your {org} account, by somebody who knows \
                 your password. For a while no code is accepted, not even a right one. Browsers \
                 that you have used before and passkeys still let you in."
            )),
            Block::Facts(vec![
                fact("Username", username),
                fact("Locked until", &event(until)),
                fact("Last wrong code from", &from(source)),
            ]),
            paragraph("Was this not you? Then choose a new password, and tell your administrator."),
            forgot_password(url),
        ],
    }
}

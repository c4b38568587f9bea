//! What letters about second factors say: one was added, one or all are gone, a recovery code was used.

use symbolon_core::Timestamp;
use symbolon_core::factor::Factor;
use symbolon_core::names::{DisplayName, Source, Username};
use symbolon_core::recovery_code::FEW;

use super::{Block, Fact, Wording, event, fact, from, paragraph};
use crate::contents::AskedBy;

/// A second factor was enrolled, or recovery codes were made anew.
pub(super) fn added<'a>(
    org: &DisplayName,
    url: &str,
    username: &Username,
    factor: Factor,
    name: Option<&DisplayName>,
    source: Option<Source>,
    at: Timestamp,
) -> Wording<'a> {
    let (subject, opening) = match factor {
        Factor::RecoveryCode => (
            format!("New recovery codes for your {org} account"),
            format!(
                "New recovery codes were made for your {org} account. Those that were made before \
                 no longer work."
            ),
        ),
        Factor::Password
        | Factor::Authenticator
        | Factor::Passkey
        | Factor::SecurityToken
        | Factor::MailedCode
        | Factor::Link => (
            format!("A second factor was added to your {org} account"),
            format!(
                "A second factor was added to your {org} account. From now on it can be used to \
                 log in beside your password."
            ),
        ),
    };
    let facts = facts(username, Some(factor), name, ("Added from", "Added at"), source, at);
    Wording {
        subject,
        blocks: vec![
            paragraph(opening),
            Block::Facts(facts),
            Block::Heading("Was this not you?"),
            paragraph(
                "Then somebody else can log in as you. Remove it under Second Factors, change your \
                 password, reset your security token, and tell your administrator.",
            ),
            second_factors(url),
        ],
    }
}

/// A second factor was removed, or all of them.
pub(super) fn removed<'a>(
    org: &DisplayName,
    url: &str,
    username: &Username,
    (factor, name): (Option<Factor>, Option<&DisplayName>),
    asked_by: AskedBy,
    source: Option<Source>,
    at: Timestamp,
) -> Wording<'a> {
    let which = if factor.is_some() { "A second factor was" } else { "All second factors were" };
    let by = match asked_by {
        AskedBy::Administrator => "an administrator",
        AskedBy::Owner
        | AskedBy::Recovery
        | AskedBy::PasswordChange
        | AskedBy::Bearer
        | AskedBy::Rotation
        | AskedBy::Disuse => "you",
    };
    let mut facts = facts(username, factor, name, ("Removed from", "Removed at"), source, at);
    facts.push(fact("Removed by", by));
    let left = match factor {
        Some(_) => "It is asked for no longer, and no code of it is accepted.",
        None => {
            "Your authenticator apps, passkeys and recovery codes are accepted no longer. Your \
             password still is: enroll a second factor again soon."
        }
    };
    Wording {
        subject: format!("{which} removed from your {org} account"),
        blocks: vec![
            paragraph(format!("{which} removed from your {org} account. {left}")),
            Block::Facts(facts),
            Block::Heading("Was this not you?"),
            paragraph(
                "Then change your password, reset your security token, and tell your administrator.",
            ),
            second_factors(url),
        ],
    }
}

/// A recovery code was used.
pub(super) fn code_used<'a>(
    org: &DisplayName,
    url: &str,
    username: &Username,
    left: u32,
    source: Option<Source>,
    at: Timestamp,
) -> Wording<'a> {
    let count = match left {
        0 => "It was the last one.".to_owned(),
        1 => "One is left.".to_owned(),
        left => format!("{left} are left."),
    };
    let advice = if left <= FEW {
        " Make new ones under Second Factors: without any, a lost phone keeps you out of your account."
    } else {
        ""
    };
    Wording {
        subject: format!("A recovery code of your {org} account was used"),
        blocks: vec![
            paragraph(format!(
                "A recovery code of your {org} account was used to prove that it is you. It works \
                 no longer. {count}{advice}"
            )),
            Block::Facts(vec![
                fact("Username", username),
                fact("Used from", &from(source)),
                fact("Used at", &event(at)),
            ]),
            Block::Heading("Was this not you?"),
            paragraph(
                "Then somebody has your recovery codes and your password. Change your password, \
                 make new recovery codes, reset your security token, and tell your administrator.",
            ),
            second_factors(url),
        ],
    }
}

fn facts(
    username: &Username,
    factor: Option<Factor>,
    name: Option<&DisplayName>,
    (from_label, at_label): (&'static str, &'static str),
    source: Option<Source>,
    at: Timestamp,
) -> Vec<Fact> {
    let mut facts = vec![fact("Username", username)];
    facts.extend(factor.map(|factor| fact("Kind", kind(factor))));
    facts.extend(name.map(|name| fact("Name", name)));
    facts.extend([fact(from_label, &from(source)), fact(at_label, &event(at))]);
    facts
}

fn kind(factor: Factor) -> &'static str {
    match factor {
        Factor::Authenticator => "authenticator app",
        Factor::RecoveryCode => "recovery codes",
        Factor::Password
        | Factor::Passkey
        | Factor::SecurityToken
        | Factor::MailedCode
        | Factor::Link => factor.word(),
    }
}

fn second_factors<'a>(url: &str) -> Block<'a> {
    Block::Action {
        label: "Open Second Factors",
        address: format!("{url}/setup/second-factors").into(),
    }
}

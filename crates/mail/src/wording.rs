//! What every letter says, in words: a subject and a row of blocks.
//!
//! Both parts of a mail are made of the same blocks (`templates/letter.txt`, `letter.html`), so
//! they cannot tell different things. Text from outside stands in facts, one line each, and never
//! at the beginning of a line: nobody can forge the two lines that programs look for.

pub(crate) mod age;
mod codes;
mod delivery;
mod factors;
mod freeze;
mod leak;
mod rotation;
mod sharing;

use std::borrow::Cow;

use symbolon_core::Timestamp;
use symbolon_core::foreign_text::without_links;
use symbolon_core::judge::Ended;
use symbolon_core::names::{ClientName, DeviceType, DisplayName, Source, Username};
use symbolon_core::reset::Scope;

use crate::contents::{AskedBy, Contents, TokenChange};
use crate::letterhead::Letterhead;
use crate::link::Link;

/// Columns of the text part.
const WIDTH: usize = 72;

/// The words of one letter.
pub(crate) struct Wording<'a> {
    pub(crate) subject: String,
    pub(crate) blocks: Vec<Block<'a>>,
}

/// A piece of a letter. Secrets are borrowed, so that no copy outlives the letter.
pub(crate) enum Block<'a> {
    Heading(&'static str),
    Paragraph(Paragraph),
    /// The two lines of contract §4.
    Credentials {
        username: &'a str,
        token: &'a str,
    },
    /// A line that programs look for, as that of the token is.
    Code {
        username: &'a str,
        code: &'a str,
    },
    Facts(Vec<Fact>),
    Action {
        label: &'static str,
        address: Cow<'a, str>,
    },
}

/// A line of a list of facts.
pub(crate) struct Fact {
    pub(crate) label: &'static str,
    pub(crate) value: String,
}

/// Running text.
pub(crate) struct Paragraph(String);

impl Paragraph {
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// The text broken between words into lines of at most 72 columns.
    pub(crate) fn wrapped(&self) -> String {
        let mut wrapped = String::with_capacity(self.0.len());
        let mut column = 0;
        for word in self.0.split(' ') {
            let width = word.chars().count();
            if column == 0 {
                column = width;
            } else if column + 1 + width > WIDTH {
                wrapped.push('\n');
                column = width;
            } else {
                wrapped.push(' ');
                column += 1 + width;
            }
            wrapped.push_str(word);
        }
        wrapped
    }
}

/// Finds the words for `contents`.
#[expect(clippy::too_many_lines, reason = "a table with one entry for each kind of letter")]
pub(crate) fn of<'a>(letterhead: &Letterhead, contents: &'a Contents) -> Wording<'a> {
    let org = &letterhead.organization;
    let url = letterhead.public_url.trim_end_matches('/');
    match contents {
        Contents::NewToken {
            token,
            username,
            device_type,
            asked_by,
            source,
            asked_at,
            expires_at,
            retired,
            scope,
            outgoing_until,
            frozen_at,
        } => Wording {
            subject: format!("Your new {org} security token"),
            blocks: vec![
                paragraph(format!(
                    "Here is your new {org} security token. {}",
                    freeze::from_when_on_it_works(*frozen_at)
                )),
                Block::Credentials { username: username.as_str(), token: token.reveal() },
                paragraph(
                    "This mail is the only time that the token is shown. Put it where you keep \
                     passwords, then delete this mail.",
                ),
                Block::Heading("How to use it"),
                paragraph(
                    "When a program logs in with a password alone, enter your password followed \
                     directly by the token, with nothing in between. When it has a field of its \
                     own for the security token, put the token there.",
                ),
                Block::Heading("About this token"),
                Block::Facts(vec![
                    fact("Device type", device_type),
                    fact("Asked for by", by(*asked_by)),
                    fact("Asked for from", &from(*source)),
                    fact("Asked for at", &event(*asked_at)),
                    fact("Expires at", &deadline(*expires_at)),
                ]),
                Block::Heading("Earlier tokens"),
                paragraph(match outgoing_until {
                    Some(until) => rotation::lives_on(device_type, *until),
                    None => earlier_tokens(*scope, *retired, device_type, *asked_at),
                }),
            ],
        },
        Contents::TokenChanged {
            username,
            change,
            device_type,
            asked_by,
            source,
            asked_at,
            retired,
            scope,
        } => token_changed(
            org,
            *change,
            vec![
                fact("Username", username),
                fact("Device type", device_type),
                fact("Changed by", by(*asked_by)),
                fact("Changed from", &from(*source)),
                fact("Changed at", &event(*asked_at)),
            ],
            earlier_tokens(*scope, *retired, device_type, *asked_at),
        ),
        Contents::Invitation { username, invited_by, link, valid_until } => Wording {
            subject: format!("Welcome to {org}: choose your password"),
            blocks: vec![
                paragraph(format!(
                    "An account was made for you at {org}. Choose a password and it is yours."
                )),
                Block::Facts(
                    std::iter::once(fact("Username", username))
                        .chain(invited_by.as_ref().map(|name| fact("Invited by", name)))
                        .chain([fact("Log in at", url), link_validity(*valid_until)])
                        .collect(),
                ),
                action("Choose my password", link),
                paragraph("If you did not expect this mail, ignore it and nothing happens."),
            ],
        },
        Contents::PasswordRecovery { username, source, asked_at, link, valid_until } => Wording {
            subject: format!("Choose a new password for {org}"),
            blocks: vec![
                paragraph(format!(
                    "Somebody, most likely you, has told us that the password of your {org} \
                     account is forgotten. You can choose a new one."
                )),
                Block::Facts(vec![
                    fact("Username", username),
                    fact("Asked for from", &from(*source)),
                    fact("Asked for at", &event(*asked_at)),
                    link_validity(*valid_until),
                ]),
                action("Choose a new password", link),
                paragraph("If this was not you, ignore this mail: your password stays as it is."),
            ],
        },
        Contents::PasswordChanged { username, asked_by, source, changed_at } => Wording {
            subject: format!("Your {org} password was changed"),
            blocks: vec![
                paragraph(format!("The password of your {org} account was changed.")),
                changed(username, *asked_by, *source, *changed_at),
                Block::Heading("Was this not you?"),
                paragraph(
                    "Then take your account back: choose a new password, reset your security \
                     token, and tell your administrator.",
                ),
                forgot_password(url),
            ],
        },
        Contents::AddressChangeOld {
            username,
            new_address,
            source,
            asked_at,
            link,
            valid_until,
        } => Wording {
            subject: format!("Do you want a new e-mail address for your {org} account?"),
            blocks: vec![
                paragraph(format!(
                    "Somebody who knows your password wants the mail of your {org} account to go \
                     to another address. That happens only if you agree."
                )),
                Block::Facts(vec![
                    fact("Username", username),
                    fact("New address", &new_address.masked()),
                    fact("Asked for from", &from(*source)),
                    fact("Asked for at", &event(*asked_at)),
                    link_validity(*valid_until),
                ]),
                action("Agree to the new address", link),
                paragraph(
                    "If this was not you, do not agree, and change your password now: somebody \
                     else knows it.",
                ),
            ],
        },
        Contents::AddressChangeNew { username, source, asked_at, link, valid_until } => Wording {
            subject: format!("Confirm your e-mail address for {org}"),
            blocks: vec![
                paragraph(format!(
                    "The mail of an account at {org} is to go to this address from now on. Please \
                     confirm that it is yours."
                )),
                Block::Facts(vec![
                    fact("Username", username),
                    fact("Asked for from", &from(*source)),
                    fact("Asked for at", &event(*asked_at)),
                    link_validity(*valid_until),
                ]),
                action("Confirm this address", link),
                paragraph("If you do not know this account, ignore this mail."),
            ],
        },
        Contents::AddressChanged {
            username,
            new_address,
            asked_by,
            source,
            changed_at,
            encrypted_to,
        } => {
            let mut blocks = vec![
                paragraph(format!(
                    "The mail of your {org} account now goes to {}. This is the last one that \
                     comes to the old address.",
                    new_address.masked()
                )),
                changed(username, *asked_by, *source, *changed_at),
            ];
            blocks.extend(encrypted_to.as_deref().map(delivery::stays_encrypted));
            blocks.push(paragraph("Was this not you? Then tell your administrator at once."));
            let subject = format!("The e-mail address of your {org} account was changed");
            Wording { subject, blocks }
        }
        Contents::DeliveryChanged {
            username,
            delivery,
            asked_by,
            source,
            changed_at,
            encrypted_to,
        } => {
            let changed = changed(username, *asked_by, *source, *changed_at);
            delivery::changed(org, delivery.as_ref(), changed, encrypted_to.as_deref())
        }
        Contents::DeliveryBegun { username, asked_by, changed_at } => {
            delivery::begun(org, username, *asked_by, *changed_at)
        }
        Contents::OpenpgpKeyChanged {
            username,
            fingerprint,
            before,
            asked_by,
            source,
            changed_at,
        } => Wording {
            subject: match (before, fingerprint) {
                (None, _) => format!("An OpenPGP key was added to your {org} account"),
                (Some(_), Some(_)) => format!("The OpenPGP key of your {org} account was changed"),
                (Some(_), None) => format!("The OpenPGP key of your {org} account was removed"),
            },
            blocks: vec![
                paragraph(match fingerprint {
                    Some(_) => format!(
                        "From now on the mail with a new {org} security token of this account is \
                         encrypted to the OpenPGP key below. Whoever has its secret part can read it."
                    ),
                    None => format!(
                        "From now on the mail with a new {org} security token of this account is not \
                         encrypted."
                    ),
                }),
                Block::Facts(
                    [("Key", fingerprint), ("Key before", before)]
                        .into_iter()
                        .filter_map(|(label, key)| Some(fact(label, key.as_ref()?)))
                        .collect(),
                ),
                changed(username, *asked_by, *source, *changed_at),
            ],
        },
        Contents::RetiredTokenUsed { username, ended, client, source, seen_at } => {
            let (which, how, remedy, end) = match ended {
                Ended::Retired(at, cause) => (
                    "A retired",
                    "had already been retired".to_owned(),
                    "give it your current token",
                    vec![fact("Retired at", &event(*at)), fact("Retired by", cause.word())],
                ),
                Ended::Expired(at) => (
                    "An expired",
                    format!("expired on {}", day(*at)),
                    "reset your security token and give it the new one",
                    vec![fact("Expired at", &event(*at))],
                ),
            };
            let used = vec![
                fact("Username", username),
                fact("Client", &client_name(client)),
                fact("Used from", &from(*source)),
                fact("Used at", &event(*seen_at)),
            ];
            Wording {
                subject: format!("{which} {org} security token is still in use"),
                blocks: vec![
                    paragraph(format!(
                        "Something tried to log in to {org} with a security token of yours that \
                         {how}. It was refused, and it does not lock your \
                         account."
                    )),
                    Block::Facts(used.into_iter().chain(end).collect()),
                    paragraph(format!(
                        "If that client is yours, {remedy}. If it is not, \
                         somebody holds an old token of yours: it is worthless now, but find out \
                         how it got there. Your Login History shows every such login.",
                    )),
                    Block::Action { label: "Log in", address: format!("{url}/login").into() },
                ],
            }
        }
        Contents::LockedOut { username, until, source } => Wording {
            subject: format!("Your {org} account is locked for a while"),
            blocks: vec![
                paragraph(format!(
                    "Too many logins to your {org} account have failed. For a while every login \
                     is refused, even with the right password. The lock ends by itself; an \
                     administrator can lift it earlier."
                )),
                Block::Facts(vec![
                    fact("Username", username),
                    fact("Locked until", &event(*until)),
                    fact("Last failure from", &from(*source)),
                ]),
                paragraph(
                    "Was this not you? Then somebody is guessing your password: tell your \
                     administrator.",
                ),
            ],
        },
        Contents::VerificationCode {
            username,
            code,
            occasion,
            client,
            source,
            asked_at,
            valid_until,
        } => {
            let what = (*occasion, *valid_until);
            codes::code(org, url, username, code, what, (client, *source, *asked_at))
        }
        Contents::CodesLocked { username, until, source } => {
            codes::locked(org, url, username, *until, *source)
        }
        Contents::SecondFactorAdded { username, factor, name, source, at } => {
            factors::added(org, url, username, *factor, name.as_ref(), *source, *at)
        }
        Contents::SecondFactorRemoved { username, factor, name, asked_by, source, at } => {
            factors::removed(org, url, username, (*factor, name.as_ref()), *asked_by, *source, *at)
        }
        Contents::RecoveryCodeUsed { username, left, source, at } => {
            factors::code_used(org, url, username, *left, *source, *at)
        }
        Contents::TokenShared { username, owner, device_type, evidence, frozen, at } => {
            let to = (username, owner.as_ref());
            sharing::token_shared(org, url, to, device_type, evidence, (*frozen, *at))
        }
        Contents::TokenLeaked { username, device_type, seen, reporter, source, at } => {
            let of = (username, device_type);
            leak::token_leaked(org, url, of, seen, (*reporter, *source, *at))
        }
        Contents::TokenReminder { username, device_type, expires_at, left, uses, .. } => {
            age::reminder(org, url, username, device_type, (*left, *expires_at), uses)
        }
        Contents::WeeklyDigest { tally, next } => age::digest(org, url, *tally, next),
        Contents::TokensFrozen { username, at, source } => {
            freeze::frozen(org, url, username, *source, *at)
        }
        Contents::TokensUnfrozen { username, asked_by, source, at } => {
            freeze::unfrozen(org, url, username, *asked_by, *source, *at)
        }
    }
}

fn token_changed<'a>(
    org: &DisplayName,
    change: TokenChange,
    mut facts: Vec<Fact>,
    earlier_tokens: String,
) -> Wording<'a> {
    let (verb, opening) = match change {
        TokenChange::Reset { expires_at } => {
            facts.push(fact("New token expires at", &deadline(expires_at)));
            ("changed", " This notice does not hold the new one: that came in a mail of its own.")
        }
        TokenChange::Revoked => ("revoked", " There is no new one."),
        TokenChange::Rotation(step) => return rotation::step_of_rotation(org, step, facts),
    };
    Wording {
        subject: format!("Your {org} security token was {verb}"),
        blocks: vec![
            paragraph(format!("A security token of your {org} account was {verb}.{opening}")),
            Block::Facts(facts),
            paragraph(earlier_tokens),
            paragraph(
                "Was this not you? Then change your password, reset your security token, and \
                 tell your administrator.",
            ),
        ],
    }
}

fn earlier_tokens(scope: Scope, retired: u32, device_type: &DeviceType, at: Timestamp) -> String {
    let (which, others) = match scope {
        Scope::Account => ("of your account, for every device type,".to_owned(), ""),
        Scope::DeviceType => (
            format!("for the device type {device_type}"),
            " Your tokens for other device types live on.",
        ),
    };
    let at = event(at);
    let count = match retired {
        0 => " There was none that still worked.".to_owned(),
        1 => " It was one: whatever still uses it is refused.".to_owned(),
        n => format!(" There were {n}: whatever still uses one of them is refused."),
    };
    format!("Every earlier token {which} ended at {at}.{count}{others}")
}

fn changed<'a>(
    username: &Username,
    asked_by: AskedBy,
    source: Option<Source>,
    changed_at: Timestamp,
) -> Block<'a> {
    Block::Facts(vec![
        fact("Username", username),
        fact("Changed by", by(asked_by)),
        fact("Changed from", &from(source)),
        fact("Changed at", &event(changed_at)),
    ])
}

fn paragraph<'a>(text: impl Into<String>) -> Block<'a> {
    Block::Paragraph(Paragraph(text.into()))
}

fn fact(label: &'static str, value: &(impl ToString + ?Sized)) -> Fact {
    Fact { label, value: value.to_string() }
}

/// The end of every letter that tells of something done to an account.
pub(crate) fn it_was_not_me(link: &Link) -> [Block<'_>; 3] {
    [
        Block::Heading("It wasn't me"),
        paragraph(
            "Then freeze your tokens: no token of the account is accepted any more, and every session \
             ends. The link opens a page that asks for one confirming click. It works once and needs \
             no login.",
        ),
        action("Freeze my tokens", link),
    ]
}

fn action<'a>(label: &'static str, link: &'a Link) -> Block<'a> {
    Block::Action { label, address: Cow::Borrowed(link.reveal()) }
}

fn forgot_password<'a>(url: &str) -> Block<'a> {
    Block::Action {
        label: "Choose a new password",
        address: Cow::Owned(format!("{url}/forgot-password")),
    }
}

fn link_validity(until: Timestamp) -> Fact {
    fact("Link works", &format!("once, until {}", deadline(until)))
}

fn by(asked_by: AskedBy) -> &'static str {
    match asked_by {
        AskedBy::Owner => "you, with your password",
        AskedBy::Administrator => "an administrator",
        AskedBy::Recovery => "you, with the link for a forgotten password",
        AskedBy::PasswordChange => "a change of your password",
        AskedBy::Bearer => "somebody who had the token itself",
        AskedBy::Rotation => "the rotation that was asked for before",
        AskedBy::Disuse => "nobody: it was not used for longer than its device type allows",
    }
}

fn from(source: Option<Source>) -> String {
    source.map_or_else(|| "the server itself".to_owned(), |source| source.to_string())
}

/// What a client calls itself, which anybody may send: no program is to make a link of it.
fn client_name(client: &ClientName) -> String {
    if client.as_str().is_empty() {
        return "unknown".to_owned();
    }
    without_links(client.as_str())
}

/// When something happened, to the second: `23 November 2026, 07:00:05 UTC`.
fn event(at: Timestamp) -> String {
    written(at, "%-d %B %Y, %H:%M:%S UTC")
}

/// When something ends, to the minute that has surely not passed it: `23 November 2026, 07:00 UTC`.
fn deadline(at: Timestamp) -> String {
    written(at, "%-d %B %Y, %H:%M UTC")
}

/// The day on which something ends, in UTC: `23 November 2026`.
fn day(at: Timestamp) -> String {
    at.day()
}

fn written(at: Timestamp, format: &str) -> String {
    jiff::Timestamp::from_millisecond(at.unix_ms())
        .map_or_else(|_| at.to_string(), |civil| civil.strftime(format).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_is_broken_between_words_and_never_inside_one() {
        let long = "x".repeat(WIDTH + 1);
        let paragraph = Paragraph(format!("{} b {long} c", "a".repeat(WIDTH - 2)));

        let expected = format!("{} b\n{long}\nc", "a".repeat(WIDTH - 2));
        assert_eq!(paragraph.wrapped(), expected);
    }

    #[test]
    fn a_deadline_is_never_written_later_than_it_is() {
        let at = Timestamp::from_unix_ms(1_795_417_259_999);

        assert_eq!(deadline(at), "23 November 2026, 07:00 UTC");
        assert_eq!(event(at), "23 November 2026, 07:00:59 UTC");
    }
}

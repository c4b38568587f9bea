//! The receipt of a reset: where the mail went and how it fares. Never the token.

use std::str::FromStr;

use askama::Template;
use http::StatusCode;
use symbolon_app::context::Switch;
use symbolon_app::follow_up::{self, FollowUp, Followed, Whereabouts};
use symbolon_app::reset::{self, MailView, ReceiptView};
use symbolon_app::tokens::{self, Rotation};
use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::judge::RetirementCause;
use symbolon_core::letter::LetterState;
use symbolon_core::names::DeviceType;

use crate::pages::view::frame::Frame;
use crate::pages::view::letter_words::{state_badge, state_words};
use crate::pages::view::moment::{counted, moment, plain, span};
use crate::pages::web::access::LoggedIn;
use crate::pages::web::answer::{Answer, Page};
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;
use crate::pages::web::visit::Visit;

#[derive(Template)]
#[template(path = "receipt.html")]
struct ReceiptPage {
    frame: Frame,
    /// How the letter fares, while it is remembered.
    mail: Option<MailRow>,
    here: String,
    /// Until when the old token lives on at most, where a rotation lets it.
    old_until: Option<Timestamp>,
    follow_up: FollowUp,
    clients: Vec<ClientRow>,
    receipt: ReceiptView,
}

/// How the letter fares.
struct MailRow {
    badge: &'static str,
    state: &'static str,
    masked_address: String,
    words: String,
    under_way: bool,
    offers_new_reset: bool,
}

impl MailRow {
    fn of(mail: MailView, retired: Option<RetirementCause>, configured: Switch) -> Self {
        Self {
            badge: state_badge(mail.state),
            state: state_words(mail.state),
            words: mail_words(&mail, retired, configured),
            under_way: is_under_way(mail.state),
            offers_new_reset: never_arrives(mail.state),
            masked_address: mail.masked_address,
        }
    }
}

/// A client that used what was replaced, and what became of it.
#[derive(Debug)]
struct ClientRow {
    client: String,
    source: String,
    badge: &'static str,
    state: &'static str,
    words: String,
}

impl Page for ReceiptPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/reset-security-token/receipt/{token}`
pub(crate) async fn show(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(token): InPath<String>,
) -> Answer {
    let token = Id::<Token>::from_str(&token).map_err(|_| Failure::NoSuchPage)?;
    let mut receipt = reset::receipt(&visit.ctx, session.user, token).await?;
    let configured = visit.ctx.settings.mail_configured;
    let retired = receipt.retired.map(|(_, cause)| cause);
    let mail = receipt.mail.take().map(|mail| MailRow::of(mail, retired, configured));
    let follow_up = follow_up::of_token(&visit.ctx, session.user, token).await?;
    let now = visit.ctx.clock.now();
    let rows = follow_up.clients.iter().map(|client| row(client, &receipt.device_type, now));
    let page = ReceiptPage {
        frame: Frame::for_session(&visit, &session, "Security Token Reset").await?,
        mail,
        here: visit.path.clone(),
        old_until: old_until(&visit, session.user, token).await?,
        clients: rows.collect(),
        follow_up,
        receipt,
    };
    Ok(page.answer(StatusCode::OK))
}

/// Until when the token that this one comes in place of lives on, if it does still.
async fn old_until(
    visit: &Visit,
    user: Id<User>,
    token: Id<Token>,
) -> Result<Option<Timestamp>, Failure> {
    match tokens::one_of_user(&visit.ctx, user, token).await?.rotation {
        Some(Rotation::Incoming(old)) => {
            Ok(Some(tokens::one_of_user(&visit.ctx, user, old).await?.expires_at))
        }
        Some(Rotation::Outgoing(_)) | None => Ok(None),
    }
}

fn row(followed: &Followed, new: &DeviceType, now: Timestamp) -> ClientRow {
    let (badge, state) = match followed.whereabouts {
        Whereabouts::OnRetired { .. } => ("badge bad", "still on the retired token"),
        Whereabouts::OnOld { .. } => ("badge going", "still on the old token"),
        Whereabouts::NotSeen => ("badge", "not seen since"),
        Whereabouts::Back { .. } => ("badge good", "came back"),
    };
    ClientRow {
        client: followed.client.clone(),
        source: followed.source.clone(),
        badge,
        state,
        words: words_of(followed, new, now),
    }
}

/// How many have come back.
fn back_words(follow_up: &FollowUp) -> String {
    let all = counted(follow_up.clients.len() as u64, "client");
    match follow_up.missing() {
        0 => format!("Of {all} of the earlier tokens each has come back with a new one."),
        1 => format!("Of {all} of the earlier tokens 1 has not come back with a new one yet."),
        more => {
            format!("Of {all} of the earlier tokens {more} have not come back with a new one yet.")
        }
    }
}

/// What became of a client, after the words of its badge.
fn words_of(followed: &Followed, new: &DeviceType, now: Timestamp) -> String {
    let ago = |at: Timestamp| format!("{} ago", span(now.since(at)));
    match &followed.whereabouts {
        Whereabouts::OnRetired { last_at, times, back_at } => {
            let tries = counted(u64::try_from(*times).unwrap_or(0), "try").replace("trys", "tries");
            let back = back_at.map_or_else(String::new, |at| {
                format!("; the same client came back with the new token at {}", plain(at))
            });
            format!("last try {}, {tries} in all{back}", ago(*last_at))
        }
        Whereabouts::OnOld { last_at } => {
            format!("by the token or a session that it opened, last {}", ago(*last_at))
        }
        Whereabouts::NotSeen => match followed.before {
            Some(before) => format!("it used the earlier token last at {}", plain(before)),
            None => String::new(),
        },
        Whereabouts::Back { at, device_type } if device_type == new => {
            format!("with the new token at {}", plain(*at))
        }
        Whereabouts::Back { at, device_type } => {
            format!("with the token of device type {device_type} at {}", plain(*at))
        }
    }
}

/// Whether another look can show anything else.
fn is_under_way(state: LetterState) -> bool {
    match state {
        LetterState::Waiting | LetterState::Leased => true,
        LetterState::HandedOver
        | LetterState::Superseded
        | LetterState::Refused
        | LetterState::TooOld => false,
    }
}

fn never_arrives(state: LetterState) -> bool {
    match state {
        LetterState::Refused | LetterState::TooOld => true,
        LetterState::Waiting
        | LetterState::Leased
        | LetterState::HandedOver
        | LetterState::Superseded => false,
    }
}

/// Whether another token took the place of one that was retired for this cause.
fn has_later_token(cause: RetirementCause) -> bool {
    match cause {
        RetirementCause::Reset
        | RetirementCause::AdminReset
        | RetirementCause::PasswordChange
        | RetirementCause::Rotation => true,
        RetirementCause::Revoked
        | RetirementCause::Recovery
        | RetirementCause::UserRemoved
        | RetirementCause::Unused
        | RetirementCause::Leaked
        | RetirementCause::RotationCancelled => false,
    }
}

/// How the mail of a token fares that lives, or was retired for a cause, in whole sentences.
fn mail_words(mail: &MailView, retired: Option<RetirementCause>, configured: Switch) -> String {
    let when = mail.ended_at.map(plain).unwrap_or_default();
    let reply = mail.reply.as_deref().unwrap_or_default();
    match mail.state {
        LetterState::Waiting if configured == Switch::Off => {
            "No mail server is configured here yet: the mail waits until an administrator configures one."
                .to_owned()
        }
        LetterState::Waiting if mail.attempts == 0 => {
            "The mail waits to be sent. That takes moments.".to_owned()
        }
        LetterState::Waiting => {
            let next = mail.next_try_at.map(plain).unwrap_or_default();
            format!("The mail server did not take it yet and said “{reply}”. Next try: {next}.")
        }
        LetterState::Leased => "It is being handed to the mail server right now.".to_owned(),
        LetterState::HandedOver => format!("Handed over to the mail server at {when}."),
        LetterState::Refused => format!(
            "Refused because “{reply}”, at {when}. The token in it is lost: check your email \
             address in My Personal Information, then start a new reset."
        ),
        LetterState::TooOld => format!(
            "Given up at {when}: for three days no mail server took it. The token in it is lost: start a new reset."
        ),
        LetterState::Superseded => {
            let later = match retired.filter(|cause| has_later_token(*cause)) {
                Some(_) => " The mail of the later token counts.",
                None => "",
            };
            format!("Not sent: this token was retired before its mail could leave.{later}")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn mail(state: LetterState) -> MailView {
        let at = Timestamp::from_unix_ms(1_795_417_200_000);
        MailView {
            masked_address: "j•••@e•••.com".to_owned(),
            state,
            ended_at: Some(at),
            attempts: 1,
            next_try_at: Some(at),
            reply: Some("550 no such mailbox".to_owned()),
        }
    }

    #[test]
    fn a_refused_mail_is_told_in_the_servers_words_and_offers_a_new_reset() {
        let words = mail_words(&mail(LetterState::Refused), None, Switch::On);

        assert!(words.contains("Refused because “550 no such mailbox”"));
        assert!(never_arrives(LetterState::Refused));
    }

    #[test]
    fn mail_that_waits_for_want_of_a_server_is_not_called_a_matter_of_moments() {
        let words = mail_words(&mail(LetterState::Waiting), None, Switch::Off);

        assert!(words.starts_with("No mail server is configured"));
    }

    #[test]
    fn a_mail_that_was_not_sent_names_a_later_one_where_there_is_one() {
        let words = |cause| mail_words(&mail(LetterState::Superseded), cause, Switch::On);
        let ends = "Not sent: this token was retired before its mail could leave.";

        for cause in [RetirementCause::Reset, RetirementCause::Rotation] {
            assert_eq!(words(Some(cause)), format!("{ends} The mail of the later token counts."));
        }
        for cause in
            [RetirementCause::RotationCancelled, RetirementCause::Revoked, RetirementCause::Leaked]
        {
            assert_eq!(words(Some(cause)), ends);
        }
    }

    #[test]
    fn a_client_on_the_retired_token_is_told_with_its_last_try() {
        let now = Timestamp::from_unix_ms(1_795_417_200_000);
        let last_at = now - Duration::from_mins(3);
        let followed = Followed {
            client: "jsforce".to_owned(),
            source: "10.1.2.3".to_owned(),
            before: None,
            whereabouts: Whereabouts::OnRetired { last_at, times: 2, back_at: None },
        };

        let row = row(&followed, &DeviceType::any(), now);

        assert_eq!(row.state, "still on the retired token");
        assert_eq!(row.words, "last try 3 minutes ago, 2 tries in all");
    }
}

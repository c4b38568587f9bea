//! The receipt of a reset: where the mail went and how it fares. Never the token.

use std::str::FromStr;

use askama::Template;
use http::StatusCode;
use symbolon_app::context::Switch;
use symbolon_app::reset::{self, ReceiptView};
use symbolon_core::id::{Id, Token};
use symbolon_core::letter::LetterState;

use crate::pages::view::frame::Frame;
use crate::pages::view::letter_words::{state_badge, state_words};
use crate::pages::view::moment::{moment, plain};
use crate::pages::web::access::LoggedIn;
use crate::pages::web::answer::{Answer, Page};
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;
use crate::pages::web::visit::Visit;

#[derive(Template)]
#[template(path = "receipt.html")]
struct ReceiptPage {
    frame: Frame,
    badge: &'static str,
    state: &'static str,
    words: String,
    under_way: bool,
    offers_new_reset: bool,
    here: String,
    receipt: ReceiptView,
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
    let receipt = reset::receipt(&visit.ctx, session.user, token).await?;
    let page = ReceiptPage {
        frame: Frame::for_session(&visit, &session, "Security Token Reset").await?,
        badge: state_badge(receipt.mail_state),
        state: state_words(receipt.mail_state),
        words: mail_words(&receipt, visit.ctx.settings.mail_configured),
        under_way: is_under_way(receipt.mail_state),
        offers_new_reset: never_arrives(receipt.mail_state),
        here: visit.path.clone(),
        receipt,
    };
    Ok(page.answer(StatusCode::OK))
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

/// How the mail fares, in whole sentences.
fn mail_words(receipt: &ReceiptView, mail: Switch) -> String {
    let when = receipt.mail_ended_at.map(plain).unwrap_or_default();
    let reply = receipt.mail_reply.as_deref().unwrap_or_default();
    match receipt.mail_state {
        LetterState::Waiting if mail == Switch::Off => {
            "No mail server is configured here yet: the mail waits until an administrator configures one."
                .to_owned()
        }
        LetterState::Waiting if receipt.mail_attempts == 0 => {
            "The mail waits to be sent. That takes moments.".to_owned()
        }
        LetterState::Waiting => {
            let next = receipt.mail_next_try_at.map(plain).unwrap_or_default();
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
            "Not sent: this token was retired before its mail could leave. The mail of the later reset counts."
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use symbolon_core::Timestamp;
    use symbolon_core::names::DeviceType;

    use super::*;

    fn receipt(mail_state: LetterState) -> ReceiptView {
        let at = Timestamp::from_unix_ms(1_795_417_200_000);
        ReceiptView {
            token: Id::from_raw(1),
            device_type: DeviceType::any(),
            issued_at: at,
            expires_at: at,
            retired_at: None,
            masked_address: "j•••@e•••.com".to_owned(),
            mail_state,
            mail_ended_at: Some(at),
            mail_attempts: 1,
            mail_next_try_at: Some(at),
            mail_reply: Some("550 no such mailbox".to_owned()),
        }
    }

    #[test]
    fn a_refused_mail_is_told_in_the_servers_words_and_offers_a_new_reset() {
        let words = mail_words(&receipt(LetterState::Refused), Switch::On);

        assert!(words.contains("Refused because “550 no such mailbox”"));
        assert!(never_arrives(LetterState::Refused));
    }

    #[test]
    fn mail_that_waits_for_want_of_a_server_is_not_called_a_matter_of_moments() {
        let words = mail_words(&receipt(LetterState::Waiting), Switch::Off);

        assert!(words.starts_with("No mail server is configured"));
    }
}

//! What letters about a freeze of an account's tokens say.

use symbolon_core::Timestamp;
use symbolon_core::names::{DisplayName, Source, Username};

use super::{Block, Wording, by, event, fact, forgot_password, from, paragraph};
use crate::contents::AskedBy;

/// Since when the token of a mail is accepted, where a reset by somebody else has left a freeze as it was.
pub(super) fn from_when_on_it_works(frozen_at: Option<Timestamp>) -> String {
    match frozen_at {
        None => "It works at once.".to_owned(),
        Some(at) => format!(
            "The tokens of your account have been frozen since {}, so it works only once that is lifted: \
             by you under My Personal Information, or by an administrator.",
            event(at)
        ),
    }
}

/// The link "It wasn't me" was used.
pub(super) fn frozen<'a>(
    org: &DisplayName,
    url: &str,
    username: &Username,
    source: Option<Source>,
    at: Timestamp,
) -> Wording<'a> {
    Wording {
        subject: format!("Your {org} security tokens are frozen"),
        blocks: vec![
            paragraph(format!(
                "A link in one of our mails was used to freeze your {org} account's security tokens. \
                 None of them is accepted any more, every session has ended, and no browser is known \
                 any more."
            )),
            Block::Facts(vec![
                fact("Username", username),
                fact("Frozen from", &from(source)),
                fact("Frozen at", &event(at)),
            ]),
            paragraph(
                "If somebody else had done what that mail told of, they may know your password: choose \
                 a new one, then reset your security token, which lifts the freeze. Your administrator \
                 can help.",
            ),
            forgot_password(url),
        ],
    }
}

/// The freeze was lifted, by the owner or for him.
pub(super) fn unfrozen<'a>(
    org: &DisplayName,
    url: &str,
    username: &Username,
    lifted_by: AskedBy,
    source: Option<Source>,
    at: Timestamp,
) -> Wording<'a> {
    Wording {
        subject: format!("Your {org} security tokens are accepted again"),
        blocks: vec![
            paragraph(format!(
                "The freeze of your {org} account's security tokens was lifted. Those that have \
                 neither expired nor been ended meanwhile are accepted again."
            )),
            Block::Facts(vec![
                fact("Username", username),
                fact("Lifted by", by(lifted_by)),
                fact("Lifted from", &from(source)),
                fact("Lifted at", &event(at)),
            ]),
            paragraph(
                "If a token may be in wrong hands, reset every earlier token of the account.",
            ),
            Block::Action { label: "Tokens", address: format!("{url}/setup/tokens").into() },
        ],
    }
}

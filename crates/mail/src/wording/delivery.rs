//! What letters about the delivery contact say, and about the key that does not change with whoever reads the mail.

use symbolon_core::Timestamp;
use symbolon_core::names::{DisplayName, EmailAddress, Username};

use super::{Block, Wording, by, event, fact, paragraph};
use crate::contents::AskedBy;

/// Mail with a token goes to another address: `delivery`, or the account's own.
pub(super) fn changed<'a>(
    org: &DisplayName,
    delivery: Option<&EmailAddress>,
    changed: Block<'a>,
    encrypted_to: Option<&str>,
) -> Wording<'a> {
    let opening = match delivery {
        Some(to) => format!(
            "From now on the mail with a new {org} security token of this account goes to {}. Every other \
             mail still goes to the account's own address.",
            to.masked()
        ),
        None => format!(
            "From now on the mail with a new {org} security token of this account goes to the account's \
             own address again."
        ),
    };
    let mut blocks = vec![paragraph(opening), changed];
    blocks.extend(encrypted_to.map(stays_encrypted));
    Wording { subject: format!("{org} security tokens are delivered elsewhere now"), blocks }
}

/// The same to the new contact, whom nobody has proved yet.
pub(super) fn begun<'a>(
    org: &DisplayName,
    username: &Username,
    asked_by: AskedBy,
    changed_at: Timestamp,
) -> Wording<'a> {
    Wording {
        subject: format!("{org} security tokens will be delivered to you"),
        blocks: vec![
            paragraph(format!(
                "From now on the mail with a new {org} security token of the account below comes to \
                 this address, for whoever looks after what uses it."
            )),
            Block::Facts(vec![
                fact("Username", username),
                fact("Chosen by", by(asked_by)),
                fact("Chosen at", &event(changed_at)),
            ]),
            paragraph(
                "If you do not know this account, tell whoever runs it that its mail comes to the \
                 wrong address.",
            ),
        ],
    }
}

/// The reader of mail with a token has changed, and the key has not.
pub(super) fn stays_encrypted<'a>(fingerprint: &str) -> Block<'a> {
    paragraph(format!(
        "That mail stays encrypted to the OpenPGP key {fingerprint}: whoever reads it now needs the secret part \
         of that key. If he has another one, replace the key under My Personal Information, or remove it. \
         Until then no token can be read there."
    ))
}

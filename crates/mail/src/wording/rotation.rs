//! What letters say of a rotation: two tokens for a while, and how that ends.

use symbolon_core::Timestamp;
use symbolon_core::names::{DeviceType, DisplayName};

use super::{Fact, Wording, deadline, fact, paragraph};
use crate::contents::RotationStep;
use crate::wording::Block;

/// Of the mail with a new token: what becomes of the one before.
pub(super) fn lives_on(device_type: &DeviceType, until: Timestamp) -> String {
    format!(
        "Your earlier token for the device type {device_type} works on until this one is first used, and \
         no longer than until {}. Until then the rotation can be cancelled under Tokens. Your tokens for \
         other device types live on.",
        deadline(until)
    )
}

/// A notice of one step of a rotation.
pub(super) fn step_of_rotation<'a>(
    org: &DisplayName,
    step: RotationStep,
    mut facts: Vec<Fact>,
) -> Wording<'a> {
    let (verb, told) = match step {
        RotationStep::Begun { expires_at, until } => {
            facts.push(fact("New token expires at", &deadline(expires_at)));
            facts.push(fact("Old token ends at the latest", &deadline(until)));
            (
                "is being rotated",
                "A new token was made; it came in a mail of its own. The old one works on until the new \
                 one is first used. If that mail did not arrive, cancel the rotation under Tokens, and the \
                 old token keeps its life.",
            )
        }
        RotationStep::Used => (
            "was rotated",
            "The new token was used for the first time, and the old one ended at that moment. Whatever \
             still uses the old one is refused.",
        ),
        RotationStep::TimedOut => (
            "was rotated",
            "The overlap is over: the old token has ended, and the new one has not been used yet. Whatever \
             still uses the old one is refused.",
        ),
        RotationStep::Cancelled => (
            "was not rotated",
            "The rotation was cancelled: the new token has ended before it was used, and the old one works \
             on as if there had been none.",
        ),
    };
    Wording {
        subject: format!("Your {org} security token {verb}"),
        blocks: vec![
            paragraph(format!("A security token of your {org} account {verb}.")),
            Block::Facts(facts),
            paragraph(told),
            paragraph(
                "Was this not you? Then change your password, reset your security token, and \
                 tell your administrator.",
            ),
        ],
    }
}

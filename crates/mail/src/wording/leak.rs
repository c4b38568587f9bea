//! What the letter about a leaked token says: where it was seen, and that it is dead.

use symbolon_core::Timestamp;
use symbolon_core::leak::{Reporter, Sighting};
use symbolon_core::names::{DeviceType, DisplayName, Source, Username};

use super::{Block, Wording, event, fact, from, paragraph};

/// Somebody found a token and said so; it has been ended.
pub(super) fn token_leaked<'a>(
    org: &DisplayName,
    url: &str,
    (username, device_type): (&Username, &DeviceType),
    seen: &Sighting,
    (reporter, source, at): (Reporter, Option<Source>, Timestamp),
) -> Wording<'a> {
    let reported_by = match reporter {
        Reporter::Anyone => "somebody who had found it",
        Reporter::GitHub => "the secret scanning of GitHub",
    };
    Wording {
        subject: format!("Your {org} security token was leaked and has been ended"),
        blocks: vec![
            paragraph(format!(
                "A security token of your {org} account was found where others can read it. It was \
                 ended at once, with the sessions that it had opened. There is no new one."
            )),
            Block::Facts(vec![
                fact("Username", username),
                fact("Device type", device_type),
                fact("Seen at", &seen.without_links().unwrap_or_else(|| "not said".to_owned())),
                fact("Reported by", reported_by),
                fact("Reported from", &from(source)),
                fact("Ended at", &event(at)),
            ]),
            paragraph(
                "What is said about the place is the finder's word, and it is written so that no \
                 program makes a link of it: look at such a page with care. Remove the token there, \
                 and see what else lies beside it, your password above all.",
            ),
            paragraph(
                "Whatever used the token is refused now. Reset your security token to get a new one \
                 for it.",
            ),
            Block::Action {
                label: "Reset Security Token",
                address: format!("{url}/setup/reset-security-token").into(),
            },
        ],
    }
}

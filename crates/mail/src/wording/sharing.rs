//! What the letters about a token that looks shared say: to its owner, and to administrators.

use symbolon_core::Timestamp;
use symbolon_core::foreign_text::without_links;
use symbolon_core::names::{DeviceType, DisplayName, Username};

use super::{Block, Wording, event, fact, paragraph};

/// A token looks shared; `owner` is named to administrators alone.
pub(super) fn token_shared<'a>(
    org: &DisplayName,
    url: &str,
    (username, owner): (&Username, Option<&Username>),
    device_type: &DeviceType,
    evidence: &[String],
    (frozen, at): (Option<Timestamp>, Timestamp),
) -> Wording<'a> {
    let subject = match owner {
        None => format!("Your {org} security token looks shared"),
        Some(owner) => format!("{org}: a security token of {owner} looks shared"),
    };
    let mut facts = vec![
        fact("Username", owner.unwrap_or(username)),
        fact("Device type", device_type),
        fact("Noticed at", &event(at)),
    ];
    // Names of clients stand in it.
    facts.extend(evidence.iter().map(|seen| fact("Seen", &without_links(seen))));
    facts.extend(frozen.map(|frozen| fact("All tokens frozen at", &event(frozen))));
    let advice = match owner {
        None => {
            "If it was you alone, mark it as a false alarm on the page Tokens: you are not warned of the \
             same again. If it was not, reset your security token. A token is for one person and one \
             device type; whoever else needs one asks for his own."
        }
        Some(_) => {
            "The owner has been told the same. You or he can mark it as a false alarm; it is then not \
             raised again."
        }
    };
    let path = if owner.is_none() { "/setup/tokens" } else { "/setup/sharing-signals" };
    let label = if owner.is_none() { "Tokens" } else { "Sharing Signals" };
    Wording {
        subject,
        blocks: vec![
            paragraph(
                "A security token was used in a way that one person with one device hardly can. It is a \
                 suspicion and no proof.",
            ),
            Block::Facts(facts),
            paragraph(advice),
            Block::Action { label, address: format!("{url}{path}").into() },
        ],
    }
}

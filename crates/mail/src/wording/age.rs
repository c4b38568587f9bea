//! What letters about the age of tokens say: that one dies soon, and the weekly digest of all.

use std::borrow::Cow;

use symbolon_core::Timestamp;
use symbolon_core::names::{DeviceType, DisplayName, Username};

use super::{Block, Fact, Wording, client_name, day, deadline, event, fact, paragraph};
use crate::contents::{ExpiringToken, Tally, TimeLeft, TokenUse};

/// The reminder.
pub(super) fn reminder<'a>(
    org: &DisplayName,
    url: &str,
    username: &Username,
    device_type: &DeviceType,
    (left, expires_at): (TimeLeft, Timestamp),
    uses: &[TokenUse],
) -> Wording<'a> {
    let (subject, opening) = match left {
        TimeLeft::None => (
            format!("Your {org} security token has expired"),
            format!(
                "A security token of your {org} account has expired: whatever uses it is refused. \
                 Reset it, and the new one works at once."
            ),
        ),
        TimeLeft::Days(days) => {
            let days = if days == 1 { "one day".to_owned() } else { format!("{days} days") };
            (
                format!("Your {org} security token expires on {}", day(expires_at)),
                format!(
                    "A security token of your {org} account expires in {days} at most. From then on \
                     whatever uses it is refused. Reset it before that, when it suits you: the new \
                     one works at once, and the old one ends with the reset."
                ),
            )
        }
    };
    let mut blocks = vec![
        paragraph(opening),
        Block::Facts(vec![
            fact("Username", username),
            fact("Device type", device_type),
            fact("Expires at", &deadline(expires_at)),
        ]),
        Block::Heading("What uses it"),
    ];
    if uses.is_empty() {
        blocks.push(paragraph("Nothing has used it of late."));
    } else {
        blocks.push(paragraph("These will need the new token, the latest first:"));
        blocks
            .push(Block::Facts(uses.iter().map(|each| fact("Used by", &use_line(each))).collect()));
    }
    blocks.push(Block::Action {
        label: "Reset Security Token",
        address: Cow::Owned(format!("{url}/setup/reset-security-token")),
    });
    if left != TimeLeft::None {
        blocks.push(paragraph("The attached file puts the date into your calendar."));
    }
    Wording { subject, blocks }
}

/// The digest for administrators.
pub(super) fn digest<'a>(
    org: &DisplayName,
    url: &str,
    tally: Tally,
    next: &[ExpiringToken],
) -> Wording<'a> {
    let mut blocks = vec![
        paragraph(format!("This is how the security tokens of {org} stand this week.")),
        Block::Facts(vec![
            fact("Expire within 30 days", &tally.expiring),
            fact("Expired within 30 days", &tally.expired),
            fact("Never used in 30 days", &tally.never_used),
            fact("Users without second factor", &tally.without_second_factor),
        ]),
    ];
    if next.is_empty() {
        blocks.push(paragraph("No token expires within 30 days. Their owners have nothing to do."));
    } else {
        blocks.push(Block::Heading("Next to expire"));
        blocks.push(paragraph(
            "Their owners are reminded by mail. You can reset a token for its owner, who gets the new \
             one. The attached file puts the dates into your calendar.",
        ));
        for token in next {
            blocks.push(Block::Facts(facts_of(token)));
            blocks.push(Block::Action {
                label: "Reset Security Token",
                address: Cow::Owned(reset_for(url, &token.username)),
            });
        }
    }
    blocks.push(Block::Heading("The tokens of everybody"));
    blocks.push(Block::Action {
        label: "All Tokens",
        address: Cow::Owned(format!("{url}/setup/all-tokens")),
    });
    Wording { subject: format!("{org} security tokens this week"), blocks }
}

/// The page on which an administrator resets a user's token. No username has a character that would have to be
/// escaped in a path.
pub(crate) fn reset_for(url: &str, username: &Username) -> String {
    format!("{url}/setup/users/{username}/reset-security-token")
}

fn facts_of(token: &ExpiringToken) -> Vec<Fact> {
    let ExpiringToken { username, device_type, expires_at, uses, .. } = token;
    let mut facts = vec![
        fact("Username", username),
        fact("Device type", device_type),
        fact("Expires at", &deadline(*expires_at)),
    ];
    if uses.is_empty() {
        facts.push(fact("Used by", "nothing of late"));
    }
    facts.extend(uses.iter().map(|each| fact("Used by", &use_line(each))));
    facts
}

fn use_line(each: &TokenUse) -> String {
    let from = each.source.map_or_else(String::new, |source| format!(" from {source}"));
    format!("{}{from}, last on {}", client_name(&each.client), event(each.last_at))
}

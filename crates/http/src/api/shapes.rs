//! Tokens as programs read them: in lists, and one with everything that is known of it. The command line reads the
//! same.

use serde::Serialize;
use symbolon_app::follow_up::{FollowUp, Followed, Whereabouts};
use symbolon_app::leaks::LeakView;
use symbolon_app::reset::MailView;
use symbolon_app::tokens::{Freeze, Issuer, Provenance, Rotation, TokenUse, TokenView};
use symbolon_app::whole_token::WholeToken;
use symbolon_core::Timestamp;

use crate::control::sharing::SignalShape;

/// A token in a list.
#[derive(Serialize)]
pub(crate) struct TokenShape {
    pub(crate) id: String,
    device_type: String,
    state: &'static str,
    issued_at: String,
    issued: IssueShape,
    expires_at: String,
    last_used_at: Option<String>,
    /// When it dies if nobody uses it until then.
    idle_end: Option<String>,
    frozen: Option<FreezeShape>,
    retired_at: Option<String>,
    retired_cause: Option<&'static str>,
    /// `outgoing` or `incoming`, while a rotation is under way.
    rotation: Option<&'static str>,
    /// The other token of that rotation.
    rotation_partner: Option<String>,
    uses: Vec<UseShape>,
}

/// How a token came to be.
#[derive(Serialize)]
struct IssueShape {
    cause: &'static str,
    scope: &'static str,
    by: &'static str,
    administrator: Option<String>,
    source: Option<String>,
}

/// What keeps a token from being accepted, and who can lift it.
#[derive(Serialize)]
struct FreezeShape {
    since: String,
    rule: &'static str,
}

/// A client that uses a token, or still tries to.
#[derive(Serialize)]
pub(crate) struct UseShape {
    client: String,
    source: String,
    network: String,
    first_at: String,
    last_at: String,
    times: i64,
    /// Its kind, where that is plainly another than the token is for.
    another_kind: Option<&'static str>,
}

/// A token with everything that is known of it.
#[derive(Serialize)]
pub(crate) struct WholeShape {
    #[serde(flatten)]
    token: TokenShape,
    user: String,
    /// Until when the old token of a rotation lives on at most.
    outgoing_until: Option<String>,
    mail: Option<MailShape>,
    follow_up: FollowUpShape,
    sharing_signals: Vec<SignalShape>,
    leaks: Vec<LeakShape>,
}

/// How the letter of a token fares.
#[derive(Serialize)]
struct MailShape {
    to: String,
    state: &'static str,
    attempts: u32,
    next_try_at: Option<String>,
    ended_at: Option<String>,
    last_reply: Option<String>,
}

/// Who has come back.
#[derive(Serialize)]
struct FollowUpShape {
    missing: usize,
    clients: Vec<FollowedShape>,
    newcomers: Vec<UseShape>,
}

/// What became of one client.
#[derive(Serialize)]
struct FollowedShape {
    client: String,
    source: String,
    last_used_before: Option<String>,
    whereabouts: &'static str,
    /// Its last try or use of the old token, or its first use of a new one.
    at: Option<String>,
    /// How often it has tried the retired token.
    tries: Option<i64>,
    /// The device type of the token that it came back with.
    back_with: Option<String>,
}

/// Where a token was found.
#[derive(Serialize)]
struct LeakShape {
    seen: String,
    reporter: &'static str,
    at: String,
}

impl From<TokenView> for TokenShape {
    fn from(token: TokenView) -> Self {
        let (part, partner) = match token.rotation {
            Some(Rotation::Outgoing(new)) => (Some("outgoing"), Some(new)),
            Some(Rotation::Incoming(old)) => (Some("incoming"), Some(old)),
            None => (None, None),
        };
        Self {
            id: token.token.to_string(),
            device_type: token.device_type.to_string(),
            state: token.state.word(),
            issued_at: token.issued_at.rfc3339(),
            issued: token.provenance.into(),
            expires_at: token.expires_at.rfc3339(),
            last_used_at: token.last_used_at.map(Timestamp::rfc3339),
            idle_end: token.idle_end.map(Timestamp::rfc3339),
            frozen: token.freeze.map(FreezeShape::from),
            retired_at: token.retired.map(|(at, _)| at.rfc3339()),
            retired_cause: token.retired.map(|(_, cause)| cause.word()),
            rotation: part,
            rotation_partner: partner.map(|partner| partner.to_string()),
            uses: token.uses.into_iter().map(UseShape::from).collect(),
        }
    }
}

impl From<Provenance> for IssueShape {
    fn from(provenance: Provenance) -> Self {
        let Provenance { cause, scope, by, source } = provenance;
        let (word, scope, cause) = (by.word(), scope.word(), cause.word());
        let administrator = match by {
            Issuer::Administrator(name) => Some(name.to_string()),
            Issuer::Owner | Issuer::Operator => None,
        };
        Self { cause, scope, by: word, administrator, source }
    }
}

impl From<Freeze> for FreezeShape {
    fn from(freeze: Freeze) -> Self {
        Self { since: freeze.since().rfc3339(), rule: freeze.rule() }
    }
}

impl From<TokenUse> for UseShape {
    fn from(used: TokenUse) -> Self {
        Self {
            client: used.client,
            source: used.source,
            network: used.network,
            first_at: used.first_at.rfc3339(),
            last_at: used.last_at.rfc3339(),
            times: used.times,
            another_kind: used.another_kind.map(|kinds| kinds.client.word()),
        }
    }
}

impl From<WholeToken> for WholeShape {
    fn from(whole: WholeToken) -> Self {
        Self {
            user: whole.token.username.to_string(),
            token: whole.token.into(),
            outgoing_until: whole.outgoing_until.map(Timestamp::rfc3339),
            mail: whole.mail.map(MailShape::from),
            follow_up: whole.follow_up.into(),
            sharing_signals: whole.signals.into_iter().map(SignalShape::from).collect(),
            leaks: whole.leaks.iter().map(LeakShape::from).collect(),
        }
    }
}

impl From<MailView> for MailShape {
    fn from(mail: MailView) -> Self {
        Self {
            to: mail.masked_address,
            state: mail.state.word(),
            attempts: mail.attempts,
            next_try_at: mail.next_try_at.map(Timestamp::rfc3339),
            ended_at: mail.ended_at.map(Timestamp::rfc3339),
            last_reply: mail.reply,
        }
    }
}

impl From<FollowUp> for FollowUpShape {
    fn from(follow_up: FollowUp) -> Self {
        Self {
            missing: follow_up.missing(),
            clients: follow_up.clients.into_iter().map(FollowedShape::from).collect(),
            newcomers: follow_up.newcomers.into_iter().map(UseShape::from).collect(),
        }
    }
}

impl From<Followed> for FollowedShape {
    fn from(followed: Followed) -> Self {
        let whereabouts = followed.whereabouts.word();
        let (at, tries, back_with) = match followed.whereabouts {
            Whereabouts::OnRetired { last_at, times, .. } => (Some(last_at), Some(times), None),
            Whereabouts::OnOld { last_at } => (Some(last_at), None, None),
            Whereabouts::NotSeen => (None, None, None),
            Whereabouts::Back { at, device_type } => {
                (Some(at), None, Some(device_type.to_string()))
            }
        };
        Self {
            client: followed.client,
            source: followed.source,
            last_used_before: followed.before.map(Timestamp::rfc3339),
            whereabouts,
            at: at.map(Timestamp::rfc3339),
            tries,
            back_with,
        }
    }
}

impl From<&LeakView> for LeakShape {
    fn from(leak: &LeakView) -> Self {
        Self {
            seen: leak.seen.as_str().to_owned(),
            reporter: leak.reporter.word(),
            at: leak.at.rfc3339(),
        }
    }
}

//! What a reset would break, as programs read it.

use serde::Serialize;
use symbolon_app::Rule;
use symbolon_app::breakage::{Breakage, ClientOutlook, Fate, Outlook};
use symbolon_core::Timestamp;
use symbolon_core::reset::Scope;

/// What a reset would break.
#[derive(Serialize)]
pub(crate) struct BreakageShape {
    user: String,
    scope: &'static str,
    device_type: String,
    since: String,
    obstacle: Option<Rule>,
    tokens: Vec<OutlookShape>,
}

/// What would become of one token.
#[derive(Serialize)]
pub(crate) struct OutlookShape {
    id: String,
    device_type: String,
    issued_at: String,
    expires_at: String,
    last_used_at: Option<String>,
    ends: bool,
    open_sessions: u64,
    clients: Vec<ClientShape>,
}

/// What would become of one client.
#[derive(Serialize)]
pub(crate) struct ClientShape {
    client: String,
    source: String,
    network: String,
    first_at: String,
    last_at: String,
    times: i64,
    another_kind: Option<&'static str>,
    outcome: &'static str,
}

impl From<Breakage> for BreakageShape {
    fn from(breakage: Breakage) -> Self {
        Self {
            user: breakage.username.to_string(),
            scope: match breakage.scope {
                Scope::Account => "account",
                Scope::DeviceType => "device-type",
            },
            device_type: breakage.device_type.to_string(),
            since: breakage.since.rfc3339(),
            obstacle: breakage.obstacle,
            tokens: breakage.tokens.into_iter().map(OutlookShape::from).collect(),
        }
    }
}

impl From<Outlook> for OutlookShape {
    fn from(outlook: Outlook) -> Self {
        Self {
            id: outlook.token.to_string(),
            device_type: outlook.device_type.to_string(),
            issued_at: outlook.issued_at.rfc3339(),
            expires_at: outlook.expires_at.rfc3339(),
            last_used_at: outlook.last_used_at.map(Timestamp::rfc3339),
            ends: outlook.fate == Fate::Ends,
            open_sessions: outlook.open_sessions,
            clients: outlook.clients.into_iter().map(ClientShape::from).collect(),
        }
    }
}

impl From<ClientOutlook> for ClientShape {
    fn from(ClientOutlook { used, outcome }: ClientOutlook) -> Self {
        Self {
            client: used.client,
            source: used.source,
            network: used.network,
            first_at: used.first_at.rfc3339(),
            last_at: used.last_at.rfc3339(),
            times: used.times,
            another_kind: used.another_kind.map(|kinds| kinds.client.word()),
            outcome: outcome.word(),
        }
    }
}

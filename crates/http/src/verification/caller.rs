//! Who presents a credential, and the credential itself, out of the headers of a request.

use http::{HeaderMap, header};
use symbolon_app::login::Head;
use symbolon_app::verify::{Presented, Presenter, Question, Said};
use symbolon_core::names::Source;
use symbolon_wire::credential::{self, Credential};
use symbolon_wire::used_by::UsedBy;
use symbolon_wire::{HeaderLines, RequestHeader, session_id};

use crate::forwarded::{self, Contradiction};
use crate::origin::Connection;
use crate::state::HttpState;

/// The headers of an HTTP request, as `wire` reads them.
pub(super) struct Headers<'a> {
    all: &'a HeaderMap,
    /// Whether any name is one of ours. Seldom: then there is nothing to look for, name by name.
    any_of_ours: bool,
}

impl<'a> Headers<'a> {
    pub(super) fn of(all: &'a HeaderMap) -> Self {
        let any_of_ours = all.keys().any(|name| name.as_str().starts_with("x-symbolon-"));
        Self { all, any_of_ours }
    }

    /// Whether there are any that demand something.
    pub(super) fn any_of_ours(&self) -> bool {
        self.any_of_ours
    }
}

impl HeaderLines for Headers<'_> {
    fn lines(&self, header: RequestHeader) -> impl Iterator<Item = &[u8]> {
        let lines = match header {
            RequestHeader::Authorization => Some(self.all.get_all(header::AUTHORIZATION)),
            RequestHeader::ApiKey => Some(self.all.get_all(header.name())),
            RequestHeader::RequireDeviceType
            | RequestHeader::RequireProfile
            | RequestHeader::MinRevision
            | RequestHeader::DeadlineMs => {
                self.any_of_ours.then(|| self.all.get_all(header.name()))
            }
        };
        lines.into_iter().flatten().map(http::HeaderValue::as_bytes)
    }
}

/// Who presents, as far as the headers tell.
pub(super) fn presenter<'a>(
    state: &HttpState,
    head: Head,
    connection: Connection,
    headers: &'a HeaderMap,
) -> Presenter<'a> {
    let source = source_of(state, connection, headers);
    Presenter { head, source, client: Said::OfClient(agent_of(headers)) }
}

/// Who presented a credential to the verifier that asks about it. What the verifier does not tell is not
/// known: the connection and its headers are his own.
pub(super) fn presenter_to_verifier<'a>(
    state: &HttpState,
    head: Head,
    connection: Connection,
    headers: &'a HeaderMap,
    used_by: &'a UsedBy<'_>,
) -> Presenter<'a> {
    let source = match used_by.address {
        Some(address) => Said::OfClient(Source::new(address)),
        None => Said::OfAsker(asker(state, connection, headers)),
    };
    let client = match &used_by.agent {
        Some(agent) => Said::OfClient(agent.reveal().as_bytes()),
        None => Said::OfAsker(agent_of(headers)),
    };
    Presenter { head, source, client }
}

/// From where a verifier asks, as far as that is known.
pub(super) fn asker(state: &HttpState, connection: Connection, headers: &HeaderMap) -> Source {
    source_of(state, connection, headers).any()
}

/// From where a request comes.
///
/// # Security
/// Address rules are decided by it. Who asks is a proxy, and its own address is not its client's: unless it is
/// believed and names its client, and no other header of it contradicts that, nobody knows. Its address is
/// noted then, and opens nothing.
fn source_of(state: &HttpState, connection: Connection, headers: &HeaderMap) -> Said<Source> {
    let peer = connection.peer.ip();
    let trusted = &state.front.trusted_proxies;
    if trusted.is_empty() || !forwarded::is_trusted(peer, trusted) {
        return Said::OfAsker(Source::new(peer));
    }
    match forwarded::read(headers, peer, trusted) {
        Ok(said) if said.named => Said::OfClient(Source::new(said.source)),
        Ok(said) => Said::OfAsker(Source::new(said.source)),
        Err(Contradiction) => Said::OfAsker(Source::new(peer)),
    }
}

fn agent_of(headers: &HeaderMap) -> &[u8] {
    headers.get(header::USER_AGENT).map_or(&b""[..], |agent| agent.as_bytes())
}

/// The credential that is found; where it was decoded into memory of ours it lives in here.
#[derive(Debug)]
pub(super) struct Found<'a>(Option<Credential<'a>>);

impl<'a> Found<'a> {
    /// Looks for it; one that cannot be read is none.
    pub(super) fn among(headers: &'a impl HeaderLines) -> Self {
        Self(credential::find(headers).unwrap_or_default())
    }

    /// The question that it puts.
    pub(super) fn question(&self) -> Question<'_> {
        match &self.0 {
            Some(Credential::Bearer(text) | Credential::ApiKey(text)) => {
                Question { presented: presented(text.reveal()), username: None }
            }
            Some(Credential::Basic(pair)) => Question {
                presented: presented(pair.reveal_password()),
                username: Some(pair.username()),
            },
            None => Question { presented: None, username: None },
        }
    }

    /// The header that it stood in: what the service behind has no business to see.
    pub(super) fn header(&self) -> Option<&'static str> {
        match &self.0 {
            Some(Credential::Bearer(_) | Credential::Basic(_)) => {
                Some(RequestHeader::Authorization.name())
            }
            Some(Credential::ApiKey(_)) => Some(RequestHeader::ApiKey.name()),
            None => None,
        }
    }
}

/// What a text can be: a session id, or a security token of the right format. Anything else is refused
/// without being looked up.
pub(super) fn presented(text: &str) -> Option<Presented<'_>> {
    match session_id::secret_part(text) {
        Some(secret) => Some(Presented::Session(secret)),
        None => Presented::token(text),
    }
}

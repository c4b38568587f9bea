//! The configurations themselves, from their templates.

use askama::Template;

use super::demands::Demands;
use super::place::Place;

/// What is the same in every configuration.
#[derive(Debug)]
pub(super) struct Facts {
    /// Symbolon.
    pub(super) authority: Place,
    /// The service behind the proxy.
    pub(super) upstream: Place,
    pub(super) demands: Demands,
    pub(super) listen_port: u16,
}

/// The headers of Symbolon's answer that the upstream believes, all of them (contract §6). Each must
/// be set by the proxy whatever the client sent.
pub(super) const IDENTITY: [&str; 7] = [
    "Remote-User",
    "Remote-Email",
    "Remote-Name",
    "Remote-Groups",
    "X-Symbolon-Device-Type",
    "X-Symbolon-Expires-At",
    "X-Symbolon-Revision",
];

#[derive(Template)]
#[template(path = "proxy-config/nginx.conf", escape = "none")]
struct Nginx<'a> {
    facts: &'a Facts,
    identity: [NginxHeader; IDENTITY.len()],
}

/// An identity header as nginx names it.
struct NginxHeader {
    name: &'static str,
    /// What it is called in `$upstream_http_…`.
    answered: String,
    /// The variable that keeps it.
    kept: String,
}

#[derive(Template)]
#[template(path = "proxy-config/Caddyfile", escape = "none")]
struct Caddy<'a> {
    facts: &'a Facts,
    identity: [&'static str; IDENTITY.len()],
}

#[derive(Template)]
#[template(path = "proxy-config/traefik.yaml", escape = "none")]
struct Traefik<'a> {
    facts: &'a Facts,
    identity: [&'static str; IDENTITY.len()],
    other_spellings: Vec<String>,
}

#[derive(Template)]
#[template(path = "proxy-config/haproxy.cfg", escape = "none")]
struct Haproxy<'a> {
    facts: &'a Facts,
    lua: String,
}

#[derive(Template)]
#[template(path = "proxy-config/symbolon.lua", escape = "none")]
struct HaproxyScript<'a> {
    facts: &'a Facts,
    identity: [String; IDENTITY.len()],
}

#[derive(Template)]
#[template(path = "proxy-config/envoy.yaml", escape = "none")]
struct Envoy<'a> {
    facts: &'a Facts,
    identity: [String; IDENTITY.len()],
    over_grpc: bool,
}

pub(super) fn nginx(facts: &Facts) -> askama::Result<String> {
    let identity = IDENTITY.map(|name| {
        let answered = name.to_ascii_lowercase().replace('-', "_");
        let short =
            answered.strip_prefix("remote_").or_else(|| answered.strip_prefix("x_symbolon_"));
        let kept = format!("symbolon_{}", short.unwrap_or(&answered));
        NginxHeader { name, answered, kept }
    });
    Nginx { facts, identity }.render()
}

pub(super) fn caddy(facts: &Facts) -> askama::Result<String> {
    Caddy { facts, identity: IDENTITY }.render()
}

pub(super) fn traefik(facts: &Facts) -> askama::Result<String> {
    let other_spellings = IDENTITY.into_iter().flat_map(other_spellings).collect();
    Traefik { facts, identity: IDENTITY, other_spellings }.render()
}

/// With the script that asks, as comments.
pub(super) fn haproxy(facts: &Facts) -> askama::Result<String> {
    let lua = HaproxyScript { facts, identity: IDENTITY.map(str::to_ascii_lowercase) }.render()?;
    Haproxy { facts, lua }.render()
}

pub(super) fn envoy_over_http(facts: &Facts) -> askama::Result<String> {
    Envoy { facts, identity: IDENTITY.map(str::to_ascii_lowercase), over_grpc: false }.render()
}

pub(super) fn envoy_over_grpc(facts: &Facts) -> askama::Result<String> {
    Envoy { facts, identity: IDENTITY.map(str::to_ascii_lowercase), over_grpc: true }.render()
}

/// The header's name with `_` for some of its hyphens or all: what CGI and its heirs take for the
/// same header.
fn other_spellings(name: &'static str) -> impl Iterator<Item = String> {
    let mut words = name.split('-');
    let first = vec![words.next().unwrap_or_default().to_owned()];
    let spellings = words.fold(first, |begun, word| {
        begun
            .iter()
            .flat_map(|begun| ["-", "_"].map(|join| format!("{begun}{join}{word}")))
            .collect()
    });
    spellings.into_iter().filter(move |spelling| spelling != name)
}

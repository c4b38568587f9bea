//! What every handler needs at hand.

use std::sync::Arc;

use ipnet::IpNet;
use symbolon_app::Ctx;
use symbolon_mail::Mailbox;
use symbolon_wire::leaks::github::SigningKeys;

use crate::metrics::Metrics;

/// The state of the router. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpState {
    /// The authority.
    pub ctx: Ctx,
    /// How requests are taken.
    pub front: Arc<Front>,
}

/// How requests are taken: what is believed of them, and what is answered under.
#[derive(Debug)]
pub struct Front {
    /// Whose `X-Forwarded-For`, `X-Forwarded-Proto` and `Forwarded` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Host names that requests may come under, besides that of the public URL, loopback names and
    /// bare addresses.
    pub allowed_hosts: Vec<String>,
    /// The development mailbox, with `demo` alone. Shared with the courier, which fills it.
    pub mailbox: Option<Arc<Mailbox>>,
    /// The keys by which GitHub's secret scanning signs its alerts, where they are configured.
    pub secret_scanning_keys: Option<SigningKeys>,
    /// What is counted.
    pub metrics: Metrics,
}

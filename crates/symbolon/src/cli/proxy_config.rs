//! `proxy-config`: prints a configuration with which a proxy asks Symbolon about each request.
//!
//! Needs no running server: where Symbolon is comes from its configuration, its public URL or else
//! where it listens. What is printed is a whole file that the proxy takes as it is; the texts stand in
//! `templates/proxy-config`.

mod demands;
mod place;
mod snippet;

use std::path::Path;

use clap::{Args, ValueEnum};
use serde_json::json;
use symbolon_core::names::{DeviceType, DisplayName};

use super::args::ServeArgs;
use crate::config::Config;
use crate::config::listeners::{Listeners, TlsIdentity};
use crate::exit::{Exit, Failure};
use crate::out::Out;
use crate::serve::{PRIVATE_AUTHORITY, expected_public_url};
use demands::Demands;
use place::Place;
use snippet::Facts;

/// What `proxy-config` takes.
#[derive(Debug, Args)]
pub(crate) struct ProxyConfigArgs {
    /// Which proxy
    proxy: Proxy,
    /// The service behind the proxy, such as `http://127.0.0.1:9000`
    #[arg(long, value_name = "URL", value_parser = Place::parse)]
    upstream: Place,
    /// Admit credentials of this device type alone (may be repeated: any of them)
    #[arg(long, value_name = "TYPE", value_parser = DeviceType::parse)]
    device_type: Vec<DeviceType>,
    /// Admit users under this profile alone (may be repeated: any of them)
    #[arg(long, value_name = "NAME", value_parser = DisplayName::parse)]
    profile: Vec<DisplayName>,
    /// Let Envoy ask over gRPC
    #[arg(long)]
    grpc: bool,
    /// The port that the proxy listens on
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    listen_port: u16,
    #[command(flatten)]
    pub(super) symbolon: ServeArgs,
}

/// A proxy that can ask before it passes a request on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Proxy {
    Nginx,
    Caddy,
    Traefik,
    Haproxy,
    Envoy,
}

/// Prints the configuration.
///
/// # Errors
/// What was asked for cannot be written down for this proxy.
pub(super) fn print(args: ProxyConfigArgs, config: &Config, out: Out) -> Result<(), Failure> {
    if args.grpc && args.proxy != Proxy::Envoy {
        return Err(Failure::new(Exit::Usage, "--grpc is for envoy; the others ask over HTTP"));
    }
    let demands = Demands { device_types: args.device_type, profiles: args.profile };
    if let Some(name) = demands.unlistable().filter(|_| args.proxy == Proxy::Envoy) {
        let reason =
            format!("Envoy cannot tell a profile whose name has a comma: {}", name.as_str());
        return Err(Failure::new(Exit::Usage, reason));
    }
    let facts = Facts {
        authority: authority(&config.listeners, &config.data_dir)?,
        upstream: args.upstream,
        demands,
        listen_port: args.listen_port,
    };
    let text = match args.proxy {
        Proxy::Nginx => snippet::nginx(&facts),
        Proxy::Caddy => snippet::caddy(&facts),
        Proxy::Traefik => snippet::traefik(&facts),
        Proxy::Haproxy => snippet::haproxy(&facts),
        Proxy::Envoy if args.grpc => snippet::envoy_over_grpc(&facts),
        Proxy::Envoy => snippet::envoy_over_http(&facts),
    };
    let text = text.map_err(|error| Failure::because(Exit::Failed, "cannot write it", &error))?;
    let text = text.trim_end();
    let name = args.proxy.to_possible_value().map(|value| value.get_name().to_owned());
    out.data(&json!({ "proxy": name, "configuration": format!("{text}\n") }), |_| text.to_owned())
}

/// Where the proxy finds Symbolon: at its public URL, else where it listens. Plain HTTP is preferred
/// to HTTPS there, for it is made for proxies.
fn authority(listeners: &Listeners, data_dir: &Path) -> Result<Place, Failure> {
    let mut heard_of = listeners.clone();
    if listeners.http.is_some() {
        heard_of.tls = None;
    }
    let place = Place::parse(&expected_public_url(&heard_of))
        .map_err(|fault| Failure::new(Exit::Usage, format!("the public URL {fault}")))?;
    let tls = listeners.tls.as_ref().map(|listener| &listener.identity);
    if !place.is_tls() || !matches!(tls, Some(TlsIdentity::SelfSigned)) {
        return Ok(place.by_address());
    }
    let ca = std::path::absolute(data_dir.join(PRIVATE_AUTHORITY));
    let ca =
        ca.map_err(|error| Failure::because(Exit::Failed, "cannot find the data dir", &error))?;
    match ca.to_str().filter(|path| place::is_plain(path)) {
        Some(path) => Ok(place.vouched_for_by(path)),
        None => Err(Failure::new(
            Exit::Usage,
            format!("the path {} has characters that not every proxy reads", ca.display()),
        )),
    }
}

#[cfg(test)]
mod tests;

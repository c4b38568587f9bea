//! What a route demands beyond a good credential, in the three ways that proxies can tell it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use symbolon_core::names::{DeviceType, DisplayName};

/// All but the unreserved characters (RFC 3986 §2.3); none of these means anything to a proxy.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Device types and profiles, of each any one; none demands nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Demands {
    pub(super) device_types: Vec<DeviceType>,
    pub(super) profiles: Vec<DisplayName>,
}

impl Demands {
    pub(super) fn is_none(&self) -> bool {
        self.device_types.is_empty() && self.profiles.is_empty()
    }

    /// For the URL that the proxy asks: `?device_type=server&profile=Standard`, or nothing.
    pub(super) fn query(&self) -> String {
        if self.is_none() { String::new() } else { self.query_or_empty() }
    }

    /// The same with a `?` in any case.
    pub(super) fn query_or_empty(&self) -> String {
        let device_types =
            self.device_types.iter().map(|demanded| pair("device_type", demanded.as_str()));
        let profiles = self.profiles.iter().map(|demanded| pair("profile", demanded.as_str()));
        format!("?{}", device_types.chain(profiles).collect::<Vec<_>>().join("&"))
    }

    /// For Envoy over HTTP, whose question has no URL of its own: names and values of headers, the
    /// values as YAML.
    pub(super) fn headers(&self) -> Vec<(&'static str, String)> {
        // Envoy would take a single % for the beginning of a command.
        let all =
            self.lists().into_iter().map(|(kind, list)| (kind.header, list.replace('%', "%%")));
        all.map(|(name, list)| (name, yaml(&list))).collect()
    }

    /// For Envoy over gRPC: keys and values of context extensions, the values as YAML.
    pub(super) fn extensions(&self) -> Vec<(&'static str, String)> {
        self.lists().into_iter().map(|(kind, list)| (kind.extension, yaml(&list))).collect()
    }

    /// A profile that no list can have, for lists are parted by commas.
    pub(super) fn unlistable(&self) -> Option<&DisplayName> {
        self.profiles.iter().find(|name| name.as_str().contains(','))
    }

    fn lists(&self) -> Vec<(Kind, String)> {
        let device_types = self.device_types.iter().map(DeviceType::as_str).collect::<Vec<_>>();
        let profiles = self.profiles.iter().map(DisplayName::as_str).collect::<Vec<_>>();
        let mut lists = vec![(DEVICE_TYPE, device_types), (PROFILE, profiles)];
        lists.retain(|(_, names)| !names.is_empty());
        lists.into_iter().map(|(kind, names)| (kind, names.join(","))).collect()
    }
}

/// What lists of one kind are called where.
struct Kind {
    header: &'static str,
    extension: &'static str,
}

const DEVICE_TYPE: Kind =
    Kind { header: "X-Symbolon-Require-Device-Type", extension: "device_type" };
const PROFILE: Kind = Kind { header: "X-Symbolon-Require-Profile", extension: "profile" };

/// YAML takes every JSON string.
fn yaml(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn pair(key: &str, value: &str) -> String {
    format!("{key}={}", utf8_percent_encode(value, ENCODED))
}

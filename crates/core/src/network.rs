//! Trusted networks, from which an API login needs no security token, and login IP ranges, outside which
//! a login is refused.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use thiserror::Error;

use crate::names::Source;

/// An address range such as `10.1.0.0/16` or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpNet);

/// A text that is no address range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be an address or a range such as 10.1.0.0/16 or 2001:db8::/32")]
pub struct NetworkError;

impl Network {
    /// Reads an address range; host bits are cut off (`10.1.2.3/16` is `10.1.0.0/16`).
    ///
    /// # Errors
    /// [`NetworkError`] where the text is neither an address nor a range.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let range = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        range.map(|range| Self(range.trunc())).map_err(|_| NetworkError)
    }

    /// Whether `source` lies within the range.
    pub fn contains(&self, source: Source) -> bool {
        self.0.contains(&source.address())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// More ranges than anybody keeps in a profile.
const MOST_RANGES: usize = 256;

/// Login IP ranges of a profile: outside them its users are refused, inside they need no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginRanges(Vec<Network>);

impl LoginRanges {
    /// Reads ranges that stand apart by spaces, commas or line breaks; `None` where there is none at all.
    ///
    /// # Errors
    /// [`NetworkError`] where one of them is none, or there are more than 256.
    pub fn parse(text: &str) -> Result<Option<Self>, NetworkError> {
        let texts =
            text.split(|c: char| c.is_whitespace() || c == ',').filter(|text| !text.is_empty());
        let ranges: Vec<Network> =
            texts.take(MOST_RANGES + 1).map(Network::parse).collect::<Result<_, _>>()?;
        if ranges.len() > MOST_RANGES {
            return Err(NetworkError);
        }
        Ok((!ranges.is_empty()).then_some(Self(ranges)))
    }

    /// Whether one of them contains `source`.
    pub fn hold(&self, source: Source) -> bool {
        self.0.iter().any(|range| range.contains(source))
    }
}

impl fmt::Display for LoginRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, range) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            range.fmt(f)?;
        }
        Ok(())
    }
}

/// The area of the internet that an address lies in: addresses of one area are near to each other, those of
/// two areas are far. Coarse on purpose: a /16 of IPv4 or a /32 of IPv6 is about what one provider hands out
/// in one place, and all private addresses are the organization's own.
pub fn area_of(source: Source) -> String {
    match source.address() {
        IpAddr::V4(address) => {
            let shared = address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64;
            if address.is_private() || address.is_loopback() || address.is_link_local() || shared {
                return PRIVATE.to_owned();
            }
            let [first, second, ..] = address.octets();
            format!("{first}.{second}.0.0/16")
        }
        IpAddr::V6(address) => {
            if address.is_unique_local() || address.is_loopback() || address.is_unicast_link_local()
            {
                return PRIVATE.to_owned();
            }
            let [first, second, ..] = address.segments();
            format!("{first:x}:{second:x}::/32")
        }
    }
}

/// The area of every private address.
const PRIVATE: &str = "private addresses";

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new(text.parse().unwrap())
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_the_same_address() {
        let network = Network::parse("10.1.2.3/16").unwrap();

        assert_eq!(network.to_string(), "10.1.0.0/16");
        assert!(network.contains(source("::ffff:10.1.9.9")));
        assert!(!network.contains(source("10.2.0.1")));
    }

    #[test]
    fn a_single_address_is_a_network_of_one() {
        assert!(Network::parse("::1").unwrap().contains(source("::1")));
        assert_eq!(Network::parse("10.1"), Err(NetworkError));
    }

    #[test]
    fn an_area_is_what_a_provider_hands_out_or_the_own_house() {
        for (address, area) in [
            ("203.0.113.7", "203.0.0.0/16"),
            ("2001:db8:7::1", "2001:db8::/32"),
            ("10.1.2.3", "private addresses"),
            ("100.64.0.1", "private addresses"),
            ("100.128.0.1", "100.128.0.0/16"),
            ("fd00::1", "private addresses"),
        ] {
            assert_eq!(area_of(source(address)), area);
        }
    }

    #[test]
    fn login_ranges_are_written_as_they_are_read() {
        let ranges = LoginRanges::parse("10.0.0.0/8,\n 192.168.1.7").unwrap().unwrap();

        assert_eq!(ranges.to_string(), "10.0.0.0/8, 192.168.1.7/32");
        assert!(ranges.hold(source("192.168.1.7")) && !ranges.hold(source("192.168.1.8")));
        assert_eq!(LoginRanges::parse(" , "), Ok(None));
        assert_eq!(LoginRanges::parse("10.0.0.0/8 nowhere"), Err(NetworkError));
    }
}

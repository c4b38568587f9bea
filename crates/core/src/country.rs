//! Which country an address is used in, as an operator's file tells.
//!
//! No such file ships with Symbolon: what there is to be had is somebody's property, and is wrong about some
//! addresses. A line is a range and a country, `192.0.2.0/24 DE`, or the beginning of a line of a geofeed
//! (RFC 8805), `192.0.2.0/24,DE,…`. Ranges may lie within each other: the narrowest holds.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZero;

use ipnet::IpNet;
use thiserror::Error;

use crate::names::Source;

/// Lines that a file may have.
pub const MOST_LINES: usize = 2_000_000;
/// Of IPv6 a /64 is one network, here as elsewhere.
const NARROWEST_V6: u8 = 64;
/// What files say of an address of which they know no country (ISO 3166-1 assigns it to nobody).
const NOWHERE: &str = "ZZ";

/// A country: two letters of ISO 3166-1, or what an operator chose to call so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Country(NonZero<u16>);

impl Country {
    /// Takes two letters, in either case.
    pub fn parse(text: &str) -> Option<Self> {
        let [first, second] = *text.as_bytes() else {
            return None;
        };
        let letters = first.is_ascii_alphabetic() && second.is_ascii_alphabetic();
        let upper = [first, second].map(|letter| letter.to_ascii_uppercase());
        NonZero::new(u16::from_be_bytes(upper)).filter(|_| letters).map(Self)
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .get()
            .to_be_bytes()
            .iter()
            .try_for_each(|letter| write!(f, "{}", char::from(*letter)))
    }
}

/// What is wrong with a file of countries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CountriesFault {
    /// A line cannot be read.
    #[error(
        "line {0}: must be an address range and the two letters of a country, such as 192.0.2.0/24 DE"
    )]
    Line(usize),
    /// A range is too narrow.
    #[error("line {0}: a range of IPv6 must be a /64 or wider")]
    Narrow(usize),
    /// Two lines contradict each other.
    #[error("line {0}: the range has another country in line {1}")]
    Twice(usize, usize),
    /// There is too much of it.
    #[error("line {0}: must not have more than {MOST_LINES} ranges")]
    TooMany(usize),
}

/// The countries of addresses; none, where there is no file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Countries {
    v4: Table,
    /// By the upper halves of addresses.
    v6: Table,
}

impl Countries {
    /// Reads a file. Empty lines and those that begin with `#` say nothing; the order does not matter.
    ///
    /// # Errors
    /// The first [`CountriesFault`].
    pub fn parse(text: &str) -> Result<Self, CountriesFault> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (line, content) in (1..).zip(text.lines()) {
            let content = content.trim();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            if v4.len() + v6.len() >= MOST_LINES {
                return Err(CountriesFault::TooMany(line));
            }
            let (net, country) = fields(content).ok_or(CountriesFault::Line(line))?;
            let range = |first, last| Range { first, last, country, line };
            match net.trunc() {
                IpNet::V4(net) => {
                    let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
                    v4.push(range(first.into(), last.into()));
                }
                IpNet::V6(net) if net.prefix_len() > NARROWEST_V6 => {
                    return Err(CountriesFault::Narrow(line));
                }
                IpNet::V6(net) => {
                    let [first, last] =
                        [net.network(), net.broadcast()].map(std::net::Ipv6Addr::to_bits);
                    v6.push(range(upper_half(first), upper_half(last)));
                }
            }
        }
        Ok(Self { v4: Table::of(v4)?, v6: Table::of(v6)? })
    }

    /// The country that an address is used in, where that is known.
    pub fn of(&self, source: Source) -> Option<Country> {
        match source.address() {
            IpAddr::V4(address) => self.v4.find(address.to_bits().into()),
            IpAddr::V6(address) => self.v6.find(upper_half(address.to_bits())),
        }
    }
}

/// Range and country of a line; no country where the line says that none is known.
fn fields(line: &str) -> Option<(IpNet, Option<Country>)> {
    let (range, country) = match line.split_once(',') {
        // What a geofeed says beyond the country, of regions and towns, is of no use here.
        Some((range, rest)) => (range, rest.split(',').next()?),
        None => line.split_once(char::is_whitespace)?,
    };
    let (range, country) = (range.trim(), country.trim());
    let address = || range.parse::<IpAddr>().map(IpNet::from);
    let net = range.parse::<IpNet>().or_else(|_| address()).ok()?;
    let parsed = Country::parse(country)?;
    Some((net, (!country.eq_ignore_ascii_case(NOWHERE)).then_some(parsed)))
}

fn upper_half(address: u128) -> u64 {
    u64::try_from(address >> 64).unwrap_or(u64::MAX)
}

/// A range as a line says it, both ends included.
struct Range {
    first: u64,
    last: u64,
    country: Option<Country>,
    line: usize,
}

/// From where on which country holds, until the next: ranges that no longer overlap, ten bytes each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Table {
    starts: Vec<u64>,
    countries: Vec<Option<Country>>,
}

impl Table {
    fn of(mut ranges: Vec<Range>) -> Result<Self, CountriesFault> {
        // A range comes before those that lie within it.
        ranges.sort_unstable_by_key(|it| (it.first, std::cmp::Reverse(it.last), it.line));
        let mut table = Self::default();
        let mut around: Vec<&Range> = Vec::new();
        let mut before: Option<&Range> = None;
        for range in &ranges {
            if let Some(same) = before.filter(|it| (it.first, it.last) == (range.first, range.last))
            {
                if same.country != range.country {
                    return Err(CountriesFault::Twice(range.line, same.line));
                }
                continue;
            }
            table.leave(&mut around, |ended| ended.last < range.first);
            table.begin(range.first, range.country);
            around.push(range);
            before = Some(range);
        }
        table.leave(&mut around, |_| true);
        table.starts.shrink_to_fit();
        table.countries.shrink_to_fit();
        Ok(table)
    }

    /// Goes out of the ranges that have ended, the innermost first: what is around each goes on behind it.
    fn leave(&mut self, around: &mut Vec<&Range>, ended: impl Fn(&Range) -> bool) {
        while let Some(inner) = around.pop_if(|inner| ended(inner)) {
            if let Some(behind) = inner.last.checked_add(1) {
                self.begin(behind, around.last().and_then(|outer| outer.country));
            }
        }
    }

    fn begin(&mut self, start: u64, country: Option<Country>) {
        // What ends where another begins has nothing of its own behind it.
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.countries.pop();
        }
        if self.countries.last().copied().flatten() != country {
            self.starts.push(start);
            self.countries.push(country);
        }
    }

    fn find(&self, address: u64) -> Option<Country> {
        let behind = self.starts.partition_point(|start| *start <= address);
        *self.countries.get(behind.checked_sub(1)?)?
    }
}

#[cfg(test)]
mod tests;

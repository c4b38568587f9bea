//! What looks as if a token were shared: uses that cannot be those of one device.
//!
//! A signal is a suspicion with its evidence, never a proof: each rule is blind to some sharing and is
//! wrong about some honest use (docs/sharing.md says how often).

mod borders;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::client_kind::{ClientKind, kind_of};
use crate::country::Countries;
use crate::device_type::DeviceRules;
use crate::names::{ClientName, Source};
use crate::network::area_of;
use crate::time::Timestamp;
use crate::words::{of_word, word_of};

pub use borders::MOST_CROSSINGS;

/// How far back uses are looked at.
pub const WINDOW: Duration = Duration::from_hours(1);
/// Within this time nobody goes back and forth between two networks [`MOST_CHANGES`] times.
pub const BY_TURNS: Duration = Duration::from_mins(10);
/// Changes between two far networks within [`BY_TURNS`] that one device may make: a laptop that loses the
/// network of its office goes over to a telephone's and comes back, and perhaps once more. Two people make
/// more on any day (docs/sharing.md: two changes would be a false alarm every other week).
pub const MOST_CHANGES: usize = 4;
/// Areas that a signal names; with more it says "many".
const MOST_NAMED: usize = 8;
/// Networks that the evidence names.
const MOST_SHOWN: usize = 6;
/// What stands for more areas than can be named. No area is called so.
const MANY: &str = "many";

/// One use of a token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sighting {
    /// What the client says it is.
    pub client: ClientName,
    /// From where.
    pub source: Source,
    /// When.
    pub at: Timestamp,
}

impl Sighting {
    /// Reads a use as it is stored: the network is an address or the /64 of one.
    pub fn parse(client: &str, network: &str, at: Timestamp) -> Option<Self> {
        let address = network.split_once('/').map_or(network, |(address, _)| address);
        let source = Source::new(address.parse::<IpAddr>().ok()?);
        Some(Self { client: ClientName::sanitised(client), source, at })
    }

    /// What kind of client it is, if its name says so.
    pub fn kind(&self) -> Option<ClientKind> {
        kind_of(self.client.as_str())
    }
}

/// Why a token looks shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SharingRule {
    /// Kinds of client use it that are not on one device.
    Kinds,
    /// More networks use it within an hour than its device type allows.
    Places,
    /// Two networks that are far from each other use it by turns, faster than one device changes over.
    Turns,
    /// Several countries use it by turns.
    Countries,
}

impl SharingRule {
    /// All rules, with the words that scripts and the database know them by.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Kinds, "kinds"),
        (Self::Places, "places"),
        (Self::Turns, "turns"),
        (Self::Countries, "countries"),
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        word_of(&Self::ALL, self)
    }

    /// The rule with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        of_word(&Self::ALL, word)
    }
}

/// What a signal is about: the kinds of client, the areas that the networks lie in, or the countries. It stays the same
/// while addresses change within an area, so that a false alarm can be remembered by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalSubject(BTreeSet<String>);

impl SignalSubject {
    fn of_areas(areas: BTreeSet<String>) -> Self {
        if areas.len() > MOST_NAMED { Self(BTreeSet::from([MANY.to_owned()])) } else { Self(areas) }
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Self {
        Self(text.split(" + ").map(str::to_owned).collect())
    }

    /// Whether it is about more areas than can be named: it covers everything of its rule.
    pub fn is_about_many(&self) -> bool {
        self.0.contains(MANY)
    }

    /// Whether who knows of this signal knows of `other` of the same rule: it is about the same, or less.
    pub fn covers(&self, other: &Self) -> bool {
        self.is_about_many() || other.0.is_subset(&self.0)
    }
}

impl fmt::Display for SignalSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, about) in self.0.iter().enumerate() {
            let between = if at > 0 { " + " } else { "" };
            write!(f, "{between}{about}")?;
        }
        Ok(())
    }
}

/// A token that looks shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharingSignal {
    /// By which rule.
    pub rule: SharingRule,
    /// What it is about.
    pub subject: SignalSubject,
    /// What was seen, in a sentence for the owner.
    pub evidence: String,
}

/// Why the uses of one token within the hour before `now` look like those of several devices or people; at
/// most one signal for each rule. More uses never make fewer rules speak.
pub fn signals(
    sightings: &[Sighting],
    rules: &DeviceRules,
    countries: &Countries,
    now: Timestamp,
) -> Vec<SharingSignal> {
    let in_window = |seen: &&Sighting| seen.at <= now && now.since(seen.at) < WINDOW;
    let mut lately: Vec<&Sighting> = sightings.iter().filter(in_window).collect();
    lately.sort_by(|one, next| {
        (one.at, one.source.address(), one.client.as_str()).cmp(&(
            next.at,
            next.source.address(),
            next.client.as_str(),
        ))
    });
    let found = [
        by_kinds(&lately, rules),
        by_places(&lately, rules),
        by_turns(&lately, rules),
        borders::by_countries(&lately, countries),
    ];
    found.into_iter().flatten().collect()
}

/// Whether clients of both kinds may be on one device, of a type that is for `meant`. A terminal is on every
/// computer; a telephone is no server, and a server has nobody before it. A token for anything may be on a
/// computer as well as on a telephone, of the same person.
fn may_be_one(one: ClientKind, other: ClientKind, meant: Option<ClientKind>) -> bool {
    use ClientKind::{CommandLine, Desktop, Mobile, Server};
    match (one.min(other), one.max(other)) {
        (Mobile, Server) => false,
        (Desktop, Mobile | Server) | (Mobile, CommandLine) => meant.is_none(),
        _ => true,
    }
}

fn by_kinds(lately: &[&Sighting], rules: &DeviceRules) -> Option<SharingSignal> {
    let mut latest: BTreeMap<ClientKind, &Sighting> = BTreeMap::new();
    for seen in lately {
        if let Some(kind) = seen.kind() {
            latest.insert(kind, seen);
        }
    }
    let of_several: BTreeMap<_, _> = latest
        .iter()
        .filter(|(kind, _)| latest.keys().any(|other| !may_be_one(**kind, *other, rules.kind)))
        .collect();
    if of_several.is_empty() {
        return None;
    }
    let each = of_several.iter().map(|(kind, seen)| {
        format!("{} ({} from {}, last {})", kind.word(), seen.client.as_str(), seen.source, seen.at)
    });
    let each = each.collect::<Vec<_>>().join(", ");
    Some(SharingSignal {
        rule: SharingRule::Kinds,
        subject: SignalSubject(of_several.keys().map(|kind| kind.word().to_owned()).collect()),
        evidence: format!("used within an hour by kinds of client that are not one device: {each}"),
    })
}

fn by_places(lately: &[&Sighting], rules: &DeviceRules) -> Option<SharingSignal> {
    // The latest first, for these are what the owner remembers.
    let mut networks: Vec<String> = Vec::new();
    for seen in lately.iter().rev() {
        let network = seen.source.counted_as();
        if !networks.contains(&network) {
            networks.push(network);
        }
    }
    let (count, most) = (networks.len(), rules.most_places);
    if count <= usize::try_from(most).unwrap_or(usize::MAX) {
        return None;
    }
    let areas = lately.iter().map(|seen| area_of(seen.source)).collect();
    let shown = networks[..count.min(MOST_SHOWN)].join(", ");
    let more = match count.saturating_sub(MOST_SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(SharingSignal {
        rule: SharingRule::Places,
        subject: SignalSubject::of_areas(areas),
        evidence: format!(
            "used within an hour from {count} networks, {most} at most are usual for its device type: \
             {shown}{more}"
        ),
    })
}

fn by_turns(lately: &[&Sighting], rules: &DeviceRules) -> Option<SharingSignal> {
    if !matches!(rules.kind, Some(ClientKind::Desktop | ClientKind::Mobile)) {
        return None;
    }
    // Where each use was, by the number of its area: the text is made once for each.
    let named: Vec<(bool, String)> = lately.iter().map(|seen| family_and_area(seen)).collect();
    let areas: BTreeSet<&(bool, String)> = named.iter().collect();
    let number_of: BTreeMap<_, _> = areas.iter().copied().zip(0_usize..).collect();
    let placed: Vec<(usize, &Sighting)> =
        named.iter().map(|area| number_of[area]).zip(lately.iter().copied()).collect();
    let mut uses_in = vec![0_usize; areas.len()];
    for (area, _) in &placed {
        uses_in[*area] += 1;
    }
    // So many changes begin or end in either of the two at least so often.
    let enough = |area: usize| uses_in[area] * 2 > MOST_CHANGES;
    let areas: Vec<(usize, bool)> =
        areas.iter().enumerate().map(|(at, area)| (at, area.0)).collect();
    let mut turning: Vec<Vec<&Sighting>> = Vec::new();
    for (position, one) in areas.iter().enumerate().filter(|(_, one)| enough(one.0)) {
        // IPv4 and IPv6 are ways of one and the same device, which it takes as it pleases.
        let others = areas.iter().skip(position + 1).filter(|other| other.1 == one.1);
        for other in others.filter(|other| enough(other.0)) {
            turning.extend(turns_between(&placed, one.0, other.0));
        }
    }
    let first = turning.first()?;
    let subject = turning.iter().flatten().map(|seen| area_of(seen.source)).collect();
    let each = first.iter().map(|seen| format!("{} at {}", seen.source, seen.at));
    let each = each.collect::<Vec<_>>().join(", ");
    Some(SharingSignal {
        rule: SharingRule::Turns,
        subject: SignalSubject::of_areas(subject),
        evidence: format!(
            "used by turns from networks far from each other, faster than one device changes over: {each}"
        ),
    })
}

/// The uses before and after each of more than [`MOST_CHANGES`] changes between two areas in a row, within
/// [`BY_TURNS`].
fn turns_between<'a>(
    placed: &[(usize, &'a Sighting)],
    one: usize,
    other: usize,
) -> Option<Vec<&'a Sighting>> {
    // The end of each run and the beginning of the next: so are changes as near together as they can be.
    let mut changes: Vec<(&Sighting, &Sighting)> = Vec::new();
    let mut before: Option<(usize, &Sighting)> = None;
    for (here, seen) in placed.iter().copied().filter(|(here, _)| *here == one || *here == other) {
        if let Some((_, before)) = before.filter(|(there, _)| *there != here) {
            changes.push((before, seen));
        }
        before = Some((here, seen));
    }
    let in_time = |changes: &&[(&Sighting, &Sighting)]| {
        let (first, last) = (changes[0].0, changes[changes.len() - 1].1);
        last.at.since(first.at) <= BY_TURNS
    };
    let found = changes.windows(MOST_CHANGES + 1).find(in_time)?;
    Some(std::iter::once(found[0].0).chain(found.iter().map(|change| change.1)).collect())
}

fn family_and_area(seen: &Sighting) -> (bool, String) {
    (seen.source.address().is_ipv6(), area_of(seen.source))
}

#[cfg(test)]
mod tests;

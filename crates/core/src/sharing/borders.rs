//! One token from several countries within an hour, by turns.

use crate::country::{Countries, Country};
use crate::sharing::{MOST_SHOWN, SharingRule, SharingSignal, Sighting, SignalSubject};

/// Changes of country within an hour that one device may make: it is taken over a border, where it hears the
/// networks of both sides, or goes behind a tunnel that ends abroad and breaks, twice. Two people make more on any
/// day (docs/sharing.md: with two changes either would be a false alarm in nearly every week).
pub const MOST_CROSSINGS: usize = 5;

/// The first use after each change of country, where there are too many of them.
///
/// IPv4 and IPv6 are ways of one and the same device, which it takes as it pleases: each is looked at by itself.
pub(super) fn by_countries(lately: &[&Sighting], countries: &Countries) -> Option<SharingSignal> {
    let stays = [false, true].map(|six| {
        let of_family = lately.iter().filter(|seen| seen.source.address().is_ipv6() == six);
        let known = of_family.filter_map(|seen| Some((*seen, countries.of(seen.source)?)));
        let mut stays: Vec<(&Sighting, Country)> = known.collect();
        stays.dedup_by_key(|(_, country)| *country);
        stays
    });
    let stays: Vec<_> =
        stays.into_iter().filter(|stays| stays.len() > MOST_CROSSINGS + 1).flatten().collect();
    if stays.is_empty() {
        return None;
    }
    let subject = stays.iter().map(|(_, country)| country.to_string()).collect();
    let shown = stays.iter().take(MOST_SHOWN);
    let each = shown.map(|(seen, country)| format!("{country} ({} at {})", seen.source, seen.at));
    let each = each.collect::<Vec<_>>().join(", ");
    let more = match stays.len().saturating_sub(MOST_SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(SharingSignal {
        rule: SharingRule::Countries,
        subject: SignalSubject::of_areas(subject),
        evidence: format!(
            "used within an hour from several countries, by turns more often than one device is taken over \
             borders: {each}{more}"
        ),
    })
}

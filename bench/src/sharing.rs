//! How often honest use looks shared, and shared use does: traffic that is drawn by a seed, one working week
//! at a time, looked at each minute as a running authority does. A model of people and no measurement of them.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use symbolon_core::Timestamp;
use symbolon_core::client_kind::ClientKind;
use symbolon_core::country::Countries;
use symbolon_core::device_type::DeviceRules;
use symbolon_core::sharing::{SharingRule, Sighting, WINDOW, signals};

const WEEKS: u32 = 100;
const DAYS: u32 = 5;
const MINUTES: u32 = 600;
/// The first is the one that the bounds of the rules were chosen by; the others test them.
const SEEDS: [u64; 3] = [20_261_123, 20_261_130, 8_675_309];
const DAY: Duration = Duration::from_hours(24);

type Day = fn(&mut StdRng, &Week) -> Vec<(u32, Use)>;

/// A client and an address.
type Use = (&'static str, String);

/// What stays the same for one week.
struct Week {
    /// Networks of the people or places in it, each in an area of its own, all of one country.
    homes: Vec<String>,
    /// As many in another country.
    abroad: Vec<String>,
}

/// The countries of all addresses in the model.
const COUNTRIES: &str = "0.0.0.0/1 DE\n128.0.0.0/1 FR";

/// One kind of traffic.
struct Traffic {
    name: &'static str,
    kind: Option<ClientKind>,
    shared: bool,
    day: Day,
}

const TRAFFIC: [Traffic; 19] = [
    honest(
        "office worker: laptop at home, in the office, on a hotspot",
        Some(ClientKind::Desktop),
        office,
    ),
    honest("server behind a pool of 4 addresses", Some(ClientKind::Server), pool),
    honest("CI in a cloud /16, 6 jobs an hour", Some(ClientKind::Server), |rng, _| ci(rng, 6)),
    honest("CI in a cloud /16, 30 jobs an hour", Some(ClientKind::Server), |rng, _| ci(rng, 30)),
    honest("commuter: telephone on Wi-Fi and roaming", Some(ClientKind::Mobile), commuter),
    honest("analyst: Excel and a Python script on one laptop", Some(ClientKind::Desktop), analyst),
    honest(
        "laptop, at times behind a tunnel that ends abroad",
        Some(ClientKind::Desktop),
        |rng, week| tunnel(rng, week, 0.005),
    ),
    honest("telephone of somebody who works over the border", Some(ClientKind::Mobile), border),
    honest(
        "laptop, its tunnel abroad breaks more than once an hour",
        Some(ClientKind::Desktop),
        |rng, week| tunnel(rng, week, 0.02),
    ),
    honest(
        "telephone at home within hearing of either country",
        Some(ClientKind::Mobile),
        at_border,
    ),
    honest("server with two addresses in either of two countries", Some(ClientKind::Server), fleet),
    shared("2 people at their homes", |rng, week| people(rng, week, 2)),
    shared("3 people at their homes", |rng, week| people(rng, week, 3)),
    shared("4 people at their homes", |rng, week| people(rng, week, 4)),
    shared("5 people at their homes", |rng, week| people(rng, week, 5)),
    shared("5 people in one office, one address", one_office),
    Traffic {
        name: "2 people at their homes, token for any device",
        kind: None,
        shared: true,
        day: |rng, week| people(rng, week, 2),
    },
    Traffic {
        name: "2 people in two countries, token for any device",
        kind: None,
        shared: true,
        day: |rng, week| people_at(rng, &[&week.homes[0], &week.abroad[0]]),
    },
    Traffic {
        name: "3 people in two countries, token for any device",
        kind: None,
        shared: true,
        day: |rng, week| people_at(rng, &[&week.homes[0], &week.homes[1], &week.abroad[0]]),
    },
];

const fn honest(name: &'static str, kind: Option<ClientKind>, day: Day) -> Traffic {
    Traffic { name, kind, shared: false, day }
}

const fn shared(name: &'static str, day: Day) -> Traffic {
    Traffic { name, kind: Some(ClientKind::Desktop), shared: true, day }
}

/// Prints, for each kind of traffic, in how many of the weeks a signal is raised, and by which rules.
pub(crate) fn measure() {
    let countries = Countries::parse(COUNTRIES).expect("the ranges are sound");
    for seed in SEEDS {
        measure_by(seed, &countries);
    }
}

fn measure_by(seed: u64, countries: &Countries) {
    println!(
        "{WEEKS} weeks of {DAYS} days each, seed {seed}; weeks with a signal, and by which rule"
    );
    for traffic in &TRAFFIC {
        let mut rng = StdRng::seed_from_u64(seed);
        let weeks: Vec<[bool; 5]> =
            (0..WEEKS).map(|_| week(&mut rng, traffic, countries)).collect();
        let share = |at: usize| {
            let hits = weeks.iter().filter(|week| week[at]).count();
            100.0 * f64::from(u32::try_from(hits).unwrap_or(0)) / f64::from(WEEKS)
        };
        let what = if traffic.shared { "found" } else { "false alarm" };
        println!(
            "{:<58} {what:>11} {:>5.1} %   kinds {:>5.1} %  places {:>5.1} %  turns {:>5.1} %  countries {:>5.1} %",
            traffic.name,
            share(0),
            share(1),
            share(2),
            share(3),
            share(4),
        );
    }
}

/// Whether any rule speaks within a week, and which.
fn week(rng: &mut StdRng, traffic: &Traffic, countries: &Countries) -> [bool; 5] {
    let homes: Vec<String> = (0..6).map(|_| address(rng)).collect();
    let there = |home: &String| home.split_once('.').map(|(_, rest)| format!("150.{rest}"));
    let abroad = homes.iter().filter_map(there).collect();
    let (week, rules) =
        (Week { homes, abroad }, DeviceRules { kind: traffic.kind, ..DeviceRules::default() });
    let mut spoke = [false; 5];
    for day in 0..DAYS {
        let begin = Timestamp::from_unix_ms(1_800_000_000_000) + DAY * day;
        let mut uses = (traffic.day)(rng, &week);
        uses.sort();
        uses.dedup();
        let mut seen: Vec<Sighting> = uses
            .into_iter()
            .filter_map(|(minute, (client, network))| {
                let at = begin + Duration::from_mins(minute.into());
                let within = Duration::from_millis(u64::from(rng.next_u32() % 60_000));
                Sighting::parse(client, &network, at + within)
            })
            .collect();
        seen.sort_by_key(|seen| seen.at);
        let (mut oldest, mut newest) = (0, 0);
        for minute in 1..=MINUTES {
            let now = begin + Duration::from_mins(minute.into());
            let known = newest;
            newest += seen[newest..].iter().take_while(|seen| seen.at <= now).count();
            oldest += seen[oldest..].iter().take_while(|seen| now.since(seen.at) >= WINDOW).count();
            // Time alone raises nothing.
            let lately = if newest > known { &seen[oldest..newest] } else { &[] };
            for signal in signals(lately, &rules, countries, now) {
                spoke[0] = true;
                spoke[match signal.rule {
                    SharingRule::Kinds => 1,
                    SharingRule::Places => 2,
                    SharingRule::Turns => 3,
                    SharingRule::Countries => 4,
                }] = true;
            }
        }
    }
    spoke
}

fn address(rng: &mut StdRng) -> String {
    let mut part = || rng.random_range(1..=223_u8);
    format!("{}.{}.{}.{}", part().clamp(20, 99), part(), part(), part())
}

/// An hour at home, then the office; twice a day a meeting on the hotspot, of which one in ten is restless:
/// the laptop falls back to the Wi-Fi of the office and comes again.
fn office(rng: &mut StdRng, week: &Week) -> Vec<(u32, Use)> {
    let mut uses = Vec::new();
    let meetings: Vec<(u32, bool)> =
        (0..2).map(|_| (rng.random_range(90..MINUTES - 40), rng.random_bool(0.1))).collect();
    for minute in 0..MINUTES {
        if !rng.random_bool(0.5) {
            continue;
        }
        let meeting = meetings.iter().find(|(begin, _)| (*begin..begin + 30).contains(&minute));
        let place = match meeting {
            _ if minute < 60 => 0,
            Some((_, true)) if rng.random_bool(0.15) => 1,
            Some(_) => 2,
            None => 1,
        };
        uses.push((minute, ("Excel/16", week.homes[place].clone())));
    }
    uses
}

fn pool(rng: &mut StdRng, _: &Week) -> Vec<(u32, Use)> {
    let mut one =
        |minute| (minute, ("jsforce/3", format!("52.10.7.{}", rng.random_range(1..=4_u8))));
    (0..MINUTES).map(&mut one).collect()
}

/// Each job is a machine of its own.
fn ci(rng: &mut StdRng, jobs_an_hour: u32) -> Vec<(u32, Use)> {
    let jobs = jobs_an_hour * MINUTES / 60;
    let mut job = |_| {
        let (third, last) = (rng.random_range(0..=255_u8), rng.random_range(1..=254_u8));
        (rng.random_range(0..MINUTES), ("python-requests/2", format!("52.10.{third}.{last}")))
    };
    (0..jobs).map(&mut job).collect()
}

/// Wi-Fi at home and at work; on the way, forty minutes twice a day, a provider that changes the address
/// every ten minutes or so among three areas, and the Wi-Fi of a train that is there half of the time.
fn commuter(rng: &mut StdRng, week: &Week) -> Vec<(u32, Use)> {
    let mut uses = Vec::new();
    let mut roaming = week.homes[2].clone();
    let mut on_train = false;
    for minute in 0..MINUTES {
        let on_the_way = (20..60).contains(&minute) || (540..580).contains(&minute);
        if rng.random_bool(0.1) {
            roaming.clone_from(&week.homes[rng.random_range(2..=4)]);
        }
        if rng.random_bool(0.15) {
            on_train = rng.random_bool(0.5);
        }
        if rng.random_bool(if on_the_way { 0.6 } else { 0.2 }) {
            let network = match minute {
                _ if on_the_way && on_train => &week.homes[5],
                _ if on_the_way => &roaming,
                0..60 | 540.. => &week.homes[0],
                _ => &week.homes[1],
            };
            uses.push((minute, ("SalesforceMobileSDK/11", network.clone())));
        }
    }
    uses
}

fn analyst(rng: &mut StdRng, week: &Week) -> Vec<(u32, Use)> {
    let mut uses = Vec::new();
    for minute in 0..MINUTES {
        if rng.random_bool(0.3) {
            uses.push((minute, ("Excel/16", week.homes[1].clone())));
        }
        if rng.random_bool(0.003) {
            uses.push((minute, ("python-requests/2", week.homes[1].clone())));
        }
    }
    uses
}

/// Twice a day an hour or two behind a tunnel that ends abroad and breaks, in any minute as likely as is said,
/// for one to three minutes.
fn tunnel(rng: &mut StdRng, week: &Week, breaks: f64) -> Vec<(u32, Use)> {
    let mut block = |half: u32| {
        let begin = half * 300 + rng.random_range(0..180);
        begin..begin + rng.random_range(60..=120)
    };
    let blocks = [block(0), block(1)];
    let (mut uses, mut broken) = (Vec::new(), 0_u32);
    for minute in 0..MINUTES {
        let inside = blocks.iter().any(|block| block.contains(&minute));
        if inside && broken == 0 && rng.random_bool(breaks) {
            broken = rng.random_range(1..=3);
        }
        let through = inside && broken == 0;
        broken = broken.saturating_sub(1);
        if rng.random_bool(0.5) {
            let from = if through { &week.abroad[0] } else { &week.homes[0] };
            uses.push((minute, ("Excel/16", from.clone())));
        }
    }
    uses
}

/// Wi-Fi at home, and at work in the other country; on the way, forty minutes twice a day, of which the border
/// lies in the middle, the provider of one country for as long as it can be heard: around the border, for ten
/// minutes, either of the two, chosen anew every three minutes or so.
fn border(rng: &mut StdRng, week: &Week) -> Vec<(u32, Use)> {
    let mut uses = Vec::new();
    let mut over = false;
    for minute in 0..MINUTES {
        let near = (35..45).contains(&minute) || (555..565).contains(&minute);
        let on_the_way = (20..60).contains(&minute) || (540..580).contains(&minute);
        if !near {
            over = (45..555).contains(&minute);
        } else if rng.random_bool(0.33) {
            over = rng.random_bool(0.5);
        }
        if rng.random_bool(if on_the_way { 0.6 } else { 0.2 }) {
            let networks = if over { &week.abroad } else { &week.homes };
            let network = &networks[usize::from(on_the_way)];
            uses.push((minute, ("SalesforceMobileSDK/11", network.clone())));
        }
    }
    uses
}

/// All day within hearing of the providers of either country: the telephone takes the other about once in an
/// hour, and for some minutes then.
fn at_border(rng: &mut StdRng, week: &Week) -> Vec<(u32, Use)> {
    let mut uses = Vec::new();
    let mut over = 0_u32;
    for minute in 0..MINUTES {
        if over == 0 && rng.random_bool(1.0 / 60.0) {
            over = rng.random_range(2..=15);
        }
        if rng.random_bool(0.3) {
            let networks = if over > 0 { &week.abroad } else { &week.homes };
            uses.push((minute, ("SalesforceMobileSDK/11", networks[0].clone())));
        }
        over = over.saturating_sub(1);
    }
    uses
}

fn fleet(rng: &mut StdRng, week: &Week) -> Vec<(u32, Use)> {
    let all = [&week.homes[0], &week.homes[1], &week.abroad[0], &week.abroad[1]];
    (0..MINUTES)
        .map(|minute| (minute, ("jsforce/3", all[rng.random_range(0..4)].clone())))
        .collect()
}

fn people(rng: &mut StdRng, week: &Week, count: usize) -> Vec<(u32, Use)> {
    let homes: Vec<&String> = week.homes[..count].iter().collect();
    people_at(rng, &homes)
}

/// Each works on it in bouts of half an hour, a third of the day, and then every third minute.
fn people_at(rng: &mut StdRng, homes: &[&String]) -> Vec<(u32, Use)> {
    let mut uses = Vec::new();
    for home in homes {
        let mut busy = false;
        for minute in 0..MINUTES {
            if minute % 30 == 0 {
                busy = rng.random_bool(0.33);
            }
            if busy && rng.random_bool(0.33) {
                uses.push((minute, ("Excel/16", (*home).clone())));
            }
        }
    }
    uses
}

fn one_office(rng: &mut StdRng, week: &Week) -> Vec<(u32, Use)> {
    let mut uses = people(rng, week, 5);
    for (_, (_, network)) in &mut uses {
        network.clone_from(&week.homes[0]);
    }
    uses
}

//! Each rule where it speaks and where it must not, and what holds for any uses.

//! Which uses look shared, and which cannot.

use proptest::prelude::*;

use super::*;

const T0: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);
const MINUTE: Duration = Duration::from_mins(1);

fn seen(client: &str, network: &str, minute: u32) -> Sighting {
    Sighting::parse(client, network, T0 + minute * MINUTE).unwrap()
}

fn rules(kind: Option<ClientKind>) -> DeviceRules {
    DeviceRules { kind, ..DeviceRules::default() }
}

/// 198.1.0.0/16 lies in Germany, and so on.
fn by_second_part() -> Countries {
    Countries::parse("198.1.0.0/16 DE\n198.2.0.0/16 FR\n198.3.0.0/16 FR\n2001:db8::/32 AT").unwrap()
}

fn raised(sightings: &[Sighting], rules: &DeviceRules) -> Vec<SharingRule> {
    let signals = signals(sightings, rules, &by_second_part(), T0 + 59 * MINUTE);
    signals.into_iter().map(|signal| signal.rule).collect()
}

#[test]
fn kinds_that_may_be_one_device_say_nothing_and_others_do() {
    use ClientKind::{CommandLine, Desktop, Mobile, Server};
    let named = |kind| match kind {
        Desktop => "Excel/16",
        Mobile => "okhttp/4",
        Server => "jsforce/3",
        CommandLine => "curl/8",
    };
    let cases = [
        (None, Mobile, Server, true),
        (None, Mobile, Desktop, false),
        (None, Desktop, Server, false),
        (Some(Desktop), Desktop, Server, true),
        (Some(Desktop), Desktop, CommandLine, false),
        (Some(Server), Server, CommandLine, false),
        (Some(Mobile), Mobile, CommandLine, true),
        (Some(Mobile), Desktop, Mobile, true),
        (Some(Server), Server, Server, false),
    ];
    for (meant, one, other, expected) in cases {
        let uses = [seen(named(one), "203.0.113.7", 1), seen(named(other), "203.0.113.7", 2)];

        let found = raised(&uses, &rules(meant)) == [SharingRule::Kinds];

        assert_eq!(found, expected, "{one:?} and {other:?} on {meant:?}");
    }
}

#[test]
fn one_network_more_than_the_device_type_allows_is_a_signal() {
    let uses: Vec<_> = (0..9).map(|last| seen("x", &format!("203.0.113.{last}"), last)).collect();

    assert_eq!(raised(&uses[..8], &rules(None)), []);
    assert_eq!(raised(&uses, &rules(None)), [SharingRule::Places]);
}

#[test]
fn a_laptop_that_goes_over_to_a_telephone_and_comes_back_is_one_device() {
    let uses: Vec<_> = ["192.0.2.1", "198.51.100.1"]
        .into_iter()
        .cycle()
        .zip([1, 3, 5, 7, 9, 11])
        .map(|(network, minute)| seen("Excel/16", network, minute))
        .collect();

    assert_eq!(raised(&uses[..5], &rules(Some(ClientKind::Desktop))), []);
    assert_eq!(raised(&uses, &rules(Some(ClientKind::Desktop))), [SharingRule::Turns]);
    assert_eq!(raised(&uses, &rules(Some(ClientKind::Server))), []);
}

#[test]
fn turns_within_one_area_or_between_the_families_of_addresses_are_one_device() {
    let desktop = rules(Some(ClientKind::Desktop));
    for other in ["192.0.77.9", "2001:db8::/64"] {
        let uses: Vec<_> = (0..9_u32)
            .map(|at| seen("Excel", if at % 2 == 0 { "192.0.2.1" } else { other }, at))
            .collect();

        assert_eq!(raised(&uses, &desktop), [], "{other}");
    }
}

#[test]
fn a_border_is_crossed_five_times_by_one_device_and_not_six_times() {
    let (home, abroad) = ("198.1.0.7", "198.2.0.7");
    let turns = |networks: &[&str]| -> Vec<Sighting> {
        (0..).zip(networks).map(|(minute, network)| seen("jsforce/3", network, minute)).collect()
    };
    let crossing =
        turns(&[home, abroad, "198.3.0.9", abroad, home, home, abroad, home, abroad, home]);

    assert_eq!(raised(&crossing[..9], &rules(None)), [], "one country has several networks");
    assert_eq!(raised(&crossing, &rules(None)), [SharingRule::Countries]);
    for other in ["10.1.2.3", "198.9.0.1", "2001:db8:7::/64"] {
        let uses = turns(&[home, other, home, other, home, other, home, other]);
        assert_eq!(raised(&uses, &rules(None)), [], "{other}: nowhere, unknown or another family");
    }
    let without = signals(&crossing, &rules(None), &Countries::default(), T0 + 9 * MINUTE);
    assert_eq!(without, [], "nothing is said without a file");
}

#[test]
fn a_signal_by_countries_tells_countries_addresses_and_times() {
    let uses: Vec<_> = (0..8_u32)
        .map(|at| seen("x", if at % 2 == 0 { "198.1.0.7" } else { "198.2.0.7" }, at))
        .collect();

    let found = signals(&uses, &rules(None), &by_second_part(), T0 + 9 * MINUTE).remove(0);

    assert_eq!(found.subject.to_string(), "DE + FR");
    let evidence = "used within an hour from several countries, by turns more often than one device is taken \
                    over borders: DE (198.1.0.7 at 2027-01-15T08:00:00Z), FR (198.2.0.7 at \
                    2027-01-15T08:01:00Z), ";
    assert!(found.evidence.starts_with(evidence), "{}", found.evidence);
    assert!(found.evidence.ends_with(" and 2 more"), "{}", found.evidence);
}

#[test]
fn what_is_an_hour_ago_is_forgotten() {
    let uses = [seen("okhttp/4", "203.0.113.7", 0), seen("jsforce/3", "203.0.113.7", 59)];

    assert_eq!(signals(&uses, &rules(None), &Countries::default(), T0 + 59 * MINUTE).len(), 1);
    assert_eq!(signals(&uses, &rules(None), &Countries::default(), T0 + 60 * MINUTE).len(), 0);
}

#[test]
fn the_evidence_says_who_and_from_where_and_the_subject_stays_while_addresses_change() {
    let first = [seen("okhttp/4", "203.0.113.7", 0), seen("jsforce/3", "198.51.100.2", 5)];
    let later = [seen("okhttp/4", "203.0.113.9", 9), seen("jsforce/3", "198.51.100.8", 9)];

    let [one, other] = [first, later]
        .map(|uses| signals(&uses, &rules(None), &Countries::default(), T0 + 9 * MINUTE));

    assert_eq!(one[0].subject.to_string(), "mobile + server");
    assert_eq!(one[0].subject, other[0].subject);
    assert_eq!(
        one[0].evidence,
        "used within an hour by kinds of client that are not one device: mobile (okhttp/4 from \
         203.0.113.7, last 2027-01-15T08:00:00Z), server (jsforce/3 from 198.51.100.2, last \
         2027-01-15T08:05:00Z)"
    );
}

#[test]
fn a_false_alarm_covers_the_same_and_less_and_nothing_else() {
    let [home, both, many] = ["a", "a + b", "many"].map(SignalSubject::parse);

    assert!(both.covers(&home) && both.covers(&both) && many.covers(&both));
    assert!(!home.covers(&both) && !both.covers(&many));
    assert_eq!(SignalSubject::parse(&both.to_string()), both);
}

fn uses() -> impl Strategy<Value = Vec<Sighting>> {
    let clients = ["Excel/16", "okhttp/4", "jsforce/3", "curl/8", "own"];
    let one = (0..clients.len(), 0..12_u32, 0..4_u32, 0..60_u32);
    proptest::collection::vec(one, 0..60).prop_map(move |uses| {
        let read = |(client, area, host, minute)| {
            seen(clients[client], &format!("198.{area}.100.{host}"), minute)
        };
        uses.into_iter().map(read).collect()
    })
}

fn any_rules() -> impl Strategy<Value = DeviceRules> {
    let kinds = ClientKind::ALL.map(|(kind, _)| Some(kind));
    let kinds: Vec<_> = kinds.into_iter().chain([None]).collect();
    (proptest::sample::select(kinds), 1..12_u32)
        .prop_map(|(kind, most_places)| DeviceRules { most_places, ..rules(kind) })
}

proptest! {
    #[test]
    fn one_client_in_one_network_is_never_a_signal(
        client in "\\PC{0,40}", minutes in proptest::collection::vec(0..60_u32, 0..80), rules in any_rules()
    ) {
        let uses: Vec<_> = minutes.iter().map(|at| seen(&client, "203.0.113.7", *at)).collect();

        prop_assert_eq!(raised(&uses, &rules), []);
    }

    #[test]
    fn more_uses_never_make_fewer_rules_speak(all in uses(), some in 0..60_usize, rules in any_rules()) {
        let few = raised(&all[..some.min(all.len())], &rules);
        let many = raised(&all, &rules);

        prop_assert!(few.iter().all(|rule| many.contains(rule)), "{few:?} and then {many:?}");
    }

    #[test]
    fn the_order_in_which_uses_come_to_be_known_does_not_matter(all in uses(), rules in any_rules()) {
        let reversed: Vec<_> = all.iter().rev().cloned().collect();
        let (now, table) = (T0 + 59 * MINUTE, by_second_part());

        prop_assert_eq!(signals(&all, &rules, &table, now), signals(&reversed, &rules, &table, now));
    }
}

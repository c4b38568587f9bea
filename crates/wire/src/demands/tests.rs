//! Where demands are read from, and that adding one never admits more.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::header_lines::tests::{Joined, Lines};

const DEVICE: &str = "x-symbolon-require-device-type";
const PROFILES: &str = "x-symbolon-require-profile";
const REVISION: &str = "x-symbolon-min-revision";
const DEADLINE: &str = "x-symbolon-deadline-ms";

fn shown(lists: &Lists<'_>) -> Vec<Vec<String>> {
    lists.iter().map(|list| list.iter().map(ToString::to_string).collect()).collect()
}

fn in_query(query: &str) -> Result<Demands<'_>, DemandError> {
    Demands::default().and_query(query)
}

fn query_error(query: &str) -> DemandError {
    in_query(query).unwrap_err()
}

fn header_error(name: &str, value: &str) -> DemandError {
    let lines = Lines::of(&[(name, value)]);
    Demands::default().and_headers(&lines).map(|_| ()).unwrap_err()
}

fn asking(min_revision: i64, deadline_ms: u64) -> Freshness {
    let deadline = Some(Duration::from_millis(deadline_ms));
    Freshness { min_revision: Some(min_revision), deadline }
}

#[test]
fn repeated_members_of_the_query_are_one_list() {
    let demands = in_query(
        "device_type=server&a=b&profile=Read+Only%2C%20all&device_type=mobile&min_revision=7&deadline_ms=250",
    )
    .unwrap();

    assert_eq!(shown(&demands.device_types), [["server", "mobile"]]);
    assert_eq!(shown(&demands.profiles), [["Read Only, all"]]);
    assert_eq!(demands.freshness, asking(7, 250));
}

#[test]
fn each_line_of_a_header_is_a_list_of_its_own() {
    let lines = Lines::of(&[
        (DEVICE, "server, mobile,,"),
        (PROFILES, "Überall"),
        (DEVICE, "\tserver "),
        (REVISION, "7"),
        (REVISION, "9"),
        (DEADLINE, "300,200"),
    ]);
    let demands = Demands::default().and_headers(&lines).unwrap();

    assert_eq!(shown(&demands.device_types), [vec!["server", "mobile"], vec!["server"]]);
    assert_eq!(shown(&demands.profiles), [["Überall"]]);
    assert_eq!(demands.freshness, asking(9, 200));
}

#[test]
fn names_that_may_come_from_several_lines_must_all_hold() {
    let lines = Joined(Lines::of(&[(DEVICE, "server,mobile"), (REVISION, "9,7")]));
    let demands = Demands::default().and_headers(&lines).unwrap();

    assert_eq!(shown(&demands.device_types), [["server"], ["mobile"]]);
    assert_eq!(demands.freshness.min_revision, Some(9));
}

#[test]
fn context_extensions_are_read_under_the_names_of_the_query() {
    let extensions = [
        ("device_type", "server,mobile"),
        ("virtual_host", "api"),
        ("profile", "Standard"),
        ("min_revision", "3"),
        ("deadline_ms", "40"),
    ];
    let demands = Demands::default().and_extensions(extensions).unwrap();

    assert_eq!(shown(&demands.device_types), [["server", "mobile"]]);
    assert_eq!(shown(&demands.profiles), [["Standard"]]);
    assert_eq!(demands.freshness, asking(3, 40));
}

#[test]
fn a_name_must_be_in_the_lists_of_every_source() {
    let lines = Lines::of(&[(DEVICE, "mobile,desktop")]);
    let demands =
        in_query("device_type=server&device_type=mobile").unwrap().and_headers(&lines).unwrap();

    assert!(demands.device_types.all_contain("mobile"));
    for other in ["server", "desktop", "any", "Mobile", ""] {
        assert!(!demands.device_types.all_contain(other), "{other}");
    }
    assert!(demands.profiles.all_contain("whatever"));
}

#[test]
fn where_nothing_is_demanded_nothing_is_allocated() {
    let lines = Lines::of(&[("authorization", "Bearer a")]);
    let demands = in_query("rd=x&y").unwrap().and_headers(&lines).unwrap();
    let demands = demands.and_extensions([("virtual_host", "api")]).unwrap();

    for lists in [&demands.device_types, &demands.profiles] {
        assert!(lists.is_empty());
        assert_eq!(lists.names.capacity(), 0);
    }
    assert_eq!(demands.freshness, Freshness::default());
}

#[test]
fn what_cannot_be_read_is_refused() {
    for query in [
        "device_type",
        "device_type=",
        "profile=%",
        "profile=%ff",
        "x=%zz",
        "min_revision=-1",
        "min_revision=",
        "min_revision=1&min_revision=1",
        "deadline_ms=0",
        "deadline_ms=5001",
    ] {
        assert_eq!(query_error(query), DemandError::Malformed(QUERY), "{query}");
    }
    for (name, value) in [(DEVICE, ""), (PROFILES, " , "), (REVISION, ""), (DEADLINE, "1,")] {
        assert_eq!(header_error(name, value), DemandError::Malformed(name), "{name}: {value}");
    }
    let lines = Lines(vec![(PROFILES.to_owned(), b"\xff".to_vec())]);
    let error = Demands::default().and_headers(&lines).map(|_| ()).unwrap_err();
    assert_eq!(error, DemandError::Malformed(PROFILES));
    let error = Demands::default().and_extensions([("device_type", "")]).unwrap_err();
    assert_eq!(error, DemandError::Malformed("device_type"));
}

#[test]
fn lists_and_their_names_are_bounded() {
    let line = |count: usize| vec![(DEVICE, "server"); count];
    let read = |lines: &[(&str, &str)]| {
        Demands::default().and_headers(&Lines::of(lines)).map(|found| shown(&found.device_types))
    };

    assert_eq!(read(&line(MAX_LISTS)).unwrap().len(), MAX_LISTS);
    assert_eq!(read(&line(MAX_LISTS + 1)), Err(DemandError::TooMany(DEVICE)));
    assert_eq!(read(&[(DEVICE, &"a,".repeat(MAX_VALUES))]).unwrap()[0].len(), MAX_VALUES);
    assert_eq!(read(&[(DEVICE, &"a,".repeat(MAX_VALUES + 1))]), Err(DemandError::TooMany(DEVICE)));
    assert_eq!(query_error(&"device_type=a&".repeat(MAX_VALUES + 1)), DemandError::TooMany(QUERY));
    assert_eq!(query_error(&"a&".repeat(65)), DemandError::TooMany(QUERY));
}

proptest! {
    #[test]
    fn what_is_demanded_in_a_query_reads_back(
        device_types in prop::collection::vec("[^\0]{1,8}", 0..5),
        profiles in prop::collection::vec("[^\0]{1,8}", 0..5),
    ) {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(device_types.iter().map(|name| ("device_type", name)))
            .extend_pairs(profiles.iter().map(|name| ("profile", name)))
            .finish();
        let demands = in_query(&query).unwrap();

        prop_assert_eq!(shown(&demands.device_types).concat(), device_types);
        prop_assert_eq!(shown(&demands.profiles).concat(), profiles);
    }

    /// A client's headers, joined or not, come on top of what the proxy demands.
    #[test]
    fn a_client_can_only_narrow(
        query in "(device_type=[ab]&){0,3}",
        extension in prop::option::of("[ab](,[ab]){0,2}"),
        lines in prop::collection::vec("[abc ,]{0,4}", 0..4),
        device_type in "[abc]",
    ) {
        let lines: Vec<_> = lines.iter().map(|line| (DEVICE, line.as_str())).collect();
        let separate = Lines::of(&lines);
        let joined = lines.iter().map(|(_, line)| *line).collect::<Vec<_>>().join(",");
        let joined: &[_] = if lines.is_empty() { &[] } else { &[(DEVICE, joined.as_str())] };
        let joined = Joined(Lines::of(joined));
        let demanded = || {
            in_query(&query).unwrap().and_extensions(extension.iter().map(|list| ("device_type", list.as_str()))).unwrap()
        };
        let wide = demanded().device_types.all_contain(&device_type);

        if let Ok(narrowed) = demanded().and_headers(&separate) {
            let admits = narrowed.device_types.all_contain(&device_type);
            prop_assert!(wide || !admits);
            // What joining makes of the same lines admits no more than they did.
            if let Ok(narrower) = demanded().and_headers(&joined) {
                prop_assert!(admits || !narrower.device_types.all_contain(&device_type));
            }
        }
    }

    #[test]
    fn no_bytes_make_the_readers_panic(
        query in "((device_type|profile|min_revision|deadline_ms)?[%a-f0-9&=+]{0,9}){0,5}",
        name in prop::sample::select(RequestHeader::ALL.to_vec()),
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        text in "[a-z0-9, \t]{0,40}",
    ) {
        let lines = Lines(vec![(name.name().to_owned(), bytes), (name.name().to_owned(), text.clone().into())]);
        let _ = in_query(&query);
        let _ = in_query(&text);
        let _ = Demands::default().and_headers(&lines);
        let _ = Demands::default().and_headers(&Joined(lines));
        let _ = Demands::default().and_extensions([("profile", text.as_str()), ("deadline_ms", &text)]);
    }
}

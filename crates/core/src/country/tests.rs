//! What a file says of an address, and what a file may not be.

use proptest::prelude::*;

use super::*;

fn at(countries: &Countries, address: &str) -> String {
    let country = countries.of(Source::new(address.parse().unwrap()));
    country.map_or_else(|| "-".to_owned(), |country| country.to_string())
}

#[test]
fn the_narrowest_range_around_an_address_tells_its_country() {
    let file = "\u{feff}# provider A\r\n198.51.100.128/25 FR\n\n198.51.0.0/16\tde\n \
                198.51.100.200 ZZ\n2001:db8::/32,AT,AT-9,Wien,\n2001:db8:7::/48 , CH\n0.0.0.0/1 US\n";
    let countries = Countries::parse(file).unwrap();

    for (address, country) in [
        ("198.51.100.127", "DE"),
        ("198.51.100.128", "FR"),
        ("198.51.100.200", "-"),
        ("198.51.100.201", "FR"),
        ("198.51.100.255", "FR"),
        ("198.51.101.0", "DE"),
        ("::ffff:198.51.101.0", "DE"),
        ("198.52.0.0", "-"),
        ("197.0.0.0", "-"),
        ("0.0.0.0", "US"),
        ("127.255.255.255", "US"),
        ("128.0.0.0", "-"),
        ("2001:db8::1", "AT"),
        ("2001:db8:7::1", "CH"),
        ("2001:db8:8::1", "AT"),
        ("2001:db9::", "-"),
    ] {
        assert_eq!(at(&countries, address), country, "{address}");
    }
    assert_eq!(at(&Countries::default(), "198.51.100.1"), "-");
}

#[test]
fn the_end_of_all_addresses_belongs_to_the_last_range() {
    let countries = Countries::parse("255.255.255.0/24 DE\n::/0 FR\nffff::/16 AT").unwrap();

    assert_eq!(at(&countries, "255.255.255.255"), "DE");
    assert_eq!(at(&countries, "ffff:ffff::ffff"), "AT");
    assert_eq!(at(&countries, "fffe::1"), "FR");
}

#[test]
fn what_cannot_be_read_is_told_with_its_line() {
    for (file, fault) in [
        ("192.0.2.0/24 DE\n192.0.2.0/24", CountriesFault::Line(2)),
        ("\n\nDE 192.0.2.0/24", CountriesFault::Line(3)),
        ("192.0.2.0/33 DE", CountriesFault::Line(1)),
        ("192.0.2.0/24 DEU", CountriesFault::Line(1)),
        ("192.0.2.0/24 D1", CountriesFault::Line(1)),
        ("192.0.2.0/24 DE Berlin", CountriesFault::Line(1)),
        ("192.0.2.0/24,,,", CountriesFault::Line(1)),
        ("2001:db8::/65 DE", CountriesFault::Narrow(1)),
        ("2001:db8::1 DE", CountriesFault::Narrow(1)),
        ("::ffff:192.0.2.0/120 DE", CountriesFault::Narrow(1)),
        ("10.0.0.0/8 DE\n10.1.0.0/16 FR\n10.9.9.9/8 FR", CountriesFault::Twice(3, 1)),
    ] {
        assert_eq!(Countries::parse(file), Err(fault), "{file}");
    }
    let same = Countries::parse("10.0.0.0/8 DE\n10.0.0.0/8 de").unwrap();
    assert_eq!(at(&same, "10.1.2.3"), "DE");
    let told = CountriesFault::Twice(3, 1).to_string();
    assert_eq!(told, "line 3: the range has another country in line 1");
}

#[test]
fn a_file_has_two_million_ranges_and_no_more() {
    use std::fmt::Write as _;
    let mut file = String::new();
    for line in 0..MOST_LINES {
        let network = std::net::Ipv4Addr::from_bits(u32::try_from(line << 8).unwrap());
        writeln!(file, "{network}/24 {}", if line % 2 == 0 { "DE" } else { "FR" }).unwrap();
    }

    let countries = Countries::parse(&file).unwrap();
    file.push_str("223.0.0.0/24 AT");

    assert_eq!((at(&countries, "0.0.1.9"), at(&countries, "30.0.2.1")), ("FR".into(), "DE".into()));
    assert_eq!(Countries::parse(&file), Err(CountriesFault::TooMany(MOST_LINES + 1)));
}

/// Ranges of few addresses, so that they meet, hold each other and end together.
fn ranges() -> impl Strategy<Value = Vec<(String, &'static str)>> {
    let country = proptest::sample::select(vec!["DE", "FR", "AT", "ZZ"]);
    let one =
        (0..64_u8, 24..33_u8, country, any::<bool>()).prop_map(|(at, prefix, country, six)| {
            let range = if six {
                // The same within the last eight bits of a /64.
                format!("2001:db8:0:{at:x}::/{}", prefix + 32)
            } else {
                format!("203.0.113.{at}/{prefix}")
            };
            (range, country)
        });
    proptest::collection::vec(one, 0..24)
}

/// The longest range that contains the address, looked for one by one.
fn looked_for(ranges: &[(String, &str)], address: &str) -> String {
    let address: IpAddr = address.parse().unwrap();
    let nets = ranges.iter().map(|(range, country)| (range.parse::<IpNet>().unwrap(), *country));
    let around = nets.filter(|(net, _)| net.contains(&address));
    let narrowest = around.max_by_key(|(net, _)| net.prefix_len());
    narrowest.map_or("-", |(_, country)| if country == "ZZ" { "-" } else { country }).to_owned()
}

proptest! {
    #[test]
    fn the_table_says_what_the_lines_say(ranges in ranges(), seed in any::<u64>()) {
        let written = |ranges: &[(String, &str)]| {
            ranges.iter().map(|(range, country)| format!("{range} {country}")).collect::<Vec<_>>().join("\n")
        };
        let mut shuffled = ranges.clone();
        let turn = usize::try_from(seed % 24).unwrap() % shuffled.len().max(1);
        shuffled.rotate_left(turn);
        let Ok(countries) = Countries::parse(&written(&ranges)) else { return Ok(()) };

        prop_assert_eq!(&Countries::parse(&written(&shuffled)).unwrap(), &countries);
        for last in 0..=u8::MAX {
            for address in [format!("203.0.113.{last}"), format!("2001:db8:0:{last:x}::7")] {
                prop_assert_eq!(at(&countries, &address), looked_for(&ranges, &address), "{}", address);
            }
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "(\\PC|\n|[0-9a-fA-F:./, ]){0,200}") {
        let _parsed = Countries::parse(&text);
    }
}

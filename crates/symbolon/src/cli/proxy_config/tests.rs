//! The printed configurations: as wholes, and in what each must say whatever it is asked for.

use symbolon_wire::identity_headers;

use super::*;

const ALL: [fn(&Facts) -> askama::Result<String>; 6] = [
    snippet::nginx,
    snippet::caddy,
    snippet::traefik,
    snippet::haproxy,
    snippet::envoy_over_http,
    snippet::envoy_over_grpc,
];

fn facts() -> Facts {
    Facts {
        authority: Place::parse("http://127.0.0.1:8080").unwrap(),
        upstream: Place::parse("http://10.0.0.7:9000").unwrap(),
        demands: Demands::default(),
        listen_port: 8000,
    }
}

fn demands(device_types: &[&str], profiles: &[&str]) -> Demands {
    Demands {
        device_types: device_types.iter().map(|name| DeviceType::parse(name).unwrap()).collect(),
        profiles: profiles.iter().map(|name| DisplayName::parse(name).unwrap()).collect(),
    }
}

#[test]
fn each_configuration_is_a_whole_one() {
    let facts = facts();

    insta::assert_snapshot!("nginx.conf", snippet::nginx(&facts).unwrap());
    insta::assert_snapshot!("Caddyfile", snippet::caddy(&facts).unwrap());
    insta::assert_snapshot!("traefik.yaml", snippet::traefik(&facts).unwrap());
    insta::assert_snapshot!("haproxy.cfg", snippet::haproxy(&facts).unwrap());
    insta::assert_snapshot!("envoy.yaml", snippet::envoy_over_http(&facts).unwrap());
}

#[test]
fn envoy_asks_over_grpc_over_tls_with_demands() {
    let facts = Facts {
        authority: Place::parse("https://127.0.0.1:8443").unwrap().vouched_for_by("/data/ca.pem"),
        upstream: Place::parse("https://app.example").unwrap(),
        demands: demands(&["server", "mobile"], &["50% \"Büro\""]),
        listen_port: 80,
    };

    insta::assert_snapshot!("envoy-grpc.yaml", snippet::envoy_over_grpc(&facts).unwrap());
}

#[test]
fn what_is_printed_sets_exactly_the_headers_that_symbolon_answers_with() {
    let facts = facts();
    for print in ALL {
        let text = print(&facts).unwrap().to_lowercase();
        // gRPC answers name themselves what they set.
        let grpc = text.contains("grpc_service");
        for name in identity_headers::NAMES {
            assert!(grpc || text.contains(name), "{name} in {text}");
        }
    }
    assert_eq!(snippet::IDENTITY.map(str::to_ascii_lowercase), identity_headers::NAMES);
}

#[test]
fn demands_reach_symbolon_as_they_were_meant() {
    let facts = Facts { demands: demands(&["server", "mobile"], &["50% \"Büro\""]), ..facts() };
    let query = "?device_type=server&device_type=mobile&profile=50%25%20%22B%C3%BCro%22";
    let headers = "X-Symbolon-Require-Device-Type, value: \"server,mobile\" }\n                  \
                   - { key: X-Symbolon-Require-Profile, value: \"50%% \\\"Büro\\\"\" }";
    let extensions = "device_type: \"server,mobile\"\n                        \
                      profile: \"50% \\\"Büro\\\"\"";

    for (print, told) in ALL.into_iter().zip([query, query, query, query, headers, extensions]) {
        let text = print(&facts).unwrap();
        assert!(text.contains(told), "{told} in {text}");
    }
}

#[test]
fn caddy_never_asks_with_the_query_of_the_client() {
    assert!(snippet::caddy(&facts()).unwrap().contains("uri /authz/forward-auth?\n"));
}

#[test]
fn a_certificate_is_always_verified() {
    let facts = Facts {
        authority: Place::parse("https://tokens.example.com").unwrap(),
        upstream: Place::parse("https://app.example:9443").unwrap(),
        ..facts()
    };
    // Caddy and Traefik verify what nobody tells them not to.
    for (print, word) in [
        (ALL[0], "proxy_ssl_verify on;"),
        (ALL[3], "ssl verify required ca-file @system-ca verifyhost"),
        (ALL[4], "match_typed_subject_alt_names"),
        (ALL[5], "match_typed_subject_alt_names"),
    ] {
        assert_eq!(print(&facts).unwrap().matches(word).count(), 2, "{word}");
    }
}

#[test]
fn a_place_is_scheme_host_and_port_of_harmless_characters() {
    let url = |text: &str| Place::parse(text).map(|place| place.url());

    assert_eq!(url("http://App.Example/").unwrap(), "http://app.example:80");
    assert_eq!(url("https://my_app").unwrap(), "https://my_app:443");
    assert_eq!(url("http://[::1]:9000").unwrap(), "http://[::1]:9000");
    for text in [
        "",
        "app:9000",
        "ftp://a",
        "http://",
        "http://a/b",
        "http://a?b",
        "http://a#b",
        "http://u:p@a",
        "http://u@a",
        "http://a:0",
        "http://a:65536",
        "http://a:",
        "http://$a",
        "http://a;b",
        "http://a'b",
        "http://[::g]",
        "http://-a",
        "http://a b",
        "http://é",
    ] {
        assert!(Place::parse(text).is_err(), "{text}");
    }
}

#[test]
fn localhost_is_an_address_unless_a_certificate_must_name_it() {
    let at = |text: &str| Place::parse(text).unwrap().by_address().address();

    assert_eq!(at("http://localhost:8080"), "127.0.0.1:8080");
    assert_eq!(at("https://localhost:8443"), "localhost:8443");
}

#[test]
fn a_path_that_a_proxy_would_read_otherwise_is_not_plain() {
    assert!(place::is_plain("/var/lib/symbolon data/ca.pem"));
    for path in ["/a\"b", "/a$b", "/a\\b", "/a{b", "/a\nb", "/a%b"] {
        assert!(!place::is_plain(path), "{path}");
    }
}

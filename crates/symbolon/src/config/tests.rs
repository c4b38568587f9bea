//! The layers against each other, and what is told of faults.

use std::fs;
use std::path::PathBuf;

use symbolon_core::names::Source;

use super::keys::KEYS;
use super::layers::{Origin, Outside};
use super::*;

fn environment_of(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

/// Layers of a file, an environment and flags, with a data dir that is not there.
fn layers(file: &str, environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Layers {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("symbolon.toml");
    fs::write(&path, file).unwrap();
    let mut flags: Vec<_> = flags.iter().map(|(key, text)| (*key, (*text).to_owned())).collect();
    flags.push(("data_dir", dir.path().join("data").display().to_string()));
    Layers::gather(Outside { flags, config: Some(path), environment: environment_of(environment) })
}

fn faults(file: &str, environment: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Vec<String> {
    read(&layers(file, environment, flags)).map(drop).unwrap_err()
}

#[test]
fn a_flag_beats_the_environment_that_beats_the_file_that_beats_the_default() {
    let file = "organization = \"File\"";
    let variable = [("SYMBOLON_ORGANIZATION", "Environment")];

    let organization = |layers: &Layers| read(layers).unwrap().organization.to_string();
    assert_eq!(organization(&layers("", &[], &[])), "Symbolon");
    assert_eq!(organization(&layers(file, &[], &[])), "File");
    assert_eq!(organization(&layers(file, &variable, &[])), "Environment");
    assert_eq!(organization(&layers(file, &variable, &[("organization", "Flag")])), "Flag");
}

#[test]
fn each_value_knows_where_it_came_from() {
    let layers = layers("[logins]\nsource_names = 7", &[("SYMBOLON_LOG_LEVEL", "warn")], &[]);

    assert!(matches!(layers.origin("logins.source_names"), Origin::File(_, "logins.source_names")));
    assert_eq!(layers.origin("log_level"), Origin::Variable("SYMBOLON_LOG_LEVEL".to_owned()));
    assert_eq!(layers.origin("listen"), Origin::Preset);
    assert_eq!(read(&layers).unwrap().logins.source.names, 7);
}

#[test]
fn an_unknown_key_is_told_with_its_file_and_the_nearest_known() {
    let told =
        faults("organisation = \"A\"\n[logins]\nsource_name = 1", &[("SYMBOLON_LISTN", "x")], &[]);

    assert_eq!(told.len(), 3);
    assert!(told[0].contains("SYMBOLON_LISTN") && told[0].contains("SYMBOLON_LISTEN?"));
    assert!(told.iter().any(|fault| fault.contains("symbolon.toml: logins.source_name ")
        && fault.contains("logins.source_names?")));
    assert!(
        told.iter().any(|fault| fault.contains("organisation") && fault.contains("organization?"))
    );
}

#[test]
fn however_far_a_key_is_from_every_known_one_the_nearest_is_named() {
    let told = faults("q = 1", &[("SYMBOLON_ZZZZZZZZZZZZZZZZZZZZ", "x")], &[]);

    assert_eq!(told.len(), 2);
    assert!(told.iter().all(|fault| fault.contains("; did you mean ")), "{told:?}");
}

#[test]
fn what_kubernetes_injects_is_ignored() {
    let injected = [
        ("SYMBOLON_PORT", "tcp://10.0.0.1:80"),
        ("SYMBOLON_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("SYMBOLON_SERVICE_HOST", "10.0.0.1"),
    ];

    assert!(read(&layers("", &injected, &[])).is_ok());
}

#[test]
fn all_faults_are_told_together_and_none_repeats_a_secret() {
    let told = faults(
        "log_level = 3\nhash_threads = 0",
        &[("SYMBOLON_MAIL", "gopher://a:hush@b"), ("SYMBOLON_LISTEN", "nowhere")],
        &[("public_url", "ftp://x")],
    );

    assert_eq!(told.len(), 5, "{told:?}");
    assert!(!told.concat().contains("hush"));
}

#[test]
fn a_secret_given_twice_is_refused_and_one_in_a_file_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let secret = dir.path().join("mail");
    fs::write(&secret, "smtp://a:b@mail.example:587\n").unwrap();
    let named = secret.display().to_string();
    let file = [("SYMBOLON_MAIL_FILE", named.as_str())];

    let taken = layers("", &file, &[]);
    let twice = faults("mail = \"smtp://mail.example\"", &file, &[]);

    assert!(matches!(read(&taken).unwrap().mail, MailTarget::Smtp(_)));
    assert_eq!(taken.origin("mail"), Origin::SecretFile(PathBuf::from(&named)));
    assert!(twice[0].contains("SYMBOLON_MAIL_FILE") && twice[0].contains("symbolon.toml: mail"));
}

#[test]
fn a_password_on_argv_is_refused_without_being_repeated() {
    let told = faults("", &[], &[("database", "postgres://me:hush@db/x")]);

    assert!(told[0].contains("--database") && told[0].contains("SYMBOLON_DATABASE_FILE"));
    assert!(!told.concat().contains("hush"));
    assert!(read(&layers("", &[], &[("database", "postgres://me@db/x")])).is_ok());
}

#[test]
fn a_broken_file_is_told_by_its_line_and_not_by_its_words() {
    let told = faults("\nmail = \"smtp://a:hush@b", &[], &[]);

    assert!(told[0].contains("line 2") && !told[0].contains("hush"), "{told:?}");
}

#[test]
fn https_needs_a_certificate_from_exactly_one_place() {
    assert!(faults("", &[], &[("listen_tls", "127.0.0.1:0")])[0].contains("tls_self_signed"));
    assert!(faults("", &[], &[("tls_self_signed", "true")])[0].contains("listen_tls"));
    assert!(
        read(&layers("", &[], &[("listen_tls", "127.0.0.1:0"), ("tls_self_signed", "true")]))
            .is_ok()
    );
}

#[test]
fn the_development_mailbox_is_not_for_a_server() {
    assert!(faults("", &[("SYMBOLON_MAIL", "mailbox:")], &[])[0].contains("mailbox"));
}

#[test]
fn what_is_shown_has_no_secret_and_every_key() {
    let layers = layers("", &[("SYMBOLON_MAIL", "smtp://a:hush@b.example:587")], &[]);

    let shown = show::shown(&layers);

    assert_eq!(shown.as_array().unwrap().len(), KEYS.len());
    assert!(!shown.to_string().contains("hush"));
    assert!(shown.to_string().contains("smtp://a:***@b.example:587"));
}

#[test]
fn the_schema_describes_every_key() {
    let properties = &show::schema()["properties"];

    for key in KEYS {
        let pointer = match key.name.split_once('.') {
            Some((section, name)) => format!("/{section}/properties/{name}"),
            None => format!("/{}", key.name),
        };
        assert!(properties.pointer(&pointer).is_some(), "{}", key.name);
    }
}

#[test]
fn a_file_of_countries_is_read_and_its_first_fault_told_with_key_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("countries");
    let given = |text: &[u8]| {
        fs::write(&path, text).unwrap();
        let layers =
            layers(&format!("countries_file = {:?}", path.display().to_string()), &[], &[]);
        read(&layers).map(|config| config.countries)
    };

    let countries = given(b"192.0.2.0/24 DE\n2001:db8::/32 FR\n").unwrap();
    let broken = given(b"192.0.2.0/24 DE\n192.0.2.0 Germany\n").unwrap_err();
    let binary = given(b"\xff\xfe").unwrap_err();

    let here = Source::new("192.0.2.7".parse().unwrap());
    assert_eq!(countries.of(here).unwrap().to_string(), "DE");
    assert!(
        broken[0].contains("countries_file") && broken[0].contains("line 2: must be"),
        "{broken:?}"
    );
    assert!(
        binary[0].contains("countries_file") && binary[0].contains("cannot be read"),
        "{binary:?}"
    );
    let none = read(&layers("", &[], &[])).unwrap().countries;
    assert_eq!(*none, Countries::default());
}

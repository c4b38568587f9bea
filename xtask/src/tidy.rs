//! The rules, each a test that names the place that breaks it.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file of the workspace.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Lines with their numbers, without comments and without the tests at their end.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let code = self.text.lines().enumerate().take_while(|(_, line)| *line != "mod tests {");
        code.filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(at, line)| (at + 1, line))
    }

    fn is_below(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let crates = fs::read_dir(root().join("crates")).expect("the workspace has crates");
    for each in crates.flatten() {
        collect(&each.path().join("src"), &mut found);
    }
    assert!(found.len() > 50, "the rules must have something to look at");
    found
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file is text");
            let path = path.strip_prefix(root()).expect("below the root").display().to_string();
            found.push(Source { path, text });
        }
    }
}

/// Places where one of `words` stands in code, but for files that `exempt` lets off.
fn places(words: &[&str], exempt: impl Fn(&Source) -> bool) -> Vec<String> {
    let sources = sources();
    let mut places = Vec::new();
    for source in sources.iter().filter(|source| !exempt(source)) {
        for (number, line) in source.code() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                places.push(format!("{}:{number}: {word}", source.path));
            }
        }
    }
    places
}

fn none(places: &[String]) {
    assert!(places.is_empty(), "\n{}", places.join("\n"));
}

fn dependencies_of(package: &str) -> Vec<String> {
    let manifest = root().join("crates").join(package).join("Cargo.toml");
    let text = fs::read_to_string(manifest).expect("each room has a manifest");
    let section = text.split("[dependencies]").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    section
        .lines()
        .filter_map(|line| line.strip_prefix("symbolon-")?.split(['.', ' ', '=']).next())
        .map(str::to_owned)
        .collect()
}

#[test]
fn imports_go_downwards_only_and_siblings_do_not_know_each_other() {
    let may_know: [(&str, &[&str]); 9] = [
        ("core", &[]),
        ("wire", &["core"]),
        ("store", &["core"]),
        ("mail", &["core"]),
        ("live", &["core"]),
        ("app", &["core", "live", "store", "mail"]),
        ("http", &["core", "wire", "mail", "app"]),
        ("symbolon", &["core", "wire", "store", "mail", "app", "http"]),
        // Beside the house: other people embed it, so it knows nobody and nobody knows it.
        ("client", &[]),
    ];
    for (room, allowed) in may_know {
        for known in dependencies_of(room) {
            assert!(allowed.contains(&known.as_str()), "{room} must not know {known}");
        }
    }
}

#[test]
fn core_knows_no_io_async_serde_clock_or_randomness_of_its_own() {
    let words = [
        "async ",
        "serde",
        "tokio",
        "std::fs",
        "std::net::Tcp",
        "SysRng",
        "SystemTime",
        "println!",
        "tracing",
    ];
    none(&places(&words, |source| !source.is_below("crates/core/")));
}

#[test]
fn only_store_speaks_sql() {
    let words = ["SELECT ", "INSERT INTO", "DELETE FROM", "UPDATE ", "sqlx::"];
    none(&places(&words, |source| source.is_below("crates/store/")));
}

#[test]
fn only_the_seam_names_an_engine() {
    let words = ["sqlx::", "Sqlite", "Postgres", "PRAGMA"];
    none(&places(&words, |source| {
        // Configuration and the doctor say which database was asked for.
        source.is_below("crates/store/src/sql/")
            || source.is_below("crates/store/src/migrat")
            || source.is_below("crates/symbolon/")
    }));
}

#[test]
fn only_heads_and_pages_know_status_codes() {
    none(&places(&["StatusCode"], |source| {
        source.is_below("crates/http/")
            || source.is_below("crates/symbolon/")
            // The other end of the line.
            || source.is_below("crates/client/")
    }));
}

#[test]
fn nobody_logs_an_address_or_a_secret() {
    let logs = ["error!(", "warn!(", "info!(", "debug!(", "trace!("];
    let secrets = ["email", "reveal", "password", "secret"];
    for source in sources() {
        for (number, line) in source.code() {
            let logging = logs.iter().any(|log| line.contains(log));
            let leaking = secrets.iter().find(|word| line.contains(**word));
            assert!(!(logging && leaking.is_some()), "{}:{number}: {leaking:?}", source.path);
        }
    }
}

#[test]
fn a_file_over_600_lines_gives_its_reason_in_its_head() {
    for source in sources() {
        let long = source.text.lines().count() > 600;
        let reason = source.text.lines().take(15).any(|line| line.contains("Long because"));
        assert!(!long || reason, "{} has over 600 lines", source.path);
    }
}

#[test]
fn every_file_says_in_its_head_what_it_is() {
    for source in sources() {
        assert!(source.text.starts_with("//!"), "{} has no head", source.path);
    }
}

#[test]
fn what_is_left_to_do_has_an_issue() {
    let marks = ["TODO", "FIXME", "XXX"];
    for source in sources() {
        for (at, line) in source.text.lines().enumerate() {
            let mark = marks.iter().any(|mark| line.contains(mark));
            assert!(!mark || line.contains("TODO(#"), "{}:{}", source.path, at + 1);
        }
    }
}

#[test]
fn names_say_what_things_are() {
    for source in sources() {
        let name = source.path.rsplit('/').next().unwrap_or_default();
        let vague = ["util", "helper", "common", "misc", "manager"];
        assert!(!vague.iter().any(|word| name.contains(word)), "{}", source.path);
    }
}

//! `tests/browser/pages.json` says of every page under which name the browser tests read it with axe-core, or why
//! nobody does: that no page of the router is missing there, and no name in the tests.
//!
//! That a name is read at its page the tests see to themselves, when they run (`tests/browser/chromium.mjs`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const PAGES: &str = "crates/http/src/pages";
const LIST: &str = "tests/browser/pages.json";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The paths of all `get(…)` in the table of pages, constants by their values.
fn routes() -> BTreeSet<String> {
    let table = read(&format!("{PAGES}/table.rs"));
    let (table, _) = table.split_once("\n/// The page whose form posts").expect("the table ends");
    let mut routes = BTreeSet::new();
    let calls = table.match_indices("get(").filter(|(at, _)| {
        // `proved(get(` and a line's own; not the end of another name.
        !table[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
    });
    for (at, call) in calls {
        let argument = table[at + call.len()..].trim_start();
        let first = argument.split(',').next().unwrap_or_default().trim();
        routes.insert(match first.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(path) => path.to_owned(),
            None => value_of(first),
        });
    }
    assert!(routes.len() > 50, "the table has pages: {routes:?}");
    routes
}

/// The value of a constant such as `door::challenge::PATH`.
fn value_of(constant: &str) -> String {
    let (module, name) = constant.rsplit_once("::").expect("a constant of another module");
    let file = read(&format!("{PAGES}/{}.rs", module.replace("::", "/")));
    let declared = format!("const {name}: &str = \"");
    let (_, rest) = file.split_once(&declared).unwrap_or_else(|| panic!("{constant} is a text"));
    rest.split('"').next().unwrap_or_default().to_owned()
}

/// What the list says of one page.
enum Told {
    /// The names under which it is read.
    Read(Vec<String>),
    /// Why it is not.
    Unread(String),
}

/// The list, a page a line: `"/path": ["name", …]`, or `"/path": { "unread": "why" }`.
fn list() -> BTreeMap<String, Told> {
    let mut list = BTreeMap::new();
    for line in read(LIST).lines().filter(|line| line.starts_with("  \"")) {
        let texts: Vec<String> = line.split('"').skip(1).step_by(2).map(str::to_owned).collect();
        let (path, rest) = texts.split_first().expect("a line names a page");
        let told = match rest {
            [unread, why] if unread == "unread" => Told::Unread(why.clone()),
            names => Told::Read(names.to_vec()),
        };
        assert!(list.insert(path.clone(), told).is_none(), "{LIST}: {path} stands there twice");
    }
    list
}

/// Scripts and templates: all that can run in a browser.
fn of_browsers() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join("crates/http/assets"), root().join("crates/http/templates")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is there").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push((path.clone(), fs::read_to_string(&path).expect("it is text")));
            }
        }
    }
    found
}

/// ASVS 14.3.3.
#[test]
fn no_script_of_ours_keeps_anything_in_the_browser() {
    const KEEPERS: [&str; 5] =
        ["localStorage", "sessionStorage", "indexedDB", "document.cookie", "caches."];
    let files = of_browsers();
    assert!(files.iter().any(|(path, _)| path.extension().is_some_and(|kind| kind == "js")));
    for (path, text) in files {
        for keeper in KEEPERS {
            assert!(!text.contains(keeper), "{}: {keeper}", path.display());
        }
    }
}

/// All that the browser tests say.
fn tests() -> String {
    let files = fs::read_dir(root().join("tests/browser")).expect("the folder is there").flatten();
    let tests = files.map(|file| file.path());
    let tests = tests.filter(|path| path.to_string_lossy().ends_with(".test.mjs"));
    tests.map(|path| fs::read_to_string(path).expect("a test is text")).collect()
}

#[test]
fn every_page_is_read_by_the_browser_tests_or_says_why_not() {
    let (routes, list) = (routes(), list());
    let listed: BTreeSet<String> = list.keys().cloned().collect();

    let missing: Vec<&String> = routes.difference(&listed).collect();
    let gone: Vec<&String> = listed.difference(&routes).collect();

    assert!(missing.is_empty(), "{LIST} says nothing of {missing:?}");
    assert!(gone.is_empty(), "{LIST} names pages that are gone: {gone:?}");
    for (path, told) in &list {
        match told {
            Told::Read(names) => assert!(!names.is_empty(), "{LIST}: {path} has no name"),
            Told::Unread(why) => assert!(!why.is_empty(), "{LIST}: {path} has no reason"),
        }
    }
}

#[test]
fn every_name_of_the_list_is_one_that_the_browser_tests_read_under() {
    let tests = tests();
    for (path, told) in list() {
        let Told::Read(names) = told else { continue };
        for name in names {
            let written = [format!("'{name}'"), format!("'axe-{name}'"), format!(" {name}: '/")];
            let known = written.iter().any(|written| tests.contains(written.as_str()));
            assert!(known, "{LIST}: no browser test reads {path} under the name {name}");
        }
    }
}

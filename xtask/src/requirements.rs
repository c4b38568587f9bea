//! `docs/security-requirements.md` names, for each security requirement, what holds it: that all of it exists.
//!
//! In the last cell of a row of requirements whatever stands between backticks is the name of a test, in
//! Rust, Python or for the browser. A row without one links to what holds it, or says that it is an exception
//! or not covered: so the page can neither rot nor pass something over in silence.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = "docs/security-requirements.md";
/// The head of a table of requirements; tables with other heads are not looked at.
const HEAD: &str = "| no. | what it asks for | held by |";

/// One requirement of the page.
struct Row {
    line: usize,
    number: String,
    holder: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

fn page() -> String {
    fs::read_to_string(root().join(PAGE)).expect("the page is there")
}

/// The rows of each table of requirements.
fn tables() -> Vec<Vec<Row>> {
    let (mut tables, mut inside) = (Vec::<Vec<Row>>::new(), false);
    for (at, line) in page().lines().enumerate() {
        if line == HEAD {
            tables.push(Vec::new());
            inside = true;
        } else if !line.starts_with('|') {
            inside = false;
        } else if inside && !line.starts_with("|---") {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [number, _, holder] = cells[..] else { panic!("{PAGE}:{}: three cells", at + 1) };
            let row = Row { line: at + 1, number: number.to_owned(), holder: holder.to_owned() };
            tables.last_mut().expect("a table has begun").push(row);
        }
    }
    tables
}

fn rows() -> Vec<Row> {
    let rows: Vec<Row> = tables().into_iter().flatten().collect();
    assert!(rows.len() > 150, "the rules must have something to look at");
    rows
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Where the links of `text` lead.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// The name that a heading is linked to by.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-');
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// The names of all tests of the house.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["crates", "xtask", "tests/system", "tests/crash", "tests/browser"] {
        collect(&root().join(folder), &mut names);
    }
    assert!(names.len() > 1000, "the tree has tests");
    names
}

fn collect(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            if !path.ends_with("node_modules") && !path.ends_with("target") {
                collect(&path, names);
            }
            continue;
        }
        let tests_of = match path.extension().and_then(|extension| extension.to_str()) {
            Some("rs") => in_rust,
            Some("py") => in_python,
            Some("mjs") => in_javascript,
            Some(_) | None => continue,
        };
        names.extend(tests_of(&fs::read_to_string(&path).expect("a source file is text")));
    }
}

/// Functions behind the attribute of a test; further attributes may stand between.
fn in_rust(text: &str) -> Vec<String> {
    let (mut names, mut marked) = (Vec::new(), false);
    for line in text.lines().map(str::trim_start) {
        marked |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let line = line.strip_prefix("async ").unwrap_or(line);
        if let Some(rest) = line.strip_prefix("fn ")
            && marked
        {
            names.extend(rest.split(['(', '<']).next().map(str::to_owned));
            marked = false;
        }
    }
    names
}

fn in_python(text: &str) -> Vec<String> {
    let functions = text.lines().filter_map(|line| line.trim_start().strip_prefix("def "));
    functions
        .filter(|rest| rest.starts_with("test_"))
        .filter_map(|rest| rest.split('(').next().map(str::to_owned))
        .collect()
}

fn in_javascript(text: &str) -> Vec<String> {
    let tests = text.lines().filter_map(|line| line.trim_start().strip_prefix("test('"));
    tests.filter_map(|rest| rest.split('\'').next().map(str::to_owned)).collect()
}

#[test]
fn every_test_that_a_requirement_names_exists() {
    let tests = tests();
    let mut missing = Vec::new();
    for Row { line, number, holder } in rows() {
        for name in quoted(&holder).filter(|name| !tests.contains(*name)) {
            missing.push(format!("{PAGE}:{line}: {number}: there is no test `{name}`"));
        }
    }

    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

#[test]
fn every_requirement_names_what_holds_it_or_says_why_nothing_does() {
    for row in rows() {
        let told = row.holder.contains("Exception: ") || row.holder.contains("Not covered: ");
        let held = quoted(&row.holder).next().is_some() || links(&row.holder).next().is_some();

        assert!(told || held, "{PAGE}:{}: {} is held by nothing", row.line, row.number);
    }
}

#[test]
fn whatever_a_requirement_links_to_is_there() {
    let page = page();
    let headings: Vec<String> =
        page.lines().filter_map(|line| line.strip_prefix("## ")).map(anchor).collect();
    for row in rows() {
        for link in links(&row.holder) {
            let there = match link.strip_prefix('#') {
                Some(heading) => headings.iter().any(|each| each == heading),
                None => {
                    let file = link.split('#').next().unwrap_or(link);
                    root().join("docs").join(file).is_file()
                }
            };
            assert!(there, "{PAGE}:{}: {} links to {link}", row.line, row.number);
        }
    }
}

#[test]
fn no_requirement_stands_in_a_table_twice() {
    for table in tables() {
        let mut numbers = BTreeSet::new();
        for row in &table {
            assert!(numbers.insert(&row.number), "{PAGE}:{}: {} again", row.line, row.number);
        }
    }
}

//! The layers of the configuration: flag over environment over file over default.
//!
//! Every value is kept as text beside where it came from, so that a fault names flag, variable or
//! file and key, and `config show` tells the origin of each. What a text means is read later
//! by the sections; here only its outer kind in the file is checked.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::keys::{KEYS, Key, Kind, key_named, nearest};
use super::secrets::carries_password;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A flag.
    Flag(String),
    /// A variable of the environment.
    Variable(String),
    /// A key of this file.
    File(PathBuf, &'static str),
    /// The file that a `…_file` key names.
    SecretFile(PathBuf),
    /// Nobody said anything.
    Preset,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Variable(name) => f.write_str(name),
            Self::File(path, key) => write!(f, "{}: {key}", path.display()),
            Self::SecretFile(path) => write!(f, "{}", path.display()),
            Self::Preset => f.write_str("default"),
        }
    }
}

/// A value and its origin. Has no `Debug`: it may be a secret.
pub(crate) struct Given {
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// What is outside of the files: flags and environment.
#[derive(Default)]
pub(crate) struct Outside {
    /// Keys and what their flags say.
    pub(crate) flags: Vec<(&'static str, String)>,
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
    /// The whole environment.
    pub(crate) environment: Vec<(OsString, OsString)>,
}

/// All that was given, and what is wrong with how it was given.
#[derive(Default)]
pub(crate) struct Layers {
    given: BTreeMap<&'static str, Given>,
    pub(crate) faults: Vec<String>,
}

const PREFIX: &str = "SYMBOLON_";
const FILE_NAME: &str = "symbolon.toml";

impl Layers {
    /// Gathers every layer. Faults are collected, not returned at the first.
    pub(crate) fn gather(outside: Outside) -> Self {
        let mut layers = Self::default();
        for (name, text) in outside.flags {
            layers.take_flag(name, text);
        }
        let named_by_variable = layers.take_environment(outside.environment);
        match outside.config.or(named_by_variable) {
            Some(path) => layers.take_file(&path, Demand::MustExist),
            None => layers.take_file(Path::new(FILE_NAME), Demand::MayExist),
        }
        let in_data_dir = Path::new(layers.text("data_dir")).join(FILE_NAME);
        if !same_file(&in_data_dir, Path::new(FILE_NAME)) {
            layers.take_file(&in_data_dir, Demand::MayExist);
        }
        for (name, file) in [("database", "database_file"), ("mail", "mail_file")] {
            layers.take_secret_file(name, file);
        }
        layers
    }

    /// What holds for the key: the highest layer's text, or its default.
    pub(crate) fn text(&self, name: &str) -> &str {
        let preset = || key_named(name).map_or("", Key::preset_text);
        self.given.get(name).map_or_else(preset, |given| &given.text)
    }

    /// Where that came from.
    pub(crate) fn origin(&self, name: &str) -> Origin {
        self.given.get(name).map_or(Origin::Preset, |given| given.origin.clone())
    }

    fn put(&mut self, name: &'static str, text: String, origin: Origin) {
        // The first to come is the highest.
        self.given.entry(name).or_insert(Given { text, origin });
    }

    fn take_flag(&mut self, name: &'static str, text: String) {
        let Some(key) = key_named(name) else { return };
        if key.secret && carries_password(&text) {
            self.faults.push(format!(
                "{} must not carry a password, for others can read the arguments of a process: \
                 give it as {}, {}_FILE or in the file {FILE_NAME}",
                key.flag(),
                key.variable(),
                key.variable()
            ));
        }
        self.put(name, text, Origin::Flag(key.flag()));
    }

    /// Takes our variables; answers `SYMBOLON_CONFIG`.
    fn take_environment(&mut self, environment: Vec<(OsString, OsString)>) -> Option<PathBuf> {
        let mut config = None;
        for (name, value) in environment {
            let name = name.to_string_lossy().into_owned();
            if !name.starts_with(PREFIX) || is_kubernetes(&name) {
                continue;
            }
            if name == "SYMBOLON_CONFIG" {
                config = Some(PathBuf::from(value));
                continue;
            }
            let Some(key) = KEYS.iter().find(|key| key.variable() == name) else {
                let meant = nearest(&name, |key| Cow::Owned(key.variable()));
                self.faults.push(unknown("environment", &name, meant));
                continue;
            };
            match value.into_string() {
                Ok(text) => self.put(key.name, text, Origin::Variable(name)),
                Err(_) => self.faults.push(format!("{name} is not UTF-8")),
            }
        }
        config
    }

    fn take_file(&mut self, path: &Path, demand: Demand) {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && demand == Demand::MayExist => {
                return;
            }
            Err(error) => {
                return self.faults.push(format!("{}: cannot be read: {error}", path.display()));
            }
        };
        match text.parse::<toml::Table>() {
            Ok(table) => self.take_table(path, "", table),
            // The error's own words would repeat the line, which may hold a secret.
            Err(error) => {
                let line = error.span().map_or(1, |span| line_of(&text, span.start));
                let place = format!("{}: line {line}", path.display());
                self.faults.push(format!("{place}: {}", error.message()));
            }
        }
    }

    fn take_table(&mut self, path: &Path, section: &str, table: toml::Table) {
        for (name, value) in table {
            let full = format!("{section}{name}");
            let is_section = |key: &&Key| key.name.starts_with(&format!("{full}."));
            match (key_named(&full), value) {
                (Some(key), value) => match text_of(key.kind, &value) {
                    Ok(text) => self.put(key.name, text, Origin::File(path.to_owned(), key.name)),
                    Err(fault) => self.faults.push(format!("{}: {full} {fault}", path.display())),
                },
                (None, toml::Value::Table(inner)) if KEYS.iter().any(|key| is_section(&key)) => {
                    self.take_table(path, &format!("{full}."), inner);
                }
                (None, _) => {
                    let meant = nearest(&full, |key| Cow::Borrowed(key.name));
                    self.faults.push(unknown(&path.display().to_string(), &full, meant));
                }
            }
        }
    }

    fn take_secret_file(&mut self, name: &'static str, file: &'static str) {
        let Some(named) = self.given.get(file) else { return };
        let path = PathBuf::from(&named.text);
        if let Some(direct) = self.given.get(name) {
            let told = format!("{} and {} both give {name}: give one", direct.origin, named.origin);
            return self.faults.push(told);
        }
        match fs::read_to_string(&path) {
            Ok(text) => {
                let text = text.trim_end_matches(['\r', '\n']).to_owned();
                self.put(name, text, Origin::SecretFile(path));
            }
            Err(error) => {
                let told = format!("{}: {} cannot be read: {error}", named.origin, path.display());
                self.faults.push(told);
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Demand {
    MustExist,
    MayExist,
}

/// Names that Kubernetes injects for a service called symbolon.
fn is_kubernetes(name: &str) -> bool {
    name == "SYMBOLON_PORT"
        || name.starts_with("SYMBOLON_PORT_")
        || name.starts_with("SYMBOLON_SERVICE_")
}

fn unknown(place: &str, name: &str, meant: Option<String>) -> String {
    let hint = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
    format!("{place}: {name} is not a known key{hint}")
}

fn text_of(kind: Kind, value: &toml::Value) -> Result<String, &'static str> {
    match (kind, value) {
        (Kind::Flag, toml::Value::Boolean(flag)) => Ok(flag.to_string()),
        (Kind::Count, toml::Value::Integer(count)) => Ok(count.to_string()),
        (Kind::List, toml::Value::Array(values)) => {
            let texts: Option<Vec<&str>> = values.iter().map(toml::Value::as_str).collect();
            texts.map(|texts| texts.join(",")).ok_or("must be a list of strings")
        }
        (Kind::Text | Kind::Word(_) | Kind::Path | Kind::Span, toml::Value::String(text)) => {
            Ok(text.clone())
        }
        (Kind::Flag, _) => Err("must be true or false"),
        (Kind::Count, _) => Err("must be a whole number"),
        (Kind::List, _) => Err("must be a list of strings"),
        (Kind::Span, _) => Err("must be a string such as \"15m\""),
        (Kind::Text | Kind::Word(_) | Kind::Path, _) => Err("must be a string"),
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

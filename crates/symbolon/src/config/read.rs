//! Reads values out of the layers; collects every fault on the way, each with flag, variable or
//! file and key.

use std::fmt::Display;

use super::keys::{Key, Kind, key_named};
use super::layers::{Layers, Origin};

/// Reads typed values, and remembers what is wrong.
pub(crate) struct Reader<'a> {
    layers: &'a Layers,
    pub(crate) faults: Vec<String>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(layers: &'a Layers) -> Self {
        Self { layers, faults: Vec::new() }
    }

    /// The text of a key, as given or as its default.
    pub(crate) fn text(&self, name: &'static str) -> &'a str {
        self.layers.text(name)
    }

    /// Whether somebody gave a value for the key.
    pub(crate) fn is_given(&self, name: &'static str) -> bool {
        self.layers.origin(name) != Origin::Preset
    }

    /// The value of a key that has a default; the default where the one given is faulty.
    pub(crate) fn value<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.parsed(name, &parse).or_else(|| {
            let preset = key_named(name).map_or("", Key::preset_text);
            parse(preset).ok()
        })
    }

    /// The value of a key that may be missing.
    pub(crate) fn optional<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        if self.is_given(name) { self.parsed(name, &parse) } else { None }
    }

    /// The values of a list.
    pub(crate) fn list<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let texts = self.text(name).split(',').map(str::trim).filter(|text| !text.is_empty());
        let parsed: Vec<Result<T, E>> = texts.map(parse).collect();
        let mut values = Vec::with_capacity(parsed.len());
        for result in parsed {
            match result {
                Ok(value) => values.push(value),
                Err(fault) => self.fault(name, fault),
            }
        }
        values
    }

    /// Whether a flag is set.
    pub(crate) fn flag(&mut self, name: &'static str) -> bool {
        let parse = |text: &str| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("must be true or false"),
        };
        self.value(name, parse).unwrap_or_default()
    }

    /// A whole number within these bounds.
    pub(crate) fn count(text: &str, least: u32, most: u32) -> Result<u32, String> {
        let count = text.parse().ok().filter(|count| (least..=most).contains(count));
        count.ok_or_else(|| format!("must be a whole number from {least} to {most}"))
    }

    /// Remembers a fault of the key's value.
    pub(crate) fn fault(&mut self, name: &'static str, fault: impl Display) {
        let place = match self.layers.origin(name) {
            Origin::Preset => name.to_owned(),
            Origin::SecretFile(path) => format!("{}: {name}", path.display()),
            origin @ (Origin::Flag(_) | Origin::Variable(_) | Origin::File(..)) => {
                origin.to_string()
            }
        };
        self.faults.push(format!("{place} {fault}"));
    }

    fn parsed<T, E: Display>(
        &mut self,
        name: &'static str,
        parse: &impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(name);
        if let Some(Key { kind: Kind::Word(words), .. }) = key_named(name)
            && !words.contains(&text)
        {
            self.fault(name, format!("must be one of {}", words.join(", ")));
            return None;
        }
        match parse(text) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.fault(name, fault);
                None
            }
        }
    }
}

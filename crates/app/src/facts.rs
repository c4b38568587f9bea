//! What a letter in the outbox says, as text: `name=value`, a line each, nothing secret.

use std::collections::BTreeMap;
use std::fmt::Write;

use symbolon_core::Timestamp;

use crate::error::AppError;

/// Facts being written down.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts(String);

impl Facts {
    /// Adds one fact. Values come of types that hold no line break.
    pub(crate) fn with(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{name}={value}");
        self
    }

    /// Adds a fact that may be missing.
    pub(crate) fn with_some(
        self,
        name: &'static str,
        value: Option<impl std::fmt::Display>,
    ) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Adds an instant.
    pub(crate) fn at(self, name: &'static str, at: Timestamp) -> Self {
        self.with(name, at.unix_ms())
    }

    /// The text for the outbox.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Facts being read back.
#[derive(Debug)]
pub(crate) struct ReadFacts<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> ReadFacts<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self(text.lines().filter_map(|line| line.split_once('=')).collect())
    }

    /// A fact that must be there and readable.
    pub(crate) fn get<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, AppError> {
        let value = self.0.get(name).and_then(|value| parse(value));
        value.ok_or(AppError::Corrupt("letter.facts"))
    }

    /// A fact that may be missing.
    pub(crate) fn get_some<T>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.0.get(name).and_then(|value| parse(value))
    }

    /// An instant.
    pub(crate) fn at(&self, name: &'static str) -> Result<Timestamp, AppError> {
        self.get(name, |value| value.parse().ok().map(Timestamp::from_unix_ms))
    }
}

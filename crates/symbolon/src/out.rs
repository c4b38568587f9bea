//! What a command says: data and notes on stdout, one line of reason on stderr.
//!
//! The one place that writes to either. `--json` turns data into JSON and silences notes, so that
//! what a script reads is JSON or nothing; `--quiet` silences notes.

use std::io::{self, IsTerminal as _, Write as _};

use serde_json::Value;

use crate::exit::{Exit, Failure};

/// In which form data is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Tables and sentences.
    Text,
    /// JSON.
    Json,
}

/// Whether notes are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notes {
    /// They are.
    Told,
    /// They are not.
    Silenced,
}

/// Where a command speaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Out {
    pub(crate) form: Form,
    pub(crate) notes: Notes,
    /// Whether stdout takes colours: it is a terminal, and `NO_COLOR` (no-color.org) is not set.
    pub(crate) colour: bool,
}

/// One column of a table: its heading, and the member that fills it.
pub(crate) type Column = (&'static str, &'static str);

impl Out {
    pub(crate) fn new(form: Form, notes: Notes, no_color: bool) -> Self {
        Self { form, notes, colour: !no_color && io::stdout().is_terminal() }
    }

    /// Tells a sentence that no script needs.
    pub(crate) fn note(self, text: &str) -> Result<(), Failure> {
        match (self.form, self.notes) {
            (Form::Text, Notes::Told) => say(text),
            (Form::Json, _) | (_, Notes::Silenced) => Ok(()),
        }
    }

    /// Tells data: as JSON, or as what `text` makes of it.
    pub(crate) fn data(
        self,
        data: &Value,
        text: impl FnOnce(&Value) -> String,
    ) -> Result<(), Failure> {
        match self.form {
            Form::Json => say(&format!("{data:#}")),
            Form::Text => {
                let text = text(data);
                if text.is_empty() { Ok(()) } else { say(&text) }
            }
        }
    }

    /// Tells rows: as a JSON array, or as a table of these columns.
    pub(crate) fn rows(self, rows: &Value, columns: &[Column]) -> Result<(), Failure> {
        self.data(rows, |rows| table(rows, columns))
    }

    /// Tells one thing: as a JSON object, or as one line for each member.
    pub(crate) fn card(self, thing: &Value) -> Result<(), Failure> {
        self.data(thing, card)
    }
}

/// Tells a line on stdout, whatever the form.
pub(crate) fn say(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    written.map_err(|error| Failure::because(Exit::Failed, "cannot write to stdout", &error))
}

/// Tells the reason of a failure on stderr. If even that cannot be written, the code must do.
pub(crate) fn complain(reason: &str) {
    let mut stderr = io::stderr().lock();
    for line in reason.lines() {
        drop(writeln!(stderr, "symbolon: {line}"));
    }
}

/// The members of one thing, each on a line of its own.
pub(crate) fn card(thing: &Value) -> String {
    let members = thing.as_object().into_iter().flatten();
    let lines: Vec<[String; 2]> = members
        .map(|(name, value)| [format!("{}:", name.replace('_', " ")), cell(value)])
        .collect();
    aligned(&lines)
}

/// Rows as a table; a sentence where there are none.
pub(crate) fn table(rows: &Value, columns: &[Column]) -> String {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return "none".to_owned();
    }
    let heading: Vec<String> = columns.iter().map(|(heading, _)| (*heading).to_owned()).collect();
    let mut lines = vec![heading];
    lines
        .extend(rows.iter().map(|row| columns.iter().map(|(_, name)| cell(&row[*name])).collect()));
    aligned(&lines)
}

/// Each column as wide as its widest cell, two blanks between them, none at the end.
fn aligned<L: AsRef<[String]>>(lines: &[L]) -> String {
    let columns = lines.iter().map(|line| line.as_ref().len()).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.as_ref().get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let told = lines.iter().map(|line| {
        let cells = line.as_ref().iter().zip(&widths);
        let padded: Vec<String> = cells.map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    });
    told.collect::<Vec<_>>().join("\n")
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => shown(text),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// The text without control characters: a terminal would obey them.
fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_aligned_and_says_what_is_missing() {
        let rows = json!([{ "a": "long cell", "b": null }, { "a": "x", "b": true }]);

        assert_eq!(
            table(&rows, &[("A", "a"), ("B", "b")]),
            "A          B\nlong cell  -\nx          yes"
        );
        assert_eq!(table(&json!([]), &[("A", "a")]), "none");
    }

    #[test]
    fn a_control_character_does_not_reach_the_terminal() {
        let rows = json!([{ "a": "x\u{1b}[2J" }]);

        assert_eq!(table(&rows, &[("A", "a")]), "A\nx\u{fffd}[2J");
    }
}

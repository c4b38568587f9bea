//! How the walk looks on the terminal: numbered headings, input, answer, verdict.

use crate::exit::{Exit, Failure};
use crate::out::{Out, say};

const BOLD: &str = "1";
const DIM: &str = "2";
const GREEN: &str = "32";
const RED: &str = "31";
const CYAN: &str = "36";

/// The terminal, or whatever stdout is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen {
    colour: bool,
}

impl Screen {
    /// The walk is shown as text whatever form data has elsewhere.
    pub(super) fn new(out: Out) -> Self {
        Self { colour: out.colour }
    }

    /// A step begins.
    pub(super) fn step(self, number: u32, title: &str) -> Result<(), Failure> {
        say(&format!("\n{}", self.painted(BOLD, &format!("{number}. {title}"))))
    }

    /// What is sent or typed.
    pub(super) fn input(self, text: &str) -> Result<(), Failure> {
        self.indented("> ", CYAN, text)
    }

    /// What comes back.
    pub(super) fn answer(self, text: &str) -> Result<(), Failure> {
        self.indented("| ", DIM, text)
    }

    /// What the step has shown.
    pub(super) fn shown(self, text: &str) -> Result<(), Failure> {
        say(&format!("   {} {text}", self.painted(GREEN, "ok")))
    }

    /// Judges a step: goes on if it did what it should, ends the walk if not.
    pub(super) fn judge(self, right: bool, what: &str) -> Result<(), Failure> {
        if right {
            return self.shown(what);
        }
        say(&format!("   {} not so: {what}", self.painted(RED, "FAILED")))?;
        Err(Failure::new(Exit::Failed, format!("the demonstration failed: not so: {what}")))
    }

    fn indented(self, mark: &str, colour: &str, text: &str) -> Result<(), Failure> {
        let lines = text.lines().map(|line| format!("   {}{line}", self.painted(colour, mark)));
        say(&lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n"))
    }

    /// Text in a colour (ECMA-48 SGR), where colours are to be had.
    fn painted(self, colour: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

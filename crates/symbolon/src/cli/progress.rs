//! A bar on stderr while something takes long. Only a terminal sees it, and `--quiet` silences it.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::{Mutex, PoisonError};

use crate::out::{Notes, Out};

/// Columns of the bar between its brackets.
const WIDTH: u64 = 30;

/// The line on the terminal. Others who write to it do so between two drawings.
#[derive(Debug)]
pub(crate) struct Progress {
    shown: bool,
    drawn: Mutex<bool>,
}

impl Progress {
    pub(crate) fn of(out: Out) -> Self {
        let shown = out.notes == Notes::Told && io::stderr().is_terminal();
        Self { shown, drawn: Mutex::new(false) }
    }

    /// Whether anybody sees it.
    pub(crate) fn is_shown(&self) -> bool {
        self.shown
    }

    /// Draws `done` of `total`, and what else is to be said, in place of what was drawn before.
    pub(crate) fn draw(&self, done: u64, total: u64, words: &str) {
        if !self.shown {
            return;
        }
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        // A terminal that is gone takes nothing from the work itself.
        let _ = write!(io::stderr(), "\r{}\x1b[K", line(done, total, words));
        let _ = io::stderr().flush();
        *drawn = true;
    }

    /// Writes something else where the bar may stand.
    pub(crate) fn beside<T>(&self, write: impl FnOnce() -> T) -> T {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if *drawn {
            let _ = write!(io::stderr(), "\r\x1b[K");
            let _ = io::stderr().flush();
            *drawn = false;
        }
        write()
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        self.beside(|| ());
    }
}

fn line(done: u64, total: u64, words: &str) -> String {
    let filled = (done.min(total) * WIDTH).checked_div(total).unwrap_or(0);
    let mut line = String::from("[");
    for column in 0..WIDTH {
        line.push(if column < filled { '#' } else { '-' });
    }
    let _ = write!(line, "] {done}/{total} {words}");
    line
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn the_bar_is_as_full_as_the_work_is_done() {
        assert_eq!(line(0, 0, "files"), format!("[{}] 0/0 files", "-".repeat(30)));
        assert_eq!(
            line(5, 10, "files"),
            format!("[{}{}] 5/10 files", "#".repeat(15), "-".repeat(15))
        );
        assert_eq!(line(7, 5, ""), format!("[{}] 7/5 ", "#".repeat(30)));
    }
}

//! Scans the whole history of a git repository: every line that any commit added, the name of every file that
//! one added, and every message.
//!
//! `git log -p` reads it, with all branches, tags, stashes and what only the reflog still knows. The
//! repository may be a stranger's. Nothing that its own configuration names is run for it: no external diff,
//! no text conversion, no check of signatures, no file system monitor, and no remote that what is missing
//! would be fetched from. Nor does it decide what is shown: not the first commits, replacements, grafts,
//! directories or encodings.

use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::str;
use std::sync::atomic::Ordering;

use memchr::memchr;
use symbolon_core::token::LENGTH;
use symbolon_core::token_search::{OVERLAP, mask};
use zeroize::Zeroizing;

use super::stream::Found;
use super::{Origin, Scan};

/// Bytes of a line that are held at a time.
const MOST_HELD: usize = 1024 * 1024;

const ARGUMENTS: &[&str] = &[
    "-c",
    "core.fsmonitor=false",
    "-c",
    "core.quotePath=false",
    "-c",
    "diff.submodule=short",
    "-c",
    "log.showRoot=true",
    // What a reference replaces is read too; the replacement is found by `--all`, which names that reference.
    "--no-replace-objects",
    "--no-pager",
    "log",
    "--all",
    "--reflog",
    "--patch",
    "--cc",
    "--text",
    "--unified=0",
    "--no-renames",
    "--no-color",
    "--no-decorate",
    "--no-ext-diff",
    "--no-textconv",
    "--no-show-signature",
    "--no-notes",
    "--no-relative",
    // Messages as they are stored: who declares another encoding than they have would make them unreadable.
    "--encoding=none",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    // The lines of a message are set in by a blank, so none of them passes for a header. (A NUL would not
    // do: git ends the text that it sets in at one.)
    "--format=%x01%H%n%w(0,1,1)%B",
];

/// What would lead git to another repository than the one that is named, or to another history of it.
const FOREIGN: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
];

/// What git is told beside its arguments.
const SURROUNDINGS: &[(&str, &str)] = &[
    // An object that is missing would be fetched by a command that the repository names
    // (`remote.*.uploadpack`, `core.sshCommand`, `ext::`).
    ("GIT_NO_LAZY_FETCH", "1"),
    // The same for a git that does not know that yet: no protocol has this name.
    ("GIT_ALLOW_PROTOCOL", "none"),
    // Whoever grafts leaves parents out.
    ("GIT_GRAFT_FILE", "/dev/null"),
];

/// Scans the history of `repository`.
pub(super) fn scan(scan: &Scan, repository: &Path) {
    if let Err(error) = read(scan, repository) {
        scan.trouble(&format!("the history of {}", repository.display()), &error);
    }
}

fn read(scan: &Scan, repository: &Path) -> io::Result<()> {
    let mut command = Command::new("git");
    command.arg("-C").arg(repository).args(ARGUMENTS);
    for name in FOREIGN {
        command.env_remove(name);
    }
    command.envs(SURROUNDINGS.iter().copied());
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut git = command
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("git cannot be run: {error}")))?;
    let log = git.stdout.take().ok_or_else(|| io::Error::other("git has no output"))?;
    let read = read_log(scan, repository, BufReader::with_capacity(256 * 1024, log));
    // Whoever stops reading early has closed the pipe, and git ends by that.
    let status = git.wait()?;
    read?;
    if status.success() || scan.is_over() {
        Ok(())
    } else {
        Err(io::Error::other(format!("git ended with {status}")))
    }
}

/// Where in the log a line stands.
#[derive(Debug, Default)]
struct Position {
    commit: String,
    path: Option<String>,
    /// The path as the header has it: that of an empty file stands nowhere else.
    header: String,
    part: Part,
    /// The number that the next line of the part has.
    line: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Part {
    #[default]
    Message,
    /// From `diff` to the first `@@`.
    Header,
    /// Changed lines; each begins with so many marks, one for each parent.
    Hunk { marks: usize },
}

fn read_log(scan: &Scan, repository: &Path, mut log: impl BufRead) -> io::Result<()> {
    let mut position = Position::default();
    // May hold tokens, so it is wiped.
    let mut line = Zeroizing::new(Vec::with_capacity(MOST_HELD));
    let mut cut = 0;
    loop {
        let part = log.fill_buf()?;
        if part.is_empty() || scan.is_over() {
            break;
        }
        let (taken, ends) = match memchr(b'\n', part) {
            Some(end) => (end + 1, true),
            None => (part.len(), false),
        };
        let taken = taken.min(MOST_HELD - line.len());
        let ends = ends && part[taken - 1] == b'\n';
        line.extend_from_slice(&part[..taken]);
        log.consume(taken);
        scan.bytes.fetch_add(taken as u64, Ordering::Relaxed);
        if ends {
            position.read_line(scan, repository, &line, cut);
            line.clear();
            cut = 0;
        } else if line.len() == MOST_HELD {
            // A line without end: what was seen of it goes, but for what the next part may complete.
            position.search(scan, repository, &line, cut);
            let next = line.len() - OVERLAP;
            cut += next;
            line.drain(..next);
        }
    }
    if !line.is_empty() {
        position.read_line(scan, repository, &line, cut);
    }
    Ok(())
}

impl Position {
    /// Takes in a line of which `cut` bytes have been dropped.
    fn read_line(&mut self, scan: &Scan, repository: &Path, line: &[u8], cut: usize) {
        if cut == 0 && self.turns(line) {
            if self.part == Part::Header && line.starts_with(b"new file mode ") {
                let (commit, path) = (self.commit.as_str(), Some(self.header.as_str()));
                let origin = Origin::Commit { repository, commit, path };
                scan.tell_of_name(origin, self.header.as_bytes());
            }
            return;
        }
        self.search(scan, repository, line, cut);
        if self.is_in_file(line, cut) {
            self.line += 1;
        }
    }

    /// Whether the line begins something new, and then takes it in.
    fn turns(&mut self, line: &[u8]) -> bool {
        let text = || String::from_utf8_lossy(line).trim_end().to_owned();
        match line {
            [1, hash @ ..] => {
                let commit = String::from_utf8_lossy(hash).trim_end().to_owned();
                *self = Self { commit, line: 1, ..Self::default() };
            }
            [b'd', b'i', b'f', b'f', b' ', ..] => {
                self.path = None;
                path_in(&text()).clone_into(&mut self.header);
                self.part = Part::Header;
            }
            [b'@', b'@', ..] if self.part != Part::Message => {
                let marks = line.iter().take_while(|byte| **byte == b'@').count() - 1;
                self.part = Part::Hunk { marks };
                self.line = first_line(&text());
            }
            _ if self.part == Part::Header => {
                if let Some(path) = text().strip_prefix("+++ ") {
                    let path = path.trim_matches('"');
                    self.path = Some(path.strip_prefix("b/").unwrap_or(path).to_owned());
                }
            }
            _ => return false,
        }
        true
    }

    /// Whether the line is one of the file after the commit, or of the message.
    fn is_in_file(&self, line: &[u8], cut: usize) -> bool {
        match self.part {
            Part::Message => true,
            Part::Header => false,
            // Of a line that was cut its marks are gone; it was counted as added when it began.
            Part::Hunk { .. } if cut > 0 => true,
            Part::Hunk { marks } => {
                line.first() != Some(&b'\\') && !line.iter().take(marks).any(|mark| *mark == b'-')
            }
        }
    }

    fn search(&self, scan: &Scan, repository: &Path, line: &[u8], cut: usize) {
        let set_in = match self.part {
            Part::Message => 1,
            Part::Header => return,
            Part::Hunk { marks } => {
                // What a commit took away, another has added.
                if cut == 0 && !line.iter().take(marks).any(|mark| *mark == b'+') {
                    return;
                }
                marks
            }
        };
        for begin in scan.search.find_iter(line) {
            let mask = mask(&line[begin..begin + LENGTH]);
            let column = (cut + begin + 1).saturating_sub(set_in) as u64;
            let (commit, path) = (self.commit.as_str(), self.path.as_deref());
            let origin = Origin::Commit { repository, commit, path };
            scan.tell(origin, &Found { at: Some((self.line, column)), mask: &mask });
        }
    }
}

/// The path of `diff --git a/PATH b/PATH`, or of `diff --cc PATH`.
fn path_in(header: &str) -> &str {
    let rest = header.strip_prefix("diff ").unwrap_or(header);
    let Some(both) = rest.strip_prefix("--git ") else {
        return rest.split_once(' ').map_or(rest, |(_, path)| path).trim_matches('"');
    };
    // Without renames both are the same, so that the second begins in the middle, whatever is in them.
    let path = both.get(both.len().div_ceil(2)..).unwrap_or(both).trim_matches('"');
    path.strip_prefix("b/").unwrap_or(path)
}

/// The first line after the commit, of `@@ -1,2 +3,4 @@`; with several parents each has its own `-`.
fn first_line(header: &str) -> u64 {
    let after = header.split(' ').find_map(|word| word.strip_prefix('+'));
    let number = after.map(|range| range.split(',').next().unwrap_or_default());
    number.and_then(|number| number.parse().ok()).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::{first_line, path_in};

    #[test]
    fn the_path_of_a_header_is_read_whatever_is_in_it() {
        assert_eq!(path_in("diff --git a/x b/y.txt b/x b/y.txt"), "x b/y.txt");
        assert_eq!(path_in("diff --git \"a/t\\t\" \"b/t\\t\""), "t\\t");
        assert_eq!(path_in("diff --cc a file"), "a file");
        assert_eq!(path_in("diff --git "), "");
    }

    #[test]
    fn a_hunk_says_where_it_begins() {
        assert_eq!(first_line("@@ -1,2 +37,4 @@ fn main()"), 37);
        assert_eq!(first_line("@@@ -1,2 -5 +9 @@@ + 1"), 9);
        assert_eq!(first_line("@@"), 1);
    }
}

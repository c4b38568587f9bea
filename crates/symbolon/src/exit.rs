//! Exit codes, and failures that carry one.

use std::error::Error;
use std::process::ExitCode;

use symbolon_http::control::kind;
use symbolon_store::error::StoreError;

/// How the process ends (contract §1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It was not done.
    Failed = 1,
    /// It was asked for wrongly.
    Usage = 2,
    /// The answer is no: a token that is none, a chain that is broken.
    Verdict = 3,
    /// A rule or a permission forbids it.
    NotPermitted = 4,
    /// There is no such thing.
    NotFound = 5,
    /// It exists already, or somebody else holds it.
    Conflict = 6,
    /// Server or database cannot be reached.
    Unreachable = 7,
}

/// Why a command did not do what it was asked: one line, and the code to end with.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The code.
    pub(crate) exit: Exit,
    /// The reason, as a person reads it on stderr.
    pub(crate) reason: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, reason: impl Into<String>) -> Self {
        Self { exit, reason: reason.into() }
    }

    /// A failure with the cause beneath it, and everything beneath that.
    pub(crate) fn because(exit: Exit, what: impl Into<String>, cause: &dyn Error) -> Self {
        Self::new(exit, format!("{}: {}", what.into(), chain(cause)))
    }

    /// All faults of a configuration.
    pub(crate) fn faulty(faults: &[String]) -> Self {
        Self::new(Exit::Usage, faults.join("\n"))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error and everything beneath it, in one line. What an error has told of its cause itself is not
/// told again.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut beneath = error.source();
    while let Some(cause) = beneath {
        let words = cause.to_string();
        if !told.ends_with(&words) {
            told = format!("{told}: {words}");
        }
        beneath = cause.source();
    }
    told
}

/// The code for a problem that the control socket told.
pub(crate) fn of_problem(problem: &str) -> Exit {
    match problem {
        kind::NOT_FOUND => Exit::NotFound,
        kind::TAKEN | kind::KEY_USED => Exit::Conflict,
        kind::FORBIDDEN => Exit::NotPermitted,
        kind::INVALID => Exit::Usage,
        kind::TOO_MANY | kind::UNAVAILABLE => Exit::Unreachable,
        _ => Exit::Failed,
    }
}

/// The code for a database that does not do what it should.
pub(crate) fn of_store(error: &StoreError) -> Exit {
    match error {
        StoreError::Busy | StoreError::Unavailable(_) | StoreError::Unknown(_) => Exit::Unreachable,
        StoreError::Conflict { .. }
        | StoreError::Integrity { .. }
        | StoreError::Corrupt { .. }
        | StoreError::Arity { .. }
        | StoreError::Arguments { .. }
        | StoreError::Aborted
        | StoreError::Statement(_) => Exit::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_has_the_code_of_the_contract() {
        for (problem, code) in [
            (kind::WEAK_PASSWORD, 1),
            (kind::INTERNAL, 1),
            ("about:blank", 1),
            (kind::INVALID, 2),
            (kind::FORBIDDEN, 4),
            (kind::NOT_FOUND, 5),
            (kind::TAKEN, 6),
            (kind::KEY_USED, 6),
            (kind::TOO_MANY, 7),
            (kind::UNAVAILABLE, 7),
        ] {
            assert_eq!(of_problem(problem) as u8, code, "{problem}");
        }
    }
}

//! What can go wrong between a statement and its rows, in words that name no engine.
//!
//! A caller needs to tell five cases apart: somebody else was first (`Conflict`), try again (`Busy`),
//! the store is gone (`Unavailable`, `Unknown`), a stored row is not what the code wrote (`Corrupt`),
//! and a mistake in our own SQL (the rest). The seam sorts driver errors into these; it never passes
//! on a driver's text of a *value*.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The driver's error beneath ours. Shared, because one failed commit is told to a whole group.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// How many rows a statement promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Neither none nor two.
    ExactlyOne,
    /// None, or one.
    AtMostOne,
}

impl Rows {
    pub(crate) fn admits(self, found: u64) -> bool {
        match self {
            Self::ExactlyOne => found == 1,
            Self::AtMostOne => found <= 1,
        }
    }
}

impl fmt::Display for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExactlyOne => "exactly one row",
            Self::AtMostOne => "at most one row",
        })
    }
}

/// Why the store did not do what it was asked.
///
/// Any of them inside a write transaction ends that transaction: later statements and the commit
/// answer [`StoreError::Aborted`], on both engines alike.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// A row with the same unique key exists already.
    #[error("a unique key is taken{}", of_constraint(constraint.as_deref()))]
    Conflict {
        /// Name of the unique index; `TABLE_pkey` for a primary key.
        constraint: Option<String>,
    },

    /// A foreign key, check or not-null constraint does not admit the row.
    #[error("a constraint does not admit the row{}", of_constraint(constraint.as_deref()))]
    Integrity {
        /// Name of the constraint, where the engine tells it.
        constraint: Option<String>,
    },

    /// Somebody else holds what this needs, or held it too long. The same call may succeed later.
    #[error("the store is busy")]
    Busy,

    /// The store cannot be reached, cannot write, or is closed. Nothing is known to have been kept.
    #[error("the store is unavailable")]
    Unavailable(#[source] Cause),

    /// The connection was lost or the wait ran out *during* the commit: it may have happened or not.
    #[error("the outcome of the commit is unknown")]
    Unknown(#[source] Cause),

    /// A stored value is not one that this program writes.
    #[error("corrupt value in {table}.{column} of {id}")]
    Corrupt {
        /// Table, or `result` where only the answer of a query is known.
        table: &'static str,
        /// Column by its name in the query.
        column: String,
        /// The row's id as text, or `?`.
        id: String,
    },

    /// A statement met another number of rows than it states.
    #[error("expected {expected}, found {found}")]
    Arity {
        /// What the statement states.
        expected: Rows,
        /// What it met.
        found: u64,
    },

    /// A statement was given another number of arguments than its highest `$n`.
    #[error("a statement takes {expected} arguments, got {found}")]
    Arguments {
        /// The highest `$n`.
        expected: usize,
        /// How many were given.
        found: usize,
    },

    /// An earlier statement of this transaction failed or was cancelled; nothing of it is kept.
    #[error("the transaction was given up after an earlier failure")]
    Aborted,

    /// The engine does not take the statement: a mistake in our SQL or a schema that does not fit.
    #[error("the engine refused a statement")]
    Statement(#[source] Cause),
}

impl StoreError {
    /// A stored value that cannot be read back, with the row it stands in.
    pub fn corrupt(table: &'static str, column: impl Into<String>, id: impl fmt::Display) -> Self {
        Self::Corrupt { table, column: column.into(), id: id.to_string() }
    }

    /// An [`StoreError::Unavailable`] that is explained by a sentence of ours.
    pub(crate) fn unavailable(why: &'static str) -> Self {
        Self::Unavailable(Arc::new(Reason(why)))
    }

    /// An [`StoreError::Unknown`] that is explained by a sentence of ours.
    pub(crate) fn unknown(why: &'static str) -> Self {
        Self::Unknown(Arc::new(Reason(why)))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Reason(&'static str);

fn of_constraint(name: Option<&str>) -> String {
    name.map(|name| format!(" ({name})")).unwrap_or_default()
}

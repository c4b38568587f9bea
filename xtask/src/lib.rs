//! Checks that the house keeps its rules; run by `cargo test -p xtask`, a rule a test.
//!
//! What the compiler cannot refuse by itself: which floor may know which, where SQL and engine names may
//! stand, what `core` must not know, how long a file may grow.

#[cfg(test)]
mod tidy;

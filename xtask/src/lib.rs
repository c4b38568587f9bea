//! Checks that the house keeps its rules; run by `cargo test -p xtask`, a rule a test.
//!
//! What the compiler cannot refuse by itself: which floor may know which, where SQL and engine names may
//! stand, what `core` must not know, how long a file may grow; and that the page of security requirements
//! names tests that exist, and the list of pages that are read with axe-core every page.

#[cfg(test)]
mod pages;
#[cfg(test)]
mod requirements;
#[cfg(test)]
mod tidy;

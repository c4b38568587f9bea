//! What letters say and how they are handed over, seen from outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on may panic")]

mod calendar;
mod key_directory;
mod letters;
mod mailbox;
mod mime;
mod openpgp;
mod samples;
mod server;
mod smtp;

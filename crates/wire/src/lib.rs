//! Bytes to typed requests and answers of every outside protocol.
//!
//! This crate is pure: no I/O, no clock, no randomness, no decision. It reads what strangers send,
//! strictly and within limits, and writes what existing clients expect, to the byte where they
//! parse by text. Parsers return small error enums; which status code an error becomes is known to
//! the heads alone.
//!
//! # Security
//!
//! Everything read here is hostile until parsed. Errors never repeat what was sent: a body may hold
//! a password. Secrets leave the parsers as [`Presented`] or [`PresentedText`], which can be neither
//! printed, cloned, compared nor serialised.

#![warn(missing_docs)]

pub mod authorization;
pub mod client_proof;
pub mod credential;
pub mod demands;
pub mod ext_authz;
pub mod form;
pub mod freshness;
pub mod grpc;
pub mod gzip;
mod header_lines;
pub mod identity_headers;
pub mod introspection;
mod json;
pub mod leaks;
pub mod oauth;
mod presented;
pub mod problem;
pub mod rest;
pub mod salesforce_id;
pub mod session_id;
pub mod soap;
mod timestamp;
pub mod used_by;
pub mod verify_batch;
mod xml_text;

pub use header_lines::{HeaderLines, RequestHeader};
pub use presented::{Presented, PresentedText};

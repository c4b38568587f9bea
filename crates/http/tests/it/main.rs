//! The router as its clients see it: bytes in, bytes out, on a real database in memory.

#![expect(clippy::unwrap_used, reason = "a test that meets an error here has failed")]

mod administration;
mod bad_input;
mod calls;
mod cast;
mod control;
mod hosts;
mod house;
mod identity;
mod oauth;
mod operations;
mod rest;
mod routes;
mod soap_calls;
mod soap_login;
mod too_many;

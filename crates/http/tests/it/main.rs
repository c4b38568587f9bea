//! The router as its clients see it: bytes in, bytes out, on a real database in memory.

#![expect(clippy::unwrap_used, reason = "a test that meets an error here has failed")]

mod administration;
mod all_tokens;
mod api_description;
mod api_tokens;
mod asking;
mod authenticator_app;
mod bad_input;
mod batch;
mod breakage;
mod calls;
mod cast;
mod challenge;
mod closed_gate;
mod control;
mod duty;
mod envoy;
mod expiry_told;
mod explanations;
mod forward_auth;
mod hosts;
mod house;
mod identity;
mod introspection;
mod leaks;
mod lifetimes;
mod oauth;
mod openpgp;
mod operations;
mod own_lists;
mod passkeys;
mod profile_rules;
mod profiles;
mod rest;
mod routes;
mod second_factors;
mod sharing;
mod soap_calls;
mod soap_login;
mod token_pages;
mod too_many;
mod used_by;

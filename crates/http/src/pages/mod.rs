//! The web pages: server-rendered, without a line of script but on those that ask for a passkey.
//!
//! The table of routes is in [`routes`]; each handler names whom it admits by its extractors
//! (`web::access`), reads forms through `web::posted` alone and answers through `web::answer`.
//! Labels, buttons and headings of the main walk are those of the product, to the letter.

mod admin;
mod api_docs;
mod assets;
mod door;
mod errors;
mod mailbox;
mod own;
mod table;
mod view;
mod web;

pub use errors::error_page;
pub use table::routes;

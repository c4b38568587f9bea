//! The JSON API: what a user does to his own tokens, by a program. Administrators have the command line.
//!
//! Who asks proves himself by an API session, which a password and a token have opened; what ends or makes
//! a token asks for the current password as well, as the pages do. No answer ever holds a token.

mod caller;
mod tokens;

pub(crate) use tokens::routes;

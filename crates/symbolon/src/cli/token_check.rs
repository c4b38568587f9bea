//! `token check`: format and checksum of a token, without a server.
//!
//! # Security
//! The token is read from stdin or a file, never from the arguments, and is not repeated.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde_json::json;
use symbolon_core::token::PresentedToken;
use zeroize::Zeroizing;

use crate::exit::{Exit, Failure};
use crate::out::Out;

/// Far more than a token and its line end; what is longer is none.
const MOST_BYTES: u64 = 1024;

pub(super) fn check(out: Out, file: Option<&Path>) -> Result<(), Failure> {
    let text = match file {
        Some(path) => File::open(path).and_then(read),
        None => read(io::stdin().lock()),
    };
    let text =
        text.map_err(|error| Failure::because(Exit::Failed, "cannot read the token", &error))?;
    let token = String::from_utf8_lossy(&text);
    let token = token.strip_suffix('\n').unwrap_or(&token);
    let token = token.strip_suffix('\r').unwrap_or(token);
    match PresentedToken::parse(token) {
        Ok(_) => out.data(&json!({ "well_formed": true }), |_| {
            "A well-formed security token. Only the server knows whether it lives.".to_owned()
        }),
        Err(fault) => {
            let told = json!({ "well_formed": false, "reason": fault.to_string() });
            out.data(&told, |_| String::new())?;
            Err(Failure::new(Exit::Verdict, fault.to_string()))
        }
    }
}

fn read(from: impl Read) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut text = Zeroizing::new(Vec::new());
    from.take(MOST_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

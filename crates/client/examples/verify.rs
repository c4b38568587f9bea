//! Asks a Symbolon authority about one credential, as a service that embeds the crate does.
//!
//! The credential comes on standard input, so that no list of processes shows it. The environment
//! says whom to ask: `SYMBOLON_URL`, `SYMBOLON_CLIENT_ID`, `SYMBOLON_CLIENT_SECRET_FILE` and, for a
//! private authority, `SYMBOLON_CA_FILE`.
//!
//! Exit codes: 0 active, 3 inactive, 7 nobody can say, 1 anything else. What follows stands in
//! docs/verify.md too, word for word.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "an example is a program: it prints and reads its environment"
)]

use std::error::Error;
use std::process::ExitCode;
use std::{env, fs, io};

use symbolon_client::{Config, Verification, Verifier, VerifyError};

/// Made once and shared: it keeps its connections.
fn verifier() -> Result<Verifier, Box<dyn Error>> {
    let secret = fs::read_to_string(env::var("SYMBOLON_CLIENT_SECRET_FILE")?)?;
    let mut config = Config::new(
        env::var("SYMBOLON_URL")?,
        env::var("SYMBOLON_CLIENT_ID")?,
        secret.trim_end().to_owned(),
    );
    if let Ok(authority) = env::var("SYMBOLON_CA_FILE") {
        config = config.with_root_certificates(fs::read(authority)?);
    }
    Ok(Verifier::new(config)?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let verifier = verifier()?;
    let presented = io::read_to_string(io::stdin())?;
    match verifier.verify(presented.trim_end()).await {
        Ok(Verification::Active(holder)) => {
            println!("active: {} with {:?}", holder.username, holder.device_type);
            Ok(ExitCode::SUCCESS)
        }
        Ok(Verification::Inactive) => {
            println!("inactive");
            Ok(ExitCode::from(3))
        }
        Err(error @ (VerifyError::Unauthorised | VerifyError::Answer(_))) => Err(error.into()),
        // The credential may well be good: refuse the request, but do not call it unauthorised.
        Err(error) => {
            eprintln!("unavailable: {error}");
            Ok(ExitCode::from(7))
        }
    }
}

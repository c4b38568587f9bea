//! Asks a Symbolon authority about many credentials, as a reader of logs does.
//!
//! Standard input has one credential in each line, standard output has one verdict: the user's name
//! or nothing. A revision may be given as the one argument: answers come from a state at least as
//! new. Environment and exit codes are those of the example `verify`; 0 says that all were asked about.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "an example is a program: it prints and reads its environment"
)]

use std::error::Error;
use std::process::ExitCode;
use std::{env, fs, io};

use symbolon_client::{AtLeast, Config, MOST_CREDENTIALS, Verifier, VerifyError};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let secret = fs::read_to_string(env::var("SYMBOLON_CLIENT_SECRET_FILE")?)?;
    let mut config = Config::new(
        env::var("SYMBOLON_URL")?,
        env::var("SYMBOLON_CLIENT_ID")?,
        secret.trim_end().to_owned(),
    );
    if let Ok(authority) = env::var("SYMBOLON_CA_FILE") {
        config = config.with_root_certificates(fs::read(authority)?);
    }
    let verifier = Verifier::new(config)?;
    // Every state has seen the revision 0.
    let revision = env::args().nth(1).map_or(Ok(0), |revision| revision.parse())?;

    let presented = io::read_to_string(io::stdin())?;
    let presented: Vec<&str> = presented.lines().collect();
    for batch in presented.chunks(MOST_CREDENTIALS) {
        match verifier.verify_many_at_least(batch, AtLeast::revision(revision)).await {
            Ok(verdicts) => {
                for verdict in verdicts {
                    println!(
                        "{}",
                        verdict.holder().map(|holder| holder.username).unwrap_or_default()
                    );
                }
            }
            Err(error @ (VerifyError::Unauthorised | VerifyError::Answer(_))) => {
                return Err(error.into());
            }
            Err(error) => {
                eprintln!("unavailable: {error}");
                return Ok(ExitCode::from(7));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

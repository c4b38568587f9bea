//! A new master key, and all that can be sealed anew sealed under it, while no server runs.
//!
//! A server reads its keys at the start and never again, and one that did not know the newest could not open
//! what another has sealed under it. So no server may run while keys are rotated, on this data dir or on
//! this database, and every node gets the new file before it is started again.
//!
//! The file is written first. If all ends there, everything is still under older keys, which the file still
//! holds; rotating once more finishes it.

use symbolon_app::Actor;
use symbolon_app::second_factors::resealing::{self, Resealed};

use super::data_dir::DataDir;
use super::{app_failure, house, key_file, listeners};
use crate::config::Config;
use crate::exit::{Exit, Failure};

/// Adds a key and seals anew what can be.
///
/// # Errors
/// [`Exit::Conflict`] where a server runs; [`Exit::NotFound`] where there are no keys to begin with.
pub(crate) async fn rotate(config: &Config) -> Result<Resealed, Failure> {
    let data_dir = DataDir::open(&config.data_dir).map_err(|failure| match failure.exit {
        Exit::Conflict => Failure::new(
            Exit::Conflict,
            format!("{}: stop it first, for it reads the keys at its start", failure.reason),
        ),
        Exit::Failed
        | Exit::Usage
        | Exit::Verdict
        | Exit::NotPermitted
        | Exit::NotFound
        | Exit::Unreachable => failure,
    })?;
    if key_file::read(data_dir.path())?.is_none() {
        return Err(Failure::new(Exit::NotFound, "there are no keys yet: nothing to rotate"));
    }
    let public_url = listeners::expected_public_url(&config.listeners);
    // Opened with the keys as they are first: a ring that does not belong to the database gets no key more.
    let before = house::open(config, &data_dir, &public_url, house::has_mail(config)).await?;
    let others = resealing::other_nodes_answer(&before).await;
    let others = others.map_err(|error| app_failure("cannot look for other nodes", &error))?;
    let chance = symbolon_app::chance::Chance::system();
    if others {
        before.store.close().await;
        return Err(Failure::new(
            Exit::Conflict,
            "another server runs on this database: stop all of them first",
        ));
    }
    key_file::add(data_dir.path(), &chance)?;
    before.store.close().await;

    let after = house::open(config, &data_dir, &public_url, house::has_mail(config)).await?;
    let resealed = resealing::reseal_all(&after, Actor::Operator).await;
    after.store.close().await;
    resealed.map_err(|error| {
        app_failure("the key was added, but nothing is sealed under it: rotate again", &error)
    })
}

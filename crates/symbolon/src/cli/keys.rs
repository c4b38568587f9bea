//! `keys rotate`: a new master key, and what hangs on the older ones.

use serde_json::json;

use super::args::KeysCommand;
use crate::config::Config;
use crate::exit::Failure;
use crate::out::Out;
use crate::serve;

pub(super) async fn keys(config: &Config, out: Out, command: KeysCommand) -> Result<(), Failure> {
    match command {
        KeysCommand::Rotate => rotate(config, out).await,
    }
}

async fn rotate(config: &Config, out: Out) -> Result<(), Failure> {
    let done = serve::rotate(config).await?;
    let told = json!({
        "key": done.key.0,
        "authenticators_sealed_anew": done.authenticators,
        "passwords_under_older_keys": done.passwords,
        "letters_under_older_keys": done.letters,
    });
    out.data(&told, |told| {
        format!(
            "Key {} was added to keys.toml and is the newest.\n\n\
             Secrets of authenticator apps that were sealed anew under it: {}\n\
             Passwords still under older keys, each until its owner logs in: {}\n\
             Letters in the outbox still under older keys: {}\n\n\
             Tokens, sessions, links, secrets of clients and recovery codes that were issued before are known by \
             the\nolder keys until they end. So keep the older keys in the file. Back it up, apart from the database, \
             and\ncopy it to every other node before you start that again.",
            told["key"],
            told["authenticators_sealed_anew"],
            told["passwords_under_older_keys"],
            told["letters_under_older_keys"],
        )
    })
}

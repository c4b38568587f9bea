//! `recover-admin`: a new setup link for whoever may read the data dir.
//!
//! Asks the running server; where none runs, the database itself.

use serde_json::{Value, json};
use symbolon_app::links::LinkKind;
use symbolon_app::setup;

use super::link::Link;
use crate::config::Config;
use crate::exit::{Exit, Failure};
use crate::out::Out;
use crate::serve;

pub(super) async fn recover(config: &Config, out: Out) -> Result<(), Failure> {
    let link = Link::of(&config.data_dir);
    let issued = match link.post("/setup-link", Value::Null).await {
        Err(failure) if failure.exit == Exit::Unreachable => issue_without_server(config).await?,
        answer => answer?,
    };
    out.data(&issued, |issued| {
        let text = |name: &str| issued[name].as_str().unwrap_or_default().to_owned();
        format!(
            "Open this link to make an administrator. It works once, until {}.\n\n  {}\n",
            text("expires_at"),
            text("url")
        )
    })
}

async fn issue_without_server(config: &Config) -> Result<Value, Failure> {
    let house = serve::open_without_listening(config).await?;
    let issued = setup::issue_setup_link(&house.ctx).await;
    let (secret, expires_at) =
        issued.map_err(|error| serve::app_failure("cannot issue a setup link", &error))?;
    let url = format!("{}{}", house.ctx.settings.public_url, LinkKind::Setup.path(&secret));
    house.ctx.store.close().await;
    Ok(json!({ "url": url, "expires_at": expires_at.rfc3339() }))
}

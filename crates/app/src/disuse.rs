//! Ends tokens that were not used for longer than their device type allows, and tells their owners.
//!
//! Whether one is dead is decided at each use, by the chain and by the live view. This sweep retires it: a little
//! late, for the uses that verifications note are written in batches. No use after its end is let in, so none
//! revives it meanwhile.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::judge::RetirementCause;
use symbolon_core::letter::{LetterKind, Volume};
use symbolon_core::names::DeviceType;
use symbolon_core::policy::SessionsOnReset;
use symbolon_store::changes::{self, Change};
use symbolon_store::device_types::DeviceTypeRow;
use symbolon_store::{Conn, device_types, tokens, users};

use crate::actor::Actor;
use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::Facts;
use crate::live::commit;
use crate::outbox::{self, Text};
use crate::{retirement, trail};

/// Longer than uses wait to be written down: what was used in time is not ended.
const LATE: Duration = Duration::from_mins(2);
/// Tokens of one device type that are ended in one round.
const AT_ONCE: i64 = 500;

/// Ends those that are due, each in a transaction of its own.
///
/// # Errors
/// The database's; what was not ended is due again.
pub(crate) async fn end_unused(ctx: &Ctx) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut due = Vec::new();
    let mut reader = ctx.store.read().await?;
    for device_type in device_types::list(&mut reader).await? {
        due.extend(due_of(&mut reader, &device_type, now).await?);
    }
    drop(reader);
    for (token, owner) in due {
        end(ctx, token, owner, now).await?;
    }
    Ok(())
}

/// Ends every one of a device type that is due, however many they are: before the answer to whoever has
/// given them less time.
///
/// # Errors
/// The database's; what was not ended is due again.
pub(crate) async fn end_all_unused(ctx: &Ctx, name: &DeviceType) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut before = Vec::new();
    loop {
        let mut reader = ctx.store.read().await?;
        let Some(device_type) = device_types::find(&mut reader, name).await? else {
            return Ok(());
        };
        let due = due_of(&mut reader, &device_type, now).await?;
        drop(reader);
        // Those that are still due after their turn have an owner who is just being removed.
        if due == before {
            return Ok(());
        }
        for (token, owner) in &due {
            end(ctx, *token, *owner, now).await?;
        }
        before = due;
    }
}

async fn due_of(
    conn: &mut Conn,
    device_type: &DeviceTypeRow,
    now: Timestamp,
) -> Result<Vec<(Id<Token>, Id<User>)>, AppError> {
    let Some(idle_end) = device_type.rules.idle_end else {
        return Ok(Vec::new());
    };
    let limit = now - LATE - idle_end;
    Ok(tokens::unused_since(conn, &device_type.name, limit, now, AT_ONCE).await?)
}

/// Ends a token, unless it has been used or ended meanwhile.
async fn end(ctx: &Ctx, token: Id<Token>, owner: Id<User>, now: Timestamp) -> Result<(), AppError> {
    let mut tx = ctx.store.begin().await?;
    if !users::take(&mut tx, owner).await? {
        return Ok(());
    }
    let (Some(user), Some(row), Some(device_type)) = (
        users::find(&mut tx, owner).await?,
        tokens::find(&mut tx, token).await?,
        device_types::of_token(&mut tx, token).await?,
    ) else {
        return Ok(());
    };
    let unused = device_type.rules.idle_at(row.record.active_at + LATE, now);
    if row.record.retired.is_some() || !unused {
        return Ok(());
    }
    let (cause, actor) = (RetirementCause::Unused, Actor::Rule);
    retirement::retire(&mut tx, &[token], cause, actor, SessionsOnReset::End, now).await?;
    let facts = Facts::default()
        .with("device_type", &row.device_type)
        .with("cause", cause.word())
        .with("by", "disuse")
        .at("asked_at", now)
        .with("retired", 1)
        .with("scope", "device-type");
    // A limit that is set for the first time may end most tokens there are.
    let text = Text { kind: LetterKind::TokenChanged, facts, volume: Volume::Bulk };
    outbox::write_text(ctx, &mut tx, &user, &user.email, text, now).await?;
    let details = format!("token={token}\nlast_used_or_issued={}", row.record.active_at);
    trail::append(&mut tx, actor, "token.unused", format!("user:{owner}"), details, now).await?;
    changes::record(&mut tx, Change::TokenRevoked, owner, Some(token.raw()), now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(())
}

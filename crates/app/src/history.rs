//! The login history: every login, let in or refused, with the true reason; and of each refusal what
//! led to it.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Login, User};
use symbolon_core::judge::{FrozenBy, Refusal, RetirementCause, TokenFreeze};
use symbolon_core::names::Username;
use symbolon_store::history;
pub use symbolon_store::history::LoginRow as LoginEntry;
use symbolon_store::users;

use crate::context::Ctx;
use crate::error::AppError;
use crate::explain::{ExplainedStep, steps_of};

/// Entries, newest first, of one user or of everybody; `before` is the last one of the page before.
///
/// # Errors
/// The database's.
pub async fn list(
    ctx: &Ctx,
    user: Option<Id<User>>,
    limit: i64,
    before: Option<(Timestamp, Id<Login>)>,
) -> Result<Vec<LoginEntry>, AppError> {
    let newest = (Timestamp::from_unix_ms(i64::MAX), Id::from_raw(i64::MAX));
    let mut reader = ctx.store.read().await?;
    Ok(history::list(&mut reader, user, before.unwrap_or(newest), limit).await?)
}

/// Entries of the user with this name, newest first.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn list_of(ctx: &Ctx, username: &str, limit: i64) -> Result<Vec<LoginEntry>, AppError> {
    let username = Username::parse(username).map_err(|_| AppError::NotFound("user"))?;
    let mut reader = ctx.store.read().await?;
    let user = users::find_by_name(&mut reader, &username).await?;
    drop(reader);
    let user = user.ok_or(AppError::NotFound("user"))?.standing.user;
    list(ctx, Some(user), limit, None).await
}

/// One entry with the steps by which it was decided.
#[derive(Debug)]
pub struct ExplainedEntry {
    /// The entry.
    pub entry: LoginEntry,
    /// Every rule as it was at that moment; none where none was asked, or nothing was refused.
    pub steps: Vec<ExplainedStep>,
    /// What would have to change, by the reason alone.
    pub remedy: Option<&'static str>,
}

/// Whose entries somebody may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// One's own.
    Owner(Id<User>),
    /// Everybody's.
    Administrator,
}

/// Explains the entry whose client was told `correlation_id`.
///
/// # Errors
/// [`AppError::NotFound`] where there is none, or it is not for this reader.
pub async fn explain_entry(
    ctx: &Ctx,
    reader: Reader,
    correlation_id: &str,
) -> Result<ExplainedEntry, AppError> {
    let mut conn = ctx.store.read().await?;
    let found = history::find(&mut conn, correlation_id).await?;
    let (entry, chain) = found.ok_or(AppError::NotFound("login"))?;
    let his = match reader {
        Reader::Owner(user) => entry.user == Some(user),
        Reader::Administrator => true,
    };
    if !his {
        return Err(AppError::NotFound("login"));
    }
    let refused = entry.outcome == "refused";
    let remedy = if refused { remedy_of_reason(&entry.reason) } else { None };
    Ok(ExplainedEntry { steps: steps_of(&chain), remedy, entry })
}

/// What would have to change, for a reason as the history tells it: the words before its instant say which.
/// Before the reason there may be what was asked for, and a colon.
fn remedy_of_reason(reason: &str) -> Option<&'static str> {
    const AT: Timestamp = Timestamp::from_unix_ms(0);
    // What is the matter with a passkey stands behind a colon.
    let refused = Refusal::PasskeyRefused.to_string();
    if reason.split(": ").any(|part| part == refused) {
        return Some(Refusal::PasskeyRefused.remedy());
    }
    let last = reason.rsplit(": ").next().unwrap_or_default();
    let refusals = [
        Refusal::UnknownUser,
        Refusal::SourceLockedOut,
        Refusal::NotActivated,
        Refusal::Frozen(AT),
        Refusal::LockedOut(AT),
        Refusal::WrongPassword,
        Refusal::TokensFrozen(TokenFreeze { at: AT, by: FrozenBy::Owner }),
        Refusal::TokensFrozen(TokenFreeze { at: AT, by: FrozenBy::Sharing }),
        Refusal::TokenMissing,
        Refusal::TokenMistyped,
        Refusal::TokenUnknown,
        Refusal::TokenOfAnotherUser,
        Refusal::TokenRetired(AT, RetirementCause::Reset),
        Refusal::TokenExpired(AT),
        Refusal::TokenUnused(AT),
        Refusal::TokenNotForProfile,
        Refusal::TokenOutsideAddresses,
        Refusal::TokenOfAnotherKind,
        Refusal::NoAccess,
        Refusal::OutsideLoginHours,
        Refusal::OutsideLoginRanges,
        Refusal::SecondFactorNotEnrolled(AT),
        Refusal::CodeMissing,
        Refusal::TokenInPlaceOfCode,
        Refusal::CodeWrong,
        Refusal::CodesLockedOut(AT),
        Refusal::SwitchedOff,
        Refusal::Malformed,
    ];
    let instant = AT.to_string();
    let says_so = |refusal: &Refusal| {
        let words = refusal.to_string();
        match words.split_once(&instant) {
            Some((before, _)) => last.starts_with(before),
            None => last == words || reason == words,
        }
    };
    refusals.into_iter().find(says_so).map(Refusal::remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_without_steps_explains_itself_by_its_reason() {
        let at = Timestamp::from_unix_ms(1_800_000_000_000);
        let retired = Refusal::TokenRetired(at, RetirementCause::Revoked);

        assert_eq!(remedy_of_reason(&retired.to_string()), Some(retired.remedy()));
        assert_eq!(remedy_of_reason("wrong password"), Some(Refusal::WrongPassword.remedy()));
        let verifying = format!("asked to verify before a change: {}", Refusal::CodesLockedOut(at));
        assert_eq!(remedy_of_reason(&verifying), Some(Refusal::CodesLockedOut(at).remedy()));
        assert_eq!(
            remedy_of_reason(&Refusal::Malformed.to_string()),
            Some(Refusal::Malformed.remedy())
        );
        for before in ["", "asked to verify before a change: "] {
            let reason = format!("{before}passkey refused: its counter went back");
            assert_eq!(remedy_of_reason(&reason), Some(Refusal::PasskeyRefused.remedy()));
        }
        assert_eq!(remedy_of_reason("bearer use is off"), None);
    }
}

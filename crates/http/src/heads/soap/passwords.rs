//! `setPassword`, `changeOwnPassword` and `resetPassword`.
//!
//! Whoever knows the current password changes it by `changeOwnPassword`; a session alone is not enough,
//! or a stolen session id would be a stolen account. The exception is an expired password, where
//! Salesforce's clients know no other way than `setPassword`.

use symbolon_app::Actor;
use symbolon_app::account::{self, ChangeError};
use symbolon_app::hashing::Asker;
use symbolon_app::sessions::LiveSession;
use symbolon_app::users;
use symbolon_core::id::{Id, User};
use symbolon_core::secret::Password;
use symbolon_wire::Presented;
use symbolon_wire::soap::{self, FaultCode, FaultKind};

use crate::heads::ids;
use crate::heads::soap::Call;
use crate::heads::soap::denied::Denied;

/// Sets a password without knowing the one until now.
pub(super) async fn set(
    call: &Call<'_>,
    session: &LiveSession,
    user_id: &str,
    password: &Presented,
) -> Result<String, Denied> {
    let user = user_named(user_id)?;
    let actor = Actor::User(session.user);
    let username = if user == session.user {
        if !session.password_expired {
            let text = "setPassword is for others and for expired passwords; use changeOwnPassword";
            return Err(Denied::unexpected(FaultCode::InvalidOperation, text));
        }
        session.username.clone()
    } else {
        demand_administrator(session)?;
        let found = users::by_id(call.ctx(), user).await;
        found.map_err(|e| Denied::failed(&e))?.username
    };
    let password = Password::new(password.reveal().to_owned());
    let asker = Asker::from(&call.origin);
    users::set_password(call.ctx(), actor, asker, username.as_str(), password)
        .await
        .map_err(|e| Denied::failed(&e))?;
    Ok(soap::set_password_response(call.flavor))
}

/// Changes the caller's own password. The session in hand goes on; the user's others end.
pub(super) async fn change_own(
    call: &Call<'_>,
    session: &LiveSession,
    old_password: &Presented,
    new_password: &Presented,
) -> Result<String, Denied> {
    let changed = account::change_password(
        call.ctx(),
        session.user,
        Some(session.session),
        Password::new(old_password.reveal().to_owned()),
        Password::new(new_password.reveal().to_owned()),
        &call.origin,
    )
    .await;
    match changed {
        Ok(()) => Ok(soap::change_own_password_response(call.flavor)),
        Err(ChangeError::WrongPassword(refused)) => Err(Denied::new(
            FaultKind::InvalidOldPasswordFault,
            FaultCode::InvalidOldPassword,
            format!("the current password is wrong ({})", refused.correlation_id),
        )),
        Err(ChangeError::App(error)) => Err(Denied::failed(&error)),
    }
}

/// Gives a user a temporary password, which the administrator passes on.
pub(super) async fn reset(
    call: &Call<'_>,
    session: &LiveSession,
    user_id: &str,
) -> Result<String, Denied> {
    let user = user_named(user_id)?;
    demand_administrator(session)?;
    let (actor, asker) = (Actor::User(session.user), Asker::from(&call.origin));
    let password = users::reset_password(call.ctx(), actor, asker, user)
        .await
        .map_err(|e| Denied::failed(&e))?;
    let password = Presented::new(password.reveal().to_owned());
    Ok(soap::reset_password_response(call.flavor, &password))
}

fn user_named(text: &str) -> Result<Id<User>, Denied> {
    ids::user_of(text).ok_or_else(|| {
        Denied::new(FaultKind::InvalidIdFault, FaultCode::MalformedId, "not the id of a user")
    })
}

fn demand_administrator(session: &LiveSession) -> Result<(), Denied> {
    if session.password_expired {
        return Err(Denied::standard(FaultCode::InvalidOperationWithExpiredPassword));
    }
    if session.administrator {
        return Ok(());
    }
    Err(Denied::unexpected(
        FaultCode::InsufficientAccess,
        "only an administrator may do this for another user",
    ))
}

//! `login`, and requests that may have been one.

use symbolon_app::login::{self, ApiLogin, LoginError};
use symbolon_app::sessions;
use symbolon_core::judge::Refusal;
use symbolon_core::secret::Credential;
use symbolon_core::session::SessionKind;
use symbolon_wire::Presented;
use symbolon_wire::soap::{self, FaultCode, FaultKind, LoginResult, SoapParseError};

use crate::heads::session;
use crate::heads::soap::Call;
use crate::heads::soap::denied::Denied;
use crate::heads::soap::person::Person;

/// Logs in with password and token in one text.
pub(super) async fn log_in(
    call: &Call<'_>,
    username: String,
    password: Presented,
) -> Result<String, Denied> {
    let ctx = call.ctx();
    let attempt = ApiLogin {
        head: call.head(),
        username,
        credential: Credential::new(password.reveal().to_owned()),
        client: None,
        origin: call.origin.clone(),
    };
    let outcome = login::log_in_to_api(ctx, attempt).await;
    call.state.front.metrics.count_login(call.head(), &outcome);
    let opened = outcome.map_err(|error| match error {
        LoginError::Refused(refused) => {
            Denied::login(&refused, ctx.settings.tell_missing_token.is_on())
        }
        LoginError::App(error) => Denied::failed(&error),
    })?;
    let found = sessions::find(ctx, SessionKind::Api, &opened.secret).await;
    let Some(live) = found.map_err(|e| Denied::failed(&e))? else {
        // Frozen or removed in this very moment.
        let text = FaultCode::InvalidLogin.standard_message().unwrap_or_default();
        return Err(Denied::new(FaultKind::LoginFault, FaultCode::InvalidLogin, text));
    };
    if let Some(at) = opened.token_expires_at {
        let _ = call.token_expires_at.set(at);
    }
    let person = Person::of(ctx, live).await?;
    let short_organization = person.organization.to_string();
    let public_url = &ctx.settings.public_url;
    let result = LoginResult {
        metadata_server_url: &soap::metadata_server_url(
            public_url,
            call.version,
            &short_organization,
        ),
        password_expired: opened.password_expired,
        sandbox: false,
        server_url: &soap::server_url(public_url, call.flavor, call.version, &short_organization),
        session_id: &session::told(person.organization, &opened.secret),
        user_id: &person.user_id,
        user_info: person.user_info(&ctx.settings),
    };
    Ok(soap::login_response(call.flavor, &result))
}

/// Refuses a request that could not be read.
///
/// One that is not well-formed most often is a login whose client does not escape `&` and `<` in
/// passwords. Its user sees a refused login, so that is what it is: told as one, and written down as
/// one, where the reason says what to look for.
pub(super) async fn refuse_unread(call: &Call<'_>, error: SoapParseError) -> Denied {
    if error != SoapParseError::NotWellFormed {
        return Denied::unread(error);
    }
    call.state.front.metrics.count_unread_login(call.head());
    let noted =
        login::refuse_unread(call.ctx(), call.head(), None, Refusal::Malformed, &call.origin).await;
    match noted {
        Ok(refused) => Denied::login(&refused, false),
        Err(error) => Denied::failed(&error),
    }
}

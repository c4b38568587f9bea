//! The lines of the table, by what they are about.

use std::time::Duration;

use super::*;
use crate::factor::Factor::{
    Authenticator, Link, MailedCode, Passkey, Password, RecoveryCode, SecurityToken,
};
use crate::judge::CodeEvidence::{Right as RightCode, Wrong as WrongCode};
use crate::judge::Door::Web;
use crate::judge::TokenEvidence::{Mistyped, Unknown as NeverIssued};

const MS: Duration = Duration::from_millis(1);

/// All of them.
pub(super) fn lines() -> Vec<Line> {
    let parts = [
        users_and_lockouts(),
        passwords_and_access(),
        hours_and_ranges(),
        tokens(),
        device_types(),
        duty_at_apis(),
        duty_on_the_web(),
        places(),
    ];
    parts.into_iter().flatten().collect()
}

fn users_and_lockouts() -> Vec<Line> {
    use Refusal::{Frozen, LockedOut, NotActivated, SourceLockedOut, UnknownUser};
    vec![
        ("password and token", Api, |it| it, enter(Some(TOKEN))),
        ("password in a known place", Web, |it| it, enter(None)),
        ("passkey", WebByPasskey, |it| it, enter(None)),
        ("nobody of that name", Api, |it| it.nobody(), Err(UnknownUser)),
        ("nobody, on the web", Web, |it| it.nobody(), Err(UnknownUser)),
        ("nobody, by a passkey", WebByPasskey, |it| it.nobody(), Err(UnknownUser)),
        ("invited", Api, |it| it.invited(), Err(NotActivated)),
        ("invited, passkey", WebByPasskey, |it| it.invited(), Err(NotActivated)),
        ("frozen", Api, |it| it.frozen(), Err(Frozen(T0))),
        ("frozen, on the web", Web, |it| it.frozen(), Err(Frozen(T0))),
        ("frozen, passkey", WebByPasskey, |it| it.frozen(), Err(Frozen(T0))),
        ("frozen before locked out", Api, |it| it.frozen().locked_until(LATER), Err(Frozen(T0))),
        ("locked for 1 ms more", Api, |it| it.locked_until(LATER), Err(LockedOut(LATER))),
        ("lockout that ends now", Api, |it| it.locked_until(T0), enter(Some(TOKEN))),
        ("locked, on the web", Web, |it| it.locked_until(LATER), Err(LockedOut(LATER))),
        ("locked, passkey", WebByPasskey, |it| it.locked_until(LATER), enter(None)),
        ("nine failures", Api, |it| it.failed_in_a_row(9), enter(Some(TOKEN))),
        ("address: nine names", Api, |it| it.failed(9, 99), enter(Some(TOKEN))),
        ("address: ten names", Api, |it| it.failed(10, 10), Err(SourceLockedOut)),
        ("address: 100 failures", Web, |it| it.stranger(None).failed(1, 100), Err(SourceLockedOut)),
        ("address, from a known place", Web, |it| it.failed(10, 100), enter(None)),
        ("address, API client that is known", Api, |it| it.failed(10, 10), Err(SourceLockedOut)),
        ("address, passkey", WebByPasskey, |it| it.failed(10, 100), enter(None)),
        (
            "address before anything of the user",
            Api,
            |it| it.nobody().failed(10, 10),
            Err(SourceLockedOut),
        ),
    ]
}

fn passwords_and_access() -> Vec<Line> {
    use Refusal::{LockedOut, NoAccess, WrongPassword};
    vec![
        ("wrong password", Api, |it| it.wrong_password(), Err(WrongPassword)),
        ("wrong password, on the web", Web, |it| it.wrong_password(), Err(WrongPassword)),
        ("password beside a passkey", WebByPasskey, |it| it.wrong_password(), enter(None)),
        ("passkeys’ door, empty-handed", WebByPasskey, |it| it.proof(None), Err(WrongPassword)),
        (
            "passkeys’ door by a code",
            WebByPasskey,
            |it| it.proof(Some(Authenticator)),
            Err(WrongPassword),
        ),
        (
            "wrong password hides the token",
            Api,
            |it| it.wrong_password().token(NeverIssued),
            Err(WrongPassword),
        ),
        (
            "wrong password hides the place",
            Web,
            |it| it.wrong_password().stranger(None),
            Err(WrongPassword),
        ),
        (
            "lockout hides the password",
            Api,
            |it| it.wrong_password().locked_until(LATER),
            Err(LockedOut(LATER)),
        ),
        ("web alone, API", Api, |it| it.access(Access::WebOnly), Err(NoAccess)),
        ("web alone, web", Web, |it| it.access(Access::WebOnly), enter(None)),
        ("API alone, API", Api, |it| it.access(Access::ApiOnly), enter(Some(TOKEN))),
        ("API alone, web", Web, |it| it.access(Access::ApiOnly), Err(NoAccess)),
        ("API alone, passkey", WebByPasskey, |it| it.access(Access::ApiOnly), Err(NoAccess)),
        ("nowhere, API", Api, |it| it.access(Access::Nowhere), Err(NoAccess)),
        ("nowhere, web", Web, |it| it.access(Access::Nowhere), Err(NoAccess)),
    ]
}

fn hours_and_ranges() -> Vec<Line> {
    use Refusal::{OutsideLoginHours, OutsideLoginRanges, TokenRetired};
    vec![
        ("first minute", Api, |it| it.hours("fri 08:00-09:00", "UTC"), enter(Some(TOKEN))),
        (
            "first minute after",
            Api,
            |it| it.hours("fri 07:00-08:00", "UTC"),
            Err(OutsideLoginHours),
        ),
        ("another day", Web, |it| it.hours("mon-thu 00:00-24:00", "UTC"), Err(OutsideLoginHours)),
        ("its wall", Web, |it| it.hours("fri 09:00-10:00", "Europe/Berlin"), enter(None)),
        ("passkey", WebByPasskey, |it| it.hours("sat 08:00-09:00", "UTC"), Err(OutsideLoginHours)),
        (
            "one of two hours",
            Api,
            |it| it.hours("fri 08:00-09:00", "UTC").hours("sat 08:00-09:00", "UTC"),
            Err(OutsideLoginHours),
        ),
        ("last address within", Api, |it| it.ranges("192.0.2.0/29"), enter(Some(TOKEN))),
        ("first one outside", Api, |it| it.ranges("192.0.2.8/29"), Err(OutsideLoginRanges)),
        ("outside, on the web", Web, |it| it.ranges("192.0.2.8/29"), Err(OutsideLoginRanges)),
        ("outside", WebByPasskey, |it| it.ranges("192.0.2.8/29"), Err(OutsideLoginRanges)),
        (
            "trusted network outside the ranges",
            Api,
            |it| it.trusted().ranges("192.0.2.8/29"),
            Err(OutsideLoginRanges),
        ),
        (
            "one of two ranges",
            Api,
            |it| it.ranges("192.0.2.0/24").ranges("198.51.100.0/24"),
            Err(OutsideLoginRanges),
        ),
        (
            "no token within the ranges",
            Api,
            |it| it.token(NoToken).ranges("192.0.2.0/24"),
            enter(None),
        ),
        (
            "retired token within the ranges",
            Api,
            |it| it.token(Known(RETIRED)).ranges("192.0.2.0/24"),
            Err(TokenRetired(T0, RetirementCause::Reset)),
        ),
        (
            "ranges make no place known",
            Web,
            |it| it.stranger(None).ranges("192.0.2.0/24"),
            prove(Place),
        ),
    ]
}

fn tokens() -> Vec<Line> {
    use Refusal::{
        TokenExpired, TokenMissing, TokenMistyped, TokenOfAnotherUser, TokenRetired, TokenUnknown,
        TokensFrozen,
    };
    const RESET: Outcome = Err(TokenRetired(T0, RetirementCause::Reset));
    const ANOTHER: Id<User> = Id::from_raw(9);
    vec![
        ("no token", Api, |it| it.token(NoToken), Err(TokenMissing)),
        ("mistyped", Api, |it| it.token(Mistyped), Err(TokenMistyped)),
        ("never issued", Api, |it| it.token(NeverIssued), Err(TokenUnknown)),
        (
            "another’s, and expired",
            Api,
            |it| it.token(Known(TokenRecord { user: ANOTHER, expires_at: T0, ..LIVE })),
            Err(TokenOfAnotherUser),
        ),
        (
            "retired, and expired",
            Api,
            |it| it.token(Known(TokenRecord { expires_at: T0, ..RETIRED })),
            RESET,
        ),
        (
            "expires now",
            Api,
            |it| it.token(Known(TokenRecord { expires_at: T0, ..LIVE })),
            Err(TokenExpired(T0)),
        ),
        ("1 ms to live", Api, |it| it.token(Known(LIVE)), enter(Some(TOKEN))),
        ("trusted, no token", Api, |it| it.trusted().token(NoToken), enter(None)),
        ("trusted, token", Api, |it| it.trusted(), enter(Some(TOKEN))),
        ("trusted, mistyped", Api, |it| it.trusted().token(Mistyped), Err(TokenMistyped)),
        ("trusted, retired", Api, |it| it.trusted().token(Known(RETIRED)), RESET),
        ("frozen", Api, |it| it.tokens_frozen(), Err(TokensFrozen(FREEZE))),
        (
            "frozen, trusted, no token",
            Api,
            |it| it.tokens_frozen().trusted().token(NoToken),
            Err(TokensFrozen(FREEZE)),
        ),
        ("frozen, on the web", Web, |it| it.tokens_frozen(), enter(None)),
        (
            "code that nobody demands",
            Api,
            |it| Facts { code: RightCode, ..it.token(NoToken) },
            Err(TokenMissing),
        ),
    ]
}

fn device_types() -> Vec<Line> {
    use Mismatch::{Noted, Refused};
    use Refusal::{
        TokenExpired, TokenNotForProfile, TokenOfAnotherKind, TokenOfAnotherUser,
        TokenOutsideAddresses, TokenRetired, TokenUnused, WrongPassword,
    };
    const HERE: &str = "192.0.2.0/24, 10.0.0.0/8";
    const THERE: &str = "10.0.0.0/8";
    const DAY: Duration = Duration::from_hours(24);
    const FULL: Outcome = enter(Some(TOKEN));
    const OUTSIDE: Outcome = Err(TokenOutsideAddresses);
    const OTHERS: Id<Profile> = Id::from_raw(4);
    const NOT_HELD: Outcome = Err(TokenNotForProfile);
    const UNUSED: Outcome = Err(TokenUnused(LIVE.active_at));
    const SERVER: ClientKind = ClientKind::Server;
    vec![
        ("within its addresses", Api, |it| it.held_at(HERE), FULL),
        ("outside its addresses", Api, |it| it.held_at(THERE), OUTSIDE),
        ("outside, trusted", Api, |it| it.held_at(THERE).trusted(), OUTSIDE),
        ("outside, in the profile’s ranges", Api, |it| it.held_at(THERE).ranges(HERE), OUTSIDE),
        (
            "outside, behind a wrong password",
            Api,
            |it| it.held_at(THERE).wrong_password(),
            Err(WrongPassword),
        ),
        ("held as it may be", Api, |it| it.held_by(PROFILE), FULL),
        ("held by another profile", Api, |it| it.held_by(OTHERS), NOT_HELD),
        ("not held, trusted", Api, |it| it.held_by(OTHERS).trusted(), NOT_HELD),
        ("not held, and outside", Api, |it| it.held_by(OTHERS).held_at(THERE), NOT_HELD),
        ("not held, unused", Api, |it| it.held_by(OTHERS).idle_end(DAY), UNUSED),
        ("another kind, noted", Api, |it| it.meant_for(SERVER, Noted), FULL),
        ("another kind, refused", Api, |it| it.meant_for(SERVER, Refused), Err(TokenOfAnotherKind)),
        ("its kind", Api, |it| it.meant_for(ClientKind::Mobile, Refused), FULL),
        (
            "no plain kind",
            Api,
            |it| Facts { client_kind: None, ..it.meant_for(SERVER, Refused) },
            FULL,
        ),
        ("used 1 ms late enough", Api, |it| it.idle_end(DAY + MS), FULL),
        ("unused for all its time", Api, |it| it.idle_end(DAY), UNUSED),
        ("unused, outside", Api, |it| it.idle_end(DAY).held_at(THERE), UNUSED),
        (
            "unused, another’s",
            Api,
            |it| {
                let record = TokenRecord { user: Id::from_raw(9), ..LIVE };
                it.idle_end(DAY).token(Known(record))
            },
            Err(TokenOfAnotherUser),
        ),
        (
            "unused, retired",
            Api,
            |it| it.idle_end(DAY).token(Known(RETIRED)),
            Err(TokenRetired(T0, RetirementCause::Reset)),
        ),
        (
            "unused, expired",
            Api,
            |it| it.idle_end(DAY).token(Known(TokenRecord { expires_at: T0, ..LIVE })),
            Err(TokenExpired(T0)),
        ),
        ("a code in its place", Api, |it| it.held_at(THERE).code(RightCode), enter(None)),
        ("no token on the web", Web, |it| it.held_at(THERE), enter(None)),
    ]
}

fn duty_at_apis() -> Vec<Line> {
    use Refusal::{
        CodeMissing, CodeWrong, CodesLockedOut, SecondFactorNotEnrolled, TokenInPlaceOfCode,
        TokenMissing, TokensFrozen, WrongPassword,
    };
    const BOTH: Duty = Duty::WebAndApi;
    const LATE: Outcome = Err(SecondFactorNotEnrolled(T0));
    let in_time =
        Ok(Admission { user: USER, token: Some(TOKEN), next: Next::Enter, enrol_by: Some(LATER) });
    vec![
        ("duty on the web alone", Api, |it| it.dutiful(None), enter(Some(TOKEN))),
        ("right code", Api, |it| it.code(RightCode), enter(None)),
        ("no code", Api, |it| it.code(NoCode), Err(CodeMissing)),
        ("wrong code", Api, |it| it.code(WrongCode), Err(CodeWrong)),
        (
            "token in place of the code",
            Api,
            |it| it.code(NoCode).token(Known(LIVE)),
            Err(TokenInPlaceOfCode),
        ),
        (
            "retired token in place of the code",
            Api,
            |it| it.code(NoCode).token(Known(RETIRED)),
            Err(TokenInPlaceOfCode),
        ),
        (
            "token of another user in place of the code",
            Api,
            |it| it.code(NoCode).token(Known(OF_ANOTHER)),
            Err(CodeMissing),
        ),
        (
            "token that nobody was given in place of the code",
            Api,
            |it| it.code(NoCode).token(NeverIssued),
            Err(CodeMissing),
        ),
        (
            "token in place of the code, behind a wrong password",
            Api,
            |it| it.code(NoCode).token(Known(RETIRED)).wrong_password(),
            Err(WrongPassword),
        ),
        ("code within a trusted network", Api, |it| it.code(NoCode).trusted(), Err(CodeMissing)),
        (
            "code within the ranges",
            Api,
            |it| it.code(NoCode).ranges("192.0.2.0/24"),
            Err(CodeMissing),
        ),
        (
            "right code while none is taken",
            Api,
            |it| it.code(RightCode).codes_locked_until(LATER),
            Err(CodesLockedOut(LATER)),
        ),
        (
            "right code when they are taken again",
            Api,
            |it| it.code(RightCode).codes_locked_until(T0),
            enter(None),
        ),
        (
            "right code while tokens are frozen",
            Api,
            |it| it.code(RightCode).tokens_frozen(),
            Err(TokensFrozen(FREEZE)),
        ),
        (
            "wrong code while tokens are frozen",
            Api,
            |it| it.code(WrongCode).tokens_frozen(),
            Err(CodeWrong),
        ),
        (
            "right code from a trusted network while tokens are frozen",
            Api,
            |it| it.code(RightCode).tokens_frozen().trusted(),
            Err(TokensFrozen(FREEZE)),
        ),
        ("1 ms left to enrol", Api, |it| it.duty(BOTH, LATER), in_time),
        ("time to enrol ends now", Api, |it| it.duty(BOTH, T0), LATE),
        (
            "time to enrol, no token",
            Api,
            |it| it.duty(BOTH, LATER).token(NoToken),
            Err(TokenMissing),
        ),
        (
            "time to enrol, trusted network",
            Api,
            |it| it.duty(BOTH, LATER).token(NoToken).trusted(),
            with(Next::Enter, Some(LATER)),
        ),
        ("passkey in time", Api, |it| it.duty(BOTH, LATER).factors(PASSKEY), in_time),
        ("passkey, too late", Api, |it| it.duty(BOTH, T0).factors(PASSKEY), LATE),
        ("recovery code, too late", Api, |it| it.duty(BOTH, T0).factors(CODES), LATE),
        ("trusted network, too late", Api, |it| it.duty(BOTH, T0).trusted(), LATE),
        ("duty younger than the user", Api, |it| it.duty(BOTH, T0).duty_began_later(MS), in_time),
    ]
}

fn duty_on_the_web() -> Vec<Line> {
    const LATE: Outcome = with(Next::EnterToEnrol, Some(T0));
    const IN_TIME: Outcome = with(Next::Enter, Some(LATER));
    vec![
        ("known place alone", Web, |it| it.dutiful(None), prove(SecondFactor)),
        ("authenticator", Web, |it| it.dutiful(Some(Authenticator)), enter(None)),
        ("passkey", Web, |it| it.dutiful(Some(Passkey)), enter(None)),
        ("recovery code", Web, |it| it.dutiful(Some(RecoveryCode)), enter(None)),
        ("token", Web, |it| it.dutiful(Some(SecurityToken)), prove(SecondFactor)),
        ("mailed code", Web, |it| it.dutiful(Some(MailedCode)), prove(SecondFactor)),
        ("link", Web, |it| it.dutiful(Some(Link)), prove(SecondFactor)),
        ("password once more", Web, |it| it.dutiful(Some(Password)), prove(SecondFactor)),
        ("passkeys’ door", WebByPasskey, |it| it.dutiful(Some(Passkey)), enter(None)),
        (
            "duty everywhere",
            Web,
            |it| it.dutiful(None).duty(Duty::WebAndApi, T0),
            prove(SecondFactor),
        ),
        ("trusted network", Web, |it| it.dutiful(None).trusted(), prove(SecondFactor)),
        ("nothing can be asked", Web, |it| it.dutiful(None).unaskable(), prove(SecondFactor)),
        (
            "time to enrol does not spare who has enrolled",
            Web,
            |it| it.duty(Duty::Web, LATER).factors(PASSKEY),
            prove(SecondFactor),
        ),
        ("1 ms left to enrol", Web, |it| it.duty(Duty::Web, LATER), IN_TIME),
        ("time to enrol ends now", Web, |it| it.duty(Duty::Web, T0), LATE),
        (
            "recovery codes alone are not enrolled",
            Web,
            |it| it.duty(Duty::Web, T0).factors(CODES),
            LATE,
        ),
        (
            "time to enrol, unknown place",
            Web,
            |it| it.duty(Duty::Web, LATER).stranger(None),
            with(Next::Prove(Place), Some(LATER)),
        ),
        (
            "time to enrol, proved by mail",
            Web,
            |it| it.duty(Duty::Web, LATER).stranger(Some(MailedCode)),
            IN_TIME,
        ),
        (
            "too late, unknown place",
            Web,
            |it| it.duty(Duty::Web, T0).stranger(None),
            with(Next::Prove(Place), Some(T0)),
        ),
        (
            "too late, proved by mail",
            Web,
            |it| it.duty(Duty::Web, T0).stranger(Some(MailedCode)),
            LATE,
        ),
        (
            "too late, nothing can be asked",
            Web,
            |it| it.duty(Duty::Web, T0).stranger(None).unaskable(),
            LATE,
        ),
    ]
}

fn places() -> Vec<Line> {
    vec![
        ("unknown", Web, |it| it.stranger(None), prove(Place)),
        ("trusted", Web, |it| it.stranger(None).trusted(), prove(Place)),
        ("by authenticator", Web, |it| it.stranger(Some(Authenticator)), enter(None)),
        ("by passkey", Web, |it| it.stranger(Some(Passkey)), enter(None)),
        ("by recovery code", Web, |it| it.stranger(Some(RecoveryCode)), enter(None)),
        ("by token", Web, |it| it.stranger(Some(SecurityToken)), enter(None)),
        ("by mailed code", Web, |it| it.stranger(Some(MailedCode)), enter(None)),
        ("by link", Web, |it| it.stranger(Some(Link)), enter(None)),
        ("nothing to ask", Web, |it| it.stranger(None).unaskable(), enter(None)),
        ("passkey", WebByPasskey, |it| it.stranger(Some(Passkey)), enter(None)),
        ("no place at APIs", Api, |it| it.stranger(None), enter(Some(TOKEN))),
        ("codes locked", Web, |it| it.codes_locked_until(LATER), enter(None)),
    ]
}

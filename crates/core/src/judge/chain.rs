//! The rules of the chain, each over the facts alone: none knows what another said.

use crate::factor::Factor;
use crate::id::{Id, Token};
use crate::judge::{
    CodeEvidence, Demand, Door, Login, PasswordVerdict, Refusal, Rule, Spared, Standing, Step,
    TokenEvidence, TokenUse, Verdict,
};
use crate::policy::Duty;
use crate::time::Timestamp;

/// Every rule in order, and the token that was accepted. Of a user who does not exist only the first
/// rules have something to look at.
pub(super) fn walk(login: &Login<'_>) -> (Vec<Step>, Option<Id<Token>>) {
    let mut steps = vec![source(login), user(login)];
    let Some(standing) = login.standing else {
        return (steps, None);
    };
    let (token_step, token) = token(login, standing);
    steps.extend([
        active(standing),
        lockout(login, standing),
        password(login),
        access(login),
        login_hours(login),
        login_ranges(login),
        second_factor(login),
        token_step,
        place(login),
    ]);
    (steps, token)
}

/// Until when a second factor is to be enrolled, if one is demanded and there is none.
pub(super) fn enrol_by(login: &Login<'_>) -> Option<Timestamp> {
    let (policy, since, factors) = (login.policy, login.member_since, login.factors);
    match login.door {
        Door::Web | Door::WebByPasskey => policy.owed_on_the_web_by(since, factors),
        Door::Api => policy.owed_at_apis_by(since, factors),
    }
}

fn step(rule: Rule, input: impl Into<String>, verdict: Verdict) -> Step {
    Step { rule, input: input.into(), verdict }
}

fn counted(count: u32, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn refused_if(refuse: bool, refusal: Refusal) -> Verdict {
    if refuse { Verdict::Refused(refusal) } else { Verdict::Passed }
}

/// Whether the address has not failed too often.
pub(super) fn source(login: &Login<'_>) -> Step {
    let (failures, policy) = (login.source_failures, login.source_policy);
    let input = format!(
        "{}: {} of at most {} lately, on {} of at most {}",
        login.source,
        counted(failures.failures, "failure"),
        policy.failures,
        counted(failures.names, "name"),
        policy.names
    );
    step(Rule::Source, input, refused_if(login.source_locked(), Refusal::SourceLockedOut))
}

fn user(login: &Login<'_>) -> Step {
    let input = if login.standing.is_some() { "there is one" } else { "there is none" };
    step(Rule::User, input, refused_if(login.standing.is_none(), Refusal::UnknownUser))
}

fn active(standing: &Standing) -> Step {
    let (input, verdict) = match standing.frozen_at {
        _ if !standing.activated => (
            "the invitation has not been accepted".to_owned(),
            Verdict::Refused(Refusal::NotActivated),
        ),
        Some(at) => (format!("frozen since {at}"), Verdict::Refused(Refusal::Frozen(at))),
        None => ("activated, not frozen".to_owned(), Verdict::Passed),
    };
    step(Rule::Active, input, verdict)
}

fn lockout(login: &Login<'_>, standing: &Standing) -> Step {
    let failures = standing.failures;
    let whose = if login.place_known { "from this place" } else { "from unknown places" };
    let input = match failures.locked_at(login.now) {
        Some(until) => format!("locked out {whose} until {until}"),
        None => {
            let limit = login.policy.lockout_failures;
            let lock = if limit == 1 { "locks" } else { "lock" };
            format!("{} {whose}, {limit} {lock}", counted(failures.count, "failure"))
        }
    };
    let verdict = match (failures.locked_at(login.now), login.door) {
        (Some(_), Door::WebByPasskey) | (None, _) => Verdict::Passed,
        (Some(until), Door::Web | Door::Api) => Verdict::Refused(Refusal::LockedOut(until)),
    };
    step(Rule::Lockout, input, verdict)
}

fn password(login: &Login<'_>) -> Step {
    if login.door == Door::WebByPasskey {
        // Whoever comes by this door without one has proved nothing.
        let missing = login.proof != Some(Factor::Passkey);
        let verdict =
            if missing { Verdict::Refused(Refusal::WrongPassword) } else { Verdict::NotAsked };
        return step(Rule::Password, "a passkey in its place", verdict);
    }
    let wrong = login.password == PasswordVerdict::Wrong;
    let input = if wrong { "wrong" } else { "right" };
    step(Rule::Password, input, refused_if(wrong, Refusal::WrongPassword))
}

fn access(login: &Login<'_>) -> Step {
    let access = login.policy.access;
    let (input, open) = match login.door {
        Door::Web | Door::WebByPasskey => ("web", access.web()),
        Door::Api => ("API", access.api()),
    };
    step(Rule::Access, input, refused_if(!open, Refusal::NoAccess))
}

fn login_hours(login: &Login<'_>) -> Step {
    let hours = &login.policy.login_hours;
    let closed = hours.iter().find(|hours| !hours.allow(login.now));
    let input = match (closed, hours.first()) {
        (Some(hours), _) | (None, Some(hours)) => {
            format!("{}; hours: {hours}", hours.wall_clock(login.now))
        }
        (None, None) => "at any time".to_owned(),
    };
    step(Rule::LoginHours, input, refused_if(closed.is_some(), Refusal::OutsideLoginHours))
}

fn login_ranges(login: &Login<'_>) -> Step {
    let ranges = &login.policy.login_ranges;
    let outside = ranges.iter().find(|ranges| !ranges.hold(login.source));
    let input = match (outside, ranges.first()) {
        (Some(ranges), _) | (None, Some(ranges)) => format!("{}; ranges: {ranges}", login.source),
        (None, None) => "from anywhere".to_owned(),
    };
    step(Rule::LoginRanges, input, refused_if(outside.is_some(), Refusal::OutsideLoginRanges))
}

fn second_factor(login: &Login<'_>) -> Step {
    let demanded = match login.door {
        Door::Web | Door::WebByPasskey => login.policy.duty != Duty::None,
        Door::Api => login.policy.duty == Duty::WebAndApi,
    };
    if !demanded {
        return step(Rule::SecondFactor, "not demanded by the profile", Verdict::Passed);
    }
    match login.door {
        Door::Web | Door::WebByPasskey => second_factor_on_the_web(login),
        Door::Api => second_factor_at_an_api(login),
    }
}

fn second_factor_on_the_web(login: &Login<'_>) -> Step {
    let (input, verdict) = match (login.proof, enrol_by(login)) {
        (Some(factor), _) if factor.is_second() => {
            (format!("demanded; given: {}", factor.word()), Verdict::Passed)
        }
        (_, Some(by)) if login.now < by => {
            (format!("demanded; none enrolled, to be by {by}"), Verdict::Passed)
        }
        (_, Some(by)) => {
            (format!("demanded; none enrolled, was to be by {by}"), Verdict::EnrolOnly)
        }
        (_, None) => (
            format!("demanded; not given yet{}", codes_locked_words(login)),
            Verdict::Demanded(Demand::SecondFactor),
        ),
    };
    step(Rule::SecondFactor, input, verdict)
}

fn second_factor_at_an_api(login: &Login<'_>) -> Step {
    let (input, verdict) = match demand_of_code(login) {
        DemandOfCode::NotYet(by) => {
            (format!("demanded; no authenticator, to be enrolled by {by}"), Verdict::Passed)
        }
        DemandOfCode::TooLate(by) => (
            format!("demanded; no authenticator, was to be enrolled by {by}"),
            Verdict::Refused(Refusal::SecondFactorNotEnrolled(by)),
        ),
        DemandOfCode::Yes => match (login.codes_locked_until, login.code) {
            (Some(until), _) if login.now < until => (
                format!("too many wrong codes, none taken until {until}"),
                Verdict::Refused(Refusal::CodesLockedOut(until)),
            ),
            (_, CodeEvidence::Right) => {
                ("demanded; the code was right".to_owned(), Verdict::Passed)
            }
            (_, CodeEvidence::Wrong) => {
                ("demanded; the code was wrong".to_owned(), Verdict::Refused(Refusal::CodeWrong))
            }
            (_, CodeEvidence::Absent) if brings_own_token(login) => (
                "demanded; a token of the user’s in its place".to_owned(),
                Verdict::Refused(Refusal::TokenInPlaceOfCode),
            ),
            (_, CodeEvidence::Absent) => {
                ("demanded; no code".to_owned(), Verdict::Refused(Refusal::CodeMissing))
            }
        },
    };
    step(Rule::SecondFactor, input, verdict)
}

/// Whether a token of the user's own is presented, whether it lives or not.
fn brings_own_token(login: &Login<'_>) -> bool {
    match (login.token, login.standing) {
        (TokenEvidence::Known(record), Some(standing)) => record.user == standing.user,
        (TokenEvidence::Known(_), None)
        | (TokenEvidence::Absent | TokenEvidence::Mistyped | TokenEvidence::Unknown, _) => false,
    }
}

/// Whether an API login must bring a code.
enum DemandOfCode {
    Yes,
    NotYet(Timestamp),
    TooLate(Timestamp),
}

fn demand_of_code(login: &Login<'_>) -> DemandOfCode {
    match login.policy.owed_at_apis_by(login.member_since, login.factors) {
        Some(by) if login.now < by => DemandOfCode::NotYet(by),
        Some(by) => DemandOfCode::TooLate(by),
        None => DemandOfCode::Yes,
    }
}

/// The half of an API credential that complements the password, unless a code does.
fn token(login: &Login<'_>, standing: &Standing) -> (Step, Option<Id<Token>>) {
    if login.door != Door::Api {
        return (step(Rule::Token, "at APIs alone", Verdict::NotAsked), None);
    }
    if login.policy.duty == Duty::WebAndApi
        && !matches!(demand_of_code(login), DemandOfCode::NotYet(_))
    {
        // What is frozen lets nobody in by the other way either: the owner was told that no API does.
        let (input, verdict) = match standing.tokens_frozen {
            Some(freeze) => {
                let refusal = Refusal::TokensFrozen(freeze);
                (format!("a code in its place; {refusal}"), Verdict::Refused(refusal))
            }
            None => ("a code in its place".to_owned(), Verdict::NotAsked),
        };
        return (step(Rule::Token, input, verdict), None);
    }
    match judge_token(login, standing) {
        Ok(Some(token)) => {
            (step(Rule::Token, live_token_words(login), Verdict::Passed), Some(token))
        }
        Ok(None) => (step(Rule::Token, no_token_words(login), Verdict::Passed), None),
        Err(refusal) => {
            let input = refused_token_words(login, refusal);
            (step(Rule::Token, input, Verdict::Refused(refusal)), None)
        }
    }
}

/// Why there need not be a token.
fn no_token_words(login: &Login<'_>) -> String {
    let why = match login.spared_token() {
        Some(Spared::TrustedNetwork) => ": the address lies in a trusted network",
        Some(Spared::LoginRanges) => ": the address lies within the login IP ranges",
        None => "",
    };
    format!("none, and none is needed{why}")
}

/// A token that is let in, with a note where it is of another kind.
fn live_token_words(login: &Login<'_>) -> String {
    match kinds_of(login).filter(|(meant, client)| meant != client) {
        Some((meant, client)) => format!("a live token for {meant}, noted: used by {client}"),
        None => "a live token".to_owned(),
    }
}

/// What the device type's rules looked at, where they refuse; else the reason alone.
fn refused_token_words(login: &Login<'_>, refusal: Refusal) -> String {
    let addresses = login.device_rules.and_then(|rules| rules.addresses.as_ref());
    match (refusal, addresses, kinds_of(login)) {
        (Refusal::TokenOutsideAddresses, Some(addresses), _) => {
            format!("{refusal}; {}; ranges: {addresses}", login.source)
        }
        (Refusal::TokenOfAnotherKind, _, Some((meant, client))) => {
            format!("{refusal}: it is for {meant}, this is {client}")
        }
        _ => refusal.to_string(),
    }
}

/// The kind that the token is for, and that of the client.
fn kinds_of(login: &Login<'_>) -> Option<(&'static str, &'static str)> {
    let meant = login.device_rules.and_then(|rules| rules.kind);
    Some((meant?.word(), login.client_kind?.word()))
}

fn judge_token(login: &Login<'_>, standing: &Standing) -> Result<Option<Id<Token>>, Refusal> {
    if let Some(freeze) = standing.tokens_frozen {
        return Err(Refusal::TokensFrozen(freeze));
    }
    let record = match login.token {
        TokenEvidence::Absent if login.spared_token().is_some() => return Ok(None),
        TokenEvidence::Absent => return Err(Refusal::TokenMissing),
        TokenEvidence::Mistyped => return Err(Refusal::TokenMistyped),
        TokenEvidence::Unknown => return Err(Refusal::TokenUnknown),
        TokenEvidence::Known(record) => record,
    };
    let used = TokenUse {
        user: standing.user,
        profile: login.profile,
        rules: login.device_rules,
        source: login.source,
        client_kind: login.client_kind,
        now: login.now,
    };
    record.judge(&used).map(|()| Some(record.token))
}

fn place(login: &Login<'_>) -> Step {
    let (input, verdict) = match (login.door, login.proof) {
        (Door::Api, _) => ("on the web alone".to_owned(), Verdict::NotAsked),
        (Door::WebByPasskey, _) => ("a passkey proves it".to_owned(), Verdict::NotAsked),
        (Door::Web, Some(factor)) => (format!("proved now: {}", factor.word()), Verdict::Passed),
        (Door::Web, None) if login.place_known => ("known".to_owned(), Verdict::Passed),
        (Door::Web, None) if !login.can_be_asked => {
            ("unknown, but nothing can be asked: no mail server".to_owned(), Verdict::Passed)
        }
        (Door::Web, None) => {
            (format!("unknown{}", codes_locked_words(login)), Verdict::Demanded(Demand::Place))
        }
    };
    step(Rule::Place, input, verdict)
}

/// What stands in the way of whoever is asked for more, where too many codes were wrong.
fn codes_locked_words(login: &Login<'_>) -> String {
    match login.codes_locked_until.filter(|until| login.now < *until) {
        Some(until) => format!("; no code is taken until {until}"),
        None => String::new(),
    }
}

//! Explains how a login is decided: every rule in its order, what it looked at, what it said, and what
//! would have to change.
//!
//! What is asked for here is gathered by the code of the logins and judged by the very same `judge`, so
//! that an explanation cannot tell another story than the login; nothing is written. The steps of
//! logins that were refused are kept with their entry in the history, as a text ([`chain_of`]): what they
//! looked at has changed by the time that somebody asks.

use symbolon_core::Timestamp;
use symbolon_core::device_type::DeviceRules;
use symbolon_core::factor::{Factor, FactorKinds};
use symbolon_core::id::{Id, User};
use symbolon_core::judge::{
    CodeEvidence, Decision, Demand, Door, Login, Next, PasswordVerdict, Refusal, Rule, Step,
    TokenEvidence, TokenRecord, Verdict, judge,
};
use symbolon_core::names::{ClientName, DeviceType, Source};
use symbolon_core::policy::Duty;
use symbolon_core::secret::Password;
use symbolon_core::session::SessionKind;
use symbolon_core::token::TokenPart;
use symbolon_store::{Conn, device_types, tokens};

use crate::actor::Origin;
use crate::context::Ctx;
use crate::error::AppError;
use crate::login::Head;
use crate::login::attempt::Attempt;
use crate::login::evidence;
use crate::second_factors;

/// The kinds of login that can be explained.
pub const HEADS: [Head; 4] =
    [Head::Web, Head::SoapPartner, Head::SoapEnterprise, Head::OAuthPassword];

/// Characters of one step's input that are kept: a profile may have hundreds of ranges.
const KEPT_INPUT: usize = 240;

/// A login that has not happened.
#[derive(Debug)]
pub struct Question {
    /// Whose.
    pub username: String,
    /// From where.
    pub source: Source,
    /// When; now if not given. The facts are today's in either case.
    pub at: Option<Timestamp>,
    /// By which protocol: one of [`HEADS`].
    pub head: Head,
    /// What the client says it is; empty if it does not.
    pub client: ClientName,
}

/// How a login would be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What is assumed, in a sentence.
    pub premise: String,
    /// Every rule in order.
    pub steps: Vec<ExplainedStep>,
    /// What comes of it.
    pub conclusion: Conclusion,
}

/// What comes of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// It is let in.
    Admitted,
    /// It is let in once more is proved.
    AskedForMore,
    /// It is let in to enrol a second factor and do nothing else.
    OnlyToEnrol,
    /// It is refused.
    Refused,
}

impl Conclusion {
    /// What it is, in a sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Admitted => "The login is let in.",
            Self::AskedForMore => "The login is let in once what is demanded has been proved.",
            Self::OnlyToEnrol => {
                "The login is let in to enrol a second factor, and for nothing else."
            }
            Self::Refused => "The login is refused, by the first rule that refuses.",
        }
    }
}

/// One rule, in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedStep {
    /// The rule's name.
    pub rule: String,
    /// What it looked at.
    pub input: String,
    /// What it said.
    pub said: Said,
    /// What would have to change; empty where the rule lets in.
    pub remedy: String,
}

/// What a rule said, without its reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It lets in.
    Passed,
    /// It refuses.
    Refused,
    /// It wants something proved.
    Demanded,
    /// It lets in to enrol a second factor alone.
    EnrolOnly,
    /// It has nothing to say about this kind of login.
    NotAsked,
}

impl Said {
    /// All, with the word that scripts and the history know them by.
    const ALL: [(Self, &'static str); 5] = [
        (Self::Passed, "passed"),
        (Self::Refused, "refused"),
        (Self::Demanded, "demanded"),
        (Self::EnrolOnly, "enrol-only"),
        (Self::NotAsked, "not-asked"),
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(said, _)| *said == self).map_or("", |(_, word)| word)
    }

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, each)| *each == word).map(|(said, _)| *said)
    }
}

/// The kind of login with this word, if it can be explained.
pub fn head_of_word(word: &str) -> Option<Head> {
    HEADS.into_iter().find(|head| head.word() == word)
}

/// Explains a login with the right password and the best that the user has beside it.
///
/// # Errors
/// [`AppError::NotFound`] where there is no such user.
pub async fn explain(ctx: &Ctx, question: Question) -> Result<Explanation, AppError> {
    let Question { username, source, at, head, client } = question;
    let now = at.unwrap_or_else(|| ctx.clock.now());
    let (door, kind) = match head {
        Head::Web => (Door::Web, SessionKind::Web),
        Head::SoapPartner | Head::SoapEnterprise | Head::OAuthPassword => {
            (Door::Api, SessionKind::Api)
        }
        Head::Rest
        | Head::Introspection
        | Head::Verify
        | Head::ForwardAuth
        | Head::AuthRequest
        | Head::ExtAuthz
        | Head::ExtAuthzGrpc => {
            return Err(AppError::Invalid("nobody logs in by this protocol"));
        }
    };
    let attempt = Attempt {
        head,
        kind,
        username,
        password: Password::new(String::new()),
        token: TokenPart::Absent,
        client: None,
        places: Vec::new(),
        origin: Origin { source, client, place: None },
    };
    let evidence = evidence::gather(ctx, &attempt, now).await?;
    let user = evidence.user.as_ref().ok_or(AppError::NotFound("user"))?.standing.user;
    let mut reader = ctx.store.read().await?;
    let factors = second_factors::kinds_of(&mut reader, user).await?;
    let tokens = shown_tokens(&mut reader, user).await?;
    drop(reader);

    let mut login = evidence.login(ctx, door, PasswordVerdict::Right, source, now);
    login.factors = factors;
    let mut premise = match door {
        Door::Web | Door::WebByPasskey => {
            "Assumed: the right password, in a browser in which the user was never proved."
                .to_owned()
        }
        Door::Api if evidence.policy.duty == Duty::WebAndApi && factors.authenticator => {
            login.code = CodeEvidence::Right;
            "Assumed: the right password, and behind it the right code of the authenticator app, not used \
             before. A login with another code, or with none, is refused."
                .to_owned()
        }
        Door::Api => {
            let (with_best, words) = with_best_token(&login, &tokens);
            login = with_best;
            format!("Assumed: the right password, and {words}.")
        }
    };
    premise.push_str(&second_factor_words(factors));
    let decision = judge(&login);
    let mut explanation = explained(premise, &decision);
    let code_is_assumed = login.code == CodeEvidence::Right;
    for step in &mut explanation.steps {
        if let (Said::Demanded, Some(until)) = (step.said, login.codes_locked_until) {
            step.remedy = format!("{} {}", step.remedy, Refusal::CodesLockedOut(until).remedy());
        }
        let assumed = (step.rule == Rule::Password.word() && login.door != Door::WebByPasskey)
            || (step.rule == Rule::SecondFactor.word() && code_is_assumed);
        if assumed && step.said == Said::Passed {
            step.input.push_str(" (assumed)");
        }
    }
    if head == Head::OAuthPassword && !ctx.settings.password_grant.is_on() {
        explanation.steps.insert(0, grant_switched_off());
        explanation.conclusion = Conclusion::Refused;
    }
    Ok(explanation)
}

fn explained(premise: String, decision: &Decision) -> Explanation {
    let conclusion = match decision.outcome {
        Err(_) => Conclusion::Refused,
        Ok(admission) => match admission.next {
            Next::Enter => Conclusion::Admitted,
            Next::EnterToEnrol => Conclusion::OnlyToEnrol,
            Next::Prove(_) => Conclusion::AskedForMore,
        },
    };
    Explanation { premise, steps: decision.steps.iter().map(explained_step).collect(), conclusion }
}

fn explained_step(step: &Step) -> ExplainedStep {
    let (said, remedy) = match step.verdict {
        Verdict::Passed => (Said::Passed, ""),
        Verdict::Refused(refusal) => (Said::Refused, refusal.remedy()),
        Verdict::Demanded(demand) => (Said::Demanded, words_of(demand)),
        Verdict::EnrolOnly => (
            Said::EnrolOnly,
            "The user enrols a second factor on the page Second Factors, which is all that the session \
             opens until then; or an administrator lifts the duty in the profile.",
        ),
        Verdict::NotAsked => (Said::NotAsked, ""),
    };
    let (rule, remedy) = (step.rule.word().to_owned(), remedy.to_owned());
    ExplainedStep { rule, input: step.input.clone(), said, remedy }
}

const fn words_of(demand: Demand) -> &'static str {
    match demand {
        Demand::SecondFactor => {
            "The user gives a code of the authenticator app, a passkey or a recovery code, each time."
        }
        Demand::Place => {
            "The user proves the browser once: by a second factor or the security token, or by a code that \
             is mailed where there is no second factor."
        }
    }
}

fn second_factor_words(factors: FactorKinds) -> String {
    let all = [
        (factors.authenticator, Factor::Authenticator),
        (factors.passkey, Factor::Passkey),
        (factors.recovery_code, Factor::RecoveryCode),
    ];
    let has: Vec<&str> = all.iter().filter(|(has, _)| *has).map(|(_, kind)| kind.word()).collect();
    if has.is_empty() {
        return " The user has no second factor.".to_owned();
    }
    format!(" The user’s second factors: {}.", has.join(", "))
}

/// The chain is not asked where the grant is off (RFC 9700 §2.4 advises against it).
fn grant_switched_off() -> ExplainedStep {
    ExplainedStep {
        rule: "password grant".to_owned(),
        input: "switched off in the configuration".to_owned(),
        said: Said::Refused,
        remedy: Refusal::SwitchedOff.remedy().to_owned(),
    }
}

/// A token that the user could present.
struct ShownToken {
    record: TokenRecord,
    device_type: DeviceType,
    rules: Option<DeviceRules>,
}

/// The tokens that are not retired, the one that expires last first.
async fn shown_tokens(reader: &mut Conn, user: Id<User>) -> Result<Vec<ShownToken>, AppError> {
    let mut shown = Vec::new();
    for live in tokens::live_of_user(reader, user).await? {
        let Some(row) = tokens::find(reader, live.token).await? else { continue };
        let rules = device_types::of_token(reader, live.token).await?.map(|row| row.rules);
        shown.push(ShownToken { record: row.record, device_type: live.device_type, rules });
    }
    shown.sort_by_key(|token| std::cmp::Reverse(token.record.expires_at));
    Ok(shown)
}

/// The login with the token that serves best, and which that is in words: the first that is let in, none where none
/// is needed, else the one that expires last.
fn with_best_token<'a>(login: &Login<'a>, tokens: &'a [ShownToken]) -> (Login<'a>, String) {
    let with = |token: &'a ShownToken| Login {
        token: TokenEvidence::Known(token.record),
        device_rules: token.rules.as_ref(),
        ..*login
    };
    let let_in = |login: &Login<'_>| judge(login).outcome.is_ok();
    let named =
        |token: &ShownToken| format!("the user’s token of device type {}", token.device_type);
    let Some(first) = tokens.first() else {
        return (*login, "no token: the user has none that lives".to_owned());
    };
    if let Some(best) = tokens.iter().find(|token| let_in(&with(token))) {
        let choice = match tokens.len() {
            1 => "",
            _ => ", of those that are let in the one that expires last",
        };
        return (with(best), format!("{}{choice}", named(best)));
    }
    if login.spared_token().is_some() && let_in(login) {
        let words = "no token: none of the user’s would be let in, and none is needed";
        return (*login, words.to_owned());
    }
    let choice = match tokens.len() {
        1 => "",
        _ => ", the one that expires last: with none of his is he let in",
    };
    (with(first), format!("{}{choice}", named(first)))
}

/// The steps of a decision as the history keeps them: of each a line, its parts divided by tabs.
///
/// No longer than some 6 kB, whatever the profile has: there are eleven rules, and inputs are cut.
pub(crate) fn chain_of(steps: &[Step]) -> String {
    lines_of(steps.iter().map(explained_step))
}

/// The same of a change for which somebody was to prove himself anew in his session, and his answer was refused.
pub(crate) fn chain_of_step_up(
    proved_at: Option<Timestamp>,
    answer: &str,
    refusal: Refusal,
) -> String {
    let last = match proved_at {
        Some(at) => format!("proved last at {at}"),
        None => "not proved since the login".to_owned(),
    };
    let step = |rule: &str, input: &str, said, remedy: &str| ExplainedStep {
        rule: rule.to_owned(),
        input: input.to_owned(),
        said,
        remedy: remedy.to_owned(),
    };
    let asks = "The user proves himself once more; that holds for ten minutes.";
    let steps = [
        step("logged in", "a live session on the web", Said::Passed, ""),
        step("proved within ten minutes", &last, Said::Demanded, asks),
        step("proof", answer, Said::Refused, refusal.remedy()),
    ];
    lines_of(steps)
}

fn lines_of(steps: impl IntoIterator<Item = ExplainedStep>) -> String {
    let lines = steps.into_iter().map(|step| {
        let input = cut(&step.input);
        format!("{}\t{}\t{input}\t{}", step.rule, step.said.word(), step.remedy)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The steps that [`chain_of`] wrote; what it cannot have written is left out.
pub(crate) fn steps_of(chain: &str) -> Vec<ExplainedStep> {
    let read = |line: &str| {
        let mut parts = line.splitn(4, '\t').map(str::to_owned);
        let (rule, said) = (parts.next()?, Said::from_word(&parts.next()?)?);
        Some(ExplainedStep { rule, said, input: parts.next()?, remedy: parts.next()? })
    };
    chain.lines().filter_map(read).collect()
}

fn cut(input: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut kept: String = input.chars().take(KEPT_INPUT).map(plain).collect();
    if input.chars().nth(KEPT_INPUT).is_some() {
        kept.push('…');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(rule: Rule, input: &str, verdict: Verdict) -> Step {
        Step { rule, input: input.to_owned(), verdict }
    }

    #[test]
    fn the_history_reads_the_steps_that_it_wrote() {
        let steps = [
            step(Rule::Password, "right", Verdict::Passed),
            step(Rule::Token, "a\tb\nc", Verdict::Refused(Refusal::TokenMissing)),
            step(Rule::Place, "unknown", Verdict::Demanded(Demand::Place)),
        ];

        let read = steps_of(&chain_of(&steps));

        assert_eq!(read.len(), 3);
        assert_eq!(read[0], explained_step(&steps[0]));
        assert_eq!((read[1].input.as_str(), read[1].said), ("a b c", Said::Refused));
        assert_eq!(read[1].remedy, Refusal::TokenMissing.remedy());
        assert_eq!(read[2], explained_step(&steps[2]));
    }

    #[test]
    fn a_profile_with_a_thousand_ranges_does_not_swell_the_history() {
        let ranges = "192.0.2.7/32, ".repeat(1000);
        let verdict = Verdict::Refused(Refusal::OutsideLoginRanges);
        let steps = Rule::ALL.map(|(rule, _)| step(rule, &ranges, verdict));

        let chain = chain_of(&steps);

        assert!(chain.len() < 6_000, "{}", chain.len());
        assert!(steps_of(&chain).iter().all(|step| step.input.ends_with('…')));
    }

    #[test]
    fn what_is_no_chain_has_no_steps() {
        for text in ["", "junk", "a\tb\tc\td", "password\trefused\twrong"] {
            assert_eq!(steps_of(text), [], "{text}");
        }
    }

    #[test]
    fn every_kind_of_login_is_known_by_its_word() {
        for head in HEADS {
            assert_eq!(head_of_word(head.word()), Some(head));
        }
        assert_eq!(head_of_word("introspection"), None);
    }
}

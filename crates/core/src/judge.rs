//! The decision chain of a login: one pure function over facts, which tells of each rule what it saw and
//! said, and the reasons it refuses for.
//!
//! The order is contract §5: the user exists and is active, is not locked out, the password, login hours,
//! login IP ranges, the duty of a second factor, then a trusted network or else the token; on the web the
//! place. The outside learns none of it; the owner learns the reason.

mod chain;
mod refusal;
mod token;

use crate::client_kind::ClientKind;
use crate::device_type::DeviceRules;
use crate::factor::{Factor, FactorKinds};
use crate::id::{Id, Profile, Token, User};
use crate::lockout::{Failures, SourceFailures};
use crate::names::Source;
use crate::policy::{MemberSince, Policy, SourcePolicy};
use crate::time::Timestamp;
use crate::words::{of_word, word_of};

pub use refusal::Refusal;
pub use token::TokenUse;

/// Who has frozen an account's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrozenBy {
    /// Their owner, by the link in a mail: "it wasn't me".
    Owner,
    /// The rule of a device type, when a token looked shared.
    Sharing,
}

impl FrozenBy {
    /// Both, with the words that scripts and the database know them by.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Owner, "owner"), (Self::Sharing, "sharing")];

    /// The word for it.
    pub fn word(self) -> &'static str {
        word_of(&Self::ALL, self)
    }

    /// The value with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        of_word(&Self::ALL, word)
    }
}

/// A freeze of an account's tokens: none of them is accepted, nor is a log-in that needs none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenFreeze {
    /// Since when.
    pub at: Timestamp,
    /// By whom.
    pub by: FrozenBy,
}

/// What is known of the user that a login names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Who it is.
    pub user: Id<User>,
    /// Whether the invitation was accepted: there is a password.
    pub activated: bool,
    /// Since when an administrator has frozen the user.
    pub frozen_at: Option<Timestamp>,
    /// Since when the account's tokens are frozen, and by whom.
    pub tokens_frozen: Option<TokenFreeze>,
    /// Failures and lockout.
    pub failures: Failures,
}

/// Whether the password was right. Worked out before judging, for every login alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordVerdict {
    /// It was.
    Right,
    /// It was not, or there is none.
    Wrong,
}

/// The token that a login presents, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenEvidence {
    /// None was given.
    Absent,
    /// A token's shape with wrong check characters.
    Mistyped,
    /// The right format, but no such token was ever issued.
    Unknown,
    /// A token that we issued.
    Known(TokenRecord),
}

/// What is stored of a token, as far as a decision needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRecord {
    /// Which token.
    pub token: Id<Token>,
    /// Whose it is.
    pub user: Id<User>,
    /// The first instant at which it is no longer accepted.
    pub expires_at: Timestamp,
    /// When it was last let in, or issued where it never was.
    pub active_at: Timestamp,
    /// When and why it was retired.
    pub retired: Option<(Timestamp, RetirementCause)>,
}

/// How a token has ended that somebody presents still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was retired then, for this cause.
    Retired(Timestamp, RetirementCause),
    /// It became too old then.
    Expired(Timestamp),
}

/// Why a token was retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RetirementCause {
    /// Its owner reset it.
    Reset,
    /// An administrator reset it.
    AdminReset,
    /// It was revoked without a successor.
    Revoked,
    /// Its owner's password was changed, under a policy that ties tokens to it.
    PasswordChange,
    /// Its owner forgot the password and recovered the account.
    Recovery,
    /// The user was removed.
    UserRemoved,
    /// It was not used for longer than its device type allows.
    Unused,
    /// It was found where others can read it.
    Leaked,
    /// A rotation was completed: the token that came in its place was first used, or the overlap was over.
    Rotation,
    /// It was to come in another's place, and the rotation was cancelled before it was used.
    RotationCancelled,
}

impl RetirementCause {
    /// All causes, with the word that the database and scripts know them by.
    pub const ALL: [(Self, &'static str); 10] = [
        (Self::Reset, "reset"),
        (Self::AdminReset, "administrator's reset"),
        (Self::Revoked, "revocation"),
        (Self::PasswordChange, "password change"),
        (Self::Recovery, "password recovery"),
        (Self::UserRemoved, "removal of the user"),
        (Self::Unused, "disuse"),
        (Self::Leaked, "leak"),
        (Self::Rotation, "rotation"),
        (Self::RotationCancelled, "cancelled rotation"),
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        word_of(&Self::ALL, self)
    }

    /// The cause with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        of_word(&Self::ALL, word)
    }
}

/// The code of an authenticator app that an API login presents in the token's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeEvidence {
    /// None was given.
    Absent,
    /// It was wrong, or has been used.
    Wrong,
    /// It was right, and is used up by this login.
    Right,
}

/// What a login asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// The web pages, by password.
    Web,
    /// The web pages, by a passkey in place of the password.
    WebByPasskey,
    /// An API, by password and token or code.
    Api,
}

/// All that a login is decided by.
#[derive(Debug, Clone, Copy)]
pub struct Login<'a> {
    /// What it asks for.
    pub door: Door,
    /// From where.
    pub source: Source,
    /// What failed from there lately.
    pub source_failures: SourceFailures,
    /// How much may.
    pub source_policy: &'a SourcePolicy,
    /// Who, if there is such a user. His failures are those that apply: a known place has its own.
    pub standing: Option<&'a Standing>,
    /// His profile; any, where there is no such user.
    pub profile: Id<Profile>,
    /// Since when he is under the policies that hold for him.
    pub member_since: MemberSince,
    /// The strictest of the policies that he is under.
    pub policy: &'a Policy,
    /// Whether the password was right.
    pub password: PasswordVerdict,
    /// Which second factors he has.
    pub factors: FactorKinds,
    /// How he proved himself beside the password; on the web.
    pub proof: Option<Factor>,
    /// Whether the browser was proved before; on the web.
    pub place_known: bool,
    /// Whether there is anything that he could be asked for: a factor, a live token, or mail.
    pub can_be_asked: bool,
    /// Until when no code of his is taken, for there were too many wrong ones.
    pub codes_locked_until: Option<Timestamp>,
    /// The code behind the password; at an API.
    pub code: CodeEvidence,
    /// The token behind the password; at an API.
    pub token: TokenEvidence,
    /// What holds for the tokens of its device type, where it is one of ours.
    pub device_rules: Option<&'a DeviceRules>,
    /// What kind of client it is, where that is plain.
    pub client_kind: Option<ClientKind>,
    /// Whether the source lies within a trusted network of the organization.
    pub trusted_network: bool,
    /// When.
    pub now: Timestamp,
}

impl Login<'_> {
    /// Whether the address it comes from is refused, for what others failed at from there.
    ///
    /// Guesses do not stand in the way of a passkey, which cannot be guessed, nor of a browser that holds
    /// the secret of a known place: whoever shares an address with a guesser still gets in. An API
    /// client is known by what it says it is, which a guesser can say as well.
    pub fn source_locked(&self) -> bool {
        let spared = match self.door {
            Door::WebByPasskey => true,
            Door::Web => self.place_known,
            Door::Api => false,
        };
        !spared && self.source_failures.locked(self.source_policy)
    }

    /// What the rule on failures from its address says of it, for a login that is refused by that before
    /// anything else of it is worked out.
    pub fn judge_source(&self) -> Step {
        chain::source(self)
    }

    /// Why no token is asked of it, if that is so: it comes from a trusted network, or from within all login
    /// IP ranges that there are (contract §5).
    pub fn spared_token(&self) -> Option<Spared> {
        let ranges = &self.policy.login_ranges;
        if self.trusted_network {
            Some(Spared::TrustedNetwork)
        } else if !ranges.is_empty() && ranges.iter().all(|ranges| ranges.hold(self.source)) {
            Some(Spared::LoginRanges)
        } else {
            None
        }
    }
}

/// Why an API login needs no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spared {
    /// It comes from a trusted network of the organization.
    TrustedNetwork,
    /// It comes from within the login IP ranges of the profile.
    LoginRanges,
}

/// A login that is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct Admission {
    /// Who.
    pub user: Id<User>,
    /// By which token; `None` from a trusted network without one, by a code, and on the web.
    pub token: Option<Id<Token>>,
    /// What comes next.
    pub next: Next,
    /// Until when a second factor is to be enrolled, if one is demanded and there is none.
    pub enrol_by: Option<Timestamp>,
}

/// What follows on a login that is not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A session.
    Enter,
    /// A session in which a second factor is enrolled and nothing else done.
    EnterToEnrol,
    /// Something more is to be proved before there is a session.
    Prove(Demand),
}

/// What is to be proved beside the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// A second factor: the profile demands it.
    SecondFactor,
    /// That the browser is his: by a second factor if he has one, by his security token, else by mail.
    Place,
}

/// A rule of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The address has not failed too often.
    Source,
    /// The user exists.
    User,
    /// He is activated and not frozen.
    Active,
    /// He is not locked out.
    Lockout,
    /// The password is right.
    Password,
    /// The profile opens this way.
    Access,
    /// It is within the profile's login hours.
    LoginHours,
    /// The address is within the profile's login IP ranges.
    LoginRanges,
    /// What the duty of a second factor demands is there.
    SecondFactor,
    /// The token is right, or none is needed.
    Token,
    /// The browser was proved before.
    Place,
}

impl Rule {
    /// All rules in their order, with the name that pages and scripts know them by.
    pub const ALL: [(Self, &'static str); 11] = [
        (Self::Source, "failures from the address"),
        (Self::User, "user exists"),
        (Self::Active, "user is active"),
        (Self::Lockout, "not locked out"),
        (Self::Password, "password"),
        (Self::Access, "web and API access"),
        (Self::LoginHours, "login hours"),
        (Self::LoginRanges, "login IP ranges"),
        (Self::SecondFactor, "second factor"),
        (Self::Token, "trusted network or security token"),
        (Self::Place, "known place"),
    ];

    /// The name of the rule.
    pub fn word(self) -> &'static str {
        word_of(&Self::ALL, self)
    }
}

/// What a rule said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It lets in.
    Passed,
    /// It refuses.
    Refused(Refusal),
    /// It wants something proved.
    Demanded(Demand),
    /// It lets in to enrol a second factor alone.
    EnrolOnly,
    /// It has nothing to say about this kind of login.
    NotAsked,
}

/// One rule, what it looked at and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The rule.
    pub rule: Rule,
    /// What it looked at, in words.
    pub input: String,
    /// What it said.
    pub verdict: Verdict,
}

/// A decision with everything that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Decision {
    /// Every rule that had something to look at, in order, also those behind the one that decided.
    pub steps: Vec<Step>,
    /// The first refusal, else what comes next.
    pub outcome: Result<Admission, Refusal>,
}

impl Decision {
    /// The first refusal by one of `rules`, as if there were no others: of somebody who has a session and is
    /// asked for his password once more, the other rules were asked when he logged in.
    pub fn refusal_by(&self, rules: &[Rule]) -> Option<Refusal> {
        first_refusal(self.steps.iter().filter(|step| rules.contains(&step.rule)))
    }

    /// The steps of a login once what it was asked for has been answered and the answer was refused: the rule
    /// that asked says so. Where by now no rule asks, it is that of the place, which browsers are asked for.
    pub fn steps_after_refused_answer(mut self, answer: &str, refusal: Refusal) -> Vec<Step> {
        let asks = |step: &Step| matches!(step.verdict, Verdict::Demanded(_));
        let at = self.steps.iter().position(asks);
        let at = at.or_else(|| self.steps.iter().position(|step| step.rule == Rule::Place));
        if let Some(step) = at.and_then(|at| self.steps.get_mut(at)) {
            step.input = format!("{}; answered: {answer}", step.input);
            step.verdict = Verdict::Refused(refusal);
        }
        self.steps
    }
}

/// Decides whether a login is let in: the first rule that refuses decides.
///
/// # Security
/// A wrong *yes* opens the account. Every fact is gathered before this is called, whichever of them
/// decides, so that the time taken tells a stranger nothing.
pub fn judge(login: &Login<'_>) -> Decision {
    let (steps, token) = chain::walk(login);
    let outcome = match (first_refusal(&steps), login.standing) {
        (Some(refusal), _) => Err(refusal),
        (None, None) => Err(Refusal::UnknownUser),
        (None, Some(standing)) => Ok(Admission {
            user: standing.user,
            token,
            next: next_of(&steps),
            enrol_by: chain::enrol_by(login),
        }),
    };
    Decision { steps, outcome }
}

fn first_refusal<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Option<Refusal> {
    steps.into_iter().find_map(|step| match step.verdict {
        Verdict::Refused(refusal) => Some(refusal),
        Verdict::Passed | Verdict::Demanded(_) | Verdict::EnrolOnly | Verdict::NotAsked => None,
    })
}

fn next_of(steps: &[Step]) -> Next {
    let demand = steps.iter().find_map(|step| match step.verdict {
        Verdict::Demanded(demand) => Some(Next::Prove(demand)),
        Verdict::Passed | Verdict::Refused(_) | Verdict::EnrolOnly | Verdict::NotAsked => None,
    });
    let enrol = steps.iter().any(|step| step.verdict == Verdict::EnrolOnly);
    demand.unwrap_or(if enrol { Next::EnterToEnrol } else { Next::Enter })
}

#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;

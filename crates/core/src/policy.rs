//! The policy of a profile: the figures that decisions are made with.

use std::time::Duration;

use crate::factor::FactorKinds;
use crate::login_hours::LoginHours;
use crate::names::Source;
use crate::network::LoginRanges;
use crate::time::Timestamp;

/// A day.
pub const DAY: Duration = Duration::from_hours(24);

/// What holds for the users of one profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Age at which a token dies; 365 days by default, at least one.
    pub token_max_age: Duration,
    /// Failures in a row that lock a user out; 10 by default.
    pub lockout_failures: u32,
    /// How long a lockout lasts, and after which quiet time failures are forgotten; 15 minutes.
    pub lockout_period: Duration,
    /// Inactivity after which a session ends; two hours.
    pub session_idle: Duration,
    /// Whether a reset ends the sessions that its retired tokens opened; yes.
    pub on_reset: SessionsOnReset,
    /// What a voluntary change of the password does to tokens; nothing.
    pub on_password_change: TokensOnPasswordChange,
    /// Whether mail with a token must be encrypted; it need not.
    pub mail_encryption: MailEncryption,
    /// Age at which a web session ends, however busy; a day, and never more (NIST SP 800-63B-4 §2.2.3).
    pub web_lifetime: Duration,
    /// Where users may log in; everywhere.
    pub access: Access,
    /// Where a second factor is demanded; nowhere.
    pub duty: Duty,
    /// When the duty began: nobody's time to enrol ran before.
    pub duty_since: Option<Timestamp>,
    /// When it began at APIs, if that was later.
    pub api_duty_since: Option<Timestamp>,
    /// Time to enrol after the duty began; 14 days.
    pub enrol_grace: Duration,
    /// The duties of the policies that this one was made of: each has a time to enrol of its own.
    pub duties: Vec<DutyRule>,
    /// When users may log in: every one of these must allow it. None: at any time.
    pub login_hours: Vec<LoginHours>,
    /// From where users may log in: every one of these must hold the address. None: from anywhere.
    pub login_ranges: Vec<LoginRanges>,
    /// What a new password must be.
    pub password: PasswordPolicy,
}

/// What a new password must be, beyond what every one must ([`crate::password`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordPolicy {
    /// Fewest characters; 12, and never fewer.
    pub min_length: u32,
    /// Of how many of four kinds it must have characters: lower case, upper case, digits, others; none.
    ///
    /// NIST SP 800-63B-4 §3.1.1.2 advises against it; there are auditors who demand it.
    pub kinds: u32,
    /// How many earlier passwords may not come again; 3.
    pub history: u32,
    /// Age at which it must be changed. Never by default, as NIST SP 800-63B-4 §3.1.1.2 demands.
    pub max_age: Option<Duration>,
}

/// Where the users of a profile may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// On the web and at APIs.
    WebAndApi,
    /// On the web alone.
    WebOnly,
    /// At APIs alone.
    ApiOnly,
    /// Nowhere: where two rules leave nothing in common.
    Nowhere,
}

impl Access {
    /// All that can be chosen, with the word that the database and scripts know them by.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::WebAndApi, "web-and-api"),
        (Self::WebOnly, "web"),
        (Self::ApiOnly, "api"),
        (Self::Nowhere, "nowhere"),
    ];

    /// Whether the web pages are open.
    pub const fn web(self) -> bool {
        matches!(self, Self::WebAndApi | Self::WebOnly)
    }

    /// Whether the APIs are.
    pub const fn api(self) -> bool {
        matches!(self, Self::WebAndApi | Self::ApiOnly)
    }

    const fn common(self, other: Self) -> Self {
        match (self.web() && other.web(), self.api() && other.api()) {
            (true, true) => Self::WebAndApi,
            (true, false) => Self::WebOnly,
            (false, true) => Self::ApiOnly,
            (false, false) => Self::Nowhere,
        }
    }
}

/// A rule that keeps somebody off the web pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Barrier {
    /// They are closed to his profile.
    Access,
    /// It is not the hour.
    Hours,
    /// His address is not within the ranges.
    Ranges,
}

/// Where a second factor is demanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Duty {
    /// Nowhere, but for browsers that were not proved before.
    None,
    /// At every login on the web.
    Web,
    /// At every login on the web and at APIs.
    WebAndApi,
}

impl Duty {
    /// All, with the word that the database and scripts know them by.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::None, "none"), (Self::Web, "web"), (Self::WebAndApi, "web-and-api")];
}

/// What becomes of API sessions when the token that opened them is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionsOnReset {
    /// They end with the token.
    End,
    /// They live on until they are idle for too long.
    Keep,
}

impl SessionsOnReset {
    /// All values, with the words that files, scripts and the database know them by.
    pub const ALL: [(Self, &'static str); 2] = [(Self::End, "end"), (Self::Keep, "keep")];
}

/// What becomes of tokens when their owner changes the password of his own will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokensOnPasswordChange {
    /// They live on.
    Keep,
    /// They are retired, and a new one is mailed: what Salesforce does.
    Reset,
}

impl TokensOnPasswordChange {
    /// All values, with the words that files, scripts and the database know them by.
    pub const ALL: [(Self, &'static str); 2] = [(Self::Keep, "keep"), (Self::Reset, "reset")];
}

/// Whether mail with a token goes to users who have no key to encrypt it to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MailEncryption {
    /// It goes to them in clear.
    Optional,
    /// It goes to nobody in clear: without a key there is no reset.
    Required,
}

impl MailEncryption {
    /// All values, with the words that files, scripts and the database know them by.
    pub const ALL: [(Self, &'static str); 2] =
        [(Self::Optional, "optional"), (Self::Required, "required")];
}

/// Since when somebody is under the policies that hold for him.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberSince {
    /// Under that of his profile: it begins anew when he is given another.
    pub profile: Timestamp,
    /// Under that of everybody: no change of his profile begins it anew.
    pub organization: Timestamp,
}

impl MemberSince {
    /// Who came under both at once.
    pub const fn both(at: Timestamp) -> Self {
        Self { profile: at, organization: at }
    }
}

/// Whom a duty is put upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upon {
    TheProfile,
    Everybody,
}

/// The duty of one policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DutyRule {
    upon: Upon,
    duty: Duty,
    since: Option<Timestamp>,
    api_since: Option<Timestamp>,
    grace: Duration,
}

impl DutyRule {
    /// Until when somebody may do without, who is under it since `member_since`.
    fn enrol_by(self, at: Duty, member_since: MemberSince) -> Timestamp {
        let member_since = match self.upon {
            Upon::TheProfile => member_since.profile,
            Upon::Everybody => member_since.organization,
        };
        let since = match at {
            Duty::None | Duty::Web => self.since,
            Duty::WebAndApi => self.api_since.or(self.since),
        };
        since.map_or(member_since, |since| since.max(member_since)) + self.grace
    }
}

impl Policy {
    /// Whether the figures are within their bounds.
    ///
    /// # Errors
    /// What is wrong, in words for the administrator who set it.
    pub fn check(&self) -> Result<(), &'static str> {
        let hours = |hours| Duration::from_hours(hours);
        if self.token_max_age < DAY || self.token_max_age > 3660 * DAY {
            return Err("the age of tokens must be between one day and ten years");
        }
        // NIST SP 800-63B-4 §3.2.2: no more than 100 failures in a row.
        if !(1..=100).contains(&self.lockout_failures) {
            return Err("the lockout must come after 1 to 100 failures");
        }
        if self.lockout_period < Duration::from_mins(1) || self.lockout_period > hours(24) {
            return Err("a lockout must last between one minute and a day");
        }
        if self.session_idle < Duration::from_mins(5) || self.session_idle > hours(24) {
            return Err("a session must end after five minutes to a day of inactivity");
        }
        if self.web_lifetime < Duration::from_mins(15) || self.web_lifetime > DAY {
            return Err("a web session must end after 15 minutes to a day");
        }
        if self.enrol_grace > 90 * DAY {
            return Err("the time to enrol a second factor must not be longer than 90 days");
        }
        if self.access == Access::Nowhere {
            return Err("users must be able to log in on the web, at APIs or both");
        }
        self.password.check()
    }

    /// What demands nothing that is not demanded of everybody.
    pub fn laxest() -> Self {
        Self {
            token_max_age: 3660 * DAY,
            lockout_failures: 100,
            lockout_period: Duration::from_mins(1),
            session_idle: DAY,
            on_reset: SessionsOnReset::Keep,
            enrol_grace: 90 * DAY,
            password: PasswordPolicy { min_length: 12, kinds: 0, history: 0, max_age: None },
            ..Self::default()
        }
    }

    /// What holds where this policy and another apply: of each value the stricter one.
    #[must_use]
    pub fn strictest(self, other: Self) -> Self {
        let duties = joined(self.duty_rules(), other.duty_rules());
        Self {
            token_max_age: self.token_max_age.min(other.token_max_age),
            lockout_failures: self.lockout_failures.min(other.lockout_failures),
            lockout_period: self.lockout_period.max(other.lockout_period),
            session_idle: self.session_idle.min(other.session_idle),
            on_reset: match (self.on_reset, other.on_reset) {
                (SessionsOnReset::Keep, SessionsOnReset::Keep) => SessionsOnReset::Keep,
                (SessionsOnReset::End, _) | (_, SessionsOnReset::End) => SessionsOnReset::End,
            },
            on_password_change: match (self.on_password_change, other.on_password_change) {
                (TokensOnPasswordChange::Keep, TokensOnPasswordChange::Keep) => {
                    TokensOnPasswordChange::Keep
                }
                (TokensOnPasswordChange::Reset, _) | (_, TokensOnPasswordChange::Reset) => {
                    TokensOnPasswordChange::Reset
                }
            },
            mail_encryption: self.mail_encryption.max(other.mail_encryption),
            web_lifetime: self.web_lifetime.min(other.web_lifetime),
            access: self.access.common(other.access),
            duty: self.duty.max(other.duty),
            duty_since: earlier(self.duty_since, other.duty_since),
            api_duty_since: earlier(self.api_duty_since, other.api_duty_since),
            enrol_grace: self.enrol_grace.min(other.enrol_grace),
            duties,
            login_hours: joined(self.login_hours, other.login_hours),
            login_ranges: joined(self.login_ranges, other.login_ranges),
            password: self.password.strictest(other.password),
        }
    }

    /// This policy as the one that holds for everybody: who is given another profile has no new time to enrol for
    /// what he owes under this one.
    #[must_use]
    pub fn upon_everybody(self) -> Self {
        let mark = |rule| DutyRule { upon: Upon::Everybody, ..rule };
        let duties = self.duty_rules().into_iter().map(mark).collect();
        Self { duties, ..self }
    }

    /// Which rule keeps somebody off the web pages who comes from `source` at `now`.
    pub fn barrier_to_the_web(&self, source: Source, now: Timestamp) -> Option<Barrier> {
        if !self.access.web() {
            return Some(Barrier::Access);
        }
        if !self.login_hours.iter().all(|hours| hours.allow(now)) {
            return Some(Barrier::Hours);
        }
        if !self.login_ranges.iter().all(|ranges| ranges.hold(source)) {
            return Some(Barrier::Ranges);
        }
        None
    }

    /// Until when somebody who is under the policy since `member_since` may do without a second factor on
    /// the web; `None` where none is demanded.
    pub fn enrol_for_web_by(&self, member_since: MemberSince) -> Option<Timestamp> {
        self.enrol_by(Duty::Web, member_since)
    }

    /// The same at APIs.
    pub fn enrol_for_api_by(&self, member_since: MemberSince) -> Option<Timestamp> {
        self.enrol_by(Duty::WebAndApi, member_since)
    }

    /// By when somebody with these factors owes one on the web; `None` where he owes none.
    pub fn owed_on_the_web_by(
        &self,
        member_since: MemberSince,
        factors: FactorKinds,
    ) -> Option<Timestamp> {
        self.enrol_for_web_by(member_since).filter(|_| !factors.any_real())
    }

    /// The same at APIs, where an authenticator app alone will do: a passkey needs a browser.
    pub fn owed_at_apis_by(
        &self,
        member_since: MemberSince,
        factors: FactorKinds,
    ) -> Option<Timestamp> {
        self.enrol_for_api_by(member_since).filter(|_| !factors.authenticator)
    }

    fn enrol_by(&self, at: Duty, member_since: MemberSince) -> Option<Timestamp> {
        let rules = self.duty_rules().into_iter().filter(|rule| rule.duty >= at);
        rules.map(|rule| rule.enrol_by(at, member_since)).min()
    }

    fn duty_rules(&self) -> Vec<DutyRule> {
        if !self.duties.is_empty() || self.duty == Duty::None {
            return self.duties.clone();
        }
        vec![DutyRule {
            upon: Upon::TheProfile,
            duty: self.duty,
            since: self.duty_since,
            api_since: self.api_duty_since,
            grace: self.enrol_grace,
        }]
    }
}

impl PasswordPolicy {
    fn check(self) -> Result<(), &'static str> {
        if !(12..=128).contains(&self.min_length) {
            return Err("a password must have at least 12 characters, and 128 must be enough");
        }
        if self.kinds > 4 {
            return Err("there are four kinds of characters");
        }
        if self.history > 24 {
            return Err("no more than 24 earlier passwords are remembered");
        }
        if self.max_age.is_some_and(|age| age < DAY || age > 3660 * DAY) {
            return Err("the age of passwords must be between one day and ten years, or unlimited");
        }
        Ok(())
    }

    fn strictest(self, other: Self) -> Self {
        Self {
            min_length: self.min_length.max(other.min_length),
            kinds: self.kinds.max(other.kinds),
            history: self.history.max(other.history),
            max_age: earlier(self.max_age, other.max_age),
        }
    }
}

/// The lesser of what there is.
fn earlier<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn joined<T>(mut all: Vec<T>, more: Vec<T>) -> Vec<T> {
    all.extend(more);
    all
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            token_max_age: 365 * DAY,
            lockout_failures: 10,
            lockout_period: Duration::from_mins(15),
            session_idle: Duration::from_hours(2),
            on_reset: SessionsOnReset::End,
            on_password_change: TokensOnPasswordChange::Keep,
            mail_encryption: MailEncryption::Optional,
            web_lifetime: DAY,
            access: Access::WebAndApi,
            duty: Duty::None,
            duty_since: None,
            api_duty_since: None,
            enrol_grace: 14 * DAY,
            duties: Vec::new(),
            login_hours: Vec::new(),
            login_ranges: Vec::new(),
            password: PasswordPolicy { min_length: 12, kinds: 0, history: 3, max_age: None },
        }
    }
}

/// How one source address is kept from trying many names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourcePolicy {
    /// Different names that may fail from one address within the period.
    pub names: u32,
    /// Failures of any kind from one address within the period.
    pub failures: u32,
    /// The period; an address that went over is refused until fewer of its failures lie within it.
    pub period: Duration,
}

impl Default for SourcePolicy {
    fn default() -> Self {
        Self { names: 10, failures: 100, period: Duration::from_mins(15) }
    }
}

#[cfg(test)]
mod strictest;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_within_the_bounds_and_what_is_beyond_is_told() {
        let eternal = Policy { token_max_age: 4000 * DAY, ..Policy::default() };
        let lax = Policy { lockout_failures: 0, ..Policy::default() };

        assert_eq!(Policy::default().check(), Ok(()));
        assert!(eternal.check().is_err_and(|why| why.contains("ten years")));
        assert!(lax.check().is_err());
    }

    #[test]
    fn of_two_policies_the_stricter_value_holds_each_time() {
        let t0 = Timestamp::from_unix_ms(1_800_000_000_000);
        let one = Policy {
            token_max_age: 90 * DAY,
            access: Access::WebOnly,
            duty: Duty::Web,
            duty_since: Some(t0),
            ..Policy::default()
        };
        let other = Policy {
            session_idle: Duration::from_mins(10),
            access: Access::ApiOnly,
            on_reset: SessionsOnReset::Keep,
            mail_encryption: MailEncryption::Required,
            ..Policy::default()
        };

        let both = one.strictest(other);

        assert_eq!(both.token_max_age, 90 * DAY);
        assert_eq!(both.session_idle, Duration::from_mins(10));
        assert_eq!(both.on_reset, SessionsOnReset::End);
        assert_eq!(both.mail_encryption, MailEncryption::Required);
        assert_eq!(both.access, Access::Nowhere);
        assert_eq!((both.duty, both.duty_since), (Duty::Web, Some(t0)));
        assert_eq!(both.clone().strictest(Policy::laxest()).token_max_age, 90 * DAY);
        assert_eq!(Policy::laxest().check(), Ok(()));
    }

    #[test]
    fn what_keeps_somebody_off_the_pages_is_told_by_the_rule_that_does() {
        let here = Source::new("10.1.2.3".parse().unwrap());
        // A Friday, 8:00 in UTC.
        let now = Timestamp::from_unix_ms(1_800_000_000_000);
        let hours = |text| vec![LoginHours::parse(text, "UTC").unwrap()];
        let ranges = |text| LoginRanges::parse(text).unwrap().into_iter().collect();
        let open = Policy {
            login_hours: hours("mon-fri 08:00-18:00"),
            login_ranges: ranges("10.0.0.0/8"),
            ..Policy::default()
        };
        let cases = [
            (open.clone(), None),
            (Policy { access: Access::ApiOnly, ..open.clone() }, Some(Barrier::Access)),
            (
                Policy { login_hours: hours("sat 08:00-18:00"), ..open.clone() },
                Some(Barrier::Hours),
            ),
            (Policy { login_ranges: ranges("192.0.2.0/24"), ..open }, Some(Barrier::Ranges)),
        ];
        for (policy, barrier) in cases {
            assert_eq!(policy.barrier_to_the_web(here, now), barrier);
        }
    }

    #[test]
    fn the_time_to_enrol_runs_from_the_duty_or_from_ones_coming_under_it() {
        let t0 = Timestamp::from_unix_ms(1_800_000_000_000);
        let dutiful = Policy { duty: Duty::Web, duty_since: Some(t0), ..Policy::default() };

        assert_eq!(dutiful.enrol_for_web_by(MemberSince::both(t0 - DAY)), Some(t0 + 14 * DAY));
        assert_eq!(dutiful.enrol_for_web_by(MemberSince::both(t0 + DAY)), Some(t0 + 15 * DAY));
        assert_eq!(dutiful.enrol_for_api_by(MemberSince::both(t0)), None);
        assert_eq!(Policy::default().enrol_for_web_by(MemberSince::both(t0)), None);
    }

    #[test]
    fn each_of_several_duties_has_its_own_time_to_enrol() {
        let t0 = Timestamp::from_unix_ms(1_800_000_000_000);
        let long_since = Policy {
            duty: Duty::Web,
            duty_since: Some(t0 - 1000 * DAY),
            enrol_grace: 90 * DAY,
            ..Policy::default()
        };
        let today = Policy {
            duty: Duty::WebAndApi,
            duty_since: Some(t0),
            enrol_grace: 2 * DAY,
            ..Policy::default()
        };
        let member_since = t0 - 50 * DAY;

        let both = long_since.strictest(today).strictest(Policy::default());

        assert_eq!(both.enrol_for_web_by(MemberSince::both(member_since)), Some(t0 + 2 * DAY));
        assert_eq!(both.enrol_for_api_by(MemberSince::both(member_since)), Some(t0 + 2 * DAY));
        let laxer = Policy { enrol_grace: 60 * DAY, ..both.clone() };
        assert_eq!(laxer.enrol_for_web_by(MemberSince::both(member_since)), Some(t0 + 2 * DAY));
    }

    #[test]
    fn a_duty_that_is_widened_to_apis_leaves_time_to_enrol_there_alone() {
        let t0 = Timestamp::from_unix_ms(1_800_000_000_000);
        let widened = Policy {
            duty: Duty::WebAndApi,
            duty_since: Some(t0 - 100 * DAY),
            api_duty_since: Some(t0),
            ..Policy::default()
        };

        assert_eq!(
            widened.enrol_for_web_by(MemberSince::both(t0 - 200 * DAY)),
            Some(t0 - 86 * DAY)
        );
        assert_eq!(
            widened.enrol_for_api_by(MemberSince::both(t0 - 200 * DAY)),
            Some(t0 + 14 * DAY)
        );
    }
}

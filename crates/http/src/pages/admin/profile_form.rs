//! A policy as a form takes it: days, minutes, counts, hours and ranges, each fault at its field.
//!
//! A length of time that is no whole number of its field's unit (the command line can set one) stays as it
//! is unless the field is changed. Bounds are those of [`Policy::check`], told before it has to refuse.

use std::collections::BTreeMap;
use std::time::Duration;

use symbolon_core::login_hours::{LoginHours, LoginHoursError};
use symbolon_core::network::LoginRanges;
use symbolon_core::policy::{
    Access, Barrier, DAY, Duty, MailEncryption, PasswordPolicy, Policy, SessionsOnReset,
    TokensOnPasswordChange,
};
use symbolon_wire::form::Form;

use crate::pages::view::faults::{Faults, sentence};
use crate::pages::view::form::{Choice, Control, Field, FormView};

const MINUTE: Duration = Duration::from_mins(1);

/// A number of the form: its field's name, its label, and its bounds.
struct Figure {
    name: &'static str,
    label: &'static str,
    least: u64,
    most: u64,
}

const fn figure(name: &'static str, label: &'static str, least: u64, most: u64) -> Figure {
    Figure { name, label, least, most }
}

const GRACE: Figure = figure("enrol_grace", "Time to enrol, in days", 0, 90);
const IDLE: Figure = figure("session_idle", "Inactivity that ends a session, in minutes", 5, 1440);
const LIFETIME: Figure =
    figure("web_lifetime", "Age that ends a session on the web, in minutes", 15, 1440);
const LENGTH: Figure = figure("password_min_length", "Fewest characters", 12, 128);
const KINDS: Figure = figure("password_kinds", "Kinds of characters", 0, 4);
const HISTORY: Figure = figure("password_history", "Passwords that may not come again", 0, 24);
const PASSWORD_AGE: Figure =
    figure("password_max_age", "Age at which it must be changed, in days", 1, 3660);
const TOKEN_AGE: Figure = figure("token_max_age", "Token age limit, in days", 1, 3660);
const FAILURES: Figure = figure("lockout_failures", "Failures in a row that lock out", 1, 100);
const PERIOD: Figure = figure("lockout_period", "Length of a lockout, in minutes", 1, 1440);
const FIGURES: [&Figure; 10] = [
    &GRACE,
    &IDLE,
    &LIFETIME,
    &LENGTH,
    &KINDS,
    &HISTORY,
    &PASSWORD_AGE,
    &TOKEN_AGE,
    &FAILURES,
    &PERIOD,
];

const ACCESS: &str = "access";
const HOURS: &str = "login_hours";
const ZONE: &str = "time_zone";
const RANGES: &str = "login_ranges";
const DUTY: &str = "duty";
const ON_RESET: &str = "on_reset";
const ON_PASSWORD_CHANGE: &str = "on_password_change";
const ENCRYPTION: &str = "mail_encryption";

/// Values that are one of several: each with its word in the form and its words for people.
type Words<T> = [(T, &'static str, &'static str)];

const ACCESSES: &Words<Access> = &[
    (Access::WebAndApi, "web-and-api", "on the web and at APIs"),
    (Access::WebOnly, "web", "on the web alone"),
    (Access::ApiOnly, "api", "at APIs alone"),
    (Access::Nowhere, "nowhere", "nowhere"),
];
const DUTIES: &Words<Duty> = &[
    (Duty::None, "none", "nowhere but in browsers that were not proved before"),
    (Duty::Web, "web", "at every login on the web"),
    (Duty::WebAndApi, "web-and-api", "at every login on the web and at APIs"),
];
const ON_RESETS: &Words<SessionsOnReset> = &[
    (SessionsOnReset::End, "end", "end with it"),
    (SessionsOnReset::Keep, "keep", "live on until they are idle for too long"),
];
const ON_CHANGES: &Words<TokensOnPasswordChange> = &[
    (TokensOnPasswordChange::Keep, "keep", "live on"),
    (TokensOnPasswordChange::Reset, "reset", "are reset, as Salesforce does"),
];

const ENCRYPTIONS: &Words<MailEncryption> = &[
    (MailEncryption::Optional, "optional", "is encrypted to users who have a key"),
    (MailEncryption::Required, "required", "must be encrypted: without a key there is no reset"),
];

/// A policy as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figures(BTreeMap<&'static str, String>);

impl Figures {
    /// The names of the form's fields.
    pub(crate) const FIELDS: [&'static str; 18] = [
        ACCESS,
        HOURS,
        ZONE,
        RANGES,
        DUTY,
        GRACE.name,
        IDLE.name,
        LIFETIME.name,
        LENGTH.name,
        KINDS.name,
        HISTORY.name,
        PASSWORD_AGE.name,
        TOKEN_AGE.name,
        ON_RESET,
        ON_PASSWORD_CHANGE,
        ENCRYPTION,
        FAILURES.name,
        PERIOD.name,
    ];

    /// The figures of a policy.
    pub(crate) fn of(policy: &Policy) -> Self {
        let hours = policy.login_hours.first();
        let password = &policy.password;
        Self(BTreeMap::from([
            (ACCESS, word(ACCESSES, policy.access).to_owned()),
            (HOURS, hours.map(ToString::to_string).unwrap_or_default()),
            (ZONE, hours.map_or("UTC", LoginHours::zone_name).to_owned()),
            (RANGES, policy.login_ranges.first().map(ToString::to_string).unwrap_or_default()),
            (DUTY, word(DUTIES, policy.duty).to_owned()),
            (GRACE.name, whole(policy.enrol_grace, DAY)),
            (IDLE.name, whole(policy.session_idle, MINUTE)),
            (LIFETIME.name, whole(policy.web_lifetime, MINUTE)),
            (LENGTH.name, password.min_length.to_string()),
            (KINDS.name, password.kinds.to_string()),
            (HISTORY.name, password.history.to_string()),
            (PASSWORD_AGE.name, password.max_age.map(|age| whole(age, DAY)).unwrap_or_default()),
            (TOKEN_AGE.name, whole(policy.token_max_age, DAY)),
            (ON_RESET, word(ON_RESETS, policy.on_reset).to_owned()),
            (ON_PASSWORD_CHANGE, word(ON_CHANGES, policy.on_password_change).to_owned()),
            (ENCRYPTION, word(ENCRYPTIONS, policy.mail_encryption).to_owned()),
            (FAILURES.name, policy.lockout_failures.to_string()),
            (PERIOD.name, whole(policy.lockout_period, MINUTE)),
        ]))
    }

    /// The figures that a form holds, right or wrong.
    pub(crate) fn typed(form: &Form) -> Self {
        let text = |name: &str| form.text(name).unwrap_or_default().trim().to_owned();
        Self(Self::FIELDS.map(|name| (name, text(name))).into())
    }

    /// The policy `before` with these figures, or what is wrong with them.
    pub(crate) fn policy(&self, before: &Policy) -> Result<Policy, Faults> {
        let mut faults = Faults::none();
        let mut read = Reading { figures: self, faults: &mut faults };
        let password = PasswordPolicy {
            min_length: read.number(&LENGTH),
            kinds: read.number(&KINDS),
            history: read.number(&HISTORY),
            max_age: match (self.text(PASSWORD_AGE.name), before.password.max_age) {
                ("", _) => None,
                (_, age) => Some(read.span(&PASSWORD_AGE, DAY, age.unwrap_or_default())),
            },
        };
        let policy = Policy {
            // Nobody is shut out of everything by a choice: that comes of two profiles alone.
            access: read.one_of(ACCESS, &ACCESSES[..3], before.access),
            login_hours: read.hours(),
            login_ranges: read.ranges(),
            duty: read.one_of(DUTY, DUTIES, before.duty),
            enrol_grace: read.span(&GRACE, DAY, before.enrol_grace),
            session_idle: read.span(&IDLE, MINUTE, before.session_idle),
            web_lifetime: read.span(&LIFETIME, MINUTE, before.web_lifetime),
            password,
            token_max_age: read.span(&TOKEN_AGE, DAY, before.token_max_age),
            on_reset: read.one_of(ON_RESET, ON_RESETS, before.on_reset),
            on_password_change: read.one_of(
                ON_PASSWORD_CHANGE,
                ON_CHANGES,
                before.on_password_change,
            ),
            mail_encryption: read.one_of(ENCRYPTION, ENCRYPTIONS, before.mail_encryption),
            lockout_failures: read.number(&FAILURES),
            lockout_period: read.span(&PERIOD, MINUTE, before.lockout_period),
            ..before.clone()
        };
        if faults.0.is_empty() {
            return Ok(policy);
        }
        // Told in the order of the form, in whichever they were found.
        faults.0.sort_by_key(|fault| Self::FIELDS.iter().position(|name| *name == fault.field));
        Err(faults)
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// Reads values out of figures and notes what is wrong; what stands for a wrong one is never used.
struct Reading<'a> {
    figures: &'a Figures,
    faults: &'a mut Faults,
}

impl Reading<'_> {
    fn number(&mut self, figure: &Figure) -> u32 {
        let value = self.figures.text(figure.name).parse::<u32>().ok();
        let value = value.filter(|value| (figure.least..=figure.most).contains(&u64::from(*value)));
        value.unwrap_or_else(|| {
            let Figure { name, label, least, most } = figure;
            let text = format!("{label} must be a whole number from {least} to {most}.");
            self.faults.add(name, text);
            0
        })
    }

    fn span(&mut self, figure: &Figure, unit: Duration, before: Duration) -> Duration {
        if self.figures.text(figure.name) == whole(before, unit) && before >= unit {
            return before;
        }
        unit * self.number(figure)
    }

    fn one_of<T: Copy>(&mut self, name: &'static str, words: &Words<T>, otherwise: T) -> T {
        let chosen = words.iter().find(|(_, word, _)| *word == self.figures.text(name));
        chosen.map_or_else(
            || {
                self.faults.add(name, "Choose one of those in the list.");
                otherwise
            },
            |(value, ..)| *value,
        )
    }

    fn hours(&mut self) -> Vec<LoginHours> {
        let (hours, zone) = (self.figures.text(HOURS), self.figures.text(ZONE));
        let zone = if zone.is_empty() && hours.is_empty() { "UTC" } else { zone };
        match LoginHours::parse(hours, zone) {
            Ok(_) if hours.is_empty() => Vec::new(),
            Ok(read) => vec![read],
            Err(fault @ LoginHoursError::Zone) => {
                self.faults.add(ZONE, sentence(format!("the time zone {fault}")));
                Vec::new()
            }
            Err(fault @ (LoginHoursError::Window | LoginHoursError::TooMany)) => {
                self.faults.add(HOURS, sentence(format!("login hours {fault}")));
                Vec::new()
            }
        }
    }

    fn ranges(&mut self) -> Vec<LoginRanges> {
        match LoginRanges::parse(self.figures.text(RANGES)) {
            Ok(ranges) => ranges.into_iter().collect(),
            Err(fault) => {
                self.faults.add(RANGES, sentence(format!("each {fault}, and 256 are the most")));
                Vec::new()
            }
        }
    }
}

/// Adds the fields of a policy, filled in; where everybody's value holds instead of a profile's own, it is
/// told at the field.
pub(crate) fn fields_of(
    form: FormView,
    figures: &Figures,
    own: &Policy,
    everybodys: Option<&Policy>,
) -> FormView {
    let in_force = everybodys.map(|everybodys| stricter_values(own, everybodys));
    let fields = [
        select(ACCESS, "Users may log in", &ACCESSES[..3]).beginning("Log-in"),
        Field::new(HOURS, "Login hours", Control::Text)
            .hint("Such as mon-fri 08:00-18:00; sat 09:00-12:00. Empty: at any time.")
            .optional(),
        Field::new(ZONE, "Time zone of the login hours", Control::Text)
            .hint("Its name in the time zone database, such as Europe/Berlin or UTC.")
            .optional(),
        Field::new(RANGES, "Login IP ranges", Control::Lines)
            .hint(
                "Such as 10.0.0.0/8, 2001:db8::/32. From outside every login is refused; from inside an API login needs \
                 no security token. Empty: from anywhere.",
            )
            .optional(),
        select(DUTY, "A second factor is demanded", DUTIES).beginning("Second factor"),
        number(&GRACE).hint(
            "Counted from the day that it is demanded, or that the user comes under this profile.",
        ),
        number(&IDLE).beginning("Sessions"),
        number(&LIFETIME).hint("However busy it is. A day is the most that NIST SP 800-63B allows."),
        number(&LENGTH).beginning("Passwords"),
        number(&KINDS).hint(
            "Of lower-case letters, upper-case letters, digits and others. NIST SP 800-63B advises against it: 0.",
        ),
        number(&HISTORY).hint("The current one counts."),
        Field::new(PASSWORD_AGE.name, PASSWORD_AGE.label, Control::Text)
            .hint("1 to 3660. Empty: never, as NIST SP 800-63B advises.")
            .optional(),
        number(&TOKEN_AGE)
            .hint("Tokens that are out already keep the end they were issued with.")
            .beginning("Security tokens"),
        select(ON_RESET, "When a token is reset, API sessions that it opened", ON_RESETS),
        select(
            ON_PASSWORD_CHANGE,
            "When a user changes the password, security tokens",
            ON_CHANGES,
        ),
        select(ENCRYPTION, "Mail with a security token", ENCRYPTIONS).hint(
            "Encrypted to the user's OpenPGP key; other mail holds no token and is not encrypted.",
        ),
        number(&FAILURES).beginning("Lockout"),
        number(&PERIOD),
    ];
    fields.into_iter().fold(form, |form, field| {
        let name = field.name();
        let field = field.value(figures.text(name));
        let stricter = in_force.as_ref().and_then(|values| values.get(name));
        form.field(match stricter {
            Some(value) => field.more_hint(&format!(
                "The profile Organization holds for everybody and is stricter; in force is: {value}."
            )),
            None => field,
        })
    })
}

/// What is in force instead of a profile's own values, by the names of the fields.
fn stricter_values(own: &Policy, everybodys: &Policy) -> BTreeMap<&'static str, String> {
    let both = own.clone().strictest(everybodys.clone());
    let (before, after) = (Figures::of(own), Figures::of(&both));
    let mut values: BTreeMap<&'static str, String> = FIGURES
        .iter()
        .filter(|figure| before.text(figure.name) != after.text(figure.name))
        .map(|figure| (figure.name, after.text(figure.name).to_owned()))
        .collect();
    let words = [
        (ACCESS, own.access != both.access, access_words(both.access)),
        (DUTY, own.duty != both.duty, duty_words(both.duty)),
        (ON_RESET, own.on_reset != both.on_reset, on_reset_words(both.on_reset)),
        (
            ON_PASSWORD_CHANGE,
            own.on_password_change != both.on_password_change,
            on_password_change_words(both.on_password_change),
        ),
        (
            ENCRYPTION,
            own.mail_encryption != both.mail_encryption,
            encryption_words(both.mail_encryption),
        ),
    ];
    values.extend(
        words.into_iter().filter(|(_, differs, _)| *differs).map(|(n, _, w)| (n, w.to_owned())),
    );
    if !everybodys.login_hours.is_empty() {
        values.insert(HOURS, hours_words(&both));
    }
    if !everybodys.login_ranges.is_empty() {
        values.insert(RANGES, ranges_words(&both));
    }
    values
}

/// What keeps an administrator from the pages, told at the field that does.
pub(crate) fn fault_of(barrier: Barrier) -> Faults {
    match barrier {
        Barrier::Access => Faults::one(
            ACCESS,
            "This would lock you out: it holds for you too, and the pages would be closed to you. Nothing was saved.",
        ),
        Barrier::Hours => Faults::one(
            HOURS,
            "This would lock you out: it holds for you too, and it is not the hour now. Nothing was saved.",
        ),
        Barrier::Ranges => Faults::one(
            RANGES,
            "This would lock you out: it holds for you too, and your address is in none of these ranges. Nothing \
             was saved.",
        ),
    }
}

/// Where users may log in.
pub(crate) fn access_words(access: Access) -> &'static str {
    words(ACCESSES, access)
}

/// Where a second factor is demanded.
pub(crate) fn duty_words(duty: Duty) -> &'static str {
    words(DUTIES, duty)
}

/// What becomes of API sessions at a reset.
pub(crate) fn on_reset_words(policy: SessionsOnReset) -> &'static str {
    words(ON_RESETS, policy)
}

/// What becomes of tokens at a change of the password.
pub(crate) fn on_password_change_words(policy: TokensOnPasswordChange) -> &'static str {
    words(ON_CHANGES, policy)
}

/// Whether mail with a token must be encrypted.
pub(crate) fn encryption_words(policy: MailEncryption) -> &'static str {
    words(ENCRYPTIONS, policy)
}

/// When users may log in.
pub(crate) fn hours_words(policy: &Policy) -> String {
    let each = |hours: &LoginHours| format!("{hours} ({})", hours.zone_name());
    joined(policy.login_hours.iter().map(each), "at any time")
}

/// From where users may log in.
pub(crate) fn ranges_words(policy: &Policy) -> String {
    joined(policy.login_ranges.iter().map(ToString::to_string), "from anywhere")
}

fn joined(texts: impl Iterator<Item = String>, otherwise: &str) -> String {
    let texts: Vec<String> = texts.collect();
    if texts.is_empty() { otherwise.to_owned() } else { texts.join(", and also ") }
}

fn number(figure: &Figure) -> Field {
    let control = Control::Number { least: figure.least, most: figure.most };
    Field::new(figure.name, figure.label, control)
}

fn select<T>(name: &'static str, label: &'static str, words: &Words<T>) -> Field {
    let choices = words.iter().map(|(_, word, words)| Choice::new(word, words)).collect();
    Field::new(name, label, Control::Select(choices))
}

fn whole(span: Duration, unit: Duration) -> String {
    (span.as_secs() / unit.as_secs()).to_string()
}

fn word<T: Copy + PartialEq>(all: &Words<T>, value: T) -> &'static str {
    all.iter().find(|(each, ..)| *each == value).map_or("", |(_, word, _)| word)
}

fn words<T: Copy + PartialEq>(all: &Words<T>, value: T) -> &'static str {
    all.iter().find(|(each, ..)| *each == value).map_or("", |(.., words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strict() -> Policy {
        Policy {
            access: Access::WebOnly,
            login_hours: vec![LoginHours::parse("mon-fri 08:00-18:00", "Europe/Berlin").unwrap()],
            login_ranges: LoginRanges::parse("10.0.0.0/8, ::1").unwrap().into_iter().collect(),
            duty: Duty::WebAndApi,
            enrol_grace: 3 * DAY,
            web_lifetime: Duration::from_hours(9),
            password: PasswordPolicy {
                min_length: 15,
                kinds: 3,
                history: 9,
                max_age: Some(90 * DAY),
            },
            mail_encryption: MailEncryption::Required,
            lockout_failures: 7,
            ..Policy::default()
        }
    }

    fn with(changes: &[(&'static str, &str)]) -> Figures {
        let mut figures = Figures::of(&Policy::default());
        figures.0.extend(changes.iter().map(|(name, text)| (*name, (*text).to_owned())));
        figures
    }

    #[test]
    fn a_policy_survives_its_form() {
        for policy in [Policy::default(), Policy::laxest(), strict()] {
            assert_eq!(Figures::of(&policy).policy(&policy), Ok(policy.clone()));
            assert_eq!(Figures::of(&policy).policy(&Policy::default()), Ok(policy));
        }
    }

    #[test]
    fn a_time_between_two_figures_stays_unless_its_figure_is_changed() {
        let odd = Policy { session_idle: Duration::from_secs(450), ..Policy::default() };
        let mut changed = Figures::of(&odd);
        changed.0.insert(IDLE.name, "8".to_owned());

        assert_eq!(Figures::of(&odd).policy(&odd), Ok(odd.clone()));
        assert_eq!(changed.policy(&odd).unwrap().session_idle, Duration::from_mins(8));
    }

    #[test]
    fn each_value_out_of_bounds_is_told_at_its_field() {
        let wrong = [
            (ACCESS, "nowhere"),
            (HOURS, "8 to 6"),
            (RANGES, "here"),
            (DUTY, "sometimes"),
            (GRACE.name, "91"),
            (IDLE.name, "4"),
            (LIFETIME.name, "1441"),
            (LENGTH.name, "11"),
            (KINDS.name, "5"),
            (HISTORY.name, "25"),
            (PASSWORD_AGE.name, "0"),
            (TOKEN_AGE.name, "0"),
            (ON_RESET, ""),
            (ON_PASSWORD_CHANGE, "burn"),
            (ENCRYPTION, "perhaps"),
            (FAILURES.name, "many"),
            (PERIOD.name, "0"),
        ];

        let faults = with(&wrong).policy(&Policy::default()).unwrap_err();

        let fields: Vec<&str> = faults.0.iter().map(|fault| fault.field).collect();
        assert_eq!(fields, wrong.map(|(name, _)| name));
    }

    #[test]
    fn an_unknown_time_zone_is_told_at_its_own_field() {
        let typed = with(&[(HOURS, "mon 08:00-09:00"), (ZONE, "Mars/Olympus")]);

        let faults = typed.policy(&Policy::default()).unwrap_err();

        assert_eq!(faults.0[0].field, ZONE);
        assert!(faults.0[0].text.starts_with("The time zone must name"));
    }

    #[test]
    fn what_the_form_lets_through_is_within_the_bounds_of_the_policy() {
        for figure in FIGURES {
            for bound in [figure.least, figure.most] {
                let typed = with(&[(figure.name, &bound.to_string())]);
                assert_eq!(typed.policy(&Policy::default()).unwrap().check(), Ok(()));
            }
        }
    }

    #[test]
    fn where_everybodys_value_is_stricter_it_is_told_and_where_it_is_not_it_is_not() {
        let values = stricter_values(&Policy::default(), &strict());

        assert_eq!(values[LENGTH.name], "15");
        assert_eq!(values[ACCESS], "on the web alone");
        assert!(values[ENCRYPTION].starts_with("must be encrypted"));
        assert_eq!(values[HOURS], "mon-fri 08:00-18:00 (Europe/Berlin)");
        assert!(!values.contains_key(TOKEN_AGE.name));
        assert!(stricter_values(&strict(), &Policy::laxest()).is_empty());
    }
}

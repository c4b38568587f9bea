//! The figures of a policy as a form takes them: days, minutes, counts.

use std::time::Duration;

use symbolon_core::policy::{DAY, Policy, SessionsOnReset, TokensOnPasswordChange};
use symbolon_wire::form::Form;

use crate::pages::view::faults::Faults;
use crate::pages::view::form::{Choice, Control, Field, FormView};

/// A figure of the form: its field's name, its label, and its bounds.
struct Figure {
    name: &'static str,
    label: &'static str,
    least: u64,
    most: u64,
}

const MAX_AGE: Figure =
    Figure { name: "token_max_age", label: "Token age limit, in days", least: 1, most: 3650 };
const FAILURES: Figure = Figure {
    name: "lockout_failures",
    label: "Failures in a row that lock out",
    least: 3,
    most: 100,
};
const PERIOD: Figure = Figure {
    name: "lockout_period",
    label: "Length of a lockout, in minutes",
    least: 1,
    most: 1440,
};
const IDLE: Figure = Figure {
    name: "session_idle",
    label: "Inactivity that ends a session, in minutes",
    least: 5,
    most: 1440,
};
const ON_RESET: &str = "on_reset";
const ON_PASSWORD_CHANGE: &str = "on_password_change";

const ON_RESETS: [SessionsOnReset; 2] = [SessionsOnReset::End, SessionsOnReset::Keep];
const ON_CHANGES: [TokensOnPasswordChange; 2] =
    [TokensOnPasswordChange::Keep, TokensOnPasswordChange::Reset];

const MINUTE: Duration = Duration::from_mins(1);

/// A policy as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figures {
    max_age: String,
    failures: String,
    period: String,
    idle: String,
    on_reset: String,
    on_password_change: String,
}

impl Figures {
    /// The names of the form's fields.
    pub(crate) const FIELDS: [&'static str; 6] =
        [MAX_AGE.name, FAILURES.name, PERIOD.name, IDLE.name, ON_RESET, ON_PASSWORD_CHANGE];

    /// The figures of a policy.
    pub(crate) fn of(policy: &Policy) -> Self {
        let whole = |span: Duration, unit: Duration| (span.as_secs() / unit.as_secs()).to_string();
        Self {
            max_age: whole(policy.token_max_age, DAY),
            failures: policy.lockout_failures.to_string(),
            period: whole(policy.lockout_period, MINUTE),
            idle: whole(policy.session_idle, MINUTE),
            on_reset: word_of_reset(policy.on_reset).to_owned(),
            on_password_change: word_of_change(policy.on_password_change).to_owned(),
        }
    }

    /// The figures that a form holds, right or wrong.
    pub(crate) fn typed(form: &Form) -> Self {
        let text = |name: &str| form.text(name).unwrap_or_default().trim().to_owned();
        Self {
            max_age: text(MAX_AGE.name),
            failures: text(FAILURES.name),
            period: text(PERIOD.name),
            idle: text(IDLE.name),
            on_reset: text(ON_RESET),
            on_password_change: text(ON_PASSWORD_CHANGE),
        }
    }

    /// The policy `before` with these figures, or what is wrong with them.
    pub(crate) fn policy(&self, before: &Policy) -> Result<Policy, Faults> {
        let mut faults = Faults::none();
        let max_age = number(&MAX_AGE, &self.max_age, &mut faults);
        let failures = number(&FAILURES, &self.failures, &mut faults);
        let period = number(&PERIOD, &self.period, &mut faults);
        let idle = number(&IDLE, &self.idle, &mut faults);
        let on_reset = ON_RESETS.into_iter().find(|each| word_of_reset(*each) == self.on_reset);
        if on_reset.is_none() {
            faults.add(ON_RESET, "Choose one of the two.");
        }
        let on_password_change =
            ON_CHANGES.into_iter().find(|each| word_of_change(*each) == self.on_password_change);
        if on_password_change.is_none() {
            faults.add(ON_PASSWORD_CHANGE, "Choose one of the two.");
        }
        let (Some(on_reset), Some(on_password_change), true) =
            (on_reset, on_password_change, faults.0.is_empty())
        else {
            return Err(faults);
        };
        Ok(Policy {
            token_max_age: DAY * max_age,
            lockout_failures: failures,
            lockout_period: MINUTE * period,
            session_idle: MINUTE * idle,
            on_reset,
            on_password_change,
            ..before.clone()
        })
    }
}

/// Adds the fields of a policy, filled in.
pub(crate) fn fields_of(form: FormView, figures: &Figures) -> FormView {
    let field = |figure: &Figure, value: &str| {
        let control = Control::Number { least: figure.least, most: figure.most };
        Field::new(figure.name, figure.label, control).value(value)
    };
    let on_reset = ON_RESETS.map(|each| Choice::new(word_of_reset(each), on_reset_words(each)));
    let on_change =
        ON_CHANGES.map(|each| Choice::new(word_of_change(each), on_password_change_words(each)));
    form.field(field(&MAX_AGE, &figures.max_age))
        .field(field(&FAILURES, &figures.failures))
        .field(field(&PERIOD, &figures.period))
        .field(field(&IDLE, &figures.idle))
        .field(
            Field::new(
                ON_RESET,
                "When a token is reset, API sessions that it opened",
                Control::Select(on_reset.to_vec()),
            )
            .value(&*figures.on_reset),
        )
        .field(
            Field::new(
                ON_PASSWORD_CHANGE,
                "When a user changes the password, security tokens",
                Control::Select(on_change.to_vec()),
            )
            .value(&*figures.on_password_change),
        )
}

/// What becomes of API sessions at a reset.
pub(crate) fn on_reset_words(policy: SessionsOnReset) -> &'static str {
    match policy {
        SessionsOnReset::End => "end with it",
        SessionsOnReset::Keep => "live on until they are idle for too long",
    }
}

/// What becomes of tokens at a change of the password.
pub(crate) fn on_password_change_words(policy: TokensOnPasswordChange) -> &'static str {
    match policy {
        TokensOnPasswordChange::Keep => "live on",
        TokensOnPasswordChange::Reset => "are reset, as Salesforce does",
    }
}

fn word_of_reset(policy: SessionsOnReset) -> &'static str {
    match policy {
        SessionsOnReset::End => "end",
        SessionsOnReset::Keep => "keep",
    }
}

fn word_of_change(policy: TokensOnPasswordChange) -> &'static str {
    match policy {
        TokensOnPasswordChange::Keep => "keep",
        TokensOnPasswordChange::Reset => "reset",
    }
}

fn number(figure: &Figure, typed: &str, faults: &mut Faults) -> u32 {
    let value = typed.parse::<u32>().ok();
    let value = value.filter(|value| (figure.least..=figure.most).contains(&u64::from(*value)));
    value.unwrap_or_else(|| {
        let text = format!(
            "{} must be a whole number from {} to {}.",
            figure.label, figure.least, figure.most
        );
        faults.add(figure.name, text);
        0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_survives_its_form() {
        let policy = Policy { lockout_failures: 7, ..Policy::default() };

        assert_eq!(Figures::of(&policy).policy(&policy), Ok(policy.clone()));
    }

    #[test]
    fn each_figure_out_of_bounds_is_told_at_its_field() {
        let figures = Figures {
            max_age: "0".to_owned(),
            failures: "many".to_owned(),
            on_reset: String::new(),
            ..Figures::of(&Policy::default())
        };

        let faults = figures.policy(&Policy::default()).unwrap_err();

        let fields: Vec<&str> = faults.0.iter().map(|fault| fault.field).collect();
        assert_eq!(fields, ["token_max_age", "lockout_failures", "on_reset"]);
    }
}

//! Forms: fields with real labels, faults told at the field, one button.
//!
//! A form that a rule forbids keeps its button, disabled, with the rule beside it; so does a choice
//! ([`Choice::forbidden`]). A link that a rule forbids is a [`crate::pages::view::link::LinkView`].

use askama::Template;
use askama::filters::HtmlSafe;

use crate::pages::view::faults::Faults;
use crate::pages::view::link::id_of_rule;
use crate::pages::web::posted::NONCE_FIELD;

/// What a field is filled in with.
#[derive(Debug, Clone)]
pub(crate) enum Control {
    /// A line of text.
    Text,
    /// Several lines of text.
    Lines,
    /// A code of a few digits, or of a few more characters.
    Code,
    /// An e-mail address.
    Email,
    /// A password: never filled in by us.
    Password,
    /// A whole number within these bounds.
    Number {
        /// The smallest.
        least: u64,
        /// The largest.
        most: u64,
    },
    /// One of several, all shown.
    Radio(Vec<Choice>),
    /// One of several, in a list.
    Select(Vec<Choice>),
    /// Yes or no.
    Check,
}

/// One of several.
#[derive(Debug, Clone)]
pub(crate) struct Choice {
    /// What is sent.
    pub(crate) value: String,
    /// What is shown.
    pub(crate) label: String,
    /// What it means, if that needs saying.
    pub(crate) note: String,
    /// The rule that forbids it now, and who can lift it. Shown where all choices are.
    pub(crate) rule: Option<String>,
}

impl Choice {
    /// A choice that its label says enough about.
    pub(crate) fn new(value: &str, label: &str) -> Self {
        Self { value: value.to_owned(), label: label.to_owned(), note: String::new(), rule: None }
    }

    /// Adds what it means.
    pub(crate) fn note(self, note: &str) -> Self {
        Self { note: note.to_owned(), ..self }
    }

    /// Disables it, with the rule that forbids it and who can lift it.
    pub(crate) fn forbidden(self, rule: Option<impl Into<String>>) -> Self {
        Self { rule: rule.map(Into::into), ..self }
    }

    /// The ids of what describes it.
    fn described_by(&self, field: &Field) -> String {
        let id = |what| format!("{}-{}-{what}", field.name, self.value);
        let note = (!self.note.is_empty()).then(|| id("note"));
        let rule = self.rule.is_some().then(|| id("rule"));
        note.into_iter().chain(rule).collect::<Vec<_>>().join(" ")
    }
}

/// One field.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    name: &'static str,
    label: &'static str,
    control: Control,
    hint: String,
    fault: String,
    value: String,
    autocomplete: &'static str,
    presence: Presence,
    /// The rule that forbids it, and who can lift it.
    rule: Option<String>,
    /// The heading of the group that it begins.
    group: Option<&'static str>,
    /// Whether a group ends before it.
    ends_group: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    Required,
    Optional,
    /// One of several, of which any will do.
    OneOf,
}

impl Field {
    /// A field that must be filled in.
    pub(crate) fn new(name: &'static str, label: &'static str, control: Control) -> Self {
        Self {
            name,
            label,
            control,
            hint: String::new(),
            fault: String::new(),
            value: String::new(),
            autocomplete: "off",
            presence: Presence::Required,
            rule: None,
            group: None,
            ends_group: false,
        }
    }

    /// A password field; `autocomplete` tells password managers which.
    pub(crate) fn password(
        name: &'static str,
        label: &'static str,
        autocomplete: &'static str,
    ) -> Self {
        Self { autocomplete, ..Self::new(name, label, Control::Password) }
    }

    /// Fills the field in.
    pub(crate) fn value(self, value: impl Into<String>) -> Self {
        Self { value: value.into(), ..self }
    }

    /// Says below the label what belongs in it.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// Says one thing more below the label.
    pub(crate) fn more_hint(self, more: &str) -> Self {
        Self { hint: format!("{} {more}", self.hint).trim().to_owned(), ..self }
    }

    /// The name that its value is sent under.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// What browsers may fill in by themselves.
    pub(crate) fn autocomplete(self, autocomplete: &'static str) -> Self {
        Self { autocomplete, ..self }
    }

    /// Shows it disabled, with the rule that forbids it and who can lift it. For lines of text and passwords.
    pub(crate) fn forbidden(self, rule: impl Into<String>) -> Self {
        Self { presence: Presence::OneOf, rule: Some(rule.into()), ..self }
    }

    /// Begins a group of fields, under this heading. Where there are groups, the first field begins one.
    pub(crate) fn beginning(self, group: &'static str) -> Self {
        Self { group: Some(group), ..self }
    }

    /// May be left empty.
    pub(crate) fn optional(self) -> Self {
        Self { presence: Presence::Optional, ..self }
    }

    /// May be left empty where another field of the form is filled in; the form says so, by [`FormView::lead`].
    pub(crate) fn one_of_several(self) -> Self {
        Self { presence: Presence::OneOf, ..self }
    }

    fn is_code(&self) -> bool {
        matches!(self.control, Control::Code)
    }

    fn is_required(&self) -> bool {
        self.presence == Presence::Required
    }

    fn is_optional(&self) -> bool {
        self.presence == Presence::Optional
    }

    /// The ids of what describes the field.
    fn described_by(&self) -> String {
        let hint = if self.hint.is_empty() { String::new() } else { format!("{}-hint", self.name) };
        let fault =
            if self.fault.is_empty() { String::new() } else { format!("{}-fault", self.name) };
        let rule = if self.rule.is_some() { format!("{}-rule", self.name) } else { String::new() };
        let ids = [hint, fault, rule].into_iter().filter(|id| !id.is_empty());
        ids.collect::<Vec<_>>().join(" ")
    }
}

/// How weighty a form's button looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// What the page is for.
    Main,
    /// One of several.
    Quiet,
    /// Ends something for good.
    Grave,
}

impl Tone {
    /// The style sheet's word for it.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Main => "button main",
            Self::Quiet => "button",
            Self::Grave => "button grave",
        }
    }
}

/// A form.
#[derive(Debug, Clone, Template)]
#[template(path = "parts/form.html")]
pub(crate) struct FormView {
    method: &'static str,
    action: String,
    hidden: Vec<(&'static str, String)>,
    lead: &'static str,
    fields: Vec<Field>,
    button: &'static str,
    about: String,
    tone: Tone,
    obstacle: Option<String>,
    other: Option<OtherWay>,
    cancel: Option<String>,
}

/// A second button of a form, which sends it elsewhere.
#[derive(Debug, Clone)]
struct OtherWay {
    action: &'static str,
    button: &'static str,
    obstacle: Option<String>,
}

impl OtherWay {
    fn rule_id(&self) -> String {
        id_of_rule(self.action)
    }
}

impl HtmlSafe for FormView {}

impl FormView {
    /// A form that posts to `action`, carrying the nonce `csrf`.
    pub(crate) fn new(action: impl Into<String>, csrf: &str, button: &'static str) -> Self {
        Self {
            hidden: vec![(NONCE_FIELD, csrf.to_owned())],
            method: "post",
            ..Self::leading_to(action, button)
        }
    }

    /// A button that changes nothing by itself but leads to the page at `action`.
    pub(crate) fn leading_to(action: impl Into<String>, button: &'static str) -> Self {
        Self {
            method: "get",
            action: action.into(),
            hidden: Vec::new(),
            lead: "",
            fields: Vec::new(),
            button,
            about: String::new(),
            tone: Tone::Main,
            obstacle: None,
            other: None,
            cancel: None,
        }
    }

    /// Says before the fields how they are to be filled in.
    pub(crate) fn lead(self, lead: &'static str) -> Self {
        Self { lead, ..self }
    }

    /// Adds a field.
    pub(crate) fn field(mut self, field: Field) -> Self {
        let ends_group = field.group.is_some() && self.is_grouped();
        self.fields.push(Field { ends_group, ..field });
        self
    }

    /// Adds a value that is sent unseen.
    pub(crate) fn hidden(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.hidden.push((name, value.into()));
        self
    }

    /// Says to screen readers what the button is about, where several say the same.
    pub(crate) fn about(self, about: impl Into<String>) -> Self {
        Self { about: about.into(), ..self }
    }

    /// How weighty the button looks.
    pub(crate) fn tone(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    /// Disables the button, with the rule that forbids it and who can lift it.
    pub(crate) fn obstacle(self, rule: Option<impl Into<String>>) -> Self {
        Self { obstacle: rule.map(Into::into), ..self }
    }

    /// Adds a button that sends the form to another address, or stands there disabled with the rule that forbids
    /// it.
    pub(crate) fn or(
        self,
        action: &'static str,
        button: &'static str,
        rule: Option<impl Into<String>>,
    ) -> Self {
        let other = OtherWay { action, button, obstacle: rule.map(Into::into) };
        Self { other: Some(other), ..self }
    }

    /// Adds a way back.
    pub(crate) fn cancel(self, to: impl Into<String>) -> Self {
        Self { cancel: Some(to.into()), ..self }
    }

    /// Shows each fault at its field.
    pub(crate) fn with(mut self, faults: &Faults) -> Self {
        for field in &mut self.fields {
            faults.at(field.name).unwrap_or_default().clone_into(&mut field.fault);
        }
        self
    }

    fn is_grouped(&self) -> bool {
        self.fields.iter().any(|field| field.group.is_some())
    }

    /// The id of the rule: the same action may stand on a page several times, for several things.
    fn rule_id(&self) -> String {
        let hidden = self.hidden.iter().filter(|(name, _)| *name != NONCE_FIELD);
        let about = hidden.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join("-");
        id_of_rule(&format!("{}-{about}", self.action))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forbidden_form_keeps_its_button_and_ties_the_rule_to_it() {
        let retry = |letter| {
            FormView::new("/setup/mail/retry", "nonce", "Try Again")
                .hidden("letter", letter)
                .obstacle(Some("It is being sent."))
                .render()
                .unwrap()
        };

        let (one, other) = (retry("1"), retry("2"));

        assert!(
            one.contains(r#"type="submit" disabled aria-describedby="rule-setup-mail-retry-1">"#)
        );
        assert!(
            one.contains(r#"<p class="rule" id="rule-setup-mail-retry-1">It is being sent.</p>"#)
        );
        assert!(other.contains(r#"id="rule-setup-mail-retry-2""#));
        assert!(!one.contains("nonce-"));
    }

    #[test]
    fn fields_stand_in_their_groups_and_each_group_ends_before_the_next() {
        let field = |name| Field::new(name, name, Control::Text);
        let form = FormView::leading_to("/x", "Go")
            .field(field("one").beginning("First"))
            .field(field("two"))
            .field(field("three").beginning("Second"));

        let shown = form.render().unwrap();

        let at = |text: &str| shown.find(text).unwrap();
        let group = r#"<fieldset class="group">"#;
        assert_eq!(shown.matches(group).count(), 2);
        assert_eq!(shown.matches("</fieldset>").count(), 2);
        assert!(at("two") < at("</fieldset>") && at("</fieldset>") < at("<h2>Second</h2>"));
        assert!(shown.rfind("</fieldset>") < shown.find("<div class=\"actions\">"));
    }

    #[test]
    fn a_forbidden_field_stays_in_sight_disabled_with_its_rule() {
        let token = Field::password("token", "Token", "off").hint("From its mail.");
        let form = FormView::leading_to("/x", "Go").field(token.forbidden("The profile says no."));

        let shown = form.render().unwrap();

        assert!(shown.contains(r#"aria-describedby="token-hint token-rule" disabled>"#), "{shown}");
        assert!(shown.contains(r#"<p class="rule" id="token-rule">The profile says no.</p>"#));
        assert!(!shown.contains("required"));
    }

    #[test]
    fn a_forbidden_choice_stays_in_sight_with_its_rule() {
        let choices = vec![
            Choice::new("all", "All"),
            Choice::new("one", "One").note("The others live on.").forbidden(Some("Frozen.")),
        ];
        let form = FormView::leading_to("/x", "Go")
            .field(Field::new("scope", "Which", Control::Radio(choices)).value("all"));

        let shown = form.render().unwrap();

        assert!(
            shown.contains(
                r#"value="one" disabled aria-describedby="scope-one-note scope-one-rule">"#
            )
        );
        assert!(shown.contains(r#"<p class="rule" id="scope-one-rule">Frozen.</p>"#));
        assert!(shown.contains(r#"value="all" checked>"#));
    }
}

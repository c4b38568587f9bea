//! A link that leads to what can be done, or stands there disabled with the rule that forbids it.
//!
//! Product, rules of behaviour: no control is hidden; it is shown disabled, with the rule and who can
//! lift it. A link without an address is none to a browser, so its role and state are said
//! (WAI-ARIA 1.2, `aria-disabled`), and the rule is tied to it by `aria-describedby`. The server
//! refuses what the link leads to as well: this is for people.

use askama::Template;
use askama::filters::HtmlSafe;

/// One link that looks like a button.
#[derive(Debug, Clone, Template)]
#[template(path = "parts/link.html")]
pub(crate) struct LinkView {
    to: String,
    label: &'static str,
    obstacle: Option<String>,
}

impl HtmlSafe for LinkView {}

impl LinkView {
    /// A link to the page at `to`.
    pub(crate) fn new(to: impl Into<String>, label: &'static str) -> Self {
        Self { to: to.into(), label, obstacle: None }
    }

    /// Disables the link, with the rule that forbids it and who can lift it.
    pub(crate) fn obstacle(self, rule: Option<impl Into<String>>) -> Self {
        Self { obstacle: rule.map(Into::into), ..self }
    }

    fn rule_id(&self) -> String {
        id_of_rule(&self.to)
    }
}

/// The id of the text that says why the control with this address is disabled.
pub(crate) fn id_of_rule(address: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || ".@_".contains(c) { c } else { '-' };
    format!("rule-{}", address.chars().map(plain).collect::<String>().trim_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forbidden_link_leads_nowhere_and_says_why() {
        let link = LinkView::new("/setup/users/jane@example.com/remove", "Remove");

        let open = link.clone().render().unwrap();
        let shut = link.obstacle(Some("You cannot remove yourself.")).render().unwrap();

        assert!(
            open.contains(r#"<a class="button main" href="/setup/users/jane@example.com/remove">"#)
        );
        let id = "rule-setup-users-jane@example.com-remove";
        assert!(
            shut.contains(&format!(r#"role="link" aria-disabled="true" aria-describedby="{id}""#))
        );
        assert!(
            shut.contains(&format!(r#"<p class="rule" id="{id}">You cannot remove yourself.</p>"#))
        );
        assert!(!shut.contains("href"));
    }
}

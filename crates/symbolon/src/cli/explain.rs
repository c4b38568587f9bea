//! `login explain`: every rule with its input and verdict, and what would have to change.

use serde_json::Value;

use super::commands::LoginQuestion;
use super::link::{Link, segment};
use crate::exit::{Exit, Failure};
use crate::out::{Column, Out, table};

const STEPS: &[Column] = &[("RULE", "rule"), ("VERDICT", "verdict"), ("LOOKED AT", "input")];

/// Tells how a login would be decided. With `--json` it is the rules alone.
///
/// # Errors
/// [`Exit::Verdict`] where it would be refused, [`Exit::NotFound`] for a user who does not exist.
pub(super) async fn login(link: &Link, out: Out, question: &LoginQuestion) -> Result<(), Failure> {
    let LoginQuestion { username, from, at, head, client } = question;
    let at = at.as_ref().map(|at| format!("&at={}", segment(at))).unwrap_or_default();
    let (username, from) = (segment(username), segment(&from.to_string()));
    let path = format!(
        "/logins/explanation?username={username}&from={from}&head={head}&client={}{at}",
        segment(client)
    );
    let explanation = link.get(&path).await?;
    let steps = &explanation["steps"];
    out.data(steps, |steps| text_of(&explanation, steps))?;
    match first_refusal(steps) {
        Some(rule) => Err(Failure::new(Exit::Verdict, format!("the login is refused by: {rule}"))),
        None => Ok(()),
    }
}

fn text_of(explanation: &Value, steps: &Value) -> String {
    let word = |name: &str| explanation[name].as_str().unwrap_or_default().to_owned();
    let mut parts = vec![word("premise"), table(steps, STEPS)];
    let changes: Vec<String> = rows(steps).iter().filter_map(change_of).collect();
    if !changes.is_empty() {
        parts.push(format!("What would have to change:\n{}", changes.join("\n")));
    }
    parts.push(word("conclusion"));
    parts.join("\n\n")
}

fn change_of(step: &Value) -> Option<String> {
    let remedy = step["remedy"].as_str()?;
    Some(format!("- {}: {remedy}", step["rule"].as_str().unwrap_or_default()))
}

fn first_refusal(steps: &Value) -> Option<&str> {
    let refusing = rows(steps).iter().find(|step| step["verdict"] == "refused");
    refusing.and_then(|step| step["rule"].as_str())
}

fn rows(steps: &Value) -> &[Value] {
    steps.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn explanation() -> Value {
        json!({
            "premise": "Assumed: the right password.",
            "conclusion": "The login is refused.",
            "steps": [
                { "rule": "password", "input": "right", "verdict": "passed", "remedy": null },
                { "rule": "login hours", "input": "fri 08:00 UTC", "verdict": "refused", "remedy": "Come later." },
                { "rule": "known place", "input": "-", "verdict": "not-asked", "remedy": null },
            ],
        })
    }

    #[test]
    fn the_text_has_every_rule_and_of_those_that_refuse_what_would_have_to_change() {
        let explanation = explanation();

        let text = text_of(&explanation, &explanation["steps"]);

        assert_eq!(
            text,
            "Assumed: the right password.\n\n\
             RULE         VERDICT    LOOKED AT\n\
             password     passed     right\n\
             login hours  refused    fri 08:00 UTC\n\
             known place  not-asked  -\n\n\
             What would have to change:\n\
             - login hours: Come later.\n\n\
             The login is refused."
        );
    }

    #[test]
    fn the_first_rule_that_refuses_makes_the_verdict_negative() {
        assert_eq!(first_refusal(&explanation()["steps"]), Some("login hours"));
        assert_eq!(first_refusal(&json!([{ "rule": "known place", "verdict": "demanded" }])), None);
    }
}

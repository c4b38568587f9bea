//! The SOAP login that the walk shows: the request as any Salesforce client sends it, and what is
//! picked out of the answer.

/// Where partner logins go.
pub(super) const PATH: &str = "/services/Soap/u/59.0";
/// Of a session id, which is as good as a password for two hours.
const SESSION_SHOWN: usize = 24;
pub(super) const CONTENT_TYPE: &str = "text/xml; charset=UTF-8";

/// A login request.
pub(super) fn login(username: &str, credential: &str) -> String {
    let (username, credential) = (escaped(username), escaped(credential));
    format!(
        r#"<?xml version="1.0" encoding="utf-8"?>
<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/">
  <env:Body>
    <n1:login xmlns:n1="urn:partner.soap.sforce.com">
      <n1:username>{username}</n1:username>
      <n1:password>{credential}</n1:password>
    </n1:login>
  </env:Body>
</env:Envelope>"#
    )
}

/// The text of the first element of this name, if the answer has one.
pub(super) fn element<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = answer.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

/// Elements of these names as they stand in the answer, one a line; a session id is cut short.
pub(super) fn excerpt(answer: &str, names: &[&str]) -> String {
    let line = |name: &&str| {
        let text = element(answer, name)?;
        let shown = match text.get(..SESSION_SHOWN) {
            Some(start) if *name == "sessionId" => format!("{start}…"),
            Some(_) | None => text.to_owned(),
        };
        Some(format!("<{name}>{shown}</{name}>"))
    };
    names.iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_is_cut_short_and_nothing_else_is() {
        let answer =
            format!("<a><sessionId>{}</sessionId><sandbox>false</sandbox></a>", "x".repeat(99));

        let shown = excerpt(&answer, &["sessionId", "sandbox", "missing"]);

        assert_eq!(
            shown,
            format!("<sessionId>{}…</sessionId>\n<sandbox>false</sandbox>", "x".repeat(24))
        );
    }
}

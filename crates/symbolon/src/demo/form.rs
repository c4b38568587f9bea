//! Finds a form on one of our own pages and fills it in as a person would.
//!
//! Enough HTML for that and no more: start tags with quoted attributes, the five entities of
//! attribute values.

/// A form, and the values that its fields hold.
pub(super) struct Form {
    /// Where it goes.
    pub(super) action: String,
    /// What is sent.
    pub(super) fields: Vec<(String, String)>,
    passwords: Vec<usize>,
    texts: Vec<usize>,
}

impl Form {
    /// The first form of the page that asks for a password; `path` is where the page was found.
    pub(super) fn with_password(page: &str, path: &str) -> Option<Self> {
        let forms = page.split("<form").skip(1).filter_map(|rest| rest.split("</form").next());
        forms.map(|text| Self::read(text, path)).find(|form| !form.passwords.is_empty())
    }

    /// Types into every password field.
    pub(super) fn type_password(&mut self, text: &str) {
        for at in &self.passwords {
            text.clone_into(&mut self.fields[*at].1);
        }
    }

    /// Types into every text field.
    pub(super) fn type_text(&mut self, text: &str) {
        for at in &self.texts {
            text.clone_into(&mut self.fields[*at].1);
        }
    }

    fn read(text: &str, path: &str) -> Self {
        let (head, inner) = text.split_once('>').unwrap_or((text, ""));
        let action = attribute(head, "action").filter(|action| !action.is_empty());
        let mut form = Self {
            action: action.unwrap_or_else(|| path.to_owned()),
            fields: Vec::new(),
            passwords: Vec::new(),
            texts: Vec::new(),
        };
        for tag in inner.split('<').filter_map(|rest| rest.split('>').next()) {
            form.take(tag);
        }
        form
    }

    fn take(&mut self, tag: &str) {
        if let Some(select) = tag.strip_prefix("select") {
            let name = attribute(select, "name").unwrap_or_default();
            return self.fields.push((name, String::new()));
        }
        if let Some(option) = tag.strip_prefix("option") {
            let value = attribute(option, "value").unwrap_or_default();
            if let Some((_, chosen)) = self.fields.last_mut()
                && (chosen.is_empty() || option.contains(" selected"))
            {
                *chosen = value;
            }
            return;
        }
        let Some(input) = tag.strip_prefix("input") else { return };
        let Some(name) = attribute(input, "name") else { return };
        let kind = attribute(input, "type").unwrap_or_else(|| "text".to_owned());
        let value = attribute(input, "value").unwrap_or_default();
        match kind.as_str() {
            "radio" | "checkbox" if !input.contains(" checked") => return,
            "submit" | "button" => return,
            "password" => self.passwords.push(self.fields.len()),
            "text" | "email" => self.texts.push(self.fields.len()),
            _ => {}
        }
        self.fields.push((name, value));
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let mark = format!(" {name}=\"");
    // A line break may stand before an attribute as well as a blank.
    let tag = tag.replace(['\n', '\t'], " ");
    let (_, rest) = tag.split_once(&mark)?;
    let value = rest.split('"').next()?;
    Some(
        value
            .replace("&quot;", "\"")
            .replace("&#34;", "\"")
            .replace("&#39;", "'")
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_filled_in_as_a_person_would() {
        let page = r#"<form action="/search"><input type="search" name="q"></form>
            <form method="post" action="/save?x=1&amp;y=2">
            <input type="hidden" name="csrf" value="a&amp;b"><input type="password" name="p">
            <input type="radio" name="scope" value="one"><input type="radio" name="scope" value="all" checked>
            <select name="kind"><option value="any">Any</option><option value="server">S</option></select>
            <input name="who"><button>Save</button></form>"#;

        let mut form = Form::with_password(page, "/here").unwrap();
        form.type_password("secret");
        form.type_text("ada");

        assert_eq!(form.action, "/save?x=1&y=2");
        let fields: Vec<_> = form.fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(
            fields,
            [("csrf", "a&b"), ("p", "secret"), ("scope", "all"), ("kind", "any"), ("who", "ada")]
        );
    }
}

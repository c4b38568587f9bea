//! The JSON API for people: the OpenAPI document as a page. It says nothing that the document does not say.

use askama::Template;
use askama::filters::HtmlSafe;
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use crate::api::description::document;
use crate::pages::view::frame::Frame;
use crate::pages::web::answer::Page;
use crate::pages::web::visit::Visit;

/// Where the page is.
pub(crate) const PATH: &str = "/api/v1/docs";

#[derive(Template)]
#[template(path = "api_docs.html")]
struct DocsPage {
    frame: Frame,
    intro: Prose,
    ways_in: Facts,
    groups: Vec<Group>,
    shapes: Vec<Shape>,
}

impl Page for DocsPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// A text in which some words are code.
#[derive(Debug, Template)]
#[template(path = "parts/prose.html")]
struct Prose {
    /// Words, and the code after them, which may be empty.
    pieces: Vec<(String, String)>,
}

impl HtmlSafe for Prose {}

impl Prose {
    fn of(text: &str) -> Self {
        let parts: Vec<&str> = text.split('`').collect();
        let piece = |pair: &[&str]| {
            (pair[0].to_owned(), pair.get(1).copied().unwrap_or_default().to_owned())
        };
        Self { pieces: parts.chunks(2).map(piece).collect() }
    }
}

/// Operations about one thing.
struct Group {
    name: String,
    description: Prose,
    operations: Vec<Operation>,
}

/// What one method of one path does.
struct Operation {
    anchor: String,
    method: String,
    path: String,
    summary: String,
    description: Prose,
    admits: &'static str,
    parameters: Facts,
    request: Option<Type>,
    answers: Facts,
}

/// Names, and what is to be known of each.
#[derive(Template)]
#[template(path = "parts/api_facts.html")]
struct Facts(Vec<Entry>);

impl HtmlSafe for Facts {}

/// A name, what it is, and what is to be known of it.
struct Entry {
    name: String,
    /// Where it stands, or that it may be missing.
    note: String,
    kind: Option<Type>,
    text: Prose,
}

/// The shape of a request or an answer.
struct Shape {
    name: String,
    kind: Type,
    text: Prose,
    members: Facts,
}

/// What a value is: words, and the shape that they lead to.
#[derive(Debug, PartialEq, Eq, Template)]
#[template(path = "parts/api_type.html")]
struct Type {
    words: String,
    shape: Option<String>,
}

impl HtmlSafe for Type {}

/// `GET /api/v1/docs`
pub(crate) fn show(visit: &Visit) -> Response {
    let document = document();
    let frame = Frame::for_visitor(visit, "JSON API");
    let tags = document["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    let page = DocsPage {
        frame,
        intro: Prose::of(text(&document["info"], "description")),
        ways_in: entries(&document["components"]["securitySchemes"]),
        groups: tags.iter().map(group).collect(),
        shapes: members(&document["components"]["schemas"]).map(shape).collect(),
    };
    page.answer(StatusCode::OK)
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// What a reference stands for; anything else for itself.
fn resolved(value: &Value) -> &Value {
    match value["$ref"].as_str() {
        Some(place) => document().pointer(place.trim_start_matches('#')).unwrap_or(&Value::Null),
        None => value,
    }
}

fn entries(named: &Value) -> Facts {
    let entry = |(name, value): (&String, &Value)| Entry {
        name: name.clone(),
        note: text(value, "scheme").to_owned(),
        kind: None,
        text: Prose::of(text(value, "description")),
    };
    Facts(members(named).map(entry).collect())
}

fn group(tag: &Value) -> Group {
    let name = text(tag, "name");
    let paths = members(&document()["paths"]);
    let all = paths.flat_map(|(path, methods)| members(methods).map(move |(m, o)| (path, m, o)));
    let own = all.filter(|(_, _, operation)| operation["tags"][0] == name);
    Group {
        name: name.to_owned(),
        description: Prose::of(text(tag, "description")),
        operations: own.map(|(path, method, operation)| read(path, method, operation)).collect(),
    }
}

fn read(path: &str, method: &str, operation: &Value) -> Operation {
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let admits = &operation["security"][0];
    Operation {
        anchor: format!("{method}{}", path.replace(|c: char| !c.is_ascii_alphanumeric(), "-")),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(operation, "summary").to_owned(),
        description: Prose::of(text(operation, "description")),
        admits: match (admits.get("apiSession"), admits.get("apiClient")) {
            (Some(_), _) => "An API session",
            (None, Some(_)) => "An API client",
            (None, None) => "Anyone",
        },
        parameters: Facts(parameters.iter().map(parameter).collect()),
        request: json_schema(&operation["requestBody"]).map(type_of),
        answers: Facts(members(&operation["responses"]).map(response).collect()),
    }
}

fn parameter(value: &Value) -> Entry {
    let value = resolved(value);
    let optional = if value["required"] == true { "" } else { ", optional" };
    Entry {
        name: text(value, "name").to_owned(),
        note: format!("{}{optional}", text(value, "in")),
        kind: Some(type_of(&value["schema"])),
        text: Prose::of(text(value, "description")),
    }
}

fn response((status, value): (&String, &Value)) -> Entry {
    let value = resolved(value);
    let headers: Vec<&str> = members(&value["headers"]).map(|(name, _)| name.as_str()).collect();
    let with = if headers.is_empty() { "" } else { "with " };
    Entry {
        name: status.clone(),
        note: format!("{with}{}", headers.join(", ")),
        kind: json_schema(value).map(type_of),
        text: Prose::of(text(value, "description")),
    }
}

/// The schema of a body, whichever kind of JSON it is.
fn json_schema(body: &Value) -> Option<&Value> {
    let (_, content) = members(&body["content"]).next()?;
    content.get("schema").filter(|schema| schema.get("$ref").is_some())
}

fn shape((name, schema): (&String, &Value)) -> Shape {
    let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let entry = |(name, value): (&String, &Value)| Entry {
        note: if required.contains(&Value::from(name.as_str())) { "" } else { "optional" }
            .to_owned(),
        name: name.clone(),
        kind: Some(type_of(value)),
        text: Prose::of(text(value, "description")),
    };
    let described = if schema["type"] == "array" { &schema["items"] } else { schema };
    Shape {
        name: name.clone(),
        kind: type_of(schema),
        text: Prose::of(text(schema, "description")),
        members: Facts(members(&described["properties"]).map(entry).collect()),
    }
}

/// A schema in words.
fn type_of(schema: &Value) -> Type {
    if let Some(place) = schema["$ref"].as_str() {
        let name = place.rsplit('/').next().unwrap_or_default().to_owned();
        return Type { words: name.clone(), shape: Some(name) };
    }
    if let Some(either) = schema["anyOf"].as_array() {
        let Type { words, shape } = either.first().map_or_else(|| plain(""), type_of);
        return Type { words: format!("{words} or null"), shape };
    }
    let kind = &schema["type"];
    let (kind, or_null) = match kind.as_array() {
        Some(kinds) => (kinds[0].as_str().unwrap_or_default(), " or null"),
        None => (kind.as_str().unwrap_or_default(), ""),
    };
    if let Some(choices) = schema["enum"].as_array() {
        let choices: Vec<&str> = choices.iter().filter_map(Value::as_str).collect();
        return plain(&format!("{}{or_null}", choices.join(" | ")));
    }
    match kind {
        "array" => {
            let Type { words, shape } = type_of(&schema["items"]);
            Type { words: format!("list of {words}"), shape }
        }
        "string" if schema["format"] == "date-time" => plain(&format!("time{or_null}")),
        kind => plain(&format!("{kind}{or_null}")),
    }
}

fn plain(words: &str) -> Type {
    Type { words: words.to_owned(), shape: None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_told_in_words_and_leads_to_the_shape_that_it_names() {
        let shape = json!({ "$ref": "#/components/schemas/Use" });
        let leading = |words: &str| Type { words: words.to_owned(), shape: Some("Use".to_owned()) };

        assert_eq!(type_of(&shape), leading("Use"));
        assert_eq!(type_of(&json!({ "type": "array", "items": shape })), leading("list of Use"));
        assert_eq!(
            type_of(&json!({ "anyOf": [shape, { "type": "null" }] })),
            leading("Use or null")
        );
        let time = json!({ "type": ["string", "null"], "format": "date-time" });
        assert_eq!(type_of(&time), plain("time or null"));
        let choice = json!({ "type": ["string", "null"], "enum": ["in", "out", null] });
        assert_eq!(type_of(&choice), plain("in | out or null"));
    }

    #[test]
    fn code_in_a_text_is_told_apart_from_words() {
        let prose = Prose::of("Follow `Link`, and `Retry-After`.");

        let pieces: Vec<(&str, &str)> =
            prose.pieces.iter().map(|(words, code)| (words.as_str(), code.as_str())).collect();
        assert_eq!(pieces, [("Follow ", "Link"), (", and ", "Retry-After"), (".", "")]);
    }
}

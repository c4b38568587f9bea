//! The configuration told back: each key with its value and origin, secrets masked; and a JSON
//! Schema of the file.

use serde_json::{Map, Value, json};

use super::keys::{KEYS, Key, Kind, Preset};
use super::layers::{Layers, Origin};
use super::secrets::masked;

/// Every key with its value and where that came from.
pub(crate) fn shown(layers: &Layers) -> Value {
    let row = |key: &Key| {
        let origin = layers.origin(key.name);
        json!({ "key": key.name, "value": shown_value(key, layers, &origin), "origin": origin.to_string() })
    };
    KEYS.iter().map(row).collect()
}

fn shown_value(key: &Key, layers: &Layers, origin: &Origin) -> String {
    match (origin, key.preset) {
        (Origin::SecretFile(_), _) => "***".to_owned(),
        (Origin::Preset, Preset::Unset(what)) => format!("({what})"),
        _ if key.secret => masked(layers.text(key.name)),
        _ => layers.text(key.name).to_owned(),
    }
}

/// A JSON Schema (2020-12) of `symbolon.toml`.
pub(crate) fn schema() -> Value {
    let mut properties = Map::new();
    let mut sections: Map<String, Value> = Map::new();
    for key in KEYS {
        match key.name.split_once('.') {
            None => {
                properties.insert(key.name.to_owned(), described(key));
            }
            Some((section, name)) => {
                let within = sections.entry(section).or_insert_with(|| json!({}));
                within[name] = described(key);
            }
        }
    }
    for (section, within) in sections {
        let object =
            json!({ "type": "object", "additionalProperties": false, "properties": within });
        properties.insert(section, object);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "symbolon.toml",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

fn described(key: &Key) -> Value {
    let mut shape = match key.kind {
        Kind::Text | Kind::Path => json!({ "type": "string" }),
        Kind::Word(words) => json!({ "type": "string", "enum": words }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Count => json!({ "type": "integer", "minimum": 1 }),
        Kind::Span => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" }),
        Kind::List => json!({ "type": "array", "items": { "type": "string" } }),
    };
    let (note, default) = match key.preset {
        Preset::Value(text) => (String::new(), default_of(key.kind, text)),
        Preset::Unset(what) => (format!(" Default: {what}."), None),
    };
    shape["description"] = format!("{}{note} Environment: {}.", key.doc, key.variable()).into();
    if let Some(default) = default {
        shape["default"] = default;
    }
    shape
}

fn default_of(kind: Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Flag => Some((text == "true").into()),
        Kind::Count => text.parse::<i64>().ok().map(Value::from),
        Kind::List => Some(json!([])),
        Kind::Text | Kind::Word(_) | Kind::Path | Kind::Span => Some(text.into()),
    }
}

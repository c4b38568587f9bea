//! A reader of mails that owes nothing to the code that writes them.

use std::collections::BTreeMap;

/// A mail or a part of one: unfolded headers by lower-case name, and the body as it stands.
pub(crate) struct Entity {
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Entity {
    pub(crate) fn read(raw: &str) -> Self {
        let (head, body) = raw.split_once("\r\n\r\n").expect("headers end in an empty line");
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let headers: Vec<(String, String)> = unfolded
            .split("\r\n")
            .map(|line| line.split_once(": ").expect("a header has a colon"))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let count = headers.len();
        let headers = BTreeMap::from_iter(headers);
        assert_eq!(headers.len(), count, "no header stands twice");
        Self { headers, body: body.to_owned() }
    }

    /// The parts of a multipart, in their order.
    pub(crate) fn parts(&self) -> Vec<Self> {
        let content_type = &self.headers["content-type"];
        let (_, boundary) = content_type.split_once("boundary=\"").expect("a boundary");
        let boundary = boundary.split('"').next().unwrap_or_default();
        let delimiter = format!("--{boundary}");
        let body = format!("\r\n{}", self.body);
        let mut parts: Vec<&str> = body.split(&format!("\r\n{delimiter}")).skip(1).collect();
        assert_eq!(parts.pop().map(str::trim_end), Some("--"), "the last delimiter closes");
        parts.into_iter().map(|part| Self::read(part.trim_start_matches("\r\n"))).collect()
    }

    /// The text of a part, decoded; lines end in LF.
    pub(crate) fn decoded(&self) -> String {
        let text = match self.headers["content-transfer-encoding"].as_str() {
            "7bit" => self.body.clone(),
            "quoted-printable" => quoted_printable(&self.body),
            other => panic!("unexpected encoding {other}"),
        };
        text.replace("\r\n", "\n")
    }
}

fn quoted_printable(text: &str) -> String {
    let joined = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'=' {
            let hex = std::str::from_utf8(&tail[..2]).unwrap();
            bytes.push(u8::from_str_radix(hex, 16).unwrap());
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}

pub(crate) fn raw_of(message: &symbolon_mail::Message) -> &str {
    std::str::from_utf8(message.reveal_raw()).unwrap()
}

//! Who a session speaks for: the user-info endpoint and Salesforce's identity service.
//!
//! One description of the user, two sets of spellings. Members that we have nothing for (photos,
//! addresses, phones) are there and null, because clients read them without asking. `{version}` in
//! the URLs stays a placeholder unless the caller named a version.

use serde::Serialize;
use serde_json::Value;

use crate::json;
use crate::timestamp::iso_millis;
use crate::xml_text::push_escaped;

/// A user and their organization, as both endpoints tell them.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The configured public URL, without a slash at its end.
    pub public_url: &'a str,
    /// 18-character id of the user.
    pub user_id: &'a str,
    /// 18-character id of the organization.
    pub organization_id: &'a str,
    /// The name used to log in.
    pub username: &'a str,
    /// A short name.
    pub nickname: &'a str,
    /// The full name.
    pub display_name: &'a str,
    /// Given name, if known apart.
    pub first_name: Option<&'a str>,
    /// Family name, or the whole name.
    pub last_name: &'a str,
    /// Mail address.
    pub email: &'a str,
    /// Whether the address was proven.
    pub email_verified: bool,
    /// Whether the user may log in.
    pub active: bool,
    /// IANA name of the time zone.
    pub time_zone: &'a str,
    /// Distance of the time zone from UTC, in milliseconds.
    pub utc_offset_ms: i32,
    /// For example `en_US`.
    pub language: &'a str,
    /// For example `en_US`.
    pub locale: &'a str,
    /// Last change of the user, in milliseconds since the Unix epoch.
    pub last_modified_at_ms: i64,
    /// API version to put into the URLs, for example `59.0`.
    pub version: Option<&'a str>,
}

/// How the identity service is asked to answer (`format=`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityFormat {
    /// `json`, also if nothing was asked for.
    Json,
    /// `xml`
    Xml,
    /// `urlencoded`
    UrlEncoded,
}

impl IdentityFormat {
    /// Reads the query parameter `format`.
    pub fn parse(format: Option<&str>) -> Option<Self> {
        match format {
            None | Some("json") => Some(Self::Json),
            Some("xml") => Some(Self::Xml),
            Some("urlencoded") => Some(Self::UrlEncoded),
            Some(_) => None,
        }
    }
}

impl Identity<'_> {
    /// The URL of this identity, which is also the `sub` of the user.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/id/{}/{}", self.public_url, self.organization_id, self.user_id)
    }
}

/// Renders the answer of `/services/oauth2/userinfo`.
#[must_use]
pub fn userinfo_json(identity: &Identity<'_>) -> String {
    #[derive(Serialize)]
    struct UserInfo<'a> {
        sub: String,
        user_id: &'a str,
        organization_id: &'a str,
        preferred_username: &'a str,
        nickname: &'a str,
        name: &'a str,
        email: &'a str,
        email_verified: bool,
        given_name: Option<&'a str>,
        family_name: &'a str,
        zoneinfo: &'a str,
        photos: Photos,
        profile: String,
        picture: Option<&'a str>,
        address: Address,
        urls: Urls,
        active: bool,
        user_type: &'a str,
        language: &'a str,
        locale: &'a str,
        #[serde(rename = "utcOffset")]
        utc_offset: i32,
        updated_at: String,
    }
    json::render(&UserInfo {
        sub: identity.url(),
        user_id: identity.user_id,
        organization_id: identity.organization_id,
        preferred_username: identity.username,
        nickname: identity.nickname,
        name: identity.display_name,
        email: identity.email,
        email_verified: identity.email_verified,
        given_name: identity.first_name,
        family_name: identity.last_name,
        zoneinfo: identity.time_zone,
        photos: Photos::default(),
        profile: format!("{}/{}", identity.public_url, identity.user_id),
        picture: None,
        address: Address {},
        urls: Urls::of(identity),
        active: identity.active,
        user_type: "STANDARD",
        language: identity.language,
        locale: identity.locale,
        utc_offset: identity.utc_offset_ms,
        updated_at: iso_millis(identity.last_modified_at_ms),
    })
}

/// Renders the identity as JSON.
#[must_use]
pub fn identity_json(identity: &Identity<'_>) -> String {
    json::render(&IdentityBody::of(identity))
}

/// Renders the identity as XML: an element a member, nested like the JSON.
#[must_use]
pub fn identity_xml(identity: &Identity<'_>) -> String {
    let mut out = String::from(concat!(
        r#"<?xml version="1.0" encoding="UTF-8"?>"#,
        r#"<user xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">"#
    ));
    for (name, value) in members(identity) {
        push_element(&mut out, &name, &value);
    }
    out.push_str("</user>");
    out
}

/// Renders the identity as a form. Nested members are named `outer.inner`, absent ones are empty.
#[must_use]
pub fn identity_urlencoded(identity: &Identity<'_>) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in members(identity) {
        let Value::Object(inner) = value else {
            form.append_pair(&name, &scalar_text(&value));
            continue;
        };
        for (inner_name, inner_value) in inner {
            form.append_pair(&format!("{name}.{inner_name}"), &scalar_text(&inner_value));
        }
    }
    form.finish()
}

#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the identity service has as many")]
struct IdentityBody<'a> {
    id: String,
    asserted_user: bool,
    user_id: &'a str,
    organization_id: &'a str,
    username: &'a str,
    nick_name: &'a str,
    display_name: &'a str,
    email: &'a str,
    email_verified: bool,
    first_name: Option<&'a str>,
    last_name: &'a str,
    timezone: &'a str,
    photos: Photos,
    addr_street: Option<&'a str>,
    addr_city: Option<&'a str>,
    addr_state: Option<&'a str>,
    addr_country: Option<&'a str>,
    addr_zip: Option<&'a str>,
    mobile_phone: Option<&'a str>,
    mobile_phone_verified: bool,
    is_lightning_login_user: bool,
    status: Status,
    urls: Urls,
    active: bool,
    user_type: &'a str,
    language: &'a str,
    locale: &'a str,
    #[serde(rename = "utcOffset")]
    utc_offset: i32,
    last_modified_date: String,
}

impl<'a> IdentityBody<'a> {
    fn of(identity: &Identity<'a>) -> Self {
        Self {
            id: identity.url(),
            asserted_user: true,
            user_id: identity.user_id,
            organization_id: identity.organization_id,
            username: identity.username,
            nick_name: identity.nickname,
            display_name: identity.display_name,
            email: identity.email,
            email_verified: identity.email_verified,
            first_name: identity.first_name,
            last_name: identity.last_name,
            timezone: identity.time_zone,
            photos: Photos::default(),
            addr_street: None,
            addr_city: None,
            addr_state: None,
            addr_country: None,
            addr_zip: None,
            mobile_phone: None,
            mobile_phone_verified: false,
            is_lightning_login_user: false,
            status: Status::default(),
            urls: Urls::of(identity),
            active: identity.active,
            user_type: "STANDARD",
            language: identity.language,
            locale: identity.locale,
            utc_offset: identity.utc_offset_ms,
            last_modified_date: iso_millis(identity.last_modified_at_ms),
        }
    }
}

#[derive(Default, Serialize)]
struct Photos {
    picture: Option<String>,
    thumbnail: Option<String>,
}

#[derive(Serialize)]
struct Address {}

#[derive(Default, Serialize)]
struct Status {
    created_date: Option<String>,
    body: Option<String>,
}

#[derive(Serialize)]
struct Urls {
    enterprise: String,
    metadata: String,
    partner: String,
    rest: String,
    sobjects: String,
    search: String,
    query: String,
    recent: String,
    tooling_soap: String,
    tooling_rest: String,
    profile: String,
    feeds: String,
    groups: String,
    users: String,
    feed_items: String,
    feed_elements: String,
    custom_domain: String,
}

impl Urls {
    fn of(identity: &Identity<'_>) -> Self {
        let base = identity.public_url;
        let version = identity.version.unwrap_or("{version}");
        // SOAP URLs end in the 15-character id.
        let organization = identity.organization_id.get(..15).unwrap_or(identity.organization_id);
        let soap = |letter: char| format!("{base}/services/Soap/{letter}/{version}/{organization}");
        let rest = |path: &str| format!("{base}/services/data/v{version}/{path}");
        Self {
            enterprise: soap('c'),
            metadata: soap('m'),
            partner: soap('u'),
            rest: rest(""),
            sobjects: rest("sobjects/"),
            search: rest("search/"),
            query: rest("query/"),
            recent: rest("recent/"),
            tooling_soap: soap('T'),
            tooling_rest: rest("tooling/"),
            profile: format!("{base}/{}", identity.user_id),
            feeds: rest("chatter/feeds"),
            groups: rest("chatter/groups"),
            users: rest("chatter/users"),
            feed_items: rest("chatter/feed-items"),
            feed_elements: rest("chatter/feed-elements"),
            custom_domain: base.to_owned(),
        }
    }
}

/// The members of the identity with their values, for the formats that are not JSON.
fn members(identity: &Identity<'_>) -> serde_json::Map<String, Value> {
    serde_json::from_str(&identity_json(identity)).expect("what was just rendered is an object")
}

fn push_element(out: &mut String, name: &str, value: &Value) {
    out.push('<');
    out.push_str(name);
    if value.is_null() {
        out.push_str(r#" xsi:nil="true"/>"#);
        return;
    }
    out.push('>');
    if let Value::Object(inner) = value {
        for (inner_name, inner_value) in inner {
            push_element(out, inner_name, inner_value);
        }
    } else {
        push_escaped(out, &scalar_text(value));
    }
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

fn scalar_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Identity<'static> = Identity {
        public_url: "https://h",
        user_id: "005000000000001AAA",
        organization_id: "00D000000000001EAA",
        username: "ada@example.com",
        nickname: "ada",
        display_name: "Ada </name> Lovelace",
        first_name: Some("Ada"),
        last_name: "Lovelace",
        email: "ada@example.com",
        email_verified: true,
        active: true,
        time_zone: "Europe/London",
        utc_offset_ms: 0,
        language: "en_US",
        locale: "en_GB",
        last_modified_at_ms: 0,
        version: None,
    };

    #[test]
    fn user_info_carries_what_clients_read() {
        let info: Value = serde_json::from_str(&userinfo_json(&IDENTITY)).unwrap();

        assert_eq!(info["sub"], "https://h/id/00D000000000001EAA/005000000000001AAA");
        assert_eq!(info["user_id"], "005000000000001AAA");
        assert_eq!(info["organization_id"], "00D000000000001EAA");
        assert_eq!(info["email_verified"], true);
        assert_eq!(info["urls"]["partner"], "https://h/services/Soap/u/{version}/00D000000000001");
        assert_eq!(info["updated_at"], "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn identity_carries_its_own_url_and_the_version_asked_for() {
        let asked = Identity { version: Some("59.0"), ..IDENTITY };
        let identity: Value = serde_json::from_str(&identity_json(&asked)).unwrap();

        assert_eq!(identity["id"], "https://h/id/00D000000000001EAA/005000000000001AAA");
        assert_eq!(identity["asserted_user"], true);
        assert_eq!(identity["urls"]["rest"], "https://h/services/data/v59.0/");
        assert_eq!(identity["photos"]["picture"], Value::Null);
    }

    #[test]
    fn xml_is_escaped_and_nests() {
        let xml = identity_xml(&IDENTITY);

        assert!(xml.contains("<display_name>Ada &lt;/name&gt; Lovelace</display_name>"));
        assert!(
            xml.contains(
                r#"<photos><picture xsi:nil="true"/><thumbnail xsi:nil="true"/></photos>"#
            )
        );
        assert!(xml.ends_with("</user>"));
    }

    #[test]
    fn form_is_encoded_and_flat() {
        let form = identity_urlencoded(&IDENTITY);

        assert!(form.contains("display_name=Ada+%3C%2Fname%3E+Lovelace"));
        assert!(form.contains("photos.picture=&"));
        assert!(form.contains("asserted_user=true"));
    }

    #[test]
    fn unknown_format_is_no_format() {
        assert_eq!(IdentityFormat::parse(None), Some(IdentityFormat::Json));
        assert_eq!(IdentityFormat::parse(Some("xml")), Some(IdentityFormat::Xml));
        assert_eq!(IdentityFormat::parse(Some("yaml")), None);
    }
}

//! SOAP answers, to the byte as existing clients cut them apart.
//!
//! One line, `soapenv:` as literal prefix, results unprefixed in the default namespace and without
//! attributes, members in the order of the WSDL, none added and none left out. No response header:
//! one client refuses those it does not know.

use std::fmt::{self, Write as _};

use crate::Presented;
use crate::soap::{ENVELOPE, Flavor};
use crate::timestamp::iso_millis;
use crate::xml_text::push_escaped;

/// `LoginResult` of the WSDL.
#[derive(Clone, Copy, Debug)]
pub struct LoginResult<'a> {
    /// See [`metadata_server_url`](crate::soap::metadata_server_url).
    pub metadata_server_url: &'a str,
    /// Whether the session may only change the password. jsforce refuses it.
    pub password_expired: bool,
    /// Whether this is a test organization.
    pub sandbox: bool,
    /// See [`server_url`](crate::soap::server_url).
    pub server_url: &'a str,
    /// The session that was opened.
    pub session_id: &'a Presented,
    /// 18-character id of the user.
    pub user_id: &'a str,
    /// The user.
    pub user_info: UserInfoResult<'a>,
}

/// `GetUserInfoResult` of the WSDL, in its order. Ids have 18 characters.
#[derive(Clone, Copy)]
#[expect(missing_docs, reason = "the members are named and defined by the WSDL")]
#[expect(clippy::struct_excessive_bools, reason = "the WSDL has as many")]
pub struct UserInfoResult<'a> {
    pub accessibility_mode: bool,
    pub chatter_external: bool,
    pub currency_symbol: Option<&'a str>,
    pub org_attachment_file_size_limit: i32,
    pub org_default_currency_iso_code: Option<&'a str>,
    pub org_default_currency_locale: Option<&'a str>,
    pub org_disallow_html_attachments: bool,
    pub org_has_person_accounts: bool,
    pub organization_id: &'a str,
    pub organization_multi_currency: bool,
    pub organization_name: &'a str,
    pub profile_id: &'a str,
    pub role_id: Option<&'a str>,
    pub session_seconds_valid: i32,
    pub user_default_currency_iso_code: Option<&'a str>,
    pub user_email: &'a str,
    pub user_full_name: &'a str,
    pub user_id: &'a str,
    pub user_language: &'a str,
    pub user_locale: &'a str,
    pub user_name: &'a str,
    pub user_time_zone: &'a str,
    pub user_type: &'a str,
    pub user_ui_skin: &'a str,
}

// Names and mail addresses are kept out of logs; the id is enough to find them.
impl fmt::Debug for UserInfoResult<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserInfoResult").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// Renders the answer to `login`.
#[must_use]
pub fn login_response(flavor: Flavor, login: &LoginResult<'_>) -> String {
    envelope(flavor, "loginResponse", |out| {
        out.open("result");
        out.text("metadataServerUrl", login.metadata_server_url);
        out.value("passwordExpired", login.password_expired);
        out.value("sandbox", login.sandbox);
        out.text("serverUrl", login.server_url);
        out.text("sessionId", login.session_id.reveal());
        out.text("userId", login.user_id);
        out.open("userInfo");
        push_user_info(out, &login.user_info);
        out.close("userInfo");
        out.close("result");
    })
}

/// Renders the answer to `getUserInfo`.
#[must_use]
pub fn get_user_info_response(flavor: Flavor, user_info: &UserInfoResult<'_>) -> String {
    envelope(flavor, "getUserInfoResponse", |out| {
        out.open("result");
        push_user_info(out, user_info);
        out.close("result");
    })
}

/// Renders the answer to `logout`.
#[must_use]
pub fn logout_response(flavor: Flavor) -> String {
    document(flavor, |out| out.empty("logoutResponse"))
}

/// Renders the answer to `getServerTimestamp`, for milliseconds since the Unix epoch.
#[must_use]
pub fn server_timestamp_response(flavor: Flavor, now_ms: i64) -> String {
    envelope(flavor, "getServerTimestampResponse", |out| {
        out.open("result");
        out.text("timestamp", &iso_millis(now_ms));
        out.close("result");
    })
}

/// Renders the answer to `setPassword`.
#[must_use]
pub fn set_password_response(flavor: Flavor) -> String {
    envelope(flavor, "setPasswordResponse", |out| out.empty("result"))
}

/// Renders the answer to `changeOwnPassword`.
#[must_use]
pub fn change_own_password_response(flavor: Flavor) -> String {
    envelope(flavor, "changeOwnPasswordResponse", |out| out.empty("result"))
}

/// Renders the answer to `resetPassword`: the temporary password.
#[must_use]
pub fn reset_password_response(flavor: Flavor, password: &Presented) -> String {
    envelope(flavor, "resetPasswordResponse", |out| {
        out.open("result");
        out.text("password", password.reveal());
        out.close("result");
    })
}

/// Renders the answer to `invalidateSessions`: for each session, in order, whether it was ended.
#[must_use]
pub fn invalidate_sessions_response(flavor: Flavor, successes: &[bool]) -> String {
    envelope(flavor, "invalidateSessionsResponse", |out| {
        for &success in successes {
            out.open("result");
            out.value("success", success);
            out.close("result");
        }
    })
}

fn push_user_info(out: &mut Writer, user: &UserInfoResult<'_>) {
    out.value("accessibilityMode", user.accessibility_mode);
    out.value("chatterExternal", user.chatter_external);
    out.nillable("currencySymbol", user.currency_symbol);
    out.value("orgAttachmentFileSizeLimit", user.org_attachment_file_size_limit);
    out.nillable("orgDefaultCurrencyIsoCode", user.org_default_currency_iso_code);
    out.nillable("orgDefaultCurrencyLocale", user.org_default_currency_locale);
    out.value("orgDisallowHtmlAttachments", user.org_disallow_html_attachments);
    out.value("orgHasPersonAccounts", user.org_has_person_accounts);
    out.text("organizationId", user.organization_id);
    out.value("organizationMultiCurrency", user.organization_multi_currency);
    out.text("organizationName", user.organization_name);
    out.text("profileId", user.profile_id);
    out.nillable("roleId", user.role_id);
    out.value("sessionSecondsValid", user.session_seconds_valid);
    out.nillable("userDefaultCurrencyIsoCode", user.user_default_currency_iso_code);
    out.text("userEmail", user.user_email);
    out.text("userFullName", user.user_full_name);
    out.text("userId", user.user_id);
    out.text("userLanguage", user.user_language);
    out.text("userLocale", user.user_locale);
    out.text("userName", user.user_name);
    out.text("userTimeZone", user.user_time_zone);
    out.text("userType", user.user_type);
    out.text("userUiSkin", user.user_ui_skin);
}

fn envelope(flavor: Flavor, response: &str, write: impl FnOnce(&mut Writer)) -> String {
    document(flavor, |out| {
        out.open(response);
        write(out);
        out.close(response);
    })
}

fn document(flavor: Flavor, write: impl FnOnce(&mut Writer)) -> String {
    let mut out = Writer(format!(
        concat!(
            r#"<?xml version="1.0" encoding="UTF-8"?>"#,
            r#"<soapenv:Envelope xmlns:soapenv="{envelope}" xmlns="{namespace}" "#,
            r#"xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>"#,
        ),
        envelope = ENVELOPE,
        namespace = flavor.namespace(),
    ));
    write(&mut out);
    out.0.push_str("</soapenv:Body></soapenv:Envelope>");
    out.0
}

/// Elements in the default namespace, appended to a line.
struct Writer(String);

impl Writer {
    fn open(&mut self, name: &str) {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push('>');
    }

    fn close(&mut self, name: &str) {
        self.0.push_str("</");
        self.0.push_str(name);
        self.0.push('>');
    }

    fn empty(&mut self, name: &str) {
        self.0.push('<');
        self.0.push_str(name);
        self.0.push_str("/>");
    }

    fn text(&mut self, name: &str, text: &str) {
        self.open(name);
        push_escaped(&mut self.0, text);
        self.close(name);
    }

    fn nillable(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            return self.text(name, text);
        }
        self.0.push('<');
        self.0.push_str(name);
        self.0.push_str(r#" xsi:nil="true"/>"#);
    }

    /// Writes a number or a truth value, which need no escaping.
    fn value(&mut self, name: &str, value: impl fmt::Display) {
        write!(self.0, "<{name}>{value}</{name}>").expect("writing to a string cannot fail");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: UserInfoResult<'static> = UserInfoResult {
        accessibility_mode: false,
        chatter_external: false,
        currency_symbol: Some("$"),
        org_attachment_file_size_limit: 5_242_880,
        org_default_currency_iso_code: Some("USD"),
        org_default_currency_locale: Some("en_US"),
        org_disallow_html_attachments: false,
        org_has_person_accounts: false,
        organization_id: "00D000000000001EAA",
        organization_multi_currency: false,
        organization_name: "Ada & Sons",
        profile_id: "00e000000000001AAA",
        role_id: None,
        session_seconds_valid: 7200,
        user_default_currency_iso_code: None,
        user_email: "ada@example.com",
        user_full_name: "Ada </userFullName>",
        user_id: "005000000000001AAA",
        user_language: "en_US",
        user_locale: "en_US",
        user_name: "ada@example.com",
        user_time_zone: "Europe/London",
        user_type: "Standard",
        user_ui_skin: "Theme3",
    };

    const USER_XML: &str = "<accessibilityMode>false</accessibilityMode><chatterExternal>false</chatterExternal><currencySymbol>$</currencySymbol><orgAttachmentFileSizeLimit>5242880</orgAttachmentFileSizeLimit><orgDefaultCurrencyIsoCode>USD</orgDefaultCurrencyIsoCode><orgDefaultCurrencyLocale>en_US</orgDefaultCurrencyLocale><orgDisallowHtmlAttachments>false</orgDisallowHtmlAttachments><orgHasPersonAccounts>false</orgHasPersonAccounts><organizationId>00D000000000001EAA</organizationId><organizationMultiCurrency>false</organizationMultiCurrency><organizationName>Ada &amp; Sons</organizationName><profileId>00e000000000001AAA</profileId><roleId xsi:nil=\"true\"/><sessionSecondsValid>7200</sessionSecondsValid><userDefaultCurrencyIsoCode xsi:nil=\"true\"/><userEmail>ada@example.com</userEmail><userFullName>Ada &lt;/userFullName&gt;</userFullName><userId>005000000000001AAA</userId><userLanguage>en_US</userLanguage><userLocale>en_US</userLocale><userName>ada@example.com</userName><userTimeZone>Europe/London</userTimeZone><userType>Standard</userType><userUiSkin>Theme3</userUiSkin>";

    const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>"#;
    const FOOT: &str = "</soapenv:Body></soapenv:Envelope>";

    fn login(flavor: Flavor, server_url: &str) -> String {
        let session_id = Presented::new("00D000000000001!AQ".to_owned());
        let result = LoginResult {
            metadata_server_url: "https://h/services/Soap/m/59.0/00D000000000001",
            password_expired: false,
            sandbox: false,
            server_url,
            session_id: &session_id,
            user_id: "005000000000001AAA",
            user_info: USER,
        };
        login_response(flavor, &result)
    }

    #[test]
    fn login_answer_has_the_bytes_of_the_reference() {
        assert_eq!(
            login(Flavor::Partner, "https://h/services/Soap/u/59.0/00D000000000001"),
            format!(
                "{HEAD}<loginResponse><result><metadataServerUrl>https://h/services/Soap/m/59.0/00D000000000001</metadataServerUrl><passwordExpired>false</passwordExpired><sandbox>false</sandbox><serverUrl>https://h/services/Soap/u/59.0/00D000000000001</serverUrl><sessionId>00D000000000001!AQ</sessionId><userId>005000000000001AAA</userId><userInfo>{USER_XML}</userInfo></result></loginResponse>{FOOT}"
            )
        );
    }

    #[test]
    fn enterprise_login_differs_in_namespace_and_server_url_alone() {
        let partner = login(Flavor::Partner, "https://h/services/Soap/u/59.0/00D000000000001");
        let enterprise =
            login(Flavor::Enterprise, "https://h/services/Soap/c/59.0/00D000000000001");

        assert_eq!(
            enterprise,
            partner
                .replace("urn:partner.soap", "urn:enterprise.soap")
                .replace("/Soap/u/", "/Soap/c/")
        );
    }

    #[test]
    fn every_other_answer_has_the_bytes_of_the_reference() {
        let flavor = Flavor::Partner;
        let temporary = Presented::new("a<b".to_owned());

        for (answer, body) in [
            (get_user_info_response(flavor, &USER), format!("<getUserInfoResponse><result>{USER_XML}</result></getUserInfoResponse>")),
            (logout_response(flavor), "<logoutResponse/>".to_owned()),
            (
                server_timestamp_response(flavor, 1_795_417_200_000),
                "<getServerTimestampResponse><result><timestamp>2026-11-23T07:00:00.000Z</timestamp></result></getServerTimestampResponse>".to_owned(),
            ),
            (set_password_response(flavor), "<setPasswordResponse><result/></setPasswordResponse>".to_owned()),
            (change_own_password_response(flavor), "<changeOwnPasswordResponse><result/></changeOwnPasswordResponse>".to_owned()),
            (
                reset_password_response(flavor, &temporary),
                "<resetPasswordResponse><result><password>a&lt;b</password></result></resetPasswordResponse>".to_owned(),
            ),
            (
                invalidate_sessions_response(flavor, &[true, false]),
                "<invalidateSessionsResponse><result><success>true</success></result><result><success>false</success></result></invalidateSessionsResponse>".to_owned(),
            ),
        ] {
            assert_eq!(answer, format!("{HEAD}{body}{FOOT}"));
        }
    }

    #[test]
    fn debug_of_a_login_shows_neither_session_nor_person() {
        let session_id = Presented::new("00D000000000001!AQ".to_owned());
        let result = LoginResult {
            metadata_server_url: "m",
            password_expired: false,
            sandbox: false,
            server_url: "s",
            session_id: &session_id,
            user_id: "005000000000001AAA",
            user_info: USER,
        };

        let shown = format!("{result:?}");
        assert!(!shown.contains("AQ") && !shown.contains("ada@"), "{shown}");
    }
}

//! What the SOAP parser takes and what it refuses, on real requests and on hostile ones.

use proptest::prelude::*;

use super::*;
use crate::soap::Limit;
use crate::xml_text::push_escaped;

const PARTNER: &str = "urn:partner.soap.sforce.com";

/// The request of the reference: any prefix, call options with a default namespace.
const LOGIN: &str = r#"<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Header>
 <urn:CallOptions xmlns:urn="urn:partner.soap.sforce.com"><urn:client>simple-salesforce</urn:client><urn:defaultNamespace>sf</urn:defaultNamespace></urn:CallOptions>
 <urn:LoginScopeHeader xmlns:urn="urn:partner.soap.sforce.com"><urn:organizationId>00D000000000001</urn:organizationId><urn:portalId/></urn:LoginScopeHeader>
</env:Header><env:Body><n1:login xmlns:n1="urn:partner.soap.sforce.com"><n1:username>u</n1:username><n1:password>passwordTOKEN</n1:password></n1:login></env:Body></env:Envelope>"#;

fn envelope(header: &str, body: &str) -> String {
    format!(
        r#"<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns="{PARTNER}"><e:Header>{header}</e:Header><e:Body>{body}</e:Body></e:Envelope>"#
    )
}

fn login(username: &str, password: &str) -> String {
    envelope(
        "",
        &format!("<login><username>{username}</username><password>{password}</password></login>"),
    )
}

fn parsed(body: &str) -> SoapRequest {
    parse_request(body.as_bytes()).unwrap_or_else(|fault| panic!("{fault:?}: {body}"))
}

fn credentials(body: &str) -> (String, String) {
    let Operation::Login { username, password } = parsed(body).operation else {
        panic!("not a login: {body}")
    };
    (username, password.reveal().to_owned())
}

fn refusal(body: &str) -> SoapParseError {
    parse_request(body.as_bytes()).map(|_| ()).expect_err(body)
}

fn operation(body: &str) -> Operation {
    parsed(&envelope("", body)).operation
}

fn numbered(count: usize, before: &str, after: &str) -> String {
    (0..count).map(|n| format!("{before}{n}{after}")).collect::<Vec<_>>().concat()
}

#[test]
fn login_of_the_reference_is_read() {
    let request = parsed(LOGIN);

    assert_eq!(request.flavor, Flavor::Partner);
    assert_eq!(request.client.as_deref(), Some("simple-salesforce"));
    assert_eq!(request.organization_id.as_deref(), Some("00D000000000001"));
    assert!(request.session_id.is_none());
    assert_eq!(credentials(LOGIN), ("u".to_owned(), "passwordTOKEN".to_owned()));
}

#[test]
fn prologue_may_have_a_mark_white_space_and_a_declaration() {
    for prologue in [
        "\u{feff}",
        "\r\n  ",
        r#"<?xml version="1.0"?>"#,
        "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\n",
        "<?xml version='1.0' encoding='US-ASCII' standalone='yes'?>",
        "\u{feff}\n<?xml version=\"1.0\" encoding=\"UTF-8\"?><!-- hello -->",
    ] {
        assert_eq!(credentials(&format!("{prologue}{LOGIN}\n<!-- bye -->\n")).0, "u", "{prologue}");
    }
}

#[test]
fn enterprise_is_told_by_the_namespace_of_the_operation() {
    assert_eq!(parsed(&LOGIN.replace("partner", "enterprise")).flavor, Flavor::Enterprise);
}

#[test]
fn every_operation_is_read() {
    assert!(matches!(operation("<logout/>"), Operation::Logout));
    assert!(matches!(operation("<getUserInfo></getUserInfo>"), Operation::GetUserInfo));
    assert!(matches!(operation("<getServerTimestamp />"), Operation::GetServerTimestamp));

    let Operation::SetPassword { user_id, password } =
        operation("<setPassword><userId>005</userId><password>p</password></setPassword>")
    else {
        panic!("not setPassword")
    };
    assert_eq!((user_id.as_str(), password.reveal()), ("005", "p"));

    let Operation::ChangeOwnPassword { old_password, new_password } = operation(
        "<changeOwnPassword><oldPassword>o</oldPassword><newPassword>n</newPassword></changeOwnPassword>",
    ) else {
        panic!("not changeOwnPassword")
    };
    assert_eq!((old_password.reveal(), new_password.reveal()), ("o", "n"));

    let Operation::ResetPassword { user_id } =
        operation("<resetPassword><userId>005</userId></resetPassword>")
    else {
        panic!("not resetPassword")
    };
    assert_eq!(user_id, "005");

    let Operation::InvalidateSessions { session_ids } = operation(
        "<invalidateSessions><sessionIds>a</sessionIds><sessionIds>b</sessionIds></invalidateSessions>",
    ) else {
        panic!("not invalidateSessions")
    };
    assert_eq!(session_ids.iter().map(Presented::reveal).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn name_of_an_unknown_operation_is_safe_to_repeat() {
    let Operation::Unknown(name) = operation("<quéry><queryString>x</queryString></quéry>")
    else {
        panic!("known")
    };
    let Operation::Unknown(long) = operation(&format!("<{0}/>", "q".repeat(500))) else {
        panic!("known")
    };

    assert_eq!(name.as_str(), "qu_ry");
    assert_eq!(long.as_str().len(), 64);
}

#[test]
fn session_header_is_read_and_shown_nowhere() {
    let request = parsed(&envelope(
        "<SessionHeader><sessionId>00D!AQ</sessionId></SessionHeader>",
        "<logout/>",
    ));

    assert!(!format!("{request:?}").contains("AQ"));
    assert_eq!(request.session_id.unwrap().reveal(), "00D!AQ");
}

#[test]
fn client_name_is_cut_to_100_characters_and_freed_of_controls() {
    let header = format!("<CallOptions><client>a&#10;{}</client></CallOptions>", "é".repeat(200));
    let client = parsed(&envelope(&header, "<logout/>")).client.unwrap();

    assert!(client.starts_with("a é"));
    assert_eq!(client.chars().count(), 100);
}

#[test]
fn text_is_joined_across_comments_sections_and_references() {
    for username in [
        "ali<!-- -->ce",
        "<![CDATA[ali]]>ce",
        "al&#105;c&#x65;",
        "<![CDATA[al]]>i<![CDATA[]]><!----><![CDATA[ce]]>",
    ] {
        assert_eq!(credentials(&login(username, "p")).0, "alice", "{username}");
    }
    assert_eq!(credentials(&login("u", "a&amp;b&lt;c&gt;d&quot;e&apos;f")).1, "a&b<c>d\"e'f");
    assert_eq!(credentials(&login("u", "<![CDATA[a&b<c]]>")).1, "a&b<c");
    assert_eq!(credentials(&login("u", "&amp;lt;")).1, "&lt;");
}

#[test]
fn spaces_in_a_password_are_kept() {
    assert_eq!(credentials(&login("u", "  p ")).1, "  p ");
}

#[test]
fn unescaped_password_is_not_well_formed() {
    for password in ["a&b", "a<b", "a&b;c", "a<b>c", "a]]>b", "a&", "<", "a&#xZ;"] {
        assert_eq!(refusal(&login("u", password)), SoapParseError::NotWellFormed, "{password}");
    }
}

#[test]
fn markup_inside_a_value_is_refused() {
    assert_eq!(refusal(&login("ali<x/>ce", "p")), SoapParseError::UnexpectedMarkup("username"));
}

#[test]
fn doctype_is_refused_in_every_form() {
    for doctype in [
        "<!DOCTYPE a>",
        r#"<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x">"#,
        r#"<!DOCTYPE a [<!ENTITY a "b"><!ENTITY c "&a;&a;">]>"#,
        r#"<!DOCTYPE a [<!ENTITY % p SYSTEM "file:///etc/passwd">%p;]>"#,
        "<!doctype a>",
    ] {
        assert_eq!(
            refusal(&format!("{doctype}{LOGIN}")),
            SoapParseError::DoctypeForbidden,
            "{doctype}"
        );
    }
    assert_eq!(refusal(&login("<!DOCTYPE a>", "p")), SoapParseError::DoctypeForbidden);
}

#[test]
fn entities_that_only_a_dtd_could_declare_are_refused() {
    assert_eq!(refusal(&login("&xxe;", "p")), SoapParseError::NotWellFormed);
    assert_eq!(refusal(&login("&nbsp;", "p")), SoapParseError::NotWellFormed);
    assert_eq!(
        refusal(&LOGIN.replace("<env:Body>", "<env:Body x='&e;'>")),
        SoapParseError::NotWellFormed
    );
}

#[test]
fn processing_instructions_are_refused() {
    assert_eq!(refusal(&format!("<?php x?>{LOGIN}")), SoapParseError::InstructionForbidden);
    assert_eq!(refusal(&login("a<?x y?>", "p")), SoapParseError::InstructionForbidden);
    assert_eq!(refusal(&login("a<?xml version='1.0'?>", "p")), SoapParseError::NotWellFormed);
}

#[test]
fn other_encodings_are_refused() {
    let utf_16 = |mark: &[u8], order: fn(u16) -> [u8; 2]| {
        mark.iter().copied().chain(LOGIN.encode_utf16().flat_map(order)).collect::<Vec<_>>()
    };
    let parse = |body: &[u8]| parse_request(body).map(|_| ()).unwrap_err();

    assert_eq!(parse(&utf_16(&[0xff, 0xfe], u16::to_le_bytes)), SoapParseError::NotUtf8);
    assert_eq!(parse(&utf_16(&[0xfe, 0xff], u16::to_be_bytes)), SoapParseError::NotUtf8);
    assert_eq!(parse(&utf_16(&[], u16::to_le_bytes)), SoapParseError::IllegalCharacter);
    for declaration in [
        r#"<?xml version="1.0" encoding="ISO-8859-1"?>"#,
        r#"<?xml version="1.0" encoding="UTF-16"?>"#,
        r#"<?xml version="1.0" encoding="UTF-7"?>"#,
        r#"<?xml version="1.1"?>"#,
    ] {
        assert_eq!(
            refusal(&format!("{declaration}{LOGIN}")),
            SoapParseError::UnsupportedEncoding,
            "{declaration}"
        );
    }
    let not_ascii = format!(r#"<?xml version="1.0" encoding="US-ASCII"?>{}"#, login("zoë", "p"));
    assert_eq!(refusal(&not_ascii), SoapParseError::UnsupportedEncoding);
}

#[test]
fn characters_that_xml_does_not_allow_are_refused_plain_and_by_reference() {
    for username in ["a\0", "a\u{8}", "a\u{fffe}", "a&#8;", "a&#xFFFF;", "<![CDATA[\u{1}]]>"] {
        assert_eq!(
            refusal(&login(username, "p")),
            SoapParseError::IllegalCharacter,
            "{username:?}"
        );
    }
    for reference in ["&#0;", "&#xD800;", "&#x110000;", "&#99999999999;", "&#;", "&#x;", "&#-1;"] {
        assert_eq!(refusal(&login(reference, "p")), SoapParseError::NotWellFormed, "{reference}");
    }
}

#[test]
fn documents_that_end_early_or_go_on_are_refused() {
    for end in 0..LOGIN.len() {
        assert_eq!(refusal(&LOGIN[..end]), SoapParseError::NotWellFormed, "{end}");
    }
    for trailer in ["x", "<a/>", LOGIN, "</env:Envelope>", "<![CDATA[]]>", "&amp;", "<!--"] {
        assert_eq!(
            refusal(&format!("{LOGIN}{trailer}")),
            SoapParseError::NotWellFormed,
            "{trailer}"
        );
    }
    for leader in ["x", "<![CDATA[]]>", "&amp;", "<a/>"] {
        assert_eq!(refusal(&format!("{leader}{LOGIN}")), SoapParseError::NotWellFormed, "{leader}");
    }
}

#[test]
fn malformed_tags_are_refused() {
    for body in [
        "<login><username a='1' a='2'>u</username></login>",
        "<login><username a=1>u</username></login>",
        "<login><username a='<'>u</username></login>",
        "<login><1username>u</1username></login>",
        "<login><a:b:c/></login>",
        "<login><unbound:username>u</unbound:username></login>",
        "<login><username unbound:a='1'>u</username></login>",
        "<login></login a='1'>",
        "< login/>",
        "<login/ >",
        "<>",
        "<login><!-- a -- b --></login>",
    ] {
        assert_eq!(refusal(&envelope("", body)), SoapParseError::NotWellFormed, "{body}");
    }
}

#[test]
fn each_bound_holds() {
    let exceeded = |body: &str| {
        let refusal = refusal(body);
        let SoapParseError::LimitExceeded(limit) = refusal else { panic!("{refusal:?}") };
        limit
    };
    let nested = |depth: usize| {
        envelope(&format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth)), "<logout/>")
    };
    let with_attributes = |count: usize| {
        let attributes = numbered(count, " a", "='1'");
        envelope(&format!("<a{attributes}/>"), "<logout/>")
    };
    let with_elements = |count: usize| envelope(&"<a/>".repeat(count), "<logout/>");
    let namespaces = numbered(20, " xmlns:n", "='x'");

    // Envelope and header are the first two levels; envelope, header, body and operation four
    // elements.
    parsed(&nested(14));
    assert_eq!(exceeded(&nested(15)), Limit::Depth);
    parsed(&with_attributes(32));
    assert_eq!(exceeded(&with_attributes(33)), Limit::Attributes);
    parsed(&with_elements(508));
    assert_eq!(exceeded(&with_elements(509)), Limit::Elements);
    credentials(&login("u", &"p".repeat(4096)));
    assert_eq!(exceeded(&login("u", &"p".repeat(4097))), Limit::Text);
    assert_eq!(exceeded(&login("u", &"&amp;".repeat(4097))), Limit::Text);
    let tower = format!("{}{}", format!("<a{namespaces}>").repeat(8), "</a>".repeat(8));
    assert_eq!(exceeded(&envelope(&tower, "<logout/>")), Limit::Namespaces);
}

#[test]
fn login_is_bounded_tighter_than_the_rest() {
    let padded = |body: &str, length: usize| format!("{body}{}", " ".repeat(length - body.len()));
    let logout = envelope("", "<logout/>");

    credentials(&padded(LOGIN, LOGIN_BODY_LIMIT));
    assert_eq!(refusal(&padded(LOGIN, LOGIN_BODY_LIMIT + 1)), SoapParseError::TooLarge);
    // Layout counts as text of nothing, so the whole of the larger limit is usable.
    parsed(&padded(&logout, 64 * 1024));
    assert_eq!(refusal(&padded(&logout, 64 * 1024 + 1)), SoapParseError::TooLarge);
}

#[test]
fn eighty_thousand_attributes_are_cut_off_by_the_byte_limit() {
    let attributes = numbered(80_000, " a", "=''");

    assert_eq!(
        refusal(&envelope(&format!("<a{attributes}/>"), "<logout/>")),
        SoapParseError::TooLarge
    );
}

#[test]
fn soap_12_is_refused_by_name() {
    let soap_12 = LOGIN.replace(
        "http://schemas.xmlsoap.org/soap/envelope/",
        "http://www.w3.org/2003/05/soap-envelope",
    );

    assert_eq!(refusal(&soap_12), SoapParseError::Soap12);
}

#[test]
fn what_is_not_an_envelope_with_one_operation_is_refused() {
    let soap = r#"xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com""#;

    for body in [
        "<Envelope><Body/></Envelope>".to_owned(),
        format!("<e:Body {soap}><logout/></e:Body>"),
        format!("<e:Envelope {soap}/>"),
        format!("<e:Envelope {soap}><e:Body/></e:Envelope>"),
        format!("<e:Envelope {soap}><e:Header/></e:Envelope>"),
        format!("<e:Envelope {soap}><e:Body><logout/><logout/></e:Body></e:Envelope>"),
        format!("<e:Envelope {soap}><e:Body><logout/></e:Body><e:Header/></e:Envelope>"),
        format!(
            "<e:Envelope {soap}><e:Body><logout/></e:Body><e:Body><logout/></e:Body></e:Envelope>"
        ),
        format!("<e:Envelope {soap}><e:Body>text<logout/></e:Body></e:Envelope>"),
    ] {
        assert_eq!(refusal(&body), SoapParseError::NotAnEnvelope, "{body}");
    }
    assert_eq!(
        refusal(&envelope("", "<login xmlns='urn:other'/>")),
        SoapParseError::UnknownNamespace
    );
    assert_eq!(refusal(&envelope("", "<login xmlns=''/>")), SoapParseError::UnknownNamespace);
}

#[test]
fn known_elements_may_occur_once() {
    let twice = |name: &str| format!("<{name}>1</{name}><{name}>2</{name}>");
    let session = "<SessionHeader><sessionId>a</sessionId></SessionHeader>";

    for name in ["username", "password"] {
        let other = if name == "username" { "password" } else { "username" };
        let body = envelope("", &format!("<login>{}<{other}>x</{other}></login>", twice(name)));
        assert!(matches!(refusal(&body), SoapParseError::DuplicateElement(found) if found == name));
    }
    assert_eq!(
        refusal(&envelope(&session.repeat(2), "<logout/>")),
        SoapParseError::DuplicateElement("SessionHeader")
    );
    assert_eq!(
        refusal(&envelope(
            &format!("<SessionHeader>{}</SessionHeader>", twice("sessionId")),
            "<logout/>"
        )),
        SoapParseError::DuplicateElement("sessionId")
    );
}

#[test]
fn members_of_other_namespaces_do_not_count() {
    let body = envelope(
        "",
        "<login><x:username xmlns:x='urn:x'>mallory</x:username><username>u</username><password>p</password></login>",
    );

    assert_eq!(credentials(&body).0, "u");
}

#[test]
fn missing_or_empty_members_are_named() {
    assert_eq!(refusal(&envelope("", "<login/>")), SoapParseError::MissingElement("username"));
    assert_eq!(refusal(&login("u", "")), SoapParseError::MissingElement("password"));
    assert_eq!(
        refusal(&envelope("", "<resetPassword/>")),
        SoapParseError::MissingElement("userId")
    );
}

#[test]
fn unknown_headers_are_ignored_unless_they_must_be_understood() {
    parsed(&envelope("<x:H xmlns:x='urn:x'>t<y xmlns=''/></x:H><EmailHeader/>", "<logout/>"));
    parsed(&envelope(
        "<x:H xmlns:x='urn:x' e:mustUnderstand='0' mustUnderstand='1'/>",
        "<logout/>",
    ));
    parsed(&envelope(
        "<CallOptions e:mustUnderstand='1'><client>c</client></CallOptions>",
        "<logout/>",
    ));
    assert_eq!(
        refusal(&envelope("<x:H xmlns:x='urn:x' e:mustUnderstand='1'/>", "<logout/>")),
        SoapParseError::HeaderNotUnderstood
    );
    assert_eq!(
        refusal(&envelope("<x:CallOptions xmlns:x='urn:x' e:mustUnderstand='1'/>", "<logout/>")),
        SoapParseError::HeaderNotUnderstood
    );
}

/// Text as a client sends it: escaped by our own rules, which other writers may not follow.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    push_escaped(&mut out, text);
    out
}

proptest! {
    #[test]
    fn every_login_reads_back(username in "[^\\p{Cc}\u{fffe}\u{ffff}]{1,30}", password in "[^\\p{Cc}\u{fffe}\u{ffff}]{1,60}\n?") {
        prop_assert_eq!(credentials(&login(&escaped(&username), &escaped(&password))), (username, password));
    }

    #[test]
    fn no_bytes_make_the_parser_panic(body in prop::collection::vec(any::<u8>(), 0..200), at in 0..LOGIN.len(), text in ".{0,12}") {
        let _ = parse_request(&body);
        let mut spliced = LOGIN.as_bytes().to_vec();
        spliced.splice(at..at, text.into_bytes());
        let _ = parse_request(&spliced);
        spliced.truncate(at);
        let _ = parse_request(&spliced);
    }

    #[test]
    fn no_markup_makes_the_parser_panic(pieces in prop::collection::vec(prop::sample::select(vec![
        "<", ">", "</", "/>", "<!--", "-->", "<!-->", "<!--->", "<![CDATA[", "]]>", "<?", "?>", "<?xml", "<??>", "&", ";",
        "#", "x", "\"", "'", "=", " ", ":", "xmlns", "a", "<a>", "</a>", "<!DOCTYPE", "[", "]", "\u{feff}", "é", "<!", "!",
    ]), 0..30)) {
        let markup = pieces.concat();
        let _ = parse_request(markup.as_bytes());
        let _ = parse_request(envelope(&markup, "<logout/>").as_bytes());
        let _ = parse_request(login(&markup, "p").as_bytes());
    }
}

//! SOAP faults, to the byte as existing clients cut them apart.
//!
//! Clients look for the literal prefixes `soapenv:` and `sf:`, for `xsi:type` on the detail and for
//! a code that their WSDL lists: an invented one breaks them. What a code does not say goes into
//! the message.

use crate::soap::{ENVELOPE, Flavor};
use crate::xml_text::push_escaped;

/// The message of [`FaultCode::InvalidOperation`] where `login()` is switched off.
pub const SOAP_LOGIN_DISABLED: &str = "SOAP API login() is disabled by default in this org.";

/// A refusal or failure to be rendered.
#[derive(Clone, Copy, Debug)]
pub struct Fault<'a> {
    /// Which fault type of the WSDL.
    pub kind: FaultKind,
    /// Which code.
    pub code: FaultCode,
    /// For a human; [`FaultCode::standard_message`] where clients look for its words.
    pub message: &'a str,
}

/// The fault types of the WSDL that our operations declare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Refused logins.
    LoginFault,
    /// Dead sessions, versions, limits and everything else.
    UnexpectedErrorFault,
    /// An id that is malformed or not known.
    InvalidIdFault,
    /// A new password that the policy refuses.
    InvalidNewPasswordFault,
    /// A wrong current password.
    InvalidOldPasswordFault,
}

impl FaultKind {
    /// Name of the type and of the element.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoginFault => "LoginFault",
            Self::UnexpectedErrorFault => "UnexpectedErrorFault",
            Self::InvalidIdFault => "InvalidIdFault",
            Self::InvalidNewPasswordFault => "InvalidNewPasswordFault",
            Self::InvalidOldPasswordFault => "InvalidOldPasswordFault",
        }
    }
}

/// The codes that we use out of the `ExceptionCode` enumeration of the partner WSDL, version 47.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultCode {
    /// The one refusal of a login, whatever its cause.
    InvalidLogin,
    /// Password right, token missing. An oracle: only where the administrator wants it.
    LoginMustUseSecurityToken,
    /// The domain may not be used to log in.
    LoginDuringRestrictedDomain,
    /// Outside login hours.
    LoginDuringRestrictedTime,
    /// Too many failures.
    PasswordLockout,
    /// The API is off.
    ApiDisabledForOrg,
    /// The session is dead. Clients answer it by logging in again.
    InvalidSessionId,
    /// Alive, but the password has to be changed first.
    InvalidOperationWithExpiredPassword,
    /// The operation is not allowed here.
    InvalidOperation,
    /// The operation does not exist here.
    FunctionalityNotEnabled,
    /// The session may not do this.
    InsufficientAccess,
    /// The policy refuses the new password.
    InvalidNewPassword,
    /// The current password is wrong.
    InvalidOldPassword,
    /// Not an id.
    MalformedId,
    /// An id of nobody, or of another kind of record.
    InvalidIdField,
    /// A member of the request is missing.
    MissingArgument,
    /// The request cannot be read.
    XmlParserError,
    /// The version in the path is not served.
    UnsupportedApiVersion,
    /// Too many requests.
    RequestLimitExceeded,
    /// We cannot know the answer now.
    ServerUnavailable,
    /// Something failed that the caller cannot mend.
    UnknownException,
}

impl FaultCode {
    /// The code as the WSDL spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidLogin => "INVALID_LOGIN",
            Self::LoginMustUseSecurityToken => "LOGIN_MUST_USE_SECURITY_TOKEN",
            Self::LoginDuringRestrictedDomain => "LOGIN_DURING_RESTRICTED_DOMAIN",
            Self::LoginDuringRestrictedTime => "LOGIN_DURING_RESTRICTED_TIME",
            Self::PasswordLockout => "PASSWORD_LOCKOUT",
            Self::ApiDisabledForOrg => "API_DISABLED_FOR_ORG",
            Self::InvalidSessionId => "INVALID_SESSION_ID",
            Self::InvalidOperationWithExpiredPassword => "INVALID_OPERATION_WITH_EXPIRED_PASSWORD",
            Self::InvalidOperation => "INVALID_OPERATION",
            Self::FunctionalityNotEnabled => "FUNCTIONALITY_NOT_ENABLED",
            Self::InsufficientAccess => "INSUFFICIENT_ACCESS",
            Self::InvalidNewPassword => "INVALID_NEW_PASSWORD",
            Self::InvalidOldPassword => "INVALID_OLD_PASSWORD",
            Self::MalformedId => "MALFORMED_ID",
            Self::InvalidIdField => "INVALID_ID_FIELD",
            Self::MissingArgument => "MISSING_ARGUMENT",
            Self::XmlParserError => "XML_PARSER_ERROR",
            Self::UnsupportedApiVersion => "UNSUPPORTED_API_VERSION",
            Self::RequestLimitExceeded => "REQUEST_LIMIT_EXCEEDED",
            Self::ServerUnavailable => "SERVER_UNAVAILABLE",
            Self::UnknownException => "UNKNOWN_EXCEPTION",
        }
    }

    /// The message that clients know for this code, if there is one.
    pub const fn standard_message(self) -> Option<&'static str> {
        match self {
            Self::InvalidLogin => {
                Some("Invalid username, password, security token; or user locked out.")
            }
            Self::LoginMustUseSecurityToken => Some(concat!(
                "Invalid username, password, security token; or user locked out. Are you at a new location? ",
                "When accessing Salesforce--either via a desktop client or the API--from outside of your company's ",
                "trusted networks, you must add a security token to your password to log in. To get your new security ",
                "token, log in to Salesforce. From your personal settings, enter Reset My Security Token in the Quick ",
                "Find box, then select Reset My Security Token.",
            )),
            Self::LoginDuringRestrictedDomain => Some("cannot log in from current domain"),
            Self::ApiDisabledForOrg => Some("API is not enabled for this Organization or Partner"),
            // Salesforce adds a hash of the session; ours says nothing about it. WSC renews its
            // session only on the words "Illegal Session" or "Session not found".
            Self::InvalidSessionId => Some(concat!(
                "Invalid Session ID found in SessionHeader: Illegal Session. Session not found. ",
                "This error usually occurs after a session expires or a user logs out.",
            )),
            Self::InvalidOperationWithExpiredPassword => Some(concat!(
                "The users password has expired, you must call SetPassword before attempting any other API ",
                "operations",
            )),
            Self::RequestLimitExceeded => Some("TotalRequests Limit exceeded."),
            Self::LoginDuringRestrictedTime
            | Self::PasswordLockout
            | Self::InvalidOperation
            | Self::FunctionalityNotEnabled
            | Self::InsufficientAccess
            | Self::InvalidNewPassword
            | Self::InvalidOldPassword
            | Self::MalformedId
            | Self::InvalidIdField
            | Self::MissingArgument
            | Self::XmlParserError
            | Self::UnsupportedApiVersion
            | Self::ServerUnavailable
            | Self::UnknownException => None,
        }
    }
}

/// Renders a fault.
#[must_use]
pub fn fault(flavor: Flavor, fault: &Fault<'_>) -> String {
    let kind = fault.kind.as_str();
    let code = fault.code.as_str();
    let namespace = flavor.fault_namespace();
    let mut message = String::new();
    push_escaped(&mut message, fault.message);
    format!(
        concat!(
            r#"<?xml version="1.0" encoding="UTF-8"?>"#,
            r#"<soapenv:Envelope xmlns:soapenv="{envelope}" xmlns:sf="{namespace}" "#,
            r#"xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault>"#,
            r#"<faultcode>sf:{code}</faultcode><faultstring>{code}: {message}</faultstring>"#,
            r#"<detail><sf:{kind} xsi:type="sf:{kind}"><sf:exceptionCode>{code}</sf:exceptionCode>"#,
            r#"<sf:exceptionMessage>{message}</sf:exceptionMessage></sf:{kind}></detail>"#,
            r#"</soapenv:Fault></soapenv:Body></soapenv:Envelope>"#,
        ),
        envelope = ENVELOPE,
        namespace = namespace,
        code = code,
        kind = kind,
        message = message,
    )
}

#[cfg(test)]
mod tests {
    use super::{Fault, FaultCode, FaultKind, fault};
    use crate::soap::Flavor;

    /// The capture of the reference, byte for byte.
    const INVALID_LOGIN: &str = r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:sf="urn:fault.partner.soap.sforce.com" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault><faultcode>sf:INVALID_LOGIN</faultcode><faultstring>INVALID_LOGIN: Invalid username, password, security token; or user locked out.</faultstring><detail><sf:LoginFault xsi:type="sf:LoginFault"><sf:exceptionCode>INVALID_LOGIN</sf:exceptionCode><sf:exceptionMessage>Invalid username, password, security token; or user locked out.</sf:exceptionMessage></sf:LoginFault></detail></soapenv:Fault></soapenv:Body></soapenv:Envelope>"#;

    #[test]
    fn refused_login_has_the_bytes_of_the_capture() {
        let code = FaultCode::InvalidLogin;
        let refused =
            Fault { kind: FaultKind::LoginFault, code, message: code.standard_message().unwrap() };

        assert_eq!(fault(Flavor::Partner, &refused), INVALID_LOGIN);
    }

    #[test]
    fn enterprise_differs_in_the_fault_namespace_alone() {
        let code = FaultCode::InvalidLogin;
        let refused =
            Fault { kind: FaultKind::LoginFault, code, message: code.standard_message().unwrap() };

        assert_eq!(
            fault(Flavor::Enterprise, &refused),
            INVALID_LOGIN.replace("urn:fault.partner.", "urn:fault.enterprise.")
        );
    }

    #[test]
    fn message_cannot_break_out() {
        let refused = Fault {
            kind: FaultKind::UnexpectedErrorFault,
            code: FaultCode::UnknownException,
            message: "</faultstring>\n\u{0}&",
        };

        let body = fault(Flavor::Partner, &refused);
        assert!(body.contains(
            "<faultstring>UNKNOWN_EXCEPTION: &lt;/faultstring&gt;&#10;&amp;</faultstring>"
        ));
        assert!(!body.contains(['\n', '\0']));
    }

    #[test]
    fn dead_session_carries_the_words_that_renew_it() {
        let message = FaultCode::InvalidSessionId.standard_message().unwrap();

        assert!(message.contains("Illegal Session") && message.contains("Session not found"));
    }
}

//! The Salesforce SOAP head: login and the few calls around it, partner and enterprise.
//!
//! Requests are read by namespace, whatever their prefixes; answers are written with literal
//! prefixes, on one line and in the order of the WSDL, because many clients cut them apart as text.
//! Only SOAP 1.1. Which versions are served, and whether the path's flavor must fit the body's, the
//! head decides.

mod answer;
mod document;
mod fault;
mod path;
mod request;

pub use answer::{
    LoginResult, UserInfoResult, change_own_password_response, get_user_info_response,
    invalidate_sessions_response, login_response, logout_response, reset_password_response,
    server_timestamp_response, set_password_response,
};
pub use document::{BODY_LIMIT, Limit, SoapParseError};
pub use fault::{Fault, FaultCode, FaultKind, SOAP_LOGIN_DISABLED, fault};
pub use path::{SoapPath, metadata_server_url, parse_path, server_url, strip_salesforce_prefix};
pub use request::{LOGIN_BODY_LIMIT, Operation, SoapRequest, parse_request};

/// Namespace of the SOAP 1.1 envelope.
const ENVELOPE: &str = "http://schemas.xmlsoap.org/soap/envelope/";

/// Which of the two WSDLs a client was built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// `…/Soap/u/…`, `urn:partner.soap.sforce.com`
    Partner,
    /// `…/Soap/c/…`, `urn:enterprise.soap.sforce.com`
    Enterprise,
}

impl Flavor {
    /// Namespace of operations and results.
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::Partner => "urn:partner.soap.sforce.com",
            Self::Enterprise => "urn:enterprise.soap.sforce.com",
        }
    }

    /// Namespace of faults.
    pub const fn fault_namespace(self) -> &'static str {
        match self {
            Self::Partner => "urn:fault.partner.soap.sforce.com",
            Self::Enterprise => "urn:fault.enterprise.soap.sforce.com",
        }
    }

    /// The letter in the path.
    pub const fn letter(self) -> char {
        match self {
            Self::Partner => 'u',
            Self::Enterprise => 'c',
        }
    }

    fn of_namespace(namespace: &str) -> Option<Self> {
        [Self::Partner, Self::Enterprise].into_iter().find(|flavor| flavor.namespace() == namespace)
    }
}

//! Which fault an outcome becomes.

use std::borrow::Cow;
use std::time::Duration;

use axum::response::Response;
use http::{StatusCode, header};
use symbolon_app::AppError;
use symbolon_app::login::Refused;
use symbolon_core::judge::Refusal;
use symbolon_wire::soap::{self, Fault, FaultCode, FaultKind, Flavor, SoapParseError};

use crate::answer::{RETRY_AFTER, XML, answer, with_retry_after};
use crate::body::BodyFault;
use crate::heads::failure::Failure;

/// A call that is answered with a fault.
pub(super) struct Denied {
    status: StatusCode,
    kind: FaultKind,
    code: FaultCode,
    message: Cow<'static, str>,
    /// Goes into the header, where it is not the usual time.
    retry_after: Option<Duration>,
}

impl Denied {
    /// A fault of any type.
    pub(super) fn new(
        kind: FaultKind,
        code: FaultCode,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self { status, kind, code, message: message.into(), retry_after: None }
    }

    /// A fault of the type that every operation may answer with.
    pub(super) fn unexpected(code: FaultCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(FaultKind::UnexpectedErrorFault, code, message)
    }

    /// A fault whose words clients know.
    pub(super) fn standard(code: FaultCode) -> Self {
        Self::unexpected(code, code.standard_message().unwrap_or_default())
    }

    /// The one refusal of a login. The correlation id leads the owner to the reason.
    ///
    /// # Security
    /// `tell_missing_token` turns the answer into an oracle for passwords; it is the administrator's
    /// choice.
    pub(super) fn login(refused: &Refused, tell_missing_token: bool) -> Self {
        let code = if tell_missing_token && refused.refusal == Refusal::TokenMissing {
            FaultCode::LoginMustUseSecurityToken
        } else {
            FaultCode::InvalidLogin
        };
        let standard = code.standard_message().unwrap_or_default();
        let message = format!("{standard} ({})", refused.correlation_id);
        Self::new(FaultKind::LoginFault, code, message)
    }

    /// A request that is not one of ours.
    pub(super) fn unread(error: SoapParseError) -> Self {
        let is_incomplete = matches!(error, SoapParseError::MissingElement(_));
        let code =
            if is_incomplete { FaultCode::MissingArgument } else { FaultCode::XmlParserError };
        let denied = Self::unexpected(code, error.to_string());
        if error == SoapParseError::TooLarge {
            return denied.with_status(StatusCode::PAYLOAD_TOO_LARGE);
        }
        denied
    }

    /// A body that was not read.
    pub(super) fn body(fault: BodyFault) -> Self {
        let (status, text) = fault.told();
        Self::unexpected(FaultCode::XmlParserError, text).with_status(status)
    }

    /// A use case that was not done.
    pub(super) fn failed(error: &AppError) -> Self {
        match error {
            AppError::Password(fault) => Self::new(
                FaultKind::InvalidNewPasswordFault,
                FaultCode::InvalidNewPassword,
                fault.to_string(),
            ),
            AppError::NotFound(_) => Self::new(
                FaultKind::InvalidIdFault,
                FaultCode::InvalidIdField,
                "there is no such user",
            ),
            AppError::Forbidden(why) => Self::unexpected(FaultCode::InvalidOperation, *why),
            AppError::TooMany { .. }
            | AppError::Database(_)
            | AppError::Busy
            | AppError::Corrupt(_)
            | AppError::KeyMissing
            | AppError::Invalid(_)
            | AppError::Taken(_)
            | AppError::KeyUsed
            | AppError::Name { .. } => {
                let failure = Failure::noted(error);
                let denied = match failure {
                    Failure::TooMany { retry_after } => Self {
                        retry_after: Some(retry_after),
                        ..Self::standard(FaultCode::RequestLimitExceeded)
                    },
                    Failure::TryLater => {
                        Self::unexpected(FaultCode::ServerUnavailable, failure.text())
                    }
                    Failure::Broken => {
                        Self::unexpected(FaultCode::UnknownException, failure.text())
                    }
                };
                denied.with_status(failure.status())
            }
        }
    }

    /// The same fault under another status than 500.
    pub(super) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The answer to the client.
    pub(super) fn answer(self, flavor: Flavor) -> Response {
        let fault = Fault { kind: self.kind, code: self.code, message: &self.message };
        let mut response = answer(self.status, XML, soap::fault(flavor, &fault));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        match self.retry_after {
            Some(retry_after) => with_retry_after(response, retry_after),
            None => response,
        }
    }
}

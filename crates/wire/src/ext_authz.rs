//! Envoy's external authorization over gRPC: `envoy.service.auth.v3.Authorization/Check`.
//!
//! Written by hand after the files of Envoy's `api/` folder that each message names, with the fields
//! that are needed; a reader of protocol buffers skips the others. What only passes through is kept as
//! [`Bytes`], which share the buffer of the call: a `string` and a `bytes` field look alike on the
//! wire. Whether a request is allowed is decided elsewhere, and by which numbers it is refused too.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use prost::{Message, Oneof};

use crate::grpc::{self, GrpcError};
use crate::{HeaderLines, RequestHeader};

/// Where the call is found on an HTTP/2 connection.
pub const CHECK_PATH: &str = "/envoy.service.auth.v3.Authorization/Check";

/// `envoy/service/auth/v3/external_auth.proto`
#[derive(Clone, PartialEq, Message)]
pub struct CheckRequest {
    /// What is known of the request.
    #[prost(message, optional, tag = "1")]
    pub attributes: Option<AttributeContext>,
}

/// `envoy/service/auth/v3/attribute_context.proto`, as the messages below up to [`HttpRequest`].
#[derive(Clone, PartialEq, Message)]
pub struct AttributeContext {
    /// Who sent the request to Envoy.
    #[prost(message, optional, tag = "1")]
    pub source: Option<Peer>,
    /// The request.
    #[prost(message, optional, tag = "4")]
    pub request: Option<Request>,
    /// What the route's configuration adds. A map is a list of pairs on the wire.
    #[prost(message, repeated, tag = "10")]
    pub context_extensions: Vec<ContextExtension>,
}

/// One end of a connection.
#[derive(Clone, PartialEq, Message)]
pub struct Peer {
    /// Its address.
    #[prost(message, optional, tag = "1")]
    pub address: Option<Address>,
}

/// A request of any protocol.
#[derive(Clone, PartialEq, Message)]
pub struct Request {
    /// A request of HTTP, or of what looks like it.
    #[prost(message, optional, tag = "2")]
    pub http: Option<HttpRequest>,
}

/// The request that Envoy asks about.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub struct HttpRequest {
    /// The method, for example `GET`.
    #[prost(string, tag = "2")]
    pub method: String,
    /// The headers, names in lower case, lines of one name joined with commas.
    #[prost(message, repeated, tag = "3")]
    pub headers: Vec<HeaderValue>,
    /// The request target with its query.
    #[prost(string, tag = "4")]
    pub path: String,
    /// The authority that was asked for.
    #[prost(string, tag = "5")]
    pub host: String,
    /// `http` or `https`.
    #[prost(string, tag = "6")]
    pub scheme: String,
    /// The headers line by line, instead of `headers`, where Envoy's `encode_raw_headers` is on.
    #[prost(message, optional, tag = "13")]
    pub header_map: Option<HeaderMap>,
}

/// An entry of the route's configuration.
#[derive(Clone, PartialEq, Message)]
pub struct ContextExtension {
    /// Its name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// `envoy/config/core/v3/address.proto`; other kinds of addresses are not read.
#[derive(Clone, PartialEq, Message)]
pub struct Address {
    /// An address of the internet.
    #[prost(message, optional, tag = "1")]
    pub socket_address: Option<SocketAddress>,
}

/// `envoy/config/core/v3/address.proto`
#[derive(Clone, PartialEq, Message)]
pub struct SocketAddress {
    /// The address without its port.
    #[prost(string, tag = "2")]
    pub address: String,
}

/// `envoy/config/core/v3/base.proto`; also an entry of [`HttpRequest::headers`], whose first two
/// fields are the same.
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub struct HeaderValue {
    /// The name.
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    /// The value as text.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
    /// The value as bytes, instead of the text.
    #[prost(bytes = "bytes", tag = "3")]
    pub raw_value: Bytes,
}

/// `envoy/config/core/v3/base.proto`
#[derive(Clone, PartialEq, Message)]
pub struct HeaderMap {
    /// One entry for each line.
    #[prost(message, repeated, tag = "1")]
    pub headers: Vec<HeaderValue>,
}

/// `envoy/service/auth/v3/external_auth.proto`, as the two responses below.
#[derive(Clone, PartialEq, Message)]
pub struct CheckResponse {
    /// Nought allows the request, everything else denies it.
    #[prost(message, optional, tag = "1")]
    pub status: Option<RpcStatus>,
    /// What becomes of the request.
    #[prost(oneof = "HttpResponse", tags = "2, 3")]
    pub http_response: Option<HttpResponse>,
}

/// What becomes of a request.
#[derive(Clone, PartialEq, Oneof)]
pub enum HttpResponse {
    /// It is answered with this.
    #[prost(message, tag = "2")]
    Denied(DeniedHttpResponse),
    /// It goes on with this.
    #[prost(message, tag = "3")]
    Ok(OkHttpResponse),
}

/// The answer to a request that is denied.
#[derive(Clone, PartialEq, Message)]
pub struct DeniedHttpResponse {
    /// The status; 403 if there is none.
    #[prost(message, optional, tag = "1")]
    pub status: Option<HttpStatus>,
    /// Headers of the answer.
    #[prost(message, repeated, tag = "2")]
    pub headers: Vec<HeaderValueOption>,
    /// Body of the answer.
    #[prost(string, tag = "3")]
    pub body: String,
}

/// Changes to a request that is allowed.
#[derive(Clone, PartialEq, Message)]
pub struct OkHttpResponse {
    /// Headers that replace those of the request.
    #[prost(message, repeated, tag = "2")]
    pub headers: Vec<HeaderValueOption>,
    /// Names of headers that the service behind Envoy is not to see.
    #[prost(bytes = "bytes", repeated, tag = "5")]
    pub headers_to_remove: Vec<Bytes>,
}

/// `envoy/type/v3/http_status.proto`
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub struct HttpStatus {
    /// The number; an enumeration in the file, which is the same on the wire.
    #[prost(int32, tag = "1")]
    pub code: i32,
}

/// `envoy/config/core/v3/base.proto`
#[derive(Clone, PartialEq, Message)]
pub struct HeaderValueOption {
    /// The header.
    #[prost(message, optional, tag = "1")]
    pub header: Option<HeaderValue>,
    /// What becomes of a header of that name that is there already.
    #[prost(int32, tag = "3")]
    pub append_action: i32,
    /// Whether an empty value is a value.
    #[prost(bool, tag = "4")]
    pub keep_empty_value: bool,
}

/// `google/rpc/status.proto`
#[derive(Clone, PartialEq, Eq, Message)]
pub struct RpcStatus {
    /// A number of gRPC.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// For developers.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// Why a request is denied, as far as Envoy is told. There is no "OK" here, which would allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// There is no credential, or no good one.
    Unauthenticated,
    /// Whose credential it is is known, and it is not allowed here.
    PermissionDenied,
    /// There are too many requests.
    ResourceExhausted,
    /// The answer cannot be known now.
    Unavailable,
}

impl Denial {
    const fn grpc_status(self) -> i32 {
        match self {
            Self::Unauthenticated => grpc::status::UNAUTHENTICATED,
            Self::PermissionDenied => grpc::status::PERMISSION_DENIED,
            Self::ResourceExhausted => grpc::status::RESOURCE_EXHAUSTED,
            Self::Unavailable => grpc::status::UNAVAILABLE,
        }
    }
}

/// `HeaderValueOption.HeaderAppendAction`: whatever a client sent under the name is gone.
const OVERWRITE_IF_EXISTS_OR_ADD: i32 = 2;

impl CheckRequest {
    /// Reads the body of a call.
    ///
    /// # Errors
    ///
    /// The [`GrpcError`] met first.
    pub fn parse(body: Bytes) -> Result<Self, GrpcError> {
        Self::decode(grpc::unframe(body)?).map_err(|_| GrpcError::Malformed)
    }

    /// The request that Envoy asks about.
    pub fn http(&self) -> Option<&HttpRequest> {
        self.attributes.as_ref()?.request.as_ref()?.http.as_ref()
    }

    /// The address of Envoy's client, without its port.
    pub fn source_address(&self) -> Option<&str> {
        let address = self.attributes.as_ref()?.source.as_ref()?.address.as_ref()?;
        Some(address.socket_address.as_ref()?.address.as_str())
    }

    /// What the route's configuration adds.
    pub fn context_extensions(&self) -> impl Iterator<Item = (&str, &str)> {
        let extensions = self.attributes.iter().flat_map(|known| &known.context_extensions);
        extensions.map(|entry| (entry.key.as_str(), entry.value.as_str()))
    }

    /// The values of the header `name`, which is in lower case.
    pub fn header_lines(&self, name: &str) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.headers().iter().filter(move |line| line.key == name).map(HeaderValue::either_value)
    }

    fn headers(&self) -> &[HeaderValue] {
        match self.http() {
            Some(HttpRequest { header_map: Some(map), .. }) => &map.headers,
            Some(http) => &http.headers,
            None => &[],
        }
    }
}

impl HeaderLines for CheckRequest {
    fn lines(&self, header: RequestHeader) -> impl Iterator<Item = &[u8]> {
        self.header_lines(header.name())
    }

    fn lines_may_be_joined(&self) -> bool {
        self.http().is_some_and(|http| http.header_map.is_none())
    }
}

impl HeaderValue {
    fn either_value(&self) -> &[u8] {
        if self.raw_value.is_empty() { &self.value } else { &self.raw_value }
    }
}

impl CheckResponse {
    /// Allows the request: it goes on with `headers` in place of its own and without those that
    /// `removed` names.
    pub fn allowed<'a>(
        headers: impl IntoIterator<Item = (&'static str, Cow<'a, str>)>,
        removed: &[&'static str],
    ) -> Self {
        let response = OkHttpResponse {
            headers: headers.into_iter().map(overwriting).collect(),
            headers_to_remove: removed.iter().copied().map(Bytes::from).collect(),
        };
        Self::new(grpc::status::OK, HttpResponse::Ok(response))
    }

    /// Denies the request: it is answered with `http_status`, `headers` and `body`.
    pub fn denied<'a>(
        denial: Denial,
        http_status: u16,
        headers: impl IntoIterator<Item = (&'static str, Cow<'a, str>)>,
        body: String,
    ) -> Self {
        let response = DeniedHttpResponse {
            status: Some(HttpStatus { code: http_status.into() }),
            headers: headers.into_iter().map(overwriting).collect(),
            body,
        };
        Self::new(denial.grpc_status(), HttpResponse::Denied(response))
    }

    /// Writes the body of the answer.
    #[must_use]
    pub fn render(&self) -> Bytes {
        grpc::frame(self)
    }

    fn new(grpc_status: i32, response: HttpResponse) -> Self {
        let status = RpcStatus { code: grpc_status, message: String::new() };
        Self { status: Some(status), http_response: Some(response) }
    }
}

fn overwriting((name, value): (&'static str, Cow<'_, str>)) -> HeaderValueOption {
    let value = match value {
        Cow::Borrowed(text) => Bytes::copy_from_slice(text.as_bytes()),
        Cow::Owned(text) => Bytes::from(text),
    };
    let header = HeaderValue { key: Bytes::from(name), value, raw_value: Bytes::new() };
    HeaderValueOption {
        header: Some(header),
        append_action: OVERWRITE_IF_EXISTS_OR_ADD,
        // An identity header that is not known must be set to nothing, not left as a client sent it.
        keep_empty_value: true,
    }
}

/// Headers hold credentials, and targets may.
impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

/// Headers hold credentials.
impl fmt::Debug for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeaderValue").field("key", &self.key).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

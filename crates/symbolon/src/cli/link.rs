//! The way to the running server: JSON over the control socket in its data dir.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::exit::{Exit, Failure, of_problem};
use crate::serve::control_socket;

/// How long an answer may take: longer than any wait within the server.
const PATIENCE: Duration = Duration::from_mins(1);

/// The way to a server.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    data_dir: PathBuf,
}

impl Link {
    pub(crate) fn of(data_dir: &Path) -> Self {
        Self { data_dir: data_dir.to_owned() }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Value, Failure> {
        self.ask(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Result<Value, Failure> {
        self.ask(Method::PUT, path, Some(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Result<Value, Failure> {
        self.ask(Method::PATCH, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.ask(Method::DELETE, path, None).await
    }

    /// Asks and answers what the server says; `Null` where it says nothing.
    ///
    /// # Errors
    /// [`Exit::Unreachable`] where no server answers; what its problem says otherwise.
    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<Value, Failure> {
        let stream = self.connect()?;
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "control")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body));
        let request = request
            .map_err(|error| Failure::because(Exit::Usage, "cannot be asked for", &error))?;
        let (status, bytes) = match timeout(PATIENCE, exchange(stream, request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(self.unreachable(&error.to_string())),
            Err(_) => return Err(self.unreachable("it does not answer")),
        };
        understood(status, &bytes)
    }

    fn connect(&self) -> Result<UnixStream, Failure> {
        match control_socket::connect(&self.data_dir) {
            Ok(stream) => Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let reason = format!("you may not use {}", self.socket().display());
                Err(Failure::new(Exit::NotPermitted, reason))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(self.unreachable("there is no control socket"))
            }
            Err(error) => Err(self.unreachable(&error.to_string())),
        }
    }

    fn unreachable(&self, why: &str) -> Failure {
        let dir = self.data_dir.display();
        let reason = format!(
            "no server answers at {}: {why}; start it with `symbolon serve --data-dir {dir}`",
            self.socket().display()
        );
        Failure::new(Exit::Unreachable, reason)
    }

    fn socket(&self) -> PathBuf {
        self.data_dir.join(control_socket::NAME)
    }
}

/// A segment of a path, whatever is in it.
pub(crate) fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
    let written = |byte: u8| {
        if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    text.bytes().map(written).collect()
}

async fn exchange(
    stream: UnixStream,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, Bytes), hyper::Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let bytes = answer.into_body().collect().await?.to_bytes();
    driver.abort();
    Ok((status, bytes))
}

fn understood(status: StatusCode, bytes: &[u8]) -> Result<Value, Failure> {
    let value = if bytes.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(bytes) };
    let value: Value = value.map_err(|error| {
        Failure::because(Exit::Failed, format!("the server's answer ({status}) is no JSON"), &error)
    })?;
    if status.is_success() {
        return Ok(value);
    }
    let kind = value["type"].as_str().unwrap_or_default();
    let detail = value["detail"].as_str().unwrap_or("the server gave no reason").replace('\n', " ");
    Err(Failure::new(of_problem(kind), detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_becomes_its_code_and_its_reason() {
        let body = br#"{"type":"urn:symbolon:problem:taken","detail":"this username is taken"}"#;

        let failure = understood(StatusCode::CONFLICT, body).unwrap_err();

        assert_eq!(
            (failure.exit, failure.reason.as_str()),
            (Exit::Conflict, "this username is taken")
        );
    }

    #[test]
    fn a_segment_cannot_become_two() {
        assert_eq!(segment("a/../b?c d"), "a%2F..%2Fb%3Fc%20d");
        assert_eq!(segment("jane.doe+x@example.com"), "jane.doe%2Bx@example.com");
    }
}

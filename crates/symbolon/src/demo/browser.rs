//! A very small browser: one HTTP/1.1 request a connection, cookies kept, redirects followed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::exit::{Exit, Failure};

const PATIENCE: Duration = Duration::from_secs(20);
const MOST_REDIRECTS: u32 = 5;

/// An answer.
pub(super) struct Page {
    pub(super) status: StatusCode,
    /// The path where it was found, after redirects.
    pub(super) path: String,
    pub(super) text: String,
}

/// A browser at one server.
pub(super) struct Browser {
    address: SocketAddr,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(super) fn at(address: SocketAddr) -> Self {
        Self { address, cookies: BTreeMap::new() }
    }

    pub(super) async fn get(&mut self, path: &str) -> Result<Page, Failure> {
        self.go(Method::GET, path, None).await
    }

    /// Sends a form as a browser does.
    pub(super) async fn submit(
        &mut self,
        path: &str,
        fields: &[(String, String)],
    ) -> Result<Page, Failure> {
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
            .collect();
        let content = ("application/x-www-form-urlencoded", pairs.join("&"));
        self.go(Method::POST, path, Some(content)).await
    }

    /// Sends a body as an API client does.
    pub(super) async fn post(
        &mut self,
        path: &str,
        kind: &'static str,
        body: String,
    ) -> Result<Page, Failure> {
        self.go(Method::POST, path, Some((kind, body))).await
    }

    async fn go(
        &mut self,
        method: Method,
        path: &str,
        content: Option<(&'static str, String)>,
    ) -> Result<Page, Failure> {
        let (mut method, mut path, mut content) = (method, path.to_owned(), content);
        for _ in 0..MOST_REDIRECTS {
            let (status, headers, text) = self.ask(&method, &path, content.take()).await?;
            let target = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
            match target.and_then(|target| target.parse::<Uri>().ok()) {
                Some(target) if status.is_redirection() => {
                    let query = target.path_and_query();
                    path = query.map_or_else(|| "/".to_owned(), ToString::to_string);
                    method = Method::GET;
                }
                Some(_) | None => return Ok(Page { status, path, text }),
            }
        }
        Err(Failure::new(Exit::Failed, "too many redirects"))
    }

    async fn ask(
        &mut self,
        method: &Method,
        path: &str,
        content: Option<(&'static str, String)>,
    ) -> Result<(StatusCode, HeaderMap, String), Failure> {
        let (kind, body) = content.unwrap_or_default();
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string())
            .header(header::USER_AGENT, "symbolon-demo/1.0");
        if !kind.is_empty() {
            let origin = format!("http://{}", self.address);
            request = request.header(header::CONTENT_TYPE, kind).header(header::ORIGIN, origin);
        }
        if kind.starts_with("text/xml") {
            request = request.header("soapaction", "login");
        }
        if !self.cookies.is_empty() {
            let pairs: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(header::COOKIE, pairs.join("; "));
        }
        let request = request.body(Full::new(Bytes::from(body)));
        let request = request.map_err(|error| failed(&error))?;
        let answer = timeout(PATIENCE, exchange(self.address, request)).await;
        let (status, headers, bytes) = answer
            .map_err(|_| Failure::new(Exit::Failed, format!("{path} was not answered")))?
            .map_err(|error| failed(&*error))?;
        self.keep_cookies(&headers);
        Ok((status, headers, String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.trim().to_owned(), value.trim().to_owned());
            }
        }
    }
}

type Broken = Box<dyn std::error::Error + Send + Sync>;

async fn exchange(
    address: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Result<(StatusCode, HeaderMap, Bytes), Broken> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let (parts, body) = sender.send_request(request).await?.into_parts();
    let bytes = body.collect().await?.to_bytes();
    driver.abort();
    Ok((parts.status, parts.headers, bytes))
}

fn failed(error: &dyn std::error::Error) -> Failure {
    Failure::because(Exit::Failed, "a request failed", error)
}

/// Percent-encoding that every decoder of forms undoes.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let written =
        |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(written).collect()
}

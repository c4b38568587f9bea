//! As much of an HTTP/1.1 client as the figures need: one exchange on a connection that stays open.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};

use tokio::net::TcpSocket;

/// The head and the body of a request that names its length.
pub(crate) fn request(line: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let length = body.len().to_string();
    let length = (!body.is_empty()).then_some(("Content-Length", length.as_str()));
    let mut text = format!("{line} HTTP/1.1\r\nHost: 127.0.0.1\r\n");
    for (name, value) in headers.iter().copied().chain(length) {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text.extend(["\r\n", body]);
    text.into_bytes()
}

/// A connection that stays open.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    /// Connects to a port of this machine.
    pub(crate) fn connect(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        Self::over(stream)
    }

    /// The same, as if from another machine.
    pub(crate) async fn connect_from(source: Ipv4Addr, port: u16) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(IpAddr::V4(source), 0))?;
        let to = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let stream = socket.connect(to).await?.into_std()?;
        stream.set_nonblocking(false)?;
        Self::over(stream)
    }

    fn over(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(4096) })
    }

    /// Sends a request and reads its answer whole; tells the status.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> io::Result<u16> {
        self.stream.write_all(request)?;
        self.received.clear();
        loop {
            if let Some(answer) = Answer::begun_by(&self.received)
                && self.received.len() >= answer.length
            {
                return Ok(answer.status);
            }
            self.receive()?;
        }
    }

    fn receive(&mut self) -> io::Result<()> {
        let mut chunk = [0; 4096];
        let length = self.stream.read(&mut chunk)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.received.extend_from_slice(&chunk[..length]);
        Ok(())
    }
}

/// What the head of an answer says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    /// Its status; 0 if it has none.
    pub(crate) status: u16,
    /// Bytes of head and body.
    pub(crate) length: usize,
}

impl Answer {
    /// Reads the head, if all of it is there.
    pub(crate) fn begun_by(received: &[u8]) -> Option<Self> {
        let head = received.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let mut lines = received[..head].split(|byte| *byte == b'\n');
        let status = lines.next().and_then(|line| number(line.get(9..12)?)).unwrap_or(0);
        let body = lines.find_map(length_in).unwrap_or(0);
        Some(Self { status: u16::try_from(status).unwrap_or(0), length: head + body })
    }

    /// Whether the status is one of success.
    pub(crate) fn is_success(self) -> bool {
        (200..300).contains(&self.status)
    }
}

fn length_in(line: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let (name, value) = line.split_at_checked(NAME.len())?;
    if name.eq_ignore_ascii_case(NAME) { number(value.trim_ascii()) } else { None }
}

fn number(digits: &[u8]) -> Option<usize> {
    str::from_utf8(digits).ok()?.parse().ok()
}

//! A TCP stream that gives away one line at a time.
//!
//! RFC 3207 §6: what a server sends in the clear after its answer to STARTTLS must not be taken
//! for what it says under TLS, else whoever sits on the wire puts words into its mouth. lettre
//! reads through a buffer that outlives the change to TLS, so that buffer must be empty by then:
//! this stream hands it no more than the line that it asked for. The rest stays here and meets the
//! TLS handshake, which fails on it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// See the module.
#[derive(Debug)]
pub(super) struct Linewise {
    stream: TcpStream,
    held_back: Vec<u8>,
}

impl Linewise {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, held_back: Vec::new() }
    }
}

impl AsyncRead for Linewise {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.held_back.is_empty() {
            let mut chunk = [0; 4096];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut read))?;
            this.held_back.extend_from_slice(read.filled());
        }
        let line = this.held_back.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
        let length = line.unwrap_or(this.held_back.len()).min(buf.remaining());
        buf.put_slice(&this.held_back[..length]);
        this.held_back.drain(..length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Linewise {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Linewise {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.peer_addr()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_follows_the_answer_to_starttls_stays_out_of_the_readers_buffer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        server.write_all(b"220 go ahead\r\n250 injected\r\nrest").await.unwrap();
        drop(server);

        let mut stream = Linewise::new(client);
        let mut buffer = [0; 100];
        let mut reads = Vec::new();
        loop {
            let count = stream.read(&mut buffer).await.unwrap();
            if count == 0 {
                break;
            }
            reads.push(String::from_utf8_lossy(&buffer[..count]).into_owned());
        }

        assert_eq!(reads[..2], ["220 go ahead\r\n", "250 injected\r\n"]);
        assert_eq!(reads[2..].concat(), "rest");
    }
}

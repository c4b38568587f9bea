//! A mail server that follows a script: which answer each command gets, and nothing else.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// What the server says to a command that begins with the given word. `""` is the greeting, `"."`
/// the end of the mail. An answer of `"hang up"` closes the connection, `"silence"` says nothing.
pub(crate) type Script = &'static [(&'static str, &'static str)];

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// A server that takes everything, but for what `script` says.
    pub(crate) async fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, script, Arc::clone(&log)));
            }
        });
        Self { address, heard }
    }

    /// An address where nobody listens.
    pub(crate) fn nobody() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 1)), heard: Arc::default() }
    }

    /// The command lines of all connections so far; the mail itself as one entry.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

async fn serve(stream: TcpStream, script: Script, heard: Arc<Mutex<Vec<String>>>) {
    let mut stream = BufReader::new(stream);
    let mut command = String::new();
    loop {
        let answer = answer(script, &command);
        if answer == "hang up" {
            return;
        }
        if answer == "silence" {
            let _ = stream.read_u8().await;
            return;
        }
        if stream.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
            return;
        }
        command.clear();
        if answer.starts_with("354") {
            let mut mail = String::new();
            while !mail.ends_with("\r\n.\r\n") {
                if stream.read_line(&mut mail).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            heard.lock().unwrap().push(mail);
            ".".clone_into(&mut command);
        } else {
            if stream.read_line(&mut command).await.unwrap_or(0) == 0 {
                return;
            }
            heard.lock().unwrap().push(command.trim_end().to_owned());
        }
    }
}

fn answer(script: Script, command: &str) -> &'static str {
    let said = |(word, _): &&(&str, &str)| match *word {
        "" => command.is_empty(),
        word => command.starts_with(word),
    };
    let usual: Script = &[
        ("", "220 mail.example.com ESMTP"),
        ("EHLO", "250-mail.example.com\r\n250-SIZE 1000000\r\n250 AUTH PLAIN LOGIN"),
        ("AUTH", "235 2.7.0 welcome"),
        ("DATA", "354 go ahead"),
        (".", "250 2.0.0 Ok: queued as 4F2"),
        ("QUIT", "221 2.0.0 bye"),
        ("", "250 2.0.0 Ok"),
    ];
    let found = script.iter().find(said).or_else(|| usual.iter().find(said));
    found.map_or("250 2.0.0 Ok", |(_, answer)| answer)
}

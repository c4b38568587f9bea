//! Load by a client that never sleeps, from one core: what a request costs the server, and nothing else.
//!
//! A client that sleeps has to be woken up, and the server pays for that in the kernel; how often depends on
//! which of the two is the faster. wrk keeps up with some servers and not with others, so by its measure a
//! slower handler is charged with more than its own work.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::Duration;

use rustix::event::{Timespec, epoll};
use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::time::Instant;

use crate::verification::http::Answer;
use crate::verification::server::CLIENTS;

/// Asks for so long on so many connections that stay open, the requests in turn; tells how many were
/// answered.
pub(crate) fn ask(port: u16, requests: &[Vec<u8>], connections: usize, time: Duration) -> f64 {
    // A thread of its own, because it keeps to one core.
    let asking = || {
        keep_to(CLIENTS);
        Asking::begin(port, requests, connections).go_on_for(time)
    };
    let answered = thread::scope(|scope| scope.spawn(asking).join());
    answered.expect("the server answers with success")
}

fn keep_to(core: &str) {
    let mut cores = CpuSet::new();
    cores.set(core.parse().expect("a core is named by its number"));
    sched_setaffinity(None, &cores).expect("the core is there");
}

/// All connections, and what is asked next.
struct Asking<'a> {
    requests: &'a [Vec<u8>],
    next: usize,
    conversations: Vec<Conversation>,
    epoll: rustix::fd::OwnedFd,
}

/// A connection on which one request is under way.
struct Conversation {
    stream: TcpStream,
    received: Vec<u8>,
}

const AT_ONCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

impl<'a> Asking<'a> {
    fn begin(port: u16, requests: &'a [Vec<u8>], connections: usize) -> Self {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("Linux has epoll");
        let connect = |number: u64| {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
            stream.set_nodelay(true).expect("it is open");
            stream.set_nonblocking(true).expect("it is open");
            epoll::add(&epoll, &stream, epoll::EventData::new_u64(number), epoll::EventFlags::IN)
                .expect("it is open");
            Conversation { stream, received: Vec::with_capacity(64 * 1024) }
        };
        let conversations = (0..).map(connect).take(connections).collect();
        Self { requests, next: 0, conversations, epoll }
    }

    /// Every request that was sent is also waited for.
    fn go_on_for(mut self, time: Duration) -> f64 {
        let end = Instant::now() + time;
        for number in 0..self.conversations.len() {
            self.send(number);
        }
        let (mut under_way, mut answered) = (self.conversations.len(), 0.0);
        let mut ready = Vec::with_capacity(self.conversations.len());
        while under_way > 0 {
            ready.clear();
            epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut ready), Some(&AT_ONCE))
                .expect("it is open");
            let over = Instant::now() >= end;
            for event in &ready {
                let number = usize::try_from(event.data.u64()).expect("it was one");
                if !self.conversations[number].is_answered() {
                    continue;
                }
                answered += 1.0;
                if over {
                    under_way -= 1;
                } else {
                    self.send(number);
                }
            }
        }
        answered
    }

    fn send(&mut self, number: usize) {
        let request = &self.requests[self.next];
        self.next = (self.next + 1) % self.requests.len();
        let conversation = &mut self.conversations[number];
        conversation.received.clear();
        // One request at a time is far less than what a socket takes at once.
        conversation.stream.write_all(request).expect("the server reads");
    }
}

impl Conversation {
    /// Receives what has come; whether the answer is whole.
    fn is_answered(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(length) => {
                assert!(length > 0, "the server closes no connection");
                self.received.extend_from_slice(&chunk[..length]);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(error) => panic!("the server breaks off: {error}"),
        }
        let Some(answer) = Answer::begun_by(&self.received) else {
            return false;
        };
        assert!(answer.is_success(), "a good question is answered: {}", answer.status);
        self.received.len() >= answer.length
    }
}

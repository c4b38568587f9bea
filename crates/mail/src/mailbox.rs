//! The built-in development mailbox: keeps mail in memory instead of sending it.
//!
//! It shows tokens in the clear to whoever may look, which is its purpose; only `symbolon demo`
//! opens it (`/dev/mailbox`). It forgets everything when the process ends.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use symbolon_core::id::Letter;
use symbolon_core::{Id, Timestamp};
use zeroize::Zeroizing;

use crate::compose::Message;
use crate::transport::{Delivery, Transport};

/// How many mails are kept; the oldest gives way.
const CAPACITY: usize = 200;

/// The development mailbox.
#[derive(Debug, Default)]
pub struct Mailbox {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    last_number: u64,
    mails: VecDeque<Arc<Received>>,
}

/// A mail in the development mailbox.
pub struct Received {
    /// Its number: 1 is the first since the start.
    pub number: u64,
    /// Which letter of the outbox it is.
    pub letter: Id<Letter>,
    /// Its date.
    pub dated: Timestamp,
    /// The recipient's address.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its text part.
    pub text: Zeroizing<String>,
    /// Its HTML part.
    pub html: Zeroizing<String>,
    /// The whole mail as a server would have got it.
    pub raw: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received")
            .field("number", &self.number)
            .field("letter", &self.letter)
            .finish_non_exhaustive()
    }
}

impl Mailbox {
    /// All mails that are still kept, newest first.
    pub fn list(&self) -> Vec<Arc<Received>> {
        self.kept().mails.iter().rev().cloned().collect()
    }

    /// The mail with this number.
    pub fn get(&self, number: u64) -> Option<Arc<Received>> {
        self.kept().mails.iter().find(|mail| mail.number == number).cloned()
    }

    fn keep(&self, message: &Message) -> u64 {
        let mut kept = self.kept();
        kept.last_number += 1;
        let number = kept.last_number;
        if kept.mails.len() == CAPACITY {
            kept.mails.pop_front();
        }
        kept.mails.push_back(Arc::new(Received {
            number,
            letter: message.letter(),
            dated: message.dated(),
            to: message.to().as_str().to_owned(),
            subject: message.subject().to_owned(),
            text: Zeroizing::new(message.reveal_text().to_owned()),
            html: Zeroizing::new(message.reveal_html().to_owned()),
            raw: Zeroizing::new(message.reveal_raw().to_owned()),
        }));
        number
    }

    /// A panic elsewhere leaves the queue whole, for each change of it is a single step.
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Transport for Mailbox {
    async fn deliver(&self, message: &Message) -> Delivery {
        let number = self.keep(message);
        Delivery::HandedOver { reply: format!("250 2.0.0 Ok: development mailbox, mail {number}") }
    }
}

//! From facts to one finished mail: `multipart/alternative`, text first, then HTML.
//!
//! The same letter yields the same bytes at every attempt: date, `Message-ID` and boundary come
//! from the letter, none from a clock or a generator. Everything is ASCII on the wire, so no
//! extension of the mail server is needed: a part with other characters is quoted-printable, which
//! decodes to exactly the lines of the template. A letter with a date in it has a calendar file
//! beside that (`multipart/mixed`). There is nothing remote and no tracking in it.

use std::fmt;
use std::time::{Duration, SystemTime};

use askama::Template;
use lettre::Address;
use lettre::message::header::{
    ContentDisposition, ContentTransferEncoding, ContentType, HeaderName, HeaderValue, MessageId,
};
use lettre::message::{Body, MultiPart, MultiPartKind, SinglePart};
use symbolon_core::id::Letter;
use symbolon_core::names::{DisplayName, EmailAddress};
use symbolon_core::{Id, Timestamp};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::calendar;
use crate::contents::Contents;
use crate::letterhead::{Envelope, Letterhead, host_of};
use crate::link::Link;
use crate::openpgp::{EncryptionFailed, UsableKey};
use crate::wording::{self, Block};

/// Room for a rendered part, so that it never grows and leaves copies behind: the longest letter
/// with the longest names takes less than half.
const PART_CAPACITY: usize = 32 * 1024;

/// RFC 5322 §2.1.1, without the CRLF.
const LONGEST_LINE: usize = 998;

/// One finished mail. What it says is secret: its body is never printed, and is wiped when dropped.
///
/// # Security
/// lettre holds the body unwiped while it encodes and while it sends it. What it frees is not
/// wiped; that much of a token may stay in this process's memory until it is written over.
pub struct Message {
    letter: Id<Letter>,
    dated: Timestamp,
    from: EmailAddress,
    to: EmailAddress,
    subject: String,
    text: Zeroizing<String>,
    html: Zeroizing<String>,
    raw: Zeroizing<Vec<u8>>,
    secrets: Vec<Zeroizing<String>>,
}

/// Why a letter could not be composed: a fault of the installation, never of what a letter says.
#[derive(Debug, Error)]
pub enum ComposeError {
    /// There is no host for the `Message-ID`.
    #[error("the public URL has no host")]
    PublicUrl,
    /// A template failed.
    #[error("a template of the letter failed")]
    Template(#[source] askama::Error),
    /// The headers do not make a mail.
    #[error("the headers do not make a mail")]
    Headers(#[source] lettre::error::Error),
    /// The letter could not be encrypted; it never goes in clear instead.
    #[error("the letter could not be encrypted")]
    Encryption(#[source] EncryptionFailed),
}

impl Message {
    /// Which letter of the outbox this is.
    pub fn letter(&self) -> Id<Letter> {
        self.letter
    }

    /// Its `Date`.
    pub fn dated(&self) -> Timestamp {
        self.dated
    }

    /// The sender.
    pub fn from(&self) -> &EmailAddress {
        &self.from
    }

    /// The recipient.
    pub fn to(&self) -> &EmailAddress {
        &self.to
    }

    /// The subject: it never holds a secret.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The text part with its secrets.
    pub fn reveal_text(&self) -> &str {
        &self.text
    }

    /// The HTML part with its secrets.
    pub fn reveal_html(&self) -> &str {
        &self.html
    }

    /// The whole mail as it goes over the wire (ASCII, CRLF), with its secrets.
    pub fn reveal_raw(&self) -> &[u8] {
        &self.raw
    }

    /// What must not come back in a server's words: the token and the secret part of the link.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(|secret| secret.as_str())
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("letter", &self.letter).finish_non_exhaustive()
    }
}

/// Writes the letter that says `contents`.
///
/// # Errors
/// [`ComposeError`]; trying again with the same letterhead fails again.
pub fn compose(
    letterhead: &Letterhead,
    envelope: &Envelope<'_>,
    contents: &Contents,
) -> Result<Message, ComposeError> {
    finished(letterhead, envelope, drafted(letterhead, envelope, contents)?)
}

/// Writes the letter that says `contents`, encrypted to `key` (RFC 3156). Its headers, which hold no secret,
/// stay in clear. `seed` is random, and for this attempt alone.
///
/// # Errors
/// [`ComposeError`].
pub fn compose_encrypted(
    letterhead: &Letterhead,
    envelope: &Envelope<'_>,
    contents: &Contents,
    key: &UsableKey<'_>,
    seed: [u8; 32],
) -> Result<Message, ComposeError> {
    let mut draft = drafted(letterhead, envelope, contents)?;
    let plain = Zeroizing::new(draft.parts.formatted());
    let armored = key.encrypt(&plain, seed).map_err(ComposeError::Encryption)?;
    draft.parts = encrypted_parts(envelope, &armored);
    // Armor has no character that means something to HTML.
    draft.html = Zeroizing::new(format!("<pre>{armored}</pre>"));
    draft.text = Zeroizing::new(armored);
    finished(letterhead, envelope, draft)
}

/// What a mail is made of.
struct Draft {
    subject: String,
    event: &'static str,
    text: Zeroizing<String>,
    html: Zeroizing<String>,
    parts: MultiPart,
    secrets: Vec<Zeroizing<String>>,
}

fn drafted(
    letterhead: &Letterhead,
    envelope: &Envelope<'_>,
    contents: &Contents,
) -> Result<Draft, ComposeError> {
    let mut wording = wording::of(letterhead, contents);
    wording.blocks.extend(envelope.freeze.into_iter().flat_map(wording::it_was_not_me));
    let name = envelope.name.map(DisplayName::as_str);
    let organization = letterhead.organization.as_str();
    let public_url = letterhead.public_url.as_str();
    let blocks = &wording.blocks;
    let text = rendered(&TextPart { name, blocks, organization, public_url })?;
    let subject = wording.subject.as_str();
    let html = rendered(&HtmlPart { subject, name, blocks, organization, public_url })?;

    let parts = MultiPart::builder()
        .kind(MultiPartKind::Alternative)
        // `=_` cannot occur in quoted-printable, and no line of a text part can begin with it.
        .boundary(format!("=_symbolon_{}", envelope.letter))
        .singlepart(part(ContentType::TEXT_PLAIN, &text))
        .singlepart(part(ContentType::TEXT_HTML, &html));
    let parts = with_calendar(parts, envelope, calendar::of(letterhead, contents, envelope.dated));
    let secrets = contents.secrets().chain(envelope.freeze.map(Link::secret_part));
    let secrets = secrets.map(|secret| Zeroizing::new(secret.to_owned())).collect();
    Ok(Draft {
        subject: wording.subject,
        event: contents.kind().word(),
        text,
        html,
        parts,
        secrets,
    })
}

/// The mail of a draft, whose `parts` say it in clear or encrypted.
fn finished(
    letterhead: &Letterhead,
    envelope: &Envelope<'_>,
    draft: Draft,
) -> Result<Message, ComposeError> {
    let host = host_of(&letterhead.public_url).ok_or(ComposeError::PublicUrl)?;
    let name = envelope.name.map(DisplayName::as_str);
    let mail = lettre::Message::builder()
        .from(mailbox(Some(letterhead.organization.as_str()), &letterhead.from))
        .to(mailbox(name, envelope.to))
        .subject(draft.subject.as_str())
        .date(calendar_date(envelope.dated))
        .header(MessageId::from(format!("<{}.symbolon@{host}>", envelope.letter)))
        // RFC 3834 §5: whoever answers mail by machine leaves this one alone.
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Symbolon-Event", draft.event))
        .multipart(draft.parts)
        .map_err(ComposeError::Headers)?;

    Ok(Message {
        letter: envelope.letter,
        dated: envelope.dated,
        from: letterhead.from.clone(),
        to: envelope.to.clone(),
        subject: draft.subject,
        text: draft.text,
        html: draft.html,
        raw: Zeroizing::new(mail.formatted()),
        secrets: draft.secrets,
    })
}

/// What RFC 3156 §4 makes of an encrypted message.
fn encrypted_parts(envelope: &Envelope<'_>, armored: &str) -> MultiPart {
    let plain = |content_type: &str| {
        ContentType::parse(content_type).expect("a content type as RFC 2045 writes it")
    };
    let version = SinglePart::builder().header(plain("application/pgp-encrypted"));
    let message = SinglePart::builder()
        .header(plain("application/octet-stream; name=\"encrypted.asc\""))
        .header(ContentDisposition::inline_with_name("encrypted.asc"));
    let kind = MultiPartKind::Encrypted { protocol: "application/pgp-encrypted".to_owned() };
    MultiPart::builder()
        .kind(kind)
        .boundary(format!("=_symbolon_pgp_{}", envelope.letter))
        .singlepart(version.body(body_of("Version: 1\n")))
        .singlepart(message.body(body_of(&armored.replace('\r', ""))))
}

#[derive(Template)]
#[template(path = "letter.txt", escape = "none")]
struct TextPart<'a> {
    name: Option<&'a str>,
    blocks: &'a [Block<'a>],
    organization: &'a str,
    public_url: &'a str,
}

#[derive(Template)]
#[template(path = "letter.html")]
struct HtmlPart<'a> {
    subject: &'a str,
    name: Option<&'a str>,
    blocks: &'a [Block<'a>],
    organization: &'a str,
    public_url: &'a str,
}

fn rendered(template: &impl Template) -> Result<Zeroizing<String>, ComposeError> {
    let mut text = Zeroizing::new(String::with_capacity(PART_CAPACITY));
    template.render_into(&mut *text).map_err(ComposeError::Template)?;
    Ok(text)
}

fn part(content_type: ContentType, text: &str) -> SinglePart {
    SinglePart::builder().header(content_type).body(body_of(text))
}

/// The letter with its calendar file beside it, where it has one.
fn with_calendar(letter: MultiPart, envelope: &Envelope<'_>, file: Option<String>) -> MultiPart {
    let Some(file) = file else { return letter };
    // RFC 6047 §2.4: the method stands in the file and on it.
    let content_type = ContentType::parse("text/calendar; charset=utf-8; method=PUBLISH")
        .expect("a content type as RFC 2045 writes it");
    let attached = SinglePart::builder()
        .header(content_type)
        .header(ContentDisposition::attachment("security-token.ics"))
        .body(body_of(&file));
    // Neither boundary may begin with the other.
    let boundary = format!("=_symbolon_all_{}", envelope.letter);
    let all = MultiPart::builder().kind(MultiPartKind::Mixed).boundary(boundary);
    all.multipart(letter).singlepart(attached)
}

/// As it is where every line is short ASCII, so that even a parser that never decodes finds the
/// token; else quoted-printable.
fn body_of(text: &str) -> Body {
    if text.is_ascii() && text.lines().all(|line| line.len() <= LONGEST_LINE) {
        let lines = text.replace('\n', "\r\n").into_bytes();
        Body::dangerous_pre_encoded(lines, ContentTransferEncoding::SevenBit)
    } else {
        Body::new_with_encoding(text.to_owned(), ContentTransferEncoding::QuotedPrintable)
            .expect("quoted-printable takes every text")
    }
}

fn mailbox(name: Option<&str>, address: &EmailAddress) -> lettre::message::Mailbox {
    lettre::message::Mailbox::new(name.map(str::to_owned), lettre_address(address))
}

/// An `EmailAddress` is stricter than what lettre would check.
pub(crate) fn lettre_address(address: &EmailAddress) -> Address {
    let (local, domain) = address.as_str().split_once('@').unwrap_or((address.as_str(), ""));
    Address::new_dangerous(local, domain)
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// RFC 5322 has no years before 1900 and lettre none before 1970 or after 9999.
fn calendar_date(at: Timestamp) -> SystemTime {
    const END_OF_9999: u64 = 253_402_300_799;
    let seconds = u64::try_from(at.unix_ms() / 1000).unwrap_or(0).min(END_OF_9999);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

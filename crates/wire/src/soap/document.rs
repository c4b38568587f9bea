//! A small, bounded, strict XML reader: bytes to a tree of elements with their text.
//!
//! Refused outright: DTDs and every entity but the five predefined (CWE-611, CWE-776), processing
//! instructions, any encoding but UTF-8, characters that XML does not allow, documents that end
//! early or go on after their end. Bounded: bytes, depth, elements, attributes, text. Text is
//! joined across comments, CDATA and references, never cut short: a reader that stops at the
//! comment in `ali<!-- -->ce` authenticates `ali`.
//!
//! The library below is lenient in places (names, the XML declaration, unclosed elements); what it
//! lets through is checked here.

use quick_xml::XmlVersion;
use quick_xml::errors::Error as XmlError;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesDecl, BytesRef, BytesStart, Event};
use quick_xml::name::{NamespaceError, QName, ResolveResult};
use quick_xml::reader::NsReader;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::soap::ENVELOPE;
use crate::xml_text::is_xml_char;

/// Bytes that any request may have: some hundred session ids to invalidate fit in.
pub const BODY_LIMIT: usize = 64 * 1024;

/// The envelope, its parts and our operations nest five deep; headers of others may nest deeper.
const MAX_DEPTH: usize = 16;
/// Real requests declare at most a handful of namespaces on an element.
const MAX_ATTRIBUTES: usize = 32;
/// `invalidateSessions` with its 200 ids needs some 210.
const MAX_ELEMENTS: usize = 512;
/// Bytes of text in one element. Passwords and session ids have hundreds at most.
const MAX_TEXT: usize = 4096;
/// Room given to a text at once, so that a password rarely leaves a copy behind by growing.
const USUAL_TEXT: usize = 256;

/// Which bound a request went over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Limit {
    /// Elements within elements.
    #[error("elements nested too deep")]
    Depth,
    /// Elements in all.
    #[error("too many elements")]
    Elements,
    /// Attributes of one element.
    #[error("too many attributes on one element")]
    Attributes,
    /// Namespaces declared at a time.
    #[error("too many namespaces")]
    Namespaces,
    /// Text of one element.
    #[error("too much text in one element")]
    Text,
}

/// Why a request was refused. No variant holds anything of what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SoapParseError {
    /// More bytes than the operation may have.
    #[error("the request is too large")]
    TooLarge,
    /// Not UTF-8, which includes UTF-16 with a byte order mark.
    #[error("the request is not UTF-8")]
    NotUtf8,
    /// A NUL or another character that XML does not allow, also by reference.
    #[error("the request holds a character that XML does not allow")]
    IllegalCharacter,
    /// The XML declaration names another version than 1.0 or another encoding than UTF-8 or
    /// US-ASCII.
    #[error("the XML version or encoding is not supported")]
    UnsupportedEncoding,
    /// A document type declaration.
    #[error("a document type declaration is not allowed")]
    DoctypeForbidden,
    /// A processing instruction.
    #[error("a processing instruction is not allowed")]
    InstructionForbidden,
    /// One of the bounds was passed.
    #[error("the request has {0}")]
    LimitExceeded(Limit),
    /// Not well-formed XML. Most often a password with `&` or `<` that the client did not escape.
    #[error("the request is not well-formed XML")]
    NotWellFormed,
    /// A SOAP 1.2 envelope.
    #[error("SOAP 1.2 is not supported, send a SOAP 1.1 envelope")]
    Soap12,
    /// Well-formed, but not an envelope with an optional header and a body of one operation.
    #[error("the request is not a SOAP 1.1 envelope with one operation")]
    NotAnEnvelope,
    /// A header that must be understood and is not (SOAP 1.1 §4.2.3).
    #[error("a header that must be understood is unknown")]
    HeaderNotUnderstood,
    /// The operation belongs to neither the partner nor the enterprise namespace.
    #[error("the operation is in an unknown namespace")]
    UnknownNamespace,
    /// An element that may occur once occurs twice.
    #[error("the element {0} occurs twice")]
    DuplicateElement(&'static str),
    /// An element that the operation needs is absent.
    #[error("the element {0} is missing")]
    MissingElement(&'static str),
    /// An element that holds text holds elements too.
    #[error("the element {0} holds markup instead of text")]
    UnexpectedMarkup(&'static str),
}

/// An element with its text and children.
pub(super) struct Element {
    /// Resolved namespace, empty if none.
    pub(super) namespace: String,
    /// Local name.
    pub(super) name: String,
    /// Whether `mustUnderstand` of the envelope namespace is set.
    pub(super) must_understand: bool,
    /// All text directly inside, joined.
    pub(super) text: Zeroizing<String>,
    /// Child elements in order.
    pub(super) children: Vec<Element>,
}

impl Element {
    /// Says whether this is `name` in `namespace`.
    pub(super) fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }

    /// Says whether there is text that is more than layout.
    pub(super) fn has_text(&self) -> bool {
        !self.text.chars().all(is_xml_space)
    }
}

/// Reads a whole document and returns its root element.
pub(super) fn parse(body: &[u8]) -> Result<Element, SoapParseError> {
    let text = characters(body)?;
    let mut reader = NsReader::from_str(text);
    reader.config_mut().enable_all_checks(true);
    let mut tree = Tree::default();
    loop {
        let is_first = reader.buffer_position() == 0;
        let event = reader.read_event().map_err(|fault| classify(&fault))?;
        match event {
            Event::Start(start) => tree.open(element(&reader, &start)?)?,
            Event::Empty(start) => {
                tree.open(element(&reader, &start)?)?;
                tree.close()?;
            }
            Event::End(_) => tree.close()?,
            // `]]>` may not stand in plain text (XML 1.0 §2.4).
            Event::Text(text) if text.contains("]]>") => return Err(SoapParseError::NotWellFormed),
            Event::Text(text) => tree.push_text(&text.xml10_content())?,
            Event::CData(text) if tree.is_inside() => tree.push_text(&text.xml10_content())?,
            Event::GeneralRef(reference) if tree.is_inside() => {
                tree.push_character(resolve(&reference)?)?;
            }
            Event::Comment(_) => {}
            Event::Decl(declaration) if is_first => check_declaration(&declaration, text)?,
            // Each of these in a place where it may not stand.
            Event::CData(_) | Event::GeneralRef(_) | Event::Decl(_) => {
                return Err(SoapParseError::NotWellFormed);
            }
            Event::PI(_) => return Err(SoapParseError::InstructionForbidden),
            Event::DocType(_) => return Err(SoapParseError::DoctypeForbidden),
            Event::Eof => return tree.finish(),
        }
    }
}

/// The tree while it is being read.
#[derive(Default)]
struct Tree {
    open: Vec<Element>,
    root: Option<Element>,
    count: usize,
}

impl Tree {
    fn is_inside(&self) -> bool {
        !self.open.is_empty()
    }

    fn open(&mut self, element: Element) -> Result<(), SoapParseError> {
        if self.root.is_some() {
            return Err(SoapParseError::NotWellFormed);
        }
        if self.open.len() == MAX_DEPTH {
            return Err(SoapParseError::LimitExceeded(Limit::Depth));
        }
        if self.count == MAX_ELEMENTS {
            return Err(SoapParseError::LimitExceeded(Limit::Elements));
        }
        self.count += 1;
        self.open.push(element);
        Ok(())
    }

    fn close(&mut self) -> Result<(), SoapParseError> {
        let element = self.open.pop().ok_or(SoapParseError::NotWellFormed)?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn push_text(&mut self, text: &str) -> Result<(), SoapParseError> {
        let Some(element) = self.open.last_mut() else {
            let is_layout = text.chars().all(is_xml_space);
            return if is_layout { Ok(()) } else { Err(SoapParseError::NotWellFormed) };
        };
        if text.len() > MAX_TEXT - element.text.len() {
            return Err(SoapParseError::LimitExceeded(Limit::Text));
        }
        if element.text.is_empty() {
            element.text.reserve_exact(text.len().max(USUAL_TEXT));
        }
        element.text.push_str(text);
        Ok(())
    }

    fn push_character(&mut self, character: char) -> Result<(), SoapParseError> {
        self.push_text(character.encode_utf8(&mut [0; 4]))
    }

    fn finish(self) -> Result<Element, SoapParseError> {
        if self.is_inside() {
            return Err(SoapParseError::NotWellFormed);
        }
        self.root.ok_or(SoapParseError::NotWellFormed)
    }
}

/// Checks encoding and alphabet of the whole body and drops what may stand before the document.
fn characters(body: &[u8]) -> Result<&str, SoapParseError> {
    if body.len() > BODY_LIMIT {
        return Err(SoapParseError::TooLarge);
    }
    let text = str::from_utf8(body).map_err(|_| SoapParseError::NotUtf8)?;
    if !text.chars().all(is_xml_char) {
        return Err(SoapParseError::IllegalCharacter);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Strictly nothing may stand before the declaration, but templates of real clients begin with a
    // line break.
    Ok(text.trim_start_matches(is_xml_space))
}

fn is_xml_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

fn check_declaration(declaration: &BytesDecl<'_>, document: &str) -> Result<(), SoapParseError> {
    let version = declaration.version().map_err(|_| SoapParseError::NotWellFormed)?;
    let encoding = declaration.encoding().transpose().map_err(|_| SoapParseError::NotWellFormed)?;
    let encoding_fits = match encoding.as_deref() {
        None => true,
        Some(name) if name.eq_ignore_ascii_case("UTF-8") => true,
        Some(name) if name.eq_ignore_ascii_case("US-ASCII") => document.is_ascii(),
        Some(_) => false,
    };
    if version == "1.0" && encoding_fits {
        Ok(())
    } else {
        Err(SoapParseError::UnsupportedEncoding)
    }
}

fn element(reader: &NsReader<&[u8]>, start: &BytesStart<'_>) -> Result<Element, SoapParseError> {
    check_name(start.name())?;
    let must_understand = check_attributes(reader, start)?;
    let (namespace, name) = reader.resolver().resolve_element(start.name());
    let namespace = match namespace {
        ResolveResult::Bound(namespace) => namespace.0.to_owned(),
        ResolveResult::Unbound => String::new(),
        ResolveResult::Unknown(_) => return Err(SoapParseError::NotWellFormed),
    };
    Ok(Element {
        namespace,
        name: name.into_inner().to_owned(),
        must_understand,
        text: Zeroizing::default(),
        children: Vec::new(),
    })
}

/// Checks every attribute and says whether `mustUnderstand` is among them and set.
fn check_attributes(
    reader: &NsReader<&[u8]>,
    start: &BytesStart<'_>,
) -> Result<bool, SoapParseError> {
    let mut must_understand = false;
    // The library compares each name with all before it; the bound keeps that cheap.
    for (count, attribute) in start.attributes().enumerate() {
        if count == MAX_ATTRIBUTES {
            return Err(SoapParseError::LimitExceeded(Limit::Attributes));
        }
        let attribute = attribute.map_err(|_| SoapParseError::NotWellFormed)?;
        check_name(attribute.key)?;
        if attribute.value.contains('<') {
            return Err(SoapParseError::NotWellFormed);
        }
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|_| SoapParseError::NotWellFormed)?;
        if !value.chars().all(is_xml_char) {
            return Err(SoapParseError::IllegalCharacter);
        }
        let (namespace, name) = reader.resolver().resolve_attribute(attribute.key);
        match namespace {
            ResolveResult::Bound(namespace)
                if namespace.0 == ENVELOPE && name.into_inner() == "mustUnderstand" =>
            {
                must_understand = value == "1";
            }
            ResolveResult::Bound(_) | ResolveResult::Unbound => {}
            ResolveResult::Unknown(_) => return Err(SoapParseError::NotWellFormed),
        }
    }
    Ok(must_understand)
}

/// Checks that a name is one or two parts of name characters; above ASCII every letter is taken as
/// one.
fn check_name(name: QName<'_>) -> Result<(), SoapParseError> {
    let (prefix, local) = match name.into_inner().split_once(':') {
        Some((prefix, local)) => (Some(prefix), local),
        None => (None, name.into_inner()),
    };
    let is_part = |part: &str| {
        let mut characters = part.chars();
        let begins = |first: char| first.is_alphabetic() || first == '_';
        characters.next().is_some_and(begins)
            && characters.all(|next| next.is_alphanumeric() || matches!(next, '_' | '-' | '.'))
    };
    if is_part(local) && prefix.is_none_or(is_part) {
        Ok(())
    } else {
        Err(SoapParseError::NotWellFormed)
    }
}

/// Resolves one of the five predefined entities or a character reference. Without a DTD no other
/// entity is declared, so any other is not well-formed (XML 1.0 §4.1).
fn resolve(reference: &BytesRef<'_>) -> Result<char, SoapParseError> {
    if let Some(character) =
        reference.resolve_char_ref().map_err(|_| SoapParseError::NotWellFormed)?
    {
        return if is_xml_char(character) {
            Ok(character)
        } else {
            Err(SoapParseError::IllegalCharacter)
        };
    }
    let text = resolve_xml_entity(reference).ok_or(SoapParseError::NotWellFormed)?;
    text.chars().next().ok_or(SoapParseError::NotWellFormed)
}

/// Drops the library's message, which may quote the body.
fn classify(fault: &XmlError) -> SoapParseError {
    match fault {
        XmlError::Namespace(NamespaceError::TooManyBindings(_)) => {
            SoapParseError::LimitExceeded(Limit::Namespaces)
        }
        XmlError::Namespace(_)
        | XmlError::Io(_)
        | XmlError::Syntax(_)
        | XmlError::IllFormed(_)
        | XmlError::InvalidAttr(_)
        | XmlError::Encoding(_)
        | XmlError::Escape(_) => SoapParseError::NotWellFormed,
    }
}

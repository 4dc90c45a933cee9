//! XML documents of others as a small tree, read with limits.
//!
//! Refused: a document type or an entity of its own (nothing is fetched or expanded), more than
//! [`MAX_DEPTH`] levels, more than [`MAX_TEXT`] octets of text in one element, and input over
//! [`MAX_DOCUMENT`] octets. Names are local names without their prefix; declarations of namespaces
//! are no attributes.

use std::sync::Arc;

use quick_xml::NsReader;
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::name::ResolveResult;

/// Deepest nesting that is read.
pub const MAX_DEPTH: usize = 64;
/// Longest text of one element, in octets.
pub const MAX_TEXT: usize = 64 * 1024;
/// Longest document, in octets.
pub const MAX_DOCUMENT: usize = 64 * 1024 * 1024;
/// Namespaces that are remembered, so that elements share their names.
const MAX_NAMESPACES: usize = 16;

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XmlError {
    /// It is no well-formed XML.
    #[error("line {line}: {reason}")]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// It has a document type, an entity or grows over a limit.
    #[error("line {line}: {what} is refused")]
    Refused {
        /// The line, from 1.
        line: usize,
        /// What it has.
        what: &'static str,
    },
}

/// An element.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Local name.
    pub name: String,
    /// Namespace, if it is in one that is declared.
    pub namespace: Option<Arc<str>>,
    /// Attributes in document order, local names.
    pub attributes: Vec<(String, String)>,
    /// Child elements in document order.
    pub children: Vec<Element>,
    /// Its own text, all pieces joined, outer white space removed.
    pub text: String,
    /// The line its start tag ends in, from 1.
    pub line: usize,
}

impl Element {
    /// The first child of this name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Every child of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// Follows children by name, the first of each.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter()
            .try_fold(self, |element, name| element.child(name))
    }

    /// Text of the first child of this name, unless empty.
    #[must_use]
    pub fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name)
            .map(|child| child.text.as_str())
            .filter(|text| !text.is_empty())
    }

    /// An attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The first element of this name, itself included, in document order.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Self> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }
}

/// Reads a document.
///
/// # Errors
/// [`XmlError`] with the line.
pub fn parse(text: &str) -> Result<Element, XmlError> {
    if text.len() > MAX_DOCUMENT {
        return Err(XmlError::Refused {
            line: 1,
            what: "a document over 64 MiB",
        });
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder {
        text,
        offset: 0,
        line: 1,
        open: Vec::new(),
        root: None,
        namespaces: Vec::new(),
    };
    let mut reader = NsReader::from_str(text);
    loop {
        let event = reader.read_event();
        let position = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        builder.advance(position);
        match event.map_err(|error| builder.malformed(error.to_string()))? {
            Event::Start(start) => {
                let (namespace, _) = reader.resolver().resolve_element(start.name());
                builder.start(&start, &namespace)?;
            }
            Event::Empty(start) => {
                let (namespace, _) = reader.resolver().resolve_element(start.name());
                builder.start(&start, &namespace)?;
                builder.end()?;
            }
            Event::End(_) => builder.end()?,
            Event::Text(piece) => {
                let piece = piece
                    .decode()
                    .map_err(|error| builder.malformed(error.to_string()))?;
                builder.append(&piece)?;
            }
            Event::CData(piece) => {
                let piece = piece
                    .decode()
                    .map_err(|error| builder.malformed(error.to_string()))?;
                builder.append(&piece)?;
            }
            Event::GeneralRef(reference) => builder.reference(&reference)?,
            Event::DocType(_) => return Err(builder.refused("a document type")),
            Event::Eof => break,
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
    if !builder.open.is_empty() {
        return Err(builder.malformed("the document ends inside an element".to_owned()));
    }
    let missing = builder.malformed("there is no element".to_owned());
    builder.root.ok_or(missing)
}

struct Builder<'a> {
    text: &'a str,
    offset: usize,
    line: usize,
    open: Vec<Element>,
    root: Option<Element>,
    /// Namespaces met so far; a document has few.
    namespaces: Vec<Arc<str>>,
}

impl Builder<'_> {
    fn advance(&mut self, position: usize) {
        let passed = self
            .text
            .as_bytes()
            .get(self.offset..position)
            .unwrap_or_default();
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count();
        self.offset = position.max(self.offset);
    }

    fn malformed(&self, reason: String) -> XmlError {
        XmlError::Malformed {
            line: self.line,
            reason,
        }
    }

    fn refused(&self, what: &'static str) -> XmlError {
        XmlError::Refused {
            line: self.line,
            what,
        }
    }

    fn start(
        &mut self,
        start: &BytesStart<'_>,
        namespace: &ResolveResult<'_>,
    ) -> Result<(), XmlError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.refused("nesting deeper than 64"));
        }
        if self.root.is_some() {
            return Err(self.malformed("a second root element".to_owned()));
        }
        let mut element = Element {
            name: local(start.local_name().as_ref()),
            namespace: self.namespace(namespace),
            line: self.line,
            ..Element::default()
        };
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| self.malformed(error.to_string()))?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let value = attribute
                .normalized_value(quick_xml::XmlVersion::Implicit1_0)
                .map_err(|error| self.malformed(error.to_string()))?;
            if value.len() > MAX_TEXT {
                return Err(self.refused("an attribute over 64 KiB"));
            }
            let name = local(attribute.key.local_name().as_ref());
            element.attributes.push((name, value.into_owned()));
        }
        self.open.push(element);
        Ok(())
    }

    fn namespace(&mut self, resolved: &ResolveResult<'_>) -> Option<Arc<str>> {
        let ResolveResult::Bound(namespace) = resolved else {
            return None;
        };
        let name = String::from_utf8_lossy(namespace.0);
        if let Some(known) = self.namespaces.iter().find(|known| ***known == *name) {
            return Some(Arc::clone(known));
        }
        let name: Arc<str> = name.as_ref().into();
        if self.namespaces.len() < MAX_NAMESPACES {
            self.namespaces.push(Arc::clone(&name));
        }
        Some(name)
    }

    fn end(&mut self) -> Result<(), XmlError> {
        let Some(mut element) = self.open.pop() else {
            return Err(self.malformed("an end tag without its start".to_owned()));
        };
        element.text.truncate(element.text.trim_end().len());
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn append(&mut self, piece: &str) -> Result<(), XmlError> {
        let Some(element) = self.open.last_mut() else {
            return if piece.trim().is_empty() {
                Ok(())
            } else {
                Err(self.malformed("text outside the root element".to_owned()))
            };
        };
        let piece = if element.text.is_empty() {
            piece.trim_start()
        } else {
            piece
        };
        element.text.push_str(piece);
        if element.text.len() > MAX_TEXT {
            return Err(self.refused("text over 64 KiB in one element"));
        }
        Ok(())
    }

    /// Only the five of XML itself and character numbers are known.
    fn reference(&mut self, reference: &BytesRef<'_>) -> Result<(), XmlError> {
        let number = reference
            .resolve_char_ref()
            .map_err(|error| self.malformed(error.to_string()))?;
        let character = match number {
            Some(character) => character,
            None => match &**reference {
                b"amp" => '&',
                b"lt" => '<',
                b"gt" => '>',
                b"quot" => '"',
                b"apos" => '\'',
                _ => return Err(self.refused("an entity")),
            },
        };
        self.append(character.encode_utf8(&mut [0; 4]))
    }
}

fn local(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

/// Text with the characters that mean something to XML written as references.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // Not allowed in XML 1.0, clause 2.2.
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {
                escaped.push('\u{fffd}');
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_of_local_names() {
        let root = parse("<?xml version=\"1.0\"?>\n<a:x xmlns:a=\"u\" k=\"1 &lt; 2\">\n <b> t &amp; u <!-- c --></b><b/></a:x>").unwrap();
        assert_eq!(
            (root.name.as_str(), root.attribute("k")),
            ("x", Some("1 < 2"))
        );
        assert_eq!(root.text_of("b"), Some("t & u"));
        assert_eq!(root.all("b").count(), 2);
        assert_eq!(root.child("b").unwrap().line, 3);
    }

    #[test]
    fn what_is_refused() {
        let deep = "<a>".repeat(65) + &"</a>".repeat(65);
        let long = format!("<a>{}</a>", "x".repeat(MAX_TEXT + 1));
        for (text, want) in [
            (
                "<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>",
                "document type",
            ),
            ("<a>&e;</a>", "entity"),
            (deep.as_str(), "deeper"),
            (long.as_str(), "64 KiB"),
            ("<a><b></a>", "line 1"),
            ("<a>", "ends inside"),
            ("", "no element"),
            ("<a/><b/>", "second root"),
            ("<a/>x", "outside"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(want), "{want}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[<>/a-c&;!\\[\\]?=\"' \n-]{0,80}") {
            let _ = parse(&text);
        }

        #[test]
        fn escaped_text_comes_back(text in "[ -~äß\u{20ac}]{0,60}") {
            let root = parse(&format!("<a>{}</a>", escape(&text))).unwrap();
            proptest::prop_assert_eq!(root.text, text.trim());
        }
    }
}

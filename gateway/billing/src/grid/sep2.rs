//! Documents of IEEE 2030.5-2018 (Smart Energy Profile 2), as a tree and as JSON.
//!
//! Only the standard's own namespace is read; drafts named members otherwise and meant other
//! things by them. Elements of other namespaces, which makers may add, are left out. The limits are
//! those of [`crate::xml`].

use serde_json::{Map, Value};

use crate::xml::{self, Element, XmlError};

/// The namespace of IEEE 2030.5-2018.
pub const NAMESPACE: &str = "urn:ieee:std:2030.5:ns";

/// Why a document is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// It is no well-formed XML, or has what is refused.
    #[error(transparent)]
    Malformed(#[from] XmlError),
    /// Its root is of another namespace.
    #[error("the namespace of {root} is {}, not {NAMESPACE}", .namespace.as_deref().unwrap_or("none"))]
    Namespace {
        /// Name of the root.
        root: String,
        /// Its namespace.
        namespace: Option<String>,
    },
}

/// Reads a document.
///
/// # Errors
/// [`DocumentError`].
pub fn read(text: &str) -> Result<Element, DocumentError> {
    let mut root = xml::parse(text)?;
    if root.namespace.as_deref() != Some(NAMESPACE) {
        return Err(DocumentError::Namespace {
            namespace: root.namespace.as_deref().map(str::to_owned),
            root: root.name,
        });
    }
    keep_own(&mut root);
    Ok(root)
}

fn keep_own(element: &mut Element) {
    element
        .children
        .retain(|child| child.namespace.as_deref() == Some(NAMESPACE));
    element.children.iter_mut().for_each(keep_own);
}

/// A document as JSON: attributes as `@name`, children by name, repeated siblings as a list, a leaf
/// as its text (beside attributes as `#text`).
#[must_use]
pub fn json(element: &Element) -> Value {
    let text = || Value::String(element.text.clone());
    if element.attributes.is_empty() && element.children.is_empty() {
        return text();
    }
    let mut members = Map::new();
    for (name, value) in &element.attributes {
        members.insert(format!("@{name}"), Value::String(value.clone()));
    }
    if !element.text.is_empty() {
        members.insert("#text".to_owned(), text());
    }
    for child in &element.children {
        let value = json(child);
        match members.get_mut(&child.name) {
            None => drop(members.insert(child.name.clone(), value)),
            Some(Value::Array(siblings)) => siblings.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tree_as_json() {
        let text = "<s:List xmlns:s='urn:ieee:std:2030.5:ns' xmlns:v='urn:maker' all='2'>
            <s:A href='/a'> x </s:A><s:B>1</s:B><s:A/><s:B>2</s:B><s:B>3</s:B><v:B>4</v:B></s:List>";
        let want = json!({
            "@all": "2",
            "A": [{ "@href": "/a", "#text": "x" }, ""],
            "B": ["1", "2", "3"],
        });
        assert_eq!(json(&read(text).unwrap()), want);
    }

    #[test]
    fn other_namespaces_are_refused() {
        for text in [
            "<Time/>",
            "<Time xmlns='http://ieee.org/2030.5'/>",
            "<Time xmlns='urn:ieee:std:2030.5:ns '/>",
        ] {
            let error = read(text).unwrap_err();
            assert!(matches!(error, DocumentError::Namespace { .. }), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[<>/a-b&;!=\"' x]{0,60}") {
            let wrapped = format!("<a xmlns='{NAMESPACE}'>{text}</a>");
            for text in [&text, &wrapped] {
                if let Ok(root) = read(text) {
                    let _ = json(&root);
                }
            }
        }
    }
}

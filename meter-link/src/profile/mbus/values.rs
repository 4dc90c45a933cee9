//! Values by their name, while a driver reads a telegram.

use super::expression::Term;

/// A few dozen named values.
#[derive(Debug, Default)]
pub(super) struct Values(Vec<(String, Option<Term>)>);

impl Values {
    /// Sets a value; a later one replaces an earlier one.
    pub(super) fn set(&mut self, name: &str, term: Term) {
        self.put(name, Some(term));
    }

    /// Sets a value that may not be there.
    pub(super) fn put(&mut self, name: &str, term: Option<Term>) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, value)) => *value = term,
            None => self.0.push((name.to_owned(), term)),
        }
    }

    /// The value of a name.
    pub(super) fn term(&self, name: &str) -> Option<Term> {
        let (_, term) = self.0.iter().find(|(known, _)| known == name)?;
        term.clone()
    }

    /// True when something was put there, be it nothing.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }
}

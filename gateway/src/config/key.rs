//! The nearest right name for a mistyped key.

/// The one of `known` that is most like `word`, if any is like it at all.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let close = |name: &&'a str| {
        let distance = edits(word, name);
        (distance <= 1 + name.len() / 3).then_some((distance, *name))
    };
    known
        .iter()
        .filter_map(close)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Levenshtein distance: the fewest insertions, deletions and replacements of one character.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        let mut next = vec![left];
        for (&above, &b) in row.iter().skip(1).zip(&to) {
            left = (diagonal + usize::from(a != b))
                .min(above + 1)
                .min(left + 1);
            next.push(left);
            diagonal = above;
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", "abc"), 0);
    }

    #[test]
    fn nearest_or_none() {
        assert_eq!(nearest("prot", &["port", "baud", "protocol"]), Some("port"));
        assert_eq!(nearest("zzzzzz", &["port", "baud"]), None);
    }
}

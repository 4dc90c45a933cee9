//! Bits and numbers in words.

use super::file::{LookupEntry, LookupKind};

/// A number in words, by all lookups of a field: sorted, none twice.
pub(super) fn translate(lookups: &[LookupEntry], number: u64) -> String {
    let words = lookups.iter().fold(String::new(), |all, lookup| {
        join(&all, &one(lookup, number), false)
    });
    sorted(&words)
}

fn one(lookup: &LookupEntry, number: u64) -> String {
    let listed = || {
        let all = lookup.words.iter().chain(&lookup.unset);
        all.fold(0, |mask, (value, _)| mask | value)
    };
    let mask = lookup.mask.unwrap_or_else(listed);
    let mut words: Vec<String> = Vec::new();
    match lookup.kind {
        LookupKind::Bits => {
            let mut bits = number & mask;
            for (value, word) in &lookup.words {
                if bits & value & mask != 0 {
                    words.push(word.clone());
                    bits &= !value;
                }
            }
            for (value, word) in &lookup.unset {
                if number & value & mask == 0 {
                    words.push(word.clone());
                } else {
                    bits &= !value;
                }
            }
            if bits != 0 {
                words.push(format!("{}_{bits:X}", lookup.name));
            }
        }
        LookupKind::Index => {
            let index = number & mask;
            let fitting = lookup.words.iter().filter(|(value, _)| *value == index);
            words.extend(fitting.map(|(_, word)| word.clone()));
            if words.is_empty() {
                words.push(format!("{}_{index:X}", lookup.name));
            }
        }
        LookupKind::Sum => {
            let mut rest = number.checked_rem(mask).unwrap_or(number);
            for (value, word) in &lookup.words {
                if *value > 0 && rest >= *value {
                    words.push(word.clone());
                    rest -= value;
                }
            }
            if rest > 0 {
                words.push(format!("{}_{rest}", lookup.name));
            }
        }
    }
    if words.iter().all(String::is_empty) {
        words = vec![lookup.default.clone()];
    }
    words.join(" ").trim_end().to_owned()
}

/// Joins two statuses; `OK` yields to anything else. With `ok`, nothing at all is OK.
pub(super) fn join(first: &str, second: &str, ok: bool) -> String {
    let (first, second) = (first.trim_end(), second.trim_end());
    let says_nothing = |text: &str| text.is_empty() || text == "OK";
    match (says_nothing(first), says_nothing(second)) {
        (false, false) => format!("{first} {second}"),
        (false, true) => first.to_owned(),
        (true, false) => second.to_owned(),
        (true, true) if ok || first == "OK" || second == "OK" => "OK".to_owned(),
        (true, true) => String::new(),
    }
}

/// Words in alphabetical order, none twice; `~` in a word stands for a blank.
pub(super) fn sorted(words: &str) -> String {
    let mut list: Vec<&str> = words.split_ascii_whitespace().collect();
    list.sort_unstable();
    list.dedup();
    list.join(" ").replace('~', " ")
}

/// The status byte of the transport header in words (EN 13757-7, table 3), its upper three bits by
/// the maker's words where there are any.
pub(super) fn header_status(status: u8, own: &[LookupEntry]) -> String {
    let covers_standard = |lookup: &LookupEntry| lookup.mask.is_some_and(|mask| mask & 0x1F != 0);
    if own.iter().any(covers_standard) {
        let words = translate(own, u64::from(status));
        return if words.is_empty() {
            "OK".to_owned()
        } else {
            words
        };
    }
    let mut words = Vec::new();
    match status & 3 {
        1 => words.push("BUSY"),
        2 => words.push("ERROR"),
        3 => words.push("ALARM"),
        _ => {}
    }
    for (bit, word) in [
        (4, "POWER_LOW"),
        (8, "PERMANENT_ERROR"),
        (16, "TEMPORARY_ERROR"),
    ] {
        if status & bit != 0 {
            words.push(word);
        }
    }
    let standard = words.join(" ");
    let upper = status & 0xE0;
    if upper == 0 {
        return join(&standard, "", true);
    }
    let own = if own.is_empty() {
        format!("UNKNOWN_{upper:02X}")
    } else {
        translate(own, u64::from(upper))
    };
    join(&standard, &own, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(kind: LookupKind, words: &[(u64, &str)]) -> LookupEntry {
        LookupEntry {
            name: "FLAGS".to_owned(),
            kind,
            mask: Some(0xFF),
            default: "OK".to_owned(),
            words: words
                .iter()
                .map(|(value, word)| (*value, (*word).to_owned()))
                .collect(),
            unset: Vec::new(),
        }
    }

    #[test]
    fn words() {
        let bits = [lookup(LookupKind::Bits, &[(2, "LEAK"), (1, "DRY")])];
        assert_eq!(translate(&bits, 0), "OK");
        assert_eq!(translate(&bits, 3), "DRY LEAK");
        assert_eq!(translate(&bits, 0x106), "FLAGS_4 LEAK");
        let index = [lookup(LookupKind::Index, &[(0, "OK"), (1, "SMOKE")])];
        assert_eq!(translate(&index, 1), "SMOKE");
        assert_eq!(translate(&index, 9), "FLAGS_9");
        let sum = [lookup(LookupKind::Sum, &[(20, "B"), (3, "A")])];
        assert_eq!(translate(&sum, 24), "A B FLAGS_1");
        assert_eq!(header_status(0x24, &[]), "POWER_LOW UNKNOWN_20");
        assert_eq!(header_status(0, &[]), "OK");
    }
}

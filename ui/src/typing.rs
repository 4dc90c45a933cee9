//! The text of the on-screen keyboard, key by key.

/// The text after a key: a letter, `space`, or `erase`. A text grows to `most` characters.
#[must_use]
pub fn press(text: &str, key: &str, most: usize) -> String {
    let mut text = text.to_owned();
    match key {
        "erase" => {
            text.pop();
        }
        "space" if text.is_empty() || text.ends_with(' ') => {}
        "space" if text.chars().count() < most => text.push(' '),
        key if text.chars().count() < most && key.chars().count() == 1 => text.push_str(key),
        _ => {}
    }
    text
}

/// Digits of a top-up code.
pub const CODE: usize = 20;

/// Digits in groups of four, with dashes in the place of those that are missing.
#[must_use]
pub fn grouped(digits: &str) -> String {
    let shown = digits.chars().chain(std::iter::repeat('·')).take(CODE);
    let mut text = String::new();
    for (index, digit) in shown.enumerate() {
        if index > 0 && index % 4 == 0 {
            text.push_str("\u{a0}\u{a0}");
        }
        text.push(digit);
    }
    text
}

/// A name as the decoder of appliances takes it: small letters, digits and underscores.
#[must_use]
pub fn appliance_name(text: &str) -> String {
    let mut name = String::new();
    for letter in text.trim().to_lowercase().chars() {
        match letter {
            'a'..='z' | '0'..='9' => name.push(letter),
            'ä' | 'à' | 'á' | 'â' => name.push('a'),
            'é' | 'è' | 'ê' | 'ë' => name.push('e'),
            'í' | 'î' | 'ï' => name.push('i'),
            'ö' | 'ó' | 'ô' => name.push('o'),
            'ü' | 'ú' | 'ù' | 'û' => name.push('u'),
            'ß' => name.push_str("ss"),
            'ç' => name.push('c'),
            'ñ' => name.push('n'),
            _ if !name.ends_with('_') && !name.is_empty() => name.push('_'),
            _ => {}
        }
    }
    let name = name.trim_end_matches('_');
    if name.is_empty() { "appliance" } else { name }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_make_a_text() {
        assert_eq!(press("Ke", "t", 40), "Ket");
        assert_eq!(press("Kä", "erase", 40), "K");
        assert_eq!(press("", "erase", 40), "");
        assert_eq!(press("", "space", 40), "");
        assert_eq!(press("a", "space", 40), "a ");
        assert_eq!(press("a ", "space", 40), "a ");
        assert_eq!(press("ab", "c", 2), "ab");
        assert_eq!(press("a", "ß", 40), "aß");
    }

    #[test]
    fn a_code_stands_in_groups() {
        let blank = "\u{a0}\u{a0}";
        let of = |groups: [&str; 5]| groups.join(blank);
        assert_eq!(
            grouped("12345"),
            of(["1234", "5···", "····", "····", "····"])
        );
        let whole = "12345678901234567890";
        assert_eq!(grouped(whole), of(["1234", "5678", "9012", "3456", "7890"]));
        assert_eq!(press(whole, "1", CODE), whole);
    }

    #[test]
    fn names_are_what_the_decoder_takes() {
        assert_eq!(appliance_name("Büro-PC 2"), "buro_pc_2");
        assert_eq!(appliance_name("  Kaffee!  "), "kaffee");
        assert_eq!(appliance_name("水"), "appliance");
    }
}

//! Distinguished names as text (RFC 4514).

use crate::der::Reader;
use crate::refusal::Refusal;

/// Keywords of RFC 4514, by the last arc below 2.5.4.
const KEYWORDS: [(u8, &str); 7] = [
    (3, "CN"),
    (5, "serialNumber"),
    (6, "C"),
    (7, "L"),
    (8, "ST"),
    (10, "O"),
    (11, "OU"),
];

/// A name, last part first.
pub(crate) fn text(mut name: Reader<'_>) -> Result<String, Refusal> {
    let mut parts = Vec::new();
    while !name.is_empty() {
        let mut set = name.set()?;
        let mut together = Vec::new();
        while !set.is_empty() {
            let mut pair = set.sequence()?;
            let kind = keyword(pair.oid()?);
            let value = pair.next()?;
            together.push(format!(
                "{kind}={}",
                escaped(&String::from_utf8_lossy(value.content))
            ));
        }
        parts.push(together.join("+"));
    }
    parts.reverse();
    Ok(parts.join(","))
}

fn keyword(oid: &[u8]) -> String {
    if let [0x55, 0x04, arc] = oid
        && let Some((_, word)) = KEYWORDS.iter().find(|(known, _)| known == arc)
    {
        return (*word).to_owned();
    }
    dotted(oid)
}

fn dotted(oid: &[u8]) -> String {
    let mut arcs = Vec::new();
    let mut arc = 0_u128;
    for octet in oid.iter().take(64) {
        arc = arc.saturating_mul(128) | u128::from(octet & 0x7F);
        if octet & 0x80 == 0 {
            if arcs.is_empty() {
                let first = (arc / 40).min(2);
                arcs.push(first);
                arc -= first * 40;
            }
            arcs.push(arc);
            arc = 0;
        }
    }
    let arcs: Vec<String> = arcs.iter().map(ToString::to_string).collect();
    arcs.join(".")
}

fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for (place, character) in value.chars().enumerate() {
        let special = matches!(character, ',' | '+' | '"' | '\\' | '<' | '>' | ';');
        if special || (place == 0 && matches!(character, '#' | ' ')) {
            out.push('\\');
        }
        if character.is_control() {
            out.push_str(&format!("\\{:02X}", u32::from(character)));
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arcs_and_escapes() {
        assert_eq!(
            dotted(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]),
            "1.2.840.10045.2.1"
        );
        assert_eq!(keyword(&[0x55, 4, 3]), "CN");
        assert_eq!(escaped("#a, b"), "\\#a\\, b");
    }
}

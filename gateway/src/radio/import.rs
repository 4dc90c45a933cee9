//! Lists of meters' keys: CSV, and the KEM files in which Kamstrup delivers them.

use aes_gcm::aes::Aes128;
use aes_gcm::aes::cipher::{BlockDecryptMut, KeyIvInit};
use anyhow::Context;
use wattle_api::{MeterKey, SecretText};
use zeroize::Zeroizing;

/// A key list of more octets is none.
const LARGEST: usize = 16 * 1024 * 1024;

/// Reads a list of keys. A KEM file needs the password that came with it.
///
/// # Errors
/// It is no list of keys, or the password does not open it. No key is repeated.
pub fn read(content: &[u8], password: Option<&str>) -> anyhow::Result<Vec<MeterKey>> {
    anyhow::ensure!(content.len() <= LARGEST, "a list of keys is not that large");
    anyhow::ensure!(
        !content.starts_with(b"PK"),
        "this is a zip archive: unzip it and import the .kem file in it"
    );
    let text = std::str::from_utf8(content).context("a list of keys is text")?;
    let text = text.trim_start_matches('\u{feff}');
    let keys = if let Some(cipher) = element(text, "CipherValue") {
        let password =
            password.context("a KEM file is opened with the password that came with it")?;
        kem(&open_kem(cipher, password)?)
    } else if element(text, "DEK").is_some() {
        kem(text)
    } else {
        csv(text)?
    };
    anyhow::ensure!(!keys.is_empty(), "there is no key of a meter in it");
    Ok(keys)
}

/// Lines of a number and a key, in any two columns, separated by `;`, `,` or a tab. A first line
/// of headings, empty lines and those that begin with `#` are passed over.
fn csv(text: &str) -> anyhow::Result<Vec<MeterKey>> {
    let mut keys = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fields = || {
            line.split([';', ',', '\t'])
                .map(|field| field.trim().trim_matches('"'))
        };
        let key = fields().find(|field| is_key(field));
        let id = fields().find_map(number_of);
        match (id, key) {
            (Some(id), Some(key)) => keys.push(MeterKey {
                id,
                key: SecretText(key.to_owned()),
            }),
            _ if number == 1 => {}
            (None, _) => anyhow::bail!("line {number}: no field is a meter's number of 8 digits"),
            (_, None) => anyhow::bail!("line {number}: no field is a key of 32 hex digits"),
        }
    }
    Ok(keys)
}

fn is_key(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The eight digits of a meter's number; a longer serial number ends with them (DIN 43863-5).
fn number_of(text: &str) -> Option<String> {
    let digits = text.get(text.len().checked_sub(8)?..)?;
    let front = text.get(..text.len() - 8)?;
    let plain = digits.bytes().all(|b| b.is_ascii_digit())
        && front.len() <= 12
        && front
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b' ');
    plain.then(|| digits.to_owned())
}

/// XML encryption with AES-128-CBC (W3C xmlenc, clause 5.2.2). The key is the password filled up
/// with zeros; the first block is the initial vector.
fn open_kem(cipher: &str, password: &str) -> anyhow::Result<Zeroizing<String>> {
    let octets = base64(cipher).context("the CipherValue is no base64")?;
    let (iv, sealed) = octets
        .split_first_chunk::<16>()
        .filter(|(_, sealed)| !sealed.is_empty() && sealed.len() % 16 == 0)
        .context("the CipherValue is cut")?;
    anyhow::ensure!(
        password.len() <= 16,
        "a KEM password has at most 16 characters"
    );
    let mut key = Zeroizing::new([0; 16]);
    for (octet, character) in key.iter_mut().zip(password.bytes()) {
        *octet = character;
    }
    // Kamstrup's own software takes the key for the initial vector, which spoils the first block
    // only; either way the meters' entries are whole.
    let mut opened = Zeroizing::new(sealed.to_vec());
    let mut cbc = cbc::Decryptor::<Aes128>::new((&*key).into(), iv.into());
    for block in opened.as_chunks_mut::<16>().0 {
        cbc.decrypt_block_mut(block.into());
    }
    let text = String::from_utf8_lossy(&opened);
    anyhow::ensure!(
        text.contains("<DEK>"),
        "the password does not open the file"
    );
    Ok(Zeroizing::new(text.into_owned()))
}

/// Entries of meters: a number and a data encryption key.
fn kem(xml: &str) -> Vec<MeterKey> {
    let mut keys = Vec::new();
    let mut id = None;
    let mut rest = xml;
    while let Some((_, behind)) = rest.split_once('<') {
        rest = behind;
        let Some((name, content)) = behind.split_once('>') else {
            break;
        };
        let value = content.split('<').next().unwrap_or_default().trim();
        match name {
            "Meter" => id = None,
            "SerialNo" | "MeterNo" => id = number_of(value).or(id),
            "DEK" if is_key(value) => keys.extend(id.clone().map(|id| MeterKey {
                id,
                key: SecretText(value.to_owned()),
            })),
            _ => {}
        }
    }
    keys
}

fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, behind) = xml.split_once(&format!("<{name}>"))?;
    behind.split('<').next()
}

fn base64(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3));
    let (mut bits, mut held) = (0u32, 0u32);
    for c in text
        .bytes()
        .filter(|b| !b.is_ascii_whitespace() && *b != b'=')
    {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            octets.push(u8::try_from(bits >> held & 0xFF).ok()?);
        }
    }
    Some(octets)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "000102030405060708090A0B0C0D0E0F";

    fn ids(text: &str) -> Vec<String> {
        let keys = read(text.as_bytes(), None).unwrap();
        assert!(keys.iter().all(|key| key.key.0 == KEY));
        keys.into_iter().map(|key| key.id).collect()
    }

    #[test]
    fn lists_in_columns() {
        for text in [
            format!("12345678;{KEY}\n"),
            format!("Serial,Type,Key\n\"12345678\",water,\"{KEY}\"\n"),
            format!("# mine\n\n{KEY}\t7ELS3312345678\r\n"),
        ] {
            assert_eq!(ids(&text), ["12345678"], "{text}");
        }
        for text in ["", "a;b\n", "a;b\n12345678;00\n", "PK\u{3}\u{4}"] {
            assert!(read(text.as_bytes(), None).is_err(), "{text}");
        }
        let error = read(format!("a;b\n1234;{KEY}\n").as_bytes(), None).unwrap_err();
        assert!(!error.to_string().contains(KEY), "{error}");
    }

    /// Made with `openssl enc -aes-128-cbc -K <password padded> -iv <the same> -nosalt` over the
    /// XML, sixteen octets of which stand in front as initial vector.
    const KEM: &str = include_str!("testdata/example.kem");

    #[test]
    fn a_kem_file() {
        let keys = read(KEM.as_bytes(), Some("12345")).unwrap();
        let ids: Vec<&str> = keys.iter().map(|key| key.id.as_str()).collect();
        assert_eq!(ids, ["61000001", "61000002"]);
        assert_eq!(keys[0].key.0, KEY);
        assert!(read(KEM.as_bytes(), Some("54321")).is_err());
        assert!(read(KEM.as_bytes(), None).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes, Some("password"));
        }

        #[test]
        fn nearly_a_kem(text in "(<CipherValue>|<DEK>|<Meter>|<SerialNo>|[0-9A-Za-z+/=]{0,40}|</DEK>){0,12}") {
            let _ = read(text.as_bytes(), Some("password"));
        }
    }
}

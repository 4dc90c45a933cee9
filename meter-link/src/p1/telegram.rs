//! A telegram whose check is right, and what its lines say about the meters.

use super::lines::{self, Entry, WallTime};
use crate::model::Medium;

/// How a telegram was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineCheck {
    /// Not at all: it was sent without a CRC (DSMR 2.2 and 3, D0).
    Absent,
    /// By its CRC-16/ARC.
    Crc,
}

/// A telegram whose check is right, or that has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telegram {
    /// What stands behind the `/`, as sent.
    pub identification: String,
    /// Its values in the order sent.
    pub entries: Vec<Entry>,
    /// Lines that are no data lines.
    pub strange_lines: Vec<String>,
    /// How it was checked.
    pub check: LineCheck,
    /// All bytes from `/` to the end of the line with `!`, without the line end, as received.
    pub raw: Vec<u8>,
}

/// A meter that reports through this one (wired or wireless M-Bus).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The channel, value group B of its lines: 1 to 255.
    pub number: u8,
    /// Device type of M-Bus (EN 13757-3), from 0-n:24.1.0.
    pub kind: u8,
    /// Its number, from 0-n:96.1.0 or 0-n:96.1.1.
    pub meter_id: Option<String>,
}

impl Channel {
    /// What the device type measures, in a word; `None` for what is not metered in a home.
    #[must_use]
    pub const fn medium_name(&self) -> Option<&'static str> {
        match self.kind {
            2 => Some("electricity"),
            3 => Some("gas"),
            4 | 12 | 13 => Some("heat"),
            6 | 21 => Some("warm water"),
            7 | 22 => Some("water"),
            10 | 11 => Some("cooling"),
            _ => None,
        }
    }

    /// What the device type measures, as the model has it.
    #[must_use]
    pub const fn medium(&self) -> Option<Medium> {
        match self.kind {
            2 => Some(Medium::Electricity),
            3 => Some(Medium::Gas),
            4 | 10..=13 => Some(Medium::Heat),
            6 | 7 | 21 | 22 => Some(Medium::Water),
            _ => None,
        }
    }
}

impl Telegram {
    /// Reads the part from behind `/` up to `!`, whose line end comes after `identification`
    /// bytes.
    pub(super) fn read(body: &[u8], identification: usize, check: LineCheck, raw: &[u8]) -> Self {
        let (head, lines) = body.split_at_checked(identification).unwrap_or((body, &[]));
        let text = |bytes: &[u8]| bytes.iter().copied().map(char::from).collect::<String>();
        let (entries, strange_lines) = lines::parse(&text(lines));
        Self {
            identification: text(head),
            entries,
            strange_lines,
            check,
            raw: raw.to_vec(),
        }
    }

    /// The maker's three letters.
    #[must_use]
    pub fn manufacturer(&self) -> &str {
        self.identification.get(..3).unwrap_or_default()
    }

    /// The version of the standard, from 1-3:0.2.8 or 0-0:96.1.4.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.first(&["1-3:0.2.8*255", "0-0:96.1.4*255"])
    }

    /// The meter's number: 0-0:96.1.1, 96.1.0, 42.0.0 or 96.1.255, whichever comes first in this
    /// order, as text where it is hex-coded text.
    #[must_use]
    pub fn meter_id(&self) -> Option<String> {
        let places = [
            "0-0:96.1.1*255",
            "0-0:96.1.0*255",
            "0-0:42.0.0*255",
            "0-0:96.1.255*255",
        ];
        self.first(&places).map(identity)
    }

    /// The meter's clock, 0-0:1.0.0.
    #[must_use]
    pub fn time(&self) -> Option<WallTime> {
        self.first(&["0-0:1.0.0*255"]).and_then(WallTime::parse)
    }

    /// The meters behind this one, by channel.
    #[must_use]
    pub fn channels(&self) -> Vec<Channel> {
        let mut channels: Vec<Channel> = Vec::new();
        for entry in &self.entries {
            let number = entry
                .obis
                .strip_prefix("0-")
                .and_then(|rest| rest.strip_suffix(":24.1.0*255"));
            let (Some(Ok(number)), Ok(kind)) = (number.map(str::parse), entry.value.parse()) else {
                continue;
            };
            let known = channels.iter().any(|channel| channel.number == number);
            if number == 0 || known {
                continue;
            }
            let names = [0, 1].map(|last| format!("0-{number}:96.1.{last}*255"));
            channels.push(Channel {
                number,
                kind,
                meter_id: self
                    .first(&[names[0].as_str(), names[1].as_str()])
                    .map(identity),
            });
        }
        channels.sort_by_key(|channel| channel.number);
        channels
    }

    /// The text of the first of these registers that has one.
    fn first(&self, places: &[&str]) -> Option<&str> {
        places.iter().find_map(|place| {
            let named = |entry: &&Entry| entry.obis == *place && !entry.value.is_empty();
            Some(self.entries.iter().find(named)?.value.as_str())
        })
    }
}

/// Hex-coded text as text; anything else as it was sent.
fn identity(sent: &str) -> String {
    crate::key::octets(sent)
        .filter(|octets| octets.iter().all(|octet| matches!(octet, b' '..=b'~')))
        .map_or_else(
            || sent.to_owned(),
            |octets| octets.iter().copied().map(char::from).collect(),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_who() {
        let lines = b"\r\n\r\n0-0:96.1.4(50217)\r\n0-0:96.1.1(3153414731333130303231363035)\r\n\
            0-0:1.0.0(200512135409S)\r\n0-1:24.1.0(003)\r\n0-1:96.1.1(37464C4F32313139303333373333)\r\n\
            0-2:96.1.0(0102)\r\n0-2:24.1.0(007)\r\n";
        let body = [b"FLU5\\253769484_A".as_slice(), lines].concat();
        let telegram = Telegram::read(&body, 16, LineCheck::Absent, &body);
        assert_eq!(telegram.identification, "FLU5\\253769484_A");
        assert_eq!(telegram.manufacturer(), "FLU");
        assert_eq!(telegram.version(), Some("50217"));
        assert_eq!(telegram.meter_id().as_deref(), Some("1SAG1310021605"));
        assert_eq!(telegram.time().unwrap().dst, Some(true));
        let channels = telegram.channels();
        let names: Vec<_> = channels
            .iter()
            .map(|c| (c.number, c.medium_name()))
            .collect();
        assert_eq!(names, [(1, Some("gas")), (2, Some("water"))]);
        let ids: Vec<_> = channels.iter().filter_map(|c| c.meter_id.clone()).collect();
        // 01 02 is no text, so it stays what was sent.
        assert_eq!(ids, ["7FLO2119033733", "0102"]);
    }
}

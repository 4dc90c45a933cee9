//! What to ask for, and what the answers mean.

use serde::Deserialize;

use super::map::RegisterMap;
use crate::model::{Check, MeterId, RegisterValue, Telegram, Value};

/// With which function registers are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Function {
    /// Function 04, input registers.
    #[default]
    Input,
    /// Function 03, holding registers.
    Holding,
}

impl Function {
    /// The function's code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Input => 4,
            Self::Holding => 3,
        }
    }
}

/// One request for registers that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The function.
    pub function: Function,
    /// The first register, counted from 0 as on the wire.
    pub address: u16,
    /// How many, 1 to 125.
    pub count: u16,
}

/// The words that came for a request; as many as were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// What was asked.
    pub request: Request,
    /// The words in the order sent.
    pub words: Vec<u16>,
}

impl Answer {
    /// The words of `count` registers from `address` on, if all are in this answer.
    fn words_at(&self, function: Function, address: u16, count: u16) -> Option<&[u16]> {
        let at = usize::from(address.checked_sub(self.request.address)?);
        let end = at + usize::from(count);
        let is_whole = self.words.len() == usize::from(self.request.count);
        (self.request.function == function && is_whole).then(|| self.words.get(at..end))?
    }
}

impl RegisterMap {
    /// The requests for all registers of the map, in the order of their addresses: neighbours
    /// together, what lies between them never.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        let mut spans: Vec<(Function, u16, u16)> = self
            .registers
            .iter()
            .map(|point| {
                (
                    point.function.unwrap_or(self.function),
                    point.address,
                    point.kind.words(),
                )
            })
            .collect();
        spans.sort_unstable();
        spans.dedup();
        let mut requests: Vec<Request> = Vec::new();
        for (function, address, words) in spans {
            let end = u32::from(address) + u32::from(words);
            if let Some(last) = requests.last_mut() {
                let joined = end.saturating_sub(u32::from(last.address));
                let touches = address <= last.address.saturating_add(last.count);
                if last.function == function && touches && joined <= u32::from(self.max_words) {
                    last.count = last.count.max(u16::try_from(joined).unwrap_or(u16::MAX));
                    continue;
                }
            }
            requests.push(Request {
                function,
                address,
                count: words,
            });
        }
        requests
    }

    /// The request for the serial number, if the map knows where it is.
    #[must_use]
    pub fn serial_request(&self) -> Option<Request> {
        let serial = self.serial.as_ref()?;
        Some(Request {
            function: serial.function,
            address: serial.address,
            count: serial.words(),
        })
    }

    /// The serial number in the answer to [`RegisterMap::serial_request`].
    #[must_use]
    pub fn serial_number(&self, answer: &Answer) -> Option<MeterId> {
        let serial = self.serial.as_ref()?;
        let words = answer.words_at(serial.function, serial.address, serial.words())?;
        let text = match serial.kind {
            Some(kind) => kind
                .number(words, self.word_order, 0, 0)
                .filter(|number| !number.is_zero())?
                .to_string(),
            None => words
                .iter()
                .flat_map(|word| word.to_be_bytes())
                .map(char::from)
                .collect(),
        };
        MeterId::new(&text)
    }

    /// What the answers mean: the registers of the map in its order, those left out that were not
    /// answered or hold no number. The check is left to the caller, who knows the transport.
    #[must_use]
    pub fn telegram(&self, answers: &[Answer], meter: Option<MeterId>) -> Telegram {
        let value = |point: &super::Point| {
            let function = point.function.unwrap_or(self.function);
            let count = point.kind.words();
            let words = answers
                .iter()
                .find_map(|answer| answer.words_at(function, point.address, count))?;
            let (unit, power) = point.unit()?;
            let scale = point.scale.checked_add(power)?;
            let number = point
                .kind
                .number(words, self.word_order, scale, point.decimals)?;
            Some(RegisterValue {
                register: point.obis,
                value: Value::Number(number),
                unit: Some(unit),
                status: None,
                captured_at: None,
                quirk: None,
            })
        };
        Telegram {
            meter,
            manufacturer: self.manufacturer.clone(),
            values: self.registers.iter().filter_map(value).collect(),
            check: Check::None,
            raw: raw(answers),
            ..Telegram::default()
        }
    }
}

/// For the raw ring, each answer as function, address, number of registers, words.
fn raw(answers: &[Answer]) -> Vec<u8> {
    let mut raw = Vec::new();
    for Answer { request, words } in answers {
        raw.push(request.function.code());
        raw.extend(request.address.to_be_bytes());
        raw.extend(request.count.to_be_bytes());
        raw.extend(words.iter().flat_map(|word| word.to_be_bytes()));
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_asked_for_together_and_gaps_are_not() {
        let map = RegisterMap::named("sdm630").unwrap();
        let requests = map.requests();
        let shown: Vec<(u16, u16)> = requests
            .iter()
            .map(|request| (request.address, request.count))
            .collect();
        assert_eq!(
            shown,
            [
                (0x00, 24),
                (0x1E, 6),
                (0x34, 2),
                (0x38, 2),
                (0x3E, 2),
                (0x46, 10),
                (0x156, 2),
                (0x15A, 12)
            ]
        );
        for request in requests {
            assert!(request.count <= 80);
        }
    }

    #[test]
    fn requests_are_no_longer_than_the_meter_takes() {
        let text = "name = \"x\"\nmax_words = 5\n".to_owned()
            + &(0..6)
                .map(|n| {
                    format!(
                        "[[register]]\nobis = \"1-0:{}.7.0\"\naddress = {}\nkind = \"u32\"\nunit = \"W\"\n",
                        n + 1,
                        2 * n
                    )
                })
                .collect::<String>();
        let map = RegisterMap::from_toml(&text).unwrap();
        let shown: Vec<_> = map
            .requests()
            .iter()
            .map(|request| (request.address, request.count))
            .collect();
        assert_eq!(shown, [(0, 4), (4, 4), (8, 4)]);
    }

    #[test]
    fn an_answer_of_another_length_gives_nothing() {
        let map = RegisterMap::named("sdm120").unwrap();
        let request = map.requests()[0];
        for words in [
            vec![],
            vec![0x4366],
            vec![0x4366; usize::from(request.count) + 1],
        ] {
            let telegram = map.telegram(&[Answer { request, words }], None);
            assert!(telegram.values.is_empty());
        }
    }
}

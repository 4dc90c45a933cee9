//! Data sets (clause 6.5): `address(value*unit)(...)`.

use std::fmt;

/// A data set: an address and its bracket groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataSet {
    /// As sent: a full or reduced OBIS code, or the maker's own; may be empty in commands.
    pub address: String,
    /// At least one.
    pub groups: Vec<Group>,
}

/// What stands between two brackets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// A number with its leading zeros, or any text, without outer blanks.
    pub value: String,
    /// The unit of a number, as sent.
    pub unit: Option<String>,
}

impl Group {
    /// Splits `0029.055*MWh`. A list such as `088*C&082*C` stays in one piece.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if let Some((number, unit)) = text.split_once('*')
            && crate::model::plain(number.trim()).is_some()
            && !unit.is_empty()
            && !unit.contains(['*', '&', '('])
        {
            return Self {
                value: number.trim().to_owned(),
                unit: Some(unit.trim().to_owned()),
            };
        }
        Self {
            value: text.trim().to_owned(),
            unit: None,
        }
    }
}

impl fmt::Display for Group {
    /// As sent, with its brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.unit {
            Some(unit) => write!(f, "({}*{unit})", self.value),
            None => write!(f, "({})", self.value),
        }
    }
}

/// Reads the data sets of a block; also the lines, as text, of which not everything is one.
pub(super) fn parse(block: &[u8], seven_bits_only: bool) -> (Vec<DataSet>, Vec<String>) {
    let mut sets = Vec::new();
    let mut strange = Vec::new();
    for line in block.split(|&byte| byte == b'\r' || byte == b'\n') {
        let text: String = line.iter().copied().map(char::from).collect();
        if seven_bits_only && !line.is_ascii() {
            strange.push(text);
            continue;
        }
        if !parse_line(text.trim_end_matches('!'), &mut sets) {
            strange.push(text);
        }
    }
    (sets, strange)
}

/// False when something of the line is no data set.
fn parse_line(line: &str, sets: &mut Vec<DataSet>) -> bool {
    let mut rest = line;
    let mut complete = true;
    while let Some((before, after)) = rest.split_once('(') {
        let Some((content, next)) = after.split_once(')') else {
            return false;
        };
        let address = address(before);
        complete &= address.len() == before.len();
        let mut set = DataSet {
            address: address.to_owned(),
            groups: vec![Group::parse(content)],
        };
        rest = next;
        while let Some((content, next)) = rest.strip_prefix('(').and_then(|r| r.split_once(')')) {
            set.groups.push(Group::parse(content));
            rest = next;
        }
        sets.push(set);
    }
    complete && rest.trim().is_empty()
}

/// The address at the end of what stands in front of a bracket: printable, without blanks and
/// the characters that mean something else.
fn address(before: &str) -> &str {
    let part = |c: char| c.is_ascii_graphic() && !"()/!".contains(c);
    let start = before.rfind(|c| !part(c));
    let start = start.and_then(|at| before.get(at..)?.chars().next().map(|c| at + c.len_utf8()));
    before.get(start.unwrap_or(0)..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_and_groups() {
        let (sets, strange) = parse(
            b"6.8(0029.055*MWh)9.4(088*C&082*C)\r\n1-0:1.6.0*255(02.468*kW)(1703100930)\r\n\
              81.7.6(  80*Deg)\r\n6.8.1()\r\n!\r\n",
            true,
        );
        assert!(strange.is_empty(), "{strange:?}");
        let shown: Vec<String> = sets
            .iter()
            .map(|set| {
                let group = |group: &Group| {
                    format!(
                        "[{}|{}]",
                        group.value,
                        group.unit.as_deref().unwrap_or_default()
                    )
                };
                let groups: String = set.groups.iter().map(group).collect();
                format!("{}{groups}", set.address)
            })
            .collect();
        assert_eq!(
            shown,
            [
                "6.8[0029.055|MWh]",
                "9.4[088*C&082*C|]",
                "1-0:1.6.0*255[02.468|kW][1703100930|]",
                "81.7.6[80|Deg]",
                "6.8.1[|]"
            ]
        );
    }

    #[test]
    fn strange_lines_are_told() {
        let (sets, strange) = parse(b"1.8.0(1*kWh\r\nhello\r\n\xff2.8.0(2*kWh)\r\n", true);
        assert_eq!((sets.len(), strange.len()), (0, 3));
    }
}

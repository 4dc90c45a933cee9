//! The simulated meter's tariff calendar: script 1 from 07:00 to 22:00 of a workday, script 2 at all other
//! times and on 25 December.

use meter_link::dlms::data::Data;
use meter_link::model::ObisCode;

pub(super) const CALENDAR: ObisCode = ObisCode([0, 0, 13, 0, 0, 255]);
pub(super) const SPECIAL_DAYS: ObisCode = ObisCode([0, 0, 11, 0, 0, 255]);

fn octets(octets: &[u8]) -> Data {
    Data::OctetString(octets.to_vec())
}

/// An attribute of the activity calendar, class 20.
pub(super) fn attribute(number: i8) -> Option<Data> {
    let open = [0xFF; 12];
    let fields = match number {
        2 => return Some(octets(b"SIM")),
        3 => vec![octets(b"YEAR"), octets(&open), octets(b"WEEK")],
        4 => {
            let days = [1, 1, 1, 1, 1, 2, 2].map(Data::Uint8);
            std::iter::once(octets(b"WEEK")).chain(days).collect()
        }
        5 => {
            return Some(Data::Array(vec![
                day(1, &[(7, 1), (22, 2)]),
                day(2, &[(0, 2)]),
            ]));
        }
        _ => return None,
    };
    Some(Data::Array(vec![Data::Structure(fields)]))
}

fn day(id: u8, actions: &[(u8, u16)]) -> Data {
    let action = |(hour, script): &(u8, u16)| {
        Data::Structure(vec![
            octets(&[*hour, 0, 0, 0]),
            octets(&[0, 0, 10, 0, 100, 255]),
            Data::Uint16(*script),
        ])
    };
    let actions = actions.iter().map(action).collect();
    Data::Structure(vec![Data::Uint8(id), Data::Array(actions)])
}

/// The entries of the special days table, class 11.
pub(super) fn special_days() -> Data {
    Data::Array(vec![Data::Structure(vec![
        Data::Uint16(1),
        octets(&[0xFF, 0xFF, 12, 25, 0xFF]),
        Data::Uint8(2),
    ])])
}

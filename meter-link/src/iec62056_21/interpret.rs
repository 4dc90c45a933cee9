//! From the data sets of a readout to registers.

use jiff::civil;
use rust_decimal::Decimal;

use super::sets::DataSet;
use super::splitter::{BlockCheck, Readout};
use crate::model::{
    Check, MeterId, MeterTime, ObisCode, RegisterValue, Telegram, Unit, Value, plain, scaled,
};

/// Addresses under which meters send their number on the nameplate, best first.
const NUMBER: [&str; 8] = [
    "1-0:0.0.1*255",
    "1-0:0.0.0*255",
    "0.0.0",
    "C.1.0",
    "0-0:C.1.0*255",
    "0-0:96.1.0*255",
    "96.1.0",
    "0-0:96.1.255*255",
];

/// A number of a data set in the model's units: `0008048.375*kWh` is 8,048,375 Wh. `None` for a
/// unit that is not known or a number that does not fit.
///
/// ```
/// use meter_link::iec62056_21::quantity;
/// use meter_link::model::Unit;
/// let (number, unit) = quantity("0008048.375", "kWh").ok_or("not a quantity")?;
/// assert_eq!((number.to_string().as_str(), unit), ("8048375", Unit::WattHour));
/// # Ok::<(), &str>(())
/// ```
#[must_use]
pub fn quantity(number: &str, unit: &str) -> Option<(Decimal, Unit)> {
    let (unit, power) = match unit {
        "Wh" => (Unit::WattHour, 0),
        "kWh" => (Unit::WattHour, 3),
        "MWh" => (Unit::WattHour, 6),
        "W" => (Unit::Watt, 0),
        "kW" => (Unit::Watt, 3),
        "MW" => (Unit::Watt, 6),
        "varh" => (Unit::VarHour, 0),
        "kvarh" => (Unit::VarHour, 3),
        "var" => (Unit::Var, 0),
        "kvar" => (Unit::Var, 3),
        "VAh" => (Unit::VoltAmpereHour, 0),
        "kVAh" => (Unit::VoltAmpereHour, 3),
        "VA" => (Unit::VoltAmpere, 0),
        "kVA" => (Unit::VoltAmpere, 3),
        "V" => (Unit::Volt, 0),
        "A" => (Unit::Ampere, 0),
        "Hz" => (Unit::Hertz, 0),
        "Deg" | "deg" => (Unit::Degree, 0),
        "C" | "°C" => (Unit::DegreeCelsius, 0),
        "m3" => (Unit::CubicMetre, 0),
        "m3/h" | "m3ph" => (Unit::CubicMetrePerHour, 0),
        "J" => (Unit::Joule, 0),
        "MJ" => (Unit::Joule, 6),
        "GJ" => (Unit::Joule, 9),
        "h" => (Unit::Hour, 0),
        "min" | "m" => (Unit::Minute, 0),
        "s" => (Unit::Second, 0),
        "%" => (Unit::Percent, 0),
        _ => return None,
    };
    let sent = plain(number)?;
    let decimals = i8::try_from(sent.scale()).ok()?;
    let number = scaled(sent.mantissa(), power - decimals).ok()?;
    Some((number, unit))
}

/// The registers of a readout. Data sets whose address is no OBIS code, such as `C.1.0` and
/// `F.F`, give the meter's identity and are left out otherwise; a value without a unit stays the
/// text that was sent.
#[must_use]
pub fn telegram(readout: &Readout) -> Telegram {
    let values = readout.sets.iter().filter_map(register).collect();
    let number = |address: &&str| {
        let set = readout.sets.iter().find(|set| set.address == **address)?;
        MeterId::new(&set.groups.first()?.value)
    };
    Telegram {
        meter: NUMBER.iter().find_map(number),
        manufacturer: Some(readout.identification.manufacturer.clone()),
        time: clock(&readout.sets),
        values,
        check: match readout.check {
            BlockCheck::Absent => Check::None,
            BlockCheck::Character => Check::Checksum,
            BlockCheck::Crc => Check::Crc,
        },
        raw: readout.raw.clone(),
        ..Telegram::default()
    }
}

/// The register of a data set; `None` when its address is no OBIS code.
#[must_use]
pub fn register(set: &DataSet) -> Option<RegisterValue> {
    let register: ObisCode = set.address.parse().ok()?;
    let group = set.groups.first()?;
    let known = group
        .unit
        .as_deref()
        .and_then(|unit| quantity(&group.value, unit));
    let (value, unit) = match (known, &group.unit) {
        (Some((number, unit)), _) => (Value::Number(number), Some(unit)),
        (None, Some(unit)) => (Value::Text(format!("{}*{unit}", group.value)), None),
        (None, None) => (Value::Text(group.value.clone()), None),
    };
    Some(RegisterValue {
        register,
        value,
        unit,
        status: None,
        captured_at: None,
        quirk: None,
    })
}

/// The meter's wall clock: time 0.9.1 and date 0.9.2.
fn clock(sets: &[DataSet]) -> Option<MeterTime> {
    let pair = |address: &str| {
        let named = |set: &&DataSet| {
            let code = set.address.parse::<ObisCode>();
            code.is_ok_and(|code| code.to_string() == format!("1-0:{address}*255"))
        };
        let value = &sets.iter().find(named)?.groups.first()?.value;
        let digits: Vec<i8> = value
            .chars()
            .filter(char::is_ascii_digit)
            .filter_map(|digit| i8::try_from(digit.to_digit(10)?).ok())
            .collect();
        // A seventh digit in front tells the season in the maker's own way.
        match digits.get(digits.len().checked_sub(6)?..)? {
            [a, b, c, d, e, f] if digits.len() <= 7 => Some((10 * a + b, 10 * c + d, 10 * e + f)),
            _ => None,
        }
    };
    let (hour, minute, second) = pair("0.9.1")?;
    let (year, month, day) = pair("0.9.2")?;
    let year = 2000 + i16::from(year);
    let at = civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    Some(MeterTime::Wall { at, dst: None })
}

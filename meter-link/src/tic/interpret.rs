//! From the groups of a frame to registers.

use rust_decimal::Decimal;

use super::frame::{Extent, Frame};
use super::group::{Fields, Group};
use super::labels::label;
use super::registers::{Horodate, Relays, StatusRegister, Tariff, historic_period};
use crate::model::{Check, Indications, MeterId, RegisterValue, TariffIndication, Telegram, Value};

/// Length of a meter's address (ADSC, ADCO), all digits.
const ADDRESS_LEN: usize = 12;

/// The registers of a frame: its intact groups with a label of the table and a value of digits
/// only. Apparent power is sent and active power is not, so there is none.
#[must_use]
pub fn telegram(frame: &Frame) -> Telegram {
    let address = frame.value("ADSC").or_else(|| frame.value("ADCO"));
    let is_address =
        |text: &&str| text.len() == ADDRESS_LEN && text.bytes().all(|byte| byte.is_ascii_digit());
    let date = frame.value("DATE").and_then(Horodate::parse);
    Telegram {
        meter: address.filter(is_address).and_then(MeterId::new),
        manufacturer: None,
        time: date.map(Horodate::meter_time),
        values: frame.groups.iter().filter_map(register).collect(),
        check: Check::Checksum,
        // A frame that lost groups would take back what the one before told.
        indications: match frame.extent {
            Extent::Complete if frame.damaged() == 0 => indications(frame),
            _ => Indications::default(),
        },
        raw: frame.raw.clone(),
        ..Telegram::default()
    }
}

/// The tariff and the states that a frame tells.
fn indications(frame: &Frame) -> Indications {
    let mut told = Indications {
        tariff: tariff(frame),
        ..Indications::default()
    };
    let yes_no = |yes| if yes { "yes" } else { "no" };
    if let Some(status) = frame.value("STGE").and_then(StatusRegister::parse) {
        let open_closed = |open| if open { "open" } else { "closed" };
        told.set("contact", open_closed(status.contact_open()));
        told.set("breaker", status.breaker_name());
        told.set("terminal_cover", open_closed(status.cover_open()));
        told.set("overvoltage", yes_no(status.overvoltage()));
        told.set(
            "over_reference_power",
            yes_no(status.over_reference_power()),
        );
        told.set("clock_lost", yes_no(status.clock_degraded()));
    }
    if let Some(relays) = frame.value("RELAIS").and_then(Relays::parse) {
        let closed = (1..=8).filter(|relay| relays.closed(*relay) == Some(true));
        let closed: Vec<String> = closed.map(|relay| relay.to_string()).collect();
        let closed = if closed.is_empty() {
            "none".to_owned()
        } else {
            closed.join(" ")
        };
        told.set("relays_closed", closed);
    }
    if frame.is_overload_warning() {
        told.set("over_subscribed_current", "yes");
    }
    told
}

fn tariff(frame: &Frame) -> Option<TariffIndication> {
    let Tariff {
        current,
        index,
        color_today,
        color_tomorrow,
    } = Tariff::of(frame);
    let status = frame.value("STGE").and_then(StatusRegister::parse);
    let historic = frame.value("PTEC").and_then(historic_period);
    let movable = frame.value("OPTARIF") == Some("EJP.");
    let told = TariffIndication {
        number: index.or_else(|| historic.as_ref().and_then(|period| period.register)),
        name: current,
        color_today,
        color_tomorrow,
        peak: status
            .map(|status| status.peak() != 0)
            .or_else(|| movable.then(|| frame.value("PTEC") == Some("PM.."))),
        peak_announced: status
            .map(|status| status.peak_notice() != 0)
            .or_else(|| movable.then(|| frame.value("PEJP").is_some())),
    };
    (told != TariffIndication::default()).then_some(told)
}

fn register(group: &Group) -> Option<RegisterValue> {
    let Fields { at, value } = group.fields.as_ref().ok()?;
    let known = label(&group.label)?;
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = value.parse().ok().filter(|_| digits)?;
    let captured = at.as_deref().and_then(Horodate::parse);
    Some(RegisterValue {
        register: known.register,
        value: Value::Number(Decimal::from(number)),
        unit: Some(known.unit),
        status: None,
        captured_at: captured.map(Horodate::meter_time),
        quirk: None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::encode;
    use super::super::frame::Splitter;
    use super::super::group::Mode;
    use super::*;
    use crate::model::DayColor;

    fn told(mode: Mode, groups: &[(&str, &str)]) -> Indications {
        let mut frame = encode::Frame::new(mode);
        for (label, value) in groups {
            frame.group(label, value);
        }
        let bytes = frame.to_bytes();
        let event = Splitter::new().pull(&mut bytes.as_slice()).unwrap();
        telegram(&event.found.unwrap()).indications
    }

    /// The bits of STGE and RELAIS, the periods of PTEC and the words of DEMAIN as in the
    /// standard's tables.
    #[test]
    fn tempo_today_and_tomorrow() {
        let standard = told(
            Mode::Standard,
            &[
                ("LTARF", "  HP  BLANC     "),
                ("NTARF", "04"),
                ("STGE", "4E3A0010"),
                ("RELAIS", "129"),
            ],
        );
        let tariff = standard.tariff.unwrap();
        assert_eq!(
            (tariff.number, tariff.name.as_deref()),
            (Some(4), Some("HP BLANC"))
        );
        assert_eq!(
            (tariff.color_today, tariff.color_tomorrow),
            (Some(DayColor::White), Some(DayColor::Red))
        );
        assert_eq!(
            (tariff.peak, tariff.peak_announced),
            (Some(true), Some(false))
        );
        let state = |name: &str| standard.states.get(name).map(String::as_str);
        assert_eq!(state("terminal_cover"), Some("open"));
        assert_eq!(
            (state("breaker"), state("contact")),
            (Some("closed"), Some("closed"))
        );
        assert_eq!(state("relays_closed"), Some("1 8"));

        let historic = told(
            Mode::Historic,
            &[("OPTARIF", "BBR("), ("PTEC", "HPJR"), ("DEMAIN", "BLEU")],
        );
        let tariff = historic.tariff.unwrap();
        assert_eq!(
            (tariff.number, tariff.name.as_deref()),
            (Some(6), Some("HP ROUGE"))
        );
        assert_eq!(tariff.color_tomorrow, Some(DayColor::Blue));
        assert_eq!(tariff.peak, None);
    }

    #[test]
    fn a_movable_peak_is_announced_half_an_hour_before() {
        let groups = [("OPTARIF", "EJP."), ("PTEC", "HN.."), ("PEJP", "30")];
        let tariff = told(Mode::Historic, &groups).tariff.unwrap();
        assert_eq!(
            (tariff.peak, tariff.peak_announced),
            (Some(false), Some(true))
        );
        let tariff = told(Mode::Historic, &[("OPTARIF", "EJP."), ("PTEC", "PM..")]).tariff;
        assert_eq!(tariff.unwrap().peak, Some(true));
        assert!(told(Mode::Historic, &[("PAPP", "00750")]).is_empty());
    }
}

//! Modbus meters in the configuration.

use meter_link::driver::Place;
use meter_link::modbus::RegisterMap;
use meter_link::session::Line;

use super::{DlmsLink, MeterConfig, Protocol, in_range};

impl MeterConfig {
    /// The register map of a Modbus meter.
    #[must_use]
    pub fn register_map(&self) -> Option<&RegisterMap> {
        match &self.map {
            Some(name) => RegisterMap::named(name),
            None => self.own_map.as_deref(),
        }
    }

    /// Speed and framing of the line of a Modbus meter: as said, or as the model is delivered.
    #[must_use]
    pub fn bus_line(&self) -> Line {
        let delivered = self.register_map().map_or(9600, |map| map.baud);
        let baud = self.baud.unwrap_or(delivered);
        self.framing
            .map_or(Line::eight_none(baud), |framing| framing.at(baud))
    }
}

/// Whether two meters may hang on one line of RS-485: Modbus meters at the same speed, and DLMS
/// meters over HDLC (multi-drop), which bring their own.
pub(super) fn may_share(one: &MeterConfig, other: &MeterConfig) -> bool {
    let may = match (one.protocol, other.protocol) {
        (Protocol::Modbus, Protocol::Modbus) => {
            one.unit != other.unit && one.bus_line() == other.bus_line()
        }
        (Protocol::Modbus, Protocol::Dlms) => on_rs485(other),
        (Protocol::Dlms, Protocol::Modbus) => on_rs485(one),
        (Protocol::Dlms, Protocol::Dlms) => {
            on_rs485(one) && on_rs485(other) && hdlc_address(one) != hdlc_address(other)
        }
        _ => false,
    };
    may && one.head_power == other.head_power
}

/// HDLC from the first byte on.
fn on_rs485(meter: &MeterConfig) -> bool {
    let dlms = meter.dlms.as_ref();
    dlms.is_some_and(|dlms| dlms.link == DlmsLink::Hdlc)
}

fn hdlc_address(meter: &MeterConfig) -> Option<(Option<u16>, Option<u16>)> {
    let dlms = meter.dlms.as_ref()?;
    Some((dlms.physical, dlms.logical))
}

pub(super) fn check(meter: &MeterConfig, at: &str, found: &mut Vec<String>) {
    let place = meter.port.to_string_lossy().parse::<Place>();
    if meter.protocol != Protocol::Modbus {
        if meter.unit.is_some() || meter.map.is_some() || meter.own_map.is_some() {
            found.push(format!(
                "{at}: unit, map and own_map are for protocol = \"modbus\""
            ));
        }
        if matches!(place, Ok(Place::Tcp(_)))
            && !matches!(
                meter.protocol,
                Protocol::Dlms | Protocol::Mbus | Protocol::C12_22
            )
        {
            found.push(format!(
                "{at}: a port tcp:host:port is for protocol = \"modbus\", \"mbus\", \"dlms\" or \"c12.22\""
            ));
        }
    }
    if matches!(place, Ok(Place::Udp(_)))
        && !matches!(meter.protocol, Protocol::Dlms | Protocol::C12_22)
    {
        found.push(format!(
            "{at}: a port udp:host:port is for protocol = \"dlms\" or \"c12.22\""
        ));
    }
    if meter.protocol != Protocol::Modbus {
        return;
    }
    if let Err(error) = place
        && !meter.port.as_os_str().is_empty()
    {
        found.push(format!("{at}: port: {error}"));
    }
    in_range(
        &format!("{at}: period_s"),
        u64::from(meter.period_s),
        1,
        86_400,
        found,
    );
    match meter.unit {
        Some(unit) => in_range(&format!("{at}: unit"), u64::from(unit), 1, 247, found),
        None => found.push(format!(
            "{at}: a Modbus meter has a unit number, unit = 1 to 247"
        )),
    }
    let names: Vec<&str> = RegisterMap::names().collect();
    match (&meter.map, &meter.own_map) {
        (Some(name), None) if RegisterMap::named(name).is_none() => found.push(format!(
            "{at}: there is no map {name:?}; there are {}, or own_map",
            names.join(", ")
        )),
        (None, None) => found.push(format!(
            "{at}: a Modbus meter has a map ({}), or an own_map",
            names.join(", ")
        )),
        (Some(_), Some(_)) => found.push(format!("{at}: map and own_map exclude each other")),
        (None, Some(map)) => {
            if let Err(error) = map.check() {
                found.push(format!("{at}: own_map: {error}"));
            }
        }
        (Some(_), None) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    fn problems(text: &str) -> Vec<String> {
        toml::from_str::<Config>(text).unwrap().problems()
    }

    fn meter(name: &str, more: &str) -> String {
        format!(
            "[[meter]]\nname = \"{name}\"\nprotocol = \"modbus\"\nrole = \"submeter\"\nport = \"/dev/ttyUSB0\"\n{more}\n"
        )
    }

    #[test]
    fn several_meters_on_one_line() {
        let first = meter("a", "unit = 1\nmap = \"sdm630\"");
        let second = meter("b", "unit = 2\nmap = \"sdm72\"");
        assert!(problems(&(first.clone() + &second)).is_empty());
        for other in [
            meter("b", "unit = 1\nmap = \"sdm630\""),
            // As delivered it has another speed.
            meter("b", "unit = 2\nmap = \"sdm120\""),
            meter("b", "unit = 2\nmap = \"sdm72\"\nframing = \"8E1\""),
        ] {
            assert_eq!(problems(&(first.clone() + &other)).len(), 1, "{other}");
        }
        let slow = meter("b", "unit = 2\nmap = \"sdm120\"\nbaud = 9600");
        assert!(problems(&(first + &slow)).is_empty());
    }

    #[test]
    fn a_map_of_ones_own() {
        let own = "unit = 3\n[meter.own_map]\nname = \"pump\"\n[[meter.own_map.register]]\n\
            obis = \"1-0:1.8.0\"\naddress = 6\nkind = \"u32\"\nunit = \"Wh\"";
        assert!(problems(&meter("a", own)).is_empty());
        let wrong = own.replace("\"Wh\"", "\"ells\"");
        assert!(problems(&meter("a", &wrong))[0].contains("unit is not known"));
        for (more, told) in [
            ("map = \"sdm630\"", "unit number"),
            ("unit = 248\nmap = \"sdm630\"", "within 1 to 247"),
            ("unit = 1", "has a map (sdm630"),
            ("unit = 1\nmap = \"sdm999\"", "no map \"sdm999\""),
        ] {
            let found = problems(&meter("a", more));
            assert!(found.len() == 1 && found[0].contains(told), "{found:?}");
        }
    }
}

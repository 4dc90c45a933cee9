//! What was found in the network, and what can be made of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use mdns_sd::ResolvedService;
use wattle_api::{FoundKind, FoundService};

/// Octets of the longest text that is kept of what others say.
const LONGEST: usize = 200;
/// Properties that are kept of a service.
const PROPERTIES: usize = 24;

/// Types of services that are looked for.
pub(super) const TYPES: [(&str, FoundKind); 9] = [
    ("_mqtt._tcp.local.", FoundKind::MqttBroker),
    ("_secure-mqtt._tcp.local.", FoundKind::SecureMqttBroker),
    ("_home-assistant._tcp.local.", FoundKind::HomeAssistant),
    ("_openadr3._tcp.local.", FoundKind::OpenAdrVtn),
    ("_smartenergy._tcp.local.", FoundKind::Ieee2030_5),
    ("_ship._tcp.local.", FoundKind::Eebus),
    ("_mbap._tcp.local.", FoundKind::ModbusTcp),
    ("_zigbee-coordinator._tcp.local.", FoundKind::ZigbeeRadio),
    ("_slzb-06._tcp.local.", FoundKind::ZigbeeRadio),
];

/// A service as the API tells of it; `None` for one that is not to be used.
pub(super) fn service(
    kind: FoundKind,
    resolved: &ResolvedService,
    since: Timestamp,
) -> Option<FoundService> {
    let told = resolved.txt_properties.iter().take(PROPERTIES);
    let properties: BTreeMap<String, String> = told
        .map(|property| (clean(property.key()), clean(property.val_str())))
        .collect();
    let property = |key: &str| {
        let found = properties.iter().find(|(k, _)| k.eq_ignore_ascii_case(key));
        found.map(|(_, value)| value.as_str())
    };
    // A record of another version is not to be read (IEEE 2030.5, clause 7).
    if kind == FoundKind::Ieee2030_5 && property("txtvers") != Some("1") {
        return None;
    }
    let host = clean(resolved.host.trim_end_matches('.'));
    let mut addresses: Vec<String> = resolved
        .addresses
        .iter()
        .map(|address| address.to_ip_addr().to_string())
        .collect();
    addresses.sort();
    let port = resolved.port;
    let url = match kind {
        FoundKind::HomeAssistant => property("internal_url")
            .or_else(|| property("base_url"))
            .filter(|url| is_web(url))
            .map(str::to_owned)
            .or_else(|| Some(format!("http://{host}:{port}"))),
        FoundKind::OpenAdrVtn => property("local_url")
            .filter(|url| is_web(url))
            .map(str::to_owned)
            .or_else(|| {
                let path = property("base_path").unwrap_or_default();
                Some(format!("https://{host}:{port}/{}", path.trim_matches('/')))
            }),
        FoundKind::Ieee2030_5 => {
            // `https` may name another port than the record's, which is that of plain HTTP.
            let secure = property("https").map(|port| port.parse::<u16>().ok());
            let path = property("dcap").or_else(|| property("path"));
            let path = path.unwrap_or("/dcap").trim_start_matches('/');
            Some(match secure {
                Some(other) => format!("https://{host}:{}/{path}", other.unwrap_or(port)),
                None => format!("http://{host}:{port}/{path}"),
            })
        }
        _ => None,
    };
    Some(FoundService {
        kind,
        name: clean(&instance(&resolved.fullname, &resolved.ty_domain)),
        setup: match kind {
            FoundKind::ZigbeeRadio => zigbee(&host, port, property("radio_type")),
            _ => setup(kind, &host, port, property("unit")),
        },
        host,
        addresses,
        port,
        properties,
        url,
        since,
    })
}

/// The instance's name without its type.
pub(super) fn instance(fullname: &str, kind: &str) -> String {
    let name = fullname.strip_suffix(kind).unwrap_or(fullname);
    name.trim_end_matches('.')
        .replace("\\.", ".")
        .replace("\\\\", "\\")
}

fn setup(kind: FoundKind, host: &str, port: u16, unit: Option<&str>) -> Option<String> {
    if !is_host(host) {
        return None;
    }
    let tls = match kind {
        FoundKind::MqttBroker => "",
        FoundKind::SecureMqttBroker => "tls = true\n",
        FoundKind::ModbusTcp => {
            // The model is not told; without its map the configuration says what is missing.
            let unit = unit.and_then(|unit| unit.parse::<u8>().ok()).unwrap_or(1);
            let name = host.trim_end_matches(".local");
            return Some(format!(
                "[[meter]]\nname = \"{name}\"\nprotocol = \"modbus\"\nrole = \"submeter\"\n\
                 port = \"tcp:{host}:{port}\"\nunit = {unit}\n# map = … of its model, or own_map\n"
            ));
        }
        _ => return None,
    };
    Some(format!("[mqtt]\nhost = \"{host}\"\nport = {port}\n{tls}"))
}

/// The lines that use a network radio with EZSP; other radios are not understood. Those that do not
/// say what they are need one look at their label.
fn zigbee(host: &str, port: u16, radio: Option<&str>) -> Option<String> {
    let speaks_ezsp = |radio: &str| {
        ["ezsp", "ember", "efr32"]
            .iter()
            .any(|known| radio.to_ascii_lowercase().starts_with(known))
    };
    let is_host = is_host(host) && radio.is_none_or(speaks_ezsp);
    let note = if radio.is_none() {
        "# its radio must be an EFR32, as in SLZB-06M, -07 and -MG24\n"
    } else {
        ""
    };
    // Some say the port of their web page, or none.
    let port = if matches!(port, 0 | 80 | 443 | 6053) {
        6638
    } else {
        port
    };
    is_host.then(|| format!("[zigbee]\n{note}port = \"tcp://{host}:{port}\"\n"))
}

/// Whether a name can stand in a file without harm.
fn is_host(host: &str) -> bool {
    host.chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
}

fn is_web(url: &str) -> bool {
    (url.starts_with("http://") || url.starts_with("https://"))
        && !url.contains(char::is_whitespace)
}

/// What somebody in the network says, short and without control characters.
fn clean(text: &str) -> String {
    let mut kept = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if kept.len() + c.len_utf8() > LONGEST {
            break;
        }
        kept.push(c);
    }
    kept
}

#[cfg(test)]
mod tests {
    use mdns_sd::ServiceInfo;

    use super::*;

    fn found(kind: &str, port: u16, properties: &[(&str, &str)]) -> Option<FoundService> {
        let of = TYPES
            .iter()
            .find(|(name, _)| name.starts_with(kind))
            .unwrap();
        let info = ServiceInfo::new(of.0, "A. box", "box.local.", "192.0.2.7", port, properties);
        let at = "2026-11-22T10:00:00Z".parse().unwrap();
        service(of.1, &info.unwrap().as_resolved_service(), at)
    }

    #[test]
    fn a_broker_comes_with_the_lines_that_use_it() {
        let broker = found("_mqtt", 1883, &[]).unwrap();
        assert_eq!(broker.name, "A. box");
        assert_eq!(broker.addresses, ["192.0.2.7"]);
        let setup = broker.setup.unwrap();
        assert_eq!(setup, "[mqtt]\nhost = \"box.local\"\nport = 1883\n");
        let config: crate::config::Config = toml::from_str(&setup).unwrap();
        assert_eq!(config.mqtt.port(), 1883);
        let secure = found("_secure-mqtt", 8883, &[]).unwrap();
        assert!(secure.setup.unwrap().ends_with("tls = true\n"));
    }

    #[test]
    fn a_modbus_device_comes_with_the_lines_that_meter_it() {
        let device = found("_mbap", 502, &[("unit", "17")]).unwrap();
        let setup = device
            .setup
            .unwrap()
            .replace("# map = … of its model, or own_map", "map = \"sdm630\"");
        let config: crate::config::Config = toml::from_str(&setup).unwrap();
        assert_eq!(config.problems(), Vec::<String>::new());
        let [meter] = config.meters.as_slice() else {
            panic!("{setup}");
        };
        assert_eq!(meter.unit, Some(17));
        assert_eq!(meter.port.to_str(), Some("tcp:box.local:502"));
        assert_eq!(
            found("_ship", 4711, &[("type", "HeatPumpAppliance")])
                .unwrap()
                .setup,
            None
        );
    }

    #[test]
    fn a_network_radio_comes_with_the_lines_that_use_it_where_it_is_understood() {
        for (kind, port, properties, wanted) in [
            (
                "_zigbee-coordinator",
                6638,
                &[("radio_type", "ezsp")][..],
                Some(6638),
            ),
            (
                "_zigbee-coordinator",
                7638,
                &[("radio_type", "EFR32MG24")],
                Some(7638),
            ),
            ("_slzb-06", 80, &[], Some(6638)),
            ("_zigbee-coordinator", 6638, &[("radio_type", "znp")], None),
        ] {
            let radio = found(kind, port, properties).unwrap();
            assert_eq!(radio.kind, FoundKind::ZigbeeRadio);
            let setup = radio.setup.as_deref();
            let config = setup.map(|setup| {
                let config: crate::config::Config = toml::from_str(setup).unwrap();
                assert_eq!(config.problems(), Vec::<String>::new());
                config.zigbee.port
            });
            let wanted = wanted.map(|port: u16| format!("tcp://box.local:{port}"));
            assert_eq!(config, wanted, "{kind} {port}");
        }
    }

    #[test]
    fn urls_follow_the_records() {
        let url = |kind, properties: &[(&str, &str)]| found(kind, 8081, properties).unwrap().url;
        for (kind, properties, want) in [
            (
                "_home-assistant",
                &[("internal_url", "http://192.0.2.7:8123")][..],
                "http://192.0.2.7:8123",
            ),
            (
                "_home-assistant",
                &[("internal_url", "javascript:x")],
                "http://box.local:8081",
            ),
            (
                "_openadr3",
                &[("version", "3.1"), ("base_path", "openadr3")],
                "https://box.local:8081/openadr3",
            ),
            (
                "_smartenergy",
                &[("txtvers", "1"), ("dcap", "/dcap"), ("https", "443")],
                "https://box.local:443/dcap",
            ),
            (
                "_smartenergy",
                &[("txtvers", "1"), ("path", "/sep2")],
                "http://box.local:8081/sep2",
            ),
        ] {
            assert_eq!(url(kind, properties).as_deref(), Some(want));
        }
    }

    #[test]
    fn a_record_of_another_version_is_passed_over() {
        assert_eq!(found("_smartenergy", 443, &[("txtvers", "2")]), None);
        assert_eq!(found("_smartenergy", 443, &[]), None);
    }

    #[test]
    fn what_others_say_is_kept_short_and_plain() {
        let long = "x".repeat(230);
        let found = found("_mqtt", 1, &[("a", &long), ("b", "one\ntwo\u{1b}[2J")]).unwrap();
        assert_eq!(found.properties["a"].len(), LONGEST);
        assert_eq!(found.properties["b"], "onetwo[2J");
    }
}

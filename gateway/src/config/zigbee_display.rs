//! `[zigbee]` with `role = "display"`: the stick joins the network of the utility's meter.

use han::zigbee::install_code::InstallCode;
use serde::Deserialize;

use super::zigbee::{ZigbeeConfig, ZigbeeProtocol, address};
use super::{MeterConfig, Protocol, Role};

/// What the stick is in its network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ZigbeeRole {
    /// It leads a network of its own, with plugs and other devices.
    #[default]
    Coordinator,
    /// It is a display in the network of the utility's meter, and reads that.
    Display,
}

impl ZigbeeConfig {
    /// Whether the stick is a display in the meter's network.
    #[must_use]
    pub fn is_display(&self) -> bool {
        self.is_on() && self.role == ZigbeeRole::Display
    }

    /// The 64-bit name of the meter's network, where one is named.
    #[must_use]
    pub fn network_name(&self) -> Option<u64> {
        address(self.extended_pan.as_deref()?)
    }

    /// The stick's install code.
    ///
    /// # Errors
    /// In words: it cannot be read, or is none. The code is not repeated.
    pub fn code(&self) -> Result<Option<InstallCode>, String> {
        let Some(secret) = &self.install_code else {
            return Ok(None);
        };
        let text = secret.reveal().map_err(|error| error.to_string())?;
        let code = InstallCode::parse(&text).map_err(|error| error.to_string())?;
        Ok(Some(code))
    }

    pub(super) fn check_role(&self, found: &mut Vec<String>) {
        match self.code() {
            Err(error) => found.push(format!("zigbee.install_code: {error}")),
            Ok(None) if self.is_display() => found.push(
                "zigbee.install_code: with role = \"display\" the stick joins by its install code"
                    .to_owned(),
            ),
            Ok(_) => {}
        }
        if self.extended_pan.is_some() && self.network_name().is_none() {
            found.push("zigbee.extended_pan: a network's name has 16 hex digits".to_owned());
        }
        if !self.is_display() {
            if self.install_code.is_some() || self.extended_pan.is_some() {
                found.push(
                    "zigbee.install_code and extended_pan are for role = \"display\"".to_owned(),
                );
            }
            return;
        }
        if self.protocol == Some(ZigbeeProtocol::Znp) {
            found.push(
                "zigbee.protocol: role = \"display\" takes a stick with EmberZNet, protocol = \"ezsp\""
                    .to_owned(),
            );
        }
        let leads = self.tunnels
            || self.import_limit_kw.is_some()
            || self.firmware.is_some()
            || !self.loads.is_empty()
            || !self.comfort.is_empty();
        if leads {
            found.push(
                "zigbee: with role = \"display\" there are no devices: no tunnels, import_limit_kw, \
                 firmware, load or comfort"
                    .to_owned(),
            );
        }
    }

    /// The meters that are read through the stick: plugs, or the one whose network it joined.
    pub(super) fn check_meters(&self, meters: &[MeterConfig], found: &mut Vec<String>) {
        let own = meters.iter().filter(|one| one.protocol == Protocol::Zigbee);
        if !self.is_display() {
            for meter in own {
                let at = format!("meter {:?}", meter.name);
                if meter.zigbee_address().is_none() {
                    found.push(format!(
                        "{at}: id must be the plug's address, 16 hex digits, as /api/v1/zigbee tells it"
                    ));
                }
                if meter.role != Role::Submeter {
                    found.push(format!(
                        "{at}: a Zigbee plug is an electricity meter with role = \"submeter\""
                    ));
                }
            }
            return;
        }
        let own: Vec<&MeterConfig> = own.collect();
        if own.len() != 1 {
            found.push(format!(
                "zigbee: with role = \"display\" there is one [[meter]] with protocol = \"zigbee\", the utility's; here are {}",
                own.len()
            ));
        }
        if own.iter().any(|meter| meter.id.is_some()) {
            found.push(
                "zigbee: the utility's meter is found by its network; its [[meter]] has no id"
                    .to_owned(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn a_display_has_its_code_one_meter_and_no_devices() {
        let folder = tempfile::tempdir().unwrap();
        let code = folder.path().join("code");
        std::fs::write(&code, "83FED3407A939723A5C639B26916D505C3B5\n").unwrap();
        let meter = "[[meter]]\nname = \"grid\"\nprotocol = \"zigbee\"\n";
        let right = format!(
            "[zigbee]\nport = \"/dev/x\"\nrole = \"display\"\ninstall_code = \"file:{}\"\n",
            code.display()
        );
        let check = |text: &str| {
            toml::from_str::<Config>(text)
                .unwrap()
                .problems()
                .join("; ")
        };
        assert_eq!(check(&format!("{right}{meter}")), "");
        let wrong = [
            (right.clone(), "one [[meter]]"),
            (format!("{right}tunnels = true\n{meter}"), "no tunnels"),
            (format!("{right}protocol = \"znp\"\n{meter}"), "EmberZNet"),
            (format!("{right}extended_pan = \"12\"\n{meter}"), "16 hex"),
            (
                format!("[zigbee]\nport = \"/dev/x\"\nrole = \"display\"\n{meter}"),
                "install_code",
            ),
            (
                format!("[zigbee]\nport = \"/dev/x\"\n{meter}"),
                "id must be the plug's",
            ),
        ];
        for (text, words) in wrong {
            let error = check(&text);
            assert!(error.contains(words), "{text}: {error}");
        }
        std::fs::write(&code, "83FED3407A939723A5C639B26916D505C3B6").unwrap();
        let error = check(&format!("{right}{meter}"));
        assert!(
            error.contains("digit is wrong") && !error.contains("83FE"),
            "{error}"
        );
    }
}

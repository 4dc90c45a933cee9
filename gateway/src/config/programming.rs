//! `[meter.programming]`: how an IEC 62056-21 meter is entered for single data sets and its load
//! profile.

use anyhow::Context;
use meter_link::iec62056_21::programming::{Access, Password};
use serde::Deserialize;

use super::{MeterConfig, Protocol, Secret};

/// `[meter.programming]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProgrammingConfig {
    /// The password: `file:/path` or `credential:name`. Some meters let everybody read without one.
    pub password: Option<Secret>,
    /// The password is what the maker's algorithm makes of it (`P2`).
    pub computed: bool,
    /// The load profile comes in one piece (`R5`) and not in blocks (`R6`).
    pub whole_profile: bool,
    /// IANA zone of the meter's clock.
    pub zone: Option<String>,
}

impl ProgrammingConfig {
    /// With what the meter is entered.
    ///
    /// # Errors
    /// The password cannot be read, or is none. It is not repeated.
    pub fn access(&self) -> anyhow::Result<Access> {
        let Some(secret) = &self.password else {
            return Ok(Access::Open);
        };
        let text = secret.reveal().context("programming.password")?;
        let password = Password::new(&text)
            .context("programming.password has 1 to 32 characters without brackets, * / and !")?;
        Ok(if self.computed {
            Access::P2(password)
        } else {
            Access::P1(password)
        })
    }
}

/// What is wrong with this part of a meter.
pub(super) fn check(meter: &MeterConfig, at: &str, found: &mut Vec<String>) {
    let Some(programming) = &meter.programming else {
        return;
    };
    if meter.protocol != Protocol::Iec62056_21 || meter.push {
        found.push(format!(
            "{at}: [meter.programming] is for protocol = \"iec62056-21\" without push"
        ));
    }
    let zone = programming.zone.as_deref().map(jiff::tz::TimeZone::get);
    let zone = zone.transpose().context("programming.zone");
    for error in [programming.access().err(), zone.err()]
        .into_iter()
        .flatten()
    {
        found.push(format!("{at}: {error:#}"));
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn problems(more: &str) -> String {
        let text = format!("[[meter]]\nname = \"a\"\nport = \"/dev/null\"\n{more}");
        let config: Config = toml::from_str(&text).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        config.problems().join("\n")
    }

    #[test]
    fn what_is_wrong_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let secret = |text: &str| {
            let file = folder.path().join("password");
            std::fs::write(&file, text).unwrap();
            format!(
                "[meter.programming]\npassword = \"file:{}\"\n",
                file.display()
            )
        };
        let iec = "protocol = \"iec62056-21\"\n";
        assert_eq!(problems(&format!("{iec}{}", secret("hunter2"))), "");
        let wrong = problems(&format!("{iec}{}", secret("(hunter2)")));
        assert!(wrong.contains("without brackets") && !wrong.contains("hunter2"));
        let zone = format!("{iec}[meter.programming]\nzone = \"Moon\"\n");
        assert!(problems(&zone).contains("programming.zone"));
        let other = "protocol = \"sml\"\n[meter.programming]\n";
        assert!(problems(other).contains("iec62056-21"));
    }
}

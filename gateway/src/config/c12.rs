//! Settings of meters of the American standards (ANSI C12.18, C12.21, C12.22).

use std::time::Duration;

use anyhow::Context;
use jiff::tz::TimeZone;
use meter_link::c12::Modem;
use meter_link::c12::client::{self, Dialect};
use meter_link::c12::interpret::{Assignment, Assignments};
use meter_link::c12::load_profile;
use meter_link::c12::net;
use meter_link::c12::reader;
use meter_link::c12::service::{Password, USER_LENGTH};
use meter_link::key::Key;
use meter_link::model::{ObisCode, Unit};
use meter_link::session::Line;
use serde::Deserialize;

use super::{MeterConfig, Protocol, Secret, in_range};

/// Longest wait for the answer of a meter of a network.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// What the settings of `[[meter]]` for these protocols are; all of them may be left out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct C12Config {
    /// The user's number, as the utility has given it.
    pub user_id: u16,
    /// The user's name, at most ten letters and digits.
    pub user: Option<String>,
    /// The password: `file:/path` or `credential:name`. Many meters need none for reading.
    pub password: Option<Secret>,
    /// Number of the device on a shared line.
    pub identity: u8,
    /// Speed that is proposed to the meter once it has answered at `baud`.
    pub fast_baud: Option<u32>,
    /// C12.21: the number the modem calls; without one the line is taken to be up.
    pub phone: Option<String>,
    /// C12.22: the meter's application title.
    pub title: Option<String>,
    /// C12.22: our own, as the meter knows it.
    pub client_title: Option<String>,
    /// C12.22: number of the key.
    pub key_id: u8,
    /// C12.22: the key of EAX' in hex, 16 octets: `file:/path` or `credential:name`.
    pub key: Option<Secret>,
    /// What the meter's sources measure, for one that does not tell.
    pub source: Vec<SourceConfig>,
    /// Data table of the load profile whose missing rows are read, 64 to 67; none when left out.
    pub profile: Option<u16>,
    /// Seconds from one reading of the profile to the next, 60 to 86400; 900 when left out.
    pub profile_period_s: Option<u32>,
    /// IANA zone of a meter whose tables do not tell its deviation from UTC.
    pub zone: Option<String>,
}

/// `[[meter.c12.source]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// Index of the source, as `wattle decode c12` shows it, 0 to 254.
    pub index: u8,
    /// Its OBIS code.
    pub obis: String,
    /// Its unit, such as `Wh`.
    pub unit: Option<String>,
    /// The power of ten that its numbers are multiplied with.
    #[serde(default)]
    pub scaler: i8,
}

impl SourceConfig {
    fn assignment(&self) -> anyhow::Result<Assignment> {
        let register: ObisCode = self.obis.parse()?;
        let unit = self.unit.as_deref().map(|symbol| {
            let units = (1..=57).filter_map(Unit::from_code);
            let mut named = units.filter(|unit| unit.to_string() == symbol);
            named
                .next()
                .with_context(|| format!("{symbol:?} is no unit"))
        });
        anyhow::ensure!(
            (-12..=12).contains(&self.scaler),
            "scaler: {} is not within -12 to 12",
            self.scaler
        );
        Ok(Assignment {
            register,
            unit: unit.transpose()?,
            scaler: self.scaler,
        })
    }
}

impl Protocol {
    const fn c12_dialect(self) -> Option<Dialect> {
        match self {
            Self::C12_18 => Some(Dialect::C12_18),
            Self::C12_21 => Some(Dialect::C12_21),
            _ => None,
        }
    }
}

impl MeterConfig {
    pub(super) fn check_c12(&self, at: &str, found: &mut Vec<String>) {
        let dialect = self.protocol.c12_dialect();
        let networked = self.protocol == Protocol::C12_22;
        if dialect.is_none() && !networked {
            if self.c12.is_some() {
                found.push(format!(
                    "{at}: c12 is for protocol = \"c12.18\", \"c12.21\" and \"c12.22\""
                ));
            }
            return;
        }
        in_range(
            &format!("{at}: period_s"),
            u64::from(self.period_s),
            10,
            86_400,
            found,
        );
        let settings = self.c12.clone().unwrap_or_default();
        if settings.phone.is_some() && dialect != Some(Dialect::C12_21) {
            found.push(format!("{at}: c12.phone is for protocol = \"c12.21\""));
        }
        if networked {
            if let Err(error) = self.c12_network() {
                found.push(format!("{at}: {error:#}"));
            }
            if settings.password.is_some() || settings.user.is_some() {
                found.push(format!(
                    "{at}: c12.user and c12.password are not for protocol = \"c12.22\", whose messages carry their own proof"
                ));
            }
            if !["tcp:", "udp:"]
                .iter()
                .any(|scheme| self.port.to_string_lossy().starts_with(scheme))
            {
                found.push(format!(
                    "{at}: port is \"tcp:HOST:1153\" or \"udp:HOST:1153\" for protocol = \"c12.22\""
                ));
            }
        } else if settings.title.is_some() || settings.key.is_some() {
            found.push(format!(
                "{at}: c12.title and c12.key are for protocol = \"c12.22\""
            ));
        }
        if let Err(error) = self.c12_reader() {
            found.push(format!("{at}: {error:#}"));
        }
    }

    /// How the messages of C12.22 are addressed and protected.
    ///
    /// # Errors
    /// A title or the key is missing or none; the key is not repeated.
    pub fn c12_network(&self) -> anyhow::Result<net::client::Config> {
        let settings = self.c12.clone().unwrap_or_default();
        let title = |name: &'static str, text: Option<&String>| {
            let text = text.with_context(|| format!("c12.{name} is missing"))?;
            let parsed = text.parse::<net::ApTitle>();
            parsed.with_context(|| format!("c12.{name} {text:?}"))
        };
        let called = title("title", settings.title.as_ref())?;
        let calling = title("client_title", settings.client_title.as_ref())?;
        let key = settings
            .key
            .context("c12.key is missing: without one, anybody could answer")?;
        let key = Key::from_hex(&key.reveal().context("c12.key")?).context("c12.key")?;
        anyhow::ensure!(
            key.octets().len() == 16,
            "c12.key: a key of EAX' has 16 octets"
        );
        let mut network = net::client::Config::new(called, calling);
        network.key = Some((settings.key_id, key));
        network.timeout = ANSWER_TIMEOUT;
        Ok(network)
    }

    /// How a meter of these protocols is read.
    ///
    /// # Errors
    /// A setting is out of its range, or the password cannot be read. It is not repeated.
    pub fn c12_reader(&self) -> anyhow::Result<reader::Config> {
        let settings = self.c12.clone().unwrap_or_default();
        let first = client::Config::default();
        let user = settings.user.unwrap_or(first.user.clone());
        let legal = user.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        anyhow::ensure!(
            legal && user.len() <= USER_LENGTH,
            "c12.user has at most {USER_LENGTH} characters of ASCII"
        );
        let password = settings.password.map(|secret| {
            let text = secret.reveal().context("c12.password")?;
            Password::from_text(&text).context("c12.password has at most 20 characters")
        });
        let baud_code = settings.fast_baud.map(|wanted| {
            let mut codes =
                (1..=14).filter(|code| meter_link::c12::service::baud(*code) == Some(wanted));
            let missing = || format!("c12.fast_baud: {wanted} is no speed of C12.18");
            codes.next().with_context(missing)
        });
        let modem = settings.phone.map(|number| {
            Modem::new(&number).context("c12.phone has digits, *, #, commas and + only")
        });
        let mut assignments = Assignments::new();
        for source in &settings.source {
            let assignment = source.assignment();
            let assignment = assignment.with_context(|| format!("c12.source {}", source.index))?;
            assignments.insert(source.index, assignment);
        }
        Ok(reader::Config {
            client: client::Config {
                dialect: self.protocol.c12_dialect().unwrap_or(Dialect::C12_18),
                identity: settings.identity,
                user_id: settings.user_id,
                user,
                password: password.transpose()?,
                baud_code: baud_code.transpose()?,
                ..first
            },
            line: Line::eight_none(self.baud.unwrap_or(9_600)),
            period: Duration::from_secs(u64::from(self.period_s)),
            assignments,
            modem: modem.transpose()?,
            profile: self.c12_profile()?,
        })
    }

    /// Which load profile is read.
    ///
    /// # Errors
    /// A setting is out of its range.
    pub fn c12_profile(&self) -> anyhow::Result<Option<load_profile::Config>> {
        let settings = self.c12.clone().unwrap_or_default();
        let period_s = settings.profile_period_s.unwrap_or(900);
        anyhow::ensure!(
            (60..=86_400).contains(&period_s),
            "c12.profile_period_s is 60 to 86400"
        );
        let zone = settings.zone.as_deref().map(TimeZone::get);
        let zone = zone.transpose().context("c12.zone")?;
        let Some(table) = settings.profile else {
            return Ok(None);
        };
        anyhow::ensure!((64..=67).contains(&table), "c12.profile is 64 to 67");
        Ok(Some(load_profile::Config {
            zone,
            period: Duration::from_secs(u64::from(period_s)),
            ..load_profile::Config::new(table)
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn meter(more: &str) -> Config {
        let text = format!(
            "[[meter]]\nname = \"house\"\nprotocol = \"c12.18\"\nport = \"/dev/null\"\n{more}"
        );
        toml::from_str(&text).unwrap()
    }

    #[test]
    fn settings_of_a_meter() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "hunter2\n").unwrap();
        let config = meter(&format!(
            "period_s = 300\n[meter.c12]\nprofile = 65\nprofile_period_s = 3600\nzone = \"America/Denver\"\nuser = \"reader\"\nuser_id = 2\nfast_baud = 19200\n\
             password = \"file:{}\"\n\
             [[meter.c12.source]]\nindex = 3\nobis = \"1-0:1.8.0\"\nunit = \"Wh\"\nscaler = 3\n",
            file.display()
        ));
        assert_eq!(config.problems(), Vec::<String>::new());
        let reader = config.meters[0].c12_reader().unwrap();
        assert_eq!(reader.period, Duration::from_secs(300));
        assert_eq!(reader.client.baud_code, Some(8));
        assert_eq!(reader.client.password, Password::from_text("hunter2"));
        let profile = reader.profile.clone().unwrap();
        assert_eq!((profile.table, profile.period.as_secs()), (65, 3_600));
        assert!(profile.zone.is_some());
        let source = reader.assignments[&3];
        assert_eq!(source.register, ObisCode::ACTIVE_ENERGY_IMPORT);
        assert_eq!((source.unit, source.scaler), (Some(Unit::WattHour), 3));
        assert!(!format!("{config:?} {reader:?}").contains("hunter2"));
    }

    #[test]
    fn a_meter_of_a_network_needs_titles_and_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "01020304050607080102030405060708\n").unwrap();
        let meter = |port: &str, more: &str| -> Config {
            let text = format!(
                "[[meter]]\nname = \"house\"\nprotocol = \"c12.22\"\nport = {port:?}\n[meter.c12]\n{more}"
            );
            toml::from_str(&text).unwrap()
        };
        let titles = "title = \".123.8437\"\nclient_title = \".123.4\"\nkey_id = 2\n";
        let whole = format!("{titles}key = \"file:{}\"\n", file.display());
        let config = meter("tcp:10.0.0.5:1153", &whole);
        assert_eq!(config.problems(), Vec::<String>::new());
        let network = config.meters[0].c12_network().unwrap();
        assert_eq!(network.key.map(|(number, _)| number), Some(2));
        for (port, more, part) in [
            ("/dev/ttyUSB0", whole.clone(), "tcp:HOST:1153"),
            ("tcp:h:1", titles.to_owned(), "c12.key is missing"),
            ("tcp:h:1", whole.replace(".123.8437", "x"), "c12.title"),
            ("tcp:h:1", format!("{whole}user = \"a\"\n"), "c12.user"),
        ] {
            let problems = meter(port, &more).problems().join("\n");
            assert!(problems.contains(part), "{part}: {problems}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let source = "[[meter.c12.source]]\nindex = 3\n";
        for (more, part) in [
            ("period_s = 5\n".to_owned(), "period_s"),
            (
                "[meter.c12]\nuser = \"much too long\"\n".to_owned(),
                "c12.user",
            ),
            ("[meter.c12]\nfast_baud = 1\n".to_owned(), "fast_baud"),
            ("[meter.c12]\nphone = \"1\"\n".to_owned(), "c12.21"),
            ("[meter.c12]\nprofile = 63\n".to_owned(), "64 to 67"),
            ("[meter.c12]\nzone = \"Moon\"\n".to_owned(), "c12.zone"),
            (format!("{source}obis = \"x\"\n"), "c12.source 3"),
            (
                format!("{source}obis = \"1.8.0\"\nunit = \"kilo\"\n"),
                "no unit",
            ),
            (format!("{source}obis = \"1.8.0\"\nscaler = 99\n"), "scaler"),
        ] {
            let problems = meter(&more).problems().join("\n");
            assert!(problems.contains(part), "{part}: {problems}");
        }
        let text =
            "[[meter]]\nname = \"a\"\nprotocol = \"sml\"\nport = \"/dev/null\"\n[meter.c12]\n";
        let config: Config = toml::from_str(text).unwrap();
        assert!(config.problems()[0].contains("c12.18"));
    }
}

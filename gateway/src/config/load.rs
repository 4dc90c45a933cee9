//! Reading the configuration's files and the environment.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{Config, beside};
use wattle_billing::toml_file::{FileError, parse, read};

/// Prefix of the environment's variables.
const ENV_PREFIX: &str = "WATTLE__";

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file, or a variable of the environment, cannot be read or breaks the form.
    #[error(transparent)]
    File(#[from] FileError),
    /// The form is right, but the values do not fit.
    #[error("{path}: {}", problems.join("\n"))]
    Values {
        /// The main file.
        path: PathBuf,
        /// Each a sentence.
        problems: Vec<String>,
    },
}

/// Reads `path`, `conf.d/*.toml` beside it, and the `WATTLE__…` variables of `env`.
///
/// # Errors
/// [`ConfigError`] names the file, the line and the rule.
pub fn load(
    path: &Path,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let mut merged = Table::new();
    for file in files(path)? {
        let text = read(&file)?;
        let name = file.display().to_string();
        parse::<Config>(&text, &name)?;
        let mut table: Table = parse(&text, &name)?;
        anchor_paths(&mut table, &file);
        merge(&mut merged, table);
    }
    for (name, value) in env.filter(|(name, _)| name.starts_with(ENV_PREFIX)) {
        merge(&mut merged, variable(&name, &value)?);
    }
    let text = toml::to_string(&merged).unwrap_or_default();
    let config: Config = parse(&text, "the configuration as a whole")?;
    let problems = config.problems();
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(ConfigError::Values {
            path: path.to_path_buf(),
            problems,
        })
    }
}

/// The main file and those of `conf.d`, in order of precedence.
fn files(path: &Path) -> Result<Vec<PathBuf>, ConfigError> {
    let folder = beside(path, Path::new("conf.d"));
    let mut extra = Vec::new();
    if folder.is_dir() {
        let unreadable = |source| FileError::Unreadable {
            path: folder.clone(),
            source,
        };
        for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if file.extension().is_some_and(|ending| ending == "toml") {
                extra.push(file);
            }
        }
    }
    extra.sort();
    extra.insert(0, path.to_path_buf());
    Ok(extra)
}

/// Paths in a file are relative to that file.
fn anchor_paths(table: &mut Table, file: &Path) {
    for (section, key) in [
        ("tariff", "file"),
        ("tariff", "folder"),
        ("tariff", "ca_file"),
        ("gas", "tariff"),
        ("water", "tariff"),
        ("mqtt", "ca_file"),
        ("mqtt", "client_cert"),
        ("upstream", "recipient"),
        ("upstream", "trust"),
        ("upstream", "commanders"),
        ("upstream", "ca_file"),
        ("upstream", "certificate"),
    ] {
        if let Some(Value::String(path)) = table
            .get_mut(section)
            .and_then(|section| section.get_mut(key))
        {
            *path = beside(file, Path::new(path.as_str())).display().to_string();
        }
    }
    let meters = table.get_mut("meter").and_then(Value::as_array_mut);
    for meter in meters.into_iter().flatten() {
        if let Some(Value::String(path)) = meter.get_mut("profile") {
            *path = beside(file, Path::new(path.as_str())).display().to_string();
        }
    }
}

fn merge(into: &mut Table, from: Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) => merge(old, new),
            (Some(Value::Array(old)), Value::Array(new)) => old.extend(new),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// `WATTLE__MQTT__HOST=broker` as a table. A value that reads as a TOML integer or boolean is
/// one, every other is a text.
fn variable(name: &str, value: &str) -> Result<Table, ConfigError> {
    let path: Vec<String> = name
        .get(ENV_PREFIX.len()..)
        .unwrap_or_default()
        .split("__")
        .map(str::to_lowercase)
        .collect();
    if path.len() < 2 || path.iter().any(String::is_empty) {
        let message = "a variable is named WATTLE__SECTION__KEY".to_owned();
        return Err(FileError::Form {
            name: name.to_owned(),
            line: 1,
            message,
        }
        .into());
    }
    let literal = value
        .parse::<i64>()
        .map(Value::Integer)
        .or_else(|_| value.parse::<bool>().map(Value::Boolean));
    let mut node = literal.unwrap_or_else(|_| Value::String(value.to_owned()));
    for key in path.iter().rev() {
        node = Value::Table(Table::from_iter([(key.clone(), node)]));
    }
    let Value::Table(table) = node else {
        return Ok(Table::new());
    };
    let text = toml::to_string(&table).unwrap_or_default();
    parse::<Config>(&text, name)?;
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Protocol, Role};

    const METER: &str = "[[meter]]\nname = \"grid\"\nprotocol = \"sml\"\nport = \"/dev/ttyUSB0\"\n";

    fn load_text(text: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("wattle.toml");
        std::fs::write(&file, text).unwrap();
        load(
            &file,
            env.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn defaults_and_one_meter() {
        let config = load_text(METER, &[]).unwrap();
        assert_eq!(config.meters.len(), 1);
        assert_eq!(config.meters[0].protocol, Protocol::Sml);
        assert_eq!(config.meters[0].role, Role::Grid);
        assert_eq!(config.mqtt.port(), 1883);
    }

    #[test]
    fn an_unknown_key_names_its_line_and_the_nearest() {
        let error = load_text(&format!("{METER}boud = 9600\n"), &[])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("wattle.toml:5:") && error.contains("did you mean \"baud\"?"),
            "{error}"
        );
        let error = load_text("[mqqt]\n", &[]).unwrap_err().to_string();
        assert!(
            error.contains(":1:") && error.contains("\"mqtt\""),
            "{error}"
        );
        let error = load_text(&METER.replace("sml", "smll"), &[])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(":3:") && error.contains("\"sml\""),
            "{error}"
        );
    }

    #[test]
    fn conf_d_adds_meters_and_the_environment_wins() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("conf.d")).unwrap();
        std::fs::write(
            folder.path().join("wattle.toml"),
            format!("[mqtt]\nhost = \"a\"\n{METER}"),
        )
        .unwrap();
        let second =
            METER.replace("grid", "heat-pump").replace("USB0", "USB1") + "role = \"submeter\"\n";
        std::fs::write(folder.path().join("conf.d/10-more.toml"), second).unwrap();
        std::fs::write(
            folder.path().join("conf.d/20-broker.toml"),
            "[mqtt]\nhost = \"b\"\n",
        )
        .unwrap();
        let env = [("WATTLE__MQTT__PORT".to_owned(), "1884".to_owned())];
        let config = load(&folder.path().join("wattle.toml"), env.into_iter()).unwrap();
        assert_eq!(config.meters.len(), 2);
        assert_eq!((config.mqtt.host.as_str(), config.mqtt.port()), ("b", 1884));
    }

    #[test]
    fn a_wrong_variable_is_named() {
        let error = load_text(METER, &[("WATTLE__MQTT__HSOT", "x")])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("WATTLE__MQTT__HSOT") && error.contains("\"host\""),
            "{error}"
        );
    }

    #[test]
    fn keys_of_a_p1_meter() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            format!("\"file:{}\"", path.display())
        };
        let good = file("good", "000102030405060708090a0b0c0d0e0f\n");
        let bad = file("bad", "c0ffee");
        let p1 = METER.replace("sml", "p1");
        let right =
            format!("{p1}key = {good}\nauth_key = {good}\nsystem_title = \"57534d3030303031\"\n");
        let config = load_text(&right, &[]).unwrap();
        let keys = config.meters[0].keys().unwrap();
        assert_eq!(keys.system_title, Some(*b"WSM00001"));
        assert!(!keys.encryption.is_empty() && !keys.authentication.is_empty());
        for (text, part) in [
            (format!("{p1}key = {good}\n"), "no_auth"),
            (format!("{p1}key = {bad}\nno_auth = true\n"), "32, 48 or 64"),
            (format!("{p1}no_auth = true\n"), "without key"),
            (
                format!("{p1}key = {good}\nno_auth = true\nsystem_title = \"57\"\n"),
                "16 hex",
            ),
            (format!("{METER}key = {good}\nno_auth = true\n"), "protocol"),
            (
                p1.clone() + &METER.replace("grid", "grid gas").replace("USB0", "USB1"),
                "may report",
            ),
        ] {
            let error = load_text(&text, &[]).unwrap_err().to_string();
            assert!(error.contains(part), "{part}: {error}");
            assert!(!error.contains("c0ffee"), "{error}");
        }
    }

    #[test]
    fn a_dlms_meter_that_pushes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("lists.toml");
        let meter = METER.replace("sml", "dlms-push");
        let named = format!("{meter}framing = \"8N1\"\nprofile = {file:?}\n");
        let error = load_text(&named, &[]).unwrap_err().to_string();
        assert!(error.contains("lists.toml"), "{error}");
        let profile = "[[profile]]\nid = \"mine\"\nsource = \"the installer\"\nshape = \"positions\"\n\
            elements = [1]\nplace = [{ at = 0, obis = \"1-0:1.7.0\", unit = \"W\" }]\n";
        std::fs::write(&file, profile).unwrap();
        let config = load_text(&named, &[]).unwrap();
        assert_eq!(config.meters[0].protocol.name(), "dlms-push");
        assert_eq!(config.meters[0].profiles().unwrap()[0].id, "mine");
        std::fs::write(&file, profile.replace("\"W\"", "\"Watt\"")).unwrap();
        let error = load_text(&named, &[]).unwrap_err().to_string();
        assert!(error.contains("\"Watt\" is no unit"), "{error}");
        let error = load_text(&format!("{METER}profile = {file:?}\n"), &[]).unwrap_err();
        assert!(error.to_string().contains("dlms-push"), "{error}");
    }

    #[test]
    fn values_out_of_range_are_listed() {
        let twice = format!(
            "{METER}{METER}[gateway]\ntime_zone = \"Europe/Atlantis\"\n[store]\nreadings_days = 0\n"
        );
        let error = load_text(&twice, &[]).unwrap_err().to_string();
        for part in [
            "used twice",
            "belongs to another",
            "Atlantis",
            "store.readings_days",
            "role = \"submeter\"",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn a_tic_meter_has_one_of_two_speeds() {
        let meter = METER.replace("sml", "tic");
        let protocol = |text: &str| load_text(text, &[]).map(|c| c.meters[0].protocol);
        assert_eq!(protocol(&meter).unwrap(), Protocol::Tic);
        assert_eq!(Protocol::Tic.name(), "tic");
        assert!(protocol(&format!("{meter}baud = 1200\n")).is_ok());
        let error = protocol(&format!("{meter}baud = 2400\n")).unwrap_err();
        assert!(
            error.to_string().contains("9600 (standard mode)"),
            "{error}"
        );
    }
}

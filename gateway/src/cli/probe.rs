//! `wattle probe`: which meter is at a port, and what to write into the configuration.

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use meter_link::driver::{HeadPower, Place, run_probe};
use meter_link::probe::{Finding, Missing, Progress, Protocol, Verdict};
use meter_link::profile::maker;
use meter_link::session::{Line, Parity};
use serde_json::{Value, json};

/// Nothing was found, or the port cannot be used.
const EXIT_NOTHING: u8 = 1;

/// Find out which meter is at a port: protocol, speed, and what is missing
#[derive(Debug, Args)]
#[command(
    long_about = "Find out which meter is at a port: protocol, speed, framing, its number, and what is missing.\n\n\
        Listens first; then asks, what disturbs least first. It takes 90 seconds at the most and changes \
        nothing in the meter. The daemon must not use the port meanwhile. The exit status is 0 when a meter \
        was found and 1 when not.",
    after_help = "Examples:\n  \
        wattle probe /dev/ttyUSB0\n  \
        wattle probe --head-power rts /dev/wattle/optical0\n  \
        wattle probe --json tcp:192.168.1.50:502"
)]
pub struct ProbeArgs {
    /// A device file, or tcp:host:port
    #[arg(value_name = "PORT")]
    place: Place,

    /// Which modem lines power the optical head
    #[arg(long, value_enum, default_value_t = Power::None)]
    head_power: Power,

    /// Print one JSON object in place of words
    #[arg(long)]
    json: bool,
}

/// Modem lines that power an optical head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Power {
    /// Left as the system sets them.
    None,
    /// RTS on, DTR off.
    Rts,
    /// DTR on, RTS off.
    Dtr,
    /// Both on.
    Both,
}

impl Power {
    const fn lines(self) -> HeadPower {
        match self {
            Self::None => HeadPower::None,
            Self::Rts => HeadPower::Rts,
            Self::Dtr => HeadPower::Dtr,
            Self::Both => HeadPower::Both,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Rts => "rts",
            Self::Dtr => "dtr",
            Self::Both => "both",
        }
    }
}

/// Runs `wattle probe` and gives the exit status of the process.
#[must_use]
pub fn run(args: &ProbeArgs) -> ExitCode {
    match probe(args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_NOTHING),
        Err(error) => {
            if args.json {
                println!(
                    "{}",
                    json!({ "port": args.place.to_string(), "error": format!("{error:#}") })
                );
            }
            eprintln!("wattle probe: {}: {error:#}", args.place);
            ExitCode::from(EXIT_NOTHING)
        }
    }
}

fn probe(args: &ProbeArgs) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let tell = |Progress { elapsed, text }: Progress| {
        // Whoever does not look at it is not to be stopped by it.
        let _ = writeln!(std::io::stderr(), "{:>4} s  {text}", elapsed.as_secs());
    };
    let place = args.place.clone();
    let verdict = runtime.block_on(run_probe(place, args.head_power.lines(), tell))?;
    let text = match args.json {
        true => format!("{}\n", object(args, &verdict)),
        false => words(args, &verdict),
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(verdict.finding.is_some())
}

fn parity(line: Line) -> &'static str {
    match line.parity {
        Parity::None => "none",
        Parity::Even => "even",
        Parity::Odd => "odd",
    }
}

fn object(args: &ProbeArgs, verdict: &Verdict) -> Value {
    let found = verdict.finding.as_ref().map(|finding| {
        let missing =
            |missing: &Missing| json!({ "what": missing.code(), "advice": missing.advice() });
        json!({
            "protocol": finding.protocol.code(),
            "description": finding.protocol.name(),
            "baud": finding.line.map(|line| line.baud),
            "data_bits": finding.line.map(|line| line.data_bits),
            "parity": finding.line.map(parity),
            "meter": finding.meter.as_ref().map(ToString::to_string),
            "manufacturer": finding.manufacturer,
            "model": finding.model,
            "unit": finding.unit,
            "map": finding.map,
            "missing": finding.missing.iter().map(missing).collect::<Vec<_>>(),
            "config": config(args, finding),
        })
    });
    json!({ "port": args.place.to_string(), "found": found, "remarks": verdict.remarks })
}

fn words(args: &ProbeArgs, verdict: &Verdict) -> String {
    let mut text = String::new();
    let Some(finding) = &verdict.finding else {
        text.push_str(&format!("No meter was found at {}.\n", args.place));
        for remark in &verdict.remarks {
            text.push_str(&format!("  {remark}\n"));
        }
        return text;
    };
    text.push_str(&format!("At {}: {}", args.place, finding.protocol.name()));
    if let Some(line) = finding.line {
        text.push_str(&format!(", {line}"));
    }
    text.push('\n');
    let of = |name: &str, value: Option<String>| {
        value.map_or_else(String::new, |value| format!("  {name:<9} {value}\n"))
    };
    text.push_str(&of(
        "meter",
        finding.meter.as_ref().map(ToString::to_string),
    ));
    let maker = finding
        .manufacturer
        .as_ref()
        .map(|letters| match maker(letters) {
            Some(name) => format!("{letters} ({name})"),
            None => letters.clone(),
        });
    text.push_str(&of("maker", maker));
    text.push_str(&of("model", finding.model.clone()));
    text.push_str(&of("unit", finding.unit.map(|unit| unit.to_string())));
    for missing in &finding.missing {
        text.push_str(&format!("  missing   {}\n", missing.advice()));
    }
    for remark in &verdict.remarks {
        text.push_str(&format!("  {remark}\n"));
    }
    match config(args, finding) {
        Some(snippet) => {
            text.push_str("\nFor /etc/wattle/wattle.toml:\n\n");
            text.push_str(&snippet);
        }
        None => text.push_str("\nThe daemon does not read this protocol yet.\n"),
    }
    text
}

/// The tables for the configuration; `None` for a protocol that the daemon does not read.
fn config(args: &ProbeArgs, finding: &Finding) -> Option<String> {
    let protocol = match finding.protocol {
        Protocol::Sml => "sml",
        Protocol::P1 => "p1",
        Protocol::Tic => "tic",
        Protocol::DlmsPushHdlc | Protocol::DlmsPushMbus => "dlms-push",
        Protocol::DlmsHdlc | Protocol::DlmsWrapper => "dlms",
        // One that has told its number in text can be read so, without a password.
        Protocol::DlmsModeE if finding.meter.is_none() => "dlms",
        Protocol::Iec62056_21 | Protocol::Iec62056_21Push | Protocol::DlmsModeE => "iec62056-21",
        Protocol::ModbusRtu | Protocol::ModbusTcp => "modbus",
        Protocol::C1218 => "c12.18",
        _ => return None,
    };
    let modbus = protocol == "modbus";
    let name = if modbus { "submeter" } else { "electricity" };
    let mut text = format!(
        "[[meter]]\nname = \"{name}\"\nprotocol = \"{protocol}\"\nport = {:?}\n",
        args.place.to_string()
    );
    if let Some(unit) = finding.unit {
        text.push_str(&format!("role = \"submeter\"\nunit = {unit}\n"));
        match finding.map {
            Some(map) => text.push_str(&format!("map = \"{map}\"\n")),
            None => text
                .push_str("map = \"\"                          # the model's, see its nameplate\n"),
        }
    }
    if finding.protocol == Protocol::Iec62056_21Push {
        text.push_str("push = true\n");
    }
    let usual = match protocol {
        "sml" | "c12.18" => Some(Line::eight_none(9_600)),
        "dlms" if finding.protocol == Protocol::DlmsHdlc => Some(Line::eight_none(9_600)),
        // Behind the opening the speed is agreed on.
        "dlms" => finding.line,
        "iec62056-21" if finding.protocol == Protocol::Iec62056_21Push => {
            Some(Line::seven_even(2_400))
        }
        "iec62056-21" => Some(Line::seven_even(300)),
        "tic" => Some(Line::seven_even(9_600)),
        _ => None,
    };
    if let Some(line) = finding.line.filter(|line| usual != Some(*line)) {
        text.push_str(&format!("baud = {}\n", line.baud));
        if matches!(protocol, "p1" | "modbus" | "dlms-push") {
            let framing = line.to_string();
            let framing = framing.split(' ').nth(1).unwrap_or("8N1");
            text.push_str(&format!("framing = \"{framing}\"\n"));
        }
    }
    if args.head_power != Power::None {
        text.push_str(&format!("head_power = \"{}\"\n", args.head_power.name()));
    }
    if finding.missing.contains(&Missing::Key) {
        text.push_str("key = \"credential:meter-key\"           # 32 hex digits in /etc/credstore/wattle.meter-key\n");
        text.push_str(
            "auth_key = \"credential:meter-auth-key\" # or no_auth = true where nobody tells it\n",
        );
    }
    if finding.missing.contains(&Missing::SystemTitle) {
        text.push_str("system_title = \"\"                 # 16 hex digits\n");
    }
    let link = match finding.protocol {
        _ if protocol != "dlms" => return Some(text),
        Protocol::DlmsWrapper => "wrapper",
        Protocol::DlmsModeE => "mode-e",
        _ => "hdlc",
    };
    text.push_str(&format!("[meter.dlms]\nlink = \"{link}\"\n"));
    text.push_str(
        "registers = [\"1-0:1.8.0\"]         # more with a client and its authentication\n",
    );
    Some(text)
}

#[cfg(test)]
mod tests {
    use meter_link::model::MeterId;

    use super::*;
    use crate::config::Config;

    fn finding(protocol: Protocol, line: Line) -> Finding {
        Finding {
            protocol,
            line: Some(line),
            meter: MeterId::new("123"),
            manufacturer: None,
            model: None,
            unit: None,
            map: None,
            missing: Vec::new(),
        }
    }

    fn args() -> ProbeArgs {
        ProbeArgs {
            place: "/dev/ttyUSB0".parse().unwrap(),
            head_power: Power::Rts,
            json: false,
        }
    }

    /// What is offered can be pasted: the daemon takes it.
    #[test]
    fn every_snippet_is_a_right_configuration() {
        let modbus = Finding {
            unit: Some(3),
            map: Some("sdm630"),
            ..finding(Protocol::ModbusRtu, Line::eight_none(2_400))
        };
        let mode_e = Finding {
            meter: None,
            ..finding(Protocol::DlmsModeE, Line::seven_even(300))
        };
        for finding in [
            finding(Protocol::Sml, Line::eight_none(9_600)),
            finding(Protocol::P1, Line::eight_none(115_200)),
            finding(Protocol::P1, Line::seven_even(9_600)),
            finding(Protocol::Tic, Line::seven_even(1_200)),
            finding(Protocol::Iec62056_21, Line::seven_even(300)),
            finding(Protocol::Iec62056_21Push, Line::seven_even(2_400)),
            finding(Protocol::DlmsModeE, Line::seven_even(300)),
            finding(Protocol::C1218, Line::eight_none(9_600)),
            finding(Protocol::DlmsPushHdlc, Line::eight_none(115_200)),
            finding(Protocol::DlmsHdlc, Line::eight_none(9_600)),
            mode_e,
            modbus,
        ] {
            let snippet = config(&args(), &finding).unwrap();
            let config: Config = toml::from_str(&snippet).unwrap();
            assert_eq!(config.problems(), [""; 0], "{snippet}");
            assert!(
                !snippet.contains("baud = 9600") || finding.protocol == Protocol::P1,
                "{snippet}"
            );
        }
        // Behind a network address there is no line.
        let args = ProbeArgs {
            place: "tcp:meter.lan:4059".parse().unwrap(),
            head_power: Power::None,
            json: false,
        };
        let wrapper = Finding {
            line: None,
            ..finding(Protocol::DlmsWrapper, Line::eight_none(9_600))
        };
        let snippet = config(&args, &wrapper).unwrap();
        let config: Config = toml::from_str(&snippet).unwrap();
        assert_eq!(config.problems(), [""; 0], "{snippet}");
    }

    #[test]
    fn what_is_missing_is_told_in_words_and_for_programs() {
        let locked = Finding {
            missing: vec![Missing::Pin],
            ..finding(Protocol::Sml, Line::eight_none(9_600))
        };
        let verdict = Verdict {
            finding: Some(locked),
            remarks: Vec::new(),
        };
        assert!(words(&args(), &verdict).contains("enter the PIN"));
        let object = object(&args(), &verdict);
        assert_eq!(object["found"]["missing"][0]["what"], "pin");
        assert_eq!(object["found"]["parity"], "none");
    }
}

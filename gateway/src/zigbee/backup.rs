//! The open coordinator backup, version 1, which zigpy (Home Assistant) and zigbee2mqtt read and
//! write: <https://github.com/zigpy/open-coordinator-backup>. It holds the keys in the clear.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use han::zigbee::coordinator::{LinkKey, Network, Stack};
use jiff::Timestamp;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::book::Book;
use crate::hex;

const FORMAT: &str = "zigpy/open-coordinator-backup";

/// The network that is kept in a state folder, as a backup.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn backup(folder: &Path, now: Timestamp) -> anyhow::Result<Value> {
    let book = Book::open(folder)?;
    let network = book.network()?.context("no Zigbee network is known here")?;
    Ok(write(&network, book.devices(), now))
}

/// Puts a backup into a state folder; the daemon, which must not run meanwhile, restores it to an
/// empty stick. A network that is known already is replaced only with `replace`.
///
/// # Errors
/// The file is no such backup, or another network is known.
pub fn restore(folder: &Path, text: &str, replace: bool) -> anyhow::Result<()> {
    let (network, devices) = read(text)?;
    let mut book = Book::open(folder)?;
    if let Some(known) = book.network()?.filter(|known| !known.is(&network)) {
        ensure!(
            replace,
            "another Zigbee network (PAN {:04x}) is known here: --replace gives it up",
            known.pan
        );
    }
    book.keep_network(&network)?;
    book.keep_devices(devices)
}

fn write(network: &Network, devices: &[(u64, u16)], now: Timestamp) -> Value {
    let devices = devices.iter().map(|(ieee, nwk)| {
        let mut device = json!({
            "nwk_address": format!("{nwk:04x}"),
            "ieee_address": format!("{ieee:016x}"),
            "is_child": false,
        });
        let own = network.link_keys.iter().find(|one| one.ieee == *ieee);
        if let (Some(own), Some(device)) = (own, device.as_object_mut()) {
            let link_key = json!({
                "key": hex::encode(&own.key[..]),
                "tx_counter": own.sent,
                "rx_counter": own.received,
            });
            device.insert("link_key".to_owned(), link_key);
        }
        device
    });
    let secret = hex::encode(&network.link_key[..]);
    let stack_specific = match network.stack {
        Stack::EmberZnet => json!({ "ezsp": { "hashed_tclk": secret } }),
        Stack::ZStack => json!({ "zstack": { "tclk_seed": secret } }),
    };
    json!({
        "metadata": {
            "format": FORMAT,
            "version": 1,
            "source": format!("wattle@{}", env!("CARGO_PKG_VERSION")),
            "internal": { "creation_time": now.to_string() },
        },
        "stack_specific": stack_specific,
        "coordinator_ieee": format!("{:016x}", network.coordinator),
        "pan_id": format!("{:04x}", network.pan),
        "extended_pan_id": format!("{:016x}", network.extended_pan),
        "nwk_update_id": network.update_id,
        "security_level": 5,
        "channel": network.channel,
        "channel_mask": (11..=26).collect::<Vec<u8>>(),
        "network_key": {
            "key": hex::encode(&network.key[..]),
            "sequence_number": network.key_sequence,
            "frame_counter": network.frame_counter,
        },
        "devices": devices.collect::<Vec<Value>>(),
    })
}

fn read(text: &str) -> anyhow::Result<(Network, Vec<(u64, u16)>)> {
    // What is wrong is told by its name: the text holds keys.
    let backup: Value = serde_json::from_str(text).map_err(|_| anyhow::anyhow!("it is no JSON"))?;
    let metadata = at(&backup, "/metadata");
    ensure!(
        at(metadata, "/format") == FORMAT,
        "metadata.format: it is no {FORMAT}"
    );
    ensure!(
        at(metadata, "/version") == 1,
        "metadata.version: only version 1 is known"
    );
    let level = at(&backup, "/security_level").as_u64();
    ensure!(
        matches!(level, None | Some(5)),
        "security_level: Zigbee 3.0 has 5"
    );
    let ember = at(&backup, "/stack_specific/ezsp/hashed_tclk");
    let zstack = at(&backup, "/stack_specific/zstack/tclk_seed");
    let (stack, named, secret) = if ember.is_string() {
        (Stack::EmberZnet, "ezsp.hashed_tclk", ember)
    } else if zstack.is_string() {
        (Stack::ZStack, "zstack.tclk_seed", zstack)
    } else {
        bail!(
            "stack_specific: a backup of a stick with EmberZNet has ezsp.hashed_tclk there, one with Z-Stack 3 zstack.tclk_seed; that of another kind cannot be carried on"
        );
    };
    let mut extended_pan = number(&backup, "extended_pan_id", 16)?;
    let source = at(metadata, "/source").as_str().unwrap_or_default();
    if source.starts_with("zigbee-herdsman") && stack == Stack::EmberZnet {
        // It writes this one identifier in the order of the wire.
        extended_pan = extended_pan.swap_bytes();
    }
    let channel = at(&backup, "/channel")
        .as_u64()
        .and_then(|channel| u8::try_from(channel).ok());
    let key = at(&backup, "/network_key");
    let octet = |value: &Value| value.as_u64().and_then(|number| u8::try_from(number).ok());
    let listed = at(&backup, "/devices")
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let network = Network {
        stack,
        extended_pan,
        pan: u16::try_from(number(&backup, "pan_id", 4)?).context("pan_id")?,
        channel: channel
            .filter(|channel| (11..=26).contains(channel))
            .context("channel: 11 to 26")?,
        update_id: octet(at(&backup, "/nwk_update_id")).unwrap_or(0),
        key: octets(at(key, "/key")).context("network_key.key: 32 hex digits")?,
        key_sequence: octet(at(key, "/sequence_number")).context("network_key.sequence_number")?,
        frame_counter: at(key, "/frame_counter")
            .as_u64()
            .and_then(|counter| u32::try_from(counter).ok())
            .context("network_key.frame_counter")?,
        link_key: octets(secret)
            .with_context(|| format!("stack_specific.{named}: 32 hex digits"))?,
        link_keys: listed.iter().filter_map(link_key).collect(),
        coordinator: number(&backup, "coordinator_ieee", 16)?,
    };
    let device = |device: &Value| {
        // One whose address in the network nobody knows says it when it comes back.
        let nwk = number(device, "nwk_address", 4).ok();
        let nwk = nwk
            .and_then(|nwk| u16::try_from(nwk).ok())
            .unwrap_or(0xFFFF);
        Some((number(device, "ieee_address", 16).ok()?, nwk))
    };
    Ok((network, listed.iter().filter_map(device).collect()))
}

/// The key of a listed device, where it has one.
fn link_key(device: &Value) -> Option<LinkKey> {
    let counter = |name| {
        let counter = at(device, name).as_u64();
        counter.and_then(|counter| u32::try_from(counter).ok())
    };
    Some(LinkKey {
        ieee: number(device, "ieee_address", 16).ok()?,
        key: octets(at(device, "/link_key/key"))?,
        sent: counter("/link_key/tx_counter").unwrap_or(0),
        received: counter("/link_key/rx_counter").unwrap_or(0),
    })
}

/// What stands at a pointer (RFC 6901); null where nothing does.
fn at<'a>(of: &'a Value, pointer: &str) -> &'a Value {
    of.pointer(pointer).unwrap_or(&Value::Null)
}

/// An identifier in hex, of at most so many digits.
fn number(of: &Value, name: &'static str, digits: usize) -> anyhow::Result<u64> {
    let text = of
        .get(name)
        .and_then(Value::as_str)
        .with_context(|| format!("{name}: it is missing"))?;
    let is_hex =
        (1..=digits).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    ensure!(is_hex, "{name}: it has up to {digits} hex digits");
    u64::from_str_radix(text, 16).context(name)
}

fn octets(value: &Value) -> Option<Zeroizing<[u8; 16]>> {
    let text = value
        .as_str()
        .filter(|text| text.len() == 32 && text.is_ascii())?;
    let number = u128::from_str_radix(text, 16).ok()?;
    Some(Zeroizing::new(number.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let network = Network {
            frame_counter: 70_000,
            coordinator: 0x000B_57FF_FE12_3456,
            ..Network::from_random(20, &[0x3C; 42])
        };
        let backup = write(
            &network,
            &[(0x0012_4B00_0000_0001, 0x1A01)],
            Timestamp::UNIX_EPOCH,
        );
        let (again, devices) = read(&backup.to_string()).unwrap();
        assert_eq!(
            (again, devices),
            (network, vec![(0x0012_4B00_0000_0001, 0x1A01)])
        );
    }

    #[test]
    fn one_of_z_stack_keeps_the_keys_of_devices() {
        let own = LinkKey {
            ieee: 0x0012_4B00_0000_0001,
            key: Zeroizing::new([0x5C; 16]),
            sent: 7,
            received: 9,
        };
        let network = Network {
            stack: Stack::ZStack,
            link_keys: vec![own],
            ..Network::from_random(20, &[0x3C; 42])
        };
        let devices = [
            (0x0012_4B00_0000_0001, 0x1A01),
            (0x0012_4B00_0000_0002, 0x1A02),
        ];
        let backup = write(&network, &devices, Timestamp::UNIX_EPOCH);
        assert_eq!(
            backup["stack_specific"],
            json!({ "zstack": { "tclk_seed": "3c".repeat(16) } })
        );
        let (again, listed) = read(&backup.to_string()).unwrap();
        assert_eq!((again, listed), (network, devices.to_vec()));
        // zigbee-herdsman writes the long name of such a network as it is read.
        let theirs = backup.to_string().replace("wattle@", "zigbee-herdsman@");
        let (again, _) = read(&theirs).unwrap();
        assert_eq!(again.extended_pan, 0x3C3C_3C3C_3C3C_3C3C);
    }

    /// In the form that zigbee-herdsman 11.1.1 writes, with made-up keys.
    const HERDSMAN: &str = r#"{"metadata":{"format":"zigpy/open-coordinator-backup","version":1,
        "source":"zigbee-herdsman@11.1.1","internal":{"date":"2026-01-01T00:00:00.000Z","ezspVersion":13}},
        "stack_specific":{"ezsp":{"hashed_tclk":"00112233445566778899aabbccddeeff"}},
        "coordinator_ieee":"000b57fffe123456","pan_id":"1a62","extended_pan_id":"0102030405060708",
        "nwk_update_id":0,"security_level":5,"channel":15,"channel_mask":[11,15],
        "network_key":{"key":"01030507090b0d0f00020406080a0c0d","sequence_number":0,"frame_counter":81},
        "devices":[]}"#;

    #[test]
    fn that_of_zigbee2mqtt_is_read_and_what_is_wrong_is_named() {
        let (network, _) = read(HERDSMAN).unwrap();
        assert_eq!(
            (network.pan, network.channel, network.frame_counter),
            (0x1A62, 15, 81)
        );
        assert_eq!(network.extended_pan, 0x0807_0605_0403_0201);
        assert_eq!(network.key[..4], [1, 3, 5, 7]);
        for (from, to, named) in [
            ("\"version\":1", "\"version\":2", "metadata.version"),
            ("\"channel\":15", "\"channel\":27", "channel"),
            ("01030507090b0d0f", "0103", "network_key.key"),
            ("hashed_tclk", "seed", "hashed_tclk"),
            ("1a62", "nothing", "pan_id"),
        ] {
            let error = read(&HERDSMAN.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
            assert!(!error.contains("0507090b"), "{error}");
        }
        assert!(read("{").is_err());
    }

    #[test]
    fn a_network_is_not_overwritten_unasked() {
        let folder = tempfile::tempdir().unwrap();
        restore(folder.path(), HERDSMAN, false).unwrap();
        restore(folder.path(), HERDSMAN, false).unwrap();
        let other = HERDSMAN.replace("1a62", "1a63");
        assert!(restore(folder.path(), &other, false).is_err());
        restore(folder.path(), &other, true).unwrap();
        let kept = backup(folder.path(), Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(kept["pan_id"], "1a63");
    }
}

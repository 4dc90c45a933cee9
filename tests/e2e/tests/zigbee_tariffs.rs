//! What a display of the Smart Energy profile is told of the daemon's tariff beyond its price, and
//! its way to the daemon's DLMS server: the daemon on the simulated Zigbee stick.

use e2e::daemon::Daemon;
use e2e::eventually;
use e2e::zigbee::{OUI, PATIENCE, let_in, plug, stick};
use han::zigbee::key_establishment::Suite;
use meter_link::key::hex;
use serde_json::json;
use wattle_sim::zigbee::authority::{authority, random};
use wattle_sim::zigbee::energy_services::{EnergyServices, Tunnel};
use wattle_sim::zigbee::kinds;

const DISPLAY: u64 = OUI | 0x05;
const KEY: &str = "000102030405060708090A0B0C0D0E0F";
/// A request for an association without a password, as the Green Book prints it, in the wrapper.
const PUBLIC: [u8; 39] = [
    0x00, 0x01, 0x00, 0x01, 0x00, 0x01, 0x00, 0x1F, 0x60, 0x1D, 0xA1, 0x09, 0x06, 0x07, 0x60, 0x85,
    0x74, 0x05, 0x08, 0x01, 0x01, 0xBE, 0x10, 0x04, 0x0E, 0x01, 0x00, 0x00, 0x00, 0x06, 0x5F, 0x1F,
    0x04, 0x00, 0x00, 0x7E, 0x1F, 0x04, 0xB0,
];

#[test]
fn a_display_gets_blocks_and_the_week_and_a_tunnel_to_the_dlms_server() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let link = folder.path().join("stick");
    let mut display = kinds::display(DISPLAY, 0x1A05);
    if let Some(services) = display.energy_services.as_mut() {
        services.tunnel = Some(Tunnel {
            says: PUBLIC.to_vec(),
            flow_control: true,
            ..Tunnel::default()
        });
    }
    let stick = stick(&link, vec![display, plug(OUI | 0x01, 60)])?;
    let authority = authority(Suite::One);
    let (certificate, private) = authority.issue(stick.ncp().eui64, random)?;
    let parts = json!({
        "suite": 1,
        "certificate": hex(&certificate),
        "private_key": hex(&private),
        "authority": hex(authority.public()),
    });
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("certificate.json"), parts.to_string())?;
    std::fs::write(at("key"), KEY)?;
    std::fs::write(
        at("tariff.toml"),
        "version = 1\nname = \"Stufen\"\ncurrency = \"EUR\"\nzone = \"Europe/Berlin\"\n\
         [bands.all]\nlabel = \"Strom\"\n\
         tiers = [{ up_to = \"300\", rate = \"0.21\" }, { rate = \"0.30\" }]\n\
         [[schedule]]\nband = \"all\"\n",
    )?;
    let port = e2e::free_port()?;
    let config = format!(
        "[tariff]\nfile = \"tariff.toml\"\n\
         [zigbee]\nport = {link:?}\ncertificate = \"file:{}\"\ntunnels = true\n\
         [[meter]]\nname = \"house\"\nprotocol = \"sml\"\nport = {:?}\n\
         [dlms_server]\nlisten = \"0.0.0.0:{port}\"\nsystem_title = \"57544C0000000001\"\n\
         encryption_key = \"file:{key}\"\nauthentication_key = \"file:{key}\"\n\
         meters = [\"house\"]\nconsent = \"test\"\n",
        at("certificate.json").display(),
        at("none"),
        key = at("key").display(),
    );
    let daemon = Daemon::start(folder.path(), &config)?;
    let_in(&daemon)?;
    let told = |what: &str, wanted: &dyn Fn(&EnergyServices) -> bool| {
        eventually(what, PATIENCE, || {
            let ncp = stick.ncp();
            let device = ncp.mesh.device(DISPLAY);
            let display = device.and_then(|one| one.energy_services.as_ref());
            Ok(display.filter(|one| wanted(one)).map(|_| ()))
        })
    };
    let has = |list: &[(u8, han::Record)], command: u8, field: &str, value: u64| {
        let is_it = |(of, fields): &(u8, han::Record)| {
            *of == command && fields.number(field) == Some(value)
        };
        list.iter().any(is_it)
    };
    told("the blocks", &|display| {
        let blocks = &display.blocks;
        has(blocks, 0x04, "number_of_block_thresholds_in_use", 1)
            && has(blocks, 0x06, "total_number_of_commands", 1)
            && has(blocks, 0x05, "total_number_of_commands", 1)
            && blocks.iter().any(|(command, _)| *command == 0x01)
    })?;
    told("the week", &|display| {
        has(&display.calendar, 0x02, "day_id_ref_monday", 1)
            && has(
                &display.calendar,
                0x01,
                "total_number_of_schedule_entries",
                1,
            )
    })?;
    // The DLMS server answers in the wrapper, and lets nobody in without the key: an exception
    // (D8), the service is not allowed (1).
    told("the server's answer", &|display| {
        let tunnel = display.tunnel.as_ref();
        let heard = tunnel.map_or(&[][..], |tunnel| &tunnel.heard);
        heard.starts_with(&[0, 1, 0, 1, 0, 1, 0, 3, 0xD8, 1])
    })
}

//! The powerline, between simulated adapters in a network namespace and the tools of
//! open-plc-utils: they accept our adapters, and ours sees what they see.
//!
//! `WATTLE_MATCHES` says how often a car and a station have to find each other (3 unless set).

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use e2e::daemon::Daemon;
use e2e::{eventually, program};
use serde_json::Value;

/// What a test needs that not every machine has; says so when it is not there.
fn missing() -> Option<&'static str> {
    let runs = |name: &str, arguments: &[&str]| {
        Command::new(name)
            .args(arguments)
            .output()
            .is_ok_and(|output| output.status.success())
    };
    if !["plcstat", "plctool", "pev", "evse", "ping"]
        .iter()
        .all(|tool| which(tool))
    {
        return Some("open-plc-utils (plc-utils, plc-utils-extra) or ping is not installed");
    }
    // Tests run side by side: each tries with a name of its own.
    static TRIES: AtomicU32 = AtomicU32::new(0);
    let number = TRIES.fetch_add(1, Ordering::Relaxed);
    let name = format!("wattle-try{number}-{}", std::process::id());
    if !runs("ip", &["netns", "add", &name]) {
        return Some("network namespaces need root");
    }
    runs("ip", &["netns", "del", &name]);
    None
}

fn which(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(tool).is_file())
}

/// Two hosts, each with a simulated adapter at its port.
struct Line {
    namespace: String,
    adapters: Option<Child>,
    folder: tempfile::TempDir,
}

impl Line {
    fn new(test: &str, options: &[&str]) -> anyhow::Result<Self> {
        let namespace = format!("wattle-{test}-{}", std::process::id());
        ip(&["netns", "add", &namespace])?;
        let mut line = Self {
            namespace,
            adapters: None,
            folder: tempfile::tempdir()?,
        };
        // The adapters' ports are in one kernel with the hosts: without this it answers at a port for
        // an address of a host, and what is sent there never crosses the line.
        let own_addresses_only = "echo 1 > /proc/sys/net/ipv4/conf/all/arp_ignore";
        let set = line
            .command(Path::new("sh"))
            .args(["-c", own_addresses_only])
            .status()?;
        ensure!(set.success(), "arp_ignore cannot be set");
        for index in ["0", "1"] {
            let (host, port) = (format!("h{index}"), format!("m{index}"));
            line.ip(&["link", "add", &host, "type", "veth", "peer", "name", &port])?;
            for end in [host, port] {
                line.ip(&["link", "set", &end, "up", "promisc", "on"])?;
            }
        }
        line.adapters(options)?;
        Ok(line)
    }

    fn ip(&self, arguments: &[&str]) -> anyhow::Result<()> {
        ip(&[&["-n", &self.namespace], arguments].concat())
    }

    /// Puts adapters to the ports in place of those that were there.
    fn adapters(&mut self, options: &[&str]) -> anyhow::Result<()> {
        self.unplug();
        let log = self.folder.path().join("adapters");
        let mut command = self.command(&program("wattle-sim-powerline")?);
        command
            .args(["m0", "m1"])
            .args(options)
            .stdout(File::create(&log)?);
        self.adapters = Some(command.spawn()?);
        eventually("the adapters serve", Duration::from_secs(5), || {
            let said = std::fs::read_to_string(&log)?;
            Ok(said.contains("ready").then_some(()))
        })
    }

    /// A cable from this host, where the daemon is, to the first adapter.
    fn cable(&self, name: &str) -> anyhow::Result<String> {
        let interface = format!("{name}{}", std::process::id() % 1_000_000);
        self.ip(&["link", "del", "h0"])?;
        let ends = ["type", "veth", "peer", "name", "m0", "netns"];
        let add = [&["link", "add", &interface], &ends[..], &[&self.namespace]].concat();
        ip(&add)?;
        ip(&["link", "set", &interface, "up"])?;
        self.ip(&["link", "set", "m0", "up", "promisc", "on"])?;
        Ok(interface)
    }

    fn unplug(&mut self) {
        if let Some(mut adapters) = self.adapters.take() {
            let _ = adapters.kill();
            let _ = adapters.wait();
        }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.namespace])
            .arg(program);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn output(&self, program: &Path, arguments: &[&str]) -> anyhow::Result<Output> {
        let bounded = ["60", &program.to_string_lossy()].map(str::to_owned);
        let output = self
            .command(Path::new("timeout"))
            .args(bounded)
            .args(arguments)
            .output();
        Ok(output?)
    }

    fn tool(&self, tool: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.output(Path::new(tool), arguments)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// What `wattle han powerline` prints at the first host.
    fn wattle(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let arguments = [&["han", "powerline", "--interface", "h0"], arguments].concat();
        let output = self.output(&program("wattle")?, &arguments)?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        serde_json::from_str(&printed).with_context(|| format!("{printed}{said}"))
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.unplug();
        let _ = ip(&["netns", "del", &self.namespace]);
    }
}

fn ip(arguments: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("ip").args(arguments).status()?;
    ensure!(status.success(), "ip {arguments:?} failed");
    Ok(())
}

fn stations(listed: &Value) -> Vec<&Value> {
    listed["stations"]
        .as_array()
        .map(|all| all.iter().collect())
        .unwrap_or_default()
}

#[test]
fn plcstat_and_wattle_list_the_same_adapters() -> anyhow::Result<()> {
    if let Some(reason) = missing() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut line = Line::new("list", &["--rate", "87"])?;
    // An adapter knows its host once that has said something.
    line.tool("plcstat", &["-i", "h1", "-t"])?;
    let theirs = line.tool("plcstat", &["-i", "h0", "-t"])?;
    let ours = line.wattle(&[])?;
    ensure!(stations(&ours).len() == 2, "two stations in {ours}");
    for station in stations(&ours) {
        let mac = station["mac"]
            .as_str()
            .context("a MAC address")?
            .to_uppercase();
        let row = theirs.lines().find(|row| row.contains(&mac));
        let row = row.with_context(|| format!("{mac} in {theirs}"))?;
        if let Some(bridged) = station["bridged_mac"].as_str() {
            ensure!(row.contains(&bridged.to_uppercase()), "{bridged} in {row}");
        }
        let version = station["version"].as_str().context("a version")?;
        ensure!(row.contains(version), "{version} in {row}");
        let rate = station["tx_rate"]
            .as_u64()
            .map_or("n/a".to_owned(), |rate| format!("{rate:03}"));
        ensure!(row.contains(&rate), "{rate} in {row}");
    }
    let version = line.tool("plctool", &["-i", "h0", "-r"])?;
    ensure!(version.contains("QCA7005 MAC-QCA7005"), "{version}");
    let network = line.tool("plctool", &["-i", "h0", "-m"])?;
    ensure!(network.contains("network->STATIONS = 1"), "{network}");

    // What comes in fragments is put together.
    line.adapters(&["--rate", "87", "--fragments"])?;
    line.tool("plcstat", &["-i", "h1", "-t"])?;
    let in_parts = line.wattle(&[])?;
    ensure!(stations(&in_parts) == stations(&ours), "{in_parts}");

    line.adapters(&["--silent"])?;
    let silent = line.wattle(&[])?;
    ensure!(silent["status"] == "no_adapter", "{silent}");
    Ok(())
}

#[test]
fn a_network_is_joined_by_its_password_alone() -> anyhow::Result<()> {
    if let Some(reason) = missing() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let passwords = ["--password", "factory word", "--password", "house word"];
    let line = Line::new(
        "join",
        &[&passwords[..], &["--lying-confirmations"]].concat(),
    )?;
    // Two hosts in namespaces of their own, so that what they say has to go over the line.
    let other = format!("{}-far", line.namespace);
    ip(&["netns", "add", &other])?;
    let carried = (|| {
        line.ip(&["link", "set", "h1", "netns", &other])?;
        ip(&["-n", &other, "addr", "add", "10.77.0.2/24", "dev", "h1"])?;
        ip(&["-n", &other, "link", "set", "h1", "up"])?;
        line.ip(&["addr", "add", "10.77.0.1/24", "dev", "h0"])?;
        let passes = || {
            let asked = ["-c", "1", "-W", "2", "10.77.0.2"];
            anyhow::Ok(line.output(Path::new("ping"), &asked)?.status.success())
        };
        ensure!(!passes()?, "data passed between two networks");
        let wrong = line.wattle(&["--join", "another word"])?;
        ensure!(wrong["status"] == "alone", "{wrong}");
        ensure!(!passes()?, "data passed with a wrong password");
        let right = line.wattle(&["--join", "house word"])?;
        ensure!(
            right["event"] == "joined" && stations(&right).len() == 2,
            "{right}"
        );
        eventually("data passes", Duration::from_secs(10), || {
            Ok(passes()?.then_some(()))
        })
    })();
    ip(&["netns", "del", &other])?;
    carried
}

#[test]
fn two_pressed_buttons_make_a_network() -> anyhow::Result<()> {
    if let Some(reason) = missing() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let passwords = ["--password", "factory word", "--password", "house word"];
    let line = Line::new("button", &passwords)?;
    // The other button is pressed by another tool.
    let output = line.output(Path::new("plctool"), &["-i", "h1", "-B", "join"])?;
    let pressed = [output.stdout, output.stderr].concat();
    let pressed = String::from_utf8_lossy(&pressed);
    ensure!(pressed.contains("Joining"), "{pressed}");
    let joined = line.wattle(&["--push-button"])?;
    ensure!(
        joined["event"] == "joined" && stations(&joined).len() == 2,
        "{joined}"
    );
    Ok(())
}

const PEV: &str = "[default]\nvehicle identifier = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n\
    network membership key = 50D3E4933F855B7040784DF815AA8DB7\n\
    network identifier = B0F2E695666B03\nattenuation threshold = 40\nmsound pause = 20\n\
    charge time = 0\nsettle time = 0\n";
const EVSE: &str = "[default]\ntime to sound = 6\nnumber of sounds = 10\nresponse type = 1\n\
    station identifier = BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB\n\
    network membership key = B59319D7E8157BA001B018669CCEE30D\n\
    network identifier = 026BCBA5354E08\ncharge time = 0\nsettle time = 0\n";

/// Lets `wattle han slac` play one side against their tool; both match so often.
fn match_with(line: &Line, side: &str, ours: &str, theirs: (&str, &[&str])) -> anyhow::Result<()> {
    let wanted = std::env::var("WATTLE_MATCHES").unwrap_or_else(|_| "3".to_owned());
    let log = File::create(line.folder.path().join(theirs.0))?;
    let mut tool = line.command(Path::new("timeout"));
    tool.args(["300", theirs.0])
        .args(theirs.1)
        .stdout(log.try_clone()?)
        .stderr(log);
    let mut tool = tool.spawn()?;
    let slac = [
        "han",
        "slac",
        side,
        "--interface",
        ours,
        "--matches",
        &wanted,
        "--timeout",
        "240",
    ];
    let output = line.command(&program("wattle")?).args(slac).output();
    // SIGTERM reaches the tool behind `timeout`.
    Command::new("kill").arg(tool.id().to_string()).status()?;
    tool.wait()?;
    let output = output?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let matches = printed
        .lines()
        .filter(|row| row.contains("\"event\":\"matched\""))
        .count();
    let tried = printed.lines().count();
    println!("{side}: {matches} of {wanted} matches in {tried} sessions");
    ensure!(
        output.status.success() && matches.to_string() == wanted,
        "{printed}"
    );
    Ok(())
}

#[test]
fn cars_and_stations_find_each_other_even_with_losses() -> anyhow::Result<()> {
    if let Some(reason) = missing() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut line = Line::new("slac", &[])?;
    std::fs::write(line.folder.path().join("pev.ini"), PEV)?;
    std::fs::write(line.folder.path().join("evse.ini"), EVSE)?;
    for losses in ["0", "10"] {
        line.adapters(&["--lose", losses])?;
        match_with(&line, "evse", "h1", ("pev", &["-i", "h0", "-l"]))?;
        match_with(&line, "ev", "h0", ("evse", &["-i", "h1"]))?;
    }
    Ok(())
}

#[test]
fn the_daemon_watches_adapters_through_every_pulled_cable() -> anyhow::Result<()> {
    if let Some(reason) = missing() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut line = Line::new("watch", &["--rate", "87"])?;
    let interface = line.cable("wt")?;
    line.adapters(&["--rate", "87"])?;
    let folder = tempfile::tempdir()?;
    let config = format!(
        "[[powerline]]\ninterface = \"{interface}\"\nevery_s = 1\n\
         [powerline.names]\n\"00:B0:52:57:41:02\" = \"garage\"\n"
    );
    let daemon = Daemon::start(folder.path(), &config)?;
    let patience = Duration::from_secs(40);
    let status = |wanted: &str| {
        eventually(&format!("the powerline is {wanted}"), patience, || {
            let listed = daemon.json("/api/v1/home-network/powerline")?;
            Ok((listed[0]["status"] == wanted).then(|| listed[0].clone()))
        })
    };
    let notice = |wanted: bool| {
        eventually(&format!("a notice: {wanted}"), patience, || {
            let notices = daemon.json("/api/v1/state")?["notices"].to_string();
            Ok((notices.contains("powerline_lost") == wanted).then_some(()))
        })
    };
    let up = status("up")?;
    let garage = &up["adapters"][1];
    ensure!(
        garage["name"] == "garage" && garage["tx_mbit"] == 87,
        "{up}"
    );
    ensure!(garage["hours"][0]["highest"] == 87, "{up}");
    for _ in 0..3 {
        ip(&["link", "set", &interface, "down"])?;
        status("no_interface")?;
        ip(&["link", "set", &interface, "up"])?;
        status("up")?;
    }
    line.unplug();
    status("no_adapter")?;
    notice(true)?;
    line.adapters(&[])?;
    status("up")?;
    notice(false)?;
    // Adapters of another make in their place.
    line.adapters(&["--broadcom", "--rate", "61"])?;
    eventually("adapters of Broadcom's make are seen", patience, || {
        let listed = daemon.json("/api/v1/home-network/powerline")?;
        let told = &listed[0]["adapters"][1];
        let seen = listed[0]["nid"].is_null() && told["tx_mbit"] == 61;
        Ok(seen.then_some(()))
    })?;
    let log = daemon.log()?;
    ensure!(
        log.matches("powerline").count() < 20,
        "the log is flooded:\n{log}"
    );
    ip(&["link", "del", &interface])
}

/// A meter of the kind of an SDM630 that answers to Modbus/TCP, of another make than the gateway:
/// 2,300 W, 1,234.5 kWh.
const MODBUS_METER: &str = r#"
import socketserver, struct
WORDS = {}
def put(at, data):
    for word in range(len(data) // 2):
        WORDS[at + word] = data[2 * word:2 * word + 2]
put(0, struct.pack(">f", 230.0)); put(52, struct.pack(">f", 2300.0)); put(72, struct.pack(">f", 1234.5))
put(0xFC00, struct.pack(">I", 21000007))
class Meter(socketserver.StreamRequestHandler):
    def handle(self):
        while head := self.rfile.read(12):
            tid, _, _, unit, function, at, count = struct.unpack(">HHHBBHH", head)
            data = b"".join(WORDS.get(at + n, bytes(2)) for n in range(count))
            answer = struct.pack(">BBB", unit, function, len(data)) + data
            self.wfile.write(struct.pack(">HHH", tid, 0, len(answer)) + answer)
socketserver.TCPServer.allow_reuse_address = True
server = socketserver.ThreadingTCPServer(("0.0.0.0", 502), Meter)
print("ready", flush=True)
server.serve_forever()
"#;

/// Has an interface's checksums made before frames are sent (`ETHTOOL_STXCSUM`).
const OWN_SUMS: &str = r#"
import array, fcntl, socket, struct, sys
value = array.array("B", struct.pack("II", 0x17, 0))
request = struct.pack("16sP", sys.argv[1].encode(), value.buffer_info()[0])
fcntl.ioctl(socket.socket(), 0x8946, request)
"#;

#[test]
fn a_modbus_meter_is_read_over_the_powerline() -> anyhow::Result<()> {
    if let Some(reason) = missing() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut line = Line::new("modbus", &[])?;
    let interface = line.cable("wb")?;
    line.adapters(&["--rate", "87"])?;
    let net = format!("10.79.{}", std::process::id() % 250);
    let far = format!("{net}.2");
    let near = format!("{net}.1/24");
    ip(&["addr", "add", &near, "dev", &interface])?;
    line.ip(&["addr", "add", &format!("{far}/24"), "dev", "h1"])?;
    // The adapters pass frames on as they are, and veth leaves sums to hardware that is not there.
    let sums = |interface: &str| ["-c", OWN_SUMS, interface].map(str::to_owned);
    let here = Command::new("python3").args(sums(&interface)).status()?;
    let there = line
        .command(Path::new("python3"))
        .args(sums("h1"))
        .status()?;
    ensure!(here.success() && there.success(), "checksums cannot be set");
    let log = line.folder.path().join("meter");
    let mut meter = line.command(Path::new("python3"));
    meter.args(["-c", MODBUS_METER]).stdout(File::create(&log)?);
    let mut meter = Running(meter.spawn()?);
    eventually("the meter serves", Duration::from_secs(20), || {
        Ok(std::fs::read_to_string(&log)?
            .contains("ready")
            .then_some(()))
    })?;
    let folder = tempfile::tempdir()?;
    let config = format!(
        "[[powerline]]\ninterface = \"{interface}\"\nevery_s = 1\n\
         [powerline.names]\n\"00:B0:52:57:41:02\" = \"garage\"\n\
         [[meter]]\nname = \"heat pump\"\nprotocol = \"modbus\"\nrole = \"submeter\"\n\
         port = \"tcp:{far}:502\"\nunit = 1\nmap = \"sdm630\"\nperiod_s = 1\n"
    );
    let daemon = Daemon::start(folder.path(), &config)?;
    // In one list with everything else: read, and over which adapter.
    let device = eventually("it is metered", Duration::from_secs(60), || {
        let devices = daemon.json("/api/v1/devices")?;
        let devices = devices.as_array().context("a list")?;
        let metered = devices.iter().find(|one| one["meter"] == "heat pump");
        Ok(metered
            .filter(|one| one["power_w"].is_string() && one["adapter"].is_string())
            .cloned())
    })?;
    ensure!(
        device["kind"] == "modbus" && device["via"] == "powerline" && device["adapter"] == "garage",
        "{device}"
    );
    let number = |name: &str| {
        device[name]
            .as_str()
            .and_then(|text| text.parse::<f64>().ok())
    };
    ensure!(
        number("power_w") == Some(2300.0) && number("energy_kwh") == Some(1234.5),
        "{device}"
    );
    // Without the line there is no reading.
    line.unplug();
    eventually("the loss is told", Duration::from_secs(60), || {
        let meters = daemon.json("/api/v1/meters")?;
        let state = daemon.json("/api/v1/state")?["notices"].to_string();
        let silent = state.contains("port_lost") || state.contains("meter_silent");
        Ok((silent && meters[0]["name"] == "heat pump").then_some(()))
    })?;
    meter.end();
    ip(&["link", "del", &interface])
}

/// A program that ends with the test.
struct Running(Child);

impl Running {
    fn end(&mut self) {
        // SIGTERM reaches what `timeout` has started.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

#[test]
fn the_daemon_knows_which_car_is_at_its_outlet() -> anyhow::Result<()> {
    if let Some(reason) = missing() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let mut line = Line::new("outlet", &[])?;
    let interface = line.cable("wo")?;
    line.adapters(&[])?;
    std::fs::write(line.folder.path().join("pev.ini"), PEV)?;
    let folder = tempfile::tempdir()?;
    let config = format!(
        "[[powerline]]\ninterface = \"{interface}\"\nevery_s = 1\n\
         [powerline.outlet]\nname = \"carport\"\nmax_kw = \"11\"\n"
    );
    let daemon = Daemon::start(folder.path(), &config)?;
    let patience = Duration::from_secs(90);
    let outlet = || anyhow::Ok(daemon.json("/api/v1/home-network/outlets")?[0].clone());
    eventually("the outlet has a network of its own", patience, || {
        let listed = daemon.json("/api/v1/home-network/powerline")?;
        let nid = listed[0]["nid"]
            .as_str()
            .unwrap_or("b0f2e695666b03")
            .to_owned();
        Ok((nid != "b0f2e695666b03").then_some(()))
    })?;
    let empty = outlet()?;
    ensure!(
        empty["name"] == "carport" && empty["limit_kw"] == "11" && empty["car"].is_null(),
        "{empty}"
    );
    // The car is another tool's.
    let mut pev = line.command(Path::new("timeout"));
    pev.args(["60", "pev", "-i", "h1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut pev = Running(pev.spawn()?);
    let told = eventually("a car is at the outlet", patience, || {
        let told = outlet()?;
        Ok((!told["car"].is_null()).then_some(told))
    })?;
    let shown = line.tool("ip", &["-o", "link", "show", "h1"])?;
    let mac = told["car"]["mac"].as_str().context("an address")?;
    ensure!(shown.contains(mac), "{mac} in {shown}");
    let devices = daemon.json("/api/v1/devices")?;
    let listed = devices.as_array().context("a list")?;
    ensure!(
        listed
            .iter()
            .any(|one| one["kind"] == "car" && one["name"] == "car at carport"),
        "{devices}"
    );
    pev.end();
    ip(&["link", "del", &interface])
}

#[test]
fn without_the_capability_it_says_what_to_grant() -> anyhow::Result<()> {
    if let Some(reason) = missing() {
        println!("skipped: {reason}");
        return Ok(());
    }
    let wattle = program("wattle")?;
    let output = Command::new("setpriv")
        .args(["--bounding-set", "-net_raw", "--inh-caps", "-net_raw"])
        .arg(wattle)
        .args(["han", "powerline", "--interface", "lo"])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(said.contains("AmbientCapabilities=CAP_NET_RAW"), "{said}");
    Ok(())
}

//! The stick as a display in the network of the utility's meter: the meter is the home's own, like
//! any other, its prices stand beside the tariff, its messages among the household's.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Context;
use han::driver::Stick;
use han::zigbee::member::{
    CHANNELS, Event, FoundNetwork, Member, Membership, MeterValue, Obstacle, Policy,
    UtilityMessage, UtilityPrice,
};
use jiff::{SignedDuration, Timestamp};
use meter_link::model::{Check, MeterId, ObisCode, RegisterValue, Telegram, Unit, Value};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use wattle_api::{
    Importance, Message, Notice, NoticeCode, Severity, ZigbeeNetwork, ZigbeePrice, ZigbeeState,
    ZigbeeUtility,
};

use super::board::Asked;
use super::currency::currency_code;
use super::{FIRST_RETRY, LAST_RETRY, RESTART, Settings, services, wait};
use crate::bus::Event as Fact;
use crate::config::Protocol;
use crate::files;
use crate::store::Incoming;
use crate::supervisor::Pulse;

/// 2000-01-01 UTC, seconds since 1970.
const EPOCH: i64 = 946_684_800;
/// The names of its messages begin so.
const MESSAGE: &str = "zigbee-";

/// The network that was joined, as it outlives the daemon; nothing of it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    extended_pan: u64,
    pan: u16,
    channel: u8,
    nwk: u16,
    trust_center: u64,
    has_key: bool,
}

impl From<Kept> for Membership {
    fn from(kept: Kept) -> Self {
        Self {
            extended_pan: kept.extended_pan,
            pan: kept.pan,
            channel: kept.channel,
            nwk: kept.nwk,
            trust_center: kept.trust_center,
            has_key: kept.has_key,
        }
    }
}

impl From<&Membership> for Kept {
    fn from(network: &Membership) -> Self {
        Self {
            extended_pan: network.extended_pan,
            pan: network.pan,
            channel: network.channel,
            nwk: network.nwk,
            trust_center: network.trust_center,
            has_key: network.has_key,
        }
    }
}

/// What the meter has told last.
#[derive(Default)]
struct Latest {
    import_kwh: Option<Decimal>,
    export_kwh: Option<Decimal>,
    power_w: Option<Decimal>,
    is_new: bool,
}

struct Display {
    settings: Settings,
    member: Member,
    file: PathBuf,
    /// The meter's name in the configuration.
    meter: String,
    utility: ZigbeeUtility,
    trust_center: u64,
    latest: Latest,
    notice: Option<Notice>,
    /// Messages whose confirmation the utility was told.
    confirmed: BTreeSet<u32>,
    looked: Instant,
}

/// Runs the stick until told to stop. A port that is lost is opened again for ever.
///
/// # Errors
/// The install code, the certificate, or the network that is kept cannot be read.
pub(super) async fn run(
    settings: Settings,
    pulse: Pulse,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut asked = settings.board.requests();
    let mut display = Display::new(settings)?;
    let config = display.settings.config.clone();
    let mut pause = FIRST_RETRY;
    while !stop.is_cancelled() {
        let opened = tokio::select! {
            () = stop.cancelled() => break,
            opened = Stick::open(&config.port, config.baud, config.flow_control) => opened,
        };
        let lost = match opened {
            Ok(mut stick) => {
                pause = FIRST_RETRY;
                display.settings.board.state(ZigbeeState::Starting, None);
                display
                    .converse(&mut stick, &mut asked, &pulse, &stop)
                    .await
            }
            Err(error) => Err(error),
        };
        let Err(error) = lost else { break };
        display.member.port_lost();
        display.offline(&format!("{}: {error}", config.port));
        wait(pause, &pulse, &stop).await;
        pause = (pause * 2).min(LAST_RETRY);
    }
    Ok(())
}

impl Display {
    fn new(settings: Settings) -> anyhow::Result<Self> {
        let config = &settings.config;
        let file = settings.state_dir.join("zigbee-meter.json");
        let known: Option<Kept> = files::recall(&file)?;
        let code = config.code().map_err(anyhow::Error::msg)?;
        let code = code.context("zigbee.install_code: there is none")?;
        let is_own = |one: &&crate::config::MeterConfig| one.protocol == Protocol::Zigbee;
        let meter = settings.meters.iter().find(is_own);
        let meter = meter.map(|one| one.name.clone()).unwrap_or_default();
        let member = Member::new(Policy {
            link_key: code.link_key(),
            extended_pan: config.network_name(),
            known: known.map(Membership::from),
            identity: services::identity(config)?,
            random: services::random,
            channels: CHANNELS,
        });
        let utility = ZigbeeUtility::default();
        settings.board.utility(utility.clone());
        Ok(Self {
            settings,
            member,
            file,
            meter,
            utility,
            trust_center: 0,
            latest: Latest::default(),
            notice: None,
            confirmed: BTreeSet::new(),
            looked: Instant::now(),
        })
    }

    /// Moves octets until the port is gone or all is to stop.
    async fn converse(
        &mut self,
        stick: &mut Stick,
        asked: &mut mpsc::Receiver<Asked>,
        pulse: &Pulse,
        stop: &CancellationToken,
    ) -> std::io::Result<()> {
        self.set_clock();
        self.member.start(std::time::Instant::now());
        let mut buffer = [0; 512];
        let mut restart: Option<Instant> = None;
        let mut has_restarted = false;
        loop {
            while let Some(octets) = self.member.poll_transmit() {
                stick.send(&octets).await?;
            }
            if let Some(reason) = self.take_events() {
                self.offline(&reason);
                if stick.is_remote() || has_restarted {
                    return Err(std::io::Error::other(reason));
                }
                restart = Some(Instant::now() + RESTART);
            }
            has_restarted &= !self.member.is_in();
            pulse.beat();
            let now = Instant::now();
            let due = self.member.poll_timeout().map(Instant::from_std);
            let beat = now + std::time::Duration::from_secs(1);
            let until = [due, restart, Some(beat)].into_iter().flatten().min();
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                received = stick.receive(&mut buffer) => {
                    let octets = buffer.get(..received?).unwrap_or_default();
                    self.member.handle_octets(octets, std::time::Instant::now());
                }
                Some(Asked { answer, .. }) = asked.recv() => {
                    // Who asked may have gone.
                    let _ = answer.send(Err(
                        "the Zigbee stick is a display in the meter's network and leads none",
                    ));
                }
                () = sleep_until(until.unwrap_or(beat)) => {}
            }
            let now = Instant::now();
            if now >= self.looked + std::time::Duration::from_secs(1) {
                self.looked = now;
                self.set_clock();
                self.tell_confirmations();
            }
            self.member.handle_timeout(now.into_std());
            if restart.is_some_and(|due| now >= due) {
                (restart, has_restarted) = (None, true);
                self.settings.board.state(ZigbeeState::Starting, None);
                self.member.start(now.into_std());
            }
        }
    }

    fn set_clock(&mut self) {
        let utc = services::seconds(self.settings.clock.now());
        self.member.set_clock(utc, std::time::Instant::now());
    }

    /// Tells what has happened; why the stick must be begun anew, if it must.
    fn take_events(&mut self) -> Option<String> {
        let mut lost = None;
        let mut is_any = false;
        while let Some(event) = self.member.poll_event() {
            is_any = true;
            let now = self.settings.clock.now();
            match event {
                Event::Found(networks) => {
                    self.utility.networks = networks.iter().map(network).collect();
                }
                Event::Up { network, joined } => {
                    tracing::info!(channel = network.channel, pan = %format_args!("{:04x}", network.pan), joined, "the stick is in the network of the utility's meter");
                    self.up(&network);
                }
                Event::KeyEstablished(network) => {
                    tracing::info!("the stick and the utility's meter have come to a key");
                    self.up(&network);
                }
                Event::Foreign(network) => {
                    let reason = "the stick is in a network that it did not join for this gateway; it is left alone";
                    let board = &self.settings.board;
                    board.state(ZigbeeState::Foreign, Some(reason.to_owned()));
                    board.name(network.extended_pan, network.pan, network.channel);
                    self.tell(NoticeCode::UtilityLost, reason.to_owned());
                }
                Event::Obstacle(obstacle) => self.obstacle(obstacle),
                Event::Serving => {
                    self.utility.obstacle = None;
                    self.settings.board.state(ZigbeeState::Up, None);
                    self.notice = None;
                    self.notify();
                }
                Event::Gone => {
                    let reason = "the utility's meter does not answer over its Zigbee network; it is looked for again and again";
                    self.cut_off();
                    self.settings
                        .board
                        .state(ZigbeeState::Starting, Some(reason.to_owned()));
                    self.tell(NoticeCode::UtilityLost, reason.to_owned());
                }
                Event::Value(value) => self.take_value(value, now),
                Event::Price(price) => self.utility.price = Some(self.price(price, now)),
                Event::Message(message) => self.take_message(&message, now),
                Event::TakenBack(id) => self.take_back(id),
                Event::Clock(utc) => {
                    let ahead = i64::from(utc) + EPOCH - now.as_second();
                    self.utility.clock_ahead_s = Some(ahead);
                }
                Event::Lost(reason) => lost = Some(reason),
                _ => {}
            }
        }
        if is_any {
            let stick = self.member.eui64();
            self.utility.stick = (stick != 0).then(|| format!("{stick:016x}"));
            self.settings.board.utility(self.utility.clone());
            self.store();
        }
        lost
    }

    fn up(&mut self, network: &Membership) {
        let board = &self.settings.board;
        board.name(network.extended_pan, network.pan, network.channel);
        self.utility.has_key = network.has_key;
        self.trust_center = network.trust_center;
        if let Err(error) = files::keep(&self.file, &Kept::from(network), files::For::Owner) {
            tracing::error!("the meter's Zigbee network is not kept: {error:#}");
        }
    }

    fn obstacle(&mut self, obstacle: Obstacle) {
        let words = obstacle.to_string();
        if self.utility.obstacle.as_ref() != Some(&words) {
            tracing::warn!(reason = words, "the utility's meter is not read");
        }
        self.settings
            .board
            .state(ZigbeeState::Starting, Some(words.clone()));
        self.utility.obstacle = Some(words.clone());
        self.tell(NoticeCode::UtilityLost, words);
    }

    fn take_value(&mut self, value: MeterValue, now: Timestamp) {
        self.utility.last_heard = Some(now);
        let latest = &mut self.latest;
        match value {
            MeterValue::ImportKwh(energy) => latest.import_kwh = Some(energy),
            MeterValue::ExportKwh(energy) => latest.export_kwh = Some(energy),
            MeterValue::PowerW(power) => latest.power_w = Some(power),
            MeterValue::Serial(serial) => {
                self.utility.serial = Some(serial);
                return;
            }
            MeterValue::Site(site) => {
                self.utility.site = Some(site);
                return;
            }
            MeterValue::Status(status) => {
                self.utility.status = Some(status);
                return;
            }
            MeterValue::NoScale => {
                self.no_value("it tells no divisor of its register, or 0");
                return;
            }
            MeterValue::OtherUnit(unit) => {
                self.no_value(&format!("it counts in unit {unit:02x} and not in kWh"));
                return;
            }
            MeterValue::Refused(raw) => {
                tracing::warn!(
                    raw,
                    "a register of the utility's meter leapt; it is not taken"
                );
                return;
            }
            _ => return,
        }
        latest.is_new = true;
        if self.utility.obstacle.take().is_some() {
            self.notice = None;
            self.notify();
        }
    }

    fn no_value(&mut self, why: &str) {
        let words = format!("nothing of the utility's meter is shown: {why}");
        self.utility.obstacle = Some(words.clone());
        self.tell(NoticeCode::MeterDamaged, words);
    }

    /// Hands what is new to the store. When the store is behind, this answer is left out: the next
    /// one has the same registers and more.
    fn store(&mut self) {
        if !std::mem::take(&mut self.latest.is_new) {
            return;
        }
        let serial = format!("{:016x}", self.trust_center);
        let incoming = Incoming {
            name: self.meter.clone(),
            serial: serial.clone(),
            received_at: self.settings.clock.now(),
            port: self.settings.config.port.clone(),
            telegram: telegram(&serial, &self.latest),
            fields: Vec::new(),
            counter: None,
            doubts: Vec::new(),
        };
        if self.settings.queue.try_send(incoming).is_err() {
            self.latest.is_new = true;
        }
    }

    /// A time of the meter's clock by ours.
    fn at(&self, utc: u32) -> Option<Timestamp> {
        let ahead = self.utility.clock_ahead_s.unwrap_or(0);
        Timestamp::from_second(i64::from(utc) + EPOCH - ahead).ok()
    }

    fn price(&self, price: UtilityPrice, now: Timestamp) -> ZigbeePrice {
        // It began as long ago as the meter's own clock said when it told it.
        let begun = i64::from(price.told_at) - i64::from(price.start);
        let from = now.checked_sub(SignedDuration::from_secs(begun));
        let from = from.unwrap_or(now);
        let length = price.minutes.map(i64::from).map(SignedDuration::from_mins);
        ZigbeePrice {
            label: price.label,
            per_kwh: price.per_kwh,
            currency: currency_code(price.currency),
            tier: price.tier,
            from,
            until: length.and_then(|length| from.checked_add(length).ok()),
        }
    }

    fn take_message(&self, message: &UtilityMessage, now: Timestamp) {
        let Some(board) = &self.settings.messages else {
            return;
        };
        let id = format!("{MESSAGE}{}", message.id);
        let is_known = |one: &Message| one.id == id && one.text == message.text;
        // It is told again whenever it is asked for.
        if board.all(now).iter().any(is_known) {
            return;
        }
        let start = match message.start {
            0 => now,
            start => self.at(start).unwrap_or(now),
        };
        let length = message
            .minutes
            .map(i64::from)
            .map(SignedDuration::from_mins);
        let taken = Message {
            id,
            text: message.text.clone(),
            importance: match message.importance {
                0 => Importance::Low,
                1 => Importance::Medium,
                2 => Importance::High,
                _ => Importance::Critical,
            },
            start,
            end: length.and_then(|length| start.checked_add(length).ok()),
            confirm: message.confirm,
            confirmed_at: None,
        };
        if let Err(error) = board.take(taken, None, now) {
            tracing::error!("a message of the utility is not kept: {error:#}");
        }
        board.show(now);
    }

    fn take_back(&self, id: u32) {
        let Some(board) = &self.settings.messages else {
            return;
        };
        if let Err(error) = board.cancel(&format!("{MESSAGE}{id}")) {
            tracing::error!("a message of the utility is not taken back: {error:#}");
        }
        board.show(self.settings.clock.now());
    }

    /// What somebody in the household has confirmed, the utility is told once.
    fn tell_confirmations(&mut self) {
        let Some(board) = &self.settings.messages else {
            return;
        };
        if !self.member.is_in() || !self.utility.has_key {
            return;
        }
        let now = self.settings.clock.now();
        let all = board.all(now);
        let read = all
            .iter()
            .filter(|one| one.confirm && one.confirmed_at.is_some());
        let read = read.filter_map(|one| one.id.strip_prefix(MESSAGE)?.parse::<u32>().ok());
        let read: BTreeSet<u32> = read.collect();
        for id in read.difference(&self.confirmed) {
            self.member.confirm(*id, std::time::Instant::now());
        }
        self.confirmed = read;
        board.show(now);
    }

    /// The stick cannot be reached: the household is told once, and again when the meter answers.
    fn offline(&mut self, reason: &str) {
        self.cut_off();
        self.settings.board.offline(reason.to_owned());
        self.tell(
            NoticeCode::PortLost,
            format!(
                "The Zigbee stick does not answer ({reason}): is it plugged in? It is tried again for ever; the utility's meter is not read meanwhile."
            ),
        );
    }

    /// What was read before says nothing of now.
    fn cut_off(&mut self) {
        self.latest = Latest::default();
        self.settings.bus.send(Fact::CutOff {
            name: self.meter.clone(),
        });
    }

    fn tell(&mut self, code: NoticeCode, text: String) {
        if self.notice.as_ref().is_some_and(|told| told.text == text) {
            return;
        }
        self.notice = Some(Notice {
            severity: Severity::Warning,
            code,
            meter: Some(self.meter.clone()),
            text,
            since: self.settings.clock.now(),
        });
        self.notify();
    }

    fn notify(&self) {
        self.settings.bus.send(Fact::Notices {
            source: "zigbee".to_owned(),
            notices: self.notice.iter().cloned().collect(),
        });
    }
}

fn network(found: &FoundNetwork) -> ZigbeeNetwork {
    ZigbeeNetwork {
        extended_pan: format!("{:016x}", found.extended_pan),
        channel: found.channel,
        permits_joining: found.permits_joining,
        lqi: found.lqi,
    }
}

fn telegram(serial: &str, latest: &Latest) -> Telegram {
    let value = |register, number: Option<Decimal>, unit| {
        Some(RegisterValue {
            register,
            value: Value::Number(number?),
            unit: Some(unit),
            status: None,
            captured_at: None,
            quirk: None,
        })
    };
    let wh = |kwh: Option<Decimal>| kwh.map(|kwh| (kwh * Decimal::ONE_THOUSAND).normalize());
    let values = [
        value(
            ObisCode::ACTIVE_ENERGY_IMPORT,
            wh(latest.import_kwh),
            Unit::WattHour,
        ),
        value(
            ObisCode::ACTIVE_ENERGY_EXPORT,
            wh(latest.export_kwh),
            Unit::WattHour,
        ),
        value(ObisCode::ACTIVE_POWER_NET, latest.power_w, Unit::Watt),
    ];
    Telegram {
        meter: MeterId::new(serial),
        values: values.into_iter().flatten().collect(),
        // Nothing is taken but what the key from certificates has encrypted, with AES-CCM*.
        check: Check::Tag,
        ..Telegram::default()
    }
}

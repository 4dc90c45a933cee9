//! Lines of wireless telegrams.

use std::borrow::Cow;
use std::io;
use std::path::PathBuf;

use jiff::civil;
use meter_link::mbus::{Content, Identification, Record, Records};
use meter_link::profile::mbus::{Source, known_formats};
use meter_link::wmbus::frame::{self, Crcs, FrameFormat, Stripped};
use meter_link::wmbus::phy::{self, LinkMode};
use meter_link::wmbus::receiver::{self, Splitter};
use meter_link::wmbus::{Decoded, Decoder, MeterKey, Mode, Opened, Refusal, ReplayGuard, numbers};

use super::line::{self, About, Line};
use super::meters::{Meters, interpret, number_in_records};
use super::options;
use super::printer::Printer;
use super::report::{Place, Reception, Report};
use super::stream::{self, StreamDecoder};
use super::{FrameOption, LineDecoder, Setup, WmbusArgs, state};

const PROTOCOL: &str = "wmbus";

/// The decoder of a run.
pub(super) struct Telegrams {
    decoder: Decoder,
    meters: Meters,
    only_configured: bool,
    crcs: Crcs,
    phy: Option<LinkMode>,
    stream: Option<Splitter>,
    payload: bool,
    state: Option<PathBuf>,
    days: Vec<civil::Date>,
    bytes: Vec<u8>,
    printer: Printer,
}

impl Telegrams {
    /// Sets up what the options say.
    pub(super) fn new(args: &WmbusArgs) -> Result<Self, Setup> {
        let mut decoder = Decoder::default();
        decoder.keys = options::key_ring(&args.keys)?;
        decoder.replay = args.replay_check.then(ReplayGuard::default);
        decoder.accept_clear = args.accept_clear;
        known_formats().for_each(|format| decoder.formats.learn(&format));
        if let Some(path) = &args.state {
            state::load(path, &mut decoder).map_err(|error| Setup::State(error, path.clone()))?;
        }
        Ok(Self {
            decoder,
            meters: Meters::new(&args.meter)?,
            only_configured: args.only_configured,
            crcs: match args.frame {
                FrameOption::Auto => Crcs::Auto,
                FrameOption::None => Crcs::None,
                FrameOption::A => Crcs::Present(FrameFormat::A),
                FrameOption::B => Crcs::Present(FrameFormat::B),
            },
            phy: args.phy,
            stream: args.dongle.map(Splitter::new),
            payload: args.meter.payload,
            state: args.state.clone(),
            days: last_days(),
            bytes: Vec::new(),
            printer: Printer::new(args.meter.format),
        })
    }

    /// Takes a frame as it was received and prints what it holds.
    fn received(
        &mut self,
        bytes: &[u8],
        crcs: Crcs,
        place: Place,
        reception: Reception,
    ) -> io::Result<()> {
        match frame::strip(bytes, crcs) {
            Ok(stripped) => self.frame(&stripped, place, reception),
            Err(_) if self.only_configured => Ok(()),
            Err(error) => {
                let refusal = Refusal::Frame(error);
                let mut report = Report::new(PROTOCOL, place);
                report.reception = reception;
                report.fail(refusal.status(), &refusal);
                self.printer.print(&report)
            }
        }
    }

    /// Takes a frame whose link-layer CRCs are off.
    fn frame(
        &mut self,
        stripped: &Stripped<'_>,
        place: Place,
        mut reception: Reception,
    ) -> io::Result<()> {
        let bytes = stripped.bytes.as_ref();
        if self.only_configured && !self.is_configured(bytes) {
            return Ok(());
        }
        reception.frame_format = stripped
            .format
            .map(FrameFormat::name)
            .or(reception.frame_format);
        let (mut decoded, mut healed) = self.decoder.decode_stripped(stripped, &self.days);
        if let (Some(envelope), Err(Refusal::NoKey { .. })) = (&decoded.envelope, &decoded.outcome)
        {
            let numbers = [envelope.meter.identification];
            let chosen = self.meters.driver(&numbers, Some(envelope.meter));
            if let Some(keys) = chosen.as_ref().map(|chosen| chosen.driver.default_keys())
                && !keys.is_empty()
            {
                self.decoder.keys.set_fallback(keys);
                let again = self.decoder.decode_stripped(stripped, &self.days);
                if again.0.outcome.is_ok() {
                    (decoded, healed) = again;
                }
                self.decoder.keys.set_fallback(&[]);
            }
        }
        let mut report = Report::new(PROTOCOL, place);
        report.reception = reception;
        report.trailing = stripped.trailing;
        report.telegram = Some(healed.as_deref().unwrap_or(bytes));
        let Some(envelope) = &decoded.envelope else {
            if let Err(refusal) = &decoded.outcome {
                report.fail(refusal.status(), refusal);
            }
            return self.printer.print(&report);
        };
        report.set_meter(envelope.meter);
        report.link_address = Some(envelope.sender).filter(|sender| *sender != envelope.meter);
        report.access_number = envelope.access_number;
        report.meter_status = envelope.status;
        report.ci = Some(envelope.ci);
        report.format_signature = envelope.format_signature;
        report.security = Some(envelope.security);
        let mut numbers = vec![
            envelope.meter.identification,
            envelope.sender.identification,
        ];
        let opened = match &decoded.outcome {
            Ok(opened) => opened,
            Err(refusal) => {
                let configured = self.meters.configured(&numbers);
                report.name = configured.map(|meter| Cow::Borrowed(meter.name.as_str()));
                report.fail(refusal.status(), refusal);
                return self.printer.print(&report);
            }
        };
        let beyond = records_beyond(opened, &decoded, stripped.trailing);
        let mut parser = beyond
            .as_deref()
            .map_or_else(|| opened.records(), Records::new);
        let (records, failure) = if opened.content == Content::Manufacturer {
            (Vec::new(), Some(Refusal::Proprietary(envelope.ci)))
        } else {
            read_records(&mut parser)
        };
        let manufacturer_data = parser.manufacturer_data();
        numbers.extend(number_in_records(&records));
        let chosen = self.meters.driver(&numbers, Some(envelope.meter));
        let keys = self.decoder.keys.of(&numbers);
        let source = Source {
            records: &records,
            manufacturer_data: manufacturer_data.map(|data| data.bytes),
            payload: &opened.payload,
            frame: bytes,
            link_address: envelope.sender,
            status: envelope.status,
            key: keys.first().map(MeterKey::octets),
        };
        let driver = chosen.as_ref().map(|chosen| chosen.driver.as_ref());
        // Less than a record at the end is a CRC that was left in. Where a driver says what the meter
        // sends, the whole records in front of it are read.
        let rest = match failure {
            Some(Refusal::NotStandard(error)) => beyond
                .as_deref()
                .unwrap_or(opened.record_bytes())
                .len()
                .saturating_sub(error.offset()),
            _ => usize::MAX,
        };
        let records_are_whole = failure.is_none() || driver.is_some() && rest <= LEFT_IN_CRC;
        let interpreted = interpret(
            driver,
            &source,
            &records,
            records_are_whole,
            manufacturer_data,
            envelope.meter.device_type,
        );
        match (interpreted, failure) {
            (Some((reading, address)), _) => {
                report.reading = Some(reading);
                report.payload = self.payload.then_some(opened.payload.as_slice());
                if let Some(medium) =
                    driver.and_then(|driver| driver.medium(envelope.meter.device_type))
                {
                    report.medium = Some(Cow::Owned(medium.to_owned()));
                }
                report.driver = chosen.map(|chosen| Cow::Owned(chosen.name));
                if let Some(address) = address {
                    report.set_meter(address);
                }
            }
            (None, Some(refusal)) => report.fail(refusal.status(), &refusal),
            (None, None) => {}
        }
        let configured = self.meters.configured(&numbers);
        report.name = configured.map(|meter| Cow::Borrowed(meter.name.as_str()));
        self.printer.print(&report)
    }

    /// Takes a line of chips.
    fn chips(&mut self, chips: &[u8], place: Place) -> io::Result<()> {
        let Some(mode) = self.phy else {
            return Ok(());
        };
        let reception = Reception {
            link_mode: Some(Cow::Borrowed(mode.name())),
            ..Reception::default()
        };
        match phy::receive(mode, chips) {
            Ok(received) => {
                let stripped = Stripped {
                    bytes: Cow::Owned(received.bytes),
                    format: Some(received.format),
                    trailing: &[],
                };
                self.frame(&stripped, place, reception)
            }
            Err(_) if self.only_configured => Ok(()),
            Err(error) => {
                let mut report = Report::new(PROTOCOL, place);
                report.reception = reception;
                report.fail(stream::chip_status(&error), &error);
                self.printer.print(&report)
            }
        }
    }

    /// Takes something in a receiver's stream.
    fn event(&mut self, event: receiver::Event) -> io::Result<()> {
        let place = Place::Offset(event.offset);
        match stream::radio(event.found) {
            Some(Ok(frame)) => {
                self.received(&frame.bytes, frame.crcs, place, stream::reception(&frame))
            }
            Some(Err(damage)) if !self.only_configured => {
                let Some(status) = stream::status(&damage) else {
                    return Ok(());
                };
                let mut report = Report::new(PROTOCOL, place);
                report.fail(status, &damage);
                self.printer.print(&report)
            }
            _ => Ok(()),
        }
    }

    fn is_configured(&self, frame: &[u8]) -> bool {
        let is = |number: Identification| {
            self.meters.is_configured(number) || self.decoder.keys.has(number)
        };
        numbers(frame).is_some_and(|(sender, meter)| is(sender) || meter.is_some_and(is))
    }
}

impl LineDecoder for Telegrams {
    fn line(&mut self, line: &[u8], number: u64) -> io::Result<()> {
        let place = Place::Line(number);
        let mut bytes = std::mem::take(&mut self.bytes);
        let printed = match line::read(line, &mut bytes) {
            Line::Blank => Ok(()),
            Line::Telegram(_) if self.phy.is_some() => self.chips(&bytes, place),
            Line::Telegram(about) => self.received(&bytes, self.crcs, place, reception(about)),
            Line::NotHex | Line::BadCrc if self.only_configured => Ok(()),
            Line::NotHex => {
                let mut report = Report::new(PROTOCOL, place);
                report.fail("not_hex", "the line holds no hex");
                self.printer.print(&report)
            }
            Line::BadCrc => {
                let mut report = Report::new(PROTOCOL, place);
                report.fail(
                    "checksum",
                    "the receiver says that the frame's CRC is wrong",
                );
                self.printer.print(&report)
            }
        };
        self.bytes = bytes;
        printed
    }

    fn idle(&mut self) -> io::Result<()> {
        self.printer.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.printer.flush()?;
        match &self.state {
            Some(path) => state::save(path, &self.decoder),
            None => Ok(()),
        }
    }
}

impl StreamDecoder for Telegrams {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let events = self
            .stream
            .as_mut()
            .map(|splitter| stream::pull(splitter, bytes));
        events
            .into_iter()
            .flatten()
            .try_for_each(|event| self.event(event))
    }

    fn end(&mut self) -> io::Result<()> {
        while let Some(event) = self.stream.as_mut().and_then(Splitter::finish) {
            self.event(event)?;
        }
        Ok(())
    }
}

fn reception(about: About) -> Reception {
    Reception {
        link_mode: about.link_mode.map(Cow::Owned),
        rssi_raw: about.rssi_raw,
        received_at: about.received_at,
        ..Reception::default()
    }
}

/// Bytes of a link-layer CRC that a receiver left at the end.
const LEFT_IN_CRC: usize = 2;

/// The payload with what stood behind the frame, where only that makes whole records of it: some
/// senders count too few bytes in L. Only of telegrams that are neither encrypted nor authenticated.
fn records_beyond(opened: &Opened, decoded: &Decoded, trailing: &[u8]) -> Option<Vec<u8>> {
    let plain = decoded
        .envelope
        .is_some_and(|it| it.security.mode == Mode::Transport(0));
    if trailing.is_empty() || !plain || opened.content != Content::Records {
        return None;
    }
    let cut = opened.records().find_map(Result::err)?;
    let longer = [&opened.payload, trailing].concat();
    let rest = match Records::new(&longer).find_map(Result::err) {
        Some(error) => longer.len() - error.offset(),
        None => 0,
    };
    let helps = opened.payload.len() - cut.offset() > LEFT_IN_CRC && rest <= LEFT_IN_CRC;
    helps.then_some(longer)
}

/// Records up to the first that is none, and why it is none.
fn read_records<'a>(parser: &mut Records<'a>) -> (Vec<Record<'a>>, Option<Refusal>) {
    let mut records = Vec::new();
    for record in parser {
        match record {
            Ok(record) => records.push(record),
            Err(error) => return (records, Some(Refusal::NotStandard(error))),
        }
    }
    (records, None)
}

/// Today and the two days before, in UTC: when a telegram of security mode 3 may have been sent.
fn last_days() -> Vec<civil::Date> {
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    std::iter::successors(Some(today), |day| day.yesterday().ok())
        .take(3)
        .collect()
}

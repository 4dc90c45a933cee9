//! Lines of wireless telegrams.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;

use jiff::civil;
use meter_link::mbus::{Identification, Record, RecordError, derived, headline};
use meter_link::wmbus::frame::{self, Crcs, FrameFormat, Stripped};
use meter_link::wmbus::phy::{self, LinkMode};
use meter_link::wmbus::receiver::{self, Splitter};
use meter_link::wmbus::{Decoder, Opened, Refusal, ReplayGuard, numbers};

use super::line::{self, About, Line};
use super::options::{self, MeterOption};
use super::printer::Printer;
use super::report::{Headline, Place, Reading, Reception, Report};
use super::stream::{self, StreamDecoder};
use super::{FrameOption, LineDecoder, Setup, WmbusArgs, state};

const PROTOCOL: &str = "wmbus";

/// The decoder of a run.
pub(super) struct Telegrams {
    decoder: Decoder,
    meters: HashMap<Identification, MeterOption>,
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
        if let Some(path) = &args.state {
            state::load(path, &mut decoder).map_err(|error| Setup::State(error, path.clone()))?;
        }
        Ok(Self {
            decoder,
            meters: options::meters(&args.meter.meters)?,
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
        let decoded = self.decoder.decode(bytes, &self.days);
        let mut report = Report::new(PROTOCOL, place);
        report.reception = reception;
        report.trailing = stripped.trailing;
        report.telegram = Some(bytes);
        if let Some(envelope) = &decoded.envelope {
            report.set_meter(envelope.meter);
            report.link_address = Some(envelope.sender).filter(|sender| *sender != envelope.meter);
            report.access_number = envelope.access_number;
            report.meter_status = envelope.status;
            report.ci = Some(envelope.ci);
            report.format_signature = envelope.format_signature;
            report.security = Some(envelope.security);
            let numbers = [
                envelope.meter.identification,
                envelope.sender.identification,
            ];
            let known = numbers.iter().find_map(|number| self.meters.get(number));
            report.name = known.map(|known| known.name.as_str());
        }
        let records;
        match &decoded.outcome {
            Err(refusal) => report.fail(refusal.status(), refusal),
            Ok(opened) => match read_records(opened) {
                Ok((read, manufacturer_data)) => {
                    records = read;
                    let device_type = meter_link::mbus::DeviceType(report.device_type.unwrap_or(0));
                    report.reading = Some(Reading {
                        records: &records,
                        fields: derived(&records),
                        headline: headline_of(&records, headline(&records, device_type)),
                        manufacturer_data,
                    });
                    report.payload = self.payload.then_some(opened.payload.as_slice());
                }
                Err(error) => {
                    let refusal = match opened.content {
                        meter_link::mbus::Content::Manufacturer => {
                            Refusal::Proprietary(report.ci.unwrap_or(0))
                        }
                        _ => Refusal::NotStandard(error),
                    };
                    report.fail(refusal.status(), &refusal);
                }
            },
        }
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
            self.meters.contains_key(&number) || self.decoder.keys.has(number)
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

type ReadRecords<'a> = (
    Vec<Record<'a>>,
    Option<meter_link::mbus::ManufacturerData<'a>>,
);

fn read_records(opened: &Opened) -> Result<ReadRecords<'_>, RecordError> {
    if opened.content == meter_link::mbus::Content::Manufacturer {
        return Err(RecordError::Truncated { offset: 0 });
    }
    let mut records = opened.records();
    let read = records.by_ref().collect::<Result<Vec<_>, _>>()?;
    Ok((read, records.manufacturer_data()))
}

/// The headline of a record.
pub(super) fn headline_of(records: &[Record<'_>], index: Option<usize>) -> Option<Headline> {
    let record = records.get(index?)?;
    Some(Headline {
        record: index,
        quantity: record.meaning.quantity.name(),
        value: record.value().number()?,
        unit: record.unit()?.name(),
    })
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

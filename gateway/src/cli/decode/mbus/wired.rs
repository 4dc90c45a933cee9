//! Lines of wired frames.

use std::borrow::Cow;
use std::io;

use meter_link::mbus::link::{Event, Frame, LinkError, Splitter};
use meter_link::mbus::{DeviceAddress, DeviceType, Response};
use meter_link::profile::mbus::Source;

use super::line::{self, Line};
use super::meters::{Meters, interpret};
use super::printer::Printer;
use super::report::{Place, Report, WiredFrame};
use super::stream::{self, StreamDecoder};
use super::{LineDecoder, MbusArgs, Setup};

const PROTOCOL: &str = "mbus";

/// The decoder of a run.
pub(super) struct Frames {
    meters: Meters,
    payload: bool,
    bytes: Vec<u8>,
    stream: Splitter,
    printer: Printer,
}

impl Frames {
    /// Sets up what the options say.
    pub(super) fn new(args: &MbusArgs) -> Result<Self, Setup> {
        Ok(Self {
            meters: Meters::new(&args.meter)?,
            payload: args.meter.payload,
            bytes: Vec::new(),
            stream: Splitter::new(),
            printer: Printer::new(args.meter.format),
        })
    }

    /// Takes one frame, or why there is none, and prints what it holds.
    fn frame(
        &mut self,
        frame: &Result<Frame, LinkError>,
        bytes: &[u8],
        place: Place,
    ) -> io::Result<()> {
        let mut report = Report::new(PROTOCOL, place);
        let empty = [];
        let (address, control, form, application) = match frame {
            Err(error) => {
                report.fail(link_status(error), error);
                return self.printer.print(&report);
            }
            Ok(Frame::Ack) => (None, None, "ack", None),
            Ok(Frame::Short { control, address }) => {
                (Some(*address), Some(*control), "short", None)
            }
            Ok(Frame::Control {
                control,
                address,
                ci,
            }) => (
                Some(*address),
                Some(*control),
                "control",
                Some((*ci, empty.as_slice())),
            ),
            Ok(Frame::Long {
                control,
                address,
                ci,
                data,
            }) => (
                Some(*address),
                Some(*control),
                "long",
                Some((*ci, data.as_slice())),
            ),
        };
        report.telegram = Some(bytes);
        let mut wired = WiredFrame {
            address,
            control,
            form,
            signature: None,
        };
        let response;
        if let Some((ci, data)) = application {
            report.ci = Some(ci);
            match Response::read(ci, data) {
                Err(error) => report.fail(error.status(), &error),
                Ok(read) => {
                    response = read;
                    wired.signature = response.signature;
                    self.describe(&response, &mut report);
                    report.payload = self.payload.then_some(response.payload);
                }
            }
        }
        report.wired = Some(wired);
        self.printer.print(&report)
    }

    fn describe<'a>(&mut self, response: &'a Response<'a>, report: &mut Report<'a>) {
        report.id = response.identification;
        report.access_number = response.access_number;
        report.meter_status = response.status;
        let mut device_type = DeviceType(0x0F);
        if let Some(meter) = response.meter {
            report.set_meter(meter);
            device_type = meter.device_type;
        }
        report.medium = Some(Cow::Borrowed(response.medium));
        let numbers: Vec<_> = response.identification.into_iter().collect();
        let chosen = self.meters.driver(&numbers, response.meter);
        let driver = chosen.as_ref().map(|chosen| chosen.driver.as_ref());
        let source = Source {
            records: &response.records,
            manufacturer_data: response.manufacturer_data.map(|data| data.bytes),
            payload: response.payload,
            frame: &[],
            link_address: response.meter.unwrap_or(DeviceAddress::from_link([0; 8])),
            status: response.status,
            key: None,
        };
        let interpreted = interpret(
            driver,
            &source,
            &response.records,
            true,
            response.manufacturer_data,
            device_type,
        );
        report.reading = interpreted.map(|(reading, _)| reading);
        if let Some(medium) = driver.and_then(|driver| driver.medium(device_type)) {
            report.medium = Some(Cow::Owned(medium.to_owned()));
        }
        report.driver = chosen.map(|chosen| Cow::Owned(chosen.name));
        let configured = self.meters.configured(&numbers);
        report.name = configured.map(|meter| Cow::Owned(meter.name.clone()));
    }
}

impl LineDecoder for Frames {
    fn line(&mut self, line: &[u8], number: u64) -> io::Result<()> {
        let place = Place::Line(number);
        let mut bytes = std::mem::take(&mut self.bytes);
        let printed = match line::read(line, &mut bytes) {
            Line::Blank => Ok(()),
            Line::NotHex | Line::BadCrc => {
                let mut report = Report::new(PROTOCOL, place);
                report.fail("not_hex", "the line holds no hex");
                self.printer.print(&report)
            }
            Line::Telegram(_) => {
                let frame = Frame::decode(&bytes);
                let length = frame.as_ref().map_or(0, |(_, length)| *length);
                let taken = bytes.get(..length).unwrap_or_default();
                self.frame(&frame.map(|(frame, _)| frame), taken, place)
            }
        };
        self.bytes = bytes;
        printed
    }

    fn idle(&mut self) -> io::Result<()> {
        self.printer.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        self.printer.flush()
    }
}

impl StreamDecoder for Frames {
    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        let events = stream::pull_wired(&mut self.stream, bytes);
        events.into_iter().try_for_each(|event| self.event(&event))
    }

    fn end(&mut self) -> io::Result<()> {
        while let Some(event) = self.stream.finish() {
            self.event(&event)?;
        }
        Ok(())
    }
}

impl Frames {
    /// Takes a frame in a stream, or a stretch that holds none.
    fn event(&mut self, event: &Event) -> io::Result<()> {
        let bytes = event
            .found
            .as_ref()
            .map(Frame::to_bytes)
            .unwrap_or_default();
        self.frame(&event.found, &bytes, Place::Offset(event.offset))
    }
}

const fn link_status(error: &LinkError) -> &'static str {
    match error {
        LinkError::Truncated { .. } => "truncated",
        _ => "checksum",
    }
}

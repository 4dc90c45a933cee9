//! Reads Modbus meters, one request a turn, over RTU and over TCP.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_modbus::client::{Client, Context, rtu, tcp};
use tokio_modbus::slave::Slave;
use tokio_modbus::{Error, ExceptionCode, Request as Pdu, Response};
use tokio_util::sync::CancellationToken;

use super::PortEvent;
use super::bus::Bus;
use super::place::Place;
use crate::modbus::{Answer, Function, RegisterMap, Request, exception};
use crate::model::{Check, MeterId};
use crate::session::Rejected;

/// A meter on a bus.
#[derive(Clone, Debug)]
pub struct ModbusMeter {
    /// Its line.
    pub bus: Arc<Bus>,
    /// Its unit number, 1 to 247.
    pub unit: u8,
    /// What it has where.
    pub map: RegisterMap,
    /// From the start of one reading to the start of the next.
    pub period: Duration,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// How often a request without a right answer is repeated.
    pub repeats: u8,
}

/// Why a request gave nothing.
#[derive(Debug)]
enum Failure {
    /// The line cannot be opened or was lost.
    Line(String),
    /// No right answer after all repeats.
    Answer(String),
    /// The meter has refused.
    Exception(u8),
}

/// Reads the meter again and again until `stop` is cancelled or the receiver of `events` is gone.
/// A reading is one telegram of all requests; registers that the meter does not have are told once
/// and then left out.
pub async fn run_modbus(
    meter: &ModbusMeter,
    events: mpsc::Sender<PortEvent>,
    stop: CancellationToken,
) {
    let mut reader = Reader {
        meter,
        requests: meter.map.requests(),
        serial: None,
        serial_request: meter.map.serial_request(),
        line: None,
    };
    let mut next = Instant::now();
    loop {
        let wait = async {
            sleep_until(next).await;
            reader.read(&events).await
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = events.closed() => return,
            told = wait => if told.is_err() { return },
        }
        next = (next + meter.period).max(Instant::now());
    }
}

struct Reader<'a> {
    meter: &'a ModbusMeter,
    requests: Vec<Request>,
    serial: Option<MeterId>,
    /// The request for the serial number, until it was answered or refused.
    serial_request: Option<Request>,
    /// Whether the line was open, as far as it was told.
    line: Option<bool>,
}

impl Reader<'_> {
    /// Reads all registers once. An error when nobody listens any more.
    async fn read(
        &mut self,
        events: &mpsc::Sender<PortEvent>,
    ) -> Result<(), mpsc::error::SendError<PortEvent>> {
        if let Some(request) = self.serial_request {
            match self.ask(request).await {
                Ok(answer) => {
                    self.serial = self.meter.map.serial_number(&answer);
                    self.serial_request = None;
                }
                // A model without a serial number is known by its configured name.
                Err(Failure::Exception(1..=3)) => self.serial_request = None,
                Err(failure) => return self.failed(failure, events).await,
            }
        }
        let mut answers = Vec::new();
        for request in self.requests.clone() {
            match self.ask(request).await {
                Ok(answer) => answers.push(answer),
                Err(Failure::Exception(code @ 2)) if self.requests.len() > 1 => {
                    self.requests.retain(|other| *other != request);
                    let reason = format!(
                        "registers {} to {}: {}",
                        request.address,
                        u32::from(request.address) + u32::from(request.count) - 1,
                        exception(code)
                    );
                    let rejected = Rejected { reason, length: 0 };
                    events.send(PortEvent::Rejected(rejected)).await?;
                }
                Err(failure) => return self.failed(failure, events).await,
            }
        }
        if self.line != Some(true) {
            self.line = Some(true);
            events.send(PortEvent::Opened).await?;
        }
        let mut telegram = self.meter.map.telegram(&answers, self.serial.clone());
        telegram.check = match self.meter.bus.place() {
            Place::Serial(_) => Check::Crc,
            Place::Tcp(_) | Place::Udp(_) => Check::None,
        };
        if telegram.values.is_empty() {
            let reason = "the meter answers, but none of its registers holds a number".to_owned();
            let rejected = Rejected { reason, length: 0 };
            return events.send(PortEvent::Rejected(rejected)).await;
        }
        events.send(PortEvent::Telegram(Box::new(telegram))).await
    }

    async fn failed(
        &mut self,
        failure: Failure,
        events: &mpsc::Sender<PortEvent>,
    ) -> Result<(), mpsc::error::SendError<PortEvent>> {
        let reason = match failure {
            Failure::Line(reason) => {
                if self.line != Some(false) {
                    self.line = Some(false);
                    let retry_in = self.meter.period;
                    events.send(PortEvent::Lost { reason, retry_in }).await?;
                }
                return Ok(());
            }
            Failure::Answer(reason) => reason,
            Failure::Exception(code) => exception(code).to_owned(),
        };
        if self.line != Some(true) {
            self.line = Some(true);
            events.send(PortEvent::Opened).await?;
        }
        let rejected = Rejected { reason, length: 0 };
        events.send(PortEvent::Rejected(rejected)).await
    }

    async fn ask(&self, request: Request) -> Result<Answer, Failure> {
        let mut last = Failure::Answer(String::new());
        for _ in 0..=self.meter.repeats {
            match self.ask_once(request).await {
                Ok(answer) => return Ok(answer),
                // 5 and 6 pass; the others are the meter's last word.
                Err(Failure::Exception(code)) if !matches!(code, 5 | 6) => {
                    return Err(Failure::Exception(code));
                }
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    async fn ask_once(&self, request: Request) -> Result<Answer, Failure> {
        let line_lost = |error: io::Error| Failure::Line(error.to_string());
        let turn = self.meter.bus.turn().await.map_err(line_lost)?;
        let receipt = turn.receipt();
        let slave = Slave(self.meter.unit);
        let mut context: Context = match self.meter.bus.place() {
            Place::Serial(_) => rtu::attach_slave(turn, slave),
            Place::Tcp(_) | Place::Udp(_) => tcp::attach_slave(turn, slave),
        };
        let Request { address, count, .. } = request;
        let pdu = match request.function {
            Function::Input => Pdu::ReadInputRegisters(address, count),
            Function::Holding => Pdu::ReadHoldingRegisters(address, count),
        };
        let answered = timeout(self.meter.timeout, context.call(pdu)).await;
        let reason = match answered {
            Ok(Ok(Ok(
                Response::ReadInputRegisters(words) | Response::ReadHoldingRegisters(words),
            ))) if words.len() == usize::from(count) => {
                receipt.complete();
                return Ok(Answer { request, words });
            }
            Ok(Ok(Err(code))) => {
                let code: ExceptionCode = code;
                receipt.complete();
                return Err(Failure::Exception(code.into()));
            }
            Ok(Ok(Ok(_))) => "the answer holds another number of registers".to_owned(),
            Ok(Err(Error::Transport(error))) if is_lost(&error) => {
                return Err(Failure::Line(error.to_string()));
            }
            Ok(Err(Error::Transport(error))) => format!("the answer is damaged: {error}"),
            Ok(Err(Error::Protocol(_))) => {
                "another meter, or another request, was answered".to_owned()
            }
            Err(_) => format!(
                "unit {} does not answer: check its number, the speed, and that A and B are not swapped",
                self.meter.unit
            ),
        };
        Err(Failure::Answer(reason))
    }
}

fn is_lost(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
            | io::ErrorKind::UnexpectedEof
    )
}

//! The client's side of a link (IEC 62056-46, clause 6.4.4): normal response mode, in which the
//! server speaks only when it is polled.
//!
//! Beyond the standard: damage that is noticed is answered by asking again at once, not only when
//! the time is over.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::{
    Address, Control, Frame, LLC_COMMAND, Parameters, PieceKind, Splitter, encode, split_llc,
};

#[cfg(test)]
mod tests;

/// Longest APDU put together out of segments, in bytes.
pub const MAX_APDU: usize = 128 * 1024;

/// How a link is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkConfig {
    /// The meter.
    pub server: Address,
    /// The client.
    pub client: Address,
    /// What is proposed to the meter.
    pub parameters: Parameters,
    /// Longest wait for the first byte of an answer for which the meter may have to work.
    pub response_timeout: Duration,
    /// Longest wait for the first byte of a frame that the meter has ready.
    pub segment_timeout: Duration,
    /// Longest silence within a frame.
    pub quiet: Duration,
    /// How long a meter is polled that says it has nothing yet.
    pub patience: Duration,
    /// From the last frame until the meter is taken to have forgotten the link.
    pub inactivity_timeout: Duration,
    /// How often something is sent again without any progress between.
    pub repeats: u8,
    /// What one byte takes on the line; zero where there is none.
    pub octet_time: Duration,
}

impl LinkConfig {
    /// A link between two addresses with the usual times.
    #[must_use]
    pub fn new(client: Address, server: Address) -> Self {
        Self {
            server,
            client,
            parameters: Parameters::default(),
            response_timeout: Duration::from_secs(3),
            segment_timeout: Duration::from_millis(700),
            quiet: Duration::from_millis(150),
            patience: Duration::from_secs(20),
            inactivity_timeout: Duration::from_secs(110),
            repeats: 6,
            octet_time: Duration::ZERO,
        }
    }
}

/// What a link tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkEvent {
    /// The meter has acknowledged the connection; these parameters hold.
    Connected(Parameters),
    /// An APDU came, without its LLC header.
    Apdu(Vec<u8>),
    /// An APDU came outside of any exchange (UI frame).
    Unnumbered(Vec<u8>),
    /// The link is closed.
    Disconnected(Disconnected),
}

/// Why a link is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Disconnected {
    /// It was asked to.
    #[error("the link was closed")]
    Asked,
    /// Nothing sensible came within the time, after all repetitions.
    #[error("the meter does not answer")]
    NoAnswer,
    /// The meter says that it is disconnected (DM).
    #[error("the meter refuses the link (DM): another reader may hold it")]
    Refused,
    /// The meter rejected a frame (FRMR).
    #[error("the meter rejected a frame (FRMR)")]
    FrameRejected,
    /// An APDU grew beyond [`MAX_APDU`].
    #[error("an APDU of more than {MAX_APDU} bytes")]
    TooLong,
    /// Nothing was exchanged for so long that the meter has forgotten the link.
    #[error("the link was idle for too long")]
    Inactive,
}

/// An APDU cannot be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the link is not open, or waits for an answer")]
pub struct NotReady;

/// What went wrong on a link so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Frames whose check was wrong.
    pub damaged: u64,
    /// Bytes that were no frame.
    pub noise: u64,
    /// Frames sent again, and polls for frames that did not come.
    pub repeated: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Connecting,
    Idle,
    /// Segments of our own are on their way.
    Sending,
    /// Everything was acknowledged; the answer is due.
    Awaiting,
    Disconnecting,
}

/// A link to one meter. The owner sends what [`Link::poll_transmit`] gives, and tells it bytes and
/// the time.
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    state: State,
    splitter: Splitter,
    agreed: Parameters,
    /// Number of the first frame in `outgoing`.
    send: u8,
    /// Number of the frame expected next.
    receive: u8,
    /// Information fields that are not acknowledged.
    outgoing: VecDeque<Vec<u8>>,
    /// How many of them were sent.
    in_flight: usize,
    /// Information received so far of an APDU.
    incoming: Vec<u8>,
    /// Something damaged came since we last sent.
    damaged: bool,
    repeats: u8,
    deadline: Option<Instant>,
    /// No byte puts the deadline off beyond this.
    latest: Option<Instant>,
    /// Until when a meter that has nothing yet is polled.
    patience: Option<Instant>,
    /// The deadline is for the next poll, and no failure.
    polling: bool,
    transmit: VecDeque<Vec<u8>>,
    events: VecDeque<LinkEvent>,
    counts: LinkCounts,
}

impl Link {
    /// A closed link.
    #[must_use]
    pub fn new(config: LinkConfig) -> Self {
        Self {
            agreed: config.parameters,
            config,
            state: State::Closed,
            splitter: Splitter::new(),
            send: 0,
            receive: 0,
            outgoing: VecDeque::new(),
            in_flight: 0,
            incoming: Vec::new(),
            damaged: false,
            repeats: 0,
            deadline: None,
            latest: None,
            patience: None,
            polling: false,
            transmit: VecDeque::new(),
            events: VecDeque::new(),
            counts: LinkCounts::default(),
        }
    }

    /// Opens the link, from any state.
    pub fn connect(&mut self, now: Instant) {
        self.state = State::Connecting;
        self.splitter.clear();
        self.reset();
        self.repeats = 0;
        self.send_snrm(now);
    }

    /// Sends an APDU; its answer comes as [`LinkEvent::Apdu`].
    ///
    /// # Errors
    /// [`NotReady`] unless the link is open and idle.
    pub fn send(&mut self, apdu: &[u8], now: Instant) -> Result<(), NotReady> {
        if self.state != State::Idle {
            return Err(NotReady);
        }
        let information = [&LLC_COMMAND, apdu].concat();
        let size = usize::from(self.agreed.max_info_transmit).max(1);
        self.outgoing = information.chunks(size).map(<[u8]>::to_vec).collect();
        self.in_flight = 0;
        self.incoming.clear();
        self.state = State::Sending;
        self.patience = None;
        self.repeats = 0;
        self.send_window(now);
        Ok(())
    }

    /// Waits for another APDU: the last one was not the answer.
    pub fn listen(&mut self, now: Instant) {
        if self.state == State::Idle {
            self.state = State::Awaiting;
            self.patience = None;
            self.repeats = 0;
            self.poll_later(now);
        }
    }

    /// Closes the link; [`LinkEvent::Disconnected`] follows in any case.
    pub fn disconnect(&mut self, now: Instant) {
        if self.state == State::Closed {
            return self.close(Disconnected::Asked);
        }
        self.reset();
        self.state = State::Disconnecting;
        self.repeats = 0;
        self.frame(Control::Disc { poll: true }, false, &[], now);
        self.wait(self.config.segment_timeout, now);
    }

    /// True while an APDU can be sent.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// What went wrong so far.
    #[must_use]
    pub const fn counts(&self) -> LinkCounts {
        self.counts
    }

    /// Takes bytes that were received at `now`.
    pub fn handle_input(&mut self, bytes: &[u8], now: Instant) {
        let mut input = bytes;
        while let Some(piece) = self.splitter.pull(&mut input) {
            match piece.kind {
                PieceKind::Noise => {
                    self.counts.noise += piece.length;
                    self.damaged = true;
                }
                PieceKind::Frame(bytes) => self.received(&bytes, now),
            }
        }
        self.damaged |= self.splitter.noise() > 0;
        if let Some(deadline) = self.deadline
            && !matches!(self.state, State::Idle | State::Closed)
            && !bytes.is_empty()
        {
            // Bytes are coming: the answer has begun. One that was damaged is asked for again as
            // soon as the line is quiet.
            let quiet = now + self.config.quiet + self.config.octet_time * 8;
            let wanted = match self.damaged && !self.polling {
                true => quiet,
                false => deadline.max(quiet),
            };
            self.deadline = Some(self.latest.map_or(wanted, |latest| wanted.min(latest)));
        }
    }

    /// Takes note that `now` has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return;
        }
        self.splitter.clear();
        if std::mem::take(&mut self.polling) {
            return self.poll(now);
        }
        if self.state == State::Idle {
            return self.close(Disconnected::Inactive);
        }
        if self.repeats >= self.config.repeats {
            let reason = match self.state {
                State::Disconnecting => Disconnected::Asked,
                _ => Disconnected::NoAnswer,
            };
            return self.close(reason);
        }
        self.repeats += 1;
        self.counts.repeated += 1;
        match self.state {
            State::Closed | State::Idle => self.deadline = None,
            State::Connecting => self.send_snrm(now),
            State::Sending => self.send_window(now),
            State::Awaiting => self.poll(now),
            State::Disconnecting => {
                // A meter that is gone is not asked as often as one that is read.
                self.repeats = self.repeats.max(self.config.repeats.saturating_sub(1));
                self.frame(Control::Disc { poll: true }, false, &[], now);
                self.wait(self.config.segment_timeout, now);
            }
        }
    }

    /// The next bytes to send.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmit.pop_front()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// When [`Link::handle_timeout`] must be called at the latest.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }

    fn received(&mut self, bytes: &[u8], now: Instant) {
        let Ok(frame) = Frame::parse(bytes) else {
            return;
        };
        if !frame.fcs_ok() || !frame.hcs_ok() {
            self.counts.damaged += 1;
            self.damaged = true;
            return;
        }
        // On a shared line, others are spoken to; an optical head returns what was sent.
        if frame.destination() != self.config.client.as_bytes() || !self.is_from_server(&frame) {
            return;
        }
        self.damaged = false;
        match (self.state, frame.control()) {
            (_, Control::Ui { .. }) => {
                let (_, apdu) = split_llc(frame.information());
                self.events.push_back(LinkEvent::Unnumbered(apdu.to_vec()));
            }
            (State::Connecting, Control::Ua { .. }) => self.connected(frame.information(), now),
            (State::Disconnecting, Control::Ua { .. } | Control::Dm { .. }) => {
                self.close(Disconnected::Asked);
            }
            (State::Closed | State::Disconnecting, _)
            | (State::Connecting, Control::Information { .. } | Control::ReceiveReady { .. }) => {}
            (_, Control::Dm { .. }) => self.close(Disconnected::Refused),
            (_, Control::Frmr { .. }) => self.close(Disconnected::FrameRejected),
            // A frame that acknowledges what was never sent is none of this exchange.
            (
                _,
                Control::Information {
                    send,
                    receive,
                    poll,
                },
            ) if self.acknowledged(receive) => self.information(send, poll, &frame, now),
            (_, Control::ReceiveReady { receive, .. } | Control::Reject { receive, .. })
                if self.acknowledged(receive) =>
            {
                self.go_on(now);
            }
            (State::Sending | State::Awaiting, Control::ReceiveNotReady { receive, .. })
                if self.acknowledged(receive) =>
            {
                self.poll_later(now);
            }
            _ => {}
        }
    }

    fn is_from_server(&self, frame: &Frame<'_>) -> bool {
        // Addresses that any device answers with its own (clause 6.4.2.4).
        let any = matches!(
            self.config.server.physical(),
            Some(0x7E | 0x7F | 0x3FFE | 0x3FFF)
        );
        frame.source() == self.config.server.as_bytes() || any
    }

    fn connected(&mut self, information: &[u8], now: Instant) {
        // A damaged list of parameters is as good as none: the smallest sizes hold.
        let peer = Parameters::from_information(information).unwrap_or_default();
        self.agreed = self.config.parameters.agreed(peer);
        self.idle(now);
        self.events.push_back(LinkEvent::Connected(self.agreed));
    }

    /// Takes note of what the meter has received; false for a number that was never sent.
    fn acknowledged(&mut self, receive: u8) -> bool {
        let count = usize::from(receive.wrapping_sub(self.send) & 7);
        if count > self.in_flight {
            return false;
        }
        if count > 0 {
            self.repeats = 0;
        }
        self.outgoing.drain(..count.min(self.outgoing.len()));
        self.in_flight -= count;
        self.send = receive;
        true
    }

    /// The meter is ready for more.
    fn go_on(&mut self, now: Instant) {
        match self.state {
            State::Sending if self.outgoing.is_empty() => {
                self.state = State::Awaiting;
                self.patience = Some(now + self.config.patience);
                self.poll(now);
            }
            State::Sending => self.send_on(now),
            State::Awaiting => self.poll_later(now),
            _ => {}
        }
    }

    /// Goes on sending; what is not acknowledged by now is repeated.
    fn send_on(&mut self, now: Instant) {
        if self.in_flight == 0 || self.may_repeat() {
            self.send_window(now);
        }
    }

    /// Counts a repetition; false, and the link is closed, when there were too many in a row.
    fn may_repeat(&mut self) -> bool {
        let may = self.repeats < self.config.repeats;
        if may {
            self.repeats += 1;
            self.counts.repeated += 1;
        } else {
            self.close(Disconnected::NoAnswer);
        }
        may
    }

    fn information(&mut self, send: u8, last: bool, frame: &Frame<'_>, now: Instant) {
        if send != self.receive {
            let ahead = send.wrapping_sub(self.receive) & 7;
            // One within the window was lost; anything else came before.
            let lost = ahead < self.agreed.window_receive && last;
            if lost && self.state == State::Awaiting && self.may_repeat() {
                self.poll(now);
            }
            return;
        }
        self.receive = (send + 1) & 7;
        self.repeats = 0;
        if self.incoming.len() + frame.information().len() > MAX_APDU {
            return self.close(Disconnected::TooLong);
        }
        self.incoming.extend(frame.information());
        if !frame.segmented() {
            let apdu = std::mem::take(&mut self.incoming);
            let (_, apdu) = split_llc(&apdu);
            self.events.push_back(LinkEvent::Apdu(apdu.to_vec()));
            return self.idle(now);
        }
        self.outgoing.clear();
        self.in_flight = 0;
        self.state = State::Awaiting;
        self.patience = Some(now + self.config.patience);
        if last {
            self.poll(now);
        } else {
            self.wait(self.config.segment_timeout, now);
        }
    }

    /// Asks for the next frame.
    fn poll(&mut self, now: Instant) {
        let receive = self.receive;
        let control = Control::ReceiveReady {
            receive,
            poll: true,
        };
        self.frame(control, false, &[], now);
        self.wait(self.config.segment_timeout, now);
    }

    /// Asks again in a while, for a meter that has nothing yet.
    fn poll_later(&mut self, now: Instant) {
        let until = *self.patience.get_or_insert(now + self.config.patience);
        if now >= until {
            return self.close(Disconnected::NoAnswer);
        }
        if self.state == State::Sending && !self.outgoing.is_empty() {
            self.in_flight = 0;
        }
        self.polling = true;
        self.latest = None;
        self.deadline = Some(now + self.config.quiet * 2);
    }

    /// Sends what the window allows, beginning with what is not acknowledged.
    fn send_window(&mut self, now: Instant) {
        let count = usize::from(self.agreed.window_transmit).min(self.outgoing.len());
        self.in_flight = count;
        let pieces: Vec<_> = self.outgoing.iter().take(count).cloned().collect();
        let more = self.outgoing.len() > count;
        for ((index, information), number) in pieces.iter().enumerate().zip(0u8..) {
            let last = index + 1 == count;
            let control = Control::Information {
                send: (self.send + number) & 7,
                receive: self.receive,
                poll: last,
            };
            self.frame(control, more || !last, information, now);
        }
        self.wait(self.config.response_timeout, now);
    }

    fn send_snrm(&mut self, now: Instant) {
        let information = match self.config.parameters == Parameters::default() {
            true => Vec::new(),
            false => self.config.parameters.to_information(),
        };
        self.frame(Control::Snrm { poll: true }, false, &information, now);
        self.wait(self.config.response_timeout, now);
    }

    fn frame(&mut self, control: Control, segmented: bool, information: &[u8], now: Instant) {
        self.damaged = false;
        let (server, client) = (self.config.server, self.config.client);
        // The sizes agreed on are below what a frame holds.
        if let Ok(bytes) = encode(&server, &client, control, segmented, information) {
            self.latest = Some(now);
            self.transmit.push_back(bytes);
        }
    }

    /// Sets the deadline for an answer to what was just sent.
    fn wait(&mut self, timeout: Duration, now: Instant) {
        self.polling = false;
        let sending: usize = self.transmit.iter().map(Vec::len).sum();
        let longest = usize::from(self.agreed.max_info_receive) + 16;
        let sending = self.config.octet_time * u32::try_from(sending).unwrap_or(u32::MAX);
        let frame = self.config.octet_time * u32::try_from(longest).unwrap_or(u32::MAX);
        let frames = u32::from(self.agreed.window_receive);
        self.deadline = Some(now + sending + timeout);
        self.latest = Some(now + sending + timeout + (frame + Duration::from_secs(8)) * frames);
    }

    fn idle(&mut self, now: Instant) {
        self.state = State::Idle;
        self.outgoing.clear();
        self.in_flight = 0;
        self.incoming.clear();
        self.repeats = 0;
        self.polling = false;
        self.latest = None;
        self.deadline = Some(now + self.config.inactivity_timeout);
    }

    fn reset(&mut self) {
        self.transmit.clear();
        self.outgoing.clear();
        self.incoming.clear();
        self.in_flight = 0;
        self.send = 0;
        self.receive = 0;
        self.polling = false;
        self.damaged = false;
        self.patience = None;
        self.agreed = self.config.parameters;
    }

    fn close(&mut self, reason: Disconnected) {
        self.reset();
        self.state = State::Closed;
        self.deadline = None;
        self.latest = None;
        self.events.push_back(LinkEvent::Disconnected(reason));
    }
}

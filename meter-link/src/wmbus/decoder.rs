//! From the bytes of a link-layer frame to the records of a meter: all layers in their order.

use jiff::civil;

use super::afl::{self, Fragment};
use super::compact::{CompactError, FormatStore};
use super::diehl::{self, Interpretation};
use super::ell::{self, ExtendedLink};
use super::fragments::Reassembler;
use super::frame::Stripped;
use super::keys::{KeyRing, MeterKey};
use super::refusal::Refusal;
use super::replay::ReplayGuard;
use super::security::{self, Authentication, Mode, Proof, Sealed, Security};
use crate::mbus::{Content, DeviceAddress, Header, Identification, Records, of_ci};

/// Length of L, C, M and A.
const LINK: usize = 10;
/// The network layer: its CI field and one byte of hop control.
const NETWORK_CI: u8 = 0x81;
const NETWORK: usize = 2;

/// What a telegram says about itself in front of its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Control field of the link layer.
    pub control: u8,
    /// Who sent it: the meter or a radio adapter.
    pub sender: DeviceAddress,
    /// The meter: of the long header, else the sender.
    pub meter: DeviceAddress,
    /// CI field of the transport layer, or the last that could be read.
    pub ci: u8,
    /// Access number of the transport layer, else of the extended link layer.
    pub access_number: Option<u8>,
    /// Status field.
    pub status: Option<u8>,
    /// How it is protected.
    pub security: Security,
    /// The format signature of a compact frame.
    pub format_signature: Option<u16>,
}

/// A payload whose check is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The bytes behind the transport header, decrypted.
    pub payload: Vec<u8>,
    /// The full payload that a compact frame stands for.
    pub expanded: Option<Vec<u8>>,
    /// What the payload is.
    pub content: Content,
}

impl Opened {
    /// The payload as records, whether it came full or compact.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        Records::new(self.record_bytes())
    }

    /// The bytes of the records.
    #[must_use]
    pub fn record_bytes(&self) -> &[u8] {
        self.expanded.as_deref().unwrap_or(&self.payload)
    }
}

/// What became of a telegram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// What it says about itself; `None` when it is too short for an address.
    pub envelope: Option<Envelope>,
    /// Its payload, or why there is none.
    pub outcome: Result<Opened, Refusal>,
}

/// What is known from one telegram to the next: keys, formats, counters and fragments.
#[derive(Debug, Default)]
pub struct Decoder {
    /// Keys.
    pub keys: KeyRing,
    /// Formats of compact frames.
    pub formats: FormatStore,
    /// Message counters, when they are to be checked.
    pub replay: Option<ReplayGuard>,
    /// Take a payload in clear under a header that announces encryption, though there is a key.
    pub accept_clear: bool,
    fragments: Reassembler,
}

impl Decoder {
    /// A decoder with these keys, which does not check message counters.
    #[must_use]
    pub fn new(keys: KeyRing) -> Self {
        Self {
            keys,
            ..Self::default()
        }
    }

    /// Decodes a received frame whose CRCs are off. Some senders count one byte too few in L, so
    /// that the last encrypted block is cut: what stood behind the frame is tried in its place. The
    /// frame as it should have been comes with what became of it then.
    pub fn decode_stripped(
        &mut self,
        stripped: &Stripped<'_>,
        days: &[civil::Date],
    ) -> (Decoded, Option<Vec<u8>>) {
        let frame = stripped.bytes.as_ref();
        let decoded = self.decode(frame, days);
        let Err(Refusal::CutBlock { missing }) = decoded.outcome else {
            return (decoded, None);
        };
        let healed = stripped.trailing.get(..missing).and_then(|rest| {
            let mut healed = [frame, rest].concat();
            *healed.first_mut()? = u8::try_from(healed.len() - 1).ok()?;
            Some(healed)
        });
        match healed {
            Some(healed) => (self.decode(&healed, days), Some(healed)),
            None => (decoded, None),
        }
    }

    /// Decodes a frame without link-layer CRCs (L, C, M, A, CI …). `days` are those on which it
    /// may have been sent, which only security mode 3 needs.
    pub fn decode(&mut self, frame: &[u8], days: &[civil::Date]) -> Decoded {
        let Some((_, control, address)) = link(frame) else {
            return Decoded {
                envelope: None,
                outcome: Err(Refusal::Truncated {
                    layer: "link layer",
                }),
            };
        };
        let interpretation = diehl::interpretation(frame);
        let sender = diehl::address(address, interpretation);
        let mut envelope = Envelope {
            control,
            sender,
            meter: sender,
            ci: frame.get(LINK).copied().unwrap_or(0),
            access_number: None,
            status: None,
            security: Security::NONE,
            format_signature: None,
        };
        let outcome = self
            .open(frame, &mut envelope, interpretation, days)
            .and_then(|opened| {
                if let Some(replay) = &mut self.replay {
                    replay.check(envelope.meter, frame, &envelope.security)?;
                }
                Ok(opened)
            });
        Decoded {
            envelope: Some(envelope),
            outcome,
        }
    }

    fn open(
        &mut self,
        frame: &[u8],
        envelope: &mut Envelope,
        interpretation: Interpretation,
        days: &[civil::Date],
    ) -> Result<Opened, Refusal> {
        let mut message = frame.get(LINK..).unwrap_or_default();
        let opened_link;
        if let Some(extended) = ExtendedLink::read(message) {
            let extended = extended.map_err(|()| cut("extended link layer"))?;
            envelope.access_number = Some(extended.access_number);
            message = message.get(extended.length..).unwrap_or_default();
            if extended.session.is_some() {
                opened_link = self.open_link(message, &extended, envelope)?;
                message = opened_link.get(ell::PAYLOAD_CRC..).unwrap_or_default();
            }
        } else if message.first() == Some(&0x86) {
            return Err(Refusal::UnsupportedCi(
                0x86,
                "the extended link layer of variable length is not read",
            ));
        }
        if message.first() == Some(&NETWORK_CI) {
            message = message.get(NETWORK..).unwrap_or_default();
        }
        let mut authentication = None;
        let whole;
        if message.first() == Some(&afl::CI) {
            envelope.ci = afl::CI;
            let earlier = self.fragments.control(envelope.sender);
            let fragment = Fragment::read(message, earlier)
                .map_err(|_| cut("authentication and fragmentation sublayer"))?;
            let part = message.get(fragment.length..).unwrap_or_default();
            let (joined, fields) = self.fragments.take(envelope.sender, &fragment, part)?;
            if let Some(length) = fields.message_length
                && joined.len() < usize::from(length)
            {
                return Err(cut("message, shorter than its length field says"));
            }
            whole = joined;
            message = whole.as_slice();
            if let Some(length) = fields.message_length {
                message = message.get(..usize::from(length)).unwrap_or(message);
            }
            authentication = Some(fields);
        }
        self.open_transport(
            frame,
            message,
            authentication.as_ref(),
            envelope,
            interpretation,
            days,
        )
    }

    /// Decrypts behind an extended link layer with a session; the payload's CRC comes first.
    fn open_link(
        &self,
        sealed: &[u8],
        extended: &ExtendedLink,
        envelope: &mut Envelope,
    ) -> Result<Vec<u8>, Refusal> {
        let mode = Mode::EllCtr;
        match extended.encryption() {
            0 => {
                return if ell::payload_is_whole(sealed) {
                    Ok(sealed.to_vec())
                } else {
                    Err(Refusal::CompactChecksum)
                };
            }
            1 => {}
            _ => {
                return Err(Refusal::UnsupportedCi(
                    envelope.ci,
                    "its session uses a cipher that is not known",
                ));
            }
        }
        envelope.security = Security {
            mode,
            counter: extended.session,
            ..Security::NONE
        };
        let keys = self.keys.of(&[envelope.sender.identification]);
        if ell::payload_is_whole(sealed) {
            if !keys.is_empty() && !self.accept_clear {
                return Err(Refusal::ClearRefused { mode });
            }
            envelope.security.clear_payload = true;
            return Ok(sealed.to_vec());
        }
        if keys.is_empty() {
            return Err(Refusal::NoKey { mode });
        }
        let counter = extended.initial_counter(envelope.sender);
        let opened = keys
            .iter()
            .filter_map(MeterKey::aes)
            .map(|key| security::open_ell(key, counter, sealed))
            .find(|opened| ell::payload_is_whole(opened));
        envelope.security.proof = Proof::PayloadCrc;
        opened.ok_or_else(|| {
            envelope.security.proof = Proof::None;
            Refusal::WrongKey {
                mode,
                check: "the CRC of the payload is wrong",
            }
        })
    }

    fn open_transport(
        &mut self,
        frame: &[u8],
        message: &[u8],
        authentication: Option<&Authentication>,
        envelope: &mut Envelope,
        interpretation: Interpretation,
        days: &[civil::Date],
    ) -> Result<Opened, Refusal> {
        let header = Header::read(message).ok_or(cut("transport header"))?;
        envelope.ci = header.ci;
        envelope.meter = header.meter.unwrap_or(envelope.sender);
        envelope.access_number = header.access_number.or(envelope.access_number);
        envelope.status = header.status;
        let (_, content) = of_ci(header.ci);
        if content == Content::Other {
            return Err(Refusal::UnsupportedCi(header.ci, ci_meaning(header.ci)));
        }
        let sealed = Sealed {
            header: &header,
            message,
            meter: envelope.meter,
            authentication,
            days,
        };
        let payload = if interpretation == Interpretation::RealData {
            self.open_real_data(frame, &sealed, envelope)?
        } else {
            self.unseal(&sealed, envelope)?
        };
        self.understand(payload, content, envelope)
    }

    /// Records of Diehl's, scrambled under a security mode above 15.
    fn open_real_data(
        &self,
        frame: &[u8],
        sealed: &Sealed<'_>,
        envelope: &mut Envelope,
    ) -> Result<Vec<u8>, Refusal> {
        let mode = Mode::Transport(sealed.header.configuration.mode());
        envelope.security.mode = mode;
        let numbers = [envelope.meter.identification];
        let keys = self.keys.of(&numbers);
        let own = keys
            .iter()
            .find_map(MeterKey::aes)
            .map(<[u8; 16]>::as_slice);
        let own = own.or_else(|| keys.iter().find_map(MeterKey::des).map(<[u8; 8]>::as_slice));
        let is_records = |payload: &[u8]| Records::new(payload).all(|record| record.is_ok());
        if let Some(plain) = diehl::real_data(frame, own).filter(|plain| is_records(plain)) {
            envelope.security.proof = Proof::Checksum;
            return Ok(plain);
        }
        if own.is_none() && is_records(sealed.body()) {
            envelope.security.clear_payload = true;
            return Ok(sealed.body().to_vec());
        }
        Err(if own.is_some() {
            Refusal::WrongKey {
                mode,
                check: "the checksum of the payload is wrong",
            }
        } else {
            Refusal::NoKey { mode }
        })
    }

    fn unseal(&self, sealed: &Sealed<'_>, envelope: &mut Envelope) -> Result<Vec<u8>, Refusal> {
        let configuration = sealed.header.configuration;
        let number = configuration.mode();
        if number == 0 {
            return Ok(sealed.body().to_vec());
        }
        let mode = Mode::Transport(number);
        let inside_of_ell = envelope.security.mode == Mode::EllCtr;
        let keys = self.keys.of(&[
            envelope.meter.identification,
            envelope.sender.identification,
        ]);
        if !inside_of_ell {
            envelope.security.mode = mode;
            envelope.security.counter = sealed.counter();
        }
        if number == 13 {
            return Err(Refusal::UnsupportedMode(
                13,
                "TLS is a session between meter and gateway, which a telegram alone cannot open",
            ));
        }
        // Modes 5 and 7 with no encrypted block announce a plain payload.
        let plain = matches!(number, 5 | 7) && configuration.encrypted_blocks() == 0;
        if plain && number == 5 {
            return Ok(sealed.body().to_vec());
        }
        if !plain && sealed.is_clear() {
            if !keys.is_empty() && !self.accept_clear {
                return Err(Refusal::ClearRefused { mode });
            }
            envelope.security.clear_payload = true;
            return Ok(sealed.body().to_vec());
        }
        if !matches!(number, 2 | 3 | 5 | 7..=10) {
            return Err(Refusal::UnsupportedMode(
                number,
                "it is not of the standard",
            ));
        }
        let mut refusal = Refusal::NoKey { mode };
        for key in keys {
            match sealed.open(key) {
                Ok((payload, proof)) => {
                    if !inside_of_ell {
                        envelope.security.proof = proof;
                    }
                    return Ok(payload);
                }
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }

    fn understand(
        &mut self,
        payload: Vec<u8>,
        content: Content,
        envelope: &mut Envelope,
    ) -> Result<Opened, Refusal> {
        let mut expanded = None;
        match content {
            Content::Records => self.formats.learn_payload(&payload),
            Content::Compact => {
                let signature = payload.first_chunk::<2>().map(|it| u16::from_le_bytes(*it));
                envelope.format_signature = signature;
                expanded = Some(self.formats.expand(&payload).map_err(|error| match error {
                    CompactError::Truncated => cut("compact frame"),
                    CompactError::UnknownFormat(signature) => Refusal::UnknownFormat { signature },
                    CompactError::Checksum => Refusal::CompactChecksum,
                })?);
            }
            Content::Format => {
                // Length, signature, then DIFs and VIFs (annex G.3).
                self.formats.learn(payload.get(3..).unwrap_or_default());
            }
            Content::Manufacturer | Content::Other => {}
        }
        Ok(Opened {
            payload,
            expanded,
            content,
        })
    }
}

/// The numbers by which a telegram's meter may be configured, read without any key: the sender's
/// and, if it stands in clear, that of a long header.
#[must_use]
pub fn numbers(frame: &[u8]) -> Option<(Identification, Option<Identification>)> {
    let (_, _, address) = link(frame)?;
    let sender = diehl::address(address, diehl::interpretation(frame));
    let mut rest = frame.get(LINK..)?;
    if let Some(Ok(extended)) = ExtendedLink::read(rest) {
        let crc = if extended.session.is_some() {
            ell::PAYLOAD_CRC
        } else {
            0
        };
        rest = if extended.is_encrypted() {
            &[]
        } else {
            rest.get(extended.length + crc..).unwrap_or_default()
        };
    }
    if rest.first() == Some(&afl::CI) {
        let length = rest.get(1).copied().map_or(0, usize::from);
        rest = rest.get(2 + length..).unwrap_or_default();
    }
    let meter = Header::read(rest).and_then(|header| header.meter);
    Some((sender.identification, meter.map(|it| it.identification)))
}

fn link(frame: &[u8]) -> Option<(u8, u8, [u8; 8])> {
    let [length, control, address @ ..] = *frame.first_chunk::<LINK>()?;
    frame.get(LINK)?;
    Some((length, control, address))
}

const fn cut(layer: &'static str) -> Refusal {
    Refusal::Truncated { layer }
}

const fn ci_meaning(ci: u8) -> &'static str {
    match ci {
        0x6E..=0x70 => "an application error of the meter, without values",
        0x71 | 0x74 | 0x75 => "an alarm of the meter, without values",
        0x8A | 0x8B => "a transport layer without application data",
        0x51..=0x54 | 0x5A..=0x5B | 0x60..=0x65 | 0x6C..=0x6D | 0x80 => "a message to a meter",
        _ => "it is not known here",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::octets;
    use crate::mbus::{Quantity, Value};

    /// OMS Specification Volume 2, Annex N.2.1: a gas meter, 28504.27 m³, mode 5.
    const GAS: &str = "2E4493157856341233037A2A0020255923C95AAA26D1B2E7493B013EC4A6F6D3529B520EDFF0EA6DEFC99D6D69EBF3";
    const GAS_KEY: &str = "0102030405060708090A0B0C0D0E0F11";
    /// A Kamstrup meter, AES-CTR in the extended link layer, hop bit set (jMBus, DecryptionTest).
    const ELL: &str = "24442D2C692845631B168D3050209CD621B006B1140AEF4953AE5B86FAFC0B00E70705B846";
    const ELL_KEY: &str = "4E5508544202058100DFEFA06B0934A5";
    /// A Kamstrup water meter in mode 10 (wmbusmeters issue 1667).
    const CCM: &str = "4544372C060382533C168C20807A8010FF2A1001DC2E0D00CF1A85672E138D6C0AF61338403FDEB528AB264E2C61E41B06073550AA296AE9815C8A7A9868EC6C624CFBBCECB3";
    const CCM_KEY: &str = "BF902DD6DFADAFE83E4AE6832B5FA14C";

    fn decoder(key: &str) -> Decoder {
        let mut keys = KeyRing::default();
        keys.insert_for_all(MeterKey::from_hex(key).unwrap());
        Decoder::new(keys)
    }

    #[test]
    fn published_telegrams() {
        for (telegram, key, proof) in [
            (GAS, GAS_KEY, Proof::KnownBytes),
            (ELL, ELL_KEY, Proof::PayloadCrc),
            (CCM, CCM_KEY, Proof::CcmTag),
        ] {
            let frame = octets(telegram).unwrap();
            let decoded = decoder(key).decode(&frame, &[]);
            let opened = decoded.outcome.unwrap();
            assert_eq!(decoded.envelope.unwrap().security.proof, proof);
            assert!(opened.records().all(|record| record.is_ok()));
            let wrong = decoder(&"11".repeat(16)).decode(&frame, &[]).outcome;
            let status = wrong.unwrap_err().status();
            assert!(matches!(status, "wrong_key" | "auth_failed"), "{status}");
            let none = Decoder::default().decode(&frame, &[]).outcome;
            assert_eq!(none.unwrap_err().status(), "no_key");
        }
        let opened = decoder(GAS_KEY)
            .decode(&octets(GAS).unwrap(), &[])
            .outcome
            .unwrap();
        let ell = decoder(ELL_KEY)
            .decode(&octets(ELL).unwrap(), &[])
            .outcome
            .unwrap();
        assert_eq!(
            ell.payload,
            octets("02FF2000000413803C070044139F380700").unwrap()
        );
        let volume = opened.records().next().unwrap().unwrap();
        assert_eq!(volume.meaning.quantity, Quantity::Volume);
        assert_eq!(volume.value(), Value::Number("28504.27".parse().unwrap()));
    }

    #[test]
    fn every_flipped_bit_of_an_authenticated_message_is_noticed() {
        let frame = octets(CCM).unwrap();
        // Behind the CI field, by which a header that announces no security could begin.
        for bit in 8 * 14..8 * frame.len() {
            let mut altered = frame.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(
                decoder(CCM_KEY).decode(&altered, &[]).outcome.is_err(),
                "{bit}"
            );
        }
        for length in 0..frame.len() {
            assert!(
                decoder(CCM_KEY)
                    .decode(&frame[..length], &[])
                    .outcome
                    .is_err()
            );
        }
    }

    #[test]
    fn counters_and_clear_payloads() {
        let frame = octets(CCM).unwrap();
        let mut decoder = decoder(CCM_KEY);
        decoder.replay = Some(ReplayGuard::default());
        assert!(decoder.decode(&frame, &[]).outcome.is_ok());
        let again = decoder.decode(&frame, &[]).outcome.unwrap_err();
        assert_eq!(again, Refusal::Duplicate);
        // The same message by another access number of the extended link layer.
        let mut other = frame.clone();
        other[12] ^= 1;
        let status = decoder.decode(&other, &[]).outcome.unwrap_err().status();
        assert_eq!(status, "replay");
        // A made-up meter whose header announces mode 5 over a plain payload.
        let clear = octets(
            "1844AE4C4455223368077A55001025 2F2F0413010000002F2F"
                .replace(' ', "")
                .as_str(),
        )
        .unwrap();
        assert_eq!(
            decoder.decode(&clear, &[]).outcome.unwrap_err().status(),
            "clear_refused"
        );
        let decoded = Decoder::default().decode(&clear, &[]);
        assert!(decoded.envelope.unwrap().security.clear_payload && decoded.outcome.is_ok());
    }

    #[test]
    fn compact_frames_need_their_full_frame_once() {
        let full = [0x02, 0xFF, 0x20, 0, 0, 0x04, 0x13, 0x03, 0xC0, 0, 0];
        let format = [0x02, 0xFF, 0x20, 0x04, 0x13];
        let mut compact = crate::crc::en13757(&format).to_le_bytes().to_vec();
        compact.extend(crate::crc::en13757(&full).to_le_bytes());
        compact.extend([0, 0, 0x03, 0xC0, 0, 0]);
        let frame = |ci: u8, payload: &[u8]| {
            let mut frame = octets("00442D2C692845631B16").unwrap();
            frame.push(ci);
            frame.extend_from_slice(payload);
            frame[0] = u8::try_from(frame.len() - 1).unwrap();
            frame
        };
        let mut decoder = Decoder::default();
        let before = decoder
            .decode(&frame(0x79, &compact), &[])
            .outcome
            .unwrap_err();
        assert_eq!(before.status(), "unknown_format");
        assert!(decoder.decode(&frame(0x78, &full), &[]).outcome.is_ok());
        let after = decoder.decode(&frame(0x79, &compact), &[]).outcome.unwrap();
        assert_eq!(after.record_bytes(), full);
        compact[5] ^= 1;
        let damaged = decoder
            .decode(&frame(0x79, &compact), &[])
            .outcome
            .unwrap_err();
        assert_eq!(damaged.status(), "checksum");
    }

    #[test]
    fn fragments_make_one_message() {
        let payload = octets("78041301000000").unwrap();
        let frame = |fcl: u16, part: &[u8]| {
            let mut frame = octets("00442D2C692845631B169002").unwrap();
            frame.extend(fcl.to_le_bytes());
            frame.extend_from_slice(part);
            frame[0] = u8::try_from(frame.len() - 1).unwrap();
            frame
        };
        let mut decoder = Decoder::default();
        let last = frame(0x0002, &payload[4..]);
        assert_eq!(
            decoder.decode(&last, &[]).outcome.unwrap_err(),
            Refusal::LoneFragment
        );
        let first = decoder.decode(&frame(0x4001, &payload[..4]), &[]).outcome;
        assert_eq!(first.unwrap_err(), Refusal::Fragment { number: 1 });
        let whole = decoder.decode(&last, &[]).outcome.unwrap();
        assert_eq!(whole.payload, payload[1..]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..260), ci in any::<u8>()) {
            let mut bytes = bytes;
            if let Some(field) = bytes.get_mut(10) {
                *field = ci;
            }
            for mut decoder in [Decoder::default(), decoder(GAS_KEY)] {
                let _ = numbers(&bytes);
                if let Ok(opened) = decoder.decode(&bytes, &[]).outcome {
                    let _ = opened.records().count();
                }
            }
        }
    }
}

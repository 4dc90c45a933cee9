//! What a head-end does with messages, without its broker and its database: opens those of devices, in
//! either form, and seals those to them.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::ack::{ACK, Ack};
use crate::certificate::{Certificate, PrivateKey};
use crate::cose::{self, Context, EpochKey, Message, Opened, SealError};
use crate::refusal::Refusal;
use crate::{cms, epoch};

/// First octet of an announcement of a key.
const ANNOUNCEMENT: u8 = 0x83;

/// The devices that are registered now.
pub trait Devices {
    /// The certificate of one; `None` when it is not registered, or was revoked.
    fn one(&self, device: &str) -> Option<Certificate>;

    /// Those of all.
    fn all(&self) -> Vec<Certificate>;
}

/// What a message was.
#[derive(Debug)]
#[non_exhaustive]
pub enum Received {
    /// A key that a device has announced, by its epoch. The announcement is to be kept as it came: nobody
    /// else can read the key in it.
    Announced {
        /// The device.
        device: String,
        /// The epoch.
        epoch: u32,
    },
    /// A batch, or the result of a command.
    Message(Opened),
    /// A batch under a key that is not known here: whoever finds the announcement gives it to
    /// [`Recipient::announced`] and tries again.
    NoKey {
        /// The device.
        device: String,
        /// The epoch.
        epoch: u32,
    },
}

/// The keys of one head-end and of its devices.
#[derive(Debug)]
pub struct Recipient<D> {
    own: PrivateKey,
    /// What is sealed in the form of CMS is for this certificate.
    certificate: Option<Certificate>,
    devices: D,
    epochs: HashMap<String, BTreeMap<u32, EpochKey>>,
    /// Devices whose last message had the form of CMS.
    in_cms: HashSet<String>,
}

impl<D: Devices> Recipient<D> {
    /// Devices whose keys are kept.
    const DEVICES: usize = 10_000;
    /// Keys of one device that are kept; whoever needs an older one announces it again.
    const EPOCHS: usize = 16;

    /// A head-end with its private key and, for the form of CMS, its certificate.
    pub fn new(own: PrivateKey, certificate: Option<Certificate>, devices: D) -> Self {
        Self {
            own,
            certificate,
            devices,
            epochs: HashMap::new(),
            in_cms: HashSet::new(),
        }
    }

    /// Opens a message.
    ///
    /// # Errors
    /// Whatever keeps it from being opened; nothing of the content is told.
    pub fn open(&mut self, octets: &[u8]) -> Result<Received, Refusal> {
        if octets.first() == Some(&ANNOUNCEMENT) {
            let (device, epoch) = self.announced(octets)?;
            return Ok(Received::Announced { device, epoch });
        }
        if cms::is_cms(octets) {
            let own = self.certificate.as_ref().ok_or(Refusal::NoKey)?;
            let all = self.devices.all();
            let opened = cms::open_message(octets, (own, &self.own), &all)?;
            // Only its own device may have signed it.
            let device = self.device(&opened.context.device)?;
            let opened = cms::signed_by(opened, &all, &[device.public().clone()])?;
            self.in_cms.insert(opened.context.device.clone());
            return Ok(Received::Message(opened));
        }
        let cose::Label { context, epoch, .. } = cose::label(octets)?;
        let trusted = self.device(&context.device)?.public().clone();
        let Some(key) = self.key(&context.device, Some(epoch)).cloned() else {
            let device = context.device;
            return Ok(Received::NoKey { device, epoch });
        };
        let opened = cose::open(octets, |_| Some(key.clone()), &[trusted])?;
        self.in_cms.remove(&opened.context.device);
        Ok(Received::Message(opened))
    }

    /// Takes note of an announced key; whose and which it is.
    ///
    /// # Errors
    /// It is not for this head-end, or not of a device that is registered.
    pub fn announced(&mut self, announcement: &[u8]) -> Result<(String, u32), Refusal> {
        let trusted = self
            .device(epoch::announcer(announcement)?)?
            .public()
            .clone();
        let announced = epoch::accept(announcement, &self.own, &[trusted])?;
        let (device, key) = (announced.device, announced.key);
        if self.epochs.len() >= Self::DEVICES {
            self.epochs.clear();
        }
        let number = key.epoch;
        let known = self.epochs.entry(device.clone()).or_default();
        if known.len() >= Self::EPOCHS {
            // The newest is what answers are sealed with.
            let newest = known.pop_last();
            known.clear();
            known.extend(newest);
        }
        known.insert(number, key);
        Ok((device, number))
    }

    /// Acknowledges a stream of a device: under the newest of its keys that are known, or in the form of CMS
    /// where its last message had that.
    ///
    /// # Errors
    /// No key of it is known, or it is not registered; the system gave no random numbers.
    pub fn acknowledge(
        &self,
        device: &str,
        stream: String,
        ack: &Ack,
    ) -> Result<Vec<u8>, AnswerError> {
        let context = Context {
            device: device.to_owned(),
            stream,
            first: ack.through,
            last: ack.through,
        };
        let message = Message {
            context: &context,
            format: Some(ACK),
            payload: &ack.encode(),
        };
        match (&self.certificate, self.in_cms.contains(device)) {
            (Some(certificate), true) => self.seal_cms(message, (certificate, &self.own)),
            _ => self.seal(message, &self.own),
        }
    }

    /// Seals a message of this signer to a device under the newest of its keys that are known.
    ///
    /// # Errors
    /// As [`Recipient::acknowledge`].
    pub fn seal(&self, message: Message<'_>, signer: &PrivateKey) -> Result<Vec<u8>, AnswerError> {
        let key = self
            .key(&message.context.device, None)
            .ok_or(Refusal::NoKey)?;
        // The key of the way down is apart from that of the way up.
        let mut iv = [0; 12];
        getrandom::fill(&mut iv).map_err(|_| SealError::Random)?;
        Ok(cose::seal(message, signer, &key.down(), iv)?)
    }

    /// The same in the form of CMS.
    ///
    /// # Errors
    /// As [`Recipient::acknowledge`].
    pub fn seal_cms(
        &self,
        message: Message<'_>,
        signer: (&Certificate, &PrivateKey),
    ) -> Result<Vec<u8>, AnswerError> {
        let of = self.device(&message.context.device)?;
        Ok(cms::seal_message(message, signer, &of)?)
    }

    fn device(&self, name: &str) -> Result<Certificate, Refusal> {
        self.devices.one(name).ok_or(Refusal::UntrustedSigner)
    }

    /// The key of an epoch, or the newest.
    fn key(&self, device: &str, epoch: Option<u32>) -> Option<&EpochKey> {
        let epochs = self.epochs.get(device)?;
        match epoch {
            Some(epoch) => epochs.get(&epoch),
            None => epochs.last_key_value().map(|(_, key)| key),
        }
    }
}

/// Why nothing could be sealed to a device.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// It is not registered, or has announced no key.
    #[error("to this device: {0}")]
    Device(#[from] Refusal),
    /// Sealing failed.
    #[error("{0}")]
    Seal(#[from] SealError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{self, Row};
    use crate::{Curve, issue};

    const DEVICE: &str = "1WTL0000000001";

    /// One device, until it is revoked.
    struct One(Certificate, std::cell::Cell<bool>);

    impl Devices for One {
        fn one(&self, device: &str) -> Option<Certificate> {
            (device == DEVICE && self.1.get()).then(|| self.0.clone())
        }

        fn all(&self) -> Vec<Certificate> {
            self.one(DEVICE).into_iter().collect()
        }
    }

    fn pair(name: &str) -> (PrivateKey, Certificate) {
        let key = PrivateKey::generate(Curve::P256).unwrap();
        let certificate = issue::self_signed(&key, name, "20200101000000Z", "20400101000000Z");
        (key, certificate.unwrap())
    }

    /// A message of the device in its newest form.
    fn sealed(stream: &str, form: &Form<'_>) -> Vec<u8> {
        let rows = [Row {
            at_s: 900,
            value: 5.into(),
            status: 0,
            captured_s: 0,
        }];
        let (format, payload) = batch::encode(30, &rows).unwrap();
        let context = Context {
            device: DEVICE.to_owned(),
            stream: stream.to_owned(),
            first: 1,
            last: 1,
        };
        let message = Message {
            context: &context,
            format: Some(format),
            payload: &payload,
        };
        match form {
            Form::Cose(key, signer) => cose::seal(message, signer, key, cose::iv(7, 1)).unwrap(),
            Form::Cms(signer, of) => cms::seal_message(message, *signer, of).unwrap(),
        }
    }

    enum Form<'a> {
        Cose(&'a EpochKey, &'a PrivateKey),
        Cms((&'a Certificate, &'a PrivateKey), &'a Certificate),
    }

    #[test]
    fn messages_in_both_forms_are_opened_and_acknowledged_in_their_own() {
        let ((own, certificate), (device, of_device)) = (pair("headend"), pair(DEVICE));
        let devices = One(of_device.clone(), true.into());
        let mut keys = Recipient::new(own.clone(), Some(certificate.clone()), devices);
        let epoch_key = EpochKey::new(7, &[9; 16]).unwrap();
        let batch = sealed("s", &Form::Cose(&epoch_key, &device));
        let ack = Ack {
            through: 1,
            gaps: Vec::new(),
        };
        // Before its key has come, it is not opened, and nothing can be said to the device.
        let unknown = keys.open(&batch).unwrap();
        assert!(matches!(unknown, Received::NoKey { epoch: 7, .. }));
        assert!(keys.acknowledge(DEVICE, "s".to_owned(), &ack).is_err());
        let announcement = epoch::announce(DEVICE, &epoch_key, own.public(), &device).unwrap();
        let announced = keys.open(&announcement).unwrap();
        assert!(matches!(announced, Received::Announced { epoch: 7, .. }));
        let opened = keys.open(&batch).unwrap();
        assert!(matches!(&opened, Received::Message(opened) if opened.context.device == DEVICE));
        let answer = keys.acknowledge(DEVICE, "s".to_owned(), &ack).unwrap();
        let down = epoch_key.down();
        let told = cose::open(&answer, |_| Some(down.clone()), &[own.public().clone()]).unwrap();
        assert_eq!(
            (told.format, Ack::decode(&told.payload)),
            (Some(ACK), Ok(ack.clone()))
        );

        let batch = sealed("s", &Form::Cms((&of_device, &device), &certificate));
        assert!(matches!(keys.open(&batch), Ok(Received::Message(_))));
        let answer = keys.acknowledge(DEVICE, "s".to_owned(), &ack).unwrap();
        let mine = (&of_device, &device);
        let told = cms::open_message(&answer, mine, std::slice::from_ref(&certificate)).unwrap();
        assert_eq!(Ack::decode(&told.payload), Ok(ack));

        // Nothing of a device that was revoked is opened, and nobody else signs for it.
        let (stranger, _) = pair("stranger");
        let forged = sealed("s", &Form::Cose(&epoch_key, &stranger));
        assert_eq!(keys.open(&forged).err(), Some(Refusal::UntrustedSigner));
        keys.devices.1.set(false);
        for octets in [batch, announcement] {
            assert!(keys.open(&octets).is_err());
        }
    }
}

//! What is known about one telegram, whatever it came from and however it is printed.

use std::borrow::Cow;

use meter_link::mbus::{
    DeviceAddress, Field, Identification, Manufacturer, ManufacturerData, Record,
};
use meter_link::wmbus::Security;
use rust_decimal::Decimal;

/// Where a telegram stood in the input.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// The line, from 1.
    Line(u64),
    /// The place of the first byte in a stream.
    Offset(u64),
}

/// Why there are no values.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// The name for programs.
    pub(super) status: &'static str,
    /// A sentence for people.
    pub(super) reason: String,
}

/// What the receiver tells.
#[derive(Clone, Debug, Default)]
pub(super) struct Reception {
    /// `A` or `B`.
    pub(super) frame_format: Option<&'static str>,
    /// `T1`, `C1`, `S1`.
    pub(super) link_mode: Option<Cow<'static, str>>,
    /// Signal strength.
    pub(super) rssi_dbm: Option<i16>,
    /// The receiver's own figure.
    pub(super) rssi_raw: Option<String>,
    /// When, in ISO 8601 as given.
    pub(super) received_at: Option<String>,
}

/// What is told by a wired frame alone.
#[derive(Clone, Debug)]
pub(super) struct WiredFrame {
    /// Primary address.
    pub(super) address: Option<u8>,
    /// Control field.
    pub(super) control: Option<u8>,
    /// `long`, `control`, `short` or `ack`.
    pub(super) form: &'static str,
    /// Signature.
    pub(super) signature: Option<[u8; 2]>,
}

/// The main index.
#[derive(Clone, Debug)]
pub(super) struct Headline {
    /// The record it is from.
    pub(super) record: Option<usize>,
    /// What it measures.
    pub(super) quantity: &'static str,
    /// The value.
    pub(super) value: Decimal,
    /// Its unit.
    pub(super) unit: &'static str,
}

/// The values.
#[derive(Clone, Debug)]
pub(super) struct Reading<'a> {
    /// Standard records.
    pub(super) records: &'a [Record<'a>],
    /// Named values.
    pub(super) fields: Vec<Field>,
    /// The main index.
    pub(super) headline: Option<Headline>,
    /// What stands behind DIF 0F or 1F.
    pub(super) manufacturer_data: Option<ManufacturerData<'a>>,
}

/// One telegram.
#[derive(Clone, Debug)]
pub(super) struct Report<'a> {
    /// `wmbus` or `mbus`.
    pub(super) protocol: &'static str,
    /// Where it stood.
    pub(super) place: Place,
    /// Why it has no values.
    pub(super) failure: Option<Failure>,
    /// The meter's number.
    pub(super) id: Option<Identification>,
    /// Its maker.
    pub(super) manufacturer: Option<Manufacturer>,
    /// Version.
    pub(super) version: Option<u8>,
    /// Device type.
    pub(super) device_type: Option<u8>,
    /// The device type in words, or what a driver knows better.
    pub(super) medium: Option<Cow<'a, str>>,
    /// The sender, if it is another.
    pub(super) link_address: Option<DeviceAddress>,
    /// Access number.
    pub(super) access_number: Option<u8>,
    /// Status.
    pub(super) meter_status: Option<u8>,
    /// CI field.
    pub(super) ci: Option<u8>,
    /// Format signature of a compact frame.
    pub(super) format_signature: Option<u16>,
    /// What the receiver tells.
    pub(super) reception: Reception,
    /// Bytes beyond the frame.
    pub(super) trailing: &'a [u8],
    /// How it is protected.
    pub(super) security: Option<Security>,
    /// What a wired frame tells.
    pub(super) wired: Option<WiredFrame>,
    /// The driver.
    pub(super) driver: Option<Cow<'a, str>>,
    /// The name given to the meter.
    pub(super) name: Option<Cow<'a, str>>,
    /// The values.
    pub(super) reading: Option<Reading<'a>>,
    /// The opened application bytes, if they are to be shown.
    pub(super) payload: Option<&'a [u8]>,
    /// The frame without CRCs.
    pub(super) telegram: Option<&'a [u8]>,
}

impl Report<'_> {
    /// A report that says nothing yet.
    pub(super) fn new(protocol: &'static str, place: Place) -> Self {
        Self {
            protocol,
            place,
            failure: None,
            id: None,
            manufacturer: None,
            version: None,
            device_type: None,
            medium: None,
            link_address: None,
            access_number: None,
            meter_status: None,
            ci: None,
            format_signature: None,
            reception: Reception::default(),
            trailing: &[],
            security: None,
            wired: None,
            driver: None,
            name: None,
            reading: None,
            payload: None,
            telegram: None,
        }
    }

    /// Says why there are no values.
    pub(super) fn fail(&mut self, status: &'static str, reason: &(impl ToString + ?Sized)) {
        self.failure = Some(Failure {
            status,
            reason: reason.to_string(),
        });
    }

    /// Takes the meter's address.
    pub(super) fn set_meter(&mut self, meter: DeviceAddress) {
        self.id = Some(meter.identification);
        self.manufacturer = Some(meter.manufacturer);
        self.version = Some(meter.version);
        self.device_type = Some(meter.device_type.0);
        self.medium = Some(Cow::Borrowed(meter.device_type.medium()));
    }

    /// `ok` or the name of the failure.
    pub(super) fn status(&self) -> &'static str {
        self.failure.as_ref().map_or("ok", |failure| failure.status)
    }
}

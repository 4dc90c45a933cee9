//! A decoded telegram as what the gateway keeps.

use meter_link::mbus::{Content, DeviceAddress, Identification, ManufacturerData, Record};
use meter_link::model::Check;
use meter_link::profile::mbus::{Driver, Source};
use meter_link::wmbus::{Decoded, Envelope, Mode, Opened, Proof, Refusal};

use crate::mbus::Reading;

/// Less than a record at the end of a payload is a CRC that was left in.
const LEFT_IN_CRC: usize = 2;

/// Reads a telegram whose check was right: by its driver if there is one, else by its records.
pub(super) fn reading(
    decoded: &Decoded,
    frame: &[u8],
    driver: Option<&Driver>,
    key: Option<&[u8]>,
) -> Result<Reading, Refusal> {
    let opened = decoded.outcome.as_ref().map_err(Clone::clone)?;
    let Some(envelope) = &decoded.envelope else {
        return Err(Refusal::Truncated {
            layer: "link layer",
        });
    };
    let (records, manufacturer_data, failure) = records_of(opened, envelope);
    let read = driver.map(|driver| {
        driver.read(&Source {
            records: &records,
            manufacturer_data: manufacturer_data.map(|data| data.bytes),
            payload: &opened.payload,
            frame,
            link_address: envelope.sender,
            status: envelope.status,
            key,
        })
    });
    let layout_fits = read.as_ref().is_some_and(|read| read.layout_fits);
    let rest = match &failure {
        Some(Refusal::NotStandard(error)) => {
            opened.record_bytes().len().saturating_sub(error.offset())
        }
        _ => usize::MAX,
    };
    let whole = failure.is_none() || driver.is_some() && rest <= LEFT_IN_CRC;
    if let (Some(refusal), false, false) = (failure, whole, layout_fits) {
        return Err(refusal);
    }
    let records = if whole { records.as_slice() } else { &[] };
    let device_type = envelope.meter.device_type;
    Ok(Reading::new(records, read, device_type, envelope.status))
}

type Parts<'a> = (
    Vec<Record<'a>>,
    Option<ManufacturerData<'a>>,
    Option<Refusal>,
);

/// The records up to the first that is none, what stands behind them, and why they end.
fn records_of<'a>(opened: &'a Opened, envelope: &Envelope) -> Parts<'a> {
    if opened.content == Content::Manufacturer {
        let refusal = Refusal::Proprietary(envelope.ci);
        return (Vec::new(), None, Some(refusal));
    }
    let mut parser = opened.records();
    let mut records = Vec::new();
    let mut failure = None;
    for record in parser.by_ref() {
        match record {
            Ok(record) => records.push(record),
            Err(error) => failure = Some(Refusal::NotStandard(error)),
        }
    }
    (records, parser.manufacturer_data(), failure)
}

/// The number of a meter behind a radio converter that sends its whole address as enhanced
/// identification.
pub(super) fn number_in_records(opened: &Opened) -> Option<Identification> {
    const ENHANCED: [u8; 2] = [0x07, 0x79];
    let mut records = opened.records().map_while(Result::ok);
    let record = records.find(|record| record.key() == ENHANCED)?;
    let address = <[u8; 8]>::try_from(record.data).ok()?;
    Some(DeviceAddress::from_long_header(address).identification)
}

/// How a telegram was checked. Without encryption it is the CRC of the link layer, which the
/// receiver or this gateway has checked; text from elsewhere may have none.
pub(super) const fn check(envelope: &Envelope, link_checked: bool) -> Check {
    match envelope.security.proof {
        Proof::Cmac => Check::Mac,
        Proof::CcmTag | Proof::GcmTag => Check::Tag,
        Proof::PayloadCrc => Check::Crc,
        Proof::KnownBytes => Check::KnownBytes,
        Proof::Checksum => Check::Checksum,
        _ if link_checked => Check::Crc,
        _ => Check::None,
    }
}

/// True when the telegram was encrypted.
pub(super) fn is_encrypted(envelope: &Envelope) -> bool {
    envelope.security.mode != Mode::Transport(0) && !envelope.security.clear_payload
}

/// True when a telegram was opened, though it gives no reading: the key is right.
pub(super) const fn was_opened(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::UnknownFormat { .. } | Refusal::NotStandard(_) | Refusal::Proprietary(_)
    )
}

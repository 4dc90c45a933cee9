//! A load profile of an ANSI meter (tables 61 to 67) whose meter answers anything at all: its reader ends,
//! and tells at most one row for each interval that was sent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meter_link::c12::interpret::Assignments;
use meter_link::c12::load_profile::{Config, ProfileReader, Progress};
use meter_link::c12::service::{Request, ResponseCode, table_data};
use meter_link::c12::table::Tables;

/// A general configuration that names tables 11 to 16, 52, 53 and 61 to 67, little endian.
const GENERAL: [u8; 29] = [
    0x02, 0x0A, 0x8A, 0x53, 0x49, 0x4D, 0x20, 0x02, 0x00, 0x08, 0x40, 0x02, 0x00, 0x09, 0x00, 0x00,
    0x00, 0x01, 0x00, 0x01, 0x18, 0x01, 0x00, 0x00, 0x00, 0x30, 0x00, 0xE0, 0x0F,
];
/// What describes a profile of 4 blocks of 4 intervals, one channel, with statuses.
const DESCRIBING: [(u16, &[u8]); 7] = [
    (11, &[0, 1, 0, 0, 0, 0, 2, 1]),
    (12, &[0, 0x40, 2, 0]),
    (16, &[0x11]),
    (52, &[26, 10, 25, 4, 5, 0, 0x60]),
    (53, &[0, 0, 0, 0x3C, 0x3C, 0]),
    (61, &[0, 0, 0, 0, 0, 4, 2, 4, 0, 4, 0, 1, 15]),
    (62, &[0, 0, 0, 2]),
];
/// Answers of a meter.
const ANSWERS: usize = 16;

/// Cuts a length-prefixed piece off the front.
fn piece<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&[head, length], rest) = bytes.split_first_chunk::<2>()?;
    let (piece, rest) = rest.split_at(usize::from(length).min(rest.len()));
    *bytes = rest;
    Some((head, piece))
}

fuzz_target!(|bytes: &[u8]| {
    let [kind, message, rest @ ..] = bytes else {
        return;
    };
    let mut rest = rest;
    let mut tables = Tables::new();
    let mut general = GENERAL.to_vec();
    // The order of octets and the format of numbers and times, among others.
    if let (0x80.., Some((_, head))) = (*kind, piece(&mut rest)) {
        for (place, octet) in general.iter_mut().zip(head) {
            *place ^= octet;
        }
    }
    general.extend([0; 12]);
    tables.insert(0, general);
    for (table, octets) in DESCRIBING {
        let mut octets = octets.to_vec();
        if kind & 0x40 != 0
            && let Some((_, other)) = piece(&mut rest)
        {
            for (place, octet) in octets.iter_mut().zip(other) {
                *place ^= octet;
            }
        }
        tables.insert(table, octets);
    }
    let described = tables.clone();
    let config = Config::new(64 + u16::from(kind & 3));
    let mut reader = ProfileReader::new(config, tables, Assignments::new());
    let (mut heard, mut told) = (0usize, 0usize);
    for _ in 0..ANSWERS {
        let request = match reader.poll(usize::from(*message) + 5) {
            Ok(Progress::Ask(request)) => request,
            Ok(Progress::Rows(rows)) => {
                told += rows.rows.len();
                continue;
            }
            Ok(Progress::Done) | Err(_) => break,
        };
        let table = request.table().unwrap_or_default();
        let known = described.octets(table).filter(|_| kind & 0x20 == 0);
        let (code, octets) = match (known, piece(&mut rest)) {
            (Some(octets), _) => (0, octets.to_vec()),
            (None, Some((code, octets))) => (code & code >> 4, octets.to_vec()),
            // A meter that goes on for ever.
            (None, None) => {
                let count = match request {
                    Request::ReadOffset { count, .. } => usize::from(count),
                    _ => 255,
                };
                (0, bytes.iter().copied().cycle().take(count).collect())
            }
        };
        heard += octets.len();
        let count = u16::try_from(octets.len()).unwrap_or_default();
        let sum = octets
            .iter()
            .fold(0u8, |sum, octet| sum.wrapping_add(*octet));
        let framed = [&count.to_be_bytes()[..], &octets, &[sum.wrapping_neg()]].concat();
        assert!(table_data(&framed).is_ok(), "an answer that is well formed");
        reader.answer(ResponseCode(code), &framed);
    }
    // Each interval has an octet at least; what is read anew is told anew.
    assert!(told <= 8 * heard, "{told} rows of {heard} octets");
});

//! C12.18 and C12.19: any octets as a recorded session, and as tables with each other's limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meter_link::c12::interpret::Assignments;
use meter_link::c12::recording::{Direction, Recording};
use meter_link::c12::service::{Identification, Request, table_data};
use meter_link::c12::table::Tables;

/// Cuts a length-prefixed piece off the front.
fn piece<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&[head, length], rest) = bytes.split_first_chunk::<2>()?;
    let (piece, rest) = rest.split_at(usize::from(length).min(rest.len()));
    *bytes = rest;
    Some((head, piece))
}

fuzz_target!(|bytes: &[u8]| {
    let mut recording = Recording::new();
    let mut rest = bytes;
    while let Some((head, octets)) = piece(&mut rest) {
        let from = if head & 1 == 0 { Direction::Host } else { Direction::Meter };
        drop(recording.push(from, octets));
    }
    drop(recording.finish());
    let mut tap = Recording::new();
    drop(tap.push_undirected(bytes));
    drop(tap.finish());

    drop(Request::parse(bytes));
    drop(Identification::parse(bytes));
    let _ = table_data(bytes);

    // A general configuration that names every table below 80, then tables as they come.
    let mut tables = Tables::new();
    let mut general = bytes.iter().copied().take(3).collect::<Vec<_>>();
    general.resize(3, 0);
    general.extend(b"FUZZ\x02\x00\x08\x40\x02\x00\x0A\x00\x02\x00\x01\x00");
    general.extend([0xFF; 10]);
    general.extend([0; 12]);
    tables.insert(0, general);
    let mut rest = bytes;
    while let Some((table, octets)) = piece(&mut rest) {
        tables.insert(u16::from(table % 80), octets.to_vec());
    }
    for table in 0..80 {
        let _ = tables.decode(table);
    }
    for table in [23, 28] {
        let _ = tables.registers_of(table, &Assignments::new());
    }
    let _ = tables.profile_rows(64);
});

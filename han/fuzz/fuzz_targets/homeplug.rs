//! HomePlug: any frame is read or refused, and what is read is written alike.
#![no_main]

use std::time::Instant;

use han::homeplug::mediaxtream::Discovery;
use han::homeplug::{Mme, Reassembler, Session, fields, name, write_fields};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    let now = Instant::now();
    let mut discovery = Discovery::new([2; 6], now);
    discovery.handle_frame(frame, now);
    let mut reassembler = Reassembler::default();
    for part in frame.chunks(64) {
        if let Ok(mme) = Mme::parse(part)
            && let Some(whole) = reassembler.take(&mme, now)
        {
            assert!(whole.payload.len() <= frame.len());
            let _ = fields(&whole.mme());
        }
    }
    let Ok(mme) = Mme::parse(frame) else {
        return;
    };
    assert_eq!(Mme::parse(&mme.to_frame()).map(|again| again.mmtype), Ok(mme.mmtype));
    let _ = name(mme.mmtype, mme.oui);
    let Ok(Some(record)) = fields(&mme) else {
        return;
    };
    if let Ok(payload) = write_fields(mme.mmtype, &record) {
        let again = Mme { payload: &payload, ..mme };
        assert_eq!(fields(&again), Ok(Some(record)));
    }
});

//! HomePlug: any frame is read or refused, and what is read is written alike.
#![no_main]

use han::homeplug::{Mme, fields, name, write_fields};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
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

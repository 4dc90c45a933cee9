//! SML: the bytes as a stream, and once more as the messages of a telegram whose transport check
//! is right, which random bytes would never have.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meter_link::profile::QuirkSet;
use meter_link::sml::{Deframer, Event, File, Interpreter, frame};

fn read(stream: &[u8], quirks: &QuirkSet) -> u64 {
    let mut deframer = Deframer::new();
    let mut input = stream;
    let mut accounted = 0;
    loop {
        let event = match deframer.pull(&mut input) {
            Some(event) => Some(event),
            None => deframer.finish(),
        };
        match event {
            None => return accounted,
            Some(Event::Skipped(skipped)) => accounted += skipped.length,
            Some(Event::Frame(frame)) => {
                accounted += frame.raw.len() as u64;
                let content = frame.content();
                if let Ok(file) = File::parse(&content, quirks) {
                    for list in file.lists() {
                        let _ = Interpreter::new(list, quirks).telegram(frame.raw);
                    }
                }
            }
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let quirks = QuirkSet::all();
    assert_eq!(read(bytes, &quirks), bytes.len() as u64, "every byte is accounted for");
    let mut framed = Vec::new();
    frame(bytes, &mut framed);
    if bytes.len() < 8192 {
        assert_eq!(read(&framed, &quirks), framed.len() as u64);
    }
});

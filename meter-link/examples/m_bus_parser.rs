//! Reads a file of telegrams with m-bus-parser alone, for `tests/bench/mbus` to measure beside
//! ours. Without its own decryption it opens what is sent in clear.
//!
//!     cargo run --release -p meter-link --example m_bus_parser -- FILE

use std::io::BufRead;

use m_bus_parser::WirelessFrame;
use m_bus_parser::mbus_data::MbusData;

fn main() -> std::io::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_default();
    let (mut read, mut values) = (0_usize, 0_usize);
    for line in std::io::BufReader::new(std::fs::File::open(path)?).lines() {
        let line = line?;
        let hex = line.strip_prefix("telegram=").unwrap_or(&line);
        let octet = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
        let bytes: Vec<u8> = (0..hex.len() / 2)
            .map_while(|index| octet(2 * index))
            .collect();
        let Ok(telegram) = MbusData::<WirelessFrame<'_>>::try_from(bytes.as_slice()) else {
            continue;
        };
        let records = telegram.data_records.into_iter().flatten();
        let of_this = records.map_while(Result::ok).count();
        read += usize::from(of_this > 0);
        values += of_this;
    }
    println!("{read} telegrams with {values} records");
    Ok(())
}

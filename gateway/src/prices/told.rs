//! The tariff that the electricity meter tells, as a price document: since when which number holds.
//!
//! The last one is known up to the quarter-hour after the meter's last telegram, and no further: what
//! the meter will switch to nobody has told.

use jiff::Timestamp;
use serde_json::json;

use crate::store::{QUARTER_S, Readers, StoreError, quarter_start};

/// The document, or `None` while the meter has told no number.
pub(super) fn document(readers: &Readers, meter: &str) -> Result<Option<String>, StoreError> {
    let reader = readers.open()?;
    let told = reader.tariff_numbers(meter)?;
    let Some(last) = reader.last_telegram(meter)? else {
        return Ok(None);
    };
    let end = Timestamp::from_second(quarter_start(last) + QUARTER_S).unwrap_or(last);
    let ends = told.iter().skip(1).map(|(at, _)| *at).chain([end]);
    let spans: Vec<_> = told
        .iter()
        .zip(ends)
        .filter_map(|((start, number), end)| {
            let number = (*number)?;
            (*start < end).then(
                || json!({ "start": start.to_string(), "end": end.to_string(), "number": number }),
            )
        })
        .collect();
    Ok((!spans.is_empty()).then(|| json!({ "tariff_numbers": spans }).to_string()))
}

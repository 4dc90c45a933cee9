//! A bill as a JSON object for programs and as a table for people.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::{Bill, Line};
use crate::exact::{Exact, TooLarge, rounded, text};
use crate::tariff::{PriceSlot, Tariff};
use crate::window::{Priced, Window, cheapest, cheapest_slots, priced};

/// Decimals of amounts and quantities.
const AMOUNT: u32 = 6;
/// Decimals of prices per kWh and averages.
const PRICE: u32 = 9;

/// Digits of the minor unit of a currency, ISO 4217.
#[must_use]
pub fn currency_digits(code: &str) -> u32 {
    match code {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX"
        | "UYI" | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    }
}

/// The bill as an object, members in a fixed order, decimals as texts.
///
/// # Errors
/// [`TooLarge`].
pub fn json(
    tariff: &Tariff,
    bill: &Bill,
    windows: &[u32],
    count: usize,
) -> Result<Value, TooLarge> {
    let currency = tariff.currency.clone().unwrap_or_default();
    let mut object = Map::new();
    let mut set = |name: &str, value: Value| object.insert(name.to_owned(), value);
    set(
        "status",
        json!(if bill.total.is_some() {
            "ok"
        } else {
            "incomplete"
        }),
    );
    set(
        "tariff",
        json!({ "name": tariff.name, "format": tariff.format.name() }),
    );
    set("currency", json!(currency));
    set("zone", json!(tariff.zone_name));
    set(
        "usage",
        json!({
            "from": bill.span.start.to_string(),
            "to": bill.span.end.to_string(),
            "intervals": bill.intervals,
            "days": bill.days,
            "months": bill.months,
            "import_kwh": text(bill.import_kwh, AMOUNT),
            "export_kwh": text(bill.export_kwh, AMOUNT),
        }),
    );
    set("lines", bill.lines.iter().map(line).collect());
    let bands: Map<String, Value> = bill
        .bands
        .iter()
        .map(|(name, kwh)| (name.clone(), json!(text(*kwh, AMOUNT))))
        .collect();
    set("bands", Value::Object(bands));
    set(
        "total",
        bill.total
            .map_or(Value::Null, |total| json!(text(total, AMOUNT))),
    );
    set(
        "total_rounded",
        bill.total
            .map_or(Value::Null, |total| json!(money(total, &currency))),
    );
    if tariff.is_tiered() {
        for name in ["prices", "windows", "cheapest_slots"] {
            set(name, Value::Null);
        }
    } else {
        let slots = priced(tariff, &bill.slots)?;
        set("prices", prices(&bill.slots)?);
        let mut found = Vec::new();
        for minutes in windows {
            found.extend(cheapest(&slots, *minutes, None)?.map(|best| window(*minutes, &best)));
        }
        set("windows", Value::Array(found));
        set(
            "cheapest_slots",
            starts(&cheapest_slots(&slots, count, None)),
        );
    }
    if !bill.unpriced.is_empty() {
        let span = |span: &crate::time::Span| json!({ "from": span.start.to_string(), "to": span.end.to_string() });
        set("unpriced", bill.unpriced.iter().map(span).collect());
    }
    if !bill.warnings.is_empty() {
        let warning = |w: &super::Warning| json!({ "code": w.code, "text": w.text });
        set("warnings", bill.warnings.iter().map(warning).collect());
    }
    Ok(Value::Object(object))
}

/// An amount rounded half away from zero to the currency's minor unit, with all of its digits.
#[must_use]
pub fn money(amount: Decimal, currency: &str) -> String {
    let digits = currency_digits(currency);
    let mut short = rounded(amount, digits);
    short.rescale(digits);
    if short.is_zero() {
        short.set_sign_positive(true);
    }
    short.to_string()
}

fn line(line: &Line) -> Value {
    json!({
        "kind": line.kind.name(),
        "id": line.id,
        "label": line.label,
        "band": line.band,
        "tier": line.tier,
        "period": line.period.map(|month| month.to_string()),
        "quantity": text(line.quantity, AMOUNT),
        "unit": line.unit,
        "rate": line.rate.map(|rate| text(rate, PRICE)),
        "amount": text(line.amount, AMOUNT),
    })
}

fn prices(slots: &[PriceSlot]) -> Result<Value, TooLarge> {
    let (Some(first), Some(last)) = (slots.first(), slots.last()) else {
        return Ok(Value::Null);
    };
    let (mut least, mut most, mut sum) = (first.base, first.base, Decimal::ZERO);
    for slot in slots {
        least = least.min(slot.base);
        most = most.max(slot.base);
        sum = sum.plus(slot.base)?;
    }
    let length = first.span.seconds();
    let equal = slots.iter().all(|slot| slot.span.seconds() == length) && length % 60 == 0;
    Ok(json!({
        "from": first.span.start.to_string(),
        "to": last.span.end.to_string(),
        "slots": slots.len(),
        "slot_minutes": equal.then_some(length / 60),
        "base_min": text(least, PRICE),
        "base_max": text(most, PRICE),
        "base_mean": text(sum.over(Decimal::from(slots.len()))?, PRICE),
    }))
}

/// A window as an object.
#[must_use]
pub fn window(minutes: u32, window: &Window) -> Value {
    json!({
        "minutes": minutes,
        "start": window.span.start.to_string(),
        "end": window.span.end.to_string(),
        "average": text(window.average, PRICE),
        "base_average": text(window.base_average, PRICE),
    })
}

/// Instants as a list.
#[must_use]
pub fn starts(starts: &[Timestamp]) -> Value {
    starts
        .iter()
        .map(|start| json!(start.to_string()))
        .collect()
}

/// A slot as an object.
///
/// # Errors
/// [`TooLarge`].
pub fn slot(tariff: &Tariff, priced: &Priced) -> Result<Value, TooLarge> {
    let slot = &priced.slot;
    let export = tariff.export_price(Some(slot))?;
    let band = slot.band.and_then(|index| tariff.bands.get(index));
    let mut object = Map::new();
    let mut set = |name: &str, value: Value| object.insert(name.to_owned(), value);
    set("type", json!("slot"));
    set("start", json!(slot.span.start.to_string()));
    set("end", json!(slot.span.end.to_string()));
    set("base", json!(text(slot.base, PRICE)));
    set("import", json!(text(priced.import, PRICE)));
    set(
        "export",
        export.map_or(Value::Null, |export| json!(text(export, PRICE))),
    );
    set("band", json!(band.map(|band| band.name.as_str())));
    if band.is_some_and(|band| band.tiers.len() > 1) {
        set("tiered", json!(true));
    }
    if let Some(ghg) = slot.ghg {
        set("ghg_g_per_kwh", json!(text(ghg, PRICE)));
    }
    Ok(Value::Object(object))
}

/// The bill for eyes: one row per line, the total, and the cheapest windows in local time.
///
/// # Errors
/// [`TooLarge`].
pub fn table(
    tariff: &Tariff,
    bill: &Bill,
    windows: &[u32],
    count: usize,
) -> Result<String, TooLarge> {
    let currency = tariff.currency.clone().unwrap_or_default();
    let local = |at: Timestamp| {
        at.to_zoned(tariff.zone.clone())
            .strftime("%Y-%m-%d %H:%M %Z")
            .to_string()
    };
    let mut rows: Vec<[String; 4]> = Vec::new();
    for line in &bill.lines {
        let mut label = line.label.clone();
        if let Some(tier) = line.tier {
            label.push_str(&format!(", block {tier}"));
        }
        if let Some(month) = line.period {
            label.push_str(&format!(", {month}"));
        }
        let unit = line.unit.replace("kW_", "kW ");
        let rate = line
            .rate
            .map_or_else(|| "varies".to_owned(), |rate| text(rate, PRICE));
        rows.push([
            label,
            format!("{} {unit}", text(line.quantity, 3)),
            rate,
            text_fixed(line.amount, 4),
        ]);
    }
    let total = bill
        .total
        .map_or_else(|| "unknown".to_owned(), |total| money(total, &currency));
    rows.push([
        format!("Total {currency}"),
        String::new(),
        String::new(),
        total,
    ]);
    let mut out = format!(
        "{} ({})\n{} to {}, {} day(s)\n\n",
        tariff.name,
        tariff.format.name(),
        local(bill.span.start),
        local(bill.span.end),
        bill.days
    );
    out.push_str(&aligned(&rows));
    if !tariff.is_tiered() {
        let slots = priced(tariff, &bill.slots)?;
        out.push('\n');
        for minutes in windows {
            if let Some(best) = cheapest(&slots, *minutes, None)? {
                let (start, end) = (local(best.span.start), local(best.span.end));
                out.push_str(&format!(
                    "Cheapest {minutes} min: {start} to {end}, {} {currency}/kWh\n",
                    text(best.average, 4)
                ));
            }
        }
        let starts: Vec<String> = cheapest_slots(&slots, count, None)
            .into_iter()
            .map(local)
            .collect();
        if !starts.is_empty() {
            out.push_str(&format!(
                "Cheapest {} slots begin: {}\n",
                starts.len(),
                starts.join(", ")
            ));
        }
    }
    for span in &bill.unpriced {
        out.push_str(&format!(
            "No price is known from {} to {}.\n",
            local(span.start),
            local(span.end)
        ));
    }
    for warning in &bill.warnings {
        out.push_str(&format!("Note: {}.\n", warning.text));
    }
    Ok(out)
}

fn text_fixed(value: Decimal, places: u32) -> String {
    let mut short = rounded(value, places);
    short.rescale(places);
    short.to_string()
}

/// Rows with the first column to the left and the others to the right.
fn aligned(rows: &[[String; 4]]) -> String {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let (first, second, third, fourth) = (width(0), width(1), width(2), width(3));
    let row = |[label, quantity, rate, amount]: &[String; 4]| {
        format!("{label:first$}  {quantity:>second$}  {rate:>third$}  {amount:>fourth$}\n")
    };
    rows.iter().map(row).collect()
}

//! Who was told what of the home, who may be, and the meters that are heard.

use super::{View, phrase, rows};
use crate::format;
use crate::generated::{
    ConsentRow, HeardKind, HeardRow, More, Phrase, Recipient, Say, Told, ToldAbout, ToldRow,
};
use wattle_api as api;
use wattle_api::{Disclosure, HeardMeter, RecipientKind};

/// How many recipients, and meters, there is room for.
const ROOM: usize = 4;
const METERS: usize = 5;

pub(super) fn bind(more: &More, view: &View) {
    let today = view.local().date();
    more.set_told_known(view.answers.told.is_some());
    let told: Vec<ToldRow> = view
        .answers
        .told
        .iter()
        .flatten()
        .filter(|told| told.date == today)
        .take(ROOM)
        .map(|told| row(view, told))
        .collect();
    if let Some(model) = rows(&more.get_told(), told) {
        more.set_told(model);
    }
    let consents: Vec<ConsentRow> = view
        .answers
        .consents
        .iter()
        .flatten()
        .map(|consent| ConsentRow {
            kind: recipient(consent.kind),
            allowed: consent.allowed,
        })
        .collect();
    if let Some(model) = rows(&more.get_consents(), consents) {
        more.set_consents(model);
    }
    let mut heard: Vec<&HeardMeter> = view
        .answers
        .heard
        .iter()
        .flatten()
        .filter(|meter| meter.name.is_none())
        .collect();
    heard.sort_by_key(|meter| std::cmp::Reverse(meter.rssi_dbm));
    let heard: Vec<HeardRow> = heard
        .into_iter()
        .take(METERS)
        .map(|meter| meter_row(view, meter))
        .collect();
    if let Some(model) = rows(&more.get_heard(), heard) {
        more.set_heard(model);
    }
}

fn row(view: &View, told: &Disclosure) -> ToldRow {
    ToldRow {
        kind: recipient(told.kind),
        name: told.recipient.clone().into(),
        fields: about(&told.fields),
        resolution: about(&told.resolution),
        times: Phrase {
            b: format::clock(told.last, &view.zone()).into(),
            ..phrase(Say::ToldTimes, told.count.to_string())
        },
    }
}

/// What the ledger says, in words that can be translated where it is known.
fn about(said: &str) -> ToldAbout {
    if let Some(meter) = said.strip_prefix("all registers of ") {
        return ToldAbout {
            kind: Told::AllOf,
            text: meter.into(),
        };
    }
    let kind = match said {
        "live state" => Told::LiveState,
        "live state, followed" => Told::Followed,
        "meters and their registers" => Told::Registers,
        "history of registers" => Told::History,
        "bill" => Told::Bill,
        "usage" => Told::Usage,
        "home network" => Told::Network,
        "radio meters in reach" => Told::Radio,
        "appliances" => Told::Appliances,
        "prepayment account" => Told::Account,
        "Zigbee devices" => Told::Zigbee,
        "requests of the utility" => Told::Requests,
        "privacy ledger" => Told::Ledger,
        "everything" => Told::Everything,
        "everything, as a backup" => Told::Backup,
        "log books" => Told::Logs,
        "quarter-hours, exported" => Told::Exported,
        "registers, for monitoring" => Told::Monitoring,
        "power" => Told::Power,
        "nothing measured; that somebody here asks for prices" => Told::Asking,
        "every telegram" => Told::EachTelegram,
        "as asked for" => Told::AsAsked,
        "each time prices are fetched" => Told::EachFetch,
        _ => Told::Other,
    };
    ToldAbout {
        kind,
        text: said.into(),
    }
}

fn recipient(kind: RecipientKind) -> Recipient {
    match kind {
        RecipientKind::Utility => Recipient::Utility,
        RecipientKind::Mqtt => Recipient::Mqtt,
        RecipientKind::Web => Recipient::Web,
        RecipientKind::Prices => Recipient::Prices,
    }
}

fn kind(recipient: Recipient) -> RecipientKind {
    match recipient {
        Recipient::Utility => RecipientKind::Utility,
        Recipient::Mqtt => RecipientKind::Mqtt,
        Recipient::Web => RecipientKind::Web,
        Recipient::Prices => RecipientKind::Prices,
    }
}

/// What is measured by a device type (EN 13757-3), two hex digits.
fn heard_kind(device_type: &str) -> HeardKind {
    match u8::from_str_radix(device_type, 16) {
        Ok(0x02) => HeardKind::Electricity,
        Ok(0x03) => HeardKind::Gas,
        Ok(0x04 | 0x0C | 0x0D) => HeardKind::Heat,
        Ok(0x0A | 0x0B) => HeardKind::Cooling,
        Ok(0x07) => HeardKind::Water,
        Ok(0x06 | 0x15) => HeardKind::WarmWater,
        Ok(0x16) => HeardKind::ColdWater,
        Ok(0x08) => HeardKind::HeatCost,
        Ok(0x1A) => HeardKind::Smoke,
        _ => HeardKind::Other,
    }
}

fn meter_row(view: &View, meter: &HeardMeter) -> HeardRow {
    let locked = meter.encrypted && meter.value.is_none();
    HeardRow {
        id: meter.id.clone().into(),
        maker: meter.manufacturer.clone().into(),
        kind: heard_kind(&meter.device_type),
        state: match (&meter.value, &meter.unit) {
            (Some(value), Some(unit)) => {
                let decimals = value.normalize().scale().min(3);
                let value = format::number(*value, decimals, view.language);
                let unit = if unit == "m3" { "m³" } else { unit };
                phrase(Say::Plain, format!("{value}\u{a0}{unit}"))
            }
            _ if locked => phrase(Say::KeyWanted, String::new()),
            _ => phrase(Say::InClear, String::new()),
        },
        signal: meter.rssi_dbm.map_or(0, |rssi| match rssi {
            -65.. => 4,
            -80..=-66 => 3,
            -95..=-81 => 2,
            _ => 1,
        }),
        age: match view.age(meter.last_heard) {
            age if age.say == Say::Nothing => phrase(Say::JustNow, String::new()),
            age => age,
        },
    }
}

/// What the household says about a row.
pub(crate) fn change(recipient: Recipient, allowed: bool) -> api::ConsentChange {
    api::ConsentChange {
        kind: kind(recipient),
        allowed,
    }
}

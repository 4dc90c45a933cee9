//! The first run: the home's day, zone and tariff.

use super::View;
use crate::format;
use crate::generated::First;

pub(super) fn bind(first: &First, view: &View) {
    let state = view.state.as_ref();
    let zone = state.map(|state| state.gateway.time_zone.clone());
    first.set_zone(zone.unwrap_or_default().into());
    let today = view.local();
    let year = today.year();
    first.set_date(format!("{} {year}", format::date(today.date(), view.language)).into());
    let tariff = state.and_then(|state| state.price.as_ref());
    first.set_tariff(
        tariff
            .map(|price| price.tariff.clone())
            .unwrap_or_default()
            .into(),
    );
}

//! What the gateway has noticed. In English it is the daemon's own sentence, which names the place;
//! in other languages the display's for the same case, with the meter's name.

use maud::{Markup, html};
use wattle_api::{Notice, NoticeCode, Severity};

use super::frame;
use super::tongue::{Tongue, english, tr};
use wattle_api::format::Language;

/// A strip with a notice.
pub(super) fn strip(tongue: &Tongue, notice: &Notice) -> Markup {
    let kind = match notice.severity {
        Severity::Alarm => "alarm",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    let text = match sentence(notice.code) {
        _ if tongue.language == Language::English => html! { (notice.text) },
        None => english(&notice.text),
        Some(text) => html! {
            @if let Some(meter) = &notice.meter { strong { (meter) } " · " }
            (tongue.t(text))
        },
    };
    frame::said(kind, &text)
}

const fn sentence(code: NoticeCode) -> Option<&'static str> {
    Some(match code {
        NoticeCode::PortLost => tr("Reader not connected. Check its plug."),
        NoticeCode::MeterSilent => tr("Meter not heard. Is the reader in place?"),
        NoticeCode::MeterDamaged => tr("Messages damaged. Is the reader in place?"),
        NoticeCode::PinLocked => tr("Power is hidden. Enter the PIN at the meter."),
        NoticeCode::RegisterFell => tr("A reading fell. Was the meter changed?"),
        NoticeCode::BrokerLost => tr("MQTT broker not reached. Readings are kept."),
        NoticeCode::ReceiverSilent => tr("A radio receiver hears nothing."),
        NoticeCode::StoreFailed => tr("Readings are not saved. Check the storage."),
        NoticeCode::PowerlineLost => tr("No powerline adapter answers."),
        NoticeCode::AdapterGone => tr("A powerline adapter is not seen any more."),
        NoticeCode::AdapterSlow => tr("A powerline adapter has become slow."),
        NoticeCode::DeviceMissed => tr("A Zigbee device is not heard any more."),
        NoticeCode::NightFlow => tr("Water runs all night. Is something leaking?"),
        NoticeCode::BaseLoadRisen => tr("More is drawn all night than before."),
        NoticeCode::ShortCycling => tr("The heat pump starts too often."),
        NoticeCode::CreditLow => tr("Credit is low. Top up soon."),
        NoticeCode::CreditUsedUp => tr("Credit is used up. The supply will be cut."),
        NoticeCode::SupplyArmed => tr("The supply can be switched on again."),
        _ => return None,
    })
}

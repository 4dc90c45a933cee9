//! Controls of IEEE 2030.5 as what the home is asked for: `DERControl` of distributed energy
//! resources and `EndDeviceControl` of demand response.

use jiff::Timestamp;
use rust_decimal::Decimal;
use wattle_api::{GridEvent, GridEventKind, OptState};
use wattle_billing::xml::Element;

/// An event, and who wants to hear of it.
pub(super) struct Control {
    pub(super) event: GridEvent,
    /// The sender's identifier of it.
    pub(super) mrid: String,
    /// Where responses go.
    pub(super) reply_to: Option<String>,
    /// Bits of `responseRequired`: 1 received, 2 what is done, 4 the household's word.
    pub(super) wanted: u8,
    /// Element in which a response is sent.
    pub(super) response: &'static str,
}

/// A control that holds or will hold; `None` for one that was cancelled or superseded, or that
/// lacks what it must have. `gateway` spreads starts as the sender asks.
pub(super) fn control(element: &Element, primacy: Option<u32>, gateway: &str) -> Option<Control> {
    let mrid = element.text_of("mRID")?.to_owned();
    let status = element.at(&["EventStatus", "currentStatus"]);
    // 0 scheduled, 1 active; from 2 on cancelled or superseded.
    if status.is_some_and(|status| !matches!(status.text.as_str(), "0" | "1")) {
        return None;
    }
    let number = |path: &[&str]| element.at(path)?.text.parse::<i64>().ok();
    let (start, duration) = (
        number(&["interval", "start"])?,
        number(&["interval", "duration"])?,
    );
    let later = spread(number(&["randomizeStart"]), gateway, &mrid);
    let longer = spread(number(&["randomizeDuration"]), gateway, &mrid);
    let start = start.checked_add(later)?;
    let end = start.checked_add(duration.checked_add(longer)?.max(0))?;
    let (kind, level, may_opt_out, response) = if element.name == "DERControl" {
        let (kind, level) = of_resource(element.child("DERControlBase")?);
        (kind, level, false, "DERControlResponse")
    } else {
        let mandatory = element.text_of("drProgramMandatory") != Some("false");
        (GridEventKind::LoadShed, None, !mandatory, "DrResponse")
    };
    let shown = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect();
    let required = element.attribute("responseRequired").unwrap_or("00");
    Some(Control {
        event: GridEvent {
            id: format!("sep2:{mrid}"),
            name: element.text_of("description").map(shown),
            kind,
            start: Timestamp::from_second(start).ok()?,
            end: Some(Timestamp::from_second(end).ok()?),
            level,
            text: None,
            steps: Vec::new(),
            priority: primacy,
            opt: OptState::In,
            may_opt_out,
        },
        mrid,
        reply_to: element.attribute("replyTo").map(str::to_owned),
        wanted: u8::from_str_radix(required, 16).unwrap_or(0),
        response,
    })
}

/// What a control asks of generation and storage.
fn of_resource(base: &Element) -> (GridEventKind, Option<Decimal>) {
    let off = |name: &str| base.text_of(name) == Some("false");
    let hundredths = |name: &str| Some(Decimal::new(base.text_of(name)?.parse().ok()?, 2));
    if off("opModConnect") || off("opModEnergize") {
        return (GridEventKind::GenerationLimit, Some(Decimal::ZERO));
    }
    if let Some(percent) = hundredths("opModMaxLimW") {
        return (GridEventKind::GenerationLimit, Some(percent));
    }
    match hundredths("opModFixedW") {
        Some(percent) => (GridEventKind::Dispatch, Some(percent)),
        None => (GridEventKind::Other, None),
    }
}

/// This gateway's part of a spread of so many seconds, which may be negative.
fn spread(most: Option<i64>, gateway: &str, mrid: &str) -> i64 {
    let most = most.unwrap_or(0);
    let share = crate::grid::share(gateway, mrid, most.abs());
    if most < 0 { -share } else { share }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wattle_billing::grid::sep2;

    fn read(inside: &str) -> Option<Control> {
        let text = format!("<List xmlns='{}'>{inside}</List>", sep2::NAMESPACE);
        let list = sep2::read(&text).unwrap();
        control(&list.children[0], Some(3), "0a0b0c")
    }

    const TIMES: &str =
        "<mRID>AB01</mRID><EventStatus><currentStatus>0</currentStatus></EventStatus>
        <interval><duration>3600</duration><start>1777647600</start></interval>";

    #[test]
    fn controls_of_resources() {
        for (base, kind, level) in [
            (
                "<opModMaxLimW>6000</opModMaxLimW>",
                GridEventKind::GenerationLimit,
                Some("60.00"),
            ),
            (
                "<opModConnect>false</opModConnect>",
                GridEventKind::GenerationLimit,
                Some("0"),
            ),
            (
                "<opModFixedW>-2550</opModFixedW>",
                GridEventKind::Dispatch,
                Some("-25.50"),
            ),
            (
                "<opModConnect>true</opModConnect>",
                GridEventKind::Other,
                None,
            ),
        ] {
            let control = read(&format!(
                "<DERControl replyTo='/rsp' responseRequired='03'>{TIMES}<DERControlBase>{base}</DERControlBase></DERControl>"
            ))
            .unwrap();
            let event = control.event;
            assert_eq!(
                (
                    event.kind,
                    event.level.map(|level| level.to_string()).as_deref()
                ),
                (kind, level)
            );
            assert_eq!(event.start.to_string(), "2026-05-01T15:00:00Z");
            assert_eq!(event.end.unwrap().to_string(), "2026-05-01T16:00:00Z");
            assert_eq!(
                (control.wanted, control.reply_to.as_deref()),
                (3, Some("/rsp"))
            );
            assert!(!event.may_opt_out && event.priority == Some(3));
        }
    }

    #[test]
    fn demand_response_and_what_is_over() {
        let control = |mandatory: &str, more: &str| {
            let times = TIMES.replace("<currentStatus>0", &format!("<currentStatus>{more}"));
            read(&format!(
                "<EndDeviceControl>{times}<drProgramMandatory>{mandatory}</drProgramMandatory></EndDeviceControl>"
            ))
        };
        let free = control("false", "1").unwrap();
        assert!(free.event.may_opt_out && free.event.kind == GridEventKind::LoadShed);
        assert!(!control("true", "1").unwrap().event.may_opt_out);
        for over in ["2", "3", "4"] {
            assert!(control("false", over).is_none());
        }
        assert!(read("<EndDeviceControl><mRID>1</mRID></EndDeviceControl>").is_none());
    }
}

//! Calendar (Smart Energy 07-5356 19, annex D.9).

use super::{Command, from_client, from_server, text, u8, u16, u32};
use crate::layout::{Count, Field, Kind};

const ENTRY: &[Field] = &[u16("start_time_min"), u8("price_tier")];

const SPECIAL_DAY: &[Field] = &[
    u8("year"),
    u8("month"),
    u8("month_day"),
    u8("week_day"),
    u8("day_id_ref"),
];

pub(super) const CALENDAR: &[Command] = &[
    from_server(
        0x00,
        "PublishCalendar",
        &[
            u32("provider_id"),
            u32("issuer_event_id"),
            u32("issuer_calendar_id"),
            u32("start_time"),
            u8("calendar_type"),
            u8("calendar_time_reference"),
            text("calendar_name"),
            u8("number_of_seasons"),
            u8("number_of_week_profiles"),
            u8("number_of_day_profiles"),
        ],
    ),
    from_server(
        0x01,
        "PublishDayProfile",
        &[
            u32("provider_id"),
            u32("issuer_event_id"),
            u32("issuer_calendar_id"),
            u8("day_id"),
            u8("total_number_of_schedule_entries"),
            u8("command_index"),
            u8("total_number_of_commands"),
            u8("calendar_type"),
            Field::new("entries", Kind::Groups(Count::ToEnd, ENTRY)),
        ],
    ),
    from_server(
        0x02,
        "PublishWeekProfile",
        &[
            u32("provider_id"),
            u32("issuer_event_id"),
            u32("issuer_calendar_id"),
            u8("week_id"),
            u8("day_id_ref_monday"),
            u8("day_id_ref_tuesday"),
            u8("day_id_ref_wednesday"),
            u8("day_id_ref_thursday"),
            u8("day_id_ref_friday"),
            u8("day_id_ref_saturday"),
            u8("day_id_ref_sunday"),
        ],
    ),
    from_server(
        0x04,
        "PublishSpecialDays",
        &[
            u32("provider_id"),
            u32("issuer_event_id"),
            u32("issuer_calendar_id"),
            u32("start_time"),
            u8("calendar_type"),
            u8("total_number_of_special_days"),
            u8("command_index"),
            u8("total_number_of_commands"),
            Field::new("days", Kind::Groups(Count::ToEnd, SPECIAL_DAY)),
        ],
    ),
    from_client(
        0x00,
        "GetCalendar",
        &[
            u32("earliest_start_time"),
            u32("min_issuer_event_id"),
            u8("number_of_calendars"),
            u8("calendar_type"),
            u32("provider_id"),
        ],
    ),
    from_client(
        0x01,
        "GetDayProfiles",
        &[
            u32("provider_id"),
            u32("issuer_calendar_id"),
            u8("start_day_id"),
            u8("number_of_days"),
        ],
    ),
    from_client(
        0x02,
        "GetWeekProfiles",
        &[
            u32("provider_id"),
            u32("issuer_calendar_id"),
            u8("start_week_id"),
            u8("number_of_weeks"),
        ],
    ),
    from_client(
        0x04,
        "GetSpecialDays",
        &[
            u32("start_time"),
            u8("number_of_events"),
            u8("calendar_type"),
            u32("provider_id"),
            u32("issuer_calendar_id"),
        ],
    ),
];

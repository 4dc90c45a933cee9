//! Price, and demand response and load control (Smart Energy 07-5356 19, annexes D.4 and D.2).
//!
//! Times are seconds since 2000-01-01 UTC, 0 for now; FFFFFFFF means that there is none.

use super::{Command, from_client, from_server, i8, i16, text, u8, u16, u32};
use crate::layout::{Count, Field, Kind, When};

const fn given(field: Field) -> Field {
    field.when(When::Given)
}

/// The alternate cost is there with its unit and its digits, or not at all.
const fn with_alternate_cost(field: Field) -> Field {
    field.when(When::With("alternate_cost_delivered"))
}

pub(super) const PRICE: &[Command] = &[
    from_server(
        0x00,
        "PublishPrice",
        &[
            u32("provider_id"),
            text("rate_label"),
            u32("issuer_event_id"),
            u32("current_time"),
            u8("unit_of_measure"),
            u16("currency"),
            Field::new(
                "",
                Kind::Bits(1, &[("trailing_digit", 4, 4), ("price_tier", 0, 4)]),
            ),
            Field::new(
                "",
                Kind::Bits(
                    1,
                    &[("number_of_price_tiers", 4, 4), ("register_tier", 0, 4)],
                ),
            ),
            u32("start_time"),
            u16("duration_min"),
            u32("price"),
            u8("price_ratio"),
            u32("generation_price"),
            u8("generation_price_ratio"),
            given(u32("alternate_cost_delivered")),
            with_alternate_cost(u8("alternate_cost_unit")),
            with_alternate_cost(u8("alternate_cost_trailing_digit")),
            given(u8("number_of_block_thresholds")),
            given(u8("price_control")),
        ],
    ),
    from_server(
        0x01,
        "PublishBlockPeriod",
        &[
            u32("provider_id"),
            u32("issuer_event_id"),
            u32("block_period_start_time"),
            Field::new("block_period_duration", Kind::Unsigned(3)),
            u8("block_period_control"),
            given(u8("block_period_duration_type")),
            given(u8("tariff_type")),
            given(u8("tariff_resolution_period")),
        ],
    ),
    from_server(
        0x04,
        "PublishTariffInformation",
        &[
            u32("provider_id"),
            u32("issuer_event_id"),
            u32("issuer_tariff_id"),
            u32("start_time"),
            u8("tariff_type"),
            text("tariff_label"),
            u8("number_of_price_tiers_in_use"),
            u8("number_of_block_thresholds_in_use"),
            u8("unit_of_measure"),
            u16("currency"),
            Field::new(
                "",
                Kind::Bits(1, &[("trailing_digit", 4, 4), ("reserved", 0, 4)]),
            ),
            u32("standing_charge"),
            u8("tier_block_mode"),
            Field::new("block_threshold_multiplier", Kind::Unsigned(3)),
            Field::new("block_threshold_divisor", Kind::Unsigned(3)),
        ],
    ),
    from_server(
        0x05,
        "PublishPriceMatrix",
        &[
            u32("provider_id"),
            u32("issuer_event_id"),
            u32("start_time"),
            u32("issuer_tariff_id"),
            u8("command_index"),
            u8("total_number_of_commands"),
            u8("sub_payload_control"),
            Field::new("prices", Kind::Groups(Count::ToEnd, MATRIX_PRICE)),
        ],
    ),
    from_server(
        0x06,
        "PublishBlockThresholds",
        &[
            u32("provider_id"),
            u32("issuer_event_id"),
            u32("start_time"),
            u32("issuer_tariff_id"),
            u8("command_index"),
            u8("total_number_of_commands"),
            u8("sub_payload_control"),
            Field::new("tiers", Kind::Groups(Count::ToEnd, TIER_THRESHOLDS)),
        ],
    ),
    from_client(0x00, "GetCurrentPrice", &[u8("command_options")]),
    from_client(
        0x01,
        "GetScheduledPrices",
        &[u32("start_time"), u8("number_of_events")],
    ),
    from_client(
        0x02,
        "PriceAcknowledgement",
        &[
            u32("provider_id"),
            u32("issuer_event_id"),
            u32("price_ack_time"),
            u8("control"),
        ],
    ),
    from_client(
        0x03,
        "GetBlockPeriods",
        &[
            u32("start_time"),
            u8("number_of_events"),
            given(u8("tariff_type")),
        ],
    ),
    from_client(
        0x06,
        "GetTariffInformation",
        &[
            u32("earliest_start_time"),
            u32("min_issuer_event_id"),
            u8("number_of_commands"),
            u8("tariff_type"),
        ],
    ),
    from_client(0x07, "GetPriceMatrix", &[u32("issuer_tariff_id")]),
    from_client(0x08, "GetBlockThresholds", &[u32("issuer_tariff_id")]),
];

const MATRIX_PRICE: &[Field] = &[u8("tier_block_id"), u32("price")];

const TIER_THRESHOLDS: &[Field] = &[
    Field::new(
        "",
        Kind::Bits(1, &[("tier", 4, 4), ("number_of_block_thresholds", 0, 4)]),
    ),
    Field::new(
        "block_thresholds",
        Kind::Each(
            Count::Field("number_of_block_thresholds"),
            &Kind::Unsigned(6),
        ),
    ),
];

pub(super) const LOAD_CONTROL: &[Command] = &[
    from_server(
        0x00,
        "LoadControlEvent",
        &[
            u32("issuer_event_id"),
            u16("device_class"),
            u8("utility_enrollment_group"),
            u32("start_time"),
            u16("duration_min"),
            u8("criticality"),
            u8("cooling_temperature_offset"),
            u8("heating_temperature_offset"),
            i16("cooling_setpoint"),
            i16("heating_setpoint"),
            i8("average_load_adjustment"),
            u8("duty_cycle"),
            u8("event_control"),
        ],
    ),
    from_server(
        0x01,
        "CancelLoadControlEvent",
        &[
            u32("issuer_event_id"),
            u16("device_class"),
            u8("utility_enrollment_group"),
            u8("cancel_control"),
            u32("effective_time"),
        ],
    ),
    from_server(0x02, "CancelAllLoadControlEvents", &[u8("cancel_control")]),
    from_client(
        0x00,
        "ReportEventStatus",
        &[
            u32("issuer_event_id"),
            u8("event_status"),
            u32("event_status_time"),
            u8("criticality_level_applied"),
            i16("cooling_setpoint_applied"),
            i16("heating_setpoint_applied"),
            i8("average_load_adjustment_applied"),
            u8("duty_cycle_applied"),
            u8("event_control"),
            u8("signature_type"),
            Field::new("signature", Kind::Octets(42)),
        ],
    ),
    from_client(
        0x01,
        "GetScheduledEvents",
        &[u32("start_time"), u8("number_of_events")],
    ),
];

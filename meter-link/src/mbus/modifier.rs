//! Combinable value information extensions: what changes the meaning of a VIF (EN 13757-3,
//! clause 6.4.8, tables 15 and 16).

use super::quantity::names;

names! {
    /// A change of meaning.
    Modifier {
        /// A record error: the code is part of the record.
        RecordError = "record_error",
        /// Per second.
        PerSecond = "per_second",
        /// Per minute.
        PerMinute = "per_minute",
        /// Per hour.
        PerHour = "per_hour",
        /// Per day.
        PerDay = "per_day",
        /// Per week.
        PerWeek = "per_week",
        /// Per month.
        PerMonth = "per_month",
        /// Per year.
        PerYear = "per_year",
        /// Per revolution or measurement.
        PerMeasurement = "per_measurement",
        /// Increment per pulse on an input.
        PerInputPulse = "per_input_pulse",
        /// Increment per pulse on an output.
        PerOutputPulse = "per_output_pulse",
        /// Per litre.
        PerLitre = "per_litre",
        /// Per cubic metre.
        PerCubicMetre = "per_m3",
        /// Per kilogram.
        PerKilogram = "per_kg",
        /// Per kelvin.
        PerKelvin = "per_k",
        /// Per kilowatt-hour.
        PerKilowattHour = "per_kwh",
        /// Per gigajoule.
        PerGigajoule = "per_gj",
        /// Per kilowatt.
        PerKilowatt = "per_kw",
        /// Per kelvin and litre.
        PerKelvinLitre = "per_kl",
        /// Per volt.
        PerVolt = "per_v",
        /// Per ampere.
        PerAmpere = "per_a",
        /// Times a second.
        TimesSecond = "times_s",
        /// Times a second per volt.
        TimesSecondPerVolt = "times_s_per_v",
        /// Times a second per ampere.
        TimesSecondPerAmpere = "times_s_per_a",
        /// When it began.
        Start = "start",
        /// The unit is not corrected.
        Uncorrected = "uncorrected",
        /// Accumulated only while positive.
        Forward = "forward",
        /// Accumulated only while negative.
        Backward = "backward",
        /// In the unit of the other system.
        NonMetric = "non_metric",
        /// At base conditions.
        BaseConditions = "base_conditions",
        /// An OBIS code follows.
        ObisDeclaration = "obis_declaration",
        /// The lower limit.
        LowerLimit = "lower_limit",
        /// The upper limit.
        UpperLimit = "upper_limit",
        /// How often the lower limit was passed.
        LowerLimitExceeds = "lower_limit_exceeds",
        /// How often the upper limit was passed.
        UpperLimitExceeds = "upper_limit_exceeds",
        /// When a limit was passed.
        LimitExceedTime = "limit_exceed_time",
        /// For how long a limit was passed.
        LimitExceedDuration = "limit_exceed_duration",
        /// For how long the value lasted.
        Duration = "duration",
        /// When the value began or ended.
        Time = "time",
        /// While the lower limit was passed.
        DuringLowerLimit = "during_lower_limit",
        /// While the upper limit was passed.
        DuringUpperLimit = "during_upper_limit",
        /// A leakage.
        Leakage = "leakage",
        /// An overflow.
        Overflow = "overflow",
        /// A constant to be added.
        Correction = "correction",
        /// A value of the future.
        Future = "future",
        /// A meaning of the maker's own; those behind it are no longer standard.
        ManufacturerSpecific = "manufacturer_specific",
        /// Phase L1.
        PhaseL1 = "phase_l1",
        /// Phase L2.
        PhaseL2 = "phase_l2",
        /// Phase L3.
        PhaseL3 = "phase_l3",
        /// Neutral.
        Neutral = "neutral",
        /// Between L1 and L2.
        PhaseL1L2 = "phase_l1_l2",
        /// Between L2 and L3.
        PhaseL2L3 = "phase_l2_l3",
        /// Between L3 and L1.
        PhaseL3L1 = "phase_l3_l1",
        /// Quadrant 1.
        Quadrant1 = "quadrant_1",
        /// Quadrant 2.
        Quadrant2 = "quadrant_2",
        /// Quadrant 3.
        Quadrant3 = "quadrant_3",
        /// Quadrant 4.
        Quadrant4 = "quadrant_4",
        /// Import less export.
        Delta = "delta",
        /// Accumulated without regard to the sign.
        Absolute = "absolute",
        /// As an unsigned integer (type C).
        TypeC = "type_c",
        /// As a bit field (type D).
        TypeD = "type_d",
        /// From the partner to the meter.
        ToMeter = "to_meter",
        /// From the meter to the partner.
        FromMeter = "from_meter",
        /// A code that the standard reserves.
        Reserved = "reserved",
    }
}

/// What one combinable VIFE does to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Multiplies by a power of ten.
    Power(i8),
    /// Changes the meaning.
    Meaning(Modifier),
    /// Changes the meaning, and the value is a time or date.
    Instant(Modifier),
    /// Changes the meaning, and the value is a mere count.
    Count(Modifier),
    /// The next code is of the extended table.
    Extended,
}

/// A code of the first table, its extension bit cleared.
pub(super) const fn effect(code: u8) -> Effect {
    use Modifier as M;
    let modifier = match code {
        0x00..=0x1F => M::RecordError,
        0x20 => M::PerSecond,
        0x21 => M::PerMinute,
        0x22 => M::PerHour,
        0x23 => M::PerDay,
        0x24 => M::PerWeek,
        0x25 => M::PerMonth,
        0x26 => M::PerYear,
        0x27 => M::PerMeasurement,
        0x28 | 0x29 => M::PerInputPulse,
        0x2A | 0x2B => M::PerOutputPulse,
        0x2C => M::PerLitre,
        0x2D => M::PerCubicMetre,
        0x2E => M::PerKilogram,
        0x2F => M::PerKelvin,
        0x30 => M::PerKilowattHour,
        0x31 => M::PerGigajoule,
        0x32 => M::PerKilowatt,
        0x33 => M::PerKelvinLitre,
        0x34 => M::PerVolt,
        0x35 => M::PerAmpere,
        0x36 => M::TimesSecond,
        0x37 => M::TimesSecondPerVolt,
        0x38 => M::TimesSecondPerAmpere,
        0x39 => return Effect::Instant(M::Start),
        0x3A => M::Uncorrected,
        0x3B => M::Forward,
        0x3C => M::Backward,
        0x3D => M::NonMetric,
        0x3E => M::BaseConditions,
        0x3F => M::ObisDeclaration,
        0x40 => M::LowerLimit,
        0x48 => M::UpperLimit,
        0x41 => return Effect::Count(M::LowerLimitExceeds),
        0x49 => return Effect::Count(M::UpperLimitExceeds),
        0x42 | 0x43 | 0x46 | 0x47 | 0x4A | 0x4B | 0x4E | 0x4F => {
            return Effect::Instant(M::LimitExceedTime);
        }
        0x50..=0x5F => M::LimitExceedDuration,
        0x60..=0x67 => M::Duration,
        0x68 => M::DuringLowerLimit,
        0x6C => M::DuringUpperLimit,
        0x69 => M::Leakage,
        0x6D => M::Overflow,
        0x6A | 0x6B | 0x6E | 0x6F => return Effect::Instant(M::Time),
        0x70..=0x77 => return Effect::Power((code & 7).cast_signed() - 6),
        0x78..=0x7B => M::Correction,
        0x7C => return Effect::Extended,
        0x7D => return Effect::Power(3),
        0x7E => M::Future,
        0x7F => M::ManufacturerSpecific,
        _ => M::Reserved,
    };
    Effect::Meaning(modifier)
}

/// A code of the extended table (after VIFE FC), its extension bit cleared.
pub(super) const fn extended(code: u8) -> Modifier {
    use Modifier as M;
    match code {
        0x01 => M::PhaseL1,
        0x02 => M::PhaseL2,
        0x03 => M::PhaseL3,
        0x04 => M::Neutral,
        0x05 => M::PhaseL1L2,
        0x06 => M::PhaseL2L3,
        0x07 => M::PhaseL3L1,
        0x08 => M::Quadrant1,
        0x09 => M::Quadrant2,
        0x0A => M::Quadrant3,
        0x0B => M::Quadrant4,
        0x0C => M::Delta,
        0x10 => M::Absolute,
        0x11 => M::TypeC,
        0x12 => M::TypeD,
        0x13 => M::ToMeter,
        0x14 => M::FromMeter,
        _ => M::Reserved,
    }
}

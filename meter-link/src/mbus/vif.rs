//! Value information: the primary table and its extensions FB and FD (EN 13757-3, clause 6.4).

use super::quantity::{Quantity, Unit};

/// How the integer of a record becomes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    /// What is measured.
    pub quantity: Quantity,
    /// The unit of the scaled value.
    pub unit: Option<Unit>,
    /// Power of ten.
    pub exponent: i8,
    /// A whole factor beside it, such as 60 for minutes.
    pub factor: u64,
}

impl Meaning {
    pub(super) const fn of(quantity: Quantity) -> Self {
        Self {
            quantity,
            unit: None,
            exponent: 0,
            factor: 1,
        }
    }

    pub(super) const fn in_unit(quantity: Quantity, unit: Unit, exponent: i8) -> Self {
        Self {
            quantity,
            unit: Some(unit),
            exponent,
            factor: 1,
        }
    }

    const fn times(mut self, factor: u64) -> Self {
        self.factor = factor;
        self
    }

    /// A duration in one of four units from the second to the day.
    pub(super) const fn duration(quantity: Quantity, code: u8) -> Self {
        let factor = match code & 3 {
            0 => 1,
            1 => 60,
            2 => 3_600,
            _ => 86_400,
        };
        Self::in_unit(quantity, Unit::Second, 0).times(factor)
    }

    /// A duration in one of four units from the hour to the year.
    const fn long_duration(quantity: Quantity, code: u8) -> Self {
        match code & 3 {
            0 => Self::in_unit(quantity, Unit::Second, 0).times(3_600),
            1 => Self::in_unit(quantity, Unit::Second, 0).times(86_400),
            2 => Self::in_unit(quantity, Unit::Month, 0),
            _ => Self::in_unit(quantity, Unit::Year, 0),
        }
    }
}

/// The low bits of a code as a power of ten.
const fn power(code: u8, mask: u8) -> i8 {
    (code & mask).cast_signed()
}

/// A VIF of the primary table, its extension bit cleared.
pub(super) const fn primary(code: u8) -> Meaning {
    use Quantity as Q;
    use Unit as U;
    let by8 = power(code, 7);
    let by4 = power(code, 3);
    match code {
        0x00..=0x07 => Meaning::in_unit(Q::Energy, U::KilowattHour, by8 - 6),
        0x08..=0x0F => Meaning::in_unit(Q::Energy, U::Megajoule, by8 - 6),
        0x10..=0x17 => Meaning::in_unit(Q::Volume, U::CubicMetre, by8 - 6),
        0x18..=0x1F => Meaning::in_unit(Q::Mass, U::Kilogram, by8 - 3),
        0x20..=0x23 => Meaning::duration(Q::OnTime, code),
        0x24..=0x27 => Meaning::duration(Q::OperatingTime, code),
        0x28..=0x2F => Meaning::in_unit(Q::Power, U::Kilowatt, by8 - 6),
        0x30..=0x37 => Meaning::in_unit(Q::Power, U::MegajoulePerHour, by8 - 6),
        0x38..=0x3F => Meaning::in_unit(Q::VolumeFlow, U::CubicMetrePerHour, by8 - 6),
        0x40..=0x47 => Meaning::in_unit(Q::VolumeFlow, U::CubicMetrePerHour, by8 - 7).times(60),
        0x48..=0x4F => Meaning::in_unit(Q::VolumeFlow, U::CubicMetrePerHour, by8 - 9).times(3_600),
        0x50..=0x57 => Meaning::in_unit(Q::MassFlow, U::KilogramPerHour, by8 - 3),
        0x58..=0x5B => Meaning::in_unit(Q::FlowTemperature, U::Celsius, by4 - 3),
        0x5C..=0x5F => Meaning::in_unit(Q::ReturnTemperature, U::Celsius, by4 - 3),
        0x60..=0x63 => Meaning::in_unit(Q::TemperatureDifference, U::Kelvin, by4 - 3),
        0x64..=0x67 => Meaning::in_unit(Q::ExternalTemperature, U::Celsius, by4 - 3),
        0x68..=0x6B => Meaning::in_unit(Q::Pressure, U::Bar, by4 - 3),
        0x6C => Meaning::of(Q::Date),
        0x6D => Meaning::of(Q::Datetime),
        0x6E => Meaning::in_unit(Q::HeatCostAllocation, U::Hca, 0),
        0x70..=0x73 => Meaning::duration(Q::AveragingDuration, code),
        0x74..=0x77 => Meaning::duration(Q::ActualityDuration, code),
        0x78 => Meaning::of(Q::FabricationNumber),
        0x79 => Meaning::of(Q::EnhancedIdentification),
        0x7A => Meaning::of(Q::Address),
        0x7C => Meaning::of(Q::Custom),
        0x7E => Meaning::of(Q::Any),
        0x7F => Meaning::of(Q::ManufacturerSpecific),
        _ => Meaning::of(Q::Reserved),
    }
}

/// A code of the first extension (after VIF FB).
pub(super) const fn extension_fb(code: u8) -> Meaning {
    use Quantity as Q;
    use Unit as U;
    let by2 = power(code, 1);
    let by4 = power(code, 3);
    let by8 = power(code, 7);
    match code {
        0x00..=0x01 => Meaning::in_unit(Q::Energy, U::KilowattHour, by2 + 2),
        0x02..=0x03 => Meaning::in_unit(Q::ReactiveEnergy, U::KilovarHour, by2),
        0x04..=0x05 => Meaning::in_unit(Q::ApparentEnergy, U::KilovoltAmpereHour, by2),
        0x08..=0x09 => Meaning::in_unit(Q::Energy, U::Megajoule, by2 + 2),
        // 1 Mcal is 4186.8 kJ exactly (international table).
        0x0C..=0x0F => Meaning::in_unit(Q::Energy, U::Megajoule, by4 - 5).times(41_868),
        0x10..=0x11 => Meaning::in_unit(Q::Volume, U::CubicMetre, by2 + 2),
        0x14..=0x17 => Meaning::in_unit(Q::ReactivePower, U::Kilovar, by4 - 3),
        0x18..=0x19 => Meaning::in_unit(Q::Mass, U::Kilogram, by2 + 5),
        0x1A..=0x1B => Meaning::in_unit(Q::RelativeHumidity, U::Percent, by2 - 1),
        // A cubic foot is 0.028316846592 m³ exactly.
        0x20..=0x21 => Meaning::in_unit(Q::Volume, U::CubicMetre, -12 - by2).times(28_316_846_592),
        0x28..=0x29 => Meaning::in_unit(Q::Power, U::Kilowatt, by2 + 2),
        0x2A => Meaning::in_unit(Q::PhaseAngleVoltages, U::Degree, -1),
        0x2B => Meaning::in_unit(Q::PhaseAngle, U::Degree, -1),
        0x2C..=0x2F => Meaning::in_unit(Q::Frequency, U::Hertz, by4 - 3),
        0x30..=0x31 => Meaning::in_unit(Q::Power, U::MegajoulePerHour, by2 + 2),
        0x34..=0x37 => Meaning::in_unit(Q::ApparentPower, U::KilovoltAmpere, by4 - 3),
        0x58..=0x5B => Meaning::in_unit(Q::FlowTemperature, U::Fahrenheit, by4 - 3),
        0x5C..=0x5F => Meaning::in_unit(Q::ReturnTemperature, U::Fahrenheit, by4 - 3),
        0x60..=0x63 => Meaning::in_unit(Q::TemperatureDifference, U::Fahrenheit, by4 - 3),
        0x64..=0x67 => Meaning::in_unit(Q::ExternalTemperature, U::Fahrenheit, by4 - 3),
        0x70..=0x73 => Meaning::in_unit(Q::TemperatureLimit, U::Fahrenheit, by4 - 3),
        0x74..=0x77 => Meaning::in_unit(Q::TemperatureLimit, U::Celsius, by4 - 3),
        0x78..=0x7F => Meaning::in_unit(Q::CumulatedMaximumPower, U::Kilowatt, by8 - 6),
        _ => Meaning::of(Q::Reserved),
    }
}

/// A code of the second extension (after VIF FD).
pub(super) const fn extension_fd(code: u8) -> Meaning {
    use Quantity as Q;
    use Unit as U;
    match code {
        0x00..=0x03 => Meaning::scaled(Q::Credit, power(code, 3) - 3),
        0x04..=0x07 => Meaning::scaled(Q::Debit, power(code, 3) - 3),
        0x24..=0x27 => Meaning::duration(Q::StorageInterval, code),
        0x28 => Meaning::in_unit(Q::StorageInterval, U::Month, 0),
        0x29 => Meaning::in_unit(Q::StorageInterval, U::Year, 0),
        0x2B => Meaning::in_unit(Q::TimePointSecond, U::Second, 0),
        0x2C..=0x2F => Meaning::duration(Q::DurationSinceReadout, code),
        0x31..=0x33 => Meaning::duration(Q::TariffDuration, code),
        0x34..=0x37 => Meaning::duration(Q::TariffPeriod, code),
        0x38 => Meaning::in_unit(Q::TariffPeriod, U::Month, 0),
        0x39 => Meaning::in_unit(Q::TariffPeriod, U::Year, 0),
        0x3C..=0x3F => Meaning::duration(Q::TransmissionPeriod, code),
        0x40..=0x4F => Meaning::in_unit(Q::Voltage, U::Volt, power(code, 15) - 9),
        0x50..=0x5F => Meaning::in_unit(Q::Current, U::Ampere, power(code, 15) - 12),
        0x68..=0x6B => Meaning::long_duration(Q::DurationSinceCumulation, code),
        0x6C..=0x6F => Meaning::long_duration(Q::BatteryOperatingTime, code),
        0x71 => Meaning::in_unit(Q::RfLevel, U::DecibelMilliwatt, 0),
        0x74 => Meaning::duration(Q::RemainingBatteryLife, 3),
        _ => Meaning::of(unscaled_fd(code)),
    }
}

impl Meaning {
    const fn scaled(quantity: Quantity, exponent: i8) -> Self {
        Self {
            exponent,
            ..Self::of(quantity)
        }
    }
}

const fn unscaled_fd(code: u8) -> Quantity {
    use Quantity as Q;
    match code {
        0x08 => Q::AccessNumber,
        0x09 => Q::Medium,
        0x0A => Q::Manufacturer,
        0x0B => Q::ParameterSet,
        0x0C => Q::ModelVersion,
        0x0D => Q::HardwareVersion,
        0x0E => Q::FirmwareVersion,
        0x0F => Q::SoftwareVersion,
        0x10 => Q::CustomerLocation,
        0x11 => Q::Customer,
        0x12 => Q::AccessCodeUser,
        0x13 => Q::AccessCodeOperator,
        0x14 => Q::AccessCodeSystemOperator,
        0x15 => Q::AccessCodeDeveloper,
        0x16 => Q::Password,
        0x17 => Q::ErrorFlags,
        0x18 => Q::ErrorMask,
        0x19 => Q::SecurityKey,
        0x1A => Q::DigitalOutput,
        0x1B => Q::DigitalInput,
        0x1C => Q::BaudRate,
        0x1D => Q::ResponseDelay,
        0x1E => Q::Retry,
        0x1F => Q::RemoteControl,
        0x20 => Q::FirstStorage,
        0x21 => Q::LastStorage,
        0x22 => Q::StorageBlockSize,
        0x23 => Q::TariffDescriptor,
        0x2A => Q::OperatorData,
        0x30 => Q::TariffStart,
        0x3A => Q::Dimensionless,
        0x3B => Q::WmbusData,
        0x60 => Q::ResetCounter,
        0x61 => Q::CumulationCounter,
        0x62 => Q::ControlSignal,
        0x63 => Q::DayOfWeek,
        0x64 => Q::WeekNumber,
        0x65 => Q::DayChange,
        0x66 => Q::ParameterActivation,
        0x67 => Q::SupplierInformation,
        0x70 => Q::BatteryChange,
        0x72 => Q::DaylightSaving,
        0x73 => Q::ListeningWindow,
        0x75 => Q::StopCounter,
        0x76 => Q::ManufacturerContainer,
        _ => Q::Reserved,
    }
}

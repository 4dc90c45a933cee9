//! What a record measures and in which unit its value is given: one unit per family of quantities.

macro_rules! names {
    ($(#[$doc:meta])* $kind:ident { $($(#[$vdoc:meta])* $name:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum $kind {
            $($(#[$vdoc])* $name,)+
        }

        impl $kind {
            /// The name in output and driver files.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// The one of this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$name),)+
                    _ => None,
                }
            }
        }
    };
}

pub(crate) use names;

names! {
    /// What a value information field says is measured (EN 13757-3, clause 6.4, tables 10 to 14).
    Quantity {
        /// Energy: in kWh from VIFs of Wh and MWh, in MJ from those of J and GJ.
        Energy = "energy",
        /// Volume in m³.
        Volume = "volume",
        /// Mass in kg.
        Mass = "mass",
        /// Power: in kW from VIFs of W and MW, in MJ/h from those of J/h and GJ/h.
        Power = "power",
        /// Volume flow in m³/h.
        VolumeFlow = "volume_flow",
        /// Mass flow in kg/h.
        MassFlow = "mass_flow",
        /// Temperature of the flow in °C.
        FlowTemperature = "flow_temperature",
        /// Temperature of the return in °C.
        ReturnTemperature = "return_temperature",
        /// Flow less return, in K.
        TemperatureDifference = "temperature_difference",
        /// Temperature outside of the meter, in °C.
        ExternalTemperature = "external_temperature",
        /// Pressure in bar.
        Pressure = "pressure",
        /// How long the meter has been powered.
        OnTime = "on_time",
        /// How long the meter has worked.
        OperatingTime = "operating_time",
        /// A date.
        Date = "date",
        /// A date and time, or a time.
        Datetime = "datetime",
        /// Units of a heat cost allocator.
        HeatCostAllocation = "heat_cost_allocation",
        /// Over how long a value is averaged.
        AveragingDuration = "averaging_duration",
        /// How old a value is.
        ActualityDuration = "actuality_duration",
        /// The number that the maker gave the meter.
        FabricationNumber = "fabrication_number",
        /// A longer identification.
        EnhancedIdentification = "enhanced_identification",
        /// The address on the bus.
        Address = "address",
        /// Any quantity (VIF 7E).
        Any = "any",
        /// Credit in the local currency.
        Credit = "credit",
        /// Debit in the local currency.
        Debit = "debit",
        /// Transmission count.
        AccessNumber = "access_number",
        /// Device type.
        Medium = "medium",
        /// Maker.
        Manufacturer = "manufacturer",
        /// Identification of the set of parameters.
        ParameterSet = "parameter_set",
        /// Model or version.
        ModelVersion = "model_version",
        /// Version of the hardware.
        HardwareVersion = "hardware_version",
        /// Version of the metrological firmware.
        FirmwareVersion = "firmware_version",
        /// Version of other software.
        SoftwareVersion = "software_version",
        /// Where the customer is.
        CustomerLocation = "customer_location",
        /// Who the customer is.
        Customer = "customer",
        /// Access code of the user.
        AccessCodeUser = "access_code_user",
        /// Access code of the operator.
        AccessCodeOperator = "access_code_operator",
        /// Access code of the system operator.
        AccessCodeSystemOperator = "access_code_system_operator",
        /// Access code of the developer.
        AccessCodeDeveloper = "access_code_developer",
        /// Password.
        Password = "password",
        /// Error flags, a bit field.
        ErrorFlags = "error_flags",
        /// Which error flags count.
        ErrorMask = "error_mask",
        /// Security key.
        SecurityKey = "security_key",
        /// Digital outputs, a bit field.
        DigitalOutput = "digital_output",
        /// Digital inputs, a bit field.
        DigitalInput = "digital_input",
        /// Speed of the line.
        BaudRate = "baud_rate",
        /// Delay of an answer, in bit times.
        ResponseDelay = "response_delay",
        /// Retries.
        Retry = "retry",
        /// Remote control.
        RemoteControl = "remote_control",
        /// First number of a cyclic storage.
        FirstStorage = "first_storage",
        /// Last number of a cyclic storage.
        LastStorage = "last_storage",
        /// Size of a storage block.
        StorageBlockSize = "storage_block_size",
        /// Descriptor of tariffs and subunits.
        TariffDescriptor = "tariff_descriptor",
        /// Interval between storages.
        StorageInterval = "storage_interval",
        /// Data of the operator.
        OperatorData = "operator_data",
        /// A second as a point in time.
        TimePointSecond = "time_point_second",
        /// Time since the last readout.
        DurationSinceReadout = "duration_since_readout",
        /// Start of a tariff.
        TariffStart = "tariff_start",
        /// Duration of a tariff.
        TariffDuration = "tariff_duration",
        /// Period of a tariff.
        TariffPeriod = "tariff_period",
        /// A number without a unit.
        Dimensionless = "dimensionless",
        /// Container of data for wireless M-Bus.
        WmbusData = "wmbus_data",
        /// Interval of nominal data transmissions.
        TransmissionPeriod = "transmission_period",
        /// Voltage in V.
        Voltage = "voltage",
        /// Current in A.
        Current = "current",
        /// How often the meter was reset.
        ResetCounter = "reset_counter",
        /// How often values were accumulated.
        CumulationCounter = "cumulation_counter",
        /// Control signal.
        ControlSignal = "control_signal",
        /// Day of the week.
        DayOfWeek = "day_of_week",
        /// Number of the week.
        WeekNumber = "week_number",
        /// When a day changes.
        DayChange = "day_change",
        /// State of the activation of parameters.
        ParameterActivation = "parameter_activation",
        /// Information of the supplier.
        SupplierInformation = "supplier_information",
        /// Time since the last accumulation.
        DurationSinceCumulation = "duration_since_cumulation",
        /// How long the battery has worked.
        BatteryOperatingTime = "battery_operating_time",
        /// When the battery was changed.
        BatteryChange = "battery_change",
        /// Level of the radio signal in dBm.
        RfLevel = "rf_level",
        /// Daylight saving (type K).
        DaylightSaving = "daylight_saving",
        /// Management of listening windows (type L).
        ListeningWindow = "listening_window",
        /// How long the battery will last, in s.
        RemainingBatteryLife = "remaining_battery_life",
        /// How often the meter was stopped.
        StopCounter = "stop_counter",
        /// Container of data of the maker.
        ManufacturerContainer = "manufacturer_container",
        /// Reactive energy in kvarh.
        ReactiveEnergy = "reactive_energy",
        /// Apparent energy in kVAh.
        ApparentEnergy = "apparent_energy",
        /// Reactive power in kvar.
        ReactivePower = "reactive_power",
        /// Apparent power in kVA.
        ApparentPower = "apparent_power",
        /// Relative humidity in %.
        RelativeHumidity = "relative_humidity",
        /// Phase between two voltages, in degrees.
        PhaseAngleVoltages = "phase_angle_voltages",
        /// Phase between voltage and current, in degrees.
        PhaseAngle = "phase_angle",
        /// Frequency in Hz.
        Frequency = "frequency",
        /// Limit of the temperature of warm or cold water, in °C.
        TemperatureLimit = "temperature_limit",
        /// Highest accumulated active power, in kW.
        CumulatedMaximumPower = "cumulated_maximum_power",
        /// A unit in plain text (VIF 7C).
        Custom = "custom",
        /// A meaning of the maker's own (VIF 7F).
        ManufacturerSpecific = "manufacturer_specific",
        /// A code that the standard reserves.
        Reserved = "reserved",
    }
}

names! {
    /// The unit of a value.
    Unit {
        /// Kilowatt-hours.
        KilowattHour = "kWh",
        /// Megajoules.
        Megajoule = "MJ",
        /// Cubic metres.
        CubicMetre = "m3",
        /// Kilograms.
        Kilogram = "kg",
        /// Kilowatts.
        Kilowatt = "kW",
        /// Megajoules per hour.
        MegajoulePerHour = "MJ/h",
        /// Cubic metres per hour.
        CubicMetrePerHour = "m3/h",
        /// Kilograms per hour.
        KilogramPerHour = "kg/h",
        /// Degrees Celsius.
        Celsius = "°C",
        /// Degrees Fahrenheit.
        Fahrenheit = "°F",
        /// Kelvins.
        Kelvin = "K",
        /// Bars.
        Bar = "bar",
        /// Seconds.
        Second = "s",
        /// Months.
        Month = "month",
        /// Years.
        Year = "year",
        /// Units of a heat cost allocator.
        Hca = "hca",
        /// Volts.
        Volt = "V",
        /// Amperes.
        Ampere = "A",
        /// Hertz.
        Hertz = "Hz",
        /// Kilovoltampere-hours, reactive.
        KilovarHour = "kvarh",
        /// Kilovoltamperes, reactive.
        Kilovar = "kvar",
        /// Kilovoltamperes.
        KilovoltAmpere = "kVA",
        /// Kilovoltampere-hours.
        KilovoltAmpereHour = "kVAh",
        /// A share of a hundred.
        Percent = "%",
        /// Decibels over one milliwatt.
        DecibelMilliwatt = "dBm",
        /// Degrees of an angle.
        Degree = "°",
    }
}

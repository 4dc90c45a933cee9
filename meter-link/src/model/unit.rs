//! Units of measurement by their COSEM code (IEC 62056-6-2, enumeration `unit`).

use std::fmt;

macro_rules! units {
    ($($(#[$doc:meta])* $name:ident = $code:literal $symbol:literal),+ $(,)?) => {
        /// A physical unit as COSEM codes it (IEC 62056-6-2, table of enumerated values of `unit`).
        ///
        /// Codes that the table does not name are kept as [`Unit::Other`]. Codes 0 and 255 mean
        /// "no unit" and are not a `Unit`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Unit {
            $($(#[$doc])* $name,)+
            /// A count or a ratio, code 255. Only given where the meaning of a register is known:
            /// a COSEM object with code 255 may be anything.
            Unitless,
            /// A code without an entry in the table.
            Other(u8),
        }

        impl Unit {
            /// The unit of a COSEM code; `None` for 0 and 255, "no unit".
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code {
                    0 | 255 => None,
                    $($code => Some(Self::$name),)+
                    other => Some(Self::Other(other)),
                }
            }

            /// The unit whose [`Unit::code`] this is; `None` for 0.
            #[must_use]
            pub const fn from_own_code(code: u8) -> Option<Self> {
                match code {
                    255 => Some(Self::Unitless),
                    other => Self::from_code(other),
                }
            }

            /// The COSEM code.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self {
                    $(Self::$name => $code,)+
                    Self::Unitless => 255,
                    Self::Other(code) => code,
                }
            }

            const fn fixed_symbol(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($symbol),)+
                    Self::Unitless => Some(""),
                    Self::Other(_) => None,
                }
            }
        }
    };
}

units! {
    /// Time in years.
    Year = 1 "a",
    /// Time in months.
    Month = 2 "mo",
    /// Time in weeks.
    Week = 3 "wk",
    /// Time in days.
    Day = 4 "d",
    /// Time in hours.
    Hour = 5 "h",
    /// Time in minutes.
    Minute = 6 "min",
    /// Time in seconds.
    Second = 7 "s",
    /// Phase angle in degrees.
    Degree = 8 "°",
    /// Temperature in degrees Celsius.
    DegreeCelsius = 9 "°C",
    /// Local currency.
    Currency = 10 "currency",
    /// Length.
    Metre = 11 "m",
    /// Speed.
    MetrePerSecond = 12 "m/s",
    /// Volume.
    CubicMetre = 13 "m3",
    /// Volume, corrected to base conditions.
    CorrectedCubicMetre = 14 "m3",
    /// Volume flux.
    CubicMetrePerHour = 15 "m3/h",
    /// Corrected volume flux.
    CorrectedCubicMetrePerHour = 16 "m3/h",
    /// Volume flux per day.
    CubicMetrePerDay = 17 "m3/d",
    /// Corrected volume flux per day.
    CorrectedCubicMetrePerDay = 18 "m3/d",
    /// Volume in litres.
    Litre = 19 "l",
    /// Mass.
    Kilogram = 20 "kg",
    /// Force.
    Newton = 21 "N",
    /// Energy as force times length.
    NewtonMetre = 22 "Nm",
    /// Pressure in pascals.
    Pascal = 23 "Pa",
    /// Pressure in bar.
    Bar = 24 "bar",
    /// Energy in joules.
    Joule = 25 "J",
    /// Thermal power.
    JoulePerHour = 26 "J/h",
    /// Active power; import is positive.
    Watt = 27 "W",
    /// Apparent power.
    VoltAmpere = 28 "VA",
    /// Reactive power.
    Var = 29 "var",
    /// Active energy.
    WattHour = 30 "Wh",
    /// Apparent energy.
    VoltAmpereHour = 31 "VAh",
    /// Reactive energy.
    VarHour = 32 "varh",
    /// Current.
    Ampere = 33 "A",
    /// Electrical charge.
    Coulomb = 34 "C",
    /// Voltage.
    Volt = 35 "V",
    /// Electric field strength.
    VoltPerMetre = 36 "V/m",
    /// Capacitance.
    Farad = 37 "F",
    /// Resistance.
    Ohm = 38 "Ω",
    /// Resistivity.
    OhmMetre = 39 "Ωm²/m",
    /// Magnetic flux.
    Weber = 40 "Wb",
    /// Magnetic flux density.
    Tesla = 41 "T",
    /// Magnetic field strength.
    AmperePerMetre = 42 "A/m",
    /// Inductance.
    Henry = 43 "H",
    /// Frequency.
    Hertz = 44 "Hz",
    /// Meter constant of active energy.
    PerWattHour = 45 "1/Wh",
    /// Meter constant of reactive energy.
    PerVarHour = 46 "1/varh",
    /// Meter constant of apparent energy.
    PerVoltAmpereHour = 47 "1/VAh",
    /// Square of the voltage, integrated.
    VoltSquaredHour = 48 "V2h",
    /// Square of the current, integrated.
    AmpereSquaredHour = 49 "A2h",
    /// Mass flux.
    KilogramPerSecond = 50 "kg/s",
    /// Conductance.
    Siemens = 51 "S",
    /// Temperature in kelvin.
    Kelvin = 52 "K",
    /// Meter constant per volt squared hour.
    PerVoltSquaredHour = 53 "1/V2h",
    /// Meter constant per ampere squared hour.
    PerAmpereSquaredHour = 54 "1/A2h",
    /// Meter constant of volume.
    PerCubicMetre = 55 "1/m3",
    /// A share of a hundred.
    Percent = 56 "%",
    /// Charge in ampere-hours.
    AmpereHour = 57 "Ah",
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fixed_symbol() {
            Some(symbol) => f.pad(symbol),
            None => write!(f, "{}", self.code()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back() {
        for code in 0..=255u8 {
            match Unit::from_code(code) {
                Some(unit) => assert_eq!(unit.code(), code),
                None => assert!(code == 0 || code == 255),
            }
            let own = Unit::from_own_code(code).map_or(0, Unit::code);
            assert_eq!(own, code);
        }
    }

    #[test]
    fn symbols() {
        assert_eq!(Unit::WattHour.to_string(), "Wh");
        assert_eq!(Unit::from_code(14).unwrap().to_string(), "m3");
        assert_eq!(Unit::Other(70).to_string(), "70");
    }
}

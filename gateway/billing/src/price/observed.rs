//! A tariff that a meter tells as it comes: the DSMR tariff indicator. It says what holds now and
//! nothing beyond. (The colours of TIC are decoded with its other registers.)

use super::DocumentError;

/// Where a DSMR meter stands: the indicator's meaning differs by country.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DsmrCountry {
    /// 1 is low, 2 is normal (DSMR 5.0.2, P1 companion standard).
    Netherlands,
    /// 1 is normal, 2 is low (e-MUCS P1, Fluvius).
    Belgium,
}

/// Low or normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DsmrBand {
    /// Night and weekend.
    Low,
    /// Day.
    Normal,
}

/// The band of the tariff indicator 0-0:96.14.0, four digits.
///
/// # Errors
/// The indicator is neither 1 nor 2.
pub fn dsmr(indicator: &str, country: DsmrCountry) -> Result<DsmrBand, DocumentError> {
    match (indicator.trim().trim_start_matches('0'), country) {
        ("1", DsmrCountry::Netherlands) | ("2", DsmrCountry::Belgium) => Ok(DsmrBand::Low),
        ("2", DsmrCountry::Netherlands) | ("1", DsmrCountry::Belgium) => Ok(DsmrBand::Normal),
        _ => Err(DocumentError::Value {
            what: "0-0:96.14.0".to_owned(),
            text: indicator.to_owned(),
            expected: "0001 or 0002",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_and_two_change_places_at_the_border() {
        assert_eq!(
            dsmr("0001", DsmrCountry::Netherlands).unwrap(),
            DsmrBand::Low
        );
        assert_eq!(
            dsmr("0001", DsmrCountry::Belgium).unwrap(),
            DsmrBand::Normal
        );
        assert_eq!(
            dsmr("0002", DsmrCountry::Netherlands).unwrap(),
            DsmrBand::Normal
        );
        assert_eq!(dsmr("0002", DsmrCountry::Belgium).unwrap(), DsmrBand::Low);
        assert!(
            dsmr("0003", DsmrCountry::Belgium).is_err() && dsmr("", DsmrCountry::Belgium).is_err()
        );
    }
}

//! A tariff update of the British smart metering service: `UpdateImportTariffPrimaryElement`
//! of DUIS 5, electricity.
//!
//! Everything is UTC. Prices are what the customer pays.

use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::{DocumentError, Format, PriceSource, Published, Wanted, currency};
use crate::exact::{TooLarge, shift};
use crate::tariff::switching::{Switching, SwitchingTable, TableDate};
use crate::tariff::{Band, Energy, Per, Standing, StandingAmount, Tier, TierPeriod};
use crate::xml::{self, Element};

/// A threshold that means "no limit".
const NO_LIMIT: i64 = 4_294_967_295;

/// Reads tariff updates.
pub(super) struct Duis;

impl PriceSource for Duis {
    fn format(&self) -> Format {
        Format::Duis
    }

    fn read(&self, text: &str, _: &Wanted) -> Result<Published, DocumentError> {
        let root = xml::parse(text)?;
        let update = root.find("UpdateImportTariffPrimaryElement");
        let update = update
            .ok_or_else(|| DocumentError::Missing("UpdateImportTariffPrimaryElement".to_owned()))?;
        let elements = update.child("ElecTariffElements");
        let elements = elements
            .ok_or_else(|| DocumentError::Missing("ElecTariffElements (electricity)".to_owned()))?;
        let prices = update.at(&["PriceElements", "ElectricityPriceElements"]);
        let prices =
            prices.ok_or_else(|| DocumentError::Missing("ElectricityPriceElements".to_owned()))?;
        let mut registers = Registers {
            elements,
            prices,
            bands: Vec::new(),
        };
        let table = registers.table()?;
        let standing = Standing {
            id: "standing".to_owned(),
            label: "Standing charge".to_owned(),
            amount: StandingAmount::Fixed(priced(
                prices,
                required(prices, "StandingCharge")?,
                "StandingChargeScale",
            )?),
            per: Per::Day,
            zone: Some(TimeZone::UTC),
        };
        Ok(Published {
            name: None,
            currency: elements
                .text_of("CurrencyUnits")
                .map(|code| currency("CurrencyUnits", code))
                .transpose()?,
            bands: registers.bands,
            energy: Energy::Bands(Switching::Table(table)),
            has_export: false,
            standing: vec![standing],
            demands: Vec::new(),
            minimums: Vec::new(),
        })
    }
}

/// The registers that the switching table names, as bands in the order of their first use.
struct Registers<'a> {
    elements: &'a Element,
    prices: &'a Element,
    bands: Vec<Band>,
}

impl Registers<'_> {
    fn table(&mut self) -> Result<SwitchingTable, DocumentError> {
        let switching = required(self.elements, "SwitchingTable")?;
        let (mut day_names, mut days) = (Vec::new(), Vec::new());
        for profile in required(switching, "DayProfiles")?.all("DayProfile") {
            day_names.push(text(profile, "DayName")?.to_owned());
            let mut entries = Vec::new();
            for schedule in profile.all("ProfileSchedule") {
                entries.push((start_time(schedule)?, self.register(schedule)?));
            }
            entries.sort_by_key(|(second, _)| *second);
            days.push(entries);
        }
        let day_named = |name: &str, line: usize| position(&day_names, name, line, "day profile");
        let (mut week_names, mut weeks) = (Vec::new(), Vec::new());
        for profile in required(switching, "WeekProfiles")?.all("WeekProfile") {
            week_names.push(text(profile, "WeekName")?.to_owned());
            let mut week = [0; 7];
            let mut named = [false; 7];
            for day in profile.all("ReferencedDayName") {
                let place = index(day)?
                    .checked_sub(1)
                    .and_then(|place| week.get_mut(place).zip(named.get_mut(place)));
                let (slot, seen) = place.ok_or_else(|| wrong(day, "a weekday from 1 to 7"))?;
                (*slot, *seen) = (day_named(&day.text, day.line)?, true);
            }
            if named.contains(&false) {
                return Err(missing(profile, "ReferencedDayName for each of seven days"));
            }
            weeks.push(week);
        }
        let mut seasons = Vec::new();
        for season in required(switching, "Seasons")?.all("Season") {
            let week = required(season, "ReferencedWeekName")?;
            let week = position(&week_names, &week.text, week.line, "week profile")?;
            seasons.push((date(required(season, "SeasonStartDate")?)?, week));
        }
        let mut special_days = Vec::new();
        for special in self
            .elements
            .child("SpecialDays")
            .into_iter()
            .flat_map(|days| days.all("SpecialDay"))
        {
            let day = required(special, "ReferencedDayName")?;
            special_days.push((
                date(required(special, "Date")?)?,
                day_named(&day.text, day.line)?,
            ));
        }
        Ok(SwitchingTable {
            zone: TimeZone::UTC,
            days,
            weeks,
            seasons,
            special_days,
        })
    }

    /// Index of the band of the register that an entry switches to.
    fn register(&mut self, schedule: &Element) -> Result<usize, DocumentError> {
        let tou = schedule.child("TOUTariffAction");
        let block = schedule.child("BlockTariffAction");
        let (prefix, action) = match (tou, block) {
            (Some(action), None) => ("tou", action),
            (None, Some(action)) => ("block", action),
            _ => {
                return Err(missing(
                    schedule,
                    "one of TOUTariffAction and BlockTariffAction",
                ));
            }
        };
        let number: usize = action
            .text
            .parse()
            .map_err(|_| wrong(action, "a register number"))?;
        let name = format!("{prefix}{number}");
        if let Some(known) = self.bands.iter().position(|band| band.name == name) {
            return Ok(known);
        }
        let tiers = if prefix == "tou" {
            let price = self
                .price_of("TOUPrice", number)
                .ok_or_else(|| missing(self.prices, &format!("TOUPrice {number}")))?;
            vec![Tier {
                up_to: None,
                rate: priced(self.prices, price, "PriceScale")?,
            }]
        } else {
            self.blocks(number)?
        };
        let counter = self.bands.len();
        self.bands.push(Band {
            label: name.clone(),
            name,
            tiers,
            period: TierPeriod::Bill,
            counter,
        });
        Ok(counter)
    }

    fn price_of<'n>(&'n self, name: &'n str, number: usize) -> Option<&'n Element> {
        let tables = ["TOUTariff", "BlockTariff", "HybridTariff"];
        let tables = self
            .prices
            .children
            .iter()
            .filter(|child| tables.contains(&child.name.as_str()));
        tables
            .flat_map(|table| table.all(name))
            .find(|price| index(price).ok() == Some(number))
    }

    fn blocks(&self, number: usize) -> Result<Vec<Tier>, DocumentError> {
        let prices = self.price_of("BlockPrices", number);
        let prices =
            prices.ok_or_else(|| missing(self.prices, &format!("BlockPrices {number}")))?;
        let matrix = required(self.elements, "ThresholdMatrix")?;
        let limits = matrix
            .all("Thresholds")
            .find(|limits| index(limits).ok() == Some(number));
        let limits = limits.ok_or_else(|| missing(matrix, &format!("Thresholds {number}")))?;
        let mut tiers: Vec<Tier> = Vec::new();
        for block in 1.. {
            let of_block = |element: &&Element| index(element).ok() == Some(block);
            let Some(price) = prices.all("BlockPrice").find(of_block) else {
                break;
            };
            let rate = priced(self.prices, price, "PriceScale")?;
            let limit = match limits.all("BlockThreshold").find(of_block) {
                Some(limit) => Some(integer(limit)?).filter(|wh| *wh != NO_LIMIT),
                None => None,
            };
            let up_to = limit
                .map(|wh| shift(Decimal::from(wh), -3).ok_or(TooLarge))
                .transpose()?;
            tiers.push(Tier { up_to, rate });
            if up_to.is_none() {
                break;
            }
        }
        let rising = tiers.windows(2).all(|pair| match pair {
            [a, b] => b
                .up_to
                .is_none_or(|up_to| a.up_to.is_some_and(|before| before < up_to)),
            _ => true,
        });
        match tiers.last_mut().filter(|_| rising) {
            // The last price goes on; DUIS has no register beyond it.
            Some(last) => last.up_to = None,
            None => return Err(missing(limits, "rising thresholds with a price each")),
        }
        Ok(tiers)
    }
}

/// An integer price × 10^scale per kWh or day.
fn priced(prices: &Element, price: &Element, scale: &str) -> Result<Decimal, DocumentError> {
    let scale = required(prices, scale)?;
    let places = i32::try_from(integer(scale)?).map_err(|_| wrong(scale, "a power of ten"))?;
    let amount = Decimal::from(integer(price)?);
    Ok(shift(amount, places).ok_or(TooLarge)?)
}

fn start_time(schedule: &Element) -> Result<u32, DocumentError> {
    let element = required(schedule, "StartTime")?;
    let fault = || wrong(element, "a time of day in UTC such as 07:30:00.00Z");
    let text = element.text.strip_suffix('Z').ok_or_else(fault)?;
    let time: jiff::civil::Time = text.parse().map_err(|_| fault())?;
    let seconds =
        i32::from(time.hour()) * 3600 + i32::from(time.minute()) * 60 + i32::from(time.second());
    u32::try_from(seconds).map_err(|_| fault())
}

/// A date whose year may be left open; other open parts are refused.
fn date(element: &Element) -> Result<TableDate, DocumentError> {
    let part = |holder: &str, specified: &str| element.at(&[holder, specified]);
    let number = |holder: &str, specified: &str| -> Result<i8, DocumentError> {
        let part = part(holder, specified).ok_or_else(|| missing(element, specified))?;
        part.text.parse().map_err(|_| wrong(part, "a number"))
    };
    let year = match part("Year", "SpecifiedYear") {
        Some(year) => Some(year.text.parse().map_err(|_| wrong(year, "a year"))?),
        None => None,
    };
    let (month, day) = (
        number("Month", "SpecifiedMonth")?,
        number("DayOfMonth", "SpecifiedDayOfMonth")?,
    );
    if part("DayOfWeek", "SpecifiedDayOfWeek").is_some() && year.is_none() {
        return Err(DocumentError::Unsupported(format!(
            "line {}: a date by its weekday",
            element.line
        )));
    }
    // A leap year, so that 29 February is a date.
    if jiff::civil::Date::new(year.unwrap_or(2024), month, day).is_err() {
        return Err(wrong(element, "a date of the calendar"));
    }
    Ok(TableDate { year, month, day })
}

fn position(names: &[String], name: &str, line: usize, what: &str) -> Result<usize, DocumentError> {
    let found = names.iter().position(|known| known == name);
    found.ok_or_else(|| DocumentError::Missing(format!("line {line}: {what} {name:?}")))
}

fn required<'a>(element: &'a Element, name: &str) -> Result<&'a Element, DocumentError> {
    element.child(name).ok_or_else(|| missing(element, name))
}

fn text<'a>(element: &'a Element, name: &str) -> Result<&'a str, DocumentError> {
    Ok(required(element, name)?.text.as_str())
}

fn integer(element: &Element) -> Result<i64, DocumentError> {
    element
        .text
        .parse()
        .map_err(|_| wrong(element, "an integer"))
}

fn index(element: &Element) -> Result<usize, DocumentError> {
    let number = element
        .attribute("index")
        .and_then(|index| index.parse().ok());
    number.ok_or_else(|| missing(element, "the attribute index"))
}

fn missing(element: &Element, name: &str) -> DocumentError {
    DocumentError::Missing(format!("line {}: {name} in {}", element.line, element.name))
}

fn wrong(element: &Element, expected: &'static str) -> DocumentError {
    DocumentError::Value {
        what: format!("line {}: {}", element.line, element.name),
        text: element.text.clone(),
        expected,
    }
}

//! Where a home stands in a tariff that counts: which block of a tiered price the next
//! kilowatt-hour falls into, and the peak that a demand charge has seen this month.

use jiff::Timestamp;
use rust_decimal::Decimal;

use crate::bill::Usage;
use crate::exact::{Exact, TooLarge};
use crate::tariff::{Demand, Tariff, TierPeriod};
use crate::time::{Month, local_date};

/// A block of a tiered price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Which, from 1.
    pub number: usize,
    /// How many there are.
    pub of: usize,
    /// What was used since the counter began, kWh.
    pub used_kwh: Decimal,
    /// Where the block begins, kWh.
    pub from_kwh: Decimal,
    /// Where it ends, kWh; the last one does not.
    pub up_to_kwh: Option<Decimal>,
    /// What is left of it, kWh.
    pub left_kwh: Option<Decimal>,
    /// When the counter begins again.
    pub period: TierPeriod,
}

/// The block of the band that holds at `now`. `usage` begins with the month; `None` when the price
/// has no blocks, or when its counter runs for longer than a month.
///
/// # Errors
/// A sum is too large.
pub fn block(tariff: &Tariff, usage: &Usage, now: Timestamp) -> Result<Option<Block>, TooLarge> {
    let band_at = |at| {
        let index = tariff.slot_at(at)?.band?;
        tariff.bands.get(index)
    };
    let Some(band) = band_at(now).filter(|band| band.tiers.len() > 1) else {
        return Ok(None);
    };
    if !matches!(band.period, TierPeriod::Day | TierPeriod::Month) {
        return Ok(None);
    }
    let key_at = |at| band.period.key(local_date(at, &tariff.zone));
    let key = key_at(now);
    let mut used = Decimal::ZERO;
    for interval in usage.intervals() {
        let at = interval.span.start;
        let same = key_at(at) == key && band_at(at).is_some_and(|b| b.counter == band.counter);
        if same {
            used = used.plus(interval.import_kwh)?;
        }
    }
    let mut from = Decimal::ZERO;
    for (tier, number) in band.tiers.iter().zip(1..) {
        let left = tier.up_to.map(|up_to| up_to.minus(used)).transpose()?;
        if left.is_none_or(|left| left > Decimal::ZERO) {
            return Ok(Some(Block {
                number,
                of: band.tiers.len(),
                used_kwh: used,
                from_kwh: from,
                up_to_kwh: tier.up_to,
                left_kwh: left,
                period: band.period,
            }));
        }
        from = tier.up_to.unwrap_or(from);
    }
    Ok(None)
}

/// The highest mean power of an interval in which a demand charge counts, kW, in the local month of
/// `now`; `None` before the first.
///
/// # Errors
/// A product is too large.
pub fn peak(
    tariff: &Tariff,
    demand: &Demand,
    usage: &Usage,
    now: Timestamp,
) -> Result<Option<Decimal>, TooLarge> {
    let month = |at| Month::of(local_date(at, &tariff.zone));
    let mut peak: Option<Decimal> = None;
    for interval in usage.intervals() {
        let at = interval.span.start;
        if month(at) != month(now) || !tariff.demand_counts(demand, at) {
            continue;
        }
        let kw = interval
            .import_kwh
            .times(Decimal::from(3600))?
            .over(Decimal::from(interval.span.seconds()))?;
        peak = peak.max(Some(kw));
    }
    Ok(peak)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bill::Interval;
    use crate::tariff::{LoadOptions, load};
    use crate::time::Span;

    fn tariff(text: &str) -> Tariff {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tariff.toml");
        let head = "version = 1\nname = \"x\"\ncurrency = \"USD\"\nzone = \"UTC\"\n";
        std::fs::write(&file, format!("{head}{text}")).unwrap();
        load(&file, &LoadOptions::default()).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Hours from a time on, each with so many kWh.
    fn usage(from: &str, kwh: &[&str]) -> Usage {
        let start = at(from).as_second();
        let hour = |(index, kwh): (i64, &&str)| Interval {
            span: Span::new(
                Timestamp::from_second(start + 3600 * index).unwrap(),
                Timestamp::from_second(start + 3600 * (index + 1)).unwrap(),
            )
            .unwrap(),
            import_kwh: kwh.parse().unwrap(),
            export_kwh: Decimal::ZERO,
        };
        Usage::new((0..).zip(kwh).map(hour).collect()).unwrap()
    }

    const BLOCKS: &str = "[bands.all]\ntier_period = \"day\"\ntiers = [{ up_to = \"5\", rate = \"0.1\" }, \
        { up_to = \"8\", rate = \"0.2\" }, { rate = \"0.3\" }]\n[[schedule]]\nband = \"all\"\n";

    #[test]
    fn a_block_is_left_when_it_is_full() {
        let tariff = tariff(BLOCKS);
        let now = at("2026-11-20T12:00:00Z");
        let told = |kwh: &[&str]| {
            let block = block(&tariff, &usage("2026-11-20T00:00:00Z", kwh), now);
            let block = block.unwrap().unwrap();
            let left = block.left_kwh.map(|left| left.to_string());
            (block.number, block.of, left)
        };
        assert_eq!(told(&["1.5", "0.4"]), (1, 3, Some("3.1".to_owned())));
        assert_eq!(told(&["5.0"]), (2, 3, Some("3.0".to_owned())));
        assert_eq!(told(&["5.0", "2.9"]), (2, 3, Some("0.1".to_owned())));
        assert_eq!(told(&["50"]), (3, 3, None));
    }

    #[test]
    fn yesterday_is_not_in_a_block_of_the_day() {
        let tariff = tariff(BLOCKS);
        let usage = usage("2026-11-19T23:00:00Z", &["4", "1"]);
        let now = at("2026-11-20T12:00:00Z");
        let block = block(&tariff, &usage, now).unwrap().unwrap();
        assert_eq!((block.number, block.used_kwh), (1, Decimal::ONE));
    }

    #[test]
    fn a_price_without_blocks_has_none() {
        let tariff = tariff("[bands.all]\nrate = \"0.1\"\n[[schedule]]\nband = \"all\"\n");
        let usage = usage("2026-11-20T00:00:00Z", &["4"]);
        let now = at("2026-11-20T12:00:00Z");
        assert_eq!(block(&tariff, &usage, now).unwrap(), None);
    }

    #[test]
    fn a_peak_counts_in_its_window_alone() {
        let tariff = tariff(
            "[bands.all]\nrate = \"0.1\"\n[[schedule]]\nband = \"all\"\n\
             [[demand]]\nid = \"peak\"\nrate = \"9\"\nfrom = \"16:00\"\nto = \"20:00\"\n",
        );
        let demand = &tariff.demands[0];
        let usage = usage("2026-11-20T15:00:00Z", &["9", "3.2", "4.1", "1"]);
        let kw = |now| peak(&tariff, demand, &usage, at(now)).unwrap();
        assert_eq!(kw("2026-11-20T19:00:00Z"), Some("4.1".parse().unwrap()));
        assert_eq!(kw("2026-12-01T19:00:00Z"), None, "another month");
    }
}

//! What devices of Smart Energy are told of a tariff beyond its prices: its tiers, the days of the
//! weeks ahead, and its blocks. Made once a day and when the tariff changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use han::zigbee::services::{Block, BlockTariff, BlockTier, Calendar};
use jiff::Timestamp;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use wattle_billing::tariff::{Band, Energy, PriceSlot, Tariff, TierPeriod};
use wattle_billing::time::{self, Span};

use super::services::{TIERS, seconds};

/// Weeks that are looked at: each weekday comes so often.
const WEEKS: i64 = 4;

/// What was made of which tariff on which day.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    of: Option<(Arc<Tariff>, Date)>,
    /// The prices of the tiers in order; empty where prices are published, or too many.
    pub(super) tiers: Vec<Decimal>,
    pub(super) calendar: Option<Calendar>,
    pub(super) blocks: Option<BlockTariff>,
}

impl Schedule {
    /// Makes it anew where the tariff or the day is another one.
    pub(super) fn refresh(
        &mut self,
        tariff: Option<&Arc<Tariff>>,
        zone: &TimeZone,
        now: Timestamp,
    ) {
        let today = time::local_date(now, zone);
        let is_same = match (&self.of, tariff) {
            (Some((known, day)), Some(tariff)) => Arc::ptr_eq(known, tariff) && *day == today,
            (None, None) => true,
            _ => false,
        };
        if is_same {
            return;
        }
        *self = Self::default();
        let Some(tariff) = tariff else { return };
        self.of = Some((Arc::clone(tariff), today));
        // Published prices are known for a day or two: there are no weeks to tell of.
        let Some(days) = matches!(tariff.energy, Energy::Bands(_))
            .then(|| days(tariff, zone, today))
            .flatten()
        else {
            return;
        };
        let mut tiers: Vec<Decimal> = days.iter().flat_map(Day::prices).collect();
        tiers.sort();
        tiers.dedup();
        if tiers.len() > TIERS {
            return;
        }
        self.calendar = calendar(tariff, &days, &tiers, now);
        self.blocks = blocks(tariff, &days, &tiers, zone, today);
        self.tiers = tiers;
    }
}

/// A local day of a tariff.
struct Day {
    date: Date,
    /// From which minute on which price, and in which band, from when on.
    switches: Vec<(u16, Decimal, Option<usize>, Timestamp)>,
}

impl Day {
    fn prices(&self) -> impl Iterator<Item = Decimal> {
        self.switches.iter().map(|(_, price, ..)| *price)
    }
}

/// The weeks ahead; nothing when a price is missing.
fn days(tariff: &Tariff, zone: &TimeZone, today: Date) -> Option<Vec<Day>> {
    let days = (0..WEEKS * 7).map(|ahead| {
        let date = today.checked_add(ahead.days()).ok()?;
        let start = time::day_start(date, zone)?;
        let end = time::day_start(date.tomorrow().ok()?, zone)?;
        let mut switches: Vec<(u16, Decimal, Option<usize>, Timestamp)> = Vec::new();
        for slot in tariff.slots(&Span::new(start, end)?) {
            let PriceSlot {
                span, base, band, ..
            } = slot;
            let price = tariff.all_in(base, span.start).ok()?;
            let local = zone.to_datetime(span.start).time();
            let minute =
                u16::try_from(local.hour()).ok()? * 60 + u16::try_from(local.minute()).ok()?;
            let last = switches.last();
            // The hour that comes twice in autumn is told once.
            if last.is_none_or(|(at, known, ..)| *known != price && *at < minute) {
                switches.push((minute, price, band, span.start));
            }
        }
        let is_whole = switches.first().is_some_and(|(minute, ..)| *minute == 0);
        is_whole.then_some(Day { date, switches })
    });
    days.collect()
}

fn calendar(tariff: &Tariff, days: &[Day], tiers: &[Decimal], now: Timestamp) -> Option<Calendar> {
    let mut kinds: Vec<Vec<(u16, u8)>> = Vec::new();
    let mut kind_of = Vec::new();
    for day in days {
        let entries = day.switches.iter().map(|(minute, price, ..)| {
            let place = tiers.iter().position(|one| one == price)?;
            Some((*minute, u8::try_from(place + 1).ok()?))
        });
        let entries: Vec<(u16, u8)> = entries.collect::<Option<_>>()?;
        let place = kinds.iter().position(|kind| *kind == entries);
        kind_of.push(place.unwrap_or(kinds.len()));
        if place.is_none() {
            kinds.push(entries);
        }
    }
    let mut week = [0; 7];
    for (place, usual) in week.iter_mut().enumerate() {
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        let same = days.iter().zip(&kind_of).filter(|(day, _)| {
            usize::try_from(day.date.weekday().to_monday_zero_offset()) == Ok(place)
        });
        for (_, kind) in same {
            *counts.entry(*kind).or_insert(0) += 1;
        }
        *usual = counts.into_iter().max_by_key(|(_, count)| *count)?.0;
    }
    let special = days.iter().zip(&kind_of).filter_map(|(day, kind)| {
        let weekday = day.date.weekday();
        let place = usize::try_from(weekday.to_monday_zero_offset()).ok()?;
        let date = day.date;
        let number = weekday.to_monday_one_offset();
        (week.get(place) != Some(kind)).then_some((
            date.year(),
            date.month(),
            date.day(),
            number,
            *kind,
        ))
    });
    Some(Calendar {
        name: tariff.name.clone(),
        start: seconds(now),
        special: special.collect(),
        days: kinds,
        week,
    })
}

/// The blocks of all bands, where there are some, and where they can be told: of one period, and
/// with the same thresholds where they are counted together.
fn blocks(
    tariff: &Tariff,
    days: &[Day],
    tiers: &[Decimal],
    zone: &TimeZone,
    today: Date,
) -> Option<BlockTariff> {
    let mut found: BTreeMap<u8, (&Band, Timestamp)> = BTreeMap::new();
    for (_, price, band, at) in days.iter().flat_map(|day| &day.switches) {
        let place = tiers.iter().position(|one| one == price)?;
        let band = tariff.bands.get((*band)?)?;
        let number = u8::try_from(place + 1).ok()?;
        let (known, _) = found.entry(number).or_insert((band, *at));
        if known.tiers != band.tiers {
            return None;
        }
    }
    let bands = || found.values().map(|(band, _)| *band);
    let first = bands().find(|band| band.tiers.len() > 1)?;
    let is_counted = |band: &Band| band.tiers.len() > 1;
    let together = bands().all(|band| band.counter == first.counter);
    let ends = |band: &Band| band.tiers.iter().map(|tier| tier.up_to).collect::<Vec<_>>();
    let same_ends = bands().all(|band| ends(band) == ends(first));
    let same_period = bands()
        .filter(|band| is_counted(band))
        .all(|band| band.period == first.period);
    if !same_period || (together && !same_ends) {
        return None;
    }
    let (start, end) = period(first.period, zone, today)?;
    let tier = |(number, (band, at)): (&u8, &(&Band, Timestamp))| {
        let block = |tier: &wattle_billing::tariff::Tier| {
            let wh = tier
                .up_to
                .map(|kwh| kwh.checked_mul(Decimal::ONE_THOUSAND)?.to_u64());
            let up_to_wh = match wh {
                Some(wh) => Some(wh?),
                None => None,
            };
            let per_kwh = tariff.all_in(tier.rate, *at).ok()?;
            Some(Block { up_to_wh, per_kwh })
        };
        let blocks = band.tiers.iter().map(block).collect::<Option<_>>()?;
        let number = *number;
        Some(BlockTier { number, blocks })
    };
    let minutes = end.duration_since(start).as_mins();
    Some(BlockTariff {
        label: tariff.name.clone(),
        start: seconds(start),
        minutes: u32::try_from(minutes).ok()?,
        tiers: found.iter().map(tier).collect::<Option<_>>()?,
        together,
    })
}

/// The period in which blocks are counted now.
fn period(period: TierPeriod, zone: &TimeZone, today: Date) -> Option<(Timestamp, Timestamp)> {
    let (first, next) = match period {
        TierPeriod::Day => (today, today.tomorrow().ok()?),
        TierPeriod::Month => {
            let first = today.first_of_month();
            (first, first.checked_add(1.month()).ok()?)
        }
        TierPeriod::Year => {
            let first = today.first_of_year();
            (first, first.checked_add(1.year()).ok()?)
        }
        // When the bill comes is not known here.
        TierPeriod::Bill => return None,
    };
    Some((time::day_start(first, zone)?, time::day_start(next, zone)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(text: &str, now: &str) -> Schedule {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tariff.toml");
        let head = "version = 1\nname = \"Haus\"\ncurrency = \"EUR\"\nzone = \"Europe/Berlin\"\n";
        std::fs::write(&file, format!("{head}{text}")).unwrap();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let tariff = Arc::new(crate::tariff::load(&file, &zone).unwrap());
        let mut schedule = Schedule::default();
        schedule.refresh(Some(&tariff), &zone, now.parse().unwrap());
        schedule
    }

    #[test]
    fn a_week_is_told_with_its_kinds_of_days_also_over_the_change_of_the_clock() {
        let text = "[bands.night]\nlabel = \"Nacht\"\nrate = \"0.25\"\n\
             [bands.day]\nlabel = \"Tag\"\nrate = \"0.35\"\n\
             [[schedule]]\nband = \"day\"\ndays = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\"]\nfrom = \"06:00\"\nto = \"22:00\"\n\
             [[schedule]]\nband = \"night\"\n";
        // 25 October 2026 has 25 hours, 1 January 2027 is a Friday.
        for now in ["2026-10-20T10:00:00Z", "2026-12-14T10:00:00Z"] {
            let schedule = schedule(text, now);
            let calendar = schedule.calendar.unwrap();
            assert_eq!(calendar.days.len(), 2, "{now}");
            assert_eq!(
                calendar.days[calendar.week[0]],
                [(0, 1), (360, 2), (1320, 1)]
            );
            assert_eq!(calendar.days[calendar.week[6]], [(0, 1)]);
            assert_eq!(schedule.tiers, [Decimal::new(25, 2), Decimal::new(35, 2)]);
            assert_eq!(schedule.blocks, None);
        }
    }

    #[test]
    fn blocks_of_the_month_are_told_with_all_that_a_kilowatt_hour_costs() {
        let text = "[bands.all]\nlabel = \"Strom\"\n\
             tiers = [{ up_to = \"300\", rate = \"0.21\" }, { rate = \"0.30\" }]\n\
             [[schedule]]\nband = \"all\"\n\
             [[adder]]\nid = \"levy\"\nlabel = \"Umlage\"\nper_kwh = \"0.02\"\n";
        let schedule = schedule(text, "2026-03-14T10:00:00Z");
        let blocks = schedule.blocks.unwrap();
        // March has an hour less: 31 days of 1440 minutes without 60.
        assert_eq!(blocks.minutes, 31 * 1440 - 60);
        let told: Vec<_> = blocks.tiers[0]
            .blocks
            .iter()
            .map(|block| (block.up_to_wh, block.per_kwh.to_string()))
            .collect();
        assert_eq!(
            told,
            [
                (Some(300_000), "0.23".to_owned()),
                (None, "0.32".to_owned())
            ]
        );
    }
}

//! The readings of an interval series on their grid.

use std::collections::HashSet;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{Config, Finding, Rule, Severity};
use crate::readings::{Reading, SeriesReadings, SourceTime};

/// More grid intervals are not laid out: 100 years of quarter-hours.
const MAX_CELLS: i64 = 4_000_000;

/// From the first to the last interval in steps of the series' length. A cell holds its reading.
pub(super) struct Grid<'a> {
    pub(super) series: u64,
    pub(super) step_s: i64,
    pub(super) cells: Vec<Option<&'a Reading>>,
    /// Time of each cell; a missing one has the offset of the one before.
    pub(super) times: Vec<SourceTime>,
    pub(super) zone: Option<TimeZone>,
}

impl<'a> Grid<'a> {
    /// Puts readings in their places; tells duplicates, disorder and what is missing.
    pub(super) fn build(one: &'a SeriesReadings, config: &Config) -> (Self, Vec<Finding>) {
        let id = one.series.series;
        let mut findings = Vec::new();
        let mut seen = HashSet::new();
        let mut kept: Vec<&Reading> = Vec::with_capacity(one.readings.len());
        let mut latest = None;
        for reading in &one.readings {
            let at = reading.time.at;
            if !seen.insert(at) {
                let detail = format!("{} was already read; the first reading stays", reading.time);
                findings.push(single(
                    id,
                    Rule::Duplicate,
                    Severity::Warning,
                    reading.time,
                    detail,
                ));
                continue;
            }
            if latest.is_some_and(|latest| at < latest) {
                let detail = format!(
                    "{} comes after a later reading; it is put in its place",
                    reading.time
                );
                findings.push(single(
                    id,
                    Rule::OutOfOrder,
                    Severity::Warning,
                    reading.time,
                    detail,
                ));
            }
            latest = latest.max(Some(at));
            kept.push(reading);
        }
        kept.sort_by_key(|reading| reading.time.at);
        let step_s = one
            .series
            .interval_s
            .filter(|step| *step > 0)
            .unwrap_or_else(|| usual_step(&kept));
        let mut grid = Self {
            series: id,
            step_s,
            cells: Vec::new(),
            times: Vec::new(),
            zone: config.known_zone(),
        };
        let (Some(first), Some(last)) = (kept.first(), kept.last()) else {
            return (grid, findings);
        };
        let length = (last.time.at.as_second() - first.time.at.as_second()) / step_s + 1;
        if length > MAX_CELLS {
            let detail =
                format!("{length} intervals from the first to the last are too many to check");
            findings.push(single(
                id,
                Rule::Missing,
                Severity::Fail,
                first.time,
                detail,
            ));
            return (grid, findings);
        }
        grid.cells = vec![None; usize::try_from(length).unwrap_or(0)];
        for reading in &kept {
            let place = grid.place(first.time, reading.time);
            if let Some(cell) = place.and_then(|place| grid.cells.get_mut(place)) {
                *cell = Some(reading);
            }
        }
        let mut time = first.time;
        for cell in &grid.cells {
            time = cell.map_or(time, |reading| reading.time);
            grid.times.push(time);
            time = time.after_s(step_s);
        }
        findings.extend(grid.missing());
        (grid, findings)
    }

    /// The cell of a time that lies on the grid.
    fn place(&self, first: SourceTime, time: SourceTime) -> Option<usize> {
        let seconds = time.at.as_second() - first.at.as_second();
        (seconds >= 0 && seconds % self.step_s == 0)
            .then(|| usize::try_from(seconds / self.step_s).ok())
            .flatten()
    }

    /// The cell that begins at an instant, or the end of the grid.
    pub(super) fn cell_at(&self, at: jiff::Timestamp) -> Option<usize> {
        let first = self.times.first()?;
        let place = self.place(*first, SourceTime::utc(at))?;
        (place <= self.cells.len()).then_some(place)
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(super) fn actual(&self) -> usize {
        self.cells.iter().flatten().count()
    }

    /// Length of so many cells.
    pub(super) fn seconds(&self, cells: usize) -> i64 {
        i64::try_from(cells)
            .unwrap_or(i64::MAX)
            .saturating_mul(self.step_s)
    }

    /// What the household's clock showed at the start of a cell.
    pub(super) fn local(&self, cell: usize) -> Option<DateTime> {
        let time = self.times.get(cell)?;
        Some(match &self.zone {
            Some(zone) => zone.to_datetime(time.at),
            None => time.local(),
        })
    }

    /// Stretches without a reading: first cell and length.
    pub(super) fn gaps(&self) -> Vec<(usize, usize)> {
        let mut found: Vec<(usize, usize)> = Vec::new();
        for (place, _) in self
            .cells
            .iter()
            .enumerate()
            .filter(|(_, cell)| cell.is_none())
        {
            match found
                .last_mut()
                .filter(|(first, length)| first + length == place)
            {
                Some((_, length)) => *length += 1,
                None => found.push((place, 1)),
            }
        }
        found
    }

    fn missing(&self) -> Vec<Finding> {
        let finding = |(first, count): (usize, usize)| {
            let from = *self.times.get(first)?;
            let to = self
                .times
                .get(first + count)
                .copied()
                .unwrap_or_else(|| from.after_s(self.seconds(count)));
            let detail = format!("{count} of {} intervals are missing", self.len());
            Some(Finding {
                series: self.series,
                rule: Rule::Missing,
                severity: Severity::Fail,
                from,
                to,
                count,
                detail,
            })
        };
        self.gaps().into_iter().filter_map(finding).collect()
    }
}

/// A finding about one reading.
pub(super) fn single(
    series: u64,
    rule: Rule,
    severity: Severity,
    time: SourceTime,
    detail: String,
) -> Finding {
    Finding {
        series,
        rule,
        severity,
        from: time,
        to: time,
        count: 1,
        detail,
    }
}

/// The shortest distance between readings, or their own length.
fn usual_step(kept: &[&Reading]) -> i64 {
    let own = kept
        .iter()
        .map(|reading| reading.duration_s)
        .find(|length| *length > 0);
    let between = kept.windows(2).filter_map(|pair| match pair {
        [a, b] => {
            Some(b.time.at.as_second() - a.time.at.as_second()).filter(|seconds| *seconds > 0)
        }
        _ => None,
    });
    own.or_else(|| between.min()).unwrap_or(900)
}

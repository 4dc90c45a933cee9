//! Block tariffs (annex D.4): what energy costs by how much was used since the period began.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::prices::{cut, scaled_to};
use super::{Made, PRICE, number_of};
use crate::value::{Record, Value};

/// The tariff's name has one octet of length and 24 of text (D.4.2.4.5).
const LABEL: usize = 24;
/// Tiers and blocks at most: four bits name each.
const TIERS: usize = 15;
const BLOCKS: usize = 15;
/// Prices of one message, which is not fragmented.
const PRICES: usize = 8;
/// Thresholds of one message.
const THRESHOLDS: usize = 6;
const PERIOD: u8 = 0x01;
const INFORMATION: u8 = 0x04;
const MATRIX: u8 = 0x05;
const LIMITS: u8 = 0x06;

/// A tariff whose price depends on how much was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockTariff {
    /// What the tariff is called; cut to what the message holds.
    pub label: String,
    /// When the present period began, seconds since 2000 UTC.
    pub start: u32,
    /// How long it lasts, minutes.
    pub minutes: u32,
    /// Its tiers; one where the price does not depend on the time.
    pub tiers: Vec<BlockTier>,
    /// All tiers are counted together.
    pub together: bool,
}

/// The blocks of a tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockTier {
    /// Which one, as [`super::Tier::number`] says it.
    pub number: u8,
    /// The blocks in order.
    pub blocks: Vec<Block>,
}

/// A block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// It ends when so much was used since the period began, Wh; `None` for the last one.
    pub up_to_wh: Option<u64>,
    /// What a kilowatt-hour costs within it, in the currency's unit.
    pub per_kwh: Decimal,
}

#[derive(Debug, Default)]
pub(super) struct Blocks {
    currency: u16,
    tariff: Option<BlockTariff>,
    /// Which content each display was told last.
    told: BTreeMap<u64, u32>,
}

/// A message: its command and its fields.
type Said = (u8, Record);

impl Blocks {
    pub(super) fn set(&mut self, currency: u16, tariff: Option<BlockTariff>) {
        let fits = |tariff: &BlockTariff| {
            let tiers = 1..=TIERS;
            let blocks = 1..=BLOCKS;
            let all = &tariff.tiers;
            tiers.contains(&all.len()) && all.iter().all(|tier| blocks.contains(&tier.blocks.len()))
        };
        (self.currency, self.tariff) = (currency, tariff.filter(fits));
    }

    pub(super) fn forget(&mut self, ieee: u64) {
        self.told.remove(&ieee);
    }

    /// How many thresholds the present tariff has; `None` without blocks.
    pub(super) fn thresholds(&self) -> Option<usize> {
        let tiers = &self.tariff.as_ref()?.tiers;
        tiers.iter().map(|tier| tier.blocks.len() - 1).max()
    }

    /// Everybody is told of a tariff, and of each period.
    pub(super) fn pass(&mut self, displays: &[u64]) -> Vec<Made> {
        let Some(tariff) = &self.tariff else {
            return Vec::new();
        };
        let content = content(tariff, self.currency);
        let all = [PERIOD, INFORMATION, MATRIX, LIMITS];
        let mut made = Vec::new();
        for ieee in displays {
            if self.told.insert(*ieee, content) == Some(content) {
                continue;
            }
            let said = all.iter().flat_map(|command| self.said(*command));
            made.extend(said.map(|(command, fields)| Made {
                ieee: *ieee,
                cluster: PRICE,
                command,
                fields,
            }));
        }
        made
    }

    /// The answer to a question: the period, the tariff, its prices or its thresholds; empty where
    /// there is none. `None` when it is another question.
    pub(super) fn answer(&self, command: u8, fields: &Record) -> Option<Vec<Said>> {
        let is_meant = self.tariff.as_ref().is_some_and(|tariff| {
            let id = fields.number("issuer_tariff_id");
            id.is_none_or(|id| id == u64::from(tariff_id(tariff, self.currency)))
        });
        let about = match command {
            0x03 => PERIOD,
            0x06 => INFORMATION,
            0x07 => MATRIX,
            0x08 => LIMITS,
            _ => return None,
        };
        Some(if is_meant {
            self.said(about)
        } else {
            Vec::new()
        })
    }

    fn said(&self, command: u8) -> Vec<Said> {
        let Some(tariff) = &self.tariff else {
            return Vec::new();
        };
        let event = content(tariff, self.currency);
        let id = tariff_id(tariff, self.currency);
        let number = |value: u32| Value::Unsigned(value.into());
        let head = Record::new()
            .with("provider_id", number(1))
            .with("issuer_event_id", number(event));
        match command {
            PERIOD => {
                let period = head
                    .with("block_period_start_time", number(tariff.start))
                    .with(
                        "block_period_duration",
                        number(tariff.minutes.min(0xFF_FFFE)),
                    )
                    .with("block_period_control", number(0))
                    // Minutes; a delivered tariff; in use by the block period.
                    .with("block_period_duration_type", number(0))
                    .with("tariff_type", number(0))
                    .with("tariff_resolution_period", number(0));
                vec![(PERIOD, period)]
            }
            INFORMATION => {
                let tiers = u32::try_from(tariff.tiers.len()).unwrap_or(0);
                let thresholds = self.thresholds().and_then(|one| u32::try_from(one).ok());
                let mode = match (tiers, tariff.together) {
                    (1, _) => 0,
                    (_, true) => 1,
                    (_, false) => 2,
                };
                let information = head
                    .with("issuer_tariff_id", number(id))
                    .with("start_time", number(tariff.start))
                    // Delivered; blocks alone, blocks and tiers with common thresholds or with
                    // thresholds of their own.
                    .with("tariff_type", number((mode + 1) << 4))
                    .with(
                        "tariff_label",
                        Value::Text(cut(&tariff.label, LABEL).to_owned()),
                    )
                    .with(
                        "number_of_price_tiers_in_use",
                        number(if tiers > 1 { tiers } else { 0 }),
                    )
                    .with(
                        "number_of_block_thresholds_in_use",
                        number(thresholds.unwrap_or(0)),
                    )
                    // Kilowatt-hours, in binary.
                    .with("unit_of_measure", number(0))
                    .with("currency", number(self.currency.into()))
                    .with("trailing_digit", number(digits(tariff)))
                    .with("reserved", number(0))
                    // What stands beside the energy is not told here.
                    .with("standing_charge", number(u32::MAX))
                    .with("tier_block_mode", number(mode))
                    // Watt-hours by the divisor.
                    .with("block_threshold_multiplier", number(1))
                    .with("block_threshold_divisor", number(1000));
                vec![(INFORMATION, information)]
            }
            MATRIX => parts(&head, tariff, id, MATRIX, &prices(tariff), PRICES, "prices"),
            _ => parts(
                &head,
                tariff,
                id,
                LIMITS,
                &thresholds(tariff),
                limits_at_once(tariff),
                "tiers",
            ),
        }
    }
}

/// So many tiers with their thresholds fit a message.
fn limits_at_once(tariff: &BlockTariff) -> usize {
    let most = tariff.tiers.iter().map(|tier| tier.blocks.len() - 1).max();
    (THRESHOLDS / most.unwrap_or(1).max(1)).max(1)
}

/// The same in as many messages as it takes.
fn parts(
    head: &Record,
    tariff: &BlockTariff,
    id: u32,
    command: u8,
    entries: &[Value],
    at_once: usize,
    name: &'static str,
) -> Vec<Said> {
    let number = |value: u32| Value::Unsigned(value.into());
    let chunks: Vec<&[Value]> = entries.chunks(at_once).collect();
    let total = u32::try_from(chunks.len()).unwrap_or(0);
    // Thresholds of a single list hold for all tiers.
    let single = command == LIMITS && (tariff.together || tariff.tiers.len() == 1);
    let said = chunks.into_iter().zip(0_u32..).map(|(chunk, index)| {
        let fields = head
            .clone()
            .with("start_time", number(tariff.start))
            .with("issuer_tariff_id", number(id))
            .with("command_index", number(index))
            .with("total_number_of_commands", number(total))
            .with("sub_payload_control", number(single.into()))
            .with(name, Value::List(chunk.to_vec()));
        (command, fields)
    });
    said.collect()
}

fn prices(tariff: &BlockTariff) -> Vec<Value> {
    let digits = u8::try_from(digits(tariff)).unwrap_or(0);
    let mut prices = Vec::new();
    for tier in &tariff.tiers {
        // A single tier has no number.
        let number = if tariff.tiers.len() > 1 {
            tier.number
        } else {
            0
        };
        for (block, place) in tier.blocks.iter().zip(0_u8..) {
            let price = scaled_to(block.per_kwh, digits).unwrap_or(u32::MAX);
            let entry = Record::new()
                .with(
                    "tier_block_id",
                    Value::Unsigned((number << 4 | place).into()),
                )
                .with("price", Value::Unsigned(price.into()));
            prices.push(Value::Record(entry));
        }
    }
    prices
}

fn thresholds(tariff: &BlockTariff) -> Vec<Value> {
    let single = tariff.together || tariff.tiers.len() == 1;
    let all = tariff.tiers.iter().take(if single { 1 } else { TIERS });
    let entry = |tier: &BlockTier| {
        let ends: Vec<Value> = tier
            .blocks
            .iter()
            .filter_map(|block| block.up_to_wh)
            .map(Value::Unsigned)
            .collect();
        let number = if single { 0 } else { tier.number };
        let fields = Record::new()
            .with("tier", Value::Unsigned(number.into()))
            .with(
                "number_of_block_thresholds",
                Value::Unsigned(ends.len() as u64),
            )
            .with("block_thresholds", Value::List(ends));
        Value::Record(fields)
    };
    all.map(entry).collect()
}

/// As many decimals as the prices have, as far as all of them fit.
fn digits(tariff: &BlockTariff) -> u32 {
    let prices = || tariff.tiers.iter().flat_map(|tier| &tier.blocks);
    let scales = prices().map(|block| block.per_kwh.normalize().scale());
    let wanted = scales.max().unwrap_or(0).min(9);
    let fits = |digits: &u32| {
        let digits = u8::try_from(*digits).unwrap_or(0);
        prices().all(|block| scaled_to(block.per_kwh, digits).is_some())
    };
    (0..=wanted).rev().find(fits).unwrap_or(0)
}

/// The number of the tariff, whichever period it is.
fn tariff_id(tariff: &BlockTariff, currency: u16) -> u32 {
    let text = format!(
        "{} {currency} {:?} {}",
        tariff.label, tariff.tiers, tariff.together
    );
    number_of(&[text.as_bytes()])
}

/// The number of the tariff in this period.
fn content(tariff: &BlockTariff, currency: u16) -> u32 {
    let id = tariff_id(tariff, currency).to_be_bytes();
    number_of(&[&id, &tariff.start.to_be_bytes()])
}

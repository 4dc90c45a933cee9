//! Attributes that devices read: what the gateway is, the time (Zigbee Cluster Library, 3.12), the
//! meter (annex D.3), and the suite of key establishment.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use crate::value::Value;
use crate::zigbee::key_establishment::Suite;
use crate::zigbee::zcl::write::Attribute;

use super::tunnels::TIMEOUT_S;
use super::{KEY_ESTABLISHMENT, METERING, PREPAYMENT, TIME, TUNNELING};

/// The zone of the home: what makes local time of UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LocalTime {
    /// Local standard time is so many seconds ahead of UTC.
    pub offset_s: i32,
    /// When the present or the next summer time begins, seconds since 2000 UTC; equal to the end where there is
    /// none.
    pub summer_start: u32,
    /// When it ends.
    pub summer_end: u32,
    /// Summer time is so many seconds ahead of standard time.
    pub summer_shift_s: i32,
}

impl LocalTime {
    fn standard(self, now: u32) -> u32 {
        now.saturating_add_signed(self.offset_s)
    }

    fn local(self, now: u32) -> u32 {
        let is_summer = (self.summer_start..self.summer_end).contains(&now);
        let shift = if is_summer { self.summer_shift_s } else { 0 };
        self.standard(now).saturating_add_signed(shift)
    }
}

/// What the meter shows; what it does not tell is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mirror {
    /// Energy drawn from the grid, Wh.
    pub import_wh: Option<u64>,
    /// Energy fed in, Wh.
    pub export_wh: Option<u64>,
    /// Power at the meter, W; import is positive.
    pub power_w: Option<i32>,
}

/// What a household that pays in advance has, in the tariff's currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Credit, emergency credit not included.
    pub balance: Decimal,
    /// When that was true, seconds since 2000 UTC.
    pub at: u32,
    /// At or below the threshold for telling the household.
    pub low: bool,
    /// Emergency credit that can still be used, in use or not.
    pub emergency: Option<Decimal>,
    /// Emergency credit is in use.
    pub emergency_in_use: bool,
    /// The supply is off for want of credit.
    pub exhausted: bool,
    /// What is owed in all.
    pub debt: Decimal,
}

impl Account {
    /// Hundredths of the currency's unit, towards zero so that no credit is told that is not there.
    fn hundredths(amount: Decimal) -> Option<i64> {
        let hundredths = amount.checked_mul(Decimal::ONE_HUNDRED)?.trunc();
        hundredths.to_i32().map(i64::from)
    }

    /// Bits of the credit status (D.7.2.2.1.4).
    fn status(self) -> u64 {
        let bits = [
            (!self.low && !self.exhausted, 0x01),
            (self.low, 0x02),
            (self.emergency.is_some(), 0x04 | 0x08),
            (self.emergency_in_use, 0x10 | 0x20),
            (self.exhausted, 0x40),
        ];
        let set = bits.iter().filter(|(is_set, _)| *is_set);
        set.fold(0, |status, (_, bit)| status | bit)
    }
}

#[derive(Debug, Default)]
pub(super) struct Attributes {
    pub(super) currency: u16,
    pub(super) account: Option<Account>,
    pub(super) local: LocalTime,
    pub(super) mirror: Mirror,
    pub(super) suite: Option<Suite>,
}

impl Attributes {
    pub(super) fn read(&self, cluster: u16, id: u16, now: u32) -> Option<Attribute> {
        let (type_id, value) = match cluster {
            0x0000 => basic(id)?,
            TIME => self.time(id, now)?,
            METERING => self.meter(id)?,
            PREPAYMENT => self.account(id)?,
            // How long a silent tunnel stays.
            TUNNELING if id == 0x0000 => (0x21, Value::Unsigned(TIMEOUT_S.into())),
            KEY_ESTABLISHMENT if id == 0x0000 => {
                let bits = self.suite.map_or(0, Suite::number);
                (0x19, Value::Unsigned(bits.into()))
            }
            _ => return None,
        };
        Some(Attribute { id, type_id, value })
    }

    fn time(&self, id: u16, now: u32) -> Option<(u8, Value)> {
        let number = |number: u32| Value::Unsigned(number.into());
        Some(match id {
            0x0000 => (0xE2, number(now)),
            // It is the master of time and of its zone.
            0x0001 => (0x18, Value::Unsigned(0b0101)),
            0x0002 => (0x2B, Value::Signed(self.local.offset_s.into())),
            0x0003 => (0x23, number(self.local.summer_start)),
            0x0004 => (0x23, number(self.local.summer_end)),
            0x0005 => (0x2B, Value::Signed(self.local.summer_shift_s.into())),
            0x0006 => (0x23, number(self.local.standard(now))),
            0x0007 => (0x23, number(self.local.local(now))),
            0x0008 => (0xE2, number(now)),
            // Read again after a day: the rules of summer time may change.
            0x0009 => (0xE2, number(now.saturating_add(86_400))),
            _ => return None,
        })
    }

    fn meter(&self, id: u16) -> Option<(u8, Value)> {
        const INT24: i32 = 0x7F_FFFF;
        Some(match id {
            0x0000 => (0x25, Value::Unsigned(self.mirror.import_wh?)),
            0x0001 => (0x25, Value::Unsigned(self.mirror.export_wh?)),
            0x0200 => (0x18, Value::Unsigned(0)),
            // Kilowatt-hours in binary: watt-hours by the divisor.
            0x0300 => (0x30, Value::Unsigned(0)),
            0x0301 => (0x22, Value::Unsigned(1)),
            0x0302 => (0x22, Value::Unsigned(1000)),
            // Three digits after the point, up to nine before it.
            0x0303 | 0x0304 => (0x18, Value::Unsigned(0b0100_1011)),
            // An electricity meter.
            0x0306 => (0x18, Value::Unsigned(0)),
            0x0400 => {
                let power = self.mirror.power_w?.clamp(-INT24, INT24);
                (0x2A, Value::Signed(power.into()))
            }
            _ => return None,
        })
    }
}

impl Attributes {
    /// The account (annex D.7): where nobody pays in advance, nothing of it is supported.
    fn account(&self, id: u16) -> Option<(u8, Value)> {
        let account = self.account?;
        let amount = |amount| Some((0x2B, Value::Signed(Account::hundredths(amount)?)));
        match id {
            // Prepayment, shown to people, in money.
            0x0000 => Some((0x19, Value::Unsigned(0x0012))),
            0x0001 => amount(account.balance),
            0x0002 => amount(account.emergency?),
            0x0003 => Some((0x18, Value::Unsigned(account.status()))),
            0x0004 => Some((0xE2, Value::Unsigned(account.at.into()))),
            0x0005 => amount(account.debt),
            // Amounts are hundredths of the currency's unit (table D-144).
            0x0502 => Some((0x30, Value::Unsigned(0x04))),
            0x0503 => Some((0x21, Value::Unsigned(self.currency.into()))),
            _ => None,
        }
    }
}

fn basic(id: u16) -> Option<(u8, Value)> {
    Some(match id {
        0x0000 => (0x20, Value::Unsigned(8)),
        0x0004 => (0x42, Value::Text("wattle".to_owned())),
        0x0005 => (0x42, Value::Text("gateway".to_owned())),
        // Mains.
        0x0007 => (0x30, Value::Unsigned(1)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r15_local_time_is_right_on_both_days_of_the_change() {
        // Berlin, 2026: from 29 March 01:00 UTC to 25 October 01:00 UTC (date -u -d … +%s).
        let epoch = 946_684_800;
        let (start, end) = (1_774_746_000 - epoch, 1_792_890_000 - epoch);
        let attributes = Attributes {
            local: LocalTime {
                offset_s: 3600,
                summer_start: start,
                summer_end: end,
                summer_shift_s: 3600,
            },
            ..Attributes::default()
        };
        let of_day = |now: u32| {
            let attribute = attributes.read(TIME, 0x0007, now).unwrap();
            let second = attribute.value.as_u64().unwrap() % 86_400;
            (second / 3600, second / 60 % 60, second % 60)
        };
        // At 01:59:59 follows 03:00:00, and at 02:59:59 follows 02:00:00.
        assert_eq!(of_day(start - 1), (1, 59, 59));
        assert_eq!(of_day(start), (3, 0, 0));
        assert_eq!(of_day(end - 1), (2, 59, 59));
        assert_eq!(of_day(end), (2, 0, 0));
        let standard = attributes.read(TIME, 0x0006, start).unwrap();
        assert_eq!(standard.value.as_u64(), Some(u64::from(start) + 3600));
    }

    #[test]
    fn what_the_meter_does_not_tell_is_not_supported() {
        let mut attributes = Attributes::default();
        assert_eq!(attributes.read(METERING, 0x0000, 0), None);
        attributes.mirror.power_w = Some(-20_000_000);
        let power = attributes.read(METERING, 0x0400, 0).unwrap().value;
        assert_eq!(power, Value::Signed(-0x7F_FFFF));
    }
}

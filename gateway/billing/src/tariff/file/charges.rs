//! What comes on top of the energy: adders, standing, power and demand charges, export and taxes.

use rust_decimal::Decimal;

use super::super::calendar::Calendar;
use super::super::table::{
    AdderTable, DemandTable, Exact, ExportTable, Name, PerName, PowerTable, StandingTable, TaxTable,
};
use super::super::{
    Adder, Demand, DemandWhen, Export, ExportPrice, Kind, Per, Power, Standing, StandingAmount,
    TariffError, Tax, Tier,
};
use super::build::Build;

impl Build<'_> {
    pub(super) fn fresh<'n>(
        &self,
        id: &Name,
        mut taken: impl Iterator<Item = &'n str>,
    ) -> Result<String, TariffError> {
        let written = id.get_ref();
        if taken.any(|known| known == written) {
            return Err(self.file.at(id, format!("id {written:?} is used twice")));
        }
        Ok(written.clone())
    }

    pub(super) fn adder(
        &self,
        calendar: &Calendar,
        before: &[Adder],
        table: AdderTable,
    ) -> Result<Adder, TariffError> {
        let id = self.fresh(&table.id, before.iter().map(|adder| adder.id.as_str()))?;
        Ok(Adder {
            label: table.label.unwrap_or_else(|| id.clone()),
            id,
            per_kwh: table.per_kwh.0,
            filter: self.filter(
                calendar,
                &table.seasons,
                &table.day_types,
                table.days,
                table.from,
                table.to,
            )?,
        })
    }

    pub(super) fn standing(
        &self,
        before: &[Standing],
        table: StandingTable,
    ) -> Result<Standing, TariffError> {
        let id = self.fresh(
            &table.id,
            before.iter().map(|standing| standing.id.as_str()),
        )?;
        Ok(Standing {
            label: table.label.unwrap_or_else(|| id.clone()),
            id,
            amount: StandingAmount::Fixed(table.amount.0),
            per: match table.per {
                PerName::Day => Per::Day,
                PerName::Month => Per::Month,
                PerName::Year => Per::Year,
            },
            zone: None,
        })
    }

    pub(super) fn power(&self, before: &[Power], table: PowerTable) -> Result<Power, TariffError> {
        let (rate, per) = match (table.per_kw_day, table.per_kw_month) {
            (Some(rate), None) => (rate.0, Per::Day),
            (None, Some(rate)) => (rate.0, Per::Month),
            _ => {
                return Err(self.file.at(
                    &table.id,
                    "give either per_kw_day or per_kw_month".to_owned(),
                ));
            }
        };
        let id = self.fresh(&table.id, before.iter().map(|power| power.id.as_str()))?;
        Ok(Power {
            label: table.label.unwrap_or_else(|| id.clone()),
            id,
            kw: table.kw.0,
            rate,
            per,
        })
    }

    pub(super) fn demand(
        &self,
        calendar: &Calendar,
        before: &[Demand],
        table: DemandTable,
    ) -> Result<Demand, TariffError> {
        let tiers = match (table.rate, &table.tiers) {
            (Some(rate), None) => vec![Tier {
                up_to: None,
                rate: rate.0,
            }],
            (None, Some(tiers)) => self.tiers("demand", tiers)?,
            _ => {
                return Err(self
                    .file
                    .at(&table.id, "give either rate or tiers".to_owned()));
            }
        };
        let filter = self.filter(
            calendar,
            &table.seasons,
            &table.day_types,
            table.days,
            table.from,
            table.to,
        )?;
        let average_months = table.average_months.unwrap_or(1);
        if !(1..=120).contains(&average_months) {
            return Err(self
                .file
                .at(&table.id, "average_months is within 1 to 120".to_owned()));
        }
        // The same charge may be stated once per band.
        let same = before.iter().filter(|demand| demand.band == table.band);
        let id = self.fresh(&table.id, same.map(|demand| demand.id.as_str()))?;
        Ok(Demand {
            label: table.label.unwrap_or_else(|| id.clone()),
            id,
            band: table.band,
            when: DemandWhen::Filter(filter),
            tiers,
            minimum_kw: table.minimum_kw.map(|exact| exact.0),
            average_months,
        })
    }

    pub(super) fn export(&self, table: ExportTable) -> Result<Export, TariffError> {
        let number = |exact: Option<Exact>, other| exact.map_or(other, |exact| exact.0);
        let price = match (&table.price, table.rate) {
            (None, Some(rate)) => ExportPrice::Fixed(rate.0),
            (Some(name), None) if name.get_ref() == "market" => ExportPrice::Market {
                multiplier: number(table.multiplier, Decimal::ONE),
                adder: number(table.adder, Decimal::ZERO),
            },
            (Some(name), None) => return Err(self.file.unknown(name, "export price", &["market"])),
            _ => {
                return Err(self
                    .file
                    .whole("export: give either price = \"market\" or rate"));
            }
        };
        if matches!(price, ExportPrice::Fixed(_))
            && (table.multiplier.is_some() || table.adder.is_some())
        {
            return Err(self
                .file
                .whole("export: multiplier and adder belong to price = \"market\""));
        }
        Ok(Export {
            label: table.label.unwrap_or_else(|| "Export".to_owned()),
            price,
        })
    }

    pub(super) fn tax(&self, before: &[Tax], table: TaxTable) -> Result<Tax, TariffError> {
        let id = self.fresh(&table.id, before.iter().map(|tax| tax.id.as_str()))?;
        let (mut on, mut on_taxes) = (Vec::new(), Vec::new());
        match &table.on {
            None => {
                on.extend(Kind::CHARGES);
                on_taxes.extend(0..before.len());
            }
            Some(names) => {
                for name in names {
                    let earlier = before.iter().position(|tax| tax.id == *name.get_ref());
                    match earlier.filter(|index| !on_taxes.contains(index)) {
                        Some(index) => on_taxes.push(index),
                        None => on.push(self.kind(name)?),
                    }
                }
            }
        }
        on.dedup();
        Ok(Tax {
            label: table.label.unwrap_or_else(|| id.clone()),
            id,
            rate: table.rate.0,
            on,
            on_taxes,
        })
    }

    pub(super) fn kind(&self, name: &Name) -> Result<Kind, TariffError> {
        let kinds = [
            Kind::Energy,
            Kind::Adder,
            Kind::Standing,
            Kind::Power,
            Kind::Demand,
            Kind::Minimum,
            Kind::Export,
        ];
        let found = kinds.into_iter().find(|kind| kind.name() == name.get_ref());
        found.ok_or_else(|| {
            self.file
                .unknown(name, "kind of line or earlier tax", &kinds.map(Kind::name))
        })
    }
}

//! A driver: named values from the records and payloads of one family of meters.

use std::sync::Arc;

use jiff::civil;
use rust_decimal::Decimal;

use super::error::DriverError;
use super::expression::{Expression, Term};
use super::file::{DriverFile, FieldEntry, LookupEntry, Role, SCHEMA, TextForm};
use super::layout::Layout;
use super::lookup;
use super::name::Name;
use super::plausible::Limits;
use super::select::Select;
use super::text;
use super::units::{self, Form};
use super::values::Values;
use crate::key::octets;
use crate::mbus::{self, DeviceAddress, DeviceType, Field, FieldValue, Record, Records, Value};
use crate::wmbus::MeterKey;

/// What a driver reads from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Standard records; none when the payload is not of the standard.
    pub records: &'a [Record<'a>],
    /// What stands behind DIF 0F or 1F.
    pub manufacturer_data: Option<&'a [u8]>,
    /// The opened payload, behind the transport header.
    pub payload: &'a [u8],
    /// The frame from its L field on; empty for wired meters.
    pub frame: &'a [u8],
    /// The sender's address.
    pub link_address: DeviceAddress,
    /// The status byte of the transport header.
    pub status: Option<u8>,
    /// The meter's key, for payloads that are scrambled in the maker's own way.
    pub key: Option<&'a [u8]>,
}

/// What a driver has read.
#[derive(Clone, Debug, PartialEq)]
pub struct DriverReading {
    /// Named values in the driver's order.
    pub fields: Vec<Field>,
    /// Place of the main index in `fields`.
    pub index: Option<usize>,
    /// A layout of the driver fits the payload.
    pub layout_fits: bool,
    /// The payload was read by a layout in place of records.
    pub payload_is_proprietary: bool,
    /// The meter's address, where a record tells it.
    pub address: Option<DeviceAddress>,
}

/// A driver that was checked.
#[derive(Clone, Debug)]
pub struct Driver {
    id: String,
    aliases: Vec<String>,
    medium: Option<String>,
    media: Vec<(u8, String)>,
    detect: Vec<super::detect::Detect>,
    address_record: Option<Vec<u8>>,
    compact: Vec<Vec<u8>>,
    default_keys: Vec<MeterKey>,
    layouts: Vec<Layout>,
    fields: Vec<FieldSpec>,
    limits: Vec<(String, Limits)>,
    /// Maker's words for the status byte, where the status field has no record.
    header_words: Vec<LookupEntry>,
    needs_values: bool,
    pub(super) tests: Vec<super::file::TestEntry>,
}

#[derive(Clone, Debug)]
struct FieldSpec {
    name: Name,
    form: Form,
    role: Option<Role>,
    source: FieldSource,
    raw: bool,
    unsigned: bool,
    scale: Option<(u64, u64)>,
    null: Option<Decimal>,
    text: TextForm,
    lookup: Vec<LookupEntry>,
    header_status: bool,
    status: bool,
    inject: bool,
    hidden: bool,
    optional: bool,
    when_there: Option<String>,
}

#[derive(Clone, Debug)]
enum FieldSource {
    Records(Select, Option<Expression>),
    Value(String),
    Formula(Expression),
    HeaderStatus,
}

impl Driver {
    /// Reads and checks a driver file. Its own tests are run by [`super::DriverSet::add`].
    ///
    /// # Errors
    /// [`DriverError`] names the rule that is broken.
    pub fn parse(text: &str) -> Result<Self, DriverError> {
        let file: DriverFile =
            toml::from_str(text).map_err(|error| DriverError::Form(error.to_string()))?;
        if file.schema != SCHEMA {
            return Err(DriverError::Schema(file.schema));
        }
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || b"_-".contains(&it))
        };
        if let Some(wrong) = std::iter::once(&file.id)
            .chain(&file.aliases)
            .find(|it| !is_name(it))
        {
            return Err(DriverError::Value(wrong.clone(), "a name of a driver"));
        }
        let layouts: Vec<Layout> = file
            .layout
            .iter()
            .map(Layout::read)
            .collect::<Result<_, _>>()?;
        let fields: Vec<FieldSpec> = file
            .field
            .iter()
            .map(FieldSpec::read)
            .collect::<Result<_, _>>()?;
        check_names(&fields, &layouts)?;
        let hex = |text: &String| {
            octets(text)
                .ok_or_else(|| DriverError::Value(text.clone(), "an even number of hex digits"))
        };
        let limits = file
            .plausible
            .iter()
            .map(|(name, entry)| Ok((name.clone(), Limits::read(entry)?)))
            .collect::<Result<_, DriverError>>()?;
        let without_record = |field: &&FieldSpec| {
            field.header_status && matches!(field.source, FieldSource::HeaderStatus)
        };
        let header_words = match fields.iter().find(without_record) {
            Some(field) if file.header_status.is_empty() => field.lookup.clone(),
            _ => file.header_status.clone(),
        };
        Ok(Self {
            needs_values: fields.iter().any(FieldSpec::needs_values),
            id: file.id,
            aliases: file.aliases,
            medium: file.medium,
            media: file
                .media
                .iter()
                .map(|(code, medium)| {
                    let octets = octets(code).unwrap_or_default();
                    let [code] = *octets.as_slice() else {
                        return Err(DriverError::Value(code.clone(), "two hex digits"));
                    };
                    Ok((code, medium.clone()))
                })
                .collect::<Result<_, _>>()?,
            detect: file
                .detect
                .iter()
                .map(|it| super::detect::Detect::read(it))
                .collect::<Result<_, _>>()?,
            address_record: file.address_record.as_ref().map(hex).transpose()?,
            default_keys: file
                .default_keys
                .iter()
                .map(|text| {
                    MeterKey::from_hex(text).map_err(|_| {
                        DriverError::Value(text.clone(), "a key of 16 or 32 hex digits")
                    })
                })
                .collect::<Result<_, _>>()?,
            compact: file.compact.iter().map(hex).collect::<Result<_, _>>()?,
            layouts,
            fields,
            limits,
            header_words,
            tests: file.test,
        })
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Other names by which it may be asked for.
    #[must_use]
    pub fn aliases(&self) -> &[String] {
        &self.aliases
    }

    /// The medium, where the driver knows it better than the meter's address tells.
    #[must_use]
    pub fn medium(&self, device_type: DeviceType) -> Option<&str> {
        let own = self.media.iter().find(|(code, _)| *code == device_type.0);
        own.map(|(_, medium)| medium.as_str())
            .or(self.medium.as_deref())
    }

    /// Formats of compact frames of its meters.
    #[must_use]
    pub fn compact_formats(&self) -> &[Vec<u8>] {
        &self.compact
    }

    /// Keys that the maker gives all meters.
    #[must_use]
    pub fn default_keys(&self) -> &[MeterKey] {
        &self.default_keys
    }

    /// Limits of what is believed of a field.
    #[must_use]
    pub fn limits(&self, field: &str) -> Option<&Limits> {
        self.limits
            .iter()
            .find(|(name, _)| name == field)
            .map(|(_, limits)| limits)
    }

    /// What a field is for, beyond what its name says.
    #[must_use]
    pub fn role(&self, field: &str) -> Option<Role> {
        self.fields
            .iter()
            .find(|spec| spec.name.text() == field)?
            .role
    }

    /// True when it is for meters of this address.
    #[must_use]
    pub fn is_for(&self, address: DeviceAddress) -> bool {
        self.detect.iter().any(|detect| detect.is(address))
    }

    /// Reads a telegram.
    #[must_use]
    pub fn read(&self, source: &Source<'_>) -> DriverReading {
        let mut values = Values::default();
        let mut layout_fits = false;
        let mut payload_is_proprietary = false;
        let mut synthesized = Vec::new();
        for layout in &self.layouts {
            if layout.apply(source, &mut values, &mut synthesized) {
                layout_fits = true;
                payload_is_proprietary |= layout.is_of_payload();
            }
        }
        let mut all = Vec::new();
        let records = if synthesized.is_empty() {
            source.records
        } else {
            all.extend_from_slice(source.records);
            all.extend(Records::new(&synthesized).map_while(Result::ok));
            all.as_slice()
        };
        let mut run = Run {
            driver: self,
            source,
            records,
            values,
            fields: Vec::with_capacity(self.fields.len()),
            index: None,
            injected: String::new(),
            status: None,
        };
        for spec in &self.fields {
            run.field(spec);
        }
        run.join_status();
        DriverReading {
            address: self.address(source),
            fields: run.fields,
            index: run.index,
            layout_fits,
            payload_is_proprietary,
        }
    }

    fn address(&self, source: &Source<'_>) -> Option<DeviceAddress> {
        let key = self.address_record.as_ref()?;
        let record = source.records.iter().find(|record| record.key() == key)?;
        record
            .data
            .try_into()
            .ok()
            .map(DeviceAddress::from_long_header)
    }
}

fn check_names(fields: &[FieldSpec], layouts: &[Layout]) -> Result<(), DriverError> {
    let mut known: Vec<&str> = layouts.iter().flat_map(Layout::names).collect();
    known.push("header_status");
    for spec in fields {
        let field = spec.name.text();
        let mut missing = None;
        let mut check = |name: &str, of_record: bool| {
            let numbers = of_record && matches!(name, "storage" | "tariff" | "subunit" | "value");
            if !numbers && !known.contains(&name) {
                missing = Some(name.to_owned());
            }
        };
        match &spec.source {
            FieldSource::Records(_, Some(formula)) => formula.names(&mut |name| check(name, true)),
            FieldSource::Formula(formula) => formula.names(&mut |name| check(name, false)),
            FieldSource::Value(name) => check(name, false),
            FieldSource::Records(_, None) | FieldSource::HeaderStatus => {}
        }
        if let Some(name) = missing {
            return Err(DriverError::UnknownName {
                field: field.to_owned(),
                name,
            });
        }
        known.push(field);
    }
    Ok(())
}

/// A field's value in a unit of the model, by the unit at the end of its name.
#[must_use]
pub fn in_unit(field: &Field) -> Option<(Decimal, crate::mbus::Unit)> {
    match units::of_name(&field.name)? {
        Form::Number(suffix) => suffix.in_unit(field.value.number()?),
        _ => None,
    }
}

impl FieldSpec {
    fn read(entry: &FieldEntry) -> Result<Self, DriverError> {
        let name = Name::read(&entry.name)
            .ok_or_else(|| DriverError::Value(entry.name.clone(), "a name of a field"))?;
        let form = match entry.text {
            Some(_) => Form::Text,
            None if !entry.lookup.is_empty() || entry.header_status || entry.status => Form::Text,
            None => units::of_name(&entry.name).unwrap_or(Form::Text),
        };
        let decimal = |text: &String| {
            text.parse()
                .map_err(|_| DriverError::Value(text.clone(), "a decimal number"))
        };
        let formula = entry.calc.as_deref().map(Expression::parse).transpose()?;
        let source = match (&entry.select, &entry.from, formula) {
            (Some(select), None, formula) => FieldSource::Records(Select::read(select)?, formula),
            (None, Some(from), None) => FieldSource::Value(from.clone()),
            (None, None, Some(formula)) => FieldSource::Formula(formula),
            (None, None, None) if entry.header_status => FieldSource::HeaderStatus,
            _ => return Err(DriverError::Source(entry.name.clone())),
        };
        Ok(Self {
            name,
            form,
            role: entry.role,
            source,
            raw: entry.raw,
            unsigned: entry.unsigned,
            scale: entry.scale.as_deref().map(fraction).transpose()?,
            null: entry.null.as_ref().map(decimal).transpose()?,
            text: entry.text.unwrap_or(TextForm::Hex),
            lookup: entry.lookup.clone(),
            header_status: entry.header_status,
            status: entry.status,
            inject: entry.inject,
            hidden: entry.hidden,
            optional: entry.optional,
            when_there: entry.when_there.clone(),
        })
    }

    const fn needs_values(&self) -> bool {
        matches!(
            self.source,
            FieldSource::Value(_) | FieldSource::Formula(_) | FieldSource::Records(_, Some(_))
        )
    }
}

/// A factor: `"0.01"`, `"1/3"`, `"1/3.6"`.
pub(super) fn fraction(text: &str) -> Result<(u64, u64), DriverError> {
    let error = || DriverError::Value(text.to_owned(), "a factor like \"0.01\" or \"1/3\"");
    let (above, below) = text.split_once('/').unwrap_or((text, "1"));
    let parts = |text: &str| -> Option<(u64, u64)> {
        let number: Decimal = text.trim().parse().ok()?;
        let number = number.normalize();
        let ten = 10u64.checked_pow(number.scale())?;
        Some((u64::try_from(number.mantissa()).ok()?, ten))
    };
    let ((above, above_ten), (below, below_ten)) =
        parts(above).zip(parts(below)).ok_or_else(error)?;
    let numerator = above.checked_mul(below_ten).ok_or_else(error)?;
    let denominator = below
        .checked_mul(above_ten)
        .filter(|it| *it != 0)
        .ok_or_else(error)?;
    Ok((numerator, denominator))
}

/// One reading in progress.
struct Run<'a> {
    driver: &'a Driver,
    source: &'a Source<'a>,
    /// The telegram's records, and those that layouts made of other bytes.
    records: &'a [Record<'a>],
    values: Values,
    fields: Vec<Field>,
    index: Option<usize>,
    injected: String,
    /// Place of the status field.
    status: Option<usize>,
}

impl Run<'_> {
    fn field(&mut self, spec: &FieldSpec) {
        let missing = |name: &String| !self.values.has(name);
        if spec.when_there.as_ref().is_some_and(missing) {
            return;
        }
        match &spec.source {
            FieldSource::Records(select, formula) => self.records(spec, select, formula.as_ref()),
            FieldSource::Value(name) => {
                if self.values.has(name) {
                    let term = self.values.term(name);
                    self.term(spec, term, None);
                } else if spec.header_status {
                    self.put(spec, None, FieldValue::Text(self.header_status("OK")));
                }
            }
            FieldSource::Formula(formula) => {
                let term = formula.evaluate(&|name| self.lookup(name, None));
                self.term(spec, term, None);
            }
            FieldSource::HeaderStatus => {
                self.put(spec, None, FieldValue::Text(self.header_status("OK")));
            }
        }
    }

    fn lookup(&self, name: &str, record: Option<&Record<'_>>) -> Option<Term> {
        let number = |number: u64| Some(Term::Number(Decimal::from(number)));
        match (name, record) {
            ("storage", Some(record)) => number(record.storage),
            ("tariff", Some(record)) => number(u64::from(record.tariff)),
            ("subunit", Some(record)) => number(u64::from(record.subunit)),
            ("value", Some(record)) => record.value().number().map(Term::Number),
            ("header_status", _) => number(u64::from(self.source.status?)),
            _ => self.values.term(name),
        }
    }

    fn records(&mut self, spec: &FieldSpec, select: &Select, formula: Option<&Expression>) {
        if select.is_profile() {
            self.profile(spec, select);
            return;
        }
        let records = self.records;
        let mut count = 0;
        let mut found = false;
        for record in records.iter().filter(|record| select.fits(record)) {
            count += 1;
            if !select.is_many() && count != select.nth() {
                continue;
            }
            found = true;
            if let Some(formula) = formula {
                let term = formula.evaluate(&|name| self.lookup(name, Some(record)));
                self.term(spec, term, Some(record));
            } else if let Some(value) = self.record_value(spec, record) {
                self.put(spec, Some(record), value);
            }
            if !select.is_many() {
                break;
            }
        }
        if !found && spec.header_status {
            // The status itself may carry a VIFE that says by which standard its bits are.
            let mut loosely = records.iter().filter(|record| select.fits_loosely(record));
            if let Some(value) = loosely.next().and_then(|it| self.record_value(spec, it)) {
                self.put(spec, None, value);
                return;
            }
            self.put(spec, None, FieldValue::Text(self.header_status("OK")));
        }
    }

    /// Values or dates of compact profiles.
    fn profile(&mut self, spec: &FieldSpec, select: &Select) {
        let records = self.records;
        for record in records.iter().filter(|record| select.fits_profile(record)) {
            for slot in mbus::slots(record, records).unwrap_or_default() {
                if !select.holds_storage(slot.storage) {
                    continue;
                }
                let value = match (spec.form, slot.value, slot.at) {
                    (Form::Number(suffix), Some(number), _) => suffix
                        .convert(number, record.unit())
                        .map(units::six_decimals)
                        .filter(|number| spec.null != Some(*number))
                        .map_or(FieldValue::Null, FieldValue::Number),
                    (Form::Date | Form::Text, Some(_), Some(at)) => FieldValue::Date(at.date()),
                    _ => continue,
                };
                self.put_stored(spec, Some(record), Some(slot.storage), value);
            }
        }
    }

    /// The value of a record for a field; `None` when the record has none to give.
    fn record_value(&self, spec: &FieldSpec, record: &Record<'_>) -> Option<FieldValue> {
        match spec.form {
            Form::Text if !spec.lookup.is_empty() => {
                let words = lookup::translate(&spec.lookup, text::bits(record)?);
                Some(FieldValue::Text(self.with_header(spec, words)))
            }
            Form::Text if record.is_instant() => {
                Some(text::time(record).map_or(FieldValue::Null, FieldValue::Text))
            }
            Form::Text => Some(FieldValue::Text(text::of(record, spec.text))),
            Form::Date | Form::Datetime => Some(time_value(spec.form, record.value())),
            Form::Number(suffix) => {
                if text::is_empty_bcd(record) {
                    return None;
                }
                let number = match self.number(spec, record) {
                    Number::None => return None,
                    Number::Invalid => return Some(FieldValue::Null),
                    Number::Is(number) => number,
                };
                let scaled = match spec.scale {
                    None => number,
                    Some((above, below)) => units::ratio(number, above, below)?,
                };
                // A raw number has no unit but that of the field.
                let unit = record.unit().filter(|_| !spec.raw);
                let value = units::six_decimals(suffix.convert(scaled, unit)?);
                if spec.null == Some(value) {
                    return Some(FieldValue::Null);
                }
                Some(FieldValue::Number(value))
            }
        }
    }

    fn number(&self, spec: &FieldSpec, record: &Record<'_>) -> Number {
        if record.is_real() {
            return match text::exact_real(record, spec.raw) {
                Some(number) => Number::Is(number),
                None => Number::Invalid,
            };
        }
        if spec.raw || spec.unsigned {
            return match text::integer(record, spec.unsigned) {
                None => Number::Invalid,
                Some(integer) if spec.raw => Number::Is(integer),
                Some(integer) => record.scale(integer).map_or(Number::Invalid, Number::Is),
            };
        }
        match record.value() {
            Value::Number(number) => Number::Is(number),
            Value::Invalid(_) => Number::Invalid,
            // Digits that are kept as text, such as a fabrication number.
            Value::Text(_) => text::integer(record, true).map_or(Number::None, Number::Is),
            _ => Number::None,
        }
    }

    fn term(&mut self, spec: &FieldSpec, term: Option<Term>, record: Option<&Record<'_>>) {
        let value = match (term, spec.form) {
            (None, _) if spec.optional => return,
            (None, _) => FieldValue::Null,
            (Some(Term::Number(number)), _) if !spec.lookup.is_empty() => {
                let Ok(bits) = u64::try_from(number.trunc()) else {
                    return;
                };
                let words = lookup::translate(&spec.lookup, bits);
                FieldValue::Text(self.with_header(spec, words))
            }
            (Some(Term::Number(number)), Form::Number(_)) => {
                let scaled = match spec.scale {
                    None => Some(number),
                    Some((above, below)) => units::ratio(number, above, below),
                };
                match scaled.map(units::six_decimals) {
                    Some(value) if spec.null != Some(value) => FieldValue::Number(value),
                    _ => FieldValue::Null,
                }
            }
            (Some(Term::Number(number)), _) => FieldValue::Text(number.normalize().to_string()),
            (Some(Term::Text(text)), _) => FieldValue::Text(text),
            (Some(Term::Time(at)), Form::Datetime) => FieldValue::Datetime {
                at,
                seconds: false,
                marked_invalid: false,
            },
            (Some(Term::Time(at)), Form::Date | Form::Number(_)) => FieldValue::Date(at.date()),
            (Some(Term::Time(at)), Form::Text) => FieldValue::Text(at.date().to_string()),
        };
        self.put(spec, record, value);
    }

    fn put(&mut self, spec: &FieldSpec, record: Option<&Record<'_>>, value: FieldValue) {
        self.put_stored(spec, record, None, value);
    }

    fn put_stored(
        &mut self,
        spec: &FieldSpec,
        record: Option<&Record<'_>>,
        storage: Option<u64>,
        value: FieldValue,
    ) {
        let name = spec.name.of(record, storage);
        if self.driver.needs_values {
            self.values.put(&name, term_of(&value));
        }
        if spec.inject
            && let FieldValue::Text(text) = &value
        {
            self.injected = lookup::join(&self.injected, text, true);
        }
        if spec.hidden {
            return;
        }
        let place = self.fields.iter().position(|field| field.name == name);
        let place = place.unwrap_or(self.fields.len());
        match self.fields.get_mut(place) {
            Some(field) => field.value = value,
            None => self.fields.push(Field { name, value }),
        }
        if spec.status {
            self.status = Some(place);
        }
        if spec.role == Some(Role::Index) && self.index.is_none() {
            self.index = Some(place);
        }
    }

    fn with_header(&self, spec: &FieldSpec, words: String) -> String {
        if spec.header_status {
            self.header_status(&words)
        } else {
            words
        }
    }

    /// Words with those of the header's status byte behind them.
    fn header_status(&self, words: &str) -> String {
        let status =
            lookup::header_status(self.source.status.unwrap_or(0), &self.driver.header_words);
        match (words, status.as_str()) {
            (words, "OK") => words.to_owned(),
            ("OK" | "", status) => status.to_owned(),
            (words, status) => format!("{words} {status}"),
        }
    }

    fn join_status(&mut self) {
        let injected = std::mem::take(&mut self.injected);
        if let Some(field) = self.status.and_then(|place| self.fields.get_mut(place))
            && let FieldValue::Text(text) = &mut field.value
        {
            let joined = lookup::sorted(&lookup::join(text, &injected, true));
            *text = if joined.is_empty() {
                "OK".to_owned()
            } else {
                joined
            };
        }
    }
}

enum Number {
    /// The record has no number.
    None,
    /// The meter says that there is none.
    Invalid,
    Is(Decimal),
}

fn time_value(form: Form, value: Value) -> FieldValue {
    match (form, value) {
        (Form::Date, Value::Date(date)) => FieldValue::Date(date),
        (Form::Date, Value::Datetime { at, .. } | Value::MarkedInvalid(at)) => {
            FieldValue::Date(at.date())
        }
        (_, Value::Date(date)) => FieldValue::Datetime {
            at: date.to_datetime(civil::Time::midnight()),
            seconds: false,
            marked_invalid: false,
        },
        (_, Value::Datetime { at, .. }) => FieldValue::Datetime {
            at,
            seconds: false,
            marked_invalid: false,
        },
        (_, Value::MarkedInvalid(at)) => FieldValue::Datetime {
            at,
            seconds: false,
            marked_invalid: true,
        },
        _ => FieldValue::Null,
    }
}

fn term_of(value: &FieldValue) -> Option<Term> {
    match value {
        FieldValue::Null | FieldValue::Time(_) => None,
        FieldValue::Number(number) => Some(Term::Number(*number)),
        FieldValue::Text(text) => Some(Term::Text(text.clone())),
        FieldValue::Date(date) => Some(Term::Time(date.to_datetime(civil::Time::midnight()))),
        FieldValue::Datetime { at, .. } => Some(Term::Time(*at)),
    }
}

/// Shared by all who read meters of one family.
pub type SharedDriver = Arc<Driver>;

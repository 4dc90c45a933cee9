//! The form of a driver file.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The version of the form.
pub const SCHEMA: u32 = 1;

/// A driver file as written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DriverFile {
    pub(super) schema: u32,
    pub(super) id: String,
    #[serde(default)]
    pub(super) aliases: Vec<String>,
    /// The medium by device type in hex, for types of the maker's own.
    #[serde(default)]
    pub(super) media: BTreeMap<String, String>,
    pub(super) medium: Option<String>,
    #[serde(default)]
    pub(super) detect: Vec<String>,
    pub(super) address_record: Option<String>,
    /// Keys that the maker gives all meters, tried when a meter has none of its own.
    #[serde(default)]
    pub(super) default_keys: Vec<String>,
    #[serde(default)]
    pub(super) compact: Vec<String>,
    /// Words for the upper bits of the header's status byte, where the status field has its own.
    #[serde(default)]
    pub(super) header_status: Vec<LookupEntry>,
    #[serde(default)]
    pub(super) layout: Vec<LayoutEntry>,
    #[serde(default)]
    pub(super) field: Vec<FieldEntry>,
    #[serde(default)]
    pub(super) plausible: BTreeMap<String, PlausibleEntry>,
    #[serde(default)]
    pub(super) test: Vec<TestEntry>,
}

/// A named value.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FieldEntry {
    pub(super) name: String,
    pub(super) role: Option<Role>,
    pub(super) select: Option<SelectEntry>,
    /// A value of a layout.
    pub(super) from: Option<String>,
    /// Not at all, unless a layout has read this value.
    pub(super) when_there: Option<String>,
    /// A formula over fields and values of layouts.
    pub(super) calc: Option<String>,
    #[serde(default)]
    pub(super) raw: bool,
    #[serde(default)]
    pub(super) unsigned: bool,
    pub(super) scale: Option<String>,
    pub(super) null: Option<String>,
    pub(super) text: Option<TextForm>,
    #[serde(default)]
    pub(super) lookup: Vec<LookupEntry>,
    /// The field joins the status byte of the transport header.
    #[serde(default)]
    pub(super) header_status: bool,
    /// The field is the meter's status; fields that inject are joined to it.
    #[serde(default)]
    pub(super) status: bool,
    #[serde(default)]
    pub(super) inject: bool,
    #[serde(default)]
    pub(super) hidden: bool,
    /// Absent rather than null when there is no value.
    #[serde(default)]
    pub(super) optional: bool,
}

/// What a field is for, beyond its name: Home Assistant, headline, plausibility.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The main index of the meter.
    Index,
    /// An index of an earlier date.
    IndexAt,
    /// A value of the moment.
    Measurement,
    /// Something to diagnose by.
    Diagnostic,
}

/// How a record becomes text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TextForm {
    /// Characters if they are printable, digits otherwise; last byte first.
    Reversed,
    /// Characters if they are printable, hex otherwise; first byte first.
    Forward,
    /// Hex as sent.
    Hex,
    /// A date or time; nothing when there is none.
    Time,
}

/// One or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T: Clone> OneOrMany<T> {
    pub(super) fn list(&self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one.clone()],
            Self::Many(many) => many.clone(),
        }
    }
}

/// A number, or a range `"1..12"`, or `"any"`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum RangeEntry {
    One(u64),
    Text(String),
}

/// Which records a field takes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SelectEntry {
    pub(super) quantity: Option<OneOrMany<String>>,
    pub(super) function: Option<String>,
    pub(super) storage: Option<RangeEntry>,
    pub(super) tariff: Option<RangeEntry>,
    pub(super) subunit: Option<RangeEntry>,
    /// DIF to VIFE in hex; nothing else is compared.
    pub(super) key: Option<String>,
    /// VIFEs in hex, extension bits cleared, or ranges of them (`54..57`): a record must have all of
    /// them and no other. Without it, a record must have none.
    pub(super) vife: Option<OneOrMany<String>>,
    /// Which of several records that fit, from 1.
    pub(super) nth: Option<usize>,
    /// Values of a compact profile, in place of records.
    #[serde(default)]
    pub(super) profile: bool,
}

/// Bits or numbers to words.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LookupEntry {
    /// In front of what has no word.
    pub(super) name: String,
    #[serde(default)]
    pub(super) kind: LookupKind,
    pub(super) mask: Option<u64>,
    #[serde(default)]
    pub(super) default: String,
    #[serde(default)]
    pub(super) words: Vec<(u64, String)>,
    /// Words for bits that are not set.
    #[serde(default)]
    pub(super) unset: Vec<(u64, String)>,
}

/// How a lookup reads its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum LookupKind {
    /// Every bit has a word.
    #[default]
    Bits,
    /// Every number has a word.
    Index,
    /// A sum of numbers, the largest first.
    Sum,
}

/// A payload of the maker's own form.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LayoutEntry {
    /// `payload`, `application` (the payload without fillers in front), `manufacturer` (behind DIF
    /// 0F), `frame`, or `record:` and the record's DIF to VIFE in hex.
    pub(super) from: String,
    pub(super) transform: Option<Transform>,
    #[serde(default)]
    pub(super) min_length: usize,
    pub(super) max_length: Option<usize>,
    /// Only so many bytes at the end are of this layout.
    pub(super) last: Option<usize>,
    #[serde(default)]
    pub(super) when: Vec<WhenEntry>,
    #[serde(default)]
    pub(super) read: Vec<ReadEntry>,
    /// Where tags begin.
    pub(super) tags_at: Option<usize>,
    #[serde(default)]
    pub(super) tag: Vec<TagEntry>,
}

/// What is done to the bytes before they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Transform {
    /// The shift register of Diehl's PRIOS.
    Prios,
    /// AES-128-CBC of one block behind two bytes, the first of which is the access number.
    AccessNumberCbc,
}

/// Bytes that must be there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WhenEntry {
    pub(super) at: usize,
    /// Hex.
    pub(super) is: OneOrMany<String>,
}

/// A value at a place.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadEntry {
    /// Behind the one before when absent.
    pub(super) at: Option<usize>,
    pub(super) len: usize,
    #[serde(rename = "as", default)]
    pub(super) form: ReadForm,
    /// None: skipped.
    pub(super) name: Option<String>,
    /// Taken as the data of a record with this DIF to VIFE.
    pub(super) record: Option<String>,
    pub(super) scale: Option<String>,
    /// First and last bit.
    pub(super) bits: Option<(u32, u32)>,
    /// Read only when this formula is not 0.
    #[serde(rename = "if")]
    pub(super) condition: Option<String>,
}

/// How bytes are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ReadForm {
    /// Unsigned, least significant byte first.
    #[default]
    Uint,
    /// Unsigned, most significant byte first.
    UintBe,
    /// Signed, least significant byte first.
    Int,
    /// BCD, least significant byte first.
    Bcd,
    /// Date or time of the standard, by length.
    Time,
    /// Hex as sent.
    Hex,
}

/// A tag and what follows it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TagEntry {
    pub(super) tag: OneOrMany<u8>,
    pub(super) len: usize,
    pub(super) name: Option<String>,
    /// Taken as the data of a record with this DIF to VIFE.
    pub(super) record: Option<String>,
    pub(super) scale: Option<String>,
    #[serde(rename = "as", default)]
    pub(super) form: ReadForm,
}

/// Limits of what is believed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlausibleEntry {
    #[serde(default)]
    pub(super) monotonic: bool,
    pub(super) min: Option<String>,
    pub(super) max: Option<String>,
    pub(super) max_step_per_day: Option<String>,
}

/// A telegram and what must come out of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TestEntry {
    pub(super) telegram: String,
    pub(super) key: Option<String>,
    #[serde(default)]
    pub(super) prior: Vec<String>,
    pub(super) expect: BTreeMap<String, String>,
}

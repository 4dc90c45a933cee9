//! The messages (SML 1.04, clause 5): what a telegram says.
//!
//! Responses are read; requests, which no meter sends, and anything else are kept as
//! [`MessageBody::Unknown`] with their bytes.

/// Which corrections of the encoding were needed to read a telegram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WireQuirks {
    /// A message check was CRC-16/KERMIT.
    pub kermit: bool,
    /// A time was a bare number.
    pub bare_time: bool,
    /// A time was a list of three where its choice says one number.
    pub time_list: bool,
}

/// All messages of one telegram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File<'a> {
    /// In the order sent.
    pub messages: Vec<Message<'a>>,
    /// Corrections that were needed to read them.
    pub wire_quirks: WireQuirks,
}

/// One message whose check is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Transaction; counts up with most meters.
    pub transaction_id: &'a [u8],
    /// Messages of one group may be handled in parallel.
    pub group: u64,
    /// What the receiver should do with the rest after an error.
    pub abort_on_error: u64,
    /// What it says.
    pub body: MessageBody<'a>,
}

/// What a message says, by its tag.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MessageBody<'a> {
    /// 0101: begins a telegram.
    Open(Open<'a>),
    /// 0201: ends a telegram.
    Close(Close<'a>),
    /// 0301: rows of a load profile, all columns together.
    ProfilePack(ProfilePack<'a>),
    /// 0401: one row of a load profile.
    ProfileList(ProfileList<'a>),
    /// 0501: parameters as a tree.
    GetProcParameter(GetProcParameter<'a>),
    /// 0701: registers.
    GetList(GetListResponse<'a>),
    /// FF01: an error or a notice.
    Attention(Attention<'a>),
    /// Any other tag.
    Unknown {
        /// The tag as sent.
        tag: u64,
        /// The body, encoded as it was.
        body: &'a [u8],
    },
}

impl MessageBody<'_> {
    /// The message's name in the standard.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Open(_) => "SML_PublicOpen.Res",
            Self::Close(_) => "SML_PublicClose.Res",
            Self::ProfilePack(_) => "SML_GetProfilePack.Res",
            Self::ProfileList(_) => "SML_GetProfileList.Res",
            Self::GetProcParameter(_) => "SML_GetProcParameter.Res",
            Self::GetList(_) => "SML_GetList.Res",
            Self::Attention(_) => "SML_Attention.Res",
            Self::Unknown { .. } => "a message that meters are not known to send",
        }
    }
}

/// SML_PublicOpen.Res.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open<'a> {
    /// Code page of texts; ISO 8859-15 when absent.
    pub codepage: Option<&'a [u8]>,
    /// Whom the answer is for.
    pub client_id: Option<&'a [u8]>,
    /// Identifies the telegram.
    pub request_file_id: &'a [u8],
    /// The meter.
    pub server_id: &'a [u8],
    /// The meter's clock.
    pub reference_time: Option<Time>,
    /// Version of the messages; 1 when absent.
    pub sml_version: Option<u64>,
}

/// SML_PublicClose.Res.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    /// Signature over the telegram, as sent.
    pub signature: Option<&'a [u8]>,
}

/// SML_GetList.Res.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetListResponse<'a> {
    /// Whom the answer is for.
    pub client_id: Option<&'a [u8]>,
    /// The meter.
    pub server_id: &'a [u8],
    /// Name of the list, an OBIS code as a rule.
    pub list_name: Option<&'a [u8]>,
    /// The meter's clock when the values were taken.
    pub sensor_time: Option<Time>,
    /// The registers.
    pub entries: Vec<ListEntry<'a>>,
    /// Signature over the list, as sent.
    pub signature: Option<&'a [u8]>,
    /// The clock of a gateway in between.
    pub gateway_time: Option<Time>,
}

/// SML_ListEntry: one register as sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListEntry<'a> {
    /// The OBIS code as six octets.
    pub name: &'a [u8],
    /// Status word.
    pub status: Option<u64>,
    /// When the value was taken.
    pub time: Option<Time>,
    /// COSEM unit code.
    pub unit: Option<u64>,
    /// Power of ten of the value.
    pub scaler: Option<i8>,
    /// The value; `None` when the meter left it out.
    pub value: Option<Scalar<'a>>,
    /// Signature over the entry, as sent.
    pub signature: Option<&'a [u8]>,
}

/// SML_Value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar<'a> {
    /// A yes or no.
    Flag(bool),
    /// A signed integer and how many bytes it was sent in.
    Signed(i64, u8),
    /// An unsigned integer and how many bytes it was sent in.
    Unsigned(u64, u8),
    /// An octet string.
    Octets(&'a [u8]),
    /// A list, encoded as it was.
    List(&'a [u8]),
}

/// SML_Time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// Choice 1: seconds since the meter was started.
    SecondsIndex(u32),
    /// Choice 2: seconds since 1970, UTC.
    Timestamp(u32),
    /// Choice 3: seconds since 1970, UTC, and what to add for local time.
    Local {
        /// Seconds since 1970, UTC.
        seconds: u32,
        /// Minutes of the time zone.
        offset_min: i16,
        /// Minutes of summer time.
        season_min: i16,
    },
}

/// SML_Attention.Res.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attention<'a> {
    /// The meter.
    pub server_id: &'a [u8],
    /// Which notice, six octets.
    pub number: &'a [u8],
    /// A text.
    pub message: Option<&'a [u8]>,
    /// More about it.
    pub details: Option<Tree<'a>>,
}

/// SML_GetProfilePack.Res.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfilePack<'a> {
    /// The meter.
    pub server_id: &'a [u8],
    /// The meter's clock.
    pub time: Option<Time>,
    /// Registration period in seconds.
    pub period_s: u64,
    /// Path of the profile in the parameter tree.
    pub path: Vec<&'a [u8]>,
    /// What the columns are.
    pub columns: Vec<Column<'a>>,
    /// The rows.
    pub rows: Vec<PeriodRow<'a>>,
    /// Data in a form of the maker's own.
    pub raw_data: Option<&'a [u8]>,
    /// Signature over the profile, as sent.
    pub signature: Option<&'a [u8]>,
}

/// SML_ProfObjHeaderEntry: a column of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column<'a> {
    /// The OBIS code as six octets.
    pub name: &'a [u8],
    /// COSEM unit code.
    pub unit: u64,
    /// Power of ten of the values.
    pub scaler: i8,
}

/// SML_ProfObjPeriodEntry: a row of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeriodRow<'a> {
    /// When the values were taken.
    pub time: Option<Time>,
    /// Status word.
    pub status: u64,
    /// One per column; `None` when left out.
    pub values: Vec<Option<Scalar<'a>>>,
    /// Signature over the row, as sent.
    pub signature: Option<&'a [u8]>,
}

/// SML_GetProfileList.Res.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileList<'a> {
    /// The meter.
    pub server_id: &'a [u8],
    /// The meter's clock.
    pub time: Option<Time>,
    /// Registration period in seconds.
    pub period_s: u64,
    /// Path of the profile in the parameter tree.
    pub path: Vec<&'a [u8]>,
    /// When the values were taken.
    pub value_time: Option<Time>,
    /// Status word.
    pub status: u64,
    /// The values.
    pub values: Vec<PeriodValue<'a>>,
    /// Data in a form of the maker's own.
    pub raw_data: Option<&'a [u8]>,
    /// Signature over the row, as sent.
    pub signature: Option<&'a [u8]>,
}

/// SML_PeriodEntry: a value with its name and unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeriodValue<'a> {
    /// Name, unit and scaler.
    pub column: Column<'a>,
    /// The value; `None` when left out.
    pub value: Option<Scalar<'a>>,
    /// Signature over the value, as sent.
    pub signature: Option<&'a [u8]>,
}

/// SML_GetProcParameter.Res.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetProcParameter<'a> {
    /// The meter.
    pub server_id: &'a [u8],
    /// Path of the tree.
    pub path: Vec<&'a [u8]>,
    /// The parameters.
    pub tree: Tree<'a>,
}

/// SML_Tree: a parameter and those below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree<'a> {
    /// The parameter's name, an OBIS code as a rule.
    pub name: &'a [u8],
    /// Its value.
    pub value: Option<ProcParValue<'a>>,
    /// The parameters below it.
    pub children: Vec<Tree<'a>>,
}

/// SML_ProcParValue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProcParValue<'a> {
    /// Choice 1: a value.
    Value(Option<Scalar<'a>>),
    /// Choice 2: a value with its unit.
    Period(PeriodValue<'a>),
    /// Choice 4: a time.
    Time(Option<Time>),
    /// Any other choice, encoded as it was.
    Unknown {
        /// The choice.
        choice: u64,
        /// What followed.
        body: &'a [u8],
    },
}

impl<'a> File<'a> {
    /// The lists of registers.
    pub fn lists(&self) -> impl Iterator<Item = &GetListResponse<'a>> {
        self.messages
            .iter()
            .filter_map(|message| match &message.body {
                MessageBody::GetList(list) => Some(list),
                _ => None,
            })
    }
}

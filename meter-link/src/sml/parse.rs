//! Reads the messages of a telegram into the types of [`super::message`].

use super::message::{
    Attention, Close, Column, File, GetListResponse, GetProcParameter, ListEntry, Message,
    MessageBody, Open, PeriodRow, PeriodValue, ProcParValue, ProfileList, ProfilePack, Scalar,
    Time, Tree, WireQuirks,
};
use super::tlv::{Element, ParseError, ParseErrorKind, Reader};
use crate::crc;
use crate::profile::{QuirkSet, Rule};

const MAX_TREE_DEPTH: usize = 8;

impl<'a> File<'a> {
    /// Reads all messages of a telegram's content, and checks the CRC of each.
    ///
    /// # Errors
    /// [`ParseError`] at the first rule that is broken. There is no half of a telegram: whoever
    /// damaged it may have damaged the rest as well.
    pub fn parse(content: &'a [u8], quirks: &QuirkSet) -> Result<Self, ParseError> {
        let mut parser = Parser {
            reader: Reader::new(content),
            quirks,
            used: WireQuirks::default(),
        };
        let mut messages = Vec::with_capacity(3);
        while !parser.reader.rest().is_empty() {
            messages.push(parser.message()?);
        }
        Ok(Self {
            messages,
            wire_quirks: parser.used,
        })
    }
}

struct Parser<'a, 'q> {
    reader: Reader<'a>,
    quirks: &'q QuirkSet,
    used: WireQuirks,
}

impl<'a> Parser<'a, '_> {
    fn message(&mut self) -> Result<Message<'a>, ParseError> {
        let start = self.reader.offset();
        self.reader.list(6)?;
        let transaction_id = self.reader.octets()?;
        let group = self.reader.unsigned()?;
        let abort_on_error = self.reader.unsigned()?;
        self.reader.list(2)?;
        let tag = self.reader.unsigned()?;
        let body = self.body(tag)?;
        self.check(start)?;
        match self.reader.element()? {
            Element::EndOfMessage => {}
            other => return Err(self.reader.unexpected("the end of the message", &other)),
        }
        Ok(Message {
            transaction_id,
            group,
            abort_on_error,
            body,
        })
    }

    fn check(&mut self, start: usize) -> Result<(), ParseError> {
        let covered = self.reader.since(start);
        let error = self.reader.error(ParseErrorKind::Range);
        let received = u16::try_from(self.reader.unsigned()?).map_err(|_| error)?;
        let computed = crc::x25(covered).swap_bytes();
        if received == computed {
            return Ok(());
        }
        if self.quirks.has(Rule::KermitCrc) && received == crc::kermit(covered).swap_bytes() {
            self.used.kermit = true;
            return Ok(());
        }
        Err(self
            .reader
            .error(ParseErrorKind::MessageCrc { received, computed }))
    }

    fn body(&mut self, tag: u64) -> Result<MessageBody<'a>, ParseError> {
        Ok(match tag {
            0x0101 => MessageBody::Open(self.open()?),
            0x0201 => MessageBody::Close(self.close()?),
            0x0301 => MessageBody::ProfilePack(self.profile_pack()?),
            0x0401 => MessageBody::ProfileList(self.profile_list()?),
            0x0501 => MessageBody::GetProcParameter(self.proc_parameter()?),
            0x0701 => MessageBody::GetList(self.get_list()?),
            0xFF01 => MessageBody::Attention(self.attention()?),
            tag => MessageBody::Unknown {
                tag,
                body: self.reader.skip()?,
            },
        })
    }

    fn open(&mut self) -> Result<Open<'a>, ParseError> {
        self.reader.list(6)?;
        Ok(Open {
            codepage: self.reader.optional_octets()?,
            client_id: self.reader.optional_octets()?,
            request_file_id: self.reader.octets()?,
            server_id: self.reader.octets()?,
            reference_time: self.time()?,
            sml_version: self.reader.optional_unsigned()?,
        })
    }

    fn close(&mut self) -> Result<Close<'a>, ParseError> {
        self.reader.list(1)?;
        let signature = self.reader.optional_octets()?;
        Ok(Close { signature })
    }

    fn get_list(&mut self) -> Result<GetListResponse<'a>, ParseError> {
        self.reader.list(7)?;
        Ok(GetListResponse {
            client_id: self.reader.optional_octets()?,
            server_id: self.reader.octets()?,
            list_name: self.reader.optional_octets()?,
            sensor_time: self.time()?,
            entries: self.list_of(Self::list_entry)?,
            signature: self.reader.optional_octets()?,
            gateway_time: self.time()?,
        })
    }

    fn list_entry(&mut self) -> Result<ListEntry<'a>, ParseError> {
        self.reader.list(7)?;
        Ok(ListEntry {
            name: self.reader.octets()?,
            status: self.reader.optional_unsigned()?,
            time: self.time()?,
            unit: self.reader.optional_unsigned()?,
            scaler: self.scaler()?,
            value: self.value()?,
            signature: self.reader.optional_octets()?,
        })
    }

    fn attention(&mut self) -> Result<Attention<'a>, ParseError> {
        self.reader.list(4)?;
        Ok(Attention {
            server_id: self.reader.octets()?,
            number: self.reader.octets()?,
            message: self.reader.optional_octets()?,
            details: if self.reader.take_absent() {
                None
            } else {
                Some(self.tree(0)?)
            },
        })
    }

    fn profile_pack(&mut self) -> Result<ProfilePack<'a>, ParseError> {
        self.reader.list(8)?;
        Ok(ProfilePack {
            server_id: self.reader.octets()?,
            time: self.time()?,
            period_s: self.reader.unsigned()?,
            path: self.list_of(|parser| parser.reader.octets())?,
            columns: self.list_of(|parser| {
                parser.reader.list(3)?;
                parser.column()
            })?,
            rows: self.list_of(Self::period_row)?,
            raw_data: self.reader.optional_octets()?,
            signature: self.reader.optional_octets()?,
        })
    }

    fn period_row(&mut self) -> Result<PeriodRow<'a>, ParseError> {
        self.reader.list(4)?;
        Ok(PeriodRow {
            time: self.time()?,
            status: self.reader.unsigned()?,
            values: self.list_of(|parser| {
                parser.reader.list(2)?;
                let value = parser.value()?;
                parser.reader.optional_octets()?;
                Ok(value)
            })?,
            signature: self.reader.optional_octets()?,
        })
    }

    fn profile_list(&mut self) -> Result<ProfileList<'a>, ParseError> {
        self.reader.list(9)?;
        Ok(ProfileList {
            server_id: self.reader.octets()?,
            time: self.time()?,
            period_s: self.reader.unsigned()?,
            path: self.list_of(|parser| parser.reader.octets())?,
            value_time: self.time()?,
            status: self.reader.unsigned()?,
            values: self.list_of(Self::period_value)?,
            raw_data: self.reader.optional_octets()?,
            signature: self.reader.optional_octets()?,
        })
    }

    fn period_value(&mut self) -> Result<PeriodValue<'a>, ParseError> {
        self.reader.list(5)?;
        Ok(PeriodValue {
            column: self.column()?,
            value: self.value()?,
            signature: self.reader.optional_octets()?,
        })
    }

    fn column(&mut self) -> Result<Column<'a>, ParseError> {
        Ok(Column {
            name: self.reader.octets()?,
            unit: self.reader.optional_unsigned()?.unwrap_or(255),
            scaler: self.scaler()?.unwrap_or(0),
        })
    }

    fn proc_parameter(&mut self) -> Result<GetProcParameter<'a>, ParseError> {
        self.reader.list(3)?;
        Ok(GetProcParameter {
            server_id: self.reader.octets()?,
            path: self.list_of(|parser| parser.reader.octets())?,
            tree: self.tree(0)?,
        })
    }

    fn tree(&mut self, depth: usize) -> Result<Tree<'a>, ParseError> {
        if depth == MAX_TREE_DEPTH {
            return Err(self.reader.error(ParseErrorKind::Depth(MAX_TREE_DEPTH)));
        }
        self.reader.list(3)?;
        let name = self.reader.octets()?;
        let value = if self.reader.take_absent() {
            None
        } else {
            Some(self.proc_par_value()?)
        };
        let children = if self.reader.take_absent() {
            Vec::new()
        } else {
            self.list_of(|parser| parser.tree(depth + 1))?
        };
        Ok(Tree {
            name,
            value,
            children,
        })
    }

    fn proc_par_value(&mut self) -> Result<ProcParValue<'a>, ParseError> {
        self.reader.list(2)?;
        Ok(match self.reader.unsigned()? {
            1 => ProcParValue::Value(self.value()?),
            2 => ProcParValue::Period(self.period_value()?),
            4 => ProcParValue::Time(self.time()?),
            choice => ProcParValue::Unknown {
                choice,
                body: self.reader.skip()?,
            },
        })
    }

    /// A list of any length. What is set aside for it is bounded by the bytes that are left,
    /// not by the length it claims.
    fn list_of<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        let length = self.reader.any_list()?;
        let mut items = Vec::with_capacity(length.min(16).min(self.reader.rest().len()));
        for _ in 0..length {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn scaler(&mut self) -> Result<Option<i8>, ParseError> {
        let range = self.reader.error(ParseErrorKind::Range);
        match self.reader.element()? {
            Element::Octets([]) => Ok(None),
            Element::Signed(value, _) => i8::try_from(value).map(Some).map_err(|_| range),
            other => Err(self.reader.unexpected("a signed integer", &other)),
        }
    }

    fn value(&mut self) -> Result<Option<Scalar<'a>>, ParseError> {
        let before = self.reader;
        Ok(Some(match self.reader.element()? {
            Element::Octets([]) => return Ok(None),
            Element::Octets(octets) => Scalar::Octets(octets),
            Element::Flag(flag) => Scalar::Flag(flag),
            Element::Signed(value, size) => Scalar::Signed(value, size),
            Element::Unsigned(value, size) => Scalar::Unsigned(value, size),
            Element::List(_) => {
                self.reader = before;
                Scalar::List(self.reader.skip()?)
            }
            other @ Element::EndOfMessage => {
                return Err(self.reader.unexpected("a value", &other));
            }
        }))
    }

    fn time(&mut self) -> Result<Option<Time>, ParseError> {
        match self.reader.element()? {
            Element::Octets([]) => Ok(None),
            Element::Unsigned(value, _) if self.quirks.has(Rule::BareTime) => {
                self.used.bare_time = true;
                self.seconds(value).map(Time::SecondsIndex).map(Some)
            }
            Element::Unsigned(..) => Err(self.reader.error(ParseErrorKind::TimeForm)),
            Element::List(2) => self.choice_of_time().map(Some),
            other => Err(self.reader.unexpected("a time", &other)),
        }
    }

    fn choice_of_time(&mut self) -> Result<Time, ParseError> {
        let choice = self.reader.unsigned()?;
        match (choice, self.reader.element()?) {
            (1, Element::Unsigned(value, _)) => self.seconds(value).map(Time::SecondsIndex),
            (2, Element::Unsigned(value, _)) => self.seconds(value).map(Time::Timestamp),
            (3, Element::List(3)) => self.local_time(),
            (1 | 2, Element::List(3)) if self.quirks.has(Rule::TimeList) => {
                self.used.time_list = true;
                self.local_time()
            }
            (1..=3, _) => Err(self.reader.error(ParseErrorKind::TimeForm)),
            (choice, _) => Err(self.reader.error(ParseErrorKind::Choice(choice))),
        }
    }

    fn local_time(&mut self) -> Result<Time, ParseError> {
        let seconds = self.reader.unsigned()?;
        Ok(Time::Local {
            seconds: self.seconds(seconds)?,
            offset_min: self.minutes()?,
            season_min: self.minutes()?,
        })
    }

    fn seconds(&self, value: u64) -> Result<u32, ParseError> {
        u32::try_from(value).map_err(|_| self.reader.error(ParseErrorKind::Range))
    }

    fn minutes(&mut self) -> Result<i16, ParseError> {
        let range = self.reader.error(ParseErrorKind::Range);
        match self.reader.element()? {
            Element::Signed(value, _) => i16::try_from(value).map_err(|_| range),
            Element::Unsigned(value, _) => i16::try_from(value).map_err(|_| range),
            other => Err(self.reader.unexpected("a number of minutes", &other)),
        }
    }
}

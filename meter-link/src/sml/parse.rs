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

#[cfg(test)]
mod tests {
    use super::*;

    /// A message with this tag and body and a right check.
    fn message(tag: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x76\x05\x00\x00\x00\x01\x62\x00\x62\x00\x72\x63".to_vec();
        bytes.extend(tag.to_be_bytes());
        bytes.extend(body);
        let check = crc::x25(&bytes).to_le_bytes();
        bytes.push(0x63);
        bytes.extend(check);
        bytes.push(0);
        bytes
    }

    /// The only message's body. The bytes were put together by hand from SML 1.04, clause 5.
    fn body(bytes: &[u8]) -> MessageBody<'_> {
        let mut file = File::parse(bytes, &QuirkSet::none()).unwrap();
        assert_eq!(file.messages.len(), 1);
        file.messages.remove(0).body
    }

    #[test]
    fn attention() {
        let bytes = message(
            0xFF01,
            b"\x74\x03ID\x07\x81\x81\xc7\xc7\xfe\x03\x05busy\x01",
        );
        let MessageBody::Attention(attention) = body(&bytes) else {
            panic!("an attention");
        };
        assert_eq!(attention.number, b"\x81\x81\xc7\xc7\xfe\x03");
        assert_eq!(attention.message, Some(&b"busy"[..]));
        assert_eq!(attention.details, None);
    }

    #[test]
    fn profile_pack() {
        let bytes = message(
            0x0301,
            b"\x78\x03ID\x72\x62\x02\x65\x5f\x5e\x10\x00\x63\x03\x84\x71\x07\x81\x81\xc7\x86\x11\xff\
              \x71\x73\x07\x01\x00\x01\x08\x00\xff\x62\x1e\x52\xff\
              \x72\x74\x72\x62\x02\x65\x5f\x5e\x10\x00\x62\x00\x71\x72\x63\x01\x00\x01\x01\
              \x74\x72\x62\x02\x65\x5f\x5e\x13\x84\x62\x08\x71\x72\x01\x01\x01\x01\x01",
        );
        let MessageBody::ProfilePack(pack) = body(&bytes) else {
            panic!("a profile");
        };
        assert_eq!((pack.period_s, pack.columns[0].scaler), (900, -1));
        assert_eq!(pack.rows[0].values, [Some(Scalar::Unsigned(256, 2))]);
        assert_eq!(
            (pack.rows[1].status, &pack.rows[1].values[..]),
            (8, &[None][..])
        );
    }

    #[test]
    fn profile_list() {
        let bytes = message(
            0x0401,
            b"\x79\x03ID\x01\x63\x03\x84\x71\x07\x81\x81\xc7\x86\x11\xff\x01\x62\x00\
              \x71\x75\x07\x01\x00\x01\x08\x00\xff\x62\x1e\x52\xff\x62\x2a\x01\x01\x01",
        );
        let MessageBody::ProfileList(list) = body(&bytes) else {
            panic!("a profile row");
        };
        assert_eq!(list.values[0].value, Some(Scalar::Unsigned(42, 1)));
    }

    #[test]
    fn parameters() {
        let bytes = message(
            0x0501,
            b"\x73\x03ID\x71\x03AB\x73\x03AB\x01\x72\x73\x02C\x72\x62\x01\x62\x05\x01\
              \x73\x02D\x72\x62\x03\x71\x01\x01",
        );
        let MessageBody::GetProcParameter(parameter) = body(&bytes) else {
            panic!("parameters");
        };
        let [first, second] = parameter.tree.children.as_slice() else {
            panic!("two parameters");
        };
        assert_eq!(
            first.value,
            Some(ProcParValue::Value(Some(Scalar::Unsigned(5, 1))))
        );
        let kept = ProcParValue::Unknown {
            choice: 3,
            body: b"\x71\x01",
        };
        assert_eq!(second.value, Some(kept));
    }

    #[test]
    fn what_is_not_modelled_is_kept() {
        let bytes = message(0x0900, b"\x72\x62\x01\x03ab");
        let kept = MessageBody::Unknown {
            tag: 0x0900,
            body: b"\x72\x62\x01\x03ab",
        };
        assert_eq!(body(&bytes), kept);
    }

    #[test]
    fn a_wrong_check_is_named() {
        let mut bytes = message(0x0201, b"\x71\x01");
        let crc = bytes.len() - 2;
        bytes[crc] ^= 1;
        let error = File::parse(&bytes, &QuirkSet::all()).unwrap_err();
        assert!(
            matches!(error.kind, ParseErrorKind::MessageCrc { .. }),
            "{error}"
        );
    }

    #[test]
    fn trees_are_not_followed_for_ever() {
        let mut deep = b"\x73\x03ID\x71\x03AB".to_vec();
        for _ in 0..50 {
            deep.extend(b"\x73\x02A\x01\x71");
        }
        let error = File::parse(&message(0x0501, &deep), &QuirkSet::all()).unwrap_err();
        assert_eq!(error.kind, ParseErrorKind::Depth(MAX_TREE_DEPTH));
    }
}

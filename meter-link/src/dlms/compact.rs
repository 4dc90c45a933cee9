//! Compact arrays (IEC 62056-5-3, clause 8, `compact-array`): the type of the elements once, then
//! their contents without tags.

use super::axdr::{Error, Fault, Reader, put_length, put_octets};
use super::data::{Data, MAX_DEPTH, Walk, content};

/// What the elements of a compact array are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TypeDescription {
    /// A simple type, by its tag.
    Simple(u8),
    /// So many of one type.
    Array(u16, Box<Self>),
    /// One of each.
    Structure(Vec<Self>),
}

/// A compact array and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompactArray {
    /// What its elements are.
    pub description: TypeDescription,
    /// The elements, all as described.
    pub elements: Vec<Data>,
}

impl TypeDescription {
    fn read(reader: &mut Reader<'_>, depth: usize) -> Result<Self, Error> {
        if depth > MAX_DEPTH {
            return Err(reader.error(Fault::Depth));
        }
        let start = reader.clone();
        match reader.u8()? {
            1 => {
                let count = reader.u16()?;
                let element = Self::read(reader, depth + 1)?;
                Ok(Self::Array(count, Box::new(element)))
            }
            2 => {
                let elements = reader.list(|reader| Self::read(reader, depth + 1))?;
                Ok(Self::Structure(elements))
            }
            tag if content(&mut Reader::new(&[0; 16]), tag).is_some() => Ok(Self::Simple(tag)),
            tag => Err(start.error(Fault::DataTag(tag))),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Simple(tag) => out.push(*tag),
            Self::Array(count, element) => {
                out.push(1);
                out.extend_from_slice(&count.to_be_bytes());
                element.write(out);
            }
            Self::Structure(elements) => {
                out.push(2);
                put_length(out, elements.len());
                for element in elements {
                    element.write(out);
                }
            }
        }
    }

    fn element(&self, reader: &mut Reader<'_>, walk: &mut Walk) -> Result<Data, Error> {
        let before = reader.at();
        let data = match self {
            Self::Simple(tag) => {
                content(reader, *tag).unwrap_or(Err(reader.error(Fault::DataTag(*tag))))
            }
            Self::Array(count, element) => (0..*count)
                .map(|_| element.element(reader, walk))
                .collect::<Result<_, _>>()
                .map(Data::Array),
            Self::Structure(elements) => elements
                .iter()
                .map(|element| element.element(reader, walk))
                .collect::<Result<_, _>>()
                .map(Data::Structure),
        }?;
        if reader.at() == before {
            walk.free(reader)?;
        }
        Ok(data)
    }
}

impl CompactArray {
    /// Reads description and contents, behind the tag.
    pub(super) fn read(reader: &mut Reader<'_>, walk: &mut Walk) -> Result<Self, Error> {
        let description = TypeDescription::read(reader, 0)?;
        let contents = reader.octets()?;
        let start = reader.at() - contents.len();
        let mut inner = Reader::new(contents);
        let mut elements = Vec::new();
        let outer = |error: Error| Error {
            at: start + error.at,
            fault: match error.fault {
                // All of the message is there; the contents do not fit their description.
                Fault::Short => Fault::Form("an element of a compact array is cut off"),
                fault => fault,
            },
        };
        while !inner.is_empty() {
            let before = inner.at();
            elements.push(description.element(&mut inner, walk).map_err(outer)?);
            if inner.at() == before {
                let fault = Fault::Form("the elements of a compact array have no content");
                return Err(outer(inner.error(fault)));
            }
        }
        Ok(Self {
            description,
            elements,
        })
    }

    /// Writes description and contents, behind the tag.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        self.description.write(out);
        let mut contents = Vec::new();
        for element in &self.elements {
            put_untagged(element, &mut contents);
        }
        put_octets(out, &contents);
    }
}

fn put_untagged(data: &Data, out: &mut Vec<u8>) {
    match data {
        Data::Array(elements) | Data::Structure(elements) => {
            for element in elements {
                put_untagged(element, out);
            }
        }
        simple => simple.put_content(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_of_a_number_and_a_text() {
        // Green Book 8.3's form: 13, structure of long-unsigned and octet-string, two elements.
        let bytes = [
            0x13, 2, 2, 0x12, 9, 9, 0x12, 0x34, 1, 0xAA, 0x56, 0x78, 2, 0xBB, 0xCC,
        ];
        let data = Data::decode(&bytes).unwrap();
        let row = |number, octets: &[u8]| {
            Data::Structure(vec![
                Data::Uint16(number),
                Data::OctetString(octets.to_vec()),
            ])
        };
        let want = [row(0x1234, &[0xAA]), row(0x5678, &[0xBB, 0xCC])];
        assert_eq!(data.elements().unwrap(), want);
        assert_eq!(data.to_vec(), bytes);
    }

    #[test]
    fn fixed_arrays_inside() {
        let bytes = [0x13, 1, 0, 2, 0x11, 4, 1, 2, 3, 4];
        let data = Data::decode(&bytes).unwrap();
        let row = |a, b| Data::Array(vec![Data::Uint8(a), Data::Uint8(b)]);
        assert_eq!(data.elements().unwrap(), [row(1, 2), row(3, 4)]);
        assert_eq!(data.to_vec(), bytes);
        let cut = [0x13, 1, 0, 2, 0x11, 3, 1, 2, 3];
        assert!(matches!(
            Data::decode(&cut).unwrap_err().fault,
            Fault::Form(_)
        ));
    }

    #[test]
    fn nothing_grows_out_of_nothing() {
        assert!(Data::decode(&[0x13, 0, 1, 5]).is_err());
        // 65,535 times null and one byte.
        let bytes = [0x13, 2, 2, 1, 0xFF, 0xFF, 0, 0x11, 1, 7];
        assert_eq!(Data::decode(&bytes).unwrap_err().fault, Fault::Elements);
    }
}

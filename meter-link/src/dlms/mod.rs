//! DLMS/COSEM: the layers between a byte stream and the objects of a meter.
//!
//! Source: IEC 62056-46 (HDLC), IEC 62056-47 (wrapper), IEC 62056-5-3 (application layer),
//! IEC 62056-6-1 and -6-2 (OBIS codes, interface classes).

pub mod hdlc;
pub mod wrapper;

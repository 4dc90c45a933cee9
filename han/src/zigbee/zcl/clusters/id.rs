//! The numbers of the clusters that the gateway uses (Zigbee Cluster Library; Smart Energy 07-5356).

/// What a device is.
pub const BASIC: u16 = 0x0000;
/// On and off.
pub const ON_OFF: u16 = 0x0006;
/// The time of day.
pub const TIME: u16 = 0x000A;
/// Firmware over the air.
pub const OTA_UPGRADE: u16 = 0x0019;
/// A thermostat.
pub const THERMOSTAT: u16 = 0x0201;
/// A measured temperature.
pub const TEMPERATURE: u16 = 0x0402;
/// Prices and tariffs.
pub const PRICE: u16 = 0x0700;
/// Demand response and load control.
pub const LOAD_CONTROL: u16 = 0x0701;
/// Energy and demand, metered.
pub const METERING: u16 = 0x0702;
/// Messages to the user.
pub const MESSAGING: u16 = 0x0703;
/// Octets of another protocol.
pub const TUNNELING: u16 = 0x0704;
/// The account of a prepaid meter.
pub const PREPAYMENT: u16 = 0x0705;
/// Calendars of a tariff.
pub const CALENDAR: u16 = 0x0707;
/// Keys from certificates.
pub const KEY_ESTABLISHMENT: u16 = 0x0800;
/// Power, voltage and current.
pub const ELECTRICAL_MEASUREMENT: u16 = 0x0B04;

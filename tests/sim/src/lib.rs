//! Simulated meters that speak the real protocols byte for byte through ptys.
//!
//! A simulated meter sits behind a path, as a real one sits behind `/dev/ttyUSB0`; the gateway
//! cannot tell the difference. Its cable can be pulled and put back, and it knows the truth:
//! every value it has sent can be asked for and compared with what arrived.
//!
//! - [`sml::SmlMeter`] pushes a telegram every second, as German meters do.
//! - [`iec62056_21::Meter`] answers requests in mode C of IEC 62056-21, with the change of speed.
//! - [`tic::Meter`] pushes the frames of a French customer port, in historic or standard mode.
//! - [`p1::P1Meter`] pushes P1 telegrams, plain or ciphered, with a gas meter behind it.
//! - [`dlms::DlmsMeter`] answers DLMS/COSEM clients over HDLC, mode E and the wrapper.
//! - [`dlms_push::DlmsMeter`] pushes DLMS lists in HDLC frames or over M-Bus, plain or ciphered.
//! - [`radio::Air`] is full of wireless M-Bus meters, and [`receiver::Receiver`] is a stick that
//!   hears them: an iM871A, an AMB8465 or a CUL.
//! - [`c12::Meter`] is read through C12.18, or C12.21 behind a modem; [`c12::network`] through C12.22.
//! - [`modbus::MeterLine`] is an RS-485 line with several Modbus meters.
//! - [`mbus::Line`] is a wired M-Bus with several slaves behind a level converter.
//! - [`zigbee::Ncp`] is a Zigbee stick (ASH, EZSP 13 to 19) with a mesh of devices behind it.
//! - [`replay::Replay`] plays recorded bytes at the speed of the line.
//! - [`household`] says what the meters count: a home with its appliances, day after day the same
//!   for the same seed.
//!
//! What a pty does not have is parity and the number of data bits: the kernel sets 8 and none,
//! whatever is asked for. Its speed is kept, and [`uart`] makes of bytes sent at one speed and
//! heard at another what a real receiver makes of them.
//!
//! Nothing here is linked into the product.

pub mod actor;
pub mod at_work;
pub mod c12;
pub mod dlms;
pub mod dlms_push;
pub mod household;
pub mod iec62056_21;
mod log;
pub mod mbus;
pub mod modbus;
pub mod p1;
pub mod port;
pub mod powerline;
mod push;
pub mod radio;
pub mod receiver;
pub mod replay;
pub mod rs485;
pub mod sml;
pub mod tic;
pub mod uart;
pub mod zigbee;

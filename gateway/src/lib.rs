//! wattle, the home energy gateway: the daemon and its command line.
//!
//! One reading's way through this crate: [`collect`] takes it from its meter's driver, the
//! [`store`] commits it, the [`bus`] says so, and from there [`mqtt`] publishes it and the
//! [`view`] draws it into the one state that [`http`] serves.

pub mod access;
pub mod anomalies;
pub mod appliances;
pub mod bearer;
pub mod bills;
pub mod bus;
pub mod buses;
pub mod c12;
pub mod c1222_server;
pub mod channel;
pub mod cli;
pub mod clock;
pub mod collect;
pub mod config;
pub mod daemon;
mod devices;
pub mod dlms;
pub mod dlms_server;
mod door;
pub mod drivers;
mod files;
pub mod grid;
mod hex;
pub mod http;
mod http_client;
pub mod lines;
mod mbus;
pub mod mdns;
pub mod messages;
pub mod mqtt;
pub mod near;
pub mod openadr;
pub mod powerline;
pub mod prepay;
pub mod prices;
pub mod radio;
pub mod reading_lines;
pub mod records;
pub mod sep2;
pub mod store;
pub mod supervisor;
pub mod supply;
pub mod tariff;
mod tls;
pub mod upstream;
pub mod usage;
mod usage_parts;
mod vault;
pub mod vee;
pub mod view;
pub mod zigbee;

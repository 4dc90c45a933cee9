//! What the stick reports of its own accord.

use std::time::Instant;

use super::{Aps, Join, NO_ROUTE, RADIUS, RadioEvent, Stage, ZStack, profile_of};
use crate::value::{Record, Value};
use crate::zigbee::coordinator::{ChannelEnergy, Incoming};
use crate::zigbee::znp::{Frame, FrameKind, fields};

/// The stick is the coordinator of a network that works (SWRA198, 3.12.2.19).
const COORDINATOR: u8 = 9;
/// Energy is told from 0 to 255: from 10 dB above what a CC26x2 can hear to what saturates it.
const LEAST_DBM: i32 = -90;
const MOST_DBM: i32 = -10;

impl ZStack {
    pub(super) fn take_indication(&mut self, id: u16, payload: Vec<u8>, now: Instant) {
        match id {
            0x05C0 => self.take_state(payload.first().copied().unwrap_or(0), now),
            0x05FF => self.take_zdo(&payload),
            0x05B8 => self.take_scan(&payload),
            _ => {
                let frame = Frame {
                    kind: FrameKind::Asynchronous,
                    id,
                    payload,
                };
                if let Some(record) = fields(&frame) {
                    self.take_record(id, &record, now);
                }
            }
        }
    }

    fn take_state(&mut self, state: u8, now: Instant) {
        let was_started = self.is_started;
        self.is_started = state == COORDINATOR;
        if self.is_started {
            self.go_on_waiting(now);
        } else if was_started && matches!(self.stage, Stage::Resting | Stage::Snapshot) {
            self.lose("the radio stick has left the network".to_owned());
        }
    }

    fn go_on_waiting(&mut self, now: Instant) {
        if matches!(self.stage, Stage::CarryingOn | Stage::Provisional) {
            self.go_on(now);
        }
    }

    fn take_record(&mut self, id: u16, record: &Record, now: Instant) {
        let number = |name| record.number(name).unwrap_or(0);
        let short = |name| u16::try_from(number(name)).unwrap_or(0);
        let octet = |name| u8::try_from(number(name)).unwrap_or(0);
        match id {
            // AF_DATA_CONFIRM
            0x0480 => self.confirm(octet("trans_id"), octet("status"), now),
            // AF_INCOMING_MSG
            0x0481 => {
                let (Some(Value::Octets(payload)), Some(profile)) =
                    (record.field("data"), profile_of(octet("dst_endpoint")))
                else {
                    return;
                };
                self.events.push_back(RadioEvent::Incoming(Incoming {
                    nwk: short("src_addr"),
                    aps: Aps {
                        profile,
                        cluster: short("cluster"),
                        own_endpoint: octet("dst_endpoint"),
                        endpoint: octet("src_endpoint"),
                        secured: number("security_use") != 0,
                    },
                    payload: payload.clone(),
                    lqi: octet("lqi"),
                }));
            }
            // ZDO_LEAVE_IND
            0x05C9 if number("rejoin") == 0 => self.events.push_back(RadioEvent::Device {
                ieee: number("ext_addr"),
                nwk: short("src_addr"),
                join: Join::Left,
            }),
            // ZDO_TC_DEV_IND: who comes while nobody is let in was here before.
            0x05CA => {
                let is_permitted = self.permitted.is_some_and(|until| now < until);
                self.events.push_back(RadioEvent::Device {
                    ieee: number("ext_addr"),
                    nwk: short("nwk_addr"),
                    join: if is_permitted { Join::New } else { Join::Again },
                });
            }
            _ => {}
        }
    }

    fn confirm(&mut self, tag: u8, status: u8, now: Instant) {
        // It may come before the answer to the request.
        let waiting = self.sends.iter().find(|(_, (own, ..))| *own == tag);
        let early = waiting.map(|(token, (_, nwk, _))| (*token, *nwk));
        let nwk = match (self.confirmations.remove(&tag), early) {
            (Some(nwk), _) => nwk,
            (None, Some((token, nwk))) => {
                self.sends.remove(&token);
                nwk
            }
            (None, None) => return,
        };
        if status == NO_ROUTE {
            // The next message finds the way.
            let [low, high] = nwk.to_le_bytes();
            self.ask(0x0545, vec![low, high, 0, RADIUS], now);
        }
        self.events.push_back(RadioEvent::Sent {
            tag,
            delivered: status == 0,
        });
    }

    /// `ZDO_MSG_CB_INCOMING`: sender, broadcast, cluster, security, sequence number, receiver, and
    /// what follows the sequence number.
    fn take_zdo(&mut self, payload: &[u8]) {
        let Some((&[low, high, _, cluster_low, cluster_high, secured, tsn, _, _], data)) =
            payload.split_first_chunk()
        else {
            return;
        };
        let mut message = vec![tsn];
        message.extend_from_slice(data);
        self.events.push_back(RadioEvent::Incoming(Incoming {
            nwk: u16::from_le_bytes([low, high]),
            aps: Aps {
                profile: 0,
                cluster: u16::from_le_bytes([cluster_low, cluster_high]),
                own_endpoint: 0,
                endpoint: 0,
                secured: secured != 0,
            },
            payload: message,
            // It is not told here.
            lqi: 0,
        }));
    }

    /// `ZDO_MGMT_NWK_UPDATE_NOTIFY`: sender, status, channels, two counts, and the energies.
    fn take_scan(&mut self, payload: &[u8]) {
        let Some((&[0, 0, 0, c0, c1, c2, c3, _, _, _, _, count], energies)) =
            payload.split_first_chunk()
        else {
            return;
        };
        let channels = u32::from_le_bytes([c0, c1, c2, c3]);
        let scanned = (11..=26).filter(|channel| channels >> channel & 1 == 1);
        let found = scanned
            .zip(energies.iter().take(count.into()))
            .map(|(channel, energy)| ChannelEnergy {
                channel,
                energy_dbm: dbm(*energy),
            });
        self.events.push_back(RadioEvent::Energy(found.collect()));
    }
}

fn dbm(energy: u8) -> i8 {
    let dbm = LEAST_DBM + i32::from(energy) * (MOST_DBM - LEAST_DBM) / 255;
    i8::try_from(dbm).unwrap_or(0)
}

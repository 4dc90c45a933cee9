//! What is asked of the network.

use std::time::Duration;

use han::zigbee::install_code::InstallCode;
use han::zigbee::upgrade;
use zeroize::Zeroizing;

use super::{Asked, Part, Request};

impl Part {
    pub(super) fn answer(&mut self, asked: Asked) {
        let now = std::time::Instant::now();
        let is_up = self.home.coordinator.is_up();
        let answer = match asked.request {
            Request::Replace => {
                self.home.coordinator.replace();
                self.home.start(now);
                Ok(())
            }
            _ if !is_up => {
                Err("the Zigbee network is not up; see state and reason at /api/v1/zigbee")
            }
            Request::Join { seconds, code } => {
                self.join(seconds, code.as_deref(), now);
                Ok(())
            }
            Request::Survey => {
                self.home.coordinator.scan(now);
                self.home.look_around(now);
                Ok(())
            }
            Request::RotateKey => {
                let mut key = Zeroizing::new([0; 16]);
                let is_drawn = getrandom::fill(key.as_mut()).is_ok();
                let begun = is_drawn && self.home.coordinator.rotate_key(&key, now);
                begun
                    .then_some(())
                    .ok_or("the key is being exchanged already, or cannot be")
            }
            Request::Upgrade {
                ieee,
                version,
                downgrade,
            } => {
                let asked = self.home.upgrades.ask(ieee, version, downgrade);
                asked.map(drop).map_err(upgrade::Refusal::words)
            }
            Request::CallUpgradeOff { ieee } => {
                self.home.upgrades.call_off(ieee);
                Ok(())
            }
            Request::Switch { ieee, on } => {
                let switched = self.home.switch(ieee, on, now);
                switched
                    .then_some(())
                    .ok_or("there is no such device, or it has no relay")
            }
        };
        // Who asked may be gone.
        let _ = asked.answer.send(answer);
    }

    pub(super) fn join(
        &mut self,
        seconds: u8,
        code: Option<&(u64, InstallCode)>,
        now: std::time::Instant,
    ) {
        if let Some((ieee, code)) = code {
            self.home.coordinator.allow(*ieee, &code.link_key(), now);
        }
        self.home
            .coordinator
            .permit(seconds, None, code.is_none(), now);
        let until = self.settings.clock.now() + Duration::from_secs(seconds.into());
        self.settings.board.joining((seconds > 0).then_some(until));
    }
}

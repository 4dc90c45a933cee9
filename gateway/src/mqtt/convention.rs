//! The conventions that are spoken: the same things, said in each.

use super::dsmr::Dsmr;
use super::home_assistant::{HomeAssistant, status};
use super::homie::{Homie, PRESS};
use super::thing::{Message, Topics, Update};
use crate::clock::SharedClock;
use crate::config::{Discovery, MqttConfig, MqttMode};
use crate::store::StoredTelegram;

/// All that are spoken.
pub(super) struct Conventions {
    topics: Topics,
    home_assistant: Option<HomeAssistant>,
    homie: Option<Homie>,
    dsmr: Option<Dsmr>,
}

impl Conventions {
    /// `left`: forms of discovery of which the broker may keep messages; `grid`: name of the
    /// electricity meter at the grid.
    pub(super) fn new(
        config: &MqttConfig,
        topics: &Topics,
        left: &[Discovery],
        grid: Option<String>,
        clock: SharedClock,
    ) -> Self {
        let speaks = |mode| config.modes.contains(&mode);
        let commands = &config.commands;
        let home_assistant = speaks(MqttMode::HomeAssistant).then(|| {
            let mut spoken = HomeAssistant::new(topics.clone(), config.discovery, commands);
            for form in left {
                spoken.was(*form);
            }
            spoken
        });
        Self {
            topics: topics.clone(),
            home_assistant,
            homie: speaks(MqttMode::Homie).then(|| Homie::new(topics, commands, clock)),
            dsmr: speaks(MqttMode::Dsmr).then(|| Dsmr::new(grid)),
        }
    }

    /// The messages for something that is to be said.
    pub(super) fn messages(&mut self, update: &Update) -> Vec<Message> {
        let mut messages = Vec::new();
        if let Some(spoken) = &mut self.home_assistant {
            messages.extend(spoken.messages(update));
        }
        if let Some(spoken) = &mut self.homie {
            messages.extend(spoken.messages(update));
        }
        messages
    }

    /// The messages for a telegram, beside those for what it changes.
    pub(super) fn telegram(&mut self, telegram: &StoredTelegram) -> Vec<Message> {
        self.dsmr
            .as_mut()
            .map(|spoken| spoken.take(telegram))
            .unwrap_or_default()
    }

    /// The messages for the day so far.
    pub(super) fn day(&mut self, state: &wattle_api::State) -> Vec<Message> {
        self.dsmr
            .as_mut()
            .map(|spoken| spoken.day(state))
            .unwrap_or_default()
    }

    /// Before everything is said.
    pub(super) fn begin(&mut self) -> Vec<Message> {
        let homie = self.homie.as_mut().map(Homie::begin);
        homie.unwrap_or_default()
    }

    /// Everything was said: last of all, that the gateway is there.
    pub(super) fn ready(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        messages.extend(self.dsmr.iter().flat_map(Dsmr::everything));
        messages.extend(self.homie.as_mut().map(Homie::ready).unwrap_or_default());
        if self.homie.is_none() {
            messages.push(self.status(true));
        }
        messages
    }

    /// What the broker says when the connection is lost.
    pub(super) fn last_will(&self) -> Message {
        match &self.homie {
            Some(homie) => homie.last_will(),
            None => self.status(false),
        }
    }

    /// The goodbye.
    pub(super) fn farewell(&self) -> Vec<Message> {
        match &self.homie {
            Some(homie) => homie.farewell(),
            None => vec![self.status(false)],
        }
    }

    /// More topics on which requests come.
    pub(super) fn subscription(&self) -> Option<String> {
        self.homie.as_ref()?.subscription()
    }

    /// A request in Homie's form as one of our own: topic and payload.
    pub(super) fn request(&self, topic: &str, payload: &[u8]) -> Option<(String, String)> {
        let (path, command) = self.homie.as_ref()?.request(topic)?;
        // What is not a press is refused where every other request is.
        let command = match payload {
            pressed if pressed == PRESS.as_bytes() => command,
            _ => String::new(),
        };
        let request = serde_json::json!({ "command": command });
        Some((
            format!("{}/set", self.topics.at(&path)),
            request.to_string(),
        ))
    }

    fn status(&self, online: bool) -> Message {
        Message::retained(self.topics.gateway_status(), status(online))
    }
}

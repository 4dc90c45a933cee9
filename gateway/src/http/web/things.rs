//! Names of appliances: the household's own word, or that for its kind and its number, as on the
//! display.

use wattle_api::Appliances;

use super::tongue::{Tongue, tr};
use super::words::capital;

/// The kinds that the decoder knows.
const THINGS: [(&str, &str); 22] = [
    ("fridge", tr("Fridge")),
    ("freezer", tr("Freezer")),
    ("kettle", tr("Kettle")),
    ("toaster", tr("Toaster")),
    ("coffee_maker", tr("Coffee maker")),
    ("microwave", tr("Microwave")),
    ("shower", tr("Electric shower")),
    ("boiler", tr("Boiler pump")),
    ("dishwasher", tr("Dishwasher")),
    ("washing_machine", tr("Washing machine")),
    ("tumble_dryer", tr("Tumble dryer")),
    ("stove", tr("Stove")),
    ("oven", tr("Oven")),
    ("heat_pump", tr("Heat pump")),
    ("ev_charger", tr("Car charger")),
    ("water_heater", tr("Water heater")),
    ("air_conditioner", tr("Air conditioner")),
    ("iron", tr("Iron")),
    ("vacuum_cleaner", tr("Vacuum cleaner")),
    ("lighting", tr("Lighting")),
    ("tv", tr("Television")),
    ("pc", tr("Computer")),
];

impl Tongue {
    /// An appliance as it is called in this home.
    pub(super) fn called(&self, name: &str, found: &Appliances) -> String {
        match found.labels.get(name) {
            Some(label) => label.clone(),
            None => self.appliance(name),
        }
    }

    /// An appliance by its kind and its number.
    pub(super) fn appliance(&self, name: &str) -> String {
        let (kind, number) = match name.rsplit_once('_') {
            Some((kind, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                (kind, number)
            }
            _ => (name, ""),
        };
        let known = THINGS.iter().find(|(known, _)| *known == kind);
        let word = known.map_or_else(
            || capital(&kind.replace('_', " ")),
            |(_, word)| self.t(word).to_owned(),
        );
        format!("{word} {number}").trim_end().to_owned()
    }

    /// The name of a kind for what somebody called it.
    pub(super) fn kind_of(&self, said: &str) -> String {
        let said = said.trim().to_lowercase();
        let known = THINGS
            .iter()
            .find(|(_, word)| self.t(word).to_lowercase() == said);
        known.map_or_else(
            || said.replace([' ', '-'], "_"),
            |(kind, _)| (*kind).to_owned(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wattle_api::format::Language;

    #[test]
    fn appliances_have_the_words_of_the_language() {
        let tongue = |language| Tongue {
            language,
            chosen: false,
            zone: jiff::tz::TimeZone::UTC,
        };
        let (english, german) = (tongue(Language::English), tongue(Language::German));
        assert_eq!(english.appliance("fridge_2"), "Fridge 2");
        assert_eq!(german.appliance("ev_charger"), "Wallbox");
        assert_eq!(german.appliance("sauna_stove_oven"), "Sauna stove oven");
        assert_eq!(german.kind_of(" Wasserkocher"), "kettle");
        assert_eq!(english.kind_of("Sauna stove"), "sauna_stove");
        let mut found = Appliances::default();
        found.labels.insert("fridge_2".into(), "Keller".into());
        assert_eq!(german.called("fridge_2", &found), "Keller");
        assert_eq!(german.called("fridge_3", &found), "Kühlschrank 3");
    }
}

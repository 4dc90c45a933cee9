//! What the daemon says in English and a household meets on its pages: faults of forms, words of the
//! ledger, and what wireless meters measure. What stands in no list here is shown as it is, marked as English.

use super::tongue::tr;

/// A text and what stood in its place, if it has one.
pub(super) type Told<'a> = (&'static str, Option<(&'static str, &'a str)>);

/// The texts; each has one place at the most.
pub(super) static TEXTS: &[&str] = &[
    // The door.
    tr("the name, the password or the code is wrong"),
    tr("too many wrong tries; wait {seconds} seconds and try again"),
    tr("a name has 1 to 40 characters, none of them a slash, and no blank at its ends"),
    tr("a password has 10 to 200 characters"),
    tr("there is a user of this name already"),
    tr("there are 32 users already; remove one"),
    // Users and tokens.
    tr("there is no such user or token"),
    tr("this needs another role"),
    tr("this is for another role"),
    tr("a user is household or installer; metrics is for tokens"),
    tr("a label has 1 to 60 characters"),
    tr("a token is good for 1 to 3660 days"),
    tr("there are 512 tokens; take some back"),
    tr("the consumer log book is the household's alone"),
    // Forms.
    tr("the form cannot be read"),
    tr("choose a backup first"),
    tr("write the word erase, so that nothing is erased by accident"),
    tr("a tariff is a text in UTF-8"),
    tr("this tariff cannot be used: {reason}"),
    tr("its price documents have not come yet; it cannot be tried"),
    tr("no tariff was uploaded"),
    tr("this is no backup that can be used: {reason}"),
    tr("the backup did not come: {reason}"),
    tr("a key has 32 hex digits (AES) or 16 (DES)"),
    tr("it could not be kept: {reason}"),
    tr("no [[receiver]] is configured"),
    tr("nothing has been learnt yet"),
    // Pages without figures.
    tr("no electricity meter at the grid is configured"),
    tr("no tariff is configured, or no price has come yet"),
    tr("nothing of this period was metered"),
    tr("the store could not be read"),
    tr("it could not be finished"),
    tr("too many followers"),
    // The ledger.
    tr("live state"),
    tr("live state, followed"),
    tr("usage"),
    tr("bill"),
    tr("appliances"),
    tr("meters and their registers"),
    tr("meters and their registers, Zigbee devices"),
    tr("privacy ledger"),
    tr("log books"),
    tr("Zigbee devices"),
    tr("all registers of {meter}"),
    tr("nothing measured; that somebody here asks for prices"),
    tr("what became of a control, and whether the home takes part"),
    tr("everything"),
    tr("everything, as a backup"),
    tr("history of registers"),
    tr("home network"),
    tr("prepayment account"),
    tr("quarter-hours, exported"),
    tr("radio meters in reach"),
    tr("registers, for monitoring"),
    tr("requests of the utility"),
    tr("stream {name}, sealed"),
    tr("whether the home takes part in an event"),
    tr("energy used in an event"),
    tr("as asked for"),
    tr("each choice"),
    tr("as the event asks, 15 min at the finest"),
    tr("every telegram"),
    tr("each time prices are fetched"),
    tr("each step of a control"),
    // Device types of wireless meters.
    tr("other"),
    tr("oil"),
    tr("electricity"),
    tr("gas"),
    tr("heat"),
    tr("steam"),
    tr("warm water"),
    tr("water"),
    tr("heat cost allocation"),
    tr("heat/cooling load"),
    tr("hot water"),
    tr("cold water"),
    tr("smoke detector"),
    tr("room sensor"),
    tr("unknown"),
    // What an erasure leaves.
    tr("the configuration and an uploaded tariff"),
    tr("users and their tokens"),
    tr(
        "keys of meters, of Zigbee devices and of the relay, and which meters and devices were taken on",
    ),
    tr("the balance, debts and redeemed codes of the prepayment account"),
    tr("how far the relay to the utility has counted, under digests of its streams' names"),
    tr("what the household allows whom"),
    tr("the system and calibration log books"),
];

/// The text that something said is an instance of.
pub(super) fn find(said: &str) -> Option<Told<'_>> {
    TEXTS.iter().find_map(|text| {
        let Some((before, (place, after))) = text
            .split_once('{')
            .and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
        else {
            return (*text == said).then_some((*text, None));
        };
        let value = said.strip_prefix(before)?.strip_suffix(after)?;
        Some((*text, Some((place, value))))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::AccessError;
    use crate::http::Problem;

    #[test]
    fn a_value_is_found_in_its_place() {
        let said = Problem::from(AccessError::Locked(30)).text;
        let (text, value) = find(&said).unwrap();
        assert!(text.starts_with("too many wrong tries"));
        assert_eq!(value, Some(("seconds", "30")));
        assert_eq!(find("usage"), Some(("usage", None)));
        assert_eq!(find("usages"), None);
    }
}

//! DLMS: any bytes as a message; what is understood is written so that it is understood alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meter_link::dlms::apdu::Apdu;
use meter_link::dlms::class;
use meter_link::dlms::data::Data;
use meter_link::dlms::interpret;
use meter_link::dlms::receive::receive;
use meter_link::dlms::security::Keys;
use meter_link::key::Key;
use meter_link::profile::dlms::profiles;

fn has_descriptor(data: &Data) -> bool {
    matches!(data, Data::Attribute(_))
        || data
            .elements()
            .is_some_and(|elements| elements.iter().any(has_descriptor))
}

fuzz_target!(|bytes: &[u8]| {
    let mut keys = Keys { no_auth: true, system_title: Some([7; 8]), ..Keys::default() };
    if let Ok(key) = Key::from_hex(&"5a".repeat(16)) {
        keys.encryption.insert(None, key);
    }
    drop(receive(bytes, &keys));
    // Any value as any attribute of any class.
    if let [class, attribute, value @ ..] = bytes
        && let Some(class) = class::class((*class).into())
        && let Some(attribute) = class.attribute((*attribute).cast_signed())
        && let Ok(data) = Data::decode(value)
    {
        drop(class::explain(attribute, &data));
    }
    let Ok((apdu, _)) = Apdu::decode(bytes) else {
        return;
    };
    let mut guessed = false;
    if let Apdu::DataNotification(push) = &apdu {
        drop(interpret::read(&push.body, Some(*b"LGZ00001"), profiles()));
        // Lengths written shorter may make other bytes of what stands without a tag.
        guessed = has_descriptor(&push.body);
    }
    let again = apdu.to_vec();
    match Apdu::decode(&again) {
        Ok((same, rest)) => assert!(guessed || (same == apdu && rest.is_empty())),
        Err(error) => assert!(guessed, "{error}"),
    }
});

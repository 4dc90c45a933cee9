//! Letting a phone or a computer in: the code of an open pairing, and the address with it.

use super::View;
use crate::format;
use crate::generated::Door;
use slint::SharedString;
use wattle_api::WebAccess;

pub(super) fn bind(door: &Door, view: &View) {
    let web = view.state.as_ref().and_then(|state| state.web.as_ref());
    let address = web.and_then(|web| web.urls.first());
    door.set_has_page(address.is_some());
    door.set_address(address.cloned().unwrap_or_default().into());
    // While the web page is switched off there is nowhere to type a code.
    let open = web.and_then(|web| {
        let pairing = web.pairing.as_ref()?;
        address.map(|_| (web, pairing))
    });
    let open = open.filter(|(_, pairing)| pairing.expires_at > view.now);
    let code: SharedString = open
        .map(|(_, pairing)| grouped(&pairing.code.0))
        .unwrap_or_default()
        .into();
    // What was shown is void: nobody looks at a code for ever.
    let before = door.get_code();
    if !before.is_empty() && before != code {
        door.set_shown(false);
    }
    door.set_code(code);
    let Some((web, pairing)) = open else {
        door.set_url(SharedString::new());
        door.set_fingerprint(SharedString::new());
        door.set_fingerprint_rest(SharedString::new());
        return;
    };
    let url = pairing.url.as_ref().map(|url| url.0.as_str());
    door.set_url(url.unwrap_or_default().into());
    door.set_until(format::moment(pairing.expires_at, &view.local(), view.language).into());
    let (first, rest) = halves(web);
    door.set_fingerprint(first.into());
    door.set_fingerprint_rest(rest.into());
}

/// Eight digits in two groups; anything else as it is.
fn grouped(code: &str) -> String {
    match code.split_at_checked(4) {
        Some((first, rest)) if code.len() == 8 => format!("{first} {rest}"),
        _ => code.to_owned(),
    }
}

/// The fingerprint in two lines of sixteen pairs.
fn halves(web: &WebAccess) -> (&str, &str) {
    let whole = web.fingerprint.as_deref().unwrap_or_default();
    whole.split_at_checked(48).unwrap_or((whole, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_in_two_groups() {
        assert_eq!(grouped("12345678"), "1234 5678");
        assert_eq!(grouped("1234567"), "1234567");
        assert_eq!(grouped("€€12"), "€€12");
        let pairs = ["AB"; 32].join(":");
        let web = WebAccess {
            fingerprint: Some(pairs.clone()),
            ..WebAccess::default()
        };
        let (first, rest) = halves(&web);
        assert_eq!((first.len(), rest.len()), (48, 47));
        assert_eq!(format!("{first}{rest}"), pairs);
        assert_eq!(halves(&WebAccess::default()), ("", ""));
    }
}

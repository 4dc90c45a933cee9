//! Letting a phone or a computer in: the code of an open pairing, below SETTINGS.

use super::View;
use crate::format;
use crate::generated::More;
use slint::SharedString;
use wattle_api::WebAccess;

pub(super) fn bind(more: &More, view: &View) {
    let web = view.state.as_ref().and_then(|state| state.web.as_ref());
    // While the web page is switched off there is nowhere to type a code.
    let open = web.and_then(|web| {
        let pairing = web.pairing.as_ref()?;
        Some((web, pairing, web.urls.first()?))
    });
    let Some((web, pairing, address)) =
        open.filter(|(_, pairing, _)| pairing.expires_at > view.now)
    else {
        more.set_pairing(SharedString::new());
        more.set_pairing_shown(false);
        return;
    };
    let code: SharedString = grouped(&pairing.code.0).into();
    // What was shown is void: nobody looks at a code for ever.
    if more.get_pairing() != code {
        more.set_pairing_shown(false);
    }
    more.set_pairing(code);
    more.set_pairing_address(address.into());
    more.set_pairing_until(format::moment(pairing.expires_at, &view.local(), view.language).into());
    let (first, rest) = halves(web);
    more.set_fingerprint(first.into());
    more.set_fingerprint_rest(rest.into());
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

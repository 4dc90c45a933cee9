//! Which sessions are entered.

/// A suite of encryption and authentication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suite {
    /// RC4 with the digest of this module: TS 104 001 V1, and V2 for old devices.
    Rc4,
    /// AES-128 with a key agreed on beforehand: TS 104 001 V2.
    Aes128,
}

/// Why a session is not entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing but RC4 is offered.
    #[error(
        "the device offers only RC4 and the OMA digest, which are broken: anyone on the line can \
         read and forge its messages; the session is refused"
    )]
    Rc4Only,
    /// Nothing is offered.
    #[error("the device offers no suite at all; the session is refused")]
    Nothing,
}

/// The suite to use out of those a device offers.
///
/// # Errors
/// None of them protects anything.
pub fn choose(offered: &[Suite]) -> Result<Suite, Refusal> {
    if offered.contains(&Suite::Aes128) {
        return Ok(Suite::Aes128);
    }
    Err(if offered.is_empty() {
        Refusal::Nothing
    } else {
        Refusal::Rc4Only
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rc4_alone_is_refused() {
        assert_eq!(choose(&[Suite::Rc4]), Err(Refusal::Rc4Only));
        assert_eq!(choose(&[]), Err(Refusal::Nothing));
        assert_eq!(choose(&[Suite::Rc4, Suite::Aes128]), Ok(Suite::Aes128));
        assert!(Refusal::Rc4Only.to_string().contains("RC4"));
    }
}

//! Result codes of xDLMS (IEC 62056-5-3, clause 8).

use std::fmt;

macro_rules! codes {
    ($(#[$doc:meta])* $type:ident { $($name:ident = $code:literal $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $type {
            $(#[doc = $text] $name,)+
            /// A code that the standard does not name.
            Other(u8),
        }

        impl $type {
            /// The meaning of a code.
            #[must_use]
            pub const fn from_code(code: u8) -> Self {
                match code {
                    $($code => Self::$name,)+
                    other => Self::Other(other),
                }
            }

            /// The code.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self {
                    $(Self::$name => $code,)+
                    Self::Other(code) => code,
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name => f.write_str($text),)+
                    Self::Other(code) => write!(f, "code {code}"),
                }
            }
        }
    };
}

codes! {
    /// How access to an attribute ended.
    DataAccessResult {
        Success = 0 "success",
        HardwareFault = 1 "hardware fault",
        TemporaryFailure = 2 "temporary failure",
        ReadWriteDenied = 3 "read or write denied",
        ObjectUndefined = 4 "object undefined",
        ObjectClassInconsistent = 9 "object class inconsistent",
        ObjectUnavailable = 11 "object unavailable",
        TypeUnmatched = 12 "type unmatched",
        ScopeOfAccessViolated = 13 "scope of access violated",
        DataBlockUnavailable = 14 "data block unavailable",
        LongGetAborted = 15 "long get aborted",
        NoLongGetInProgress = 16 "no long get in progress",
        LongSetAborted = 17 "long set aborted",
        NoLongSetInProgress = 18 "no long set in progress",
        DataBlockNumberInvalid = 19 "data block number invalid",
        OtherReason = 250 "other reason",
    }
}

codes! {
    /// How the invocation of a method ended.
    ActionResult {
        Success = 0 "success",
        HardwareFault = 1 "hardware fault",
        TemporaryFailure = 2 "temporary failure",
        ReadWriteDenied = 3 "read or write denied",
        ObjectUndefined = 4 "object undefined",
        ObjectClassInconsistent = 9 "object class inconsistent",
        ObjectUnavailable = 11 "object unavailable",
        TypeUnmatched = 12 "type unmatched",
        ScopeOfAccessViolated = 13 "scope of access violated",
        DataBlockUnavailable = 14 "data block unavailable",
        LongActionAborted = 15 "long action aborted",
        NoLongActionInProgress = 16 "no long action in progress",
        OtherReason = 250 "other reason",
    }
}

codes! {
    /// What state an exception response complains of.
    StateError {
        ServiceNotAllowed = 1 "service not allowed",
        ServiceUnknown = 2 "service unknown",
    }
}

codes! {
    /// How an association was answered.
    AssociationResult {
        Accepted = 0 "accepted",
        RejectedPermanent = 1 "rejected permanently",
        RejectedTransient = 2 "rejected for the time being",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_comes_back() {
        for code in 0..=255 {
            assert_eq!(DataAccessResult::from_code(code).code(), code);
            assert_eq!(ActionResult::from_code(code).code(), code);
            assert_eq!(StateError::from_code(code).code(), code);
            assert_eq!(AssociationResult::from_code(code).code(), code);
        }
        assert_eq!(
            DataAccessResult::from_code(4).to_string(),
            "object undefined"
        );
    }
}

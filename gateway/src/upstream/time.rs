//! What chrony says of the clock. A command for a certain time is not taken while the clock is known
//! to be wrong.

use std::process::Command;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

/// How far the clock may be off: 3 % of a quarter-hour (PTB-A 50.8), seconds.
const TRUSTED_S: i64 = 27;
/// Seconds that chronyc may take.
const PATIENCE_S: &str = "3";

/// The clock, as chrony sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ClockState {
    /// Whether it follows a server.
    synchronised: bool,
    /// Seconds by which it may be off at most: offset, dispersion and half the way there and back.
    off_s: Decimal,
    /// Whom it follows.
    server: String,
    /// Servers that prove who they are (NTS, RFC 8915).
    authenticated: usize,
}

impl ClockState {
    /// Asks chrony; `None` where there is none.
    pub(crate) fn ask() -> Option<Self> {
        let ask = |report: &str| {
            let output = Command::new("timeout")
                .args([PATIENCE_S, "chronyc", "-n", "-c", report])
                .output()
                .ok()
                .filter(|output| output.status.success())?;
            String::from_utf8(output.stdout).ok()
        };
        // Who proves what is told to root alone by some versions; it is no condition.
        Self::read(&ask("tracking")?, &ask("authdata").unwrap_or_default())
    }

    /// Reads the reports `tracking` and `authdata` (chronyc(1), with `-c`).
    fn read(tracking: &str, authdata: &str) -> Option<Self> {
        let fields: Vec<&str> = tracking.lines().next()?.split(',').collect();
        let number = |place: usize| -> Option<Decimal> { fields.get(place)?.parse().ok() };
        let (offset, delay, dispersion) = (number(4)?, number(10)?, number(11)?);
        let leap = *fields.get(13)?;
        let authenticated = authdata.lines().filter(|line| {
            let mut fields = line.split(',');
            let cookies = fields.clone().nth(8).and_then(|text| text.parse().ok());
            fields.nth(1) == Some("NTS") && cookies.is_some_and(|count: u32| count > 0)
        });
        Some(Self {
            synchronised: leap != "Not synchronised",
            off_s: offset
                .abs()
                .checked_add(dispersion.abs())?
                .checked_add(delay.abs().checked_div(Decimal::TWO)?)?,
            server: (*fields.get(1)?).to_owned(),
            authenticated: authenticated.count(),
        })
    }

    /// By how many seconds it may be off at most; `None` when it follows no server.
    pub(crate) fn off_s(&self) -> Option<i64> {
        let off = self.off_s.ceil().to_i64();
        off.filter(|_| self.synchronised)
    }

    /// Whether what is to be done at a time may be left to this clock.
    pub(super) fn is_trusted(&self) -> bool {
        self.synchronised && self.off_s <= Decimal::from(TRUSTED_S)
    }

    /// In words.
    pub(super) fn words(&self) -> String {
        if !self.synchronised {
            return "chrony follows no server".to_owned();
        }
        let server = if self.server.is_empty() {
            "the local clock"
        } else {
            &self.server
        };
        format!(
            "chrony follows {server}, off by {} s at most, {} servers by NTS",
            self.off_s.round_dp(6).normalize(),
            self.authenticated
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As chronyd 4.3 tells it without a server, and with itself as the reference.
    #[test]
    fn what_chrony_says() {
        let alone = "00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,1.000000000,1.000000000,0.0,Not synchronised\n";
        let alone = ClockState::read(alone, "").unwrap();
        assert!(!alone.is_trusted());
        assert_eq!(alone.words(), "chrony follows no server");
        let own = "7F7F0101,,5,1795419938.567355788,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,0.000000000,0.000000000,0.0,Normal\n";
        assert!(ClockState::read(own, "").unwrap().is_trusted());
    }

    /// The form of the lines by chronyc's manual.
    #[test]
    fn the_bound_and_the_servers_that_prove_themselves() {
        let tracking = |offset: &str| {
            format!(
                "C0000201,192.0.2.1,2,1795419938.5,{offset},0.0,0.0,0.0,0.0,0.0,0.030000000,0.001000000,64.2,Normal\n"
            )
        };
        let authdata = "192.0.2.1,NTS,1,15,256,135m,0,0,8,100\n192.0.2.2,-,0,0,0,-,0,0,0,0\n";
        let state = ClockState::read(&tracking("-0.000250000"), authdata).unwrap();
        assert!(state.is_trusted());
        assert_eq!(
            state.words(),
            "chrony follows 192.0.2.1, off by 0.01625 s at most, 1 servers by NTS"
        );
        assert!(
            !ClockState::read(&tracking("-27.1"), "")
                .unwrap()
                .is_trusted()
        );
        for wrong in [
            "",
            "506 Cannot talk to daemon",
            "a,b,c,d,e,f,g,h,i,j,k,l,m,n",
        ] {
            assert_eq!(ClockState::read(wrong, ""), None, "{wrong}");
        }
    }
}

//! Users, sessions and tokens by a clock of the test's own.

use std::sync::atomic::{AtomicI64, Ordering};

use super::*;
use crate::clock::Clock;

struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

struct Home {
    folder: tempfile::TempDir,
    clock: Arc<Hand>,
    access: Access,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Hand(AtomicI64::new(1_780_000_000)));
        let access = Access::open(folder.path().to_path_buf(), clock.clone()).unwrap();
        Self {
            folder,
            clock,
            access,
        }
    }

    fn later(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }

    fn code(&self) -> String {
        let web = self.access.web().borrow().clone();
        web.pairing.map(|pairing| pairing.code.0).unwrap()
    }

    fn pair(&self, code: &str, name: &str) -> Result<Session, AccessError> {
        let asked = Pair {
            code: SecretText(code.to_owned()),
            name: name.to_owned(),
            password: SecretText("correct horse".to_owned()),
        };
        self.access.pair(&asked, "10.0.0.2")
    }

    fn login(&self, password: &str, peer: &str) -> Result<Session, AccessError> {
        let asked = Login {
            name: "anna".to_owned(),
            password: SecretText(password.to_owned()),
        };
        self.access.login(&asked, peer)
    }
}

#[test]
fn the_first_user_comes_by_the_code_and_the_code_is_good_once() {
    let home = Home::new();
    assert!(home.access.web().borrow().pairing.is_none());
    home.access.tick();
    let code = home.code();
    let spoken = format!("{} - {}", &code[..4], &code[4..]);
    let session = home.pair(&spoken, "anna").unwrap();
    assert_eq!(session.caller.role, Role::Household);
    let admitted = home.access.admit(&session.key.0, true).unwrap();
    assert_eq!(admitted.caller.name, "anna");
    assert!(
        home.access.admit(&session.key.0, false).is_none(),
        "a session's key is no token"
    );
    assert!(matches!(home.pair(&code, "bob"), Err(AccessError::Refused)));
    home.access.tick();
    assert!(
        home.access.web().borrow().pairing.is_none(),
        "no pairing opens by itself once there is a user"
    );
    let kept = std::fs::read_to_string(home.folder.path().join("access.json")).unwrap();
    assert!(!kept.contains(&session.key.0) && !kept.contains("correct horse"));
}

#[test]
fn codes_end_after_ten_minutes_and_after_five_wrong_tries() {
    let home = Home::new();
    home.access.tick();
    let code = home.code();
    home.later(601);
    assert!(matches!(
        home.pair(&code, "anna"),
        Err(AccessError::Refused)
    ));
    home.access.tick();
    let code = home.code();
    let wrong = if code == "00000000" { "1" } else { "00000000" };
    for _ in 0..4 {
        assert!(matches!(
            home.pair(wrong, "anna"),
            Err(AccessError::Refused)
        ));
    }
    assert!(matches!(
        home.pair(&code, "anna"),
        Err(AccessError::Locked(_))
    ));
    home.later(61);
    assert!(matches!(
        home.pair(wrong, "anna"),
        Err(AccessError::Refused)
    ));
    assert!(home.access.web().borrow().pairing.is_none(), "void");
}

#[test]
fn wrong_passwords_lock_out_for_a_minute() {
    let home = Home::new();
    home.access.tick();
    home.pair(&home.code(), "anna").unwrap();
    for _ in 0..5 {
        assert!(matches!(
            home.login("wrong horse", "10.0.0.66"),
            Err(AccessError::Refused)
        ));
    }
    assert!(matches!(
        home.login("correct horse", "10.0.0.66"),
        Err(AccessError::Locked(_))
    ));
    home.later(61);
    assert!(home.login("correct horse", "10.0.0.66").is_ok());
}

#[test]
fn sessions_end_unused_and_outlive_a_restart() {
    let home = Home::new();
    home.access.tick();
    let session = home.pair(&home.code(), "anna").unwrap();
    let again = Access::open(home.folder.path().to_path_buf(), home.clock.clone()).unwrap();
    assert!(again.admit(&session.key.0, true).is_some());
    home.later(71 * 3600);
    assert!(home.access.admit(&session.key.0, true).is_some());
    home.later(73 * 3600);
    assert!(home.access.admit(&session.key.0, true).is_none());
    home.access.open_pairing(Role::Installer).unwrap();
    let session = home.pair(&home.code(), "fitter").unwrap();
    assert_eq!(session.caller.role, Role::Installer);
    home.later(601);
    assert!(home.access.admit(&session.key.0, true).is_none());
    assert!(home.access.open_pairing(Role::Metrics).is_err());
}

#[test]
fn a_token_never_does_more_than_whoever_asked_and_goes_with_its_user() {
    let home = Home::new();
    home.access.tick();
    home.pair(&home.code(), "anna").unwrap();
    let caller = |role| Caller {
        name: "anna".to_owned(),
        role,
        expires_at: None,
    };
    let asked = |role| NewToken {
        label: "grafana".to_owned(),
        role,
        days: 30,
    };
    for (by, role, fine) in [
        (Role::Household, Role::Metrics, true),
        (Role::Household, Role::Installer, true),
        (Role::Installer, Role::Household, false),
        (Role::Installer, Role::Metrics, true),
        (Role::Metrics, Role::Installer, false),
    ] {
        let issued = home.access.issue(&caller(by), &asked(role));
        assert_eq!(issued.is_ok(), fine, "{by:?} asks for {role:?}");
    }
    let issue = || {
        let asked = asked(Role::Household);
        home.access.issue(&caller(Role::Household), &asked).unwrap()
    };
    let issued = issue();
    let key = issued.token.0;
    assert_eq!(
        home.access.admit(&key, false).unwrap().caller.role,
        Role::Household
    );
    assert!(matches!(
        home.access.revoke(&issued.grant.id, Some("bob")),
        Err(AccessError::Unknown)
    ));
    home.later(31 * 86_400);
    assert!(home.access.admit(&key, false).is_none(), "it has ended");
    let issued = issue();
    home.access.remove_user("anna").unwrap();
    assert!(home.access.admit(&issued.token.0, false).is_none());
}

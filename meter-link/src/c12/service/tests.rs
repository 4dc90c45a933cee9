use proptest::prelude::*;

use super::*;

fn unhex(text: &str) -> Vec<u8> {
    crate::key::octets(text).unwrap()
}

/// As termineter 1.0.6 and the example 8 of C12.22, Annex G, send them.
#[test]
fn requests_there_and_back() {
    for (request, want) in [
        (Request::Identify, "20"),
        (Request::Read { table: 23 }, "300017"),
        (
            Request::ReadOffset {
                table: 1,
                offset: 16,
                count: 16,
            },
            "3f00010000100010",
        ),
        (
            Request::Logon {
                user_id: 2,
                user: *b"0000      ",
                idle_timeout_s: None,
            },
            "50000230303030202020202020",
        ),
        (
            Request::Negotiate {
                packet_size: 512,
                packets: 2,
                bauds: vec![6],
            },
            "6102000206",
        ),
        (
            Request::Security {
                password: Password::new(*b"PASSWORD            "),
                user_id: Some(2),
            },
            "5150415353574f52442020202020202020202020200002",
        ),
        (
            Request::Write {
                table: 7,
                data: vec![1, 2, 0xFF],
            },
            "40000700030102fffe",
        ),
        (Request::Wait { seconds: 30 }, "701e"),
    ] {
        assert_eq!(request.to_bytes(), unhex(want));
        assert_eq!(Request::parse(&unhex(want)), Some(request));
    }
}

#[test]
fn table_data_is_checked() {
    let answer = unhex("000401000000ff");
    assert_eq!(table_data(&answer), Ok(&[1, 0, 0, 0][..]));
    assert_eq!(
        table_data(&unhex("0004010000 01ff".replace(' ', "").as_str())),
        Err(TableDataError::Checksum)
    );
    assert!(matches!(
        table_data(&answer[..6]),
        Err(TableDataError::Length { .. })
    ));
}

#[test]
fn a_password_is_not_shown() {
    let request = Request::Security {
        password: Password::from_text("secret").unwrap(),
        user_id: None,
    };
    assert!(!format!("{request:?}").contains("secret"));
    assert!(Password::from_text("123456789012345678901").is_none());
}

#[test]
fn identification_features() {
    let found = Identification::parse(&[2, 1, 0, 1, 1, 0, 0]).unwrap();
    assert_eq!(
        (found.standard_name(), found.authentication),
        (Some("C12.21"), Some(0))
    );
    let found = Identification::parse(&[0, 1, 0, 0]).unwrap();
    assert_eq!(
        (found.standard_name(), found.authentication),
        (Some("C12.18"), None)
    );
    assert!(Identification::parse(&[3, 1, 0, 2, 1, 0, 9, 1]).is_none());
}

proptest! {
    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        if let Some(request) = Request::parse(&bytes) {
            prop_assert_eq!(request.to_bytes(), bytes.clone());
        }
        drop(Identification::parse(&bytes));
        let _ = table_data(&bytes);
    }
}

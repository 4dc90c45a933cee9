//! What links say when the server is not the right one, against OpenSSL's own server.

use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Ends, LinkEvent, Route};
use crate::bearer::Way;
use crate::config::UpstreamConfig;
use crate::tls::openssl::{Peer, certificates};
use crate::tls::reason::Asked;

/// What a link of this scheme says first.
async fn said(folder: &Path, link: &str, authority: &str, has_certificate: bool) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    let own = if has_certificate {
        format!(
            "certificate = {:?}\nkey = \"file:{}\"\n",
            at("device.crt"),
            at("device.key")
        )
    } else {
        String::new()
    };
    let text = format!(
        "link = {link:?}\nrecipient = \"none\"\ntrust = \"none\"\nca_file = {:?}\n{own}",
        at(&format!("{authority}.crt"))
    );
    let config: UpstreamConfig = toml::from_str(&text).unwrap();
    let link = super::super::link(&config, "gw-1", None, None).unwrap();
    let (_up, from_us) = mpsc::channel(1);
    let (to_us, mut events) = mpsc::channel(4);
    let stop = CancellationToken::new();
    let running = tokio::spawn(link.run(Ends {
        up: from_us,
        events: to_us,
        stop: stop.clone(),
    }));
    let first = tokio::time::timeout(Duration::from_secs(60), events.recv()).await;
    stop.cancel();
    drop(events);
    running.await.unwrap();
    match first.unwrap().unwrap() {
        LinkEvent::Down(reason) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_server_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    if certificates(at, "DNS:localhost", "DNS:elsewhere.example").is_none() {
        println!("skipped: openssl is not installed");
        return;
    }
    let weak = "-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0";
    let no_forward_secrecy = "-tls1_2 -cipher AES128-SHA:@SECLEVEL=0";
    for (certificate, peers, authority, own, want) in [
        ("right", "", "other", true, "UnknownIssuer"),
        ("elsewhere", "", "ca", true, "is for another host"),
        ("expired", "", "ca", true, "has expired"),
        (
            "right",
            "-tls1_1 -cipher ALL:@SECLEVEL=0",
            "ca",
            true,
            "neither TLS 1.2 nor 1.3",
        ),
        ("right", weak, "ca", true, "accepts no cipher suite of ours"),
        (
            "right",
            no_forward_secrecy,
            "ca",
            true,
            "accepts no cipher suite of ours",
        ),
        (
            "right",
            "-tls1_3",
            "ca",
            false,
            "wants a certificate of ours",
        ),
        (
            "right",
            "-tls1_2",
            "ca",
            false,
            "wants a certificate of ours",
        ),
    ] {
        let server = Peer::start(at, certificate, peers);
        for scheme in ["mqtts", "https"] {
            let link = format!("{scheme}://localhost:{}", server.port);
            let reason = said(at, &link, authority, own).await;
            assert!(
                reason.contains(want),
                "{scheme} {certificate} {peers}: {reason}"
            );
            println!("{scheme}, {certificate} {peers}: {reason}");
        }
    }
}

#[test]
fn where_words_cost_money_a_server_hears_of_us_seldom() {
    let route = |is_metered: Option<bool>| Route {
        device: "gw-1".to_owned(),
        prefix: "wattle".to_owned(),
        way: is_metered.map(|is_metered| Way {
            place: 0,
            name: "sim".to_owned(),
            interface: "wwan0".to_owned(),
            is_metered,
        }),
        tls: None,
        asked: Asked::default(),
    };
    let usual = Duration::from_secs(30);
    for (is_metered, want_s) in [(None, 30), (Some(false), 30), (Some(true), 240)] {
        let want = Duration::from_secs(want_s);
        assert_eq!(route(is_metered).pace(usual), want);
    }
    assert_eq!(route(Some(true)).interface(), Some("wwan0"));
}

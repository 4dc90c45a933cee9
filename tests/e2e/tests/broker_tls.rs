//! MQTT over TLS to a real mosquitto that asks for a password.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use e2e::broker::Broker;
use e2e::daemon::Daemon;
use e2e::{eventually, openssl};
use wattle_api::NoticeCode;

const PATIENCE: Duration = Duration::from_secs(15);

/// An authority `name.crt` of one's own.
fn authority(folder: &Path, name: &str) -> anyhow::Result<()> {
    openssl(
        folder,
        &format!(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.crt"
        ),
    )
}

/// A broker for `localhost` under the authority `home`, which knows the user `wattle`.
fn broker(folder: &Path) -> anyhow::Result<Broker> {
    authority(folder, "home")?;
    openssl(
        folder,
        "req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout broker.key -out broker.csr",
    )?;
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost\n")?;
    openssl(
        folder,
        "x509 -req -in broker.csr -CA home.crt -CAkey home.key -CAcreateserial -days 2 -extfile names -out broker.crt",
    )?;
    let passwords = folder.join("passwords");
    let made = Command::new("mosquitto_passwd")
        .args(["-b", "-c"])
        .arg(&passwords)
        .args(["wattle", "s3cret"])
        .status()
        .context("mosquitto_passwd is not installed: apt-get install mosquitto")?;
    anyhow::ensure!(made.success(), "mosquitto_passwd: {made}");
    let more = format!(
        "allow_anonymous false\npassword_file {}\ncertfile {}\nkeyfile {}\n",
        passwords.display(),
        folder.join("broker.crt").display(),
        folder.join("broker.key").display(),
    );
    Broker::start_with(folder, &more)
}

fn config(folder: &Path, port: u16, authority: &str, password: &str) -> anyhow::Result<String> {
    let secret = folder.join("password");
    std::fs::write(&secret, format!("{password}\n"))?;
    Ok(format!(
        "[mqtt]\nhost = \"localhost\"\nport = {port}\nusername = \"wattle\"\npassword = \"file:{}\"\n\
         tls = true\nca_file = \"{authority}.crt\"\n",
        secret.display()
    ))
}

/// What the API says of the broker.
fn trouble(daemon: &Daemon) -> anyhow::Result<Option<String>> {
    let notices = daemon.state()?.notices;
    Ok(notices
        .into_iter()
        .find(|notice| notice.code == NoticeCode::BrokerLost)
        .map(|notice| notice.text))
}

#[test]
fn only_the_right_broker_with_the_right_password() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = broker(folder.path())?;
    authority(folder.path(), "stranger")?;

    let right = config(folder.path(), broker.port(), "home", "s3cret")?;
    let daemon = Daemon::start(folder.path(), &right)?;
    eventually("the broker is reached", PATIENCE, || {
        Ok(daemon.log()?.contains("connected broker").then_some(()))
    })?;
    assert_eq!(trouble(&daemon)?, None);

    daemon.reload(&config(folder.path(), broker.port(), "stranger", "s3cret")?)?;
    let said = eventually("the stranger's broker is refused", PATIENCE, || {
        Ok(trouble(&daemon).unwrap_or_default())
    })?;
    assert!(
        said.to_lowercase().contains("certificate") || said.contains("UnknownIssuer"),
        "{said}"
    );

    daemon.reload(&config(folder.path(), broker.port(), "home", "wrong-w0rd")?)?;
    let said = eventually("the wrong password is refused", PATIENCE, || {
        Ok(trouble(&daemon)
            .unwrap_or_default()
            .filter(|said| !said.to_lowercase().contains("certificate")))
    })?;
    assert!(
        said.contains("NotAuthorized") || said.to_lowercase().contains("not authorized"),
        "{said}"
    );
    let log = daemon.log()?;
    assert!(
        !log.contains("s3cret") && !log.contains("wrong-w0rd"),
        "a secret is in the log"
    );
    daemon.stop()
}

#[test]
fn a_broker_that_asks_for_a_certificate() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let place = folder.path();
    authority(place, "home")?;
    for name in ["broker", "wattle"] {
        openssl(
            place,
            &format!(
                "req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.csr"
            ),
        )?;
        std::fs::write(place.join("names"), "subjectAltName=DNS:localhost\n")?;
        let sign = format!(
            "x509 -req -in {name}.csr -CA home.crt -CAkey home.key -CAcreateserial -days 2 -extfile names -out {name}.crt"
        );
        openssl(place, &sign)?;
    }
    let at = |name: &str| place.join(name).display().to_string();
    let broker = Broker::start_with(
        place,
        &format!(
            "allow_anonymous false\nrequire_certificate true\nuse_identity_as_username true\n\
             cafile {}\ncertfile {}\nkeyfile {}\n",
            at("home.crt"),
            at("broker.crt"),
            at("broker.key")
        ),
    )?;
    let without = format!(
        "[mqtt]\nhost = \"localhost\"\nport = {}\ntls = true\nca_file = \"home.crt\"\n",
        broker.port()
    );
    let daemon = Daemon::start(place, &without)?;
    eventually("it is refused without one", PATIENCE, || {
        Ok(trouble(&daemon).unwrap_or_default())
    })?;
    let with = format!(
        "{without}client_cert = \"wattle.crt\"\nclient_key = \"file:{}\"\n",
        at("wattle.key")
    );
    daemon.reload(&with)?;
    eventually("it is taken with one", PATIENCE, || {
        Ok(daemon.log()?.contains("connected broker").then_some(()))
    })?;
    assert_eq!(trouble(&daemon)?, None);
    daemon.stop()
}

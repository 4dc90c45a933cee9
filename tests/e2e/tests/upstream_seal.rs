//! Sealed batches on the command line: openssl opens what we seal, and the other way round.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;
use e2e::{openssl, program};

const CURVES: [&str; 4] = [
    "prime256v1",
    "secp384r1",
    "brainpoolP256r1",
    "brainpoolP384r1",
];
const PAYLOAD: &[u8] = b"{\"register\":\"1-0:1.8.0\",\"values\":[\"5430157.7\",\"5430181.2\"]}";
const EPOCH: &str = "7=000102030405060708090a0b0c0d0e0f";

fn wattle(folder: &Path, arguments: &str) -> anyhow::Result<String> {
    let output = Command::new(program("wattle")?)
        .arg("upstream")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(
        output.status.success(),
        "wattle upstream {arguments}: {said}"
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// Certificates of a gateway and of a market party on a curve, and the payload.
fn parties(folder: &Path, curve: &str) -> anyhow::Result<()> {
    for name in ["gw", "emt"] {
        openssl(
            folder,
            &format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:{curve} -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.crt"
            ),
        )?;
    }
    std::fs::write(folder.join("payload"), PAYLOAD)?;
    Ok(())
}

#[test]
fn openssl_opens_what_we_seal() -> anyhow::Result<()> {
    for curve in CURVES {
        let folder = tempfile::tempdir()?;
        let folder = folder.path();
        parties(folder, curve)?;
        for compact in ["", " --compact"] {
            wattle(
                folder,
                &format!(
                    "seal --profile cms --sign-cert gw.crt --sign-key gw.key --recipient emt.crt{compact} --out batch payload"
                ),
            )?;
            openssl(
                folder,
                "cms -decrypt -binary -inform DER -in batch -recip emt.crt -inkey emt.key -out signed",
            )?;
            openssl(
                folder,
                "cms -verify -binary -inform DER -in signed -certfile gw.crt -CAfile gw.crt -purpose any -out clear",
            )?;
            assert_eq!(std::fs::read(folder.join("clear"))?, PAYLOAD, "{curve}");
        }
    }
    Ok(())
}

#[test]
fn we_open_what_openssl_seals() -> anyhow::Result<()> {
    for curve in CURVES {
        let folder = tempfile::tempdir()?;
        let folder = folder.path();
        parties(folder, curve)?;
        openssl(
            folder,
            "cms -sign -binary -nodetach -in payload -signer gw.crt -inkey gw.key -outform DER -out signed",
        )?;
        for cipher in ["aes-128-gcm", "aes-256-gcm"] {
            openssl(
                folder,
                &format!(
                    "cms -encrypt -binary -in signed -outform DER -{cipher} -recip emt.crt -keyopt ecdh_kdf_md:sha256 -out batch"
                ),
            )?;
            let line = wattle(
                folder,
                "open --cert emt.crt --key emt.key --trust gw.crt --out clear batch",
            )?;
            let line: serde_json::Value = serde_json::from_str(&line)?;
            assert_eq!(line["content_encryption"], *cipher);
            assert_eq!(line["payload"]["values"][0], "5430157.7");
            assert_eq!(std::fs::read(folder.join("clear"))?, PAYLOAD, "{curve}");
        }
    }
    Ok(())
}

/// `wattle upstream seal` is killed again and again: no IV comes twice under one key.
#[test]
fn no_kill_repeats_an_iv() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path();
    parties(folder, "prime256v1")?;
    let mut ivs = BTreeSet::new();
    let mut sealed = 0;
    for round in 0..40_u64 {
        let out = format!("batch{round}");
        let mut child = Command::new(program("wattle")?)
            .args([
                "upstream",
                "seal",
                "--profile",
                "cose",
                "--sign-cert",
                "gw.crt",
                "--sign-key",
                "gw.key",
            ])
            .args([
                "--epoch-key",
                EPOCH,
                "--device",
                "gw-1",
                "--stream",
                "meter/1",
                "--seq",
                "1",
            ])
            .args(["--state", "state", "--out", &out, "payload"])
            .current_dir(folder)
            .stderr(Stdio::null())
            .spawn()?;
        if round % 4 == 0 {
            child.wait()?;
        } else {
            // However far it came: a little further each time.
            let spins = round * 20_000;
            for spin in 0..spins {
                std::hint::black_box(spin);
            }
            child.kill()?;
            child.wait()?;
        }
        let Ok(batch) = std::fs::read(folder.join(&out)) else {
            continue;
        };
        // A batch that was cut by the kill has left no one; a whole one has its IV after label 5.
        let Some(at) = batch.windows(2).position(|pair| pair == [0x05, 0x4C]) else {
            continue;
        };
        let iv = batch.get(at + 2..at + 14).context("an IV has 12 octets")?;
        assert!(
            ivs.insert(iv.to_vec()),
            "an IV came twice, in round {round}"
        );
        sealed += 1;
    }
    assert!(sealed >= 10, "only {sealed} batches were sealed");
    Ok(())
}

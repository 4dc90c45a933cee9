//! Which of our crates may depend on which (ARCHITECTURE.md): checked against `cargo metadata`.
//! An arrow that is not in [`ALLOWED`] fails, whether it is a normal, a build or a
//! dev-dependency.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// A package, and those of ours that it may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("meter-link", &[]),
    ("han", &[]),
    ("nilm", &[]),
    ("wattle-api", &[]),
    ("wattle-billing", &[]),
    ("wattle-relay", &[]),
    (
        "gateway",
        &[
            "meter-link",
            "han",
            "nilm",
            "wattle-api",
            "wattle-billing",
            "wattle-relay",
        ],
    ),
    ("ui", &["wattle-api"]),
    ("wattle-sim", &["meter-link", "han"]),
    ("wattle-headend", &["wattle-relay"]),
    (
        "e2e",
        &[
            "meter-link",
            "han",
            "nilm",
            "wattle-api",
            "wattle-billing",
            "wattle-relay",
            "gateway",
            "ui",
            "wattle-sim",
        ],
    ),
];

/// Every arrow between packages of the workspace that `ALLOWED` does not name, and every package
/// it does not know, in words.
fn faults(metadata: &Value) -> Vec<String> {
    let packages = metadata["packages"].as_array().expect("packages");
    let ours: BTreeSet<&str> = packages
        .iter()
        .map(|package| package["name"].as_str().expect("a name"))
        .collect();
    let mut faults = Vec::new();
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            faults.push(format!("{name} is not in the list of this test"));
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let on = dependency["name"].as_str().expect("a name");
            if ours.contains(on) && !allowed.contains(&on) {
                let kind = dependency["kind"].as_str().unwrap_or("normal");
                faults.push(format!(
                    "{name} must not depend on {on} (as a {kind} dependency)"
                ));
            }
        }
    }
    faults
}

fn metadata() -> Value {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ])
        .current_dir(root)
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

#[test]
fn only_the_arrows_of_the_architecture() {
    let faults = faults(&metadata());
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_package_of_the_list_is_there() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    for (name, _) in ALLOWED {
        let there = packages.iter().any(|package| package["name"] == *name);
        assert!(
            there,
            "{name} is in the list of this test and not in the workspace"
        );
    }
}

#[test]
fn a_forbidden_arrow_is_found() {
    let mut metadata = metadata();
    let packages = metadata["packages"].as_array_mut().unwrap();
    for (from, on, kind) in [
        ("meter-link", "gateway", Value::Null),
        ("ui", "meter-link", json!("dev")),
        ("gateway", "wattle-sim", json!("build")),
    ] {
        let package = packages.iter_mut().find(|package| package["name"] == from);
        let dependencies = package.unwrap()["dependencies"].as_array_mut().unwrap();
        dependencies.push(json!({ "name": on, "kind": kind }));
    }
    packages.push(json!({ "name": "stranger", "dependencies": [] }));
    let mut found = faults(&metadata);
    found.sort();
    assert_eq!(
        found,
        [
            "gateway must not depend on wattle-sim (as a build dependency)",
            "meter-link must not depend on gateway (as a normal dependency)",
            "stranger is not in the list of this test",
            "ui must not depend on meter-link (as a dev dependency)",
        ]
    );
}

//! Tells the program which versions it was built from: those of Cargo.lock, and the compiler's.

use std::{env, fs, process::Command};

const TOLD: [&str; 4] = [
    "bulletproofs",
    "curve25519-dalek",
    "merlin",
    "tari_bulletproofs_plus",
];

fn quoted<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.strip_prefix(name)?
        .strip_prefix(" = \"")?
        .strip_suffix('"')
}

fn main() {
    let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let lock = fs::read_to_string(format!("{folder}/Cargo.lock")).unwrap_or_default();
    let mut versions = Vec::new();
    let mut package = "";
    for line in lock.lines() {
        if let Some(name) = quoted(line, "name") {
            package = name;
        } else if let (Some(version), true) = (quoted(line, "version"), TOLD.contains(&package)) {
            versions.push(format!("{package}={version}"));
        }
    }
    let compiler = Command::new(env::var("RUSTC").unwrap_or_else(|_| "rustc".into()))
        .arg("--version")
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .unwrap_or_default();
    if let Some(version) = compiler.split_whitespace().nth(1) {
        versions.push(format!("rustc={version}"));
    }
    println!("cargo:rustc-env=PEER_VERSIONS={}", versions.join(";"));
    println!("cargo:rerun-if-changed=Cargo.lock");
    println!("cargo:rerun-if-changed=build.rs");
}

//! `statement.json` of the work folder, checked before use.

use std::fs;
use std::path::Path;

use serde::Deserialize;

/// Three codes of three sets, three prices in cents under caps, their sum under `total`.
#[derive(Deserialize)]
pub struct Claim {
    version: u32,
    kind: String,
    pub caps: [u64; 3],
    pub total: u64,
    pub sets: [Vec<u64>; 3],
    pub witnesses: Vec<Sale>,
}

/// What is hidden of a claim: codes, and prices in cents.
#[derive(Clone, Deserialize)]
pub struct Sale {
    pub codes: [u64; 3],
    pub prices: [u64; 3],
}

/// `count` values of `bits` bits each.
#[derive(Deserialize)]
pub struct Range {
    version: u32,
    kind: String,
    pub bits: usize,
    pub count: usize,
    pub witnesses: Vec<Values>,
}

/// The values of one range proof.
#[derive(Deserialize)]
pub struct Values {
    pub values: Vec<u64>,
}

fn read<T: for<'a> Deserialize<'a>>(folder: &Path) -> Result<T, String> {
    let text = fs::read(folder.join("statement.json"))
        .map_err(|error| format!("statement.json cannot be read: {}", error.kind()))?;
    serde_json::from_slice(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        format!("statement.json: unexpected at line {line}, column {column}")
    })
}

/// The statement of kind "claim". Errors say what is wrong, never with a value.
pub fn read_claim(folder: &Path) -> Result<Claim, String> {
    let claim: Claim = read(folder)?;
    if claim.version != 1 || claim.kind != "claim" {
        return Err("statement.json is not a claim of version 1".into());
    }
    if claim.sets.iter().any(Vec::is_empty) {
        return Err("statement.json: a set is empty".into());
    }
    let limits = claim.caps.iter().chain([&claim.total]);
    if limits
        .into_iter()
        .any(|limit| !(1..1 << 32).contains(limit))
    {
        return Err("statement.json: a cap or the total is not from 1 to 2^32 - 1".into());
    }
    Ok(claim)
}

/// The statement of kind "range". Errors say what is wrong, never with a value.
pub fn read_range(folder: &Path) -> Result<Range, String> {
    let range: Range = read(folder)?;
    if range.version != 1 || range.kind != "range" {
        return Err("statement.json is not a range of version 1".into());
    }
    // The widths that both libraries take.
    if ![8, 16, 32].contains(&range.bits) {
        return Err("statement.json: bits is none of 8, 16, 32".into());
    }
    if !range.count.is_power_of_two() || range.count > 64 {
        return Err("statement.json: count is not a power of two up to 64".into());
    }
    if range
        .witnesses
        .iter()
        .any(|w| w.values.len() != range.count)
    {
        return Err("statement.json: a witness does not have count values".into());
    }
    Ok(range)
}

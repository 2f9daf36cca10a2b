//! The protocol: one JSON object a line in, one a line out; clocks around the work alone.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Deserialize;
use serde_json::{json, Value};

/// A proof and the commitments that go with it, as bytes.
pub struct Proof {
    pub bytes: Vec<u8>,
    pub commitments: Vec<u8>,
}

/// What set-up tells of a system.
pub struct Parameters {
    /// Written to the work folder; the same for prover and verifier.
    pub key: Vec<u8>,
    /// Multipliers of the circuit, or bits that are proved.
    pub constraints: usize,
    pub notes: String,
}

/// What is measured. All errors are texts that name no value.
pub trait System: Sized {
    /// From the statement in the work folder: everything that all proofs share.
    fn set_up(folder: &Path) -> Result<(Self, Parameters), String>;

    /// The same from what set-up wrote.
    fn load(folder: &Path, key: &[u8]) -> Result<Self, String>;

    /// Read the witnesses of the statement, if that has not been done.
    fn read_witnesses(&mut self, folder: &Path) -> Result<(), String>;

    /// Proof of witness `index`, with fresh blindings.
    fn prove(&self, index: usize) -> Result<Proof, String>;

    /// Whether the proof is valid; bytes that cannot be decoded are not.
    fn verify(&self, proof: &Proof) -> bool;

    /// Whether all are valid, by one verification; or why there is none.
    fn verify_batch(&self, proofs: &[&Proof]) -> Result<bool, String>;

    /// The commitments, the first one to another value.
    fn with_other_commitment(&self, proof: &Proof) -> Result<Vec<u8>, String>;

    /// Where in a proof a scalar begins.
    fn scalar_position(&self, proof: &Proof) -> usize;

    /// Whether none of the witnesses made from `index` that break the statement gives a proof
    /// that is accepted.
    fn is_dishonest_rejected(&self, index: usize) -> Result<bool, String>;
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "lowercase")]
enum Request {
    Versions,
    Setup,
    Load,
    Prove { index: usize },
    Verify { index: usize },
    Batch { indices: Vec<usize> },
    Reject { index: usize },
    Dishonest { index: usize },
    Stop,
}

struct Session<S: System> {
    name: String,
    folder: PathBuf,
    system: Option<S>,
    proofs: HashMap<usize, Proof>,
}

/// Answer requests on standard input until "stop" or its end.
pub fn speak<S: System>(name: &str, folder: PathBuf) -> io::Result<()> {
    let mut session = Session::<S> {
        name: name.to_owned(),
        folder,
        system: None,
        proofs: HashMap::new(),
    };
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let answer = match serde_json::from_str(&line?) {
            Ok(Request::Stop) => break,
            Ok(request) => session.answer(request),
            Err(_) => Err("not a request of the protocol".to_owned()),
        };
        let answer = answer.unwrap_or_else(|error| json!({ "error": error }));
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

fn io_error(what: &str, error: &io::Error) -> String {
    format!("{what}: {}", error.kind())
}

impl<S: System> Session<S> {
    fn answer(&mut self, request: Request) -> Result<Value, String> {
        match request {
            Request::Versions => Ok(versions()),
            Request::Setup => self.set_up(),
            Request::Load => self.load(),
            Request::Prove { index } => self.prove(index),
            Request::Verify { index } => {
                let (system, proof) = (self.system()?, self.proof(index)?);
                let start = Instant::now();
                let accepted = system.verify(proof);
                let seconds = start.elapsed().as_secs_f64();
                Ok(json!({ "seconds": seconds, "accepted": accepted }))
            }
            Request::Batch { indices } => {
                let system = self.system()?;
                let proofs = indices.iter().map(|&i| self.proof(i));
                let proofs = proofs.collect::<Result<Vec<_>, _>>()?;
                let start = Instant::now();
                match system.verify_batch(&proofs) {
                    Ok(accepted) => {
                        let seconds = start.elapsed().as_secs_f64();
                        Ok(json!({ "seconds": seconds, "accepted": accepted }))
                    }
                    Err(why) => Ok(json!({ "missing": why })),
                }
            }
            Request::Reject { index } => {
                Ok(json!({ "rejected": self.is_changed_rejected(index)? }))
            }
            Request::Dishonest { index } => {
                let system = self.system.as_mut().ok_or("neither set up nor loaded")?;
                system.read_witnesses(&self.folder)?;
                let rejected = system.is_dishonest_rejected(index)?;
                Ok(json!({ "rejected": rejected }))
            }
            Request::Stop => unreachable!("ends the loop"),
        }
    }

    fn system(&self) -> Result<&S, String> {
        self.system
            .as_ref()
            .ok_or_else(|| "neither set up nor loaded".into())
    }

    fn proof(&self, index: usize) -> Result<&Proof, String> {
        self.proofs
            .get(&index)
            .ok_or_else(|| format!("no proof {index}"))
    }

    fn key_path(&self) -> PathBuf {
        self.folder.join(format!("{}.key", self.name))
    }

    fn set_up(&mut self) -> Result<Value, String> {
        let start = Instant::now();
        let (system, parameters) = S::set_up(&self.folder)?;
        let seconds = start.elapsed().as_secs_f64();
        fs::write(self.key_path(), &parameters.key)
            .map_err(|error| io_error("the set-up cannot be written", &error))?;
        self.system = Some(system);
        self.proofs.clear();
        Ok(json!({
            "seconds": seconds,
            "setup": "none",
            "forgeable": false,
            "proving_key_bytes": parameters.key.len(),
            "verifying_key_bytes": parameters.key.len(),
            "constraints": parameters.constraints,
            "notes": parameters.notes,
        }))
    }

    fn load(&mut self) -> Result<Value, String> {
        let start = Instant::now();
        let key = fs::read(self.key_path())
            .map_err(|error| io_error("the set-up cannot be read", &error))?;
        let system = S::load(&self.folder, &key)?;
        let proofs = self.read_proofs()?;
        let seconds = start.elapsed().as_secs_f64();
        self.system = Some(system);
        self.proofs = proofs;
        Ok(json!({ "seconds": seconds }))
    }

    fn proof_path(&self, index: usize) -> PathBuf {
        self.folder.join(format!("proof-{index}.{}", self.name))
    }

    /// Every file `proof-<index>.<name>` of the work folder: the length of the commitments in four
    /// bytes, little-endian, commitments, proof.
    fn read_proofs(&self) -> Result<HashMap<usize, Proof>, String> {
        let unreadable = |error: io::Error| io_error("a proof cannot be read", &error);
        let mut proofs = HashMap::new();
        for entry in fs::read_dir(&self.folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let file = entry.file_name();
            let index = file.to_str().and_then(|file| {
                let (index, name) = file.strip_prefix("proof-")?.split_once('.')?;
                (name == self.name).then(|| index.parse().ok()).flatten()
            });
            let Some(index) = index else { continue };
            let data = fs::read(entry.path()).map_err(unreadable)?;
            let (length, rest) = data
                .split_first_chunk::<4>()
                .ok_or("a proof is too short")?;
            let length = u32::from_le_bytes(*length) as usize;
            if length > rest.len() {
                return Err("a proof is too short".into());
            }
            let (commitments, bytes) = rest.split_at(length);
            proofs.insert(
                index,
                Proof {
                    bytes: bytes.to_vec(),
                    commitments: commitments.to_vec(),
                },
            );
        }
        Ok(proofs)
    }

    fn prove(&mut self, index: usize) -> Result<Value, String> {
        let path = self.proof_path(index);
        let system = self.system.as_mut().ok_or("neither set up nor loaded")?;
        system.read_witnesses(&self.folder)?;
        let start = Instant::now();
        let proof = system.prove(index)?;
        let seconds = start.elapsed().as_secs_f64();
        let length = proof.commitments.len() as u32;
        let data = [&length.to_le_bytes()[..], &proof.commitments, &proof.bytes].concat();
        fs::write(path, data).map_err(|error| io_error("the proof cannot be written", &error))?;
        let answer = json!({
            "seconds": seconds,
            "proof_bytes": proof.bytes.len(),
            "public_bytes": proof.commitments.len(),
        });
        self.proofs.insert(index, proof);
        Ok(answer)
    }

    /// The proof must be accepted as it is, and neither with another commitment nor with one
    /// scalar changed.
    fn is_changed_rejected(&self, index: usize) -> Result<bool, String> {
        let (system, proof) = (self.system()?, self.proof(index)?);
        if !system.verify(proof) {
            return Err("the unchanged proof is not accepted".into());
        }
        let commitments = system.with_other_commitment(proof)?;
        let other = Proof {
            bytes: proof.bytes.clone(),
            commitments,
        };
        let mut bytes = proof.bytes.clone();
        bytes[system.scalar_position(proof)] ^= 1;
        let changed = Proof {
            bytes,
            commitments: proof.commitments.clone(),
        };
        Ok(!system.verify(&other) && !system.verify(&changed))
    }
}

fn versions() -> Value {
    let mut versions = serde_json::Map::new();
    for pair in env!("PEER_VERSIONS").split(';') {
        let Some((name, version)) = pair.split_once('=') else {
            continue;
        };
        // Both libraries bring their own curve25519-dalek.
        let told = versions.get(name).and_then(Value::as_str);
        let value = told.map_or(version.to_owned(), |first| format!("{first}, {version}"));
        versions.insert(name.to_owned(), value.into());
    }
    json!({ "versions": versions, "threads": 1 })
}

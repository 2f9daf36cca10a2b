//! Bulletproofs on Ristretto as peers: `dalek-peer r1cs|r1cs-challenge|range|tari-range FOLDER`.
//!
//! * `r1cs`, `r1cs-challenge` (crate `bulletproofs`, R1CS behind its feature `yoloproofs`):
//!   Bünz, Bootle, Boneh, Poelstra, Wuille, Maxwell, "Bulletproofs", IEEE S&P 2018, section 5, and
//!   the crate's notes on its R1CS proofs. Pedersen commitments on Ristretto, one for each code and
//!   price. See `membership.rs` for the two ways to prove that a code is in a set.
//! * `range`: the crate's aggregated range proof, section 4.2 of the paper.
//! * `tari-range` (crate `tari_bulletproofs_plus`): Chung, Han, Ju, Kim, Seo, "Bulletproofs+",
//!   eprint 2020/735, aggregated, with the crate's batch verification.
//!
//! All on one thread.

mod claim;
mod membership;
mod polynomial;
mod protocol;
mod range;
mod statement;
mod tari;

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(name), Some(folder), None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        eprintln!("usage: dalek-peer r1cs|r1cs-challenge|range|tari-range FOLDER");
        return ExitCode::from(2);
    };
    let folder = PathBuf::from(folder);
    let ended = match name.as_str() {
        "r1cs" => protocol::speak::<claim::OnePhase>(&name, folder),
        "r1cs-challenge" => protocol::speak::<claim::TwoPhases>(&name, folder),
        "range" => protocol::speak::<range::Dalek>(&name, folder),
        "tari-range" => protocol::speak::<tari::Tari>(&name, folder),
        _ => {
            eprintln!("no such system");
            return ExitCode::from(2);
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

// Command gnark-peer measures gnark on BN254 beside this project.
//
//	gnark-peer groth16|plonk|folded list|merkle|lookup FOLDER
//	gnark-peer groth16 opening FOLDER
//
// Groth16: Groth, "On the Size of Pairing-Based Non-interactive Arguments", EUROCRYPT 2016. PLONK:
// Gabizon, Williamson, Ciobotaru, eprint 2019/953, over KZG. Both as github.com/consensys/gnark has
// them; its documents are the package comments of that module.
//
// "folded" is Groth16 with a verifier that is written here: folded.go.
//
// The claim: claim.go. A line is committed to as Poseidon2(code + 2^24·price, blinding), Poseidon2
// being gnark's two-to-one compression over BN254 (Grassi, Khovratovich, Schofnegger, eprint
// 2023/323); blindings are uniform in the field. Set membership, in three ways: membership.go.
// Opening this project's own commitments inside Groth16: opening.go.
//
// gnark uses all cores that Go may use.
package main

import (
	"fmt"
	"os"

	"github.com/consensys/gnark/logger"
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: gnark-peer groth16|plonk|folded list|merkle|lookup|opening FOLDER")
		os.Exit(2)
	}
	logger.Disable() // it would write to standard output
	peer, err := newPeer(os.Args[1], os.Args[2], os.Args[3])
	if err == nil {
		err = peer.speak(os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// newPeer is the system of that name over the statement in folder.
func newPeer(proofs, membership, folder string) (*peer, error) {
	var b backend
	switch proofs {
	case "groth16":
		b = &groth16Backend{}
	case "folded":
		b = &foldedBackend{}
	case "plonk":
		b = &plonkBackend{}
	default:
		return nil, fmt.Errorf("no such proof system")
	}
	s, err := readStatement(folder)
	if err != nil {
		return nil, err
	}
	var r relation
	switch {
	case membership == "opening" && proofs == "groth16":
		r, err = newOpening(s)
	case membership == "opening":
		err = fmt.Errorf("commitments are opened in groth16 only")
	default:
		r, err = newClaim(s, membership)
	}
	if err != nil {
		return nil, err
	}
	return &peer{folder: folder, statement: s, relation: r, backend: b, proofs: map[int]proof{}}, nil
}

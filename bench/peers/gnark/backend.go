package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/consensys/gnark-crypto/ecc"
	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/backend/groth16"
	groth16bn254 "github.com/consensys/gnark/backend/groth16/bn254"
	"github.com/consensys/gnark/backend/plonk"
	plonkbn254 "github.com/consensys/gnark/backend/plonk/bn254"
	gnarkwitness "github.com/consensys/gnark/backend/witness"
	"github.com/consensys/gnark/constraint"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/frontend/cs/r1cs"
	"github.com/consensys/gnark/frontend/cs/scs"
	"github.com/consensys/gnark/test/unsafekzg"
)

const (
	circuitFile      = "circuit.bin"
	provingKeyFile   = "proving.key.bin"
	verifyingKeyFile = "verifying.key.bin"
)

// backend is a proof system of gnark with its keys.
type backend interface {
	compile(circuit frontend.Circuit) (constraint.ConstraintSystem, error)
	// setUp makes the keys; the text tells of the randomness that they are made from.
	setUp(system constraint.ConstraintSystem) (string, error)
	// kind of set-up, as the protocol names it.
	kind() string
	prove(system constraint.ConstraintSystem, full gnarkwitness.Witness) ([]byte, error)
	// verify is nil for a valid proof: bytes are decoded, points checked as gnark does by default.
	verify(proof []byte, public fr.Vector) error
	// prepare what follows from the verifying key.
	prepare() error
	newSystem() constraint.ConstraintSystem
	provingKey() key
	verifyingKey() key
}

// batchVerifier verifies many proofs together; nil if all are valid.
type batchVerifier interface {
	verifyBatch(proofs [][]byte, publics []fr.Vector) error
}

// key is something that gnark writes to and reads from a file.
type key interface {
	io.WriterTo
	WriteRawTo(w io.Writer) (int64, error)
	io.ReaderFrom
	UnsafeReadFrom(r io.Reader) (int64, error)
}

func store(folder, name string, write func(io.Writer) (int64, error)) (int64, error) {
	var data bytes.Buffer
	if _, err := write(&data); err != nil {
		return 0, err
	}
	return int64(data.Len()), os.WriteFile(filepath.Join(folder, name), data.Bytes(), 0o644)
}

func restore(folder, name string, read func(io.Reader) (int64, error)) error {
	data, err := os.ReadFile(filepath.Join(folder, name))
	if err == nil {
		_, err = read(bytes.NewReader(data))
	}
	return err
}

// -- Groth16 -------------------------------------------------------------------------------------

type groth16Backend struct {
	proving   groth16bn254.ProvingKey
	verifying groth16bn254.VerifyingKey
}

func (b *groth16Backend) kind() string      { return "circuit" }
func (b *groth16Backend) prepare() error    { return nil } // gnark does when it reads the key
func (b *groth16Backend) provingKey() key   { return &b.proving }
func (b *groth16Backend) verifyingKey() key { return &b.verifying }

func (b *groth16Backend) compile(circuit frontend.Circuit) (constraint.ConstraintSystem, error) {
	return frontend.Compile(ecc.BN254.ScalarField(), r1cs.NewBuilder, circuit)
}

func (b *groth16Backend) newSystem() constraint.ConstraintSystem { return groth16.NewCS(ecc.BN254) }

func (b *groth16Backend) setUp(system constraint.ConstraintSystem) (string, error) {
	proving, verifying, err := groth16.Setup(system)
	if err != nil {
		return "", err
	}
	b.proving = *proving.(*groth16bn254.ProvingKey)
	b.verifying = *verifying.(*groth16bn254.VerifyingKey)
	return "Set up by one party that could keep the secret randomness", nil
}

func (b *groth16Backend) prove(system constraint.ConstraintSystem, full gnarkwitness.Witness) ([]byte, error) {
	proof, err := groth16.Prove(system, &b.proving, full)
	if err != nil {
		return nil, err
	}
	var data bytes.Buffer
	_, err = proof.WriteTo(&data)
	return data.Bytes(), err
}

// proofBytes of a compressed proof without commitments: Ar, Bs, Krs, a count of 0, an empty point.
const proofBytes = 32 + 64 + 32 + 4 + 32

func (b *groth16Backend) verify(data []byte, public fr.Vector) error {
	var proof groth16bn254.Proof
	reader := bytes.NewReader(data)
	if len(b.verifying.CommitmentKeys) > 0 {
		if _, err := proof.ReadFrom(reader); err != nil {
			return err
		}
	} else {
		// Reading checks the subgroups and so does Verify: once is enough. Compressed points are
		// on the curve as soon as they can be read.
		if len(data) != proofBytes {
			return fmt.Errorf("the proof has the wrong length")
		}
		decoder := curve.NewDecoder(reader, curve.NoSubgroupChecks())
		for _, part := range []any{&proof.Ar, &proof.Bs, &proof.Krs, &proof.Commitments, &proof.CommitmentPok} {
			if err := decoder.Decode(part); err != nil {
				return err
			}
		}
	}
	if reader.Len() > 0 {
		return fmt.Errorf("the proof has the wrong length")
	}
	return groth16bn254.Verify(&proof, &b.verifying, public)
}

// -- PLONK ---------------------------------------------------------------------------------------

type plonkBackend struct {
	proving   plonkbn254.ProvingKey
	verifying plonkbn254.VerifyingKey
}

func (b *plonkBackend) kind() string      { return "universal" }
func (b *plonkBackend) prepare() error    { return nil }
func (b *plonkBackend) provingKey() key   { return &b.proving }
func (b *plonkBackend) verifyingKey() key { return &b.verifying }

func (b *plonkBackend) compile(circuit frontend.Circuit) (constraint.ConstraintSystem, error) {
	return frontend.Compile(ecc.BN254.ScalarField(), scs.NewBuilder, circuit)
}

func (b *plonkBackend) newSystem() constraint.ConstraintSystem { return plonk.NewCS(ecc.BN254) }

func (b *plonkBackend) setUp(system constraint.ConstraintSystem) (string, error) {
	start := time.Now()
	monomial, lagrange, err := unsafekzg.NewSRS(system)
	if err != nil {
		return "", err
	}
	seconds := time.Since(start).Seconds()
	proving, verifying, err := plonk.Setup(system, monomial, lagrange)
	if err != nil {
		return "", err
	}
	b.proving = *proving.(*plonkbn254.ProvingKey)
	b.verifying = *verifying.(*plonkbn254.VerifyingKey)
	return fmt.Sprintf("Universal string made here in %.2f s of the set-up", seconds), nil
}

func (b *plonkBackend) prove(system constraint.ConstraintSystem, full gnarkwitness.Witness) ([]byte, error) {
	proof, err := plonk.Prove(system, &b.proving, full)
	if err != nil {
		return nil, err
	}
	var data bytes.Buffer
	_, err = proof.WriteTo(&data)
	return data.Bytes(), err
}

func (b *plonkBackend) verify(data []byte, public fr.Vector) error {
	var proof plonkbn254.Proof
	reader := bytes.NewReader(data)
	if _, err := proof.ReadFrom(reader); err != nil {
		return err
	}
	if reader.Len() > 0 {
		return fmt.Errorf("the proof has the wrong length")
	}
	return plonkbn254.Verify(&proof, &b.verifying, public)
}

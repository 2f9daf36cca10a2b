package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/consensys/gnark-crypto/ecc"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/constraint"
	"github.com/consensys/gnark/frontend"
)

// proof and the commitments that go with it, as bytes.
type proof struct{ data, commitments []byte }

// peer answers the questions of the protocol: one JSON object a line in, one a line out.
type peer struct {
	folder    string
	statement *statement
	relation  relation
	backend   backend
	system    constraint.ConstraintSystem // nil in a fresh process until it proves
	proofs    map[int]proof
}

type question struct {
	Do      string `json:"do"`
	Index   int    `json:"index"`
	Indices []int  `json:"indices"`
}

type answer map[string]any

// speak until "stop" or the end of the input.
func (p *peer) speak(in io.Reader, out io.Writer) error {
	reader := bufio.NewScanner(in)
	reader.Buffer(nil, 1<<20)
	for reader.Scan() {
		var q question
		var a answer
		err := json.Unmarshal(reader.Bytes(), &q)
		if err == nil {
			if q.Do == "stop" {
				return nil
			}
			a, err = p.reply(&q)
		}
		if err != nil {
			a = answer{"error": err.Error()}
		}
		line, err := json.Marshal(a)
		if err != nil {
			return err
		}
		if _, err := out.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return reader.Err()
}

// reply to one question. gnark panics where a circuit or a key does not fit: that is an error, too.
func (p *peer) reply(q *question) (a answer, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("%s: %v", q.Do, cause)
		}
	}()
	switch q.Do {
	case "versions":
		return p.versions()
	case "setup":
		return p.setUp()
	case "load":
		return p.load()
	case "prove":
		return p.prove(q.Index)
	case "verify":
		return p.verify(q.Index)
	case "batch":
		return p.batch(q.Indices)
	case "reject":
		return p.reject(q.Index)
	case "dishonest":
		return p.dishonest(q.Index)
	}
	return nil, errors.New("no such question")
}

func (p *peer) versions() (answer, error) {
	numbers := map[string]string{"go": runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil, errors.New("the program was built without modules")
	}
	for _, module := range info.Deps {
		switch module.Path {
		case "github.com/consensys/gnark":
			numbers["gnark"] = module.Version
		case "github.com/consensys/gnark-crypto":
			numbers["gnark-crypto"] = module.Version
		}
	}
	return answer{"versions": numbers, "threads": runtime.GOMAXPROCS(0)}, nil
}

// setUp compiles the circuit and makes the keys; writing them is not timed.
func (p *peer) setUp() (answer, error) {
	start := time.Now()
	system, err := p.backend.compile(p.relation.circuit())
	if err != nil {
		return nil, err
	}
	randomness, err := p.backend.setUp(system)
	if err != nil {
		return nil, err
	}
	if err := p.backend.prepare(); err != nil {
		return nil, err
	}
	seconds := time.Since(start).Seconds()
	p.system = system
	if _, err := store(p.folder, circuitFile, system.WriteTo); err != nil {
		return nil, err
	}
	proving, err := store(p.folder, provingKeyFile, p.backend.provingKey().WriteRawTo)
	if err != nil {
		return nil, err
	}
	verifying, err := store(p.folder, verifyingKeyFile, p.backend.verifyingKey().WriteTo)
	if err != nil {
		return nil, err
	}
	return answer{
		"seconds": seconds, "setup": p.backend.kind(), "forgeable": true,
		"proving_key_bytes": proving, "verifying_key_bytes": verifying,
		"constraints": system.GetNbConstraints(),
		"notes":       p.relation.notes() + ". " + randomness,
	}, nil
}

// load reads the verifying key, and prepares what depends on it alone. The proving key and the
// circuit, which no verifier has, are read when the first proof is asked for.
func (p *peer) load() (answer, error) {
	start := time.Now()
	if err := restore(p.folder, verifyingKeyFile, p.backend.verifyingKey().ReadFrom); err != nil {
		return nil, err
	}
	if err := p.backend.prepare(); err != nil {
		return nil, err
	}
	return answer{"seconds": time.Since(start).Seconds()}, nil
}

func (p *peer) loadProver() error {
	if p.system != nil {
		return nil
	}
	system := p.backend.newSystem()
	if err := restore(p.folder, circuitFile, system.ReadFrom); err != nil {
		return err
	}
	// Its points were made by this program: they are not checked again.
	if err := restore(p.folder, provingKeyFile, p.backend.provingKey().UnsafeReadFrom); err != nil {
		return err
	}
	p.system = system
	return nil
}

func (p *peer) witness(index int) (*witness, error) {
	if index < 0 || index >= len(p.statement.Witnesses) {
		return nil, errors.New("no such witness")
	}
	return &p.statement.Witnesses[index], nil
}

func (p *peer) paths(index int) (string, string) {
	base := filepath.Join(p.folder, fmt.Sprintf("proof-%d", index))
	return base + ".bin", base + ".commitments.bin"
}

func (p *peer) prove(index int) (answer, error) {
	w, err := p.witness(index)
	if err != nil {
		return nil, err
	}
	if err := p.loadProver(); err != nil {
		return nil, err
	}
	start := time.Now()
	assigned, err := p.relation.assign(w)
	if err != nil {
		return nil, err
	}
	full, err := frontend.NewWitness(assigned.assignment, ecc.BN254.ScalarField())
	if err != nil {
		return nil, err
	}
	data, err := p.backend.prove(p.system, full)
	if err != nil {
		return nil, err
	}
	seconds := time.Since(start).Seconds()
	p.proofs[index] = proof{data, assigned.commitments}
	proofPath, commitmentsPath := p.paths(index)
	if err := os.WriteFile(proofPath, data, 0o644); err != nil {
		return nil, err
	}
	if err := os.WriteFile(commitmentsPath, assigned.commitments, 0o644); err != nil {
		return nil, err
	}
	return answer{"seconds": seconds, "proof_bytes": len(data), "public_bytes": len(assigned.commitments)}, nil
}

// kept is proof index out of memory, or of the work folder in a fresh process.
func (p *peer) kept(index int) (proof, error) {
	if found, ok := p.proofs[index]; ok {
		return found, nil
	}
	proofPath, commitmentsPath := p.paths(index)
	data, err := os.ReadFile(proofPath)
	if err != nil {
		return proof{}, errors.New("there is no such proof")
	}
	commitments, err := os.ReadFile(commitmentsPath)
	if err != nil {
		return proof{}, errors.New("there are no commitments of that proof")
	}
	p.proofs[index] = proof{data, commitments}
	return p.proofs[index], nil
}

func (p *peer) accepts(data, commitments []byte) bool {
	public, err := p.relation.public(commitments)
	return err == nil && p.backend.verify(data, public) == nil
}

func (p *peer) verify(index int) (answer, error) {
	found, err := p.kept(index)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	accepted := p.accepts(found.data, found.commitments)
	return answer{"seconds": time.Since(start).Seconds(), "accepted": accepted}, nil
}

func (p *peer) batch(indices []int) (answer, error) {
	verifier, ok := p.backend.(batchVerifier)
	if !ok {
		return answer{"missing": "gnark verifies no batches of proofs"}, nil
	}
	found := make([]proof, len(indices))
	for i, index := range indices {
		var err error
		if found[i], err = p.kept(index); err != nil {
			return nil, err
		}
	}
	start := time.Now()
	accepted := p.acceptsAll(verifier, found)
	return answer{"seconds": time.Since(start).Seconds(), "accepted": accepted}, nil
}

func (p *peer) acceptsAll(verifier batchVerifier, all []proof) bool {
	proofs, publics := make([][]byte, len(all)), make([]fr.Vector, len(all))
	for i := range all {
		var err error
		if publics[i], err = p.relation.public(all[i].commitments); err != nil {
			return false
		}
		proofs[i] = all[i].data
	}
	return verifier.verifyBatch(proofs, publics) == nil
}

// reject tries the commitments in another order and in malformed ones, and the proof with a bit
// changed or cut short.
func (p *peer) reject(index int) (answer, error) {
	found, err := p.kept(index)
	if err != nil {
		return nil, err
	}
	size := len(found.commitments) / lines
	other := append(append([]byte(nil), found.commitments[size:]...), found.commitments[:size]...)
	changed := append([]byte(nil), found.commitments...)
	changed[len(changed)-1] ^= 1
	proofChanged := append([]byte(nil), found.data...)
	proofChanged[31] ^= 1 // the last byte of its first point
	rejected := p.accepts(found.data, found.commitments) &&
		!p.accepts(found.data, other) &&
		!p.accepts(found.data, changed) &&
		!p.accepts(found.data, found.commitments[1:]) &&
		!p.accepts(proofChanged, found.commitments) &&
		!p.accepts(found.data[:len(found.data)-1], found.commitments)
	if verifier, ok := p.backend.(batchVerifier); ok {
		wrong := proof{found.data, other}
		rejected = rejected && p.acceptsAll(verifier, []proof{found, found}) &&
			!p.acceptsAll(verifier, []proof{found, wrong, found})
	}
	return answer{"rejected": rejected}, nil
}

// dishonest tries to prove what does not hold. gnark makes no proof whose constraints do not hold.
func (p *peer) dishonest(index int) (answer, error) {
	w, err := p.witness(index)
	if err != nil {
		return nil, err
	}
	if err := p.loadProver(); err != nil {
		return nil, err
	}
	all, err := p.relation.broken(w)
	if err != nil {
		return nil, err
	}
	for _, attempt := range all {
		full, err := frontend.NewWitness(attempt.assignment, ecc.BN254.ScalarField())
		if err != nil {
			return nil, err
		}
		data, err := p.backend.prove(p.system, full)
		if err == nil && p.accepts(data, attempt.commitments) {
			return answer{"rejected": false}, nil
		}
	}
	return answer{"rejected": true}, nil
}

package main

import (
	"fmt"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark/frontend"
	gadget "github.com/consensys/gnark/std/permutation/poseidon2"
)

// relation is what is proved.
type relation interface {
	// circuit to compile.
	circuit() frontend.Circuit
	assign(w *witness) (*assigned, error)
	// public inputs out of the commitments; an error if they are malformed.
	public(commitments []byte) (fr.Vector, error)
	// broken are assignments made from a witness that break the statement.
	broken(w *witness) ([]*assigned, error)
	// notes on what was chosen.
	notes() string
}

// assigned is a full assignment of the circuit and the commitments that are public, as bytes.
type assigned struct {
	assignment  frontend.Circuit
	commitments []byte
}

// claimCircuit: every line's commitment opens to a code in its set and a price in its range.
type claimCircuit struct {
	Commitments [lines]frontend.Variable `gnark:",public"`
	Roots       []frontend.Variable      `gnark:",public"`
	Codes       [lines]frontend.Variable
	Prices      [lines]frontend.Variable
	Blindings   [lines]frontend.Variable
	Helpers     [lines][]frontend.Variable

	claim *claim
}

// Define makes the constraints.
func (c *claimCircuit) Define(api frontend.API) error {
	hash, err := gadget.NewPoseidon2(api)
	if err != nil {
		return err
	}
	for i := range lines {
		// The code is below 2^24 since it is in the set, so that nothing wraps around.
		line := api.Add(c.Codes[i], api.Mul(c.Prices[i], 1<<codeBits))
		api.AssertIsEqual(hash.Compress(line, c.Blindings[i]), c.Commitments[i])
		var root frontend.Variable = 0
		if len(c.Roots) > 0 {
			root = c.Roots[i]
		}
		if err := c.claim.sets[i].define(api, c.Codes[i], root, c.Helpers[i]); err != nil {
			return err
		}
	}
	_, err = assertPrices(api, c.claim.statement, c.Prices)
	return err
}

// claim is the relation of claimCircuit.
type claim struct {
	statement *statement
	name      string
	sets      [lines]membership
}

// memberships are the ways to prove that a code is in a set, by name.
var memberships = map[string]func(codes []int64) (membership, error){
	"list":   func(codes []int64) (membership, error) { return &list{codes}, nil },
	"merkle": func(codes []int64) (membership, error) { return newTree(codes) },
	"lookup": func(codes []int64) (membership, error) { return newTable(codes), nil },
}

func newClaim(s *statement, name string) (*claim, error) {
	make, ok := memberships[name]
	if !ok {
		return nil, fmt.Errorf("no such proof of membership")
	}
	c := &claim{statement: s, name: name}
	for i, codes := range s.Sets {
		var err error
		if c.sets[i], err = make(codes); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *claim) circuit() frontend.Circuit {
	circuit := &claimCircuit{claim: c}
	for i, set := range c.sets {
		circuit.Helpers[i] = make([]frontend.Variable, set.helpers())
	}
	circuit.Roots = make([]frontend.Variable, len(c.roots()))
	return circuit
}

// roots are the public inputs that every proof about these sets has.
func (c *claim) roots() fr.Vector {
	var all fr.Vector
	for _, set := range c.sets {
		if set.hasRoot() {
			all = append(all, set.root())
		}
	}
	return all
}

func (c *claim) assign(w *witness) (*assigned, error) {
	circuit := &claimCircuit{claim: c}
	var public []byte
	for i, set := range c.sets {
		var line, blinding fr.Element
		line.SetInt64(w.Codes[i] + w.Prices[i]<<codeBits)
		if _, err := blinding.SetRandom(); err != nil {
			return nil, err
		}
		commitment, err := compress(line, blinding)
		if err != nil {
			return nil, err
		}
		public = append(public, commitment.Marshal()...)
		circuit.Commitments[i] = commitment
		circuit.Codes[i], circuit.Prices[i], circuit.Blindings[i] = w.Codes[i], w.Prices[i], blinding
		for _, value := range set.help(w.Codes[i]) {
			circuit.Helpers[i] = append(circuit.Helpers[i], value)
		}
	}
	circuit.Roots = []frontend.Variable{}
	for _, root := range c.roots() {
		circuit.Roots = append(circuit.Roots, root)
	}
	return &assigned{circuit, public}, nil
}

func (c *claim) public(commitments []byte) (fr.Vector, error) {
	if len(commitments) != lines*fr.Bytes {
		return nil, fmt.Errorf("the commitments have the wrong length")
	}
	all := make(fr.Vector, lines, lines+len(c.sets))
	for i := range all {
		if err := all[i].SetBytesCanonical(commitments[i*fr.Bytes : (i+1)*fr.Bytes]); err != nil {
			return nil, fmt.Errorf("a commitment is not in canonical form")
		}
	}
	return append(all, c.roots()...), nil
}

func (c *claim) broken(w *witness) ([]*assigned, error) {
	var all []*assigned
	for _, wrong := range brokenWitnesses(c.statement, w) {
		attempt, err := c.assign(wrong)
		if err != nil {
			return nil, err
		}
		all = append(all, attempt)
	}
	other, err := c.assign(w)
	if err != nil {
		return nil, err
	}
	// Not the price that was committed to.
	other.assignment.(*claimCircuit).Prices[0] = w.Prices[0] ^ 1
	return append(all, other), nil
}

// brokenWitnesses: a code outside its set, in another line's set only, a price over its cap, a
// negative one, and prices over the total together.
func brokenWitnesses(s *statement, w *witness) []*witness {
	contains := func(line int, code int64) bool {
		for _, c := range s.Sets[line] {
			if c == code {
				return true
			}
		}
		return false
	}
	change := func(edit func(*witness)) *witness {
		wrong := *w
		edit(&wrong)
		return &wrong
	}
	outside := int64(1_000_000)
	for contains(0, outside) {
		outside++
	}
	all := []*witness{
		change(func(w *witness) { w.Codes[0] = outside }),
		change(func(w *witness) { w.Prices = [lines]int64{s.Caps[0] + 1, 0, 0} }),
		change(func(w *witness) { w.Prices = [lines]int64{0, s.Caps[1], -1} }),
	}
	if sum := s.Caps[0] + s.Caps[1] + s.Caps[2]; sum > s.Total {
		over := s.Total + 1 - s.Caps[0] - s.Caps[2]
		all = append(all, change(func(w *witness) { w.Prices = [lines]int64{s.Caps[0], over, s.Caps[2]} }))
	}
	if !contains(2, w.Codes[0]) {
		all = append(all, change(func(w *witness) { w.Codes[2] = w.Codes[0] }))
	}
	return all
}

func (c *claim) notes() string {
	switch c.name {
	case "merkle":
		return "sets as Poseidon2 trees, their roots public inputs: one key for all sets of a size"
	case "lookup":
		return "sets as tables of a lookup argument"
	}
	return "sets as polynomials in the circuit: a key for these sets. Trees and lookups have more " +
		"constraints at each N measured; a lookup adds a commitment to the proof"
}

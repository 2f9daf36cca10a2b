package main

import (
	"maps"
	"slices"
	"testing"

	"github.com/consensys/gnark-crypto/ecc"
	"github.com/consensys/gnark/frontend"
)

// member is a circuit for one proof of membership.
type member struct {
	Root    frontend.Variable `gnark:",public"`
	Code    frontend.Variable
	Helpers []frontend.Variable

	set membership
}

func (m *member) Define(api frontend.API) error {
	return m.set.define(api, m.Code, m.Root, m.Helpers)
}

// ranged is a circuit for one range.
type ranged struct {
	Value frontend.Variable

	limit int64
}

func (r *ranged) Define(api frontend.API) error {
	_, err := assertRange(api, r.Value, r.limit)
	return err
}

func holds(t *testing.T, b backend, circuit, assignment frontend.Circuit) bool {
	t.Helper()
	system, err := b.compile(circuit)
	if err != nil {
		t.Fatal(err)
	}
	full, err := frontend.NewWitness(assignment, ecc.BN254.ScalarField())
	if err != nil {
		t.Fatal(err)
	}
	return system.IsSolved(full) == nil
}

var backends = map[string]backend{"groth16": &groth16Backend{}, "plonk": &plonkBackend{}}

func TestMembershipHoldsExactlyForTheSet(t *testing.T) {
	sets := map[string][]int64{
		"one":    {7},
		"seven":  {1_000_000, 1_000_001, 2_000_000, 5_555_555, 9_999_997, 9_999_998, 9_999_999},
		"spread": {1, 2, 3, 1<<24 - 4, 1<<24 - 3, 1<<24 - 1}, // cubics that a gate cannot hold
	}
	for backendName, b := range backends {
		for name, build := range memberships {
			for setName, codes := range sets {
				set, err := build(codes)
				if err != nil {
					t.Fatal(err)
				}
				for _, code := range append([]int64{0, 4, 1_000_002, 1<<24 - 2}, codes...) {
					circuit := &member{set: set, Helpers: make([]frontend.Variable, set.helpers())}
					assignment := &member{Root: set.root(), Code: code, Helpers: []frontend.Variable{}}
					for _, value := range set.help(code) {
						assignment.Helpers = append(assignment.Helpers, value)
					}
					found := holds(t, b, circuit, assignment)
					if found != slices.Contains(codes, code) {
						t.Errorf("%s, %s, set %s, code %d: %v", backendName, name, setName, code, found)
					}
				}
			}
		}
	}
}

func TestRangesAreExact(t *testing.T) {
	for name, b := range backends {
		for _, limit := range []int64{1, 2, 3, 4, 5, 12, 40_000} {
			for _, value := range []int64{-1, 0, 1, limit - 1, limit, limit + 1, 2*limit + 1, 1 << 40} {
				found := holds(t, b, &ranged{limit: limit}, &ranged{Value: value})
				if found != (value >= 0 && value <= limit) {
					t.Errorf("%s, %d of at most %d: %v", name, value, limit, found)
				}
			}
		}
	}
}

func TestWeightsReachEveryValueAndNoOther(t *testing.T) {
	for limit := int64(1); limit < 200; limit++ {
		reached := map[int64]bool{0: true}
		for _, weight := range weights(limit) {
			for value := range maps.Clone(reached) {
				reached[value+weight] = true
			}
		}
		for value := range reached {
			if value < 0 || value > limit {
				t.Errorf("limit %d: %d is reached", limit, value)
			}
		}
		if int64(len(reached)) != limit+1 {
			t.Errorf("limit %d: %d values", limit, len(reached))
		}
	}
}

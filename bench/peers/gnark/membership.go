package main

import (
	"math/big"
	"sort"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr/poseidon2"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/std/lookup/logderivlookup"
	gadget "github.com/consensys/gnark/std/permutation/poseidon2"
)

// membership proves that a hidden code is in a public set.
type membership interface {
	// helpers is how many secret values besides the code define wants.
	helpers() int
	// help is those values for a code; for one outside the set, of another that is in it.
	help(code int64) []any
	// define adds the constraints; root is the public root of the set, if hasRoot.
	define(api frontend.API, code, root frontend.Variable, helpers []frontend.Variable) error
	hasRoot() bool
	root() fr.Element
}

// list: the polynomial Π (x − s) over the set vanishes at the code. The set is part of the circuit.
//
// As R1CS, where sums are free: Paterson and Stockmeyer, "On the number of nonscalar multiplications
// necessary to evaluate polynomials", SIAM J. Comput. 2 (1973), about 2√N multiplications.
// As PLONK, where a sum costs a gate: two gates for three factors, see product.
type list struct{ codes []int64 }

func (l *list) helpers() int     { return 0 }
func (l *list) help(int64) []any { return nil }
func (l *list) hasRoot() bool    { return false }
func (l *list) root() fr.Element { return fr.Element{} }

func (l *list) define(api frontend.API, code, _ frontend.Variable, _ []frontend.Variable) error {
	if plonk, ok := api.(frontend.PlonkAPI); ok {
		api.AssertIsEqual(l.product(api, plonk, code), 0)
	} else {
		api.AssertIsEqual(l.polynomial(api, code), 0)
	}
	return nil
}

// coefficients of Π (x − s), that of x^0 first.
func (l *list) coefficients() []fr.Element {
	all := []fr.Element{fr.One()}
	for _, code := range l.codes {
		var s, term fr.Element
		s.SetInt64(-code)
		all = append(all, all[len(all)-1])
		for i := len(all) - 2; i >= 0; i-- {
			term.Mul(&all[i], &s)
			if i > 0 {
				all[i].Add(&all[i-1], &term)
			} else {
				all[i] = term
			}
		}
	}
	return all
}

// polynomial at x: x, …, x^k once, then Horner's rule in x^k.
func (l *list) polynomial(api frontend.API, x frontend.Variable) frontend.Variable {
	coefficients := l.coefficients()
	k := 1
	for (k+1)*(k+1) <= len(l.codes) {
		k++
	}
	powers := []frontend.Variable{1, x}
	for i := 2; i <= k; i++ {
		powers = append(powers, api.Mul(powers[i-1], x))
	}
	var sum frontend.Variable = 0
	for start := (len(coefficients) - 1) / k * k; start >= 0; start -= k {
		sum = api.Mul(sum, powers[k])
		for i := 0; i < k && start+i < len(coefficients); i++ {
			var c big.Int
			sum = api.Add(sum, api.Mul(powers[i], coefficients[start+i].BigInt(&c)))
		}
	}
	return sum
}

// product of all factors. A gate a·b + α·a + β·b + γ on the wires x and x² is any monic cubic: one
// gate for three factors, one to multiply by them. gnark takes the constants of a gate as machine
// integers: codes are counted from the middle of the set, and a large one is joined with a small
// and a middling one. Three whose product still does not fit are multiplied one by one.
func (l *list) product(api frontend.API, plonk frontend.PlonkAPI, code frontend.Variable) frontend.Variable {
	codes := append([]int64(nil), l.codes...)
	sort.Slice(codes, func(i, j int) bool { return codes[i] < codes[j] })
	middle := (codes[0] + codes[len(codes)-1]) / 2
	roots := make([]int64, len(codes))
	for i, c := range codes {
		roots[i] = c - middle
	}
	size := func(i int) int64 { return max(roots[i], -roots[i]) }
	sort.Slice(roots, func(i, j int) bool { return size(i) < size(j) })

	x := api.Add(code, -middle)
	square := api.Mul(x, x)
	var all frontend.Variable
	multiply := func(factor frontend.Variable) {
		if all == nil {
			all = factor
		} else {
			all = api.Mul(all, factor)
		}
	}
	single := func(root int64) {
		if all == nil {
			all = api.Add(x, -root)
		} else {
			all = plonk.EvaluatePlonkExpression(all, x, int(-root), 0, 1, 0)
		}
	}
	third := len(roots) / 3
	for i := range third {
		a, b, c := roots[i], roots[2*third-1-i], roots[3*third-1-i]
		e3 := new(big.Int).Mul(big.NewInt(a), big.NewInt(b))
		e3.Mul(e3, big.NewInt(c))
		if e3.IsInt64() {
			multiply(plonk.EvaluatePlonkExpression(
				x, square, int(a*b+a*c+b*c), int(-(a + b + c)), 1, int(-e3.Int64())))
		} else {
			single(a)
			single(b)
			single(c)
		}
	}
	for _, root := range roots[3*third:] {
		single(root)
	}
	return all
}

// tree: a Merkle tree of Poseidon2 over the codes; its root is a public input, so that one key
// serves all sets of a size. Helpers are the siblings from the leaf up, then the directions.
type tree struct {
	levels [][]fr.Element
	places map[int64]int
}

func newTree(codes []int64) (*tree, error) {
	t := &tree{places: map[int64]int{}}
	size := 1
	for size < len(codes) {
		size *= 2
	}
	level := make([]fr.Element, size)
	for i := range level {
		place := min(i, len(codes)-1) // the last code again, up to a power of two
		level[i].SetInt64(codes[place])
		t.places[codes[place]] = place
	}
	t.levels = [][]fr.Element{level}
	for len(level) > 1 {
		above := make([]fr.Element, len(level)/2)
		for i := range above {
			node, err := compress(level[2*i], level[2*i+1])
			if err != nil {
				return nil, err
			}
			above[i] = node
		}
		level = above
		t.levels = append(t.levels, level)
	}
	return t, nil
}

func (t *tree) depth() int       { return len(t.levels) - 1 }
func (t *tree) helpers() int     { return 2 * t.depth() }
func (t *tree) hasRoot() bool    { return true }
func (t *tree) root() fr.Element { return t.levels[t.depth()][0] }

func (t *tree) help(code int64) []any {
	place := t.places[code]
	siblings, directions := []any{}, []any{}
	for _, level := range t.levels[:t.depth()] {
		siblings = append(siblings, level[place^1])
		directions = append(directions, place&1)
		place /= 2
	}
	return append(siblings, directions...)
}

func (t *tree) define(api frontend.API, code, root frontend.Variable, helpers []frontend.Variable) error {
	hash, err := gadget.NewPoseidon2(api)
	if err != nil {
		return err
	}
	node := code
	for i := range t.depth() {
		sibling, isRight := helpers[i], helpers[t.depth()+i]
		api.AssertIsBoolean(isRight)
		left := api.Add(node, api.Mul(isRight, api.Sub(sibling, node)))
		node = hash.Compress(left, api.Sub(api.Add(node, sibling), left))
	}
	api.AssertIsEqual(node, root)
	return nil
}

// table: gnark's lookup by logarithmic derivatives (Haböck, eprint 2022/1530). The challenge that it
// needs adds a Pedersen commitment to a Groth16 proof, a polynomial commitment to a PLONK proof.
type table struct {
	codes  []int64
	places map[int64]int
}

func newTable(codes []int64) *table {
	t := &table{codes: codes, places: map[int64]int{}}
	for i, code := range codes {
		t.places[code] = i
	}
	return t
}

func (t *table) helpers() int          { return 1 }
func (t *table) help(code int64) []any { return []any{t.places[code]} }
func (t *table) hasRoot() bool         { return false }
func (t *table) root() fr.Element      { return fr.Element{} }

func (t *table) define(api frontend.API, code, _ frontend.Variable, helpers []frontend.Variable) error {
	entries := logderivlookup.New(api)
	for _, c := range t.codes {
		entries.Insert(c)
	}
	api.AssertIsEqual(entries.Lookup(helpers[0])[0], code)
	return nil
}

var permutation = poseidon2.NewDefaultPermutation()

// compress is outside a circuit what gadget's Compress is inside.
func compress(left, right fr.Element) (fr.Element, error) {
	var out fr.Element
	l, r := left.Bytes(), right.Bytes()
	digest, err := permutation.Compress(l[:], r[:])
	if err == nil {
		err = out.SetBytesCanonical(digest)
	}
	return out, err
}

package main

import (
	"encoding/hex"
	"fmt"
	"math/big"

	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	"github.com/consensys/gnark-crypto/ecc/secp256k1"
	"github.com/consensys/gnark-crypto/ecc/secp256k1/fp"
	scalar "github.com/consensys/gnark-crypto/ecc/secp256k1/fr"
	"github.com/consensys/gnark/frontend"
	"github.com/consensys/gnark/std/algebra/emulated/sw_emulated"
	"github.com/consensys/gnark/std/math/emulated"
)

// Opening this project's line commitments C = code·J_1 + price·J_2 + r·H on secp256k1 inside a
// circuit over BN254, with gnark's emulated arithmetic (std/math/emulated, whose products are checked
// as polynomials at a challenge, which adds a Pedersen commitment to the proof).
//
// All bases are fixed, so that there are no doublings: the digits of r, code and price are taken
// windowBits at a time, each window chooses one of 2^windowBits constant points, and these are added.
// The digits of the price are those that prove its range. Window k's points are shifted by 2^k·G, the
// last one's back by the sum of these (G is the curve's standard generator): none is the point at
// infinity, and equal or opposite points to add, for which gnark's addition is not made, would be a
// linear relation between G, H, J_1 and J_2, which nobody knows.
//
// Public is what 33 bytes of a compressed point say: x in two halves, the upper with y's parity. So
// the verifier takes no square roots.

const (
	scalarBits = 256
	pointBytes = 33
	windowBits = 6 // fewest constraints of 4, 5, 6 and 7
)

type field = emulated.Field[emulated.Secp256k1Fp]
type point = sw_emulated.AffinePoint[emulated.Secp256k1Fp]
type curveGadget = sw_emulated.Curve[emulated.Secp256k1Fp, emulated.Secp256k1Fr]

// openingCircuit: the commitments open to codes in their sets and prices in their ranges.
type openingCircuit struct {
	Points    [2 * lines]frontend.Variable `gnark:",public"`
	Codes     [lines]frontend.Variable
	Prices    [lines]frontend.Variable
	Blindings [lines][scalarBits]frontend.Variable

	opening *opening
}

// Define makes the constraints.
func (c *openingCircuit) Define(api frontend.API) error {
	curve, err := sw_emulated.New[emulated.Secp256k1Fp, emulated.Secp256k1Fr](api, sw_emulated.GetSecp256k1Params())
	if err != nil {
		return err
	}
	base, err := emulated.NewField[emulated.Secp256k1Fp](api)
	if err != nil {
		return err
	}
	prices, err := assertPrices(api, c.opening.statement, c.Prices)
	if err != nil {
		return err
	}
	for i := range lines {
		set := list{c.opening.statement.Sets[i]}
		if err := set.define(api, c.Codes[i], nil, nil); err != nil {
			return err
		}
		for _, digit := range c.Blindings[i] {
			api.AssertIsBoolean(digit)
		}
		digits := append([]frontend.Variable(nil), c.Blindings[i][:]...)
		digits = append(digits, api.ToBinary(c.Codes[i], codeBits)...)
		digits = append(digits, prices[i]...)
		low, high := halves(api, base, sum(api, curve, base, digits, c.opening.bases(i)))
		api.AssertIsEqual(low, c.Points[2*i])
		api.AssertIsEqual(high, c.Points[2*i+1])
	}
	return nil
}

// sum of the bases whose digit is 1.
func sum(api frontend.API, curve *curveGadget, base *field, digits []frontend.Variable, bases []secp256k1.G1Affine) *point {
	_, shift := secp256k1.Generators()
	var total *point
	var shifts secp256k1.G1Affine // of the windows so far
	for start := 0; start < len(digits); start += windowBits {
		end := min(start+windowBits, len(digits))
		if end == len(digits) {
			shift.Neg(&shifts)
		}
		chosen := choose(api, base, digits[start:end], window(shift, bases[start:end]))
		if total == nil {
			total = chosen
		} else {
			total = curve.Add(total, chosen)
		}
		shifts.Add(&shifts, &shift)
		shift.Double(&shift)
	}
	return total
}

// window is shift plus every sum of bases; bit i of the place says whether base i is in it.
func window(shift secp256k1.G1Affine, bases []secp256k1.G1Affine) []secp256k1.G1Affine {
	all := []secp256k1.G1Affine{shift}
	for i := range bases {
		for _, before := range all {
			var next secp256k1.G1Affine
			all = append(all, *next.Add(&before, &bases[i]))
		}
	}
	return all
}

// choose the constant point at the place that the digits spell. One product for each place serves
// both coordinates and all their limbs; the rest is linear.
func choose(api frontend.API, base *field, digits []frontend.Variable, points []secp256k1.G1Affine) *point {
	isPlace := []frontend.Variable{1}
	for _, digit := range digits {
		for i, before := range isPlace {
			with := api.Mul(before, digit)
			isPlace[i] = api.Sub(before, with)
			isPlace = append(isPlace, with)
		}
	}
	var xs, ys []*emulated.Element[emulated.Secp256k1Fp]
	for i, p := range points {
		var x, y big.Int
		api.Compiler().MarkBoolean(isPlace[i]) // as a product of digits is
		xs = append(xs, base.Select(isPlace[i], base.NewElement(p.X.BigInt(&x)), base.Zero()))
		ys = append(ys, base.Select(isPlace[i], base.NewElement(p.Y.BigInt(&y)), base.Zero()))
	}
	return &point{X: *base.Sum(xs...), Y: *base.Sum(ys...)}
}

// halves of a point as the public inputs have it.
func halves(api frontend.API, base *field, p *point) (frontend.Variable, frontend.Variable) {
	x, y := base.ReduceStrict(&p.X).Limbs, base.ReduceStrict(&p.Y).Limbs
	limb := new(big.Int).Lsh(big.NewInt(1), 64)
	parity := api.ToBinary(y[0], 64)[0]
	low := api.Add(x[0], api.Mul(x[1], limb))
	high := api.Add(x[2], api.Mul(x[3], limb), api.Mul(parity, new(big.Int).Mul(limb, limb)))
	return low, high
}

// opening is the relation of openingCircuit.
type opening struct {
	statement *statement
	h         secp256k1.G1Affine
	jCode     secp256k1.G1Affine
	jPrice    secp256k1.G1Affine
}

func newOpening(s *statement) (*opening, error) {
	if s.Generators == nil || len(s.Generators.J) < 2 {
		return nil, fmt.Errorf("statement.json has no generators")
	}
	o := &opening{statement: s}
	for text, place := range map[string]*secp256k1.G1Affine{
		s.Generators.H: &o.h, s.Generators.J[0]: &o.jCode, s.Generators.J[1]: &o.jPrice,
	} {
		data, err := hex.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("a generator is not in hexadecimal")
		}
		if *place, err = decompress(data); err != nil {
			return nil, fmt.Errorf("a generator: %w", err)
		}
	}
	return o, nil
}

// bases of the digits of line i: of r, of the code, of the price.
func (o *opening) bases(i int) []secp256k1.G1Affine {
	var all []secp256k1.G1Affine
	for _, part := range []struct {
		base secp256k1.G1Affine
		bits int
	}{{o.h, scalarBits}, {o.jCode, codeBits}} {
		next := part.base
		for range part.bits {
			all = append(all, next)
			next.Double(&next)
		}
	}
	for _, weight := range weights(o.statement.Caps[i]) {
		var next secp256k1.G1Affine
		all = append(all, *next.ScalarMultiplication(&o.jPrice, big.NewInt(weight)))
	}
	return all
}

// decompress a point of 33 bytes.
func decompress(data []byte) (secp256k1.G1Affine, error) {
	var p secp256k1.G1Affine
	if len(data) != pointBytes || data[0]&^1 != 2 {
		return p, fmt.Errorf("not a compressed point")
	}
	if err := p.X.SetBytesCanonical(data[1:]); err != nil {
		return p, err
	}
	_, b := secp256k1.CurveCoefficients()
	p.Y.Square(&p.X).Mul(&p.Y, &p.X).Add(&p.Y, &b)
	if p.Y.Sqrt(&p.Y) == nil {
		return p, fmt.Errorf("not on the curve")
	}
	if p.Y.Bytes()[fp.Bytes-1]&1 != data[0]&1 {
		p.Y.Neg(&p.Y)
	}
	return p, nil
}

func (o *opening) circuit() frontend.Circuit { return &openingCircuit{opening: o} }

func (o *opening) assign(w *witness) (*assigned, error) {
	if len(w.Commitments) != lines || len(w.Blindings) != lines {
		return nil, fmt.Errorf("the witness has no commitments or no blindings")
	}
	circuit := &openingCircuit{opening: o}
	var commitments []byte
	for i := range lines {
		commitment, err := hex.DecodeString(w.Commitments[i])
		if err != nil || len(commitment) != pointBytes {
			return nil, fmt.Errorf("a commitment is not a point in hexadecimal")
		}
		commitments = append(commitments, commitment...)
		blinding, err := hex.DecodeString(w.Blindings[i])
		if err != nil || len(blinding) != scalar.Bytes {
			return nil, fmt.Errorf("a blinding is not a scalar in hexadecimal")
		}
		circuit.Codes[i], circuit.Prices[i] = w.Codes[i], w.Prices[i]
		for j := range scalarBits {
			circuit.Blindings[i][j] = blinding[len(blinding)-1-j/8] >> (j % 8) & 1
		}
	}
	public, err := o.public(commitments)
	if err != nil {
		return nil, err
	}
	for i, value := range public {
		circuit.Points[i] = value
	}
	return &assigned{circuit, commitments}, nil
}

func (o *opening) public(commitments []byte) (fr.Vector, error) {
	if len(commitments) != lines*pointBytes {
		return nil, fmt.Errorf("the commitments have the wrong length")
	}
	all := make(fr.Vector, 2*lines)
	for i := range lines {
		data := commitments[i*pointBytes : (i+1)*pointBytes]
		var x fp.Element
		if data[0]&^1 != 2 || x.SetBytesCanonical(data[1:]) != nil {
			return nil, fmt.Errorf("a commitment is no compressed point")
		}
		all[2*i].SetBytes(data[17:])
		high := append([]byte{data[0] & 1}, data[1:17]...)
		all[2*i+1].SetBytes(high)
	}
	return all, nil
}

func (o *opening) broken(w *witness) ([]*assigned, error) {
	var all []*assigned
	for _, wrong := range brokenWitnesses(o.statement, w) {
		if err := o.commit(wrong); err != nil {
			return nil, err
		}
		attempt, err := o.assign(wrong)
		if err != nil {
			return nil, err
		}
		all = append(all, attempt)
	}
	other, err := o.assign(w)
	if err != nil {
		return nil, err
	}
	// Not the blinding that was committed with.
	circuit := other.assignment.(*openingCircuit)
	circuit.Blindings[0][0] = 1 - circuit.Blindings[0][0].(byte)
	return append(all, other), nil
}

// commit gives the witness the commitments that its codes, prices and blindings have.
func (o *opening) commit(w *witness) error {
	w.Commitments = make([]string, lines)
	for i := range lines {
		blinding, err := hex.DecodeString(w.Blindings[i])
		if err != nil {
			return fmt.Errorf("a blinding is not a scalar in hexadecimal")
		}
		var total, term secp256k1.G1Affine
		for _, part := range []struct {
			base   *secp256k1.G1Affine
			factor *big.Int
		}{
			{&o.h, new(big.Int).SetBytes(blinding)},
			{&o.jCode, big.NewInt(w.Codes[i])},
			{&o.jPrice, big.NewInt(w.Prices[i])},
		} {
			total.Add(&total, term.ScalarMultiplication(part.base, part.factor))
		}
		x, y := total.X.Bytes(), total.Y.Bytes()
		w.Commitments[i] = hex.EncodeToString(append([]byte{2 | y[fp.Bytes-1]&1}, x[:]...))
	}
	return nil
}

func (o *opening) notes() string {
	return fmt.Sprintf("fixed bases in windows of %d digits; sets as polynomials in the circuit", windowBits)
}

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
// windowBits at a time, each window chooses one of its constant points, and these are added. With
// digits d = ±1 in place of b = 0, 1, as Σ b·B = Σ B/2 + Σ d·B/2, half of a window's points are the
// others' opposites: constants are chosen among the one half. The price's digits are those that
// prove its range.
//
// gnark's addition is not made for equal or opposite points. Here these would be a linear relation
// between H, J_1 and J_2, which nobody knows: the sum, begun with Σ B/2, has J_1 or J_2 in it with a
// factor that is not 0 (half of 2^24 − 1 beside r's windows, half of the cap beside the code's, the
// code itself beside the price's), the window's point has not.
//
// Public is what 33 bytes of a compressed point say: x in two halves, the upper with y's parity. So
// the verifier takes no square roots.

const (
	scalarBits = 256
	pointBytes = 33
	windowBits = 7
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
		parts := c.opening.bases(i)
		total := constant(base, half(parts))
		for j, digits := range [][]frontend.Variable{
			c.Blindings[i][:], api.ToBinary(c.Codes[i], codeBits), prices[i],
		} {
			for start := 0; start < len(digits); start += windowBits {
				end := min(start+windowBits, len(digits))
				total = curve.Add(total, choose(api, base, digits[start:end], parts[j][start:end]))
			}
		}
		low, high := halves(api, base, total)
		api.AssertIsEqual(low, c.Points[2*i])
		api.AssertIsEqual(high, c.Points[2*i+1])
	}
	return nil
}

// half of the sum of all bases.
func half(parts [][]secp256k1.G1Affine) secp256k1.G1Affine {
	var total secp256k1.G1Affine
	for _, bases := range parts {
		for i := range bases {
			total.Add(&total, &bases[i])
		}
	}
	return *total.ScalarMultiplication(&total, oneHalf())
}

func oneHalf() *big.Int {
	return new(big.Int).ModInverse(big.NewInt(2), scalar.Modulus())
}

func constant(base *field, p secp256k1.G1Affine) *point {
	var x, y big.Int
	return &point{X: *base.NewElement(p.X.BigInt(&x)), Y: *base.NewElement(p.Y.BigInt(&y))}
}

// choose Σ ±B/2 over the bases, with + where the digit is 1. Whether a digit is like the last one
// chooses among the constants that have + for the last; the last one's sign is the sign of y. One
// product for each constant serves both coordinates and all their limbs; the rest is linear.
func choose(api frontend.API, base *field, digits []frontend.Variable, bases []secp256k1.G1Affine) *point {
	last := len(digits) - 1
	var top secp256k1.G1Affine
	constants := []secp256k1.G1Affine{*top.ScalarMultiplication(&bases[last], oneHalf())}
	isChosen := []frontend.Variable{1}
	for i, digit := range digits[:last] {
		both := api.Mul(digit, digits[last])
		isLike := api.Add(api.Sub(1, digit, digits[last]), both, both)
		var plus, minus secp256k1.G1Affine
		plus.ScalarMultiplication(&bases[i], oneHalf())
		minus.Neg(&plus)
		for j, before := range constants {
			constants[j].Add(&before, &minus)
			var next secp256k1.G1Affine
			constants = append(constants, *next.Add(&before, &plus))
			with := api.Mul(isChosen[j], isLike)
			isChosen[j] = api.Sub(isChosen[j], with)
			isChosen = append(isChosen, with)
		}
	}
	var xs, ys []*emulated.Element[emulated.Secp256k1Fp]
	for j := range constants {
		p := constant(base, constants[j])
		api.Compiler().MarkBoolean(isChosen[j]) // as a product of digits is
		xs = append(xs, base.Select(isChosen[j], &p.X, base.Zero()))
		ys = append(ys, base.Select(isChosen[j], &p.Y, base.Zero()))
	}
	y := base.Sum(ys...)
	return &point{X: *base.Sum(xs...), Y: *base.Select(digits[last], y, base.Neg(y))}
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
func (o *opening) bases(i int) [][]secp256k1.G1Affine {
	var all [][]secp256k1.G1Affine
	for _, part := range []struct {
		base secp256k1.G1Affine
		bits int
	}{{o.h, scalarBits}, {o.jCode, codeBits}} {
		bases := make([]secp256k1.G1Affine, part.bits)
		bases[0] = part.base
		for j := 1; j < len(bases); j++ {
			bases[j].Double(&bases[j-1])
		}
		all = append(all, bases)
	}
	ofPrice := weights(o.statement.Caps[i])
	bases := make([]secp256k1.G1Affine, len(ofPrice))
	for j, weight := range ofPrice {
		bases[j].ScalarMultiplication(&o.jPrice, big.NewInt(weight))
	}
	return append(all, bases)
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

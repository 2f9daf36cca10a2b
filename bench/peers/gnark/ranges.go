package main

import (
	"math/big"
	"math/bits"

	"github.com/consensys/gnark/constraint/solver"
	"github.com/consensys/gnark/frontend"
)

func init() {
	solver.RegisterHint(digitsHint)
}

// weights of digits 0 or 1 whose sums are exactly 0, …, limit: 1, 2, 4, … and what is left.
func weights(limit int64) []int64 {
	n := bits.Len64(uint64(limit))
	all := make([]int64, n)
	for i := range n - 1 {
		all[i] = 1 << i
	}
	all[n-1] = limit - (1<<(n-1) - 1)
	return all
}

// digitsHint finds the digits of its second input for the limit that is its first. Of a value over
// the limit it finds some other digits: it is for the constraints to refuse it.
func digitsHint(_ *big.Int, inputs, outputs []*big.Int) error {
	all := weights(inputs[0].Int64())
	rest, last := new(big.Int).Set(inputs[1]), len(all)-1
	outputs[last].SetInt64(0)
	if rest.BitLen() > last {
		outputs[last].SetInt64(1)
		rest.Sub(rest, big.NewInt(all[last]))
	}
	for i := range last {
		outputs[i].SetUint64(uint64(rest.Bit(i)))
	}
	return nil
}

// assertRange asserts 0 ≤ value ≤ limit and returns the digits, whose weights are weights(limit).
// Digits alone, without gnark's range checker: that would add a commitment to the proof.
func assertRange(api frontend.API, value frontend.Variable, limit int64) ([]frontend.Variable, error) {
	all := weights(limit)
	digits, err := api.Compiler().NewHint(digitsHint, len(all), limit, value)
	if err != nil {
		return nil, err
	}
	terms := make([]frontend.Variable, len(all))
	for i, digit := range digits {
		api.AssertIsBoolean(digit)
		terms[i] = api.Mul(digit, all[i])
	}
	api.AssertIsEqual(api.Add(terms[0], 0, terms[1:]...), value)
	return digits, nil
}

// assertPrices asserts that every price is at most its cap and their sum at most the total, and
// returns the digits of each price.
func assertPrices(api frontend.API, s *statement, prices [lines]frontend.Variable) ([lines][]frontend.Variable, error) {
	var all [lines][]frontend.Variable
	var err error
	for i, price := range prices {
		if all[i], err = assertRange(api, price, s.Caps[i]); err != nil {
			return all, err
		}
	}
	left := api.Sub(s.Total, prices[0], prices[1], prices[2])
	_, err = assertRange(api, left, s.Total)
	return all, err
}

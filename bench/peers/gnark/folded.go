package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"math/big"
	"runtime"
	"sync"

	"github.com/consensys/gnark-crypto/ecc"
	curve "github.com/consensys/gnark-crypto/ecc/bn254"
	"github.com/consensys/gnark-crypto/ecc/bn254/fr"
	groth16bn254 "github.com/consensys/gnark/backend/groth16/bn254"
	"github.com/consensys/gnark/constraint"
)

// foldedBackend makes gnark's Groth16 proofs and verifies them with gnark-crypto alone, by code that
// is written here, for proofs without commitments: what gnark leaves undone. The lines of γ and δ
// are computed beforehand, and proofs of a batch are joined with random factors of 128 bits
// (Bellare, Garay, Rabin, "Fast batch verification", EUROCRYPT 1998): a Miller loop for each, and
// one final exponentiation. For proof (A, B, C) and sum of public inputs K
//
//	e(A, B) = e(α, β)·e(K, γ)·e(C, δ)
type foldedBackend struct {
	groth16Backend
	lines     [3]fixedLines // of γ, δ, β
	alphaBeta curve.GT
}

type fixedLines = [2][len(curve.LoopCounter)]curve.LineEvaluationAff

func (b *foldedBackend) prepare() error {
	if len(b.verifying.CommitmentKeys) > 0 {
		return fmt.Errorf("proofs with commitments are not verified here")
	}
	g2 := &b.verifying.G2
	for i, fixed := range []curve.G2Affine{g2.Gamma, g2.Delta, g2.Beta} {
		b.lines[i] = curve.PrecomputeLines(fixed)
	}
	var err error
	b.alphaBeta, err = curve.Pair([]curve.G1Affine{b.verifying.G1.Alpha}, []curve.G2Affine{g2.Beta})
	return err
}

func (b *foldedBackend) setUp(system constraint.ConstraintSystem) (string, error) {
	text, err := b.groth16Backend.setUp(system)
	return text + ". The verifier is not gnark's", err
}

// decode a compressed proof; its points are checked to be in their groups.
func decode(data []byte) (*groth16bn254.Proof, error) {
	if len(data) != proofBytes {
		return nil, fmt.Errorf("the proof has the wrong length")
	}
	var proof groth16bn254.Proof
	if _, err := proof.ReadFrom(bytes.NewReader(data)); err != nil {
		return nil, err
	}
	if len(proof.Commitments) != 0 {
		return nil, fmt.Errorf("the proof has commitments")
	}
	return &proof, nil
}

// publicSum is K_0·first + Σ K_i·public_i.
func (b *foldedBackend) publicSum(first fr.Element, public fr.Vector) (curve.G1Affine, error) {
	var sum curve.G1Affine
	if len(public) != len(b.verifying.G1.K)-1 {
		return sum, fmt.Errorf("wrong number of public inputs")
	}
	_, err := sum.MultiExp(b.verifying.G1.K, append(fr.Vector{first}, public...), ecc.MultiExpConfig{})
	return sum, err
}

func (b *foldedBackend) verify(data []byte, public fr.Vector) error {
	proof, err := decode(data)
	if err != nil {
		return err
	}
	var left curve.GT
	done := make(chan error, 1)
	go func() {
		var err error
		left, err = curve.MillerLoop([]curve.G1Affine{proof.Ar}, []curve.G2Affine{proof.Bs})
		done <- err
	}()
	fixed, err := b.fixedLoop(public, &proof.Krs)
	if other := <-done; err == nil {
		err = other
	}
	if err != nil {
		return err
	}
	if result := curve.FinalExponentiation(&left, &fixed); !result.Equal(&b.alphaBeta) {
		return fmt.Errorf("the proof is not valid")
	}
	return nil
}

// fixedLoop is the Miller loop of e(−K, γ)·e(−C, δ).
func (b *foldedBackend) fixedLoop(public fr.Vector, krs *curve.G1Affine) (curve.GT, error) {
	k, err := b.publicSum(fr.One(), public)
	if err != nil {
		return curve.GT{}, err
	}
	points := make([]curve.G1Affine, 2)
	points[0].Neg(&k)
	points[1].Neg(krs)
	return b.loop(points)
}

// loop is the Miller loop of points with γ, δ and, where there is a third, β.
func (b *foldedBackend) loop(points []curve.G1Affine) (curve.GT, error) {
	// A copy of the lines, since gnark-crypto computes in its argument.
	return curve.MillerLoopFixedQ(points, append([]fixedLines(nil), b.lines[:len(points)]...))
}

// share is what a thread finds out about its part of a batch.
type share struct {
	loop    curve.GT
	krs     curve.G1Jac
	factors fr.Element
	public  fr.Vector
	err     error
}

func (b *foldedBackend) verifyBatch(proofs [][]byte, publics []fr.Vector) error {
	threads := min(runtime.GOMAXPROCS(0), len(proofs))
	if threads == 0 {
		return fmt.Errorf("the batch is empty")
	}
	shares := make([]share, threads)
	var group sync.WaitGroup
	for t := range threads {
		from, to := t*len(proofs)/threads, (t+1)*len(proofs)/threads
		group.Go(func() { shares[t] = b.share(proofs[from:to], publics[from:to]) })
	}
	group.Wait()
	total := share{public: make(fr.Vector, len(b.verifying.G1.K)-1)}
	total.loop.SetOne()
	for i := range shares {
		if shares[i].err != nil {
			return shares[i].err
		}
		total.loop.Mul(&total.loop, &shares[i].loop)
		total.krs.AddAssign(&shares[i].krs)
		total.factors.Add(&total.factors, &shares[i].factors)
		total.public.Add(total.public, shares[i].public)
	}
	k, err := b.publicSum(total.factors, total.public)
	if err != nil {
		return err
	}
	var factors big.Int
	points := make([]curve.G1Affine, 3)
	points[0].Neg(&k)
	points[1].FromJacobian(&total.krs).Neg(&points[1])
	points[2].ScalarMultiplication(&b.verifying.G1.Alpha, total.factors.BigInt(&factors)).Neg(&points[2])
	fixed, err := b.loop(points)
	if err != nil {
		return err
	}
	if result := curve.FinalExponentiation(&total.loop, &fixed); !result.IsOne() {
		return fmt.Errorf("a proof of the batch is not valid")
	}
	return nil
}

// share of one thread: every proof decoded and weighted with a random factor.
func (b *foldedBackend) share(proofs [][]byte, publics []fr.Vector) (s share) {
	s.public = make(fr.Vector, len(b.verifying.G1.K)-1)
	random := make([]byte, 16*len(proofs))
	if _, s.err = rand.Read(random); s.err != nil {
		return s
	}
	factors := make(fr.Vector, len(proofs))
	as, krs := make([]curve.G1Jac, len(proofs)), make([]curve.G1Affine, len(proofs))
	bs := make([]curve.G2Affine, len(proofs))
	for i, data := range proofs {
		proof, err := decode(data)
		if err == nil && len(publics[i]) != len(s.public) {
			err = fmt.Errorf("wrong number of public inputs")
		}
		if err != nil {
			s.err = err
			return s
		}
		bs[i], krs[i] = proof.Bs, proof.Krs
		factor := new(big.Int).SetBytes(random[16*i : 16*(i+1)])
		as[i].FromAffine(&proof.Ar)
		as[i].ScalarMultiplication(&as[i], factor)
		factors[i].SetBigInt(factor)
		s.factors.Add(&s.factors, &factors[i])
		for j := range s.public {
			var term fr.Element
			s.public[j].Add(&s.public[j], term.Mul(&factors[i], &publics[i][j]))
		}
	}
	if _, s.err = s.krs.MultiExp(krs, factors, ecc.MultiExpConfig{NbTasks: 1}); s.err != nil {
		return s
	}
	s.loop, s.err = curve.MillerLoop(curve.BatchJacobianToAffineG1(as), bs)
	return s
}

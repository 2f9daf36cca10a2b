"""zksnake's Groth16 on BN254 in the protocol of the comparison: ``peer.py WORK``.

Technique, all in rank-1 constraints, where linear combinations are free:

* A code x is in its set S when Π_{s∈S} (x − s) = 0. The polynomial's coefficients are public, so
  it is evaluated with about 2√N multiplications (Paterson, Stockmeyer, "On the number of
  nonscalar multiplications necessary to evaluate polynomials", SIAM J. Comput. 2, 1973): powers
  x^2 … x^k, then Horner's rule over chunks of k coefficients.
* A price in [0, cap] exactly is a sum of weighted bits whose sums are just 0 … cap (Chaabouni,
  Lipmaa, shelat, ACISP 2010); what is left of the total is one more.
* A line is committed to by Poseidon (Grassi, Khovratovich, Rechberger, Roy, Schofnegger, USENIX
  Security 2021; t = 3, x^5, 8 full and 57 partial rounds, constants from the Grain generator as the
  paper's appendix has it) of code·2^16 + price and a random blinding.

The witness is computed here, faster than by the package's own solver. The package uses all cores.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from math import isqrt
from pathlib import Path
from typing import Any

P = 21888242871839275222246405745257275088548364400416034343698204186575808495617
"""The order of BN254's groups."""
T, FULL_ROUNDS, PARTIAL_ROUNDS = 3, 8, 57
PRICE_BITS = 16
FIELD_BYTES = 32

# -- Poseidon ---------------------------------------------------------------------------------


def _grain_bits() -> Iterator[int]:
    """The paper's generator for a prime field of 254 bits and x^5, with its rule that of two bits
    the second counts if the first is 1."""
    fields = ((1, 2), (0, 4), (254, 12), (T, 12), (FULL_ROUNDS, 10), (PARTIAL_ROUNDS, 10))
    text = "".join(f"{value:0{width}b}" for value, width in fields) + "1" * 30
    state = [int(letter) for letter in text]

    def step() -> int:
        bit = state[62] ^ state[51] ^ state[38] ^ state[23] ^ state[13] ^ state[0]
        state.pop(0)
        state.append(bit)
        return bit

    for _ in range(160):
        step()
    while True:
        first, second = step(), step()
        if first:
            yield second


@cache
def poseidon_constants() -> tuple[list[list[int]], list[list[int]]]:
    """Round constants, a list a round, and the matrix."""
    bits = _grain_bits()

    def number() -> int:
        return int("".join(str(next(bits)) for _ in range(254)), 2)

    constants: list[int] = []
    while len(constants) < T * (FULL_ROUNDS + PARTIAL_ROUNDS):
        drawn = number()
        if drawn < P:
            constants.append(drawn)
    rows, columns = ([number() % P for _ in range(T)] for _ in range(2))
    matrix = [[pow(x + y, -1, P) for y in columns] for x in rows]
    return [constants[i : i + T] for i in range(0, len(constants), T)], matrix


def is_full(round_: int) -> bool:
    """Whether a round has an S-box for every element."""
    return not FULL_ROUNDS // 2 <= round_ < FULL_ROUNDS // 2 + PARTIAL_ROUNDS


def poseidon(first: int, second: int) -> int:
    """The hash of two field elements."""
    constants, matrix = poseidon_constants()
    state = [0, first, second]
    for round_, added in enumerate(constants):
        state = [(x + c) % P for x, c in zip(state, added, strict=True)]
        boxes = T if is_full(round_) else 1
        state = [pow(x, 5, P) if i < boxes else x for i, x in enumerate(state)]
        state = [sum(m * x for m, x in zip(row, state, strict=True)) % P for row in matrix]
    return state[0]


# -- polynomials and ranges -----------------------------------------------------------------------


def _product(first: Sequence[int], second: Sequence[int]) -> list[int]:
    """The product of two polynomials modulo P, by one multiplication of long integers."""
    width = 2 * FIELD_BYTES + 4  # room for the sum of 2^32 products

    def packed(coefficients: Sequence[int]) -> int:
        return int.from_bytes(b"".join(c.to_bytes(width, "little") for c in coefficients), "little")

    count = len(first) + len(second) - 1
    data = (packed(first) * packed(second)).to_bytes(count * width, "little")
    places = range(0, len(data), width)
    return [int.from_bytes(data[place : place + width], "little") % P for place in places]


def roots_polynomial(roots: Sequence[int]) -> list[int]:
    """Coefficients of Π (X − s), the constant first."""
    if len(roots) == 1:
        return [-roots[0] % P, 1]
    middle = len(roots) // 2
    return _product(roots_polynomial(roots[:middle]), roots_polynomial(roots[middle:]))


def weights(cap: int) -> list[int]:
    """Weights of bits whose sums are exactly 0 … cap, the largest first."""
    found = []
    while cap:
        weight = (cap + 1) // 2
        found.append(weight)
        cap -= weight
    return found


def weighted_bits(value: int, cap: int) -> list[int]:
    """The bits of ``value``; raises `ValueError` outside 0 … cap."""
    if not 0 <= value <= cap:
        raise ValueError("a value is outside its range")
    bits = []
    for weight in weights(cap):
        bits.append(int(value >= weight))
        value -= bits[-1] * weight
    return bits


# -- constraints ------------------------------------------------------------------------------


class Form(dict[str, int]):
    """A linear combination: coefficients by variable; the variable "" is 1."""

    def plus(self, other: Mapping[str, int], factor: int = 1) -> Form:
        """``self + factor·other``."""
        made = Form(self)
        for name, coefficient in other.items():
            made[name] = (made.get(name, 0) + factor * coefficient) % P
        return made

    def value(self, values: Mapping[str, int]) -> int:
        """Its value modulo P."""
        return sum(c * (values[name] if name else 1) for name, c in self.items()) % P


class Circuit:
    """The statement as constraints left·right = product, in the order in which a witness is made.

    ``defined`` names the variable that a multiplication defines, or None where it is a condition.
    Given are, for each line, code, blinding, commitment and the bits of the price, and the bits of
    what is left of the total.
    """

    def __init__(self, statement: Mapping[str, Any]) -> None:
        self.constraints: list[tuple[Form, Form, Form]] = []
        self.defined: list[str | None] = []
        self.caps, self.total = statement["caps"], statement["total"]
        spent = Form()
        for line, (members, cap) in enumerate(zip(statement["sets"], self.caps, strict=True)):
            code = Form({f"code{line}": 1})
            price = self._range(f"price{line}", cap)
            spent = spent.plus(price)
            self._membership(code, roots_polynomial(members))
            packed = price.plus(code, 1 << PRICE_BITS)
            hashed = self._poseidon(packed, Form({f"blinding{line}": 1}))
            self._demand(hashed, Form({"": 1}), Form({f"commitment{line}": 1}))
        left = self._range("left", self.total)
        self._demand(spent.plus(left), Form({"": 1}), Form({"": self.total}))

    def _multiply(self, left: Form, right: Form) -> Form:
        name = f"m{len(self.constraints)}"
        self.constraints.append((left, right, Form({name: 1})))
        self.defined.append(name)
        return Form({name: 1})

    def _demand(self, left: Form, right: Form, product: Form) -> None:
        self.constraints.append((left, right, product))
        self.defined.append(None)

    def _range(self, name: str, cap: int) -> Form:
        form = Form()
        for number, weight in enumerate(weights(cap)):
            bit = Form({f"{name}bit{number}": 1})
            self._demand(bit, bit, bit)
            form = form.plus(bit, weight)
        return form

    def _membership(self, x: Form, coefficients: Sequence[int]) -> None:
        degree = len(coefficients) - 1
        k = isqrt(degree)
        while degree % k:
            k -= 1
        powers = [Form({"": 1}), x]
        while len(powers) <= k:
            powers.append(self._multiply(powers[-1], x))
        chunks = []
        for start in range(0, degree, k):
            chunk = Form()
            for power, coefficient in zip(powers, coefficients[start : start + k], strict=False):
                chunk = chunk.plus(power, coefficient)
            chunks.append(chunk)
        # The polynomial is monic: Horner's rule begins with x^k itself.
        value = chunks.pop().plus(powers[k])
        while len(chunks) > 1:
            value = self._multiply(value, powers[k]).plus(chunks.pop())
        self._demand(value, powers[k], Form().plus(chunks.pop(), -1))

    def _poseidon(self, first: Form, second: Form) -> Form:
        constants, matrix = poseidon_constants()
        state = [Form({"": 0}), first, second]
        for round_, added in enumerate(constants):
            state = [form.plus({"": c}) for form, c in zip(state, added, strict=True)]
            boxes = T if is_full(round_) else 1
            state = [self._fifth_power(f) if i < boxes else f for i, f in enumerate(state)]
            mixed = []
            for row in matrix:
                form = Form()
                for factor, element in zip(row, state, strict=True):
                    form = form.plus(element, factor)
                mixed.append(form)
            state = mixed
        return state[0]

    def _fifth_power(self, form: Form) -> Form:
        if set(form) == {""}:
            return Form({"": pow(form[""], 5, P)})
        square = self._multiply(form, form)
        return self._multiply(self._multiply(square, square), form)

    def witness(
        self, codes: Sequence[int], prices: Sequence[int], blindings: Sequence[int]
    ) -> dict[str, int]:
        """The value of every variable. Raises `ValueError` for a price that is outside its range;
        a code outside its set only breaks a constraint."""
        values: dict[str, int] = {}
        ranges = [
            (f"price{i}", p, c) for i, (p, c) in enumerate(zip(prices, self.caps, strict=True))
        ]
        ranges.append(("left", self.total - sum(prices), self.total))
        for name, value, cap in ranges:
            bits = weighted_bits(value, cap)
            values |= {f"{name}bit{number}": bit for number, bit in enumerate(bits)}
        for line, (code, price) in enumerate(zip(codes, prices, strict=True)):
            values |= {f"code{line}": code, f"blinding{line}": blindings[line]}
            values[f"commitment{line}"] = commit(code, price, blindings[line])
        for (left, right, _), defined in zip(self.constraints, self.defined, strict=True):
            if defined is not None:
                values[defined] = left.value(values) * right.value(values) % P
        return values

    def broken(self, values: Mapping[str, int]) -> list[int]:
        """The constraints that given values break."""
        return [
            number
            for number, (left, right, product) in enumerate(self.constraints)
            if (left.value(values) * right.value(values) - product.value(values)) % P
        ]


def commit(code: int, price: int, blinding: int) -> int:
    """The public commitment to a line."""
    return poseidon((code << PRICE_BITS) + price, blinding)


# -- the package ------------------------------------------------------------------------------


class Program:
    """The state of one process; a method a verb, each returning its answer."""

    def __init__(self, work: Path) -> None:
        # Imported here: whoever only wants the circuit needs no package.
        from zksnake import groth16  # type: ignore[import-not-found]

        self._package = groth16
        self._work = work
        self._statement: dict[str, Any] = json.loads((work / "statement.json").read_text("utf-8"))
        self._circuit: Circuit | None = None
        self._system: Any = None
        self._verifier: Any = None
        self._names: list[str] = []
        self._proofs: dict[int, tuple[list[int], bytes]] = {}

    def versions(self) -> dict[str, Any]:
        """Versions of the package and of Python."""
        names = {"zksnake": version("zksnake"), "Python": sys.version.split()[0]}
        return {"versions": names, "threads": os.cpu_count()}

    def _compile(self) -> Any:
        from zksnake.arithmetization import (  # type: ignore[import-not-found]
            R1CS,
            ConstraintSystem,
            Var,
        )

        def symbolic(form: Form) -> Any:
            terms = [Var(name) * c if c != 1 else Var(name) for name, c in form.items() if name]
            if not terms:
                return form.get("", 0)
            total = terms[0]
            for term in terms[1:]:
                total = total + term
            return total + form[""] if form.get("") else total

        self._circuit = circuit = Circuit(self._statement)
        lines = range(len(circuit.caps))
        commitments = [f"commitment{line}" for line in lines]
        system = ConstraintSystem([f"code{line}" for line in lines], commitments, P)
        for left, right, product in circuit.constraints:
            if set(right) == {""}:
                system.add_constraint(symbolic(product) == symbolic(left))
            else:
                system.add_constraint(symbolic(product) == symbolic(left) * symbolic(right))
        for name in commitments:
            system.set_public(Var(name))
        constraints = R1CS(system)
        constraints.compile()
        self._r1cs = constraints
        return self._package.Groth16(constraints)

    def setup(self) -> dict[str, Any]:
        """Keys for this circuit, made by this process, which could keep their secret."""
        start = time.perf_counter()
        self._system = self._compile()
        self._system.setup()
        proving = self._system.proving_key.to_bytes()
        verifying = self._system.verifying_key.to_bytes()
        (self._work / "proving.key").write_bytes(proving)
        (self._work / "verifying.key").write_bytes(verifying)
        seconds = time.perf_counter() - start
        assert self._circuit is not None
        return {
            "seconds": seconds,
            "setup": "circuit",
            "forgeable": True,
            "proving_key_bytes": len(proving),
            "verifying_key_bytes": len(verifying),
            "constraints": len(self._circuit.constraints),
            "notes": "R1CS; Poseidon commitments",
        }

    def load(self) -> dict[str, Any]:
        """The verifying key and the proofs; what proving needs is read at the first proof."""
        start = time.perf_counter()
        key = (self._work / "verifying.key").read_bytes()
        system = self._package.Groth16.__new__(self._package.Groth16)
        system.E = self._curve()
        system.order = P
        system.verifying_key = self._package.VerifyingKey.from_bytes(key)
        self._verifier = system
        for path in self._work.glob("proof-*.json"):
            found = json.loads(path.read_text("utf-8"))
            proof = bytes.fromhex(found["proof"])
            self._proofs[int(path.stem.split("-")[1])] = (found["public"], proof)
        return {"seconds": time.perf_counter() - start}

    @staticmethod
    def _curve() -> Any:
        from zksnake.ecc import EllipticCurve  # type: ignore[import-not-found]

        return EllipticCurve("BN254")

    def _prover(self) -> tuple[Circuit, Any]:
        if self._system is None:
            self._system = self._compile()
            key = (self._work / "proving.key").read_bytes()
            self._system.proving_key = self._package.ProvingKey.from_bytes(key)
        assert self._circuit is not None
        return self._circuit, self._system

    def _make(self, codes: Sequence[int], prices: Sequence[int]) -> tuple[list[int], bytes]:
        circuit, system = self._prover()
        blindings = [secrets.randbelow(P) for _ in codes]
        values = circuit.witness(codes, prices, blindings)
        public, private = self._r1cs.generate_witness(values)
        proof = system.prove(public, private)
        return [values[f"commitment{line}"] for line in range(len(codes))], proof.to_bytes()

    def prove(self, index: int) -> dict[str, Any]:
        """From the codes and prices of a witness to bytes."""
        witness = self._statement["witnesses"][index]
        self._prover()
        start = time.perf_counter()
        public, proof = self._make(witness["codes"], witness["prices"])
        seconds = time.perf_counter() - start
        self._proofs[index] = (public, proof)
        text = json.dumps({"public": public, "proof": proof.hex()})
        (self._work / f"proof-{index}.json").write_text(text, "utf-8")
        size = FIELD_BYTES * len(public)
        return {"seconds": seconds, "proof_bytes": len(proof), "public_bytes": size}

    def _is_accepted(self, public: Sequence[int], proof: bytes) -> bool:
        if not all(0 <= value < P for value in public):
            return False
        system = self._system if self._verifier is None else self._verifier
        read = self._package.Proof.from_bytes(proof)
        return bool(system.verify(read, [1, *public]))

    def verify(self, index: int) -> dict[str, Any]:
        """From bytes to the verdict."""
        public, proof = self._proofs[index]
        start = time.perf_counter()
        accepted = self._is_accepted(public, proof)
        return {"seconds": time.perf_counter() - start, "accepted": accepted}

    def batch(self, indices: Sequence[int]) -> dict[str, Any]:
        """The package has none."""
        return {"missing": "the package verifies one proof at a time"}

    def reject(self, index: int) -> dict[str, Any]:
        """Beside each commitment changed, to other values and to another blinding."""
        public, proof = self._proofs[index]
        changed = [
            [value if i != line else (value + 1) % P for i, value in enumerate(public)]
            for line in range(len(public))
        ]
        return {"rejected": not any(self._is_accepted(other, proof) for other in changed)}

    def dishonest(self, index: int) -> dict[str, Any]:
        """A code outside its set, then a price over its cap: neither can be proved, nor does the
        proof of an honest witness pass for the commitments of the lie."""
        witness = self._statement["witnesses"][index]
        codes, prices = witness["codes"], witness["prices"]
        outside = next(c for c in range(10**6, 10**7) if c not in self._statement["sets"][0])
        over = self._statement["caps"][0] + 1
        lies = [([outside, *codes[1:]], prices), (codes, [over, *prices[1:]])]
        return {"rejected": all(self._is_refused(*lie, witness) for lie in lies)}

    def _is_refused(
        self, codes: Sequence[int], prices: Sequence[int], honest: Mapping[str, Any]
    ) -> bool:
        try:
            public, proof = self._make(codes, prices)
        except ValueError:
            pass
        else:
            return not self._is_accepted(public, proof)
        public, proof = self._make(honest["codes"], honest["prices"])
        public[0] = commit(codes[0], prices[0], secrets.randbelow(P))
        return not self._is_accepted(public, proof)

    def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one line of input."""
        verb = str(question.get("do"))
        if verb not in VERBS:
            return {"error": "no such verb"}
        fields = {name: value for name, value in question.items() if name != "do"}
        try:
            found: dict[str, Any] = getattr(self, verb)(**fields)
        except Exception as error:  # whatever the package raises is the answer
            return {"error": f"{type(error).__name__}: {error}"}
        return found


VERBS = ("versions", "setup", "load", "prove", "verify", "batch", "reject", "dishonest")


def main() -> None:
    """Answer until told to stop."""
    program = Program(Path(sys.argv[-1]))
    for line in sys.stdin:
        question = json.loads(line)
        if question.get("do") == "stop":
            break
        sys.stdout.write(json.dumps(program.answer(question)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

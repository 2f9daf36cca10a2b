"""What ``zk/native/evaluate.c`` offers; may be missing, see `zk.program`."""

class Program:
    def __new__(cls, words: bytes, /) -> Program: ...
    def evaluate(self, f: bytes, x: bytes, y_powers: bytes, publics: bytes, /) -> bytes: ...
    def field_parts(self, responses: bytes, challenges: bytes, publics: bytes, /) -> bytes: ...
    def scalars(
        self,
        sums: bytes,
        slots: int,
        responses: bytes,
        challenges: bytes,
        values: bytes,
        weights: bytes,
        /,
    ) -> tuple[bytes, bytes]: ...
    def coefficients(
        self, w: bytes, a: bytes, y: bytes, publics: bytes, top: bytes, interpolation: bytes, /
    ) -> bytes: ...

def below_order(scalars: bytes, /) -> bool: ...

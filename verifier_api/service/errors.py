"""How the service says no when the answer is not a verdict."""

from __future__ import annotations

from collections.abc import Sequence

from zk.errors import ZkError


class ServiceError(ZkError):
    """``code`` is stable and documented (`verifier_api.web.problems` maps it to HTTP).

    ``places`` name the fields at fault, ``reason`` tells more where the code has several causes,
    ``retry_after`` is in seconds. Holds no value that was sent.
    """

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        places: Sequence[str] = (),
        reason: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail or code)
        self.code = code
        self.detail = detail
        self.places = tuple(places)
        self.reason = reason
        self.retry_after = retry_after

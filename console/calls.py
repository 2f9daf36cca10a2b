"""One call of a service over HTTP: what is sent, how often, and what counts as an answer.

`optician.client` and `verifier_api.auditor.client` say what can be called of the insurer's service.

* The token goes to the service alone: over https, or over plain http to this machine itself;
  redirects are not followed. It stands in no URL, error, log or repr.
* Proxies and certificates that the environment names are used for https, because shops have them:
  they pass on an encrypted connection that they cannot read. Over plain http they would read the
  token, so there they are not used. A .netrc file never is: the token is the only password here.
* An answer is read within limits of size and time, whatever the service sends.
* A call is repeated only if the same call twice has the effect of one. Pauses grow and are random
  (exponential back-off with full jitter), so that shops do not all come back at once.
"""

from __future__ import annotations

import random
import re
import ssl
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import TypeVar
from urllib.parse import urlsplit

import httpx2
from pydantic import ValidationError

from circuits.document import describe_problems
from console.answers import Answer, ProblemAnswer

MAX_ANSWER_BYTES = 16 * 2**20
MAX_PROBLEM_BYTES = 64 * 2**10
MAX_ANSWER_SECONDS = 600.0
"""For one attempt, looked at whenever a part of the body comes. The timeout limits a single
silence, also in an answer's head, which has at most 100 KiB."""

DEFAULT_TIMEOUT = 60.0
DEFAULT_RETRIES = 4
MAX_CONNECT_SECONDS = 10.0

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 20.0
MAX_RETRY_AFTER = 60.0
"""Seconds. A service that asks for a longer pause gets none: the caller is told instead."""

BUSY = frozenset((429, 503))
GATEWAY = frozenset((502, 504))

_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,500}={0,2}", re.ASCII)
_REQUEST = "urn:clairobscur:request:"

Model = TypeVar("Model", bound=Answer)


class ServiceFault(Exception):
    """A call that brought no answer. No message holds the token, or a value that was sent."""


class ServiceArgumentInvalid(ServiceFault):
    """An address, a token or an argument with which there is nothing to call."""


class ServiceUnreachable(ServiceFault):
    """No answer, after every attempt: no connection, a broken one, none in time.

    Whether the service did what it was asked is not known.
    """


class ServiceAnswerInvalid(ServiceFault):
    """An answer that is none: no such JSON, too large, about something else, a redirect."""


class ServiceProblem(ServiceFault):
    """The service said no (RFC 9457).

    ``code`` is stable; ``title`` and ``detail`` are for people, ``titles`` by language; ``places``
    name the fields at fault; ``reason`` tells more where the code has several causes;
    ``request_id`` is what the insurer finds it by; ``retry_after`` is in seconds.
    """

    def __init__(self, problem: ProblemAnswer, status: int, retry_after: float | None) -> None:
        super().__init__(f"{status} {problem.code}: {problem.detail or problem.title}")
        self.code = problem.code
        self.title = problem.title
        self.titles = {"en": problem.title, "fr": problem.title}
        if problem.titles is not None:
            self.titles = {"en": problem.titles.en, "fr": problem.titles.fr}
        self.detail = problem.detail
        self.status = status
        self.places = problem.places
        self.reason = problem.reason
        instance = problem.instance or ""
        self.request_id = instance.removeprefix(_REQUEST) or None
        self.retry_after = retry_after


@dataclass(frozen=True)
class Call:
    """One request.

    ``is_repeatable``: twice has the effect of once. ``answers`` are the statuses of an answer; any
    other is a refusal.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = field(default=None, repr=False)
    media_type: str = "application/json"
    max_bytes: int = MAX_ANSWER_BYTES
    is_repeatable: bool = True
    answers: Collection[int] = (200, 201)


class Caller:
    """Makes calls of one service with one token. Not for several threads at once."""

    def __init__(
        self,
        base_url: str,
        token: str | None,
        *,
        timeout: float = DEFAULT_TIMEOUT,
        retries: int = DEFAULT_RETRIES,
        allow_http: bool = False,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        jitter: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``timeout`` in seconds limits every silence of the service, ``retries`` how often a call
        is made again. ``allow_http`` sends the token in clear, to whatever host.

        Raises `ServiceArgumentInvalid`.
        """
        self.base_url = check_address(base_url, allow_http=allow_http)
        if not (timeout > 0 and retries >= 0):
            raise ServiceArgumentInvalid("timeout and retries: a positive number, and 0 or more")
        headers = {"Accept-Encoding": "identity", "User-Agent": "clairobscur"}
        if token is not None:
            if not _TOKEN.fullmatch(token):
                raise ServiceArgumentInvalid("token: not the form of a token")
            headers["Authorization"] = f"Bearer {token}"
        self._token = token
        self._retries = retries
        self._sleep = sleep
        self._jitter = jitter or random.Random()
        self._clock = clock
        problem = ""
        try:
            self._http = httpx2.Client(
                headers=headers,
                timeout=httpx2.Timeout(timeout, connect=min(timeout, MAX_CONNECT_SECONDS)),
                transport=transport,
                trust_env=self.base_url.lower().startswith("https:"),
                follow_redirects=False,
            )
        except (ImportError, ValueError, httpx2.InvalidURL):
            problem = "a proxy that the environment names cannot be used"
        except OSError:
            problem = "certificates that the environment names cannot be read"
        if problem:  # raised out here, without the cause: it quotes the proxy's password
            raise ServiceArgumentInvalid(problem)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.base_url!r})"

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def json(self, model: type[Model], call: Call) -> Model:
        """The answer to a call. Raises `ServiceFault` as `content` does."""
        return parse_answer(model, self.content(call))

    def content(self, call: Call) -> bytes:
        """The bytes of the answer to a call, after as many attempts as it takes and may.

        Raises `ServiceProblem`, `ServiceUnreachable` or `ServiceAnswerInvalid`.
        """
        attempts = 0
        while True:
            pause, fault = 0.0, ""
            was_sent = True
            try:
                answer = self._attempt(call)
            except httpx2.TransportError as error:
                fault, is_passing, was_sent = _describe(error)
            except UnicodeError:  # the address was checked, so it is the proxy's
                fault, is_passing, was_sent = "no host can have the proxy's name", False, False
            else:
                if answer.status in call.answers:
                    return answer.content
                refusal, is_passing = _refusal(answer, self._token)
                pause = answer.retry_after or 0.0
                was_sent = answer.status != 429  # refused before anything was done
                if pause > MAX_RETRY_AFTER:
                    is_passing = False
            if not is_passing or attempts >= self._retries or (was_sent and not call.is_repeatable):
                break
            longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**attempts)
            self._sleep(pause + self._jitter.uniform(0.0, longest))
            attempts += 1
        if fault:  # raised out here, without the cause: it carries the request and its token
            tried = f" (tried {attempts + 1} times)" if attempts else ""
            raise ServiceUnreachable(fault + tried)
        raise refusal

    def _attempt(self, call: Call) -> _Received:
        """Send and receive once. Raises `httpx2.TransportError`, `ServiceAnswerInvalid`."""
        headers = {"Accept": "application/json, application/problem+json, */*;q=0.1"}
        if call.body is not None:
            headers["Content-Type"] = call.media_type
        end = self._clock() + MAX_ANSWER_SECONDS
        url = f"{self.base_url}{call.path}"
        with self._http.stream(
            call.method,
            url,
            params=call.query or None,
            content=call.body,
            headers=headers,
        ) as response:
            status = response.status_code
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                # Nobody asked for it, and a few bytes can unpack into any number.
                raise ServiceAnswerInvalid("the answer is compressed, which was not asked for")
            limit = call.max_bytes if status in call.answers else MAX_PROBLEM_BYTES
            content = bytearray()
            for part in response.iter_bytes():
                content += part
                if len(content) > limit:
                    raise ServiceAnswerInvalid(f"the answer has more than {limit} bytes")
                if self._clock() > end:
                    raise ServiceAnswerInvalid(
                        f"the answer was not whole after {MAX_ANSWER_SECONDS:g} s"
                    )
            retry_after = _seconds(response.headers.get("Retry-After"))
            return _Received(status, bytes(content), retry_after)


@dataclass(frozen=True)
class _Received:
    status: int
    content: bytes = field(repr=False)
    retry_after: float | None


def check_address(base_url: str, *, allow_http: bool = False) -> str:
    """The address of a service without a slash at its end: https, or plain http to this machine.

    Raises `ServiceArgumentInvalid`, which never repeats it: it might hold a password.
    """

    def refuse(problem: str) -> ServiceArgumentInvalid:
        return ServiceArgumentInvalid(f"address of the service: {problem}")

    if not re.fullmatch(r"[!-~]{1,500}", base_url, re.ASCII):
        raise refuse("1 to 500 ASCII characters without spaces expected")
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = None, None, None
    if parts is None or parts.scheme not in ("http", "https") or not host or port == 0:
        raise refuse("https://HOST, with :PORT and a path if need be, expected")
    if "@" in parts.netloc:
        raise refuse("no user and password in it; the token is given apart")
    if "?" in base_url or "#" in base_url or "\\" in base_url:
        raise refuse("no query, fragment or backslash in it")
    if parts.scheme == "http" and not allow_http and not _is_loopback(host):
        raise refuse("https expected; plain http would show the token to everybody on the way")
    try:
        httpx2.URL(base_url)
        host.encode("idna")  # as the system's resolver will
    except (httpx2.InvalidURL, UnicodeError):
        raise refuse("no host can have this name") from None
    return base_url.rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def parse_answer(model: type[Model], content: bytes) -> Model:
    """The answer in JSON. Raises `ServiceAnswerInvalid` naming the members at fault."""
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        problems = describe_problems(error)
    # Raised out here, without the cause: it holds the whole answer, and that may be a token.
    raise ServiceAnswerInvalid(f"{model.__name__}: {problems}")


def _without(problem: ProblemAnswer, token: str) -> ProblemAnswer:
    """A refusal is shown to people: it is not to repeat the token, whoever wrote it, and however:
    what came may have it in escapes, which are gone here."""
    return parse_answer(ProblemAnswer, problem.model_dump_json().replace(token, "...").encode())


def _refusal(answer: _Received, token: str | None) -> tuple[ServiceFault, bool]:
    """What an answer with another status means, and whether it may pass."""
    status = answer.status
    is_passing = status in BUSY or status in GATEWAY
    if 300 <= status < 400:
        return ServiceAnswerInvalid(f"{status}: redirects are not followed"), False
    try:
        problem = parse_answer(ProblemAnswer, answer.content)
        problem = problem if token is None else _without(problem, token)
    except ServiceAnswerInvalid:
        if is_passing:  # something before the service speaks
            return ServiceUnreachable(f"{status} from what stands before the service"), True
        return ServiceAnswerInvalid(f"{status} without problem details"), False
    return ServiceProblem(problem, status, answer.retry_after), is_passing


def _describe(error: httpx2.TransportError) -> tuple[str, bool, bool]:
    """What went wrong, whether it may pass, and whether the request may have been sent."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return "the certificate of the service is not trusted", False, False
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.ConnectTimeout | httpx2.PoolTimeout):
        return "no connection in time", True, False
    if isinstance(error, httpx2.ConnectError):
        return "no connection", True, False
    if isinstance(error, httpx2.ProxyError):
        return "the proxy makes no connection", True, False
    if isinstance(error, httpx2.TimeoutException):
        return "no answer in time", True, True
    if isinstance(error, httpx2.LocalProtocolError | httpx2.UnsupportedProtocol):
        return "no such request can be sent", False, False
    return "the connection broke", True, True


def _seconds(retry_after: str | None) -> float | None:
    """The pause that a service asks for: whole seconds, or a date (RFC 9110, section 10.2.3)."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())

"""Names of hosts that the system's resolver cannot even be asked for, of the service or a proxy."""

from __future__ import annotations

import traceback

import pytest

from console.calls import (
    Call,
    Caller,
    ServiceArgumentInvalid,
    ServiceUnreachable,
    check_address,
)


@pytest.mark.parametrize("host", ["insurer..example", "a" * 64 + ".example"])
def test_a_name_that_no_host_can_have_is_refused(host: str) -> None:
    assert check_address("https://insurer.example") == "https://insurer.example"
    with pytest.raises(ServiceArgumentInvalid, match="no host can have this name"):
        check_address(f"https://{host}")


def test_a_proxy_that_no_host_can_be_is_a_fault_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://user:S3cret@a..b:9")
    caller = Caller("https://insurer.example", "a-token")
    with pytest.raises(ServiceUnreachable, match=r"^no host can have the proxy's name$") as caught:
        caller.content(Call("GET", "/healthz"))
    caller.close()
    assert "S3cret" not in "".join(traceback.format_exception(caught.value))

"""A vault's cryptography worked out a second time, from docs/vault.md alone."""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from optician.vault.keys import Passphrase, ScryptCost
from tests.support.vaults import TEXT, fill, make_vault

SCRYPT_VECTORS = [
    # RFC 7914, section 12; the first 32 of its 64 bytes, which are those of a shorter output
    # only because the last step, PBKDF2 with SHA-256, makes 32 bytes at a time.
    (
        "pleaseletmein",
        b"SodiumChloride",
        ScryptCost(n=16384, r=8, p=1),
        "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2",
    ),
    (
        "password",
        b"NaCl",
        ScryptCost(n=1024, r=8, p=16),
        "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162",
    ),
]


@pytest.mark.parametrize(("text", "salt", "cost", "expected"), SCRYPT_VECTORS)
def test_the_wrapping_key_is_scrypts(
    text: str, salt: bytes, cost: ScryptCost, expected: str
) -> None:
    assert Passphrase(text).derive(salt, cost).hex() == expected


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def open_sealed(key: bytes, sealed: bytes, context: bytes) -> bytes:
    return bytes(AESGCM(key).decrypt(sealed[:12], sealed[12:], context))


def padded(content: bytes) -> bytes:
    return (len(content).to_bytes(4, "big") + content).ljust(1024, b"\0")


def test_a_vault_opens_by_the_page_alone(tmp_path: Path) -> None:
    with make_vault(tmp_path / "shop.vault") as vault:
        fill(vault)
    connection = sqlite3.connect(tmp_path / "shop.vault")
    connection.row_factory = sqlite3.Row
    header = dict(connection.execute("SELECT name, value FROM header").fetchall())
    shown = {
        name: {"hex": value.hex()} if isinstance(value, bytes) else value
        for name, value in header.items()
        if name not in ("wrapped", "checksum", "ledger")
    }
    wrapped = {"wrapped": {"hex": header["wrapped"].hex()}}
    checked = b"clairobscur/vault/v1/header" + canonical(shown | wrapped)
    assert header["checksum"] == hashlib.sha256(checked).digest()

    n, r, p = (header[f"scrypt_{name}"] for name in "nrp")
    wrapping = Scrypt(header["scrypt_salt"], 32, n=n, r=r, p=p).derive(TEXT.encode())
    context = b"clairobscur/vault/v1/wrap" + canonical(shown)
    data_key = open_sealed(wrapping, header["wrapped"], context)
    assert len(data_key) == 32

    def purpose(name: str) -> bytes:
        info = b"clairobscur/vault/v1/" + name.encode()
        return bytes(HKDFExpand(SHA256(), 32, info).derive(data_key))

    vault_id: bytes = header["vault_id"]

    def context_of(place: str, name: str, clear: dict[str, object]) -> bytes:
        return b"clairobscur/vault/v1" + vault_id + canonical([place, name, clear])

    claim = connection.execute("SELECT * FROM claims WHERE claim_id = 'claim-1'").fetchone()
    index = hmac.digest(purpose("index"), b"sale-1", "sha256")
    assert claim["sale_key"] == index
    clear = {name: claim[name] for name in ("state", "made_at", "day", "erase_at")}
    clear["sale_key"] = index.hex()
    content = open_sealed(purpose("seal"), claim["content"], context_of("claims", "claim-1", clear))
    assert content == padded(b"claim 1")
    openings = open_sealed(
        purpose("seal"), claim["openings"], context_of("claims.openings", "claim-1", {})
    )
    assert openings == padded(b"openings 1")

    ledger = open_sealed(
        purpose("ledger"), header["ledger"], b"clairobscur/vault/v1/ledger" + vault_id
    )
    count = total = 0
    for table in ("entries", "claims", "outbox", "attestations", "audits"):
        for row in connection.execute(f"SELECT * FROM {table}"):
            values = [
                {"sha256": hashlib.sha256(value).hexdigest()} if isinstance(value, bytes) else value
                for value in row
            ]
            digest = hmac.digest(purpose("rows"), canonical([table, values]), "sha256")
            total += int.from_bytes(digest, "big")
            count += 1
    assert ledger == count.to_bytes(8, "big") + (total % 2**256).to_bytes(32, "big")
    connection.close()

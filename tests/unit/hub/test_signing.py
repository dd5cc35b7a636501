"""Keys: kept in a file that only its owner reads, made once, refused otherwise; and what is signed with them."""

import base64
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from syncline.hub import signing
from syncline.model.errors import ProofRefused, UsageError

# RFC 8032, 7.1, TEST 3: a secret key, what is signed with it, and the signature.
SECRET = bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
PUBLIC = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
SIGNATURE = bytes.fromhex(
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
)


def test_the_key_beside_a_log_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    log = str(tmp_path / "shop.log.db")
    mask = os.umask(0)
    try:
        first = signing.key_beside(log)
    finally:
        os.umask(mask)
    assert first.path == tmp_path / "shop.log.db.proof-key.pem"
    assert first.path.stat().st_mode & 0o777 == 0o600
    again = signing.key_beside(log)
    assert (first.made, again.made, again.id) == (True, False, first.id)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610])
def test_a_key_that_others_may_read_or_change_is_refused(tmp_path: Path, mode: int) -> None:
    path = signing.key_beside(str(tmp_path / "log")).path
    path.chmod(mode)
    with pytest.raises(UsageError, match="not kept secret"):
        signing.load_key(path)
    path.chmod(0o400)
    assert signing.load_key(path).id


@pytest.mark.parametrize("kind", ["absent", "empty", "text", "password", "other kind", "folder"])
def test_what_is_no_key_is_refused_with_the_fix(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "key.pem"
    other = generate_private_key(SECP256R1())
    texts = {
        "empty": b"",
        "text": b"not a key",
        "password": other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
        "other kind": other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    }
    if kind in texts:
        path.write_bytes(texts[kind])
        path.chmod(0o600)
    elif kind == "folder":
        path.mkdir(mode=0o700)
    with pytest.raises(UsageError) as caught:
        signing.load_key(path)
    assert caught.value.hint


def test_signatures_are_those_of_the_standard() -> None:
    signing.check(PUBLIC, SIGNATURE, b"\xaf\x82")
    for public, signature, data in ((PUBLIC, SIGNATURE, b"\xaf\x83"), (SECRET, SIGNATURE, b"\xaf\x82"), (b"", b"", b"")):
        with pytest.raises(ProofRefused):
            signing.check(public, signature, data)


def test_a_public_key_is_given_as_base64_or_as_a_file_of_it_or_of_pem(tmp_path: Path) -> None:
    key = signing.key_beside(str(tmp_path / "log"))
    text = base64.b64encode(key.public).decode()
    plain, pem = tmp_path / "key.txt", tmp_path / "key.pub"
    plain.write_text(f"{text}\n")
    made = Ed25519PublicKey.from_public_bytes(key.public)
    pem.write_bytes(made.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert {signing.public_key(one) for one in (text, str(plain), str(pem))} == {key.public}
    for wrong in (text[:-4], str(tmp_path / "absent"), str(key.path), "x\0y"):
        with pytest.raises(UsageError):
            signing.public_key(wrong)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_says_the_same_of_a_signature(tmp_path: Path) -> None:
    key = signing.key_beside(str(tmp_path / "log"))
    (tmp_path / "data").write_bytes(b'{"a":1}')
    (tmp_path / "signature").write_bytes(key.sign(b'{"a":1}'))
    words = ["openssl", "pkeyutl", "-verify", "-inkey", str(key.path), "-rawin", "-in", "data", "-sigfile", "signature"]
    assert subprocess.run(words, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    (tmp_path / "data").write_bytes(b'{"a":2}')
    assert subprocess.run(words, cwd=tmp_path, capture_output=True, check=False).returncode != 0

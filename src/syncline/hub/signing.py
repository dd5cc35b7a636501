"""Ed25519 keys: one that signs, kept in a file that only its owner reads, and public ones that check. Needs `cryptography`."""

import base64
import binascii
import hashlib
import os
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from syncline.model.errors import ProofRefused, UsageError
from syncline.model.words import plainly

ALGORITHM: Final = "Ed25519"
KEY_BYTES_MAX: Final = 65_536  # of a key's file
PUBLIC_BYTES: Final = 32


class SigningKey:
    """A private key that was read. `made`: it is new, so nobody knows it yet."""

    def __init__(self, key: Ed25519PrivateKey, path: Path, *, made: bool = False) -> None:
        self._key, self.path, self.made = key, path, made
        self.public: bytes = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    @property
    def id(self) -> str:
        """What people call it."""
        return key_id(self.public)

    def sign(self, data: bytes) -> bytes:
        """The signature of these bytes."""
        return self._key.sign(data)


def key_id(public: bytes) -> str:
    """The name of a public key: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(public).hexdigest()[:16]


def load_key(path: Path) -> SigningKey:
    """A private key in PEM. Raises UsageError for what is none, and for one that others may read."""
    data = _read(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        why = f"its mode is {mode:04o}: others than its owner may read or change it"
        raise UsageError(f"the key {path} is not kept secret", why=why, hint=f"chmod 600 {path}, or make a new key")
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        hint = f"an {ALGORITHM} key in PEM without a password; make one with: openssl genpkey -algorithm ed25519"
        raise UsageError(
            f"{path} holds no key that can be used", why="it is not PEM, is damaged, or has a password", hint=hint
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        why = f"it is of the kind {type(key).__name__.removesuffix('PrivateKey').strip('_')}"
        raise UsageError(f"the key {path} is not one of {ALGORITHM}", why=why, hint="openssl genpkey -algorithm ed25519")
    return SigningKey(key, path)


def key_beside(log: str) -> SigningKey:
    """The key beside a log, made if there is none yet."""
    path = Path(f"{log}.proof-key.pem")
    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return load_key(path)
    except OSError as error:
        raise UsageError(f"no key can be made at {path}", why=plainly(error), hint="name one with --key FILE") from error
    with open(handle, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return SigningKey(key, path, made=True)


def public_key(text: str) -> bytes:
    """A public key that somebody names: base64, or a file with it or with PEM. Raises UsageError."""
    raw = _decoded(text)
    if raw is not None:
        return raw
    data = _read(Path(text))
    with_base64 = _decoded(data.decode("ascii", errors="replace").strip())
    if with_base64 is not None:
        return with_base64
    try:
        found = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise UsageError(
            f"{text} holds no public key", why="it is neither base64 nor PEM of one", hint="give the base64 or PEM of it"
        ) from error
    if not isinstance(found, Ed25519PublicKey):
        raise UsageError(f"the public key {text} is not one of {ALGORITHM}", hint="give the one that 'syncline proof' told")
    return found.public_bytes(Encoding.Raw, PublicFormat.Raw)


def check(public: bytes, signature: bytes, data: bytes) -> None:
    """Raise ProofRefused unless the key's holder signed these bytes."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError) as error:
        why = "what it says, its key or its signature is not what was written"
        raise ProofRefused("the signature does not fit the report", why=why, hint="ask for the file as it was") from error


def _decoded(text: str) -> bytes | None:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if len(raw) == PUBLIC_BYTES else None


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(KEY_BYTES_MAX)
    except (OSError, ValueError) as error:
        raise UsageError(f"the key {path} cannot be read", why=plainly(error), hint="name a file that is there") from error

"""Ed25519 signatures under keys by file: who published, for readers who have neither this machine nor a network."""

import os
import re
import tempfile
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from sediff.errors import UserError

FILE = Path(".sediff/signing.key")  # PEM, PKCS 8
VARIABLE = "SEDIFF_SIGNING_KEY"  # another file, such as one on a stick
SIGNATURE = re.compile(r"ed25519 ([0-9a-f]{64}) ([0-9a-f]{128})")  # public key, signature


def signing_key(root: Path) -> tuple[Ed25519PrivateKey, bool]:
    """The key that signs here, made where there is none, and whether it is new.

    Raises:
        UserError: the file that the environment names is missing, or the file holds no such key.
    """
    stated = os.environ.get(VARIABLE)
    path = Path(stated) if stated else root / FILE
    if not stated and not path.exists():
        return _make_key(path), True
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError(f"{path} holds no Ed25519 key in PEM without a password: put your team's signing key there.")
    return key, False


def public_key(key: Ed25519PrivateKey) -> str:
    """What verifies the key's signatures, as hex; publication.signers lists such."""
    return key.public_key().public_bytes_raw().hex()


def sign(content: bytes, key: Ed25519PrivateKey) -> str:
    """One line with the public key and the signature."""
    return f"ed25519 {public_key(key)} {key.sign(content).hex()}\n"


def signer_of(content: bytes, line: str) -> str:
    """The public key whose signature of the content a line holds; "" where it holds none that is valid."""
    match = SIGNATURE.fullmatch(line.strip())
    if match is None:
        return ""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(match[1])).verify(bytes.fromhex(match[2]), content)
    except InvalidSignature:
        return ""
    return match[1]


def _make_key(path: Path) -> Ed25519PrivateKey:
    """A key that only this user may read; whole or not there."""
    key = Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # which nobody else may read
    with os.fdopen(handle, "wb") as stream:
        stream.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    Path(name).replace(path)
    return key

"""Keys that sign what is published: read from a file, used, and never written anywhere."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hf_contrastive.errors import ContrastiveError
from hf_contrastive.release.plan import PlannedFile
from hf_contrastive.release.signatures import CURVES, is_supported, key_of, write_signature

PASSPHRASE = "HF_CONTRASTIVE_SIGN_PASSPHRASE"
"""Environment variable with the passphrase of an encrypted key; a command line would show it to every process."""

_LARGEST_KEY = 2**16
_MAKE = "`openssl ecparam -name prime256v1 -genkey -noout -out model-key.pem`"
_EXPORT = "`openssl ec -in model-key.pem -pubout -out model-key.pub`"
_logger = logging.getLogger(__name__)


class SigningKeyError(ContrastiveError, ValueError):
    """A key can not be used."""


class Signer:
    """A private key that signs what is published.

    Attributes:
        key: what evidence and reports say of it.
    """

    __slots__ = ("_private", "key")

    def __init__(self, private_key: ec.EllipticCurvePrivateKey) -> None:
        self._private = private_key
        self.key = key_of(private_key.public_key())

    def __repr__(self) -> str:
        return f"Signer({self.key.algorithm}, {self.key.fingerprint})"

    def sign(self, files: Iterable[PlannedFile], name: str) -> bytes:
        """Return the content of ``model.sig``.

        Args:
            files: all that is published but the signature itself.
            name: of the model.
        """
        return write_signature(files, name, self._private.public_key(), self._signature)

    def _signature(self, content: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
        try:
            # RFC 6979: the same files give the same signature
            return self._private.sign(content, ec.ECDSA(algorithm, deterministic_signing=True))
        except UnsupportedAlgorithm:  # OpenSSL before 3.2
            return self._private.sign(content, ec.ECDSA(algorithm))


def load_signer(told: Signer | str | Path) -> Signer:
    """Read a private key; a Signer is returned as it is.

    Args:
        told: a PEM file with an EC key on P-256, P-384 or P-521; the passphrase of an encrypted one stands in the
            environment variable ``HF_CONTRASTIVE_SIGN_PASSPHRASE``.

    Raises:
        SigningKeyError: the file can not be read, or holds another kind of key, a public key, or an encrypted one
            whose passphrase is missing or wrong.
    """
    if isinstance(told, Signer):
        return told
    path = Path(told).expanduser()
    raw = _read(path, "private")
    if b"PUBLIC KEY-----" in raw and b"PRIVATE KEY-----" not in raw:
        msg = (
            f"The key `{path}` is a public one, which checks signatures and makes none; name the private key that "
            "belongs to it."
        )
        raise SigningKeyError(msg)
    key = _private_key(raw, path)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not is_supported(key):
        raise SigningKeyError(_wrong_kind(path, key))
    _warn_if_open(path)
    return Signer(key)


def load_public_key(path: str | Path) -> ec.EllipticCurvePublicKey:
    """Read a public key.

    Raises:
        SigningKeyError: the file can not be read, or holds another kind of key or a private one.
    """
    path = Path(path).expanduser()
    raw = _read(path, "public")
    if b"PRIVATE KEY-----" in raw:
        msg = f"The key `{path}` is a private one, which is not to be passed around; name its public key: {_EXPORT}."
        raise SigningKeyError(msg)
    try:
        key = serialization.load_pem_public_key(raw)
    except (ValueError, UnsupportedAlgorithm) as error:
        msg = f"The key `{path}` can not be read as a public key in PEM ({_first(error)}); write it with {_EXPORT}."
        raise SigningKeyError(msg) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not is_supported(key):
        raise SigningKeyError(_wrong_kind(path, key))
    return key


def _read(path: Path, which: str) -> bytes:
    try:
        if path.is_file() and path.stat().st_size > _LARGEST_KEY:
            msg = f"`{path}` has {path.stat().st_size:,} bytes, which is no key; name a PEM file with a {which} key."
            raise SigningKeyError(msg)
        return path.read_bytes()
    except OSError as error:
        msg = f"The key `{path}` can not be read ({error.strerror}); name a PEM file with a {which} key."
        raise SigningKeyError(msg) from error


def _private_key(raw: bytes, path: Path) -> object:
    passphrase = os.environ.get(PASSPHRASE) or None
    try:
        return serialization.load_pem_private_key(raw, passphrase.encode() if passphrase else None)
    except TypeError as error:
        if passphrase is not None:
            # the passphrase is of another key: this one has none
            return serialization.load_pem_private_key(raw, None)
        msg = f"The key `{path}` is encrypted and no passphrase is given; put it into the environment as {PASSPHRASE}."
        raise SigningKeyError(msg) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        if b"ENCRYPTED" in raw and passphrase is not None:
            msg = f"The passphrase in {PASSPHRASE} does not open the key `{path}`; set that of this key."
        else:
            msg = (
                f"The key `{path}` can not be read as a private key in PEM ({_first(error)}); an EC key on "
                f"{', '.join(CURVES)} is needed. Make one with {_MAKE}."
            )
        raise SigningKeyError(msg) from error


def _wrong_kind(path: Path, key: object) -> str:
    kind = type(key).__name__.removesuffix("PrivateKey").removesuffix("PublicKey").strip("_")
    curve = getattr(key, "curve", None)
    found = f"an EC key on {curve.name}" if curve is not None else f"a key of the kind {kind}"
    return (
        f"The key `{path}` is {found}; signatures are made with EC keys on {', '.join(CURVES)}. Make one with {_MAKE}, "
        f"and its public key with {_EXPORT}."
    )


def _warn_if_open(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        _logger.warning("The key `%s` is open to others (mode %04o); close it with `chmod 600`.", path, mode)


def _first(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].partition(". ")[0].rstrip(".")

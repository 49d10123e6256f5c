"""The detached signature ``model.sig``: a list of files with their SHA-256, signed; written, read and checked.

The format is that of the OpenSSF Model Signing specification v1.0 for keys: a sigstore bundle (v0.3) around a DSSE
envelope (https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md) around an in-toto Statement v1 that lists
the files. One field is added, which that format tells verifiers to ignore: the public key, so that whoever has the
files alone can tell that nothing changed since that key signed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from audits.records import canonical_json
from hf_contrastive.errors import ContrastiveError
from hf_contrastive.release.plan import SIGNATURE, PlannedFile, PushPlan, is_replaced
from model_cards.evidence import SigningKey

_BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_PREDICATE = "https://model_signing/signature/v1.0"
OF_GIT = (".git", ".gitattributes", ".gitignore")
"""What git and the Hub keep for themselves; no loader reads it."""

DOWNLOADS = ".cache/huggingface"
"""Folder of what a download writes down."""

_GIT = (*OF_GIT, ".github")
IGNORED = (SIGNATURE, *_GIT, DOWNLOADS)
"""What no signature covers: itself, what git and the Hub keep for themselves, what a download writes down."""

_CURVES: Mapping[str, tuple[str, hashes.HashAlgorithm]] = {
    "secp256r1": ("P-256 with SHA-256", hashes.SHA256()),
    "secp384r1": ("P-384 with SHA-384", hashes.SHA384()),
    "secp521r1": ("P-521 with SHA-512", hashes.SHA512()),
}
CURVES = tuple(told.partition(" ")[0] for told, _ in _CURVES.values())


class SignatureError(ContrastiveError, ValueError):
    """A signature can not be read, or does not hold; the message is a clause that goes behind ``model.sig``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature as read. That it holds is told by :meth:`check`.

    Attributes:
        content: the whole file.
        payload: what was signed.
        signature: over it, as DER.
        hint: SHA-256 of the public key as PEM, "" where the file has none.
        public_key: as it stands in the payload, None where it does not.
        files: SHA-256 of each file by its path.
        ignored: paths, with all below them, that it says nothing about.
    """

    content: bytes
    payload: bytes
    signature: bytes
    hint: str
    public_key: ec.EllipticCurvePublicKey | None
    files: Mapping[str, str]
    ignored: tuple[str, ...]

    def check(self, public_key: ec.EllipticCurvePublicKey) -> None:
        """Check that ``public_key`` signed the list of files, and that nothing else was added to the file.

        Raises:
            SignatureError: it did not, or the file is not as it was written.
        """
        if self.hint and self.hint != _hint(public_key):
            msg = f"was made with another key than {key_of(public_key).fingerprint}"
            raise SignatureError(msg)
        try:
            public_key.verify(self.signature, _pre_authentication(self.payload), ec.ECDSA(_hash(public_key)))
        except InvalidSignature as error:
            msg = "does not fit the list of files in it: one of both was changed since it was signed"
            raise SignatureError(msg) from error
        # what stands around the signed part could be changed unseen; of files of other programs it is not known
        if self.public_key is not None and self.content != _bundle(self.payload, self.signature, public_key):
            msg = "was changed around the signed list of files"
            raise SignatureError(msg)

    def ignores(self, path: str) -> bool:
        """Whether it says nothing about ``path``, as ``model_signing verify`` reads it."""
        return is_below(path, (*self.ignored, *_GIT))

    def ignores_beyond(self, path: str) -> bool:
        """Whether it says nothing about ``path`` though signatures of this package do."""
        return self.ignores(path) and not is_below(path, IGNORED)


def is_supported(key: object) -> bool:
    """Whether ``key`` is a public or private EC key on a curve that signatures are made with."""
    curve = getattr(key, "curve", None)
    return curve is not None and curve.name in _CURVES


def key_of(public_key: ec.EllipticCurvePublicKey) -> SigningKey:
    """Return what evidence and reports say of a key."""
    raw = public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return SigningKey(
        algorithm=f"ECDSA {_CURVES[public_key.curve.name][0]}", fingerprint=f"sha256:{hashlib.sha256(raw).hexdigest()}"
    )


def write_signature(
    files: Iterable[PlannedFile],
    name: str,
    public_key: ec.EllipticCurvePublicKey,
    sign: Callable[[bytes, hashes.HashAlgorithm], bytes],
) -> bytes:
    """Return the content of ``model.sig`` over ``files``.

    Args:
        files: all that is published but the signature itself.
        name: of the model, for people; it is signed and not compared with anything.
        public_key: that goes along.
        sign: makes the signature, as DER, of bytes.
    """
    listed = sorted(files, key=lambda item: PurePosixPath(item.path))
    resources = [{"name": item.path, "algorithm": "sha256", "digest": item.sha256} for item in listed]
    serialization_ = {
        "method": "files",
        "hash_type": "sha256",
        "allow_symlinks": False,
        "ignore_paths": sorted(IGNORED),
    }
    statement = {
        "_type": _STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": _root(item.sha256 for item in listed)}}],
        "predicateType": _PREDICATE,
        "predicate": {"serialization": serialization_, "resources": resources, "publicKey": _pem(public_key).decode()},
    }
    payload = canonical_json(statement).encode("utf-8")
    return _bundle(payload, sign(_pre_authentication(payload), _hash(public_key)), public_key)


def read_signature(content: bytes) -> Signature:
    """Read a ``model.sig``, of this package or of ``model_signing sign key``; nothing is checked yet.

    Raises:
        SignatureError: it is of another format, or does not hold together.
    """
    try:
        bundle = json.loads(content.decode("utf-8"))
        envelope = bundle["dsseEnvelope"]
        (signature,) = envelope["signatures"]
        payload = base64.b64decode(envelope["payload"], validate=True)
        raw = base64.b64decode(signature["sig"], validate=True)
        statement = json.loads(payload.decode("utf-8"))
        kinds = (bundle["mediaType"], envelope["payloadType"], statement["_type"], statement["predicateType"])
        hint = bundle["verificationMaterial"].get("publicKey", {}).get("hint") or ""
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
        msg = f"can not be read as a signature of a model ({type(error).__name__}: {error})"
        raise SignatureError(msg) from error
    if kinds != (_BUNDLE, _PAYLOAD, _STATEMENT, _PREDICATE):
        msg = f"is of another format than is known here ({', '.join(map(str, kinds))})"
        raise SignatureError(msg)
    files, ignored = _files(statement)
    return Signature(
        content=content,
        payload=payload,
        signature=raw,
        hint=str(hint),
        public_key=_embedded(statement["predicate"].get("publicKey")),
        files=files,
        ignored=ignored,
    )


def signature_problems(
    content: bytes | None, files: Iterable[PlannedFile], signing_key: SigningKey | None
) -> tuple[str, ...]:
    """Return what is wrong with the signature of a plan, in sentences.

    Args:
        content: of the planned ``model.sig``, None where none is planned.
        files: all that is planned.
        signing_key: the key that the evidence names.
    """
    if content is None and signing_key is None:
        return ()
    if content is None or signing_key is None:
        if signing_key is None:
            return (f"{SIGNATURE} is planned, but the evidence names no key that signs. Plan again with the key.",)
        return (f"The evidence names the key {_short(signing_key)}, but no {SIGNATURE} is planned. Plan again.",)
    try:
        signature = read_signature(content)
        if signature.public_key is None or key_of(signature.public_key) != signing_key:
            return (f"{SIGNATURE} is not of the key {_short(signing_key)} that the evidence names. Plan again.",)
        signature.check(signature.public_key)
    except SignatureError as error:
        return (f"{SIGNATURE} {error}. Plan again.",)
    planned = {item.path: item.sha256 for item in files if item.path != SIGNATURE}
    if signature.files != planned:
        return (f"{SIGNATURE} is over other files than those planned. Plan again.",)
    return ()


def unsigned_files(plan: PushPlan, listed: Iterable[str]) -> tuple[str, ...]:
    """Return what stays in the repository beside a signed plan, and would be told as added by whoever verifies it.

    Args:
        plan: what is pushed.
        listed: paths that the repository holds before the push.
    """
    planned = {item.path for item in plan.files}
    if SIGNATURE not in planned:
        return ()
    staying = (path for path in listed if path not in planned and not is_replaced(path))
    return tuple(sorted(path for path in staying if not is_below(path, IGNORED)))


def is_below(path: str, folders: Iterable[str]) -> bool:
    """Whether ``path`` is one of ``folders``, or lies in one."""
    return any(PurePosixPath(path).is_relative_to(item) for item in folders)


def _short(key: SigningKey) -> str:
    return key.fingerprint[:23] + "…"


def _files(statement: Mapping[str, Any]) -> tuple[dict[str, str], tuple[str, ...]]:
    try:
        (subject,) = statement["subject"]
        how = statement["predicate"]["serialization"]
        listed = [(item["name"], item["algorithm"], item["digest"]) for item in statement["predicate"]["resources"]]
        method, root = (how["method"], how["hash_type"]), subject["digest"]["sha256"]
        ignored = tuple(str(item) for item in list(how.get("ignore_paths") or ()))
        algorithms = {str(algorithm) for _, algorithm, _ in listed}
        expected = _root(digest for _, _, digest in listed)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        msg = f"holds no list of files ({type(error).__name__}: {error})"
        raise SignatureError(msg) from error
    if method != ("files", "sha256") or algorithms - {"sha256"}:
        by = " and ".join(sorted({str(method[1]), *algorithms}))
        msg = f"lists {method[0]} by {by}; read here are files by sha256. Check it with `model_signing verify`"
        raise SignatureError(msg)
    files = {str(name): str(digest) for name, _, digest in listed}
    if expected != root or len(files) != len(listed):
        msg = "holds a list of files that contradicts itself"
        raise SignatureError(msg)
    return files, ignored


def _embedded(told: Any) -> ec.EllipticCurvePublicKey | None:
    if told is None:
        return None
    try:
        key = serialization.load_pem_public_key(str(told).encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        msg = f"holds a public key that can not be read ({error})"
        raise SignatureError(msg) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not is_supported(key):
        msg = f"holds a public key that is not on one of the curves {', '.join(CURVES)}"
        raise SignatureError(msg)
    return key


def _bundle(payload: bytes, signature: bytes, public_key: ec.EllipticCurvePublicKey) -> bytes:
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": _PAYLOAD,
        "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
    }
    material = {"publicKey": {"hint": _hint(public_key)}, "tlogEntries": []}
    bundle = {"mediaType": _BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope}
    return (json.dumps(bundle, indent=2) + "\n").encode()


def _pre_authentication(payload: bytes) -> bytes:
    """Return what is really signed: type and content with their lengths (DSSE v1, "PAE")."""
    return b" ".join([b"DSSEv1", b"%d" % len(_PAYLOAD), _PAYLOAD.encode(), b"%d" % len(payload), payload])


def _hash(public_key: ec.EllipticCurvePublicKey) -> hashes.HashAlgorithm:
    return _CURVES[public_key.curve.name][1]


def _pem(public_key: ec.EllipticCurvePublicKey) -> bytes:
    return public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _hint(public_key: ec.EllipticCurvePublicKey) -> str:
    return hashlib.sha256(_pem(public_key)).hexdigest()


def _root(digests: Iterable[str]) -> str:
    return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()

"""model.sig: does it hold, for which files, and whose key is it?"""

from __future__ import annotations

from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric import ec

from hf_contrastive.release.plan import SIGNATURE, is_model_file
from hf_contrastive.release.signatures import IGNORED, Signature, SignatureError, key_of, read_signature
from hf_contrastive.release.verification.items import Item, broken, holds, named, not_checked
from hf_contrastive.release.verification.observed import LARGEST_DOCUMENT, Observed, ObservedFile, is_known
from hf_contrastive.release.verification.payloads import is_of_reports, is_written
from hf_contrastive.release.verification.statements import FILENAME
from model_cards.evidence import SigningKey

_KEYS = ("signature", "signature.files", "signature.key")
_VITAL = ("README.md", FILENAME)


def signature_items(
    told: SigningKey | None,
    observed: Observed,
    public_key: ec.EllipticCurvePublicKey | None = None,
    *,
    is_read: bool,
    needed: bool,
    key_inside: bool = False,
) -> Iterator[Item]:
    """Yield whether the signature holds, for which files, and whose key made it.

    Args:
        told: the key that the evidence names.
        observed: what is here.
        public_key: of who should have signed.
        is_read: whether the evidence could be read; else nobody knows which key it names.
        needed: whether the model's files must be here.
        key_inside: the public key lies among the files.
    """
    file = observed.files.get(SIGNATURE)
    if file is None:
        yield from _unsigned(told, public_key)
        return
    try:
        signature = read_signature(_content(file))
        key = signature.public_key or public_key
        if key is None:
            words = "the public key is not in it: name it with --public-key"
            yield from (not_checked(name, words, [SIGNATURE]) for name in _KEYS)
            return
        signature.check(key)
    except SignatureError as error:
        yield broken("signature", f"{SIGNATURE} {error}", [SIGNATURE])
        yield not_checked("signature.files", f"{SIGNATURE} does not hold", [SIGNATURE])
        yield not_checked("signature.key", f"{SIGNATURE} does not hold", [SIGNATURE])
        return
    yield _made_by(key_of(key), told, is_read=is_read)
    yield _files(signature, observed, needed=needed)
    yield _whose(key_of(key), public_key, inside=key_inside)


def signed_files(observed: Observed) -> frozenset[str]:
    """Return the signature and the files that are as it lists them; whether it holds is asked elsewhere."""
    file = observed.files.get(SIGNATURE)
    if file is None:
        return frozenset()
    try:
        listed = read_signature(_content(file)).files
    except SignatureError:
        return frozenset()
    return frozenset({SIGNATURE, *(path for path, item in observed.files.items() if listed.get(path) == item.sha256)})


def _content(file: ObservedFile) -> bytes:
    if file.content is None:
        msg = f"is larger than {LARGEST_DOCUMENT:,} bytes, which no list of files is"
        raise SignatureError(msg)
    return file.content


def _unsigned(told: SigningKey | None, public_key: ec.EllipticCurvePublicKey | None) -> Iterator[Item]:
    if told is not None:
        words = f"{SIGNATURE} is missing: the evidence names the key {told.fingerprint} that signed"
        yield broken("signature", words, [SIGNATURE])
    elif public_key is not None:
        words = f"there is no {SIGNATURE} that the key {key_of(public_key).fingerprint} could have made"
        yield broken("signature", words, [SIGNATURE])
    else:
        yield not_checked("signature", "nobody signed this", needed=False)
    yield from (not_checked(name, f"there is no {SIGNATURE}", needed=False) for name in _KEYS[1:])


def _made_by(key: SigningKey, told: SigningKey | None, *, is_read: bool) -> Item:
    made = f"{key.algorithm}, key {key.fingerprint}"
    if not is_read:
        return holds("signature", f"it fits its list of files ({made}); what the evidence says of it can not be read")
    if told is None:
        words = f"the evidence names no key that signs, and {SIGNATURE} is of the key {key.fingerprint}"
        return broken("signature", words, [SIGNATURE, FILENAME])
    if told != key:
        words = f"it is of the key {key.fingerprint}, the evidence names {told.fingerprint}"
        return broken("signature", words, [SIGNATURE, FILENAME])
    return holds("signature", f"it fits its list of files and is of the key that the evidence names ({made})")


def _files(signature: Signature, observed: Observed, *, needed: bool) -> Item:
    key = "signature.files"
    here = {path: item.sha256 for path, item in observed.files.items() if not signature.ignores(path)}
    odd = {path for path in observed.strange if not signature.ignores(path)}
    signed = {path: digest for path, digest in signature.files.items() if not is_known(path)}
    unsaid = sorted(path for path in observed.files if signature.ignores_beyond(path))
    vital = [path for path in unsaid if is_model_file(path) or path in _VITAL]
    reports_alone = not observed.has_model and not needed
    if reports_alone:
        # a folder of reports holds more than is published, and the model lies elsewhere
        absent = {path for path in signed if path not in here and not is_written(path)}
        here = {path: digest for path, digest in here.items() if path in signed or not _stays_here(path)}
        signed = {path: digest for path, digest in signed.items() if path not in absent}
    changed = sorted(path for path in here if path in signed and here[path] != signed[path])
    added = sorted({path for path in here if path not in signed} | odd)
    missing = sorted(path for path in signed if path not in here and path not in odd)
    parts = ((changed, "changed"), (added, "added"), (missing, "missing"))
    told = "; ".join(f"{what} since it was signed: {named(paths)}" for paths, what in parts if paths)
    if vital:
        told = "; ".join([f"it leaves out what matters: {named(vital)}", *([told] if told else [])])
    if told:
        return broken(key, told, [*vital, *changed, *added, *missing])
    others = sorted({*signature.ignored} - {*IGNORED})
    if unsaid:
        words = f"{len(signed)} files are as they were signed; it says nothing about {named(unsaid)}"
        return not_checked(key, f"{words} (it is told to ignore {named(others)})", unsaid)
    left_out = f"; it is told to ignore {named(others)} too, of which nothing is here" if others else ""
    if reports_alone:
        words = (
            f"{len(signed)} documents are as they were signed{left_out}; the model's files are not here: not checked"
        )
        return not_checked(key, words, sorted(absent)) if absent else holds(key, words)
    return holds(key, f"all {len(signed)} files are as they were signed, and none was added{left_out}")


def _stays_here(path: str) -> bool:
    """Whether a file is one that a folder of reports holds and no push sends."""
    return is_of_reports(path) or is_written(path)


def _whose(key: SigningKey, public_key: ec.EllipticCurvePublicKey | None, *, inside: bool) -> Item:
    if public_key is None:
        words = (
            f"unchanged since signed by the key {key.fingerprint}; whose key that is was not checked: the file itself "
            "brings it. Give the public key of who should have signed (--public-key)"
        )
        return not_checked("signature.key", words, needed=False)
    given = key_of(public_key)
    if given != key:
        words = f"it is not the key that was given: {key.fingerprint} signed, given is {given.fingerprint}"
        return broken("signature.key", words, [SIGNATURE])
    if inside:
        words = (
            f"it is the key that was given, {key.fingerprint}, but that lies among the files: whoever wrote them anew "
            "could put another one there. Give a key that is kept elsewhere"
        )
        return not_checked("signature.key", words, needed=False)
    return holds("signature.key", f"it is the key that was given: {key.fingerprint}")

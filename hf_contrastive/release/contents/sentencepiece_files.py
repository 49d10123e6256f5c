"""Whether a file is a sentencepiece model and nothing besides, read in the wire format of its protobuf.

The messages: https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto. Wire types: 0 is a
varint, 1 eight bytes, 2 a length and as many bytes, 5 four bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_Fields = Mapping[int, int]
# field -> wire type
_MODEL: _Fields = {1: 2, 2: 2, 3: 2, 4: 2, 5: 2}
_PIECE: _Fields = {1: 2, 2: 5, 3: 0}
_NORMALIZER: _Fields = {1: 2, 2: 2, 3: 0, 4: 0, 5: 0, 6: 2}
_SELF_TEST: _Fields = {1: 2}
_SAMPLE: _Fields = {1: 2, 2: 2}
_VARINT_BYTES = 10
# no model has less: sentencepiece itself refuses one without pieces
_LEAST_PIECES = 1


def sentencepiece_problem(raw: bytes) -> str | None:
    """Return why ``raw`` is no sentencepiece model, or None."""
    try:
        pieces = 0
        for field, value in _fields(raw, _MODEL):
            if field == 1:
                _piece(value)
                pieces += 1
            elif field == 2:
                for _ in _fields(value, None):
                    pass
            elif field == 4:
                _self_test(value)
            else:
                _normalizer(value)
    except _WireError as error:
        return str(error)
    return None if pieces >= _LEAST_PIECES else "it holds no pieces of words"


def sentencepiece_texts(raw: bytes) -> str:
    """Return what the training and the rules of normalisation say in words: paths of files, names, flags."""
    found: list[str] = []
    try:
        for field, value in _fields(raw, _MODEL):
            if field in (2, 3, 5):
                found += [
                    item.decode("utf-8", "replace")
                    for number, item in _fields(value, None)
                    if (field, number) != (3, 2)
                ]
    except _WireError:
        pass
    return "\n".join(found)


class _WireError(ValueError):
    """The bytes are not what the messages say."""


def _piece(raw: bytes) -> None:
    text = None
    for field, value in _fields(raw, _PIECE):
        if field == 1:
            text = value
    if text is None:
        msg = "a piece has no text"
        raise _WireError(msg)
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        msg = "a piece is no UTF-8"
        raise _WireError(msg) from error


def _normalizer(raw: bytes) -> None:
    for _ in _fields(raw, _NORMALIZER):
        pass


def _self_test(raw: bytes) -> None:
    for _, value in _fields(raw, _SELF_TEST):
        for _ in _fields(value, _SAMPLE):
            pass


def _fields(raw: bytes, known: _Fields | None) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of each field; b"" for numbers. Unknown fields are refused where ``known`` is given."""
    at = 0
    while at < len(raw):
        key, at = _varint(raw, at)
        field, wire = key >> 3, key & 7
        if field == 0 or wire not in (0, 1, 2, 5):
            msg = f"at byte {at:,} no field begins"
            raise _WireError(msg)
        if known is not None and known.get(field) != wire:
            msg = f"it holds a field {field} that no sentencepiece model has"
            raise _WireError(msg)
        if wire == 0:
            _, at = _varint(raw, at)
            yield field, b""
            continue
        size = {1: 8, 5: 4}.get(wire, 0)
        if wire == 2:
            size, at = _varint(raw, at)
        if size > len(raw) - at:
            msg = "it is cut off"
            raise _WireError(msg)
        yield field, raw[at : at + size] if wire == 2 else b""
        at += size


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i in range(_VARINT_BYTES):
        if at + i >= len(raw):
            msg = "it is cut off"
            raise _WireError(msg)
        value |= (raw[at + i] & 0x7F) << (7 * i)
        if raw[at + i] < 0x80:
            return value, at + i + 1
    msg = "a number is too long"
    raise _WireError(msg)

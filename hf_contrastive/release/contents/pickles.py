"""What unpickling some bytes would import and call, read from the opcodes; nothing is ever unpickled.

Two readers look: a small machine that keeps what is on the pickle's stack, so that names which are put together there
are found too, and picklescan, whose list of dangerous imports is the more complete one. Neither decides: a pickle is
refused whatever they find, and what they find is the reason that is told.
"""

from __future__ import annotations

import codecs
import io
import logging
import pickletools
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from model_cards.typesetting import one_line

MOST_OPCODES = 300_000
"""Opcodes that are read of one file; more than any pickle of a model's structure has."""

_MOST_BYTES = 1 << 20
# an argument may be as long as what is left, and is copied and decoded for each beginning anew
_BYTES_A_STEP = 1000
_OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_TEXTS = frozenset(
    {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING"}
)
_TUPLES = frozenset({"TUPLE", "EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"})
_CALLS = frozenset({"REDUCE", "OBJ", "INST", "NEWOBJ", "NEWOBJ_EX", "BUILD"})
_EXTENSIONS = frozenset({"EXT1", "EXT2", "EXT4"})
_BEGINNING = re.compile(
    rb"\x80[\x00-\x05]|c[A-Za-z_][\w.]{0,80}\n[A-Za-z_][\w.]{0,80}\n|i[a-z_][\w.]{0,80}\n\w{1,80}\n"
)
_TORN = (ValueError, LookupError, TypeError, AttributeError, OverflowError, struct.error, RecursionError)
# what genops and picklescan raise on bytes that are no pickle
_MARK, _UNKNOWN = object(), object()


@dataclass(slots=True)
class Steps:
    """How much is still read of one file: an opcode is a step, and so is each kilobyte that it might take."""

    left: int = MOST_OPCODES


@dataclass(slots=True)
class Reading:
    """What the opcodes say.

    Attributes:
        imports: ``module.name`` of everything that would be imported, in order; "?" where the name is computed.
        calls: whether something that was imported would be called.
        arguments: whether a tuple of arguments was made.
        complete: whether a STOP was reached.
        problem: what ended the reading before.
        endless: whether it was more than is read.
        steps: how many opcodes were read.
    """

    imports: list[str] = field(default_factory=list)
    calls: bool = False
    arguments: bool = False
    complete: bool = False
    problem: str = ""
    endless: bool = False
    steps: int = 0

    @property
    def is_sure(self) -> bool:
        """Whether the bytes are a pickle that imports something, and no text that begins like one."""
        return bool(self.imports) and (self.calls or self.complete)


def read_pickle(raw: bytes, *, most: int = MOST_OPCODES) -> Reading:
    """Read the pickle that ``raw`` begins with, and those that follow it, as far as they go.

    Args:
        raw: the bytes.
        most: opcodes that are read.
    """
    reading, stream = Reading(), io.BytesIO(raw)
    while reading.steps < most:
        machine, start = _Machine(reading), stream.tell()
        try:
            for opcode, argument in _opcodes(stream):
                machine.run(opcode, argument)
                reading.steps += 1
                if reading.steps == most:
                    reading.problem, reading.endless = f"more than {MOST_OPCODES:,} steps", True
                    break
        except _TORN as error:
            if not (reading.complete and start):
                reading.problem = one_line(str(error))[:80] or type(error).__name__
            break
        reading.complete = reading.complete or reading.steps < most
        if stream.tell() >= len(raw):
            break
    return reading


def is_old_pickle(raw: bytes) -> bool:
    """Whether ``raw`` is a pickle without a first byte that says so, as protocols 0 and 1 are.

    It is one when it names something to import and then calls it: that runs even if the rest is torn. It counts as one
    when so many opcodes follow each other that nobody reads them to their end; a text breaks off after a few.
    """
    reading = read_pickle(raw)
    return reading.is_sure or reading.endless


def pickle_words(raw: bytes) -> str:
    """Return what loading the pickle ``raw`` would do, as the end of a sentence."""
    reading = read_pickle(raw)
    dangerous, more = _second_opinion(raw[:_MOST_BYTES])
    names = sorted(dict.fromkeys([*reading.imports, *sorted(more)]), key=lambda name: name not in dangerous)
    told = ", ".join(_shown(name) + (" (dangerous)" if name in dangerous else "") for name in names[:4])
    told += f" and {len(names) - 4} more" if len(names) > 4 else ""
    if names:
        words = f"it would import {'and call ' if reading.calls else ''}{told}"
    else:
        words = "it imports nothing, as far as it can be read"
    if not reading.complete:
        words += f"; it can not be read to its end ({reading.problem or 'it is cut off'})"
    return words


def embedded_pickle(raw: bytes, steps: Steps | None = None) -> str:
    """Return where in ``raw`` a pickle begins that imports something, and what it would do, as the end of a sentence.

    "" where none does. Where so much begins like one that nobody reads all of it, that is what is returned.

    Args:
        raw: the bytes.
        steps: what is left to all that is tried, together; those that it takes are taken from it.
    """
    steps = steps or Steps()
    for match in _BEGINNING.finditer(raw):
        window = raw[match.start() : match.start() + _MOST_BYTES]
        steps.left -= len(window) // _BYTES_A_STEP
        reading = read_pickle(window, most=max(steps.left, 0))
        steps.left -= reading.steps
        if reading.is_sure:
            return f"at byte {match.start():,} begins a pickle: {pickle_words(raw[match.start() :])}"
        if steps.left <= 0:
            return f"from byte {match.start():,} on it can not be read to its end, so much of it begins like a pickle"
    return ""


def _opcodes(stream: io.BytesIO) -> Iterator[tuple[pickletools.OpcodeInfo, Any]]:
    """Yield opcodes with their arguments up to STOP, with all that unpickling accepts and pickletools does not."""
    while code := stream.read(1):
        opcode = _OPCODES.get(code.decode("latin-1"))
        if opcode is None:
            msg = f"at position {stream.tell() - 1}, opcode {code!r} unknown"
            raise ValueError(msg)
        start, argument = stream.tell(), None
        if opcode.arg is not None:
            try:
                argument = opcode.arg.reader(stream)
            except ValueError:
                stream.seek(start)
                argument = _as_python_reads(opcode.name, stream.readline())
        yield opcode, argument
        if opcode.name == "STOP":
            return
    msg = "no more opcodes before STOP"
    raise ValueError(msg)


def _as_python_reads(name: str, line: bytes) -> Any:
    if line.endswith(b"\n") and name in ("INT", "LONG"):
        return int(line.strip().removesuffix(b"L"), 0)
    text = line.strip()
    if line.endswith(b"\n") and name == "STRING" and len(text) > 1 and text[:1] == text[-1:] and text[:1] in b"'\"":
        # with an encoding that is not ASCII
        return codecs.escape_decode(text[1:-1])[0].decode("latin-1")
    msg = f"the argument of {name} can not be read"
    raise ValueError(msg)


class _Machine:
    """The stack of a pickle, with texts as they are and everything else unknown."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.stack: list[Any] = []
        self.memo: dict[Any, Any] = {}

    def run(self, opcode: pickletools.OpcodeInfo, argument: Any) -> None:
        """Do to the stack what unpickling would; where that would stop with an error, so does this."""
        name = opcode.name
        if name == "STACK_GLOBAL":
            found, module = self._pop(), self._pop()
            self._import(module, found)
            self.stack.append(_UNKNOWN)
        elif name in _TEXTS:
            self.stack.append(argument if isinstance(argument, str) else str(argument))
        elif name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[len(self.memo) if name == "MEMOIZE" else int(argument)] = self._top()
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[int(argument)])
        elif name == "DUP":
            self.stack.append(self._top())
        elif name == "MARK":
            self.stack.append(_MARK)
        elif name == "POP" and self.stack:
            self.stack.pop()
        else:
            self._others(opcode)
        self._note(name, argument)

    def _note(self, name: str, argument: Any) -> None:
        if name in _TUPLES:
            self.reading.arguments = True
        if name in ("GLOBAL", "INST"):
            self._import(*str(argument).partition(" ")[::2])
        elif name in _EXTENSIONS:
            self.reading.imports.append("?")
        if name in _CALLS and self.reading.imports and (self.reading.arguments or name in ("INST", "OBJ")):
            self.reading.calls = True

    def _import(self, module: Any, name: Any) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            self.reading.imports.append("?")
        elif _DOTTED.fullmatch(module) and _DOTTED.fullmatch(name):
            # a line with blanks in it, as of a text that begins with "Mozilla Public License", names nothing
            self.reading.imports.append(f"{module}.{name}")

    def _others(self, opcode: pickletools.OpcodeInfo) -> None:
        for item in reversed(opcode.stack_before):
            if item is pickletools.markobject:
                while self.stack.pop() is not _MARK:
                    pass
            elif item is not pickletools.stackslice:
                self._pop()
        self.stack.extend(_UNKNOWN for _ in opcode.stack_after)

    def _top(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            msg = "its stack is empty where something is taken from it"
            raise ValueError(msg)
        return self.stack[-1]

    def _pop(self) -> Any:
        top = self._top()
        self.stack.pop()
        return top


def _second_opinion(raw: bytes) -> tuple[frozenset[str], frozenset[str]]:
    """Return what picklescan knows as dangerous, and everything that it sees imported."""
    from picklescan.scanner import SafetyLevel, scan_pickle_bytes

    with _quiet():
        try:
            # its exit codes let an error of parsing hide an infection: its results are read instead
            found = scan_pickle_bytes(io.BytesIO(raw), "file").globals
        except _TORN:
            return frozenset(), frozenset()
    names = {f"{item.module}.{item.name}": item.safety for item in found}
    names = {name: safety for name, safety in names.items() if _DOTTED.fullmatch(name)}
    return frozenset(name for name, safety in names.items() if safety is SafetyLevel.Dangerous), frozenset(names)


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("picklescan")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before


def _shown(name: str) -> str:
    return "a name that it computes" if name == "?" else one_line(name)[:80]

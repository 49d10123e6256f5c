"""Planted pairs that teach nothing, or something wrong."""

from __future__ import annotations

from collections.abc import Iterator

from audits.planting.ground import Defect, Ground, defect
from audits.planting.repeats import one_word_changed, recased

_CYRILLIC = str.maketrans("abcdefghijklmnopqrstuvwxyz", "абцдефгхийклмнопкрстуввхуз")
_FOREIGN = (
    "Diese Funktion liest eine Datei und gibt ihren Inhalt als Liste von Zeilen zurück, ohne die letzte Zeile.",
    "Cette fonction lit un fichier et renvoie son contenu sous la forme d'une liste de lignes, sauf la dernière.",
    "Esta función lee un archivo y devuelve su contenido como una lista de líneas, sin incluir la última de ellas.",
    "Deze functie leest een bestand en geeft de inhoud terug als een lijst van regels, zonder de laatste regel.",
    "Ta funkcja czyta plik i zwraca jego zawartość jako listę wierszy, ale bez ostatniego wiersza tego pliku.",
)
_EMPTY = ("", "   ", "\u200b\u200b", "-", "...", "x")


class EqualSides:
    """The positive becomes the anchor."""

    kind = "the anchor as positive, in other case"
    codes = ("PAIR001",)

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield pairs."""
        if ground.sides:
            anchor, positive = ground.sides
            for row in ground.rows.tolist():
                if ground.text(row, anchor).strip():
                    ground.write(row, positive, recased(ground, ground.text(row, anchor)))
                    yield defect(row)


class SharedPositives:
    """The positive becomes that of another row."""

    kind = "the positive of another row"
    codes = ("PAIR002",)

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield pairs."""
        yield from _shared(ground, side=1)


class SharedAnchors:
    """The anchor becomes that of another row."""

    kind = "the anchor of another row"
    codes = ("PAIR005",)

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield pairs."""
        yield from _shared(ground, side=0)


class EmptyTexts:
    """A text loses its content."""

    kind = "nothing, blanks, invisible characters, a mark or a letter as text"
    codes = ("PAIR003",)

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield rows."""
        columns = [c for c in ground.columns if c not in ground.source.columns.negatives]
        for row in ground.rows.tolist() if columns else ():
            ground.write(row, ground.choice(columns), ground.choice(_EMPTY))
            yield defect(row)


class LongTexts:
    """A text becomes longer than the model reads."""

    kind = "a text repeated until the model would cut it"
    codes = ("PAIR004",)

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield rows."""
        if ground.context.max_length is None:
            return
        for row in ground.with_words(1):
            column = ground.longest_column(row)
            words = ground.text(row, column).split()
            ground.write(row, column, " ".join(words * (1 + ground.context.max_length // len(words))))
            yield defect(row)


class OtherAnswers:
    """A row becomes another one with an edit of its positive."""

    kind = "another pair with one word of its positive changed"
    codes = ("PAIR006",)

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield pairs of rows that answer each other's anchors."""
        if not ground.sides:
            return
        anchor, positive = ground.sides
        for row, other in ground.pairs(5):
            if ground.text(other, anchor).strip() and ground.text(other, positive).strip():
                ground.write(row, anchor, recased(ground, ground.text(other, anchor)))
                ground.write(row, positive, one_word_changed(ground, ground.text(other, positive)))
                yield defect(row, other, touched=(row, *ground.alike(other, positive), *ground.alike(other, anchor)))


class OtherScripts:
    """One side is written in another script."""

    kind = "the anchor in Cyrillic letters"
    codes = ("PAIR007",)

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield pairs whose anchor had Latin letters."""
        if not ground.sides:
            return
        anchor, positive = ground.sides
        for row in ground.rows.tolist():
            text, other = ground.text(row, anchor).lower(), ground.text(row, positive)
            if all(t.isascii() and sum(map(str.isalpha, t)) >= 12 for t in (text, other)):
                ground.write(row, anchor, text.translate(_CYRILLIC))
                yield defect(row)


class OtherLanguages:
    """One side is written in another language."""

    kind = "an anchor of another language in the same letters"
    codes = ("PAIR008",)

    def defects(self, ground: Ground) -> Iterator[Defect]:
        """Yield pairs whose positive has enough letters to tell its language."""
        if not ground.sides:
            return
        anchor, positive = ground.sides
        for row in ground.rows.tolist():
            text = ground.text(row, positive)
            if text.isascii() and sum(map(str.isalpha, text)) >= 80:
                ground.write(row, anchor, ground.choice(_FOREIGN))
                yield defect(row)


def _shared(ground: Ground, side: int) -> Iterator[Defect]:
    if not ground.sides:
        return
    column, answer = ground.sides[side], ground.sides[1 - side]
    for row, other in ground.pairs(1):
        text = ground.text(other, column)
        if text.strip() and ground.text(row, answer).strip() and ground.text(other, answer).strip():
            ground.write(row, column, recased(ground, text))
            yield defect(row, touched=(row, *ground.alike(other, column)))

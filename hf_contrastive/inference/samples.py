"""Texts that an export is held against the original with: short and long, several scripts, code, nothing at all."""

from __future__ import annotations

SAMPLES = (
    "",
    "a",
    "Where can I return a parcel?",
    "The meeting has been moved from Tuesday to Thursday because two of the speakers are ill.",
    "def mean(values): return sum(values) / len(values)",
    "SELECT name, total FROM orders WHERE total > 100 ORDER BY total DESC;",
    "Die Rechnung wurde am 3. März bezahlt, obwohl die Lieferung noch fehlte.",
    "L'appartement se trouve au troisième étage, à côté de la bibliothèque.",
    "El tren de las ocho llega con veinte minutos de retraso.",
    "Поезд отправляется с третьего пути через десять минут.",
    "明日の会議は午後三時から始まります。",
    "今天的天气比昨天好多了。",
    "القطار التالي يصل بعد ساعة.",
    "यह किताब मेज़ पर रखी है।",
    "e = m c², 3.14159, 1,000,000 and 2026-11-27T10:00:00Z",
    "Tabs\tand\nline breaks   and spaces   are kept or folded by the tokenizer.",
    "ÄÖÜ äöü ß — “quoted” … ﬁnal naïve café",
    "🙂 👩‍🔬 a text with emoji 🎻",
    "Heat the oil, add the onions and stir until they are golden; then pour in the stock.",
    "The patient reports a dry cough for two weeks, without fever.",
    "Violins and cellos are strung instruments; a flute is blown.",
    "Error 404: the page that you asked for does not exist.",
    "Two cats sleep on the warm stone beside the river. " * 6,
    "Nothing in this paragraph is surprising, and that is why it is long enough to be cut by every model. " * 60,
)
"""Some are longer than any limit, so that cutting is compared too."""

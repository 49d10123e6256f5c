"""Rules on results, examples and emissions: what of the metadata has a shape, and the files of ``.eval_results``.

The Hub reads two forms of results. ``model-index`` in the metadata is the older one; it takes results on any data.
``.eval_results/*.yaml`` is the newer one; it takes results on datasets that the Hub lists as benchmarks
(huggingface.co/docs/hub/eval-results).
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterator
from typing import Any

import yaml
from huggingface_hub.repocard_data import model_index_to_eval_results

from model_cards.validation.front_matter import YAML_ERRORS, Metadata, shown_text
from model_cards.validation.hub_lists import is_hub_id
from model_cards.validation.problems import CardProblem, found, shown

_SHAPE = (
    "a list of entries with `name` and `results`, each with `task.type`, `dataset.type`, `dataset.name` and `metrics` "
    "of `type` and `value`"
)
_INPUTS = frozenset({"text", "src", "messages", "source_sentence", "sentences", "table", "structured_data", "context"})
_TEXT_KEYS = {
    "task": ("type", "name"),
    "dataset": ("type", "name", "config", "split", "revision"),
    "source": ("name", "url"),
}
_NUMBER_FIRST = re.compile(r"\s*[-+]?(?:\d+(?:[.,]\d*)?|\.\d+)(?:[eE][-+]?\d+)?\s*(?:%|±|\(|\+/-|$)")


def result_problems(metadata: Metadata) -> Iterator[CardProblem]:
    """Yield what is wrong with ``model-index``, ``widget`` and ``co2_eq_emissions``."""
    if metadata.data.get("model-index") is not None:
        yield from _index(metadata)
    if metadata.data.get("widget") is not None:
        yield from _widget(metadata)
    yield from _emissions(metadata)


def _index(metadata: Metadata) -> Iterator[CardProblem]:
    index = metadata.data["model-index"]
    line = metadata.line("model-index")
    reason = ""
    if not isinstance(index, list):
        reason = f"it is {type(index).__name__}"
    else:
        try:
            model_index_to_eval_results(index)
        except KeyError as error:
            reason = f"{error} is missing"
        except (AttributeError, TypeError, ValueError) as error:
            reason = shown_text(str(error))
    if reason:
        yield found("CARD050", line, f"`model-index` does not have the Hub's shape ({reason})", allowed=_SHAPE)
        return
    for i, entry in enumerate(index):
        if not isinstance(entry["name"], str) or not entry["name"]:
            yield _no_text(metadata, ("model-index", i, "name"), entry["name"])
        if not isinstance(entry["results"], list):
            yield found(
                "CARD050",
                metadata.line("model-index", i, "results"),
                "`results` must be a list",
                observed=shown(entry["results"]),
            )
            continue
        for j, result in enumerate(entry["results"]):
            yield from _result(metadata, ("model-index", i, "results", j), result)


def _result(metadata: Metadata, path: tuple[str | int, ...], result: dict[str, Any]) -> Iterator[CardProblem]:
    for part, keys in _TEXT_KEYS.items():
        inner = result.get(part)
        if inner is None:
            continue
        if not isinstance(inner, dict):
            yield found(
                "CARD050",
                metadata.line(*path, part),
                f"`{_dotted(path)}.{part}` must be a mapping",
                observed=shown(inner),
            )
            continue
        for key in keys:
            required = (part, key) in (("task", "type"), ("dataset", "type"), ("dataset", "name"))
            if key in inner and (not isinstance(inner[key], str) or (required and not inner[key])):
                yield _no_text(metadata, (*path, part, key), inner[key])
        if part == "source" and not inner.get("url"):
            yield found(
                "CARD050",
                metadata.line(*path, part),
                f"`{_dotted(path)}.source` names no `url`",
                allowed="`source` with a `url`, or none",
            )
    if not isinstance(result["metrics"], list) or not result["metrics"]:
        yield found(
            "CARD050",
            metadata.line(*path, "metrics"),
            f"`{_dotted(path)}.metrics` must be a list of metrics",
            observed=shown(result["metrics"]),
        )
        return
    for k, metric in enumerate(result["metrics"]):
        yield from _metric(metadata, (*path, "metrics", k), metric)


def _metric(metadata: Metadata, path: tuple[str | int, ...], metric: dict[str, Any]) -> Iterator[CardProblem]:
    for key in ("type", "name", "config"):
        if key in metric and (not isinstance(metric[key], str) or (key == "type" and not metric[key])):
            yield _no_text(metadata, (*path, key), metric[key])
    value, line = metric["value"], metadata.line(*path, "value")
    told = f"`model-index` gives {shown(metric['type'])} the value {shown(value)}"
    if _is_finite(value):
        return
    if isinstance(value, str) and _NUMBER_FIRST.match(value):
        yield found("CARD052", line, f"{told}, which is text: no program can compare it", then="Give the number alone.")
    else:
        yield found("CARD051", line, told, allowed="a finite number", then="Leave a metric out that was not measured.")


def _no_text(metadata: Metadata, path: tuple[str | int, ...], value: Any) -> CardProblem:
    return found(
        "CARD050",
        metadata.line(*path),
        f"`{_dotted(path)}` must be text",
        observed=shown(value),
        then="Put it in quotes, or leave it out where it is optional.",
    )


def _dotted(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")


def _widget(metadata: Metadata) -> Iterator[CardProblem]:
    widget = metadata.data["widget"]
    if not isinstance(widget, list):
        yield found(
            "CARD055",
            metadata.line("widget"),
            "`widget` must be a list",
            observed=shown(widget),
            allowed="a list of examples, each with `text`, `src` or `source_sentence` and `sentences`",
        )
        return
    for number, example in enumerate(widget):
        line = metadata.line("widget", number)
        if not isinstance(example, dict):
            yield found(
                "CARD055",
                line,
                "An example of `widget` must be a mapping",
                observed=shown(example),
                allowed="e.g. `- text: …`",
            )
        elif not _INPUTS & {key for key in example if isinstance(key, str)}:
            yield found(
                "CARD055",
                line,
                "An example of `widget` holds no input",
                observed=shown(sorted(map(str, example))),
                allowed=f"one of {', '.join(sorted(_INPUTS))}",
            )
        elif "sentences" in example and not _all_text(example["sentences"]):
            yield found(
                "CARD055",
                line,
                "`sentences` of a `widget` example must be a list of texts",
                observed=shown(example["sentences"]),
            )


def _all_text(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _emissions(metadata: Metadata) -> Iterator[CardProblem]:
    given = metadata.data.get("co2_eq_emissions")
    if given is None:
        return
    line, grams = metadata.line("co2_eq_emissions"), given
    shape = "a number of grams, or a mapping with `emissions` in grams, `source`, `training_type`, `hardware_used`"
    if isinstance(given, dict):
        if "emissions" not in given:
            yield found(
                "CARD053", line, "`co2_eq_emissions` names no `emissions`", observed=shown(given), allowed=shape
            )
            return
        grams = given["emissions"]
        for key in ("source", "training_type", "geographical_location", "hardware_used"):
            if given.get(key) is not None and not isinstance(given[key], str):
                yield found(
                    "CARD053",
                    metadata.line("co2_eq_emissions", key),
                    f"`co2_eq_emissions.{key}` must be text",
                    observed=shown(given[key]),
                )
    if not _is_finite(grams) or grams < 0:
        yield found("CARD053", line, "`co2_eq_emissions` must be grams", observed=shown(grams), allowed=shape)
    elif not isinstance(given, dict) or not given.get("source"):
        yield found(
            "CARD054",
            line,
            "`co2_eq_emissions` does not say how it was measured or estimated",
            allowed="`source` beside `emissions`",
            then="Name the method and where the computer stood.",
        )


def eval_results_problems(text: str, name: str) -> Iterator[CardProblem]:
    """Yield what is wrong with the text of a file ``.eval_results/*.yaml``, which is called ``name`` in the problems.

    Source: hub-docs, eval_results.yaml. Whether the dataset is a benchmark only the Hub knows.
    """
    try:
        entries = yaml.safe_load(text)
    except YAML_ERRORS as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        yield found("CARD056", line, f"{name} is no valid YAML: {shown_text(str(error))}", then="Correct it.")
        return
    if not isinstance(entries, list) or not entries:
        yield found("CARD056", 1, f"{name} must be a list of results", observed=shown(entries))
        return
    for number, entry in enumerate(entries):
        for reason in _entry_problems(entry):
            yield found(
                "CARD056",
                None,
                f"Result {number + 1} of {name}: {reason}",
                allowed="`dataset.id`, `dataset.task_id` and `value`",
            )


def _entry_problems(entry: Any) -> Iterator[str]:
    if not isinstance(entry, dict) or not isinstance(entry.get("dataset"), dict):
        yield f"it must be a mapping with `dataset` and `value`, got {shown(entry)}"
        return
    dataset, source = entry["dataset"], entry.get("source")
    if not is_hub_id(dataset.get("id")):
        yield f"`dataset.id` is {shown(dataset.get('id'))}, no Hub id"
    if not isinstance(dataset.get("task_id"), str) or not dataset["task_id"]:
        yield f"`dataset.task_id` is {shown(dataset.get('task_id'))}"
    if not _is_finite(entry.get("value")):
        yield f"`value` is {shown(entry.get('value'))}, no finite number"
    if "date" in entry and not _is_date_text(entry["date"]):
        yield f"`date` is {shown(entry['date'])}, no quoted date as YYYY-MM-DD or with time"
    if source is not None and not (isinstance(source, dict) and isinstance(source.get("url"), str)):
        yield f"`source` is {shown(source)}, it needs a `url`"


def _is_date_text(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        datetime.datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _is_finite(value: Any) -> bool:
    """Whether ``value`` is a number, and neither infinite nor NaN nor true or false."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, int) or math.isfinite(value)

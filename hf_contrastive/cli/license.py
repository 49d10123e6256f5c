"""``hf-contrastive license``: what licenses permit together, and what one license says, without any dataset."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from hf_contrastive.cli.exit_codes import OF_DECISION
from hf_contrastive.console import print_json, say
from hf_contrastive.errors import ConfigurationError

if TYPE_CHECKING:
    from audits.licenses.analysis import LicenseAnalysis
    from audits.licenses.inputs import LicensedInput, Role
    from audits.licenses.terms_table import TermsTable

app = typer.Typer(
    help="What licenses permit together under an intent, and what one license says.", no_args_is_help=True
)


class _YesNo(StrEnum):
    yes = "yes"
    no = "no"


class _Distribution(StrEnum):
    internal = "internal"
    hosted = "hosted"
    public = "public"


class _Ships(StrEnum):
    adapter = "adapter"
    merged = "merged"


class _ModelKind(StrEnum):
    encoder = "encoder"
    language_model = "language-model"


_REPEAT = "may be repeated."


@app.command("check")
def check_command(
    data_license: Annotated[
        list[str] | None, typer.Option(metavar="ID", help=f"License of data that is trained on; {_REPEAT}")
    ] = None,
    base_license: Annotated[
        list[str] | None, typer.Option(metavar="ID", help=f"License of the base model; {_REPEAT}")
    ] = None,
    generator: Annotated[
        list[str] | None, typer.Option(metavar="ID", help=f"License of a model that wrote rows; {_REPEAT}")
    ] = None,
    evaluation_only: Annotated[
        list[str] | None, typer.Option(metavar="ID", help=f"License of data that is measured with only; {_REPEAT}")
    ] = None,
    outgoing: Annotated[str | None, typer.Option(metavar="ID", help="License of the weights.")] = None,
    outgoing_data: Annotated[str | None, typer.Option(metavar="ID", help="License of the rows that ship.")] = None,
    commercial: Annotated[_YesNo, typer.Option(help="Whether the model may be used commercially.")] = _YesNo.yes,
    distribution: Annotated[
        _Distribution, typer.Option(help="Nobody outside; through a service; weights given away.")
    ] = _Distribution.public,
    ship: Annotated[_Ships, typer.Option(help="An adapter alone, or merged weights.")] = _Ships.merged,
    ship_rows: Annotated[bool, typer.Option("--ship-rows", help="Rows of the data are published too.")] = False,
    gated: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help=f"One of these whose terms had to be accepted; any other ID is more training data; {_REPEAT}",
        ),
    ] = None,
    accepted: Annotated[
        list[str] | None, typer.Option(metavar="ID=WHO,DATE", help=f"Who accepted gated terms, and when; {_REPEAT}")
    ] = None,
    territory: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help=f"ISO 3166 code or EU; default everywhere; {_REPEAT}")
    ] = None,
    database_offer: Annotated[
        str, typer.Option(metavar="URL", help="Where a database derived from one under the ODbL can be had.")
    ] = "",
    model_kind: Annotated[_ModelKind, typer.Option(help="What is trained.")] = _ModelKind.encoder,
    overlay: Annotated[Path | None, typer.Option(metavar="FILE", help="TOML file of a company's positions.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")] = False,
) -> None:
    """Say what stands against publishing under a license, what must go along, and what nobody knows.

    ID is an SPDX id, an id of the Hub, LicenseRef-… or an expression of them such as "MIT OR Apache-2.0".
    Exit codes: 0 pass, 1 block, 2 usage, 4 review.
    """
    from audits.intent import Intent
    from audits.licenses.compatibility import analyse, licenses_without_conflict
    from audits.licenses.overlays import load_overlay
    from audits.licenses.terms_table import load_terms

    table = load_terms()
    _known_outgoing("--outgoing", outgoing, table)
    _known_outgoing("--outgoing-data", outgoing_data, table)
    named: list[tuple[Role, str]] = [
        *(("training", name) for name in _ids("--data-license", data_license)),
        *(("base", name) for name in _ids("--base-license", base_license)),
        *(("generator", name) for name in _ids("--generator", generator)),
        *(("evaluation", name) for name in _ids("--evaluation-only", evaluation_only)),
    ]
    who = dict(map(_acceptance, accepted or ()))
    inputs = _inputs(named, _ids("--gated", gated), who)
    intent = Intent(
        commercial=commercial is _YesNo.yes,
        distribution=distribution.value,
        ships=ship.value,
        ship_rows=ship_rows,
        outgoing_license=outgoing,
        outgoing_data_license=outgoing_data,
        territory=_places(territory),
        accepted=who,
        model_kind=model_kind.value,
        database_offer=database_offer.strip(),
    )
    positions = load_overlay(overlay, terms=table) if overlay is not None else None
    analysis = analyse(inputs, intent, overlay=positions, table=table)
    free = licenses_without_conflict(inputs, intent, overlay=positions, table=table)
    if as_json:
        print_json(_document(analysis, free))
    else:
        from audits.licenses.wording import lines

        say(escape("\n".join(lines(analysis, free))))
    raise typer.Exit(OF_DECISION[analysis.decision])


@app.command("show")
def show_command(
    license_id: Annotated[str, typer.Argument(metavar="ID", help="SPDX id or id of the Hub.")],
    overlay: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file of a company; its counsel's reviews are shown.")
    ] = None,
) -> None:
    """Print what one license permits and asks for, axis by axis, with the clauses."""
    from audits.licenses.display import describe
    from audits.licenses.overlays import load_overlay
    from audits.licenses.terms_table import load_terms

    table = load_terms()
    terms = table.get(license_id)
    if terms is None:
        raise ConfigurationError(_unknown(f"`{_short(license_id)}`", license_id, table))
    if overlay is not None:
        terms = load_overlay(overlay, terms=table).reviewed(terms)
    sys.stdout.write(describe(terms).rstrip("\n") + "\n")


def _several(told: Sequence[str] | None) -> Iterator[str]:
    """Yield what was told, once each."""
    yield from dict.fromkeys(name.strip() for name in told or ())


def _ids(option: str, told: Sequence[str] | None) -> tuple[str, ...]:
    """Return what was told, once each; an empty id is refused.

    Raises:
        ConfigurationError: one is empty.
    """
    names = tuple(_several(told))
    if "" in names:
        msg = (
            f"`{option}` is empty; name an SPDX id, an id of the Hub or LicenseRef-…, or `unknown` where no license is "
            "stated."
        )
        raise ConfigurationError(msg)
    return names


def _places(told: Sequence[str] | None) -> tuple[str, ...]:
    """Return the codes of where a model is offered.

    Raises:
        ConfigurationError: one is no code; near ones are named.
    """
    from audits.territories import code_problem

    codes = tuple(_several([code for several in told or () for code in several.split(",")]))
    places = tuple(code.upper() if code_problem(code.upper()) is None else code for code in codes)
    for code in places:
        problem = code_problem(code)
        if problem is not None:
            msg = f"`--territory` {problem}."
            raise ConfigurationError(msg)
    return places


def _inputs(
    named: Sequence[tuple[Role, str]], gated: Iterable[str], accepted: dict[str, str]
) -> tuple[LicensedInput, ...]:
    from audits.licenses.inputs import LicensedInput

    known = {name.casefold() for _, name in named}
    closed = list(gated)
    more: list[tuple[Role, str]] = [("training", name) for name in closed if name.casefold() not in known]
    every = [*named, *more]
    if not every:
        msg = (
            "No license is named, so there is nothing to check; name at least one with --data-license, --base-license, "
            "--generator or --evaluation-only."
        )
        raise ConfigurationError(msg)
    names = {name.casefold(): name for _, name in every}
    for told in list(accepted):
        if told.casefold() not in names:
            msg = (
                f"`--accepted {told}=…` names none of the licenses given ({', '.join(names.values())}); write the ID "
                "as it stands in the other options."
            )
            raise ConfigurationError(msg)
        accepted[names[told.casefold()]] = accepted.pop(told)
    asked = {name.casefold() for name in (*closed, *accepted)}
    return tuple(
        LicensedInput(
            name=name,
            role=role,
            kind="model" if role in {"base", "generator"} else "dataset",
            license=name,
            gated="yes" if name.casefold() in asked else "",
        )
        for role, name in every
    )


def _acceptance(told: str) -> tuple[str, str]:
    """Return ID and "WHO, DATE"."""
    license_id, _, rest = told.partition("=")
    who, _, day = rest.rpartition(",")
    try:
        date = datetime.date.fromisoformat(day.strip()).isoformat()
    except ValueError:
        date = ""
    if not (license_id.strip() and who.strip() and date):
        msg = f"`--accepted {told}` must be ID=WHO,DATE, as in `--accepted llama3.1=Ada,2026-05-01`."
        raise ConfigurationError(msg)
    return license_id.strip(), f"{who.strip()}, {date}"


def _known_outgoing(option: str, written: str | None, table: TermsTable) -> None:
    """Refuse a misspelt outgoing license: one's own choice is no open question.

    Raises:
        ConfigurationError: it is no expression, or names a license that nobody knows.
    """
    from audits.licenses.expressions import LicenseExpressionError, alternatives

    if written is None:
        return
    try:
        named = frozenset().union(*alternatives(written, table))
    except LicenseExpressionError as error:
        msg = f"`{option} {_short(written)}` can not be read: {error}"
        raise ConfigurationError(msg) from error
    for name in sorted(named):
        if table.get(name) is None and not name.startswith("LicenseRef-"):
            raise ConfigurationError(_unknown(f"`{option} {_short(name)}`", name, table))


def _unknown(told: str, name: str, table: TermsTable) -> str:
    family = table.families.get(name.casefold())
    if family:
        return f"{told} names no single license: {family}. Name the exact id, or LicenseRef-… for terms of one's own."
    near = table.near_ids(name)
    hint = f"near it are {', '.join(near)}" if near else "allowed are SPDX ids, ids of the Hub and LicenseRef-…"
    return f"{told} is no license that is known here; {hint}. `hf-contrastive license show ID` prints one."


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."


def _document(analysis: LicenseAnalysis, free: Sequence[str]) -> dict[str, Any]:
    from audits.licenses.wording import headline

    written = analysis.to_dict()
    return {
        "decision": analysis.decision,
        "undetermined": analysis.undetermined,
        "headline": headline(analysis),
        "obligations": written["obligations"],
        "rules": written["results"],
        "outgoing_without_conflict": list(free),
        "inputs": [{"name": item.name, "role": item.role, "license": item.license} for item in analysis.inputs],
        "intent": written["intent"],
        "facts_date": analysis.facts_date,
        "facts_digest": analysis.facts_digest,
    }

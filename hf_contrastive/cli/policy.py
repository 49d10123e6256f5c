"""``hf-contrastive policy``: write, explain and check the rules that a verdict follows."""

from __future__ import annotations

import difflib
import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape

from hf_contrastive.cli.exit_codes import PASS, USAGE
from hf_contrastive.console import print_json, say, show_table

if TYPE_CHECKING:
    from audits.policy import Policy

app = typer.Typer(help="Write, explain and check the rules that a verdict follows.", no_args_is_help=True)

_HEAD = """\
# A policy of one's own, begun from the shipped `{level}`: change what differs, name it, and check it with
# `hf-contrastive policy validate {file}`. Use it as `--policy {file}`.
#
"""
_NAME = """\
# What reports, cards and receipts call it. The names of shipped policies are theirs alone.
name = {name}
"""
_EXAMPLES = """
# An exception: named, owned, approved by another person, and with an end. `scope` is "*", a split or split/column;
# for a license rule "*" or the name of an input; for VERSION "*" or the repository.
# [[waivers]]
# code = "DUP001"
# scope = "train"
# reason = "Templates repeat by design."
# owner = "Ada"
# approver = "Grace"
# created = 2026-05-01
# expires = 2026-12-31

# A threshold for something that a check measures beside its findings, named as in report.json without the place.
# [[rules]]
# code = "PAIR002"
# measurement = "rows that share one positive, largest group"
# allowed = 100
# decision = "review"
"""


@app.command("init")
def init_command(
    level: Annotated[
        Literal["permissive", "standard", "strict"], typer.Option(help="The shipped policy to begin from.")
    ] = "standard",
    out: Annotated[Path, typer.Option(help="File to write; it must not exist.")] = Path("policy.toml"),
    name: Annotated[str | None, typer.Option(help="What it is called; `my policy, from LEVEL` by default.")] = None,
) -> None:
    """Write a commented policy file that says the same as a shipped one, under a name of its own."""
    from audits.policy import LEVELS
    from audits.policy_files import shipped_text
    from hf_contrastive.errors import ConfigurationError

    called = f"my policy, from {level}" if name is None else name.strip()
    if not called or not called.isprintable() or called.casefold() in LEVELS:
        msg = (
            f"`--name` is {name!r}; give a name in printable characters other than those of the shipped policies "
            f"{', '.join(LEVELS)}, which reports would take it for."
        )
        raise ConfigurationError(msg)
    told = _NAME.format(name=json.dumps(called, ensure_ascii=False))
    text = shipped_text(level).replace(f'name = "{level}"\n', told, 1)
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(_HEAD.format(level=level, file=out.name) + text + _EXAMPLES)
    except FileExistsError as error:
        msg = f"`{out}` exists and is not overwritten; name another file with `--out`, or remove it."
        raise ConfigurationError(msg) from error
    except OSError as error:
        msg = f"`{out}` can not be written ({error.strerror}); name a file in a folder that exists with `--out`."
        raise ConfigurationError(msg) from error
    path = escape(str(out))
    say(f"The policy is in {path}. See what it says with `hf-contrastive policy explain {path}`.")


@app.command("explain")
def explain_command(
    policy: Annotated[str, typer.Argument(metavar="NAME|FILE", help="permissive, standard, strict or a TOML file.")],
    code: Annotated[
        str | None, typer.Argument(help="One check or license rule, e.g. DUP001 or L3, or VERSION.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the policy on stdout.")] = False,
) -> None:
    """Say what a policy allows, asks and excuses."""
    from audits.policy import RULE_CODES, VERSION_CODE, load_policy

    rules = load_policy(policy)
    if code is not None:
        code = _known(code)
    if as_json:
        print_json(rules.to_dict())
        return
    if code is None:
        _head(rules)
    if code not in (*RULE_CODES, VERSION_CODE):
        _checks(rules, code)
    if code is None or code in RULE_CODES:
        _license_rules(rules, code)
    if code in (None, VERSION_CODE):
        _versions(rules)
    _waivers(rules, code)


@app.command("validate")
def validate_command(
    policy: Annotated[str, typer.Argument(metavar="FILE", help="A TOML file, or the name of a shipped policy.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print name, digest and problems on stdout.")] = False,
) -> None:
    """List everything that is wrong with a policy file; exit code 0 where nothing is, 2 otherwise."""
    from audits.dates import utc_today
    from audits.policy_files import examine_policy

    read, problems = examine_policy(policy, utc_today())
    if as_json:
        told = {"name": read.name, "digest": read.digest} if read is not None else {"name": None, "digest": None}
        print_json({"valid": not problems, **told, "problems": list(problems)})
    if problems:
        say(f"[bold red]Error.[/] The policy `{escape(policy)}` can not be used: {len(problems)} problem(s).")
        for problem in problems:
            say(f"  - {escape(problem)}")
        raise typer.Exit(USAGE)
    say(f"The policy `{escape(policy)}` can be used.")
    raise typer.Exit(PASS)


def _known(code: str) -> str:
    from audits.policy_files import known_codes
    from hf_contrastive.errors import ConfigurationError

    known = {name.casefold(): name for name in known_codes()}
    if code.casefold() not in known:
        near = difflib.get_close_matches(code.upper(), sorted(known.values()), n=3, cutoff=0.5)
        hint = f"; near it are {', '.join(near)}" if near else ""
        msg = f"`{code}` is the code of no check and of no rule{hint}. `policy explain NAME` lists all."
        raise ConfigurationError(msg)
    return known[code.casefold()]


def _head(policy: Policy) -> None:
    intent = policy.intent
    rows_too = " and rows" if intent.ship_rows else ""
    rows = [
        ("use", "commercial" if intent.commercial else "not commercial"),
        ("distribution", intent.distribution),
        (
            "what ships",
            f"{intent.ships} weights of {_article(intent.model_kind)}{rows_too}",
        ),
        ("license of the weights", intent.outgoing_license or "not told"),
        ("license of the rows", intent.outgoing_data_license or "not told"),
        ("territory", ", ".join(intent.territory) or "everywhere"),
        *((("offer of the database", intent.database_offer),) if intent.database_offer else ()),
        *(("terms accepted", f"{repo}: {who}") for repo, who in intent.accepted.items()),
        ("review is passed by", "a name alone, or an approval" if policy.single_reviewer else "an approval"),
        ("an approval lasts", _days(policy.approval_days)),
        ("an audit may be old", _days(policy.max_audit_age_days)),
        ("license copies by policy", _COPIES[policy.licenses.copies_by_policy]),
        ("can not be waived", ", ".join(policy.cannot_waive) or "nothing"),
    ]
    show_table(f"Policy {escape(policy.name)}", ("what", "says"), [(a, escape(b)) for a, b in rows])


_COPIES = {"at hand": "go along where the text is at hand", "required": "are required"}


def _checks(policy: Policy, code: str | None) -> None:
    from audits.checks import discover, title_of
    from audits.judging import allowed_words

    checks = {check.code: check for check in discover()}
    rules = [rule for rule in policy.rules if code in (None, rule.code)]
    rows = []
    for rule in rules:
        title = title_of(checks[rule.code]) if rule.code in checks else "a check that is not installed"
        rows.append(
            (
                rule.code,
                f"{title}: {rule.measurement}" if rule.measurement is not None else title,
                allowed_words(rule),
                rule.decision + (" if commercial" if rule.only_if_commercial else ""),
                "required" if rule.required else "-",
            )
        )
    if code is not None and not rows:
        title = title_of(checks[code]) if code in checks else code
        rows.append((code, title, "nothing is said", "review of what it finds", "-"))
    show_table("Checks", ("code", "what", "allowed", "above it", "must run"), [tuple(map(escape, row)) for row in rows])
    if code is not None and code in checks:
        say(escape(inspect.getdoc(checks[code].run) or ""))


def _license_rules(policy: Policy, code: str | None) -> None:
    from audits.licenses.rules import RULES

    rows = []
    for rule in RULES:
        if code not in (None, rule.code):
            continue
        told = policy.licenses.rule(rule.code)
        conflict = told.conflict or "as the analysis has it"
        # the one rule whose open question is a note
        note = "pass, as a note" if rule.code == "L18" else policy.licenses.undetermined
        rows.append((rule.code, rule.title, conflict, told.undetermined or note))
    head = ("code", "what", "a conflict means", "an open question means")
    show_table("License rules", head, [tuple(map(escape, row)) for row in rows])
    overlay = policy.licenses.overlay
    for position in overlay.positions if overlay is not None else ():
        if code is None or not position.rules or code in position.rules:
            say(escape(f"Position on {position.words}"))


def _versions(policy: Policy) -> None:
    told = policy.versions
    rows = [
        ("worse by more than", f"{told.margin:g} of the primary metric, with its whole interval", told.regression),
        ("not compared", "a version is published, and nothing was measured beside it", told.unchecked),
        ("too few queries to tell", "the interval reaches below the margin, and not as a whole", told.inconclusive),
    ]
    show_table("A new version (VERSION) against the one that is published", ("what", "when", "means"), rows)


def _waivers(policy: Policy, code: str | None) -> None:
    waivers = [item for item in policy.waivers if code in (None, item.code)]
    rows = [(item.code, item.scope, item.words) for item in waivers]
    if rows:
        show_table("Waivers", ("code", "scope", "why, by whom, until when"), [tuple(map(escape, row)) for row in rows])
    else:
        say("No waivers." if code is None else f"No waiver for {code}.")
    if code is not None and code in policy.cannot_waive:
        say(f"{code} can not be waived.")


def _article(kind: str) -> str:
    return f"{'an' if kind.startswith('e') else 'a'} {kind.replace('-', ' ')}"


def _days(days: int | None) -> str:
    return "without limit" if days is None else f"{days} days"

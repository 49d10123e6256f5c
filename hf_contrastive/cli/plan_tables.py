"""How a plan is shown to people: every file before a push is decided on, few lines while one runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape

from hf_contrastive.console import say, show_table

if TYPE_CHECKING:
    from hf_contrastive.release.plan import PushPlan
    from hf_contrastive.release.previews import Preview

_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def show_preview(preview: Preview) -> None:
    """Show every file of the plan, what stays, what would be deleted, and what the gate says."""
    rows = [(escape(line.path), size_words(line.size), line.sha256, line.kind) for line in preview.files]
    total = size_words(sum(line.size for line in preview.files))
    title = f"Would be published to {escape(preview.plan.repo_id)}: {len(rows)} files, {total}"
    show_table(title, ("path", "size", "sha256", "kind"), rows)
    if preview.kept_out:
        kept = [(escape(item.path), escape(item.reason)) for item in preview.kept_out]
        show_table("Stays on this machine", ("path", "why"), kept)
    state = preview.repository
    if state.unknown:
        say(f"[yellow]What the repository holds is not known:[/] {escape(state.unknown)}")
    elif state.already_published:
        tag = preview.next_tag or "no tag yet"
        say(f"The repository holds this very content already ({escape(tag)}): a push would make no second commit.")
    else:
        there = "exists" if state.exists else "does not exist, or can not be seen with this token"
        say(f"The repository {there}; the version would be {escape(preview.next_tag or 'unknown')}.")
        if preview.deletions:
            say(f"The same commit would delete {', '.join(map(escape, preview.deletions))}.")
    words = {"pass": "[green]The gate is open.[/]", "review": "[yellow]A person's yes is missing.[/]"}
    say(words.get(preview.decision, "[bold red]The gate is closed.[/]"))
    for line in preview.problems:
        say(f"  - {escape(line)}")
    say("Dry run: nothing was sent, and nothing was recorded.")


def show_plan(plan: PushPlan) -> None:
    """Show what is about to be sent, one line a kind."""
    from hf_contrastive.release.previews import file_lines

    lines = file_lines(plan)
    rows = []
    for kind in dict.fromkeys(line.kind for line in lines):
        of_kind = [line for line in lines if line.kind == kind]
        paths = ", ".join(line.path for line in of_kind)
        rows.append((kind, str(len(of_kind)), size_words(sum(line.size for line in of_kind)), escape(paths)))
    show_table(f"Publishing to {escape(plan.repo_id)}", ("kind", "files", "size", "paths"), rows)


def size_words(size: int) -> str:
    """Return a size for people, in powers of 1,000: 1.2 MB."""
    value, unit = float(size), 0
    while value >= 999.5 and unit + 1 < len(_UNITS):
        value, unit = value / 1000, unit + 1
    return f"{size:,} bytes" if unit == 0 else f"{value:.3g} {_UNITS[unit]}"

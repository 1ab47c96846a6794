"""The prompt of `mvi sql`: statements with history and completion, results on the screen or in a file."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mvi_ray.cli import console, pager
from mvi_ray.cli.console import Output
from mvi_ray.cli.streams import error
from mvi_ray.cli.tokens import is_complete, statements
from mvi_ray.errors import MviError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa
    from prompt_toolkit import PromptSession
    from prompt_toolkit.key_binding import KeyBindings

    from mvi_ray.cli.names import Names

# Rows of one table on the screen; the rest is for a file.
SHOWN = 10_000
# DuckDB leaves out columns that are beyond it; the pager scrolls sideways.
_WIDEST = 1_000_000

_FORMATS = (Output.table, Output.csv, Output.json)
# What each command takes, and what it does.
_COMMANDS = {
    ".help": ("", "this text"),
    ".views": ("", "the views of the store"),
    ".columns": ("view", "the columns of a view"),
    ".format": ("format", f"how results are shown: {', '.join(_FORMATS)}"),
    ".output": ("file", "write the next result to a file, as its ending says: .csv, .json, .parquet"),
    ".quit": ("", "leave; so does Ctrl-D"),
}
_KEYS = """\
A statement ends with `;`. Tab completes, also names of features in quotes.
Ctrl-C clears the line or stops a query; Ctrl-R searches what was typed before."""
# Words that people try without a dot, and another name that DuckDB and SQLite have.
_OTHER_NAMES = {"help": ".help", "quit": ".quit", "exit": ".quit", ".exit": ".quit"}


@dataclass(slots=True)
class _State:
    """What dot commands change.

    Args:
        format: of results on the screen.
        target: file of the next result.
        done: whether to leave.
    """

    format: Output = Output.table
    target: Path | None = None
    done: bool = False


def run_shell(query: Callable[[str], pa.Table], names: Names, *, title: str) -> None:
    """Read statements from the terminal and show their results, until `.quit` or Ctrl-D.

    Args:
        query: runs one statement; what it raises as `MviError` is shown, and the next one is read.
        names: what completion, `.views` and `.columns` know.
        title: the first line.
    """
    session = _session(names)
    print(title)  # noqa: T201
    state = _State()
    while not state.done:
        try:
            text = session.prompt().strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        try:
            _run(text, query, names, state)
        except KeyboardInterrupt:
            print()  # noqa: T201 - the terminal has shown ^C
            error("stopped")
        except MviError as fault:
            error(_one_line(fault.message))
        except OSError as fault:
            error(f"{fault.strerror or fault}; check the disk's free space and permissions")


def _session(names: Names) -> PromptSession[str]:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.lexers import PygmentsLexer
    from pygments.lexers.sql import SqlLexer

    from mvi_ray.cli.completion import SqlCompleter
    from mvi_ray.project.sql_history import open_history

    commands = {name: takes for name, (takes, _) in _COMMANDS.items()}
    return PromptSession(
        "mvi> ",
        multiline=True,
        prompt_continuation="...> ",
        history=open_history(),
        completer=SqlCompleter(names, commands, _FORMATS),
        complete_while_typing=False,
        lexer=PygmentsLexer(SqlLexer),
        key_bindings=_keys(),
    )


def _keys() -> KeyBindings:
    """Enter ends a complete input, and else begins a line."""
    from prompt_toolkit.enums import DEFAULT_BUFFER
    from prompt_toolkit.filters import has_focus
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

    keys = KeyBindings()

    # Not in the line of a search, where Enter takes what was found.
    @keys.add("enter", filter=has_focus(DEFAULT_BUFFER))
    def enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state and buffer.complete_state.current_completion:
            buffer.complete_state = None
        elif _ends(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.newline(copy_margin=False)

    return keys


def _ends(text: str) -> bool:
    """Whether Enter runs the text: nothing, a command, or a statement with its `;`."""
    text = text.strip()
    return not text or text.startswith(".") or text.rstrip("; ").lower() in _OTHER_NAMES or is_complete(text)


def _run(text: str, query: Callable[[str], pa.Table], names: Names, state: _State) -> None:
    word = text.rstrip("; ").lower()
    if text.startswith(".") or word in _OTHER_NAMES:
        _command(_OTHER_NAMES.get(word, text), names, state)
        return
    for statement in statements(text):
        begin = time.perf_counter()
        try:
            table = query(statement)
        except RuntimeError as fault:
            # DuckDB looks for Ctrl-C itself while it works, and has this for it.
            if str(fault) != "Query interrupted":
                raise
            raise KeyboardInterrupt from None
        _show(table, time.perf_counter() - begin, state)


def _show(table: pa.Table, seconds: float, state: _State) -> None:
    summary = f"{table.num_rows:,} {'row' if table.num_rows == 1 else 'rows'} in {seconds:.2f} s"
    if state.target:
        console.result(table, None, state.target)
        summary = f"{summary}, written to {state.target.name}"
        state.target = None
    elif state.format is Output.table:
        more = table.num_rows - SHOWN
        pager.show(_drawn(table))
        if more > 0:
            summary = f"{summary}; {more:,} are not shown, `.output FILE` writes all"
    else:
        console.result(table, state.format, None)
    print(summary)  # noqa: T201


def _drawn(table: pa.Table) -> str:
    if table.column_names == ["explain_key", "explain_value"]:
        # A drawing of its own, of several lines.
        return "\n".join(table.column("explain_value").to_pylist()).rstrip()
    return console.grid(table, SHOWN, _WIDEST)


def _command(text: str, names: Names, state: _State) -> None:
    """Run a dot command.

    Raises:
        UsageError: there is no such command, or it takes something else.
    """
    command, _, rest = text.partition(" ")
    rest = rest.strip()
    takes = _COMMANDS.get(command, ("", ""))[0]
    if command not in _COMMANDS:
        raise UsageError(f"there is no command {command}; `.help` lists them")
    if bool(takes) != bool(rest):
        raise UsageError(f"{command} takes {f'a {takes}' if takes else 'nothing'}; `.help` shows how")
    if command == ".help":
        _two_columns({f"{name} {takes.upper()}": what for name, (takes, what) in _COMMANDS.items()}, _KEYS)
    elif command == ".views":
        _two_columns(names.views)
    elif command == ".columns":
        _two_columns(_columns(rest, names))
    elif command == ".format":
        state.format = _format(rest)
    elif command == ".output":
        state.target = _target(rest)
    else:
        state.done = True


def _columns(view: str, names: Names) -> dict[str, str]:
    found = {name.lower(): columns for name, columns in names.columns.items()}.get(view.lower())
    if found is None:
        raise UsageError(f"there is no view {view}; `.views` lists them")
    return dict(found)


def _format(name: str) -> Output:
    for one in _FORMATS:
        if name.lower() == one:
            return one
    raise UsageError(f"there is no format {name}; choose one of {', '.join(_FORMATS)}")


def _target(name: str) -> Path:
    """The file, refused now when a result could not be written to it."""
    target = Path(name).expanduser()
    endings = [f".{one}" for one in Output if one is not Output.table]
    if target.suffix.lower() not in endings:
        raise UsageError(f"{target.name} has no ending of {', '.join(endings)}; add the one you want")
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}; make it, or choose another")
    return target


def _two_columns(rows: Mapping[str, str], more: str = "") -> None:
    width = max(map(len, rows), default=0)
    pager.show(
        "\n".join(
            [*(f"{name:<{width}}  {what}".rstrip() for name, what in rows.items()), *more.split("\n")]
        ).rstrip()
    )


def _one_line(message: str) -> str:
    """Without the place in the text that DuckDB draws below its message."""
    return " ".join(message.partition("\n\nLINE ")[0].split())

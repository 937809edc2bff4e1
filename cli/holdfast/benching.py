"""`holdfast bench`: hands its words to the benchmark, which comes with the checkout only."""

import typer

from holdfast.terminal import fail

app = typer.Typer(add_completion=False)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    add_help_option=False,
)
def bench(context: typer.Context) -> None:
    """Take measures of the benchmark, on servers of its own. Example: holdfast bench --only M1 --quick"""
    try:
        from bench.cli import main as take
    except ImportError:
        fail("the benchmark comes with the checkout only; run it there, first time with make bench")
    take(context.args)

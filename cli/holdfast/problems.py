"""The page of all problems, `docs/errors.md`: every code that the code can raise, found in the code itself.

A code is the first argument of `Refused`, `Refusal` or `problem`, or what the tables of escrow refuse with. Where it
is not written there as a word, `ELSEWHERE` says which codes it can be; a place that is missing in it is an error, and
so is a code without words or words without a code. So the page cannot fall behind.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from disputes.rules import REASONS as OF_DISPUTES
from holdfast.problem_words import WORDS, Words
from identity.policy import APPEAL_POLICIES
from orders.rules import REASONS as OF_ORDERS
from runtime.problems import status_of

ROOT = Path(__file__).parents[2]
FOLDERS: Mapping[str, str] = {
    "libs/runtime": "all",
    "services/orders": "orders",
    "services/escrow": "escrow",
    "services/deposits": "deposits",
    "services/disputes": "disputes",
    "services/identity": "identity",
    "simulators/payments": "simulator of payments",
    "simulators/carrier": "simulator of the carrier",
}
_RAISED_BY = frozenset({"Refused", "Refusal", "problem", "No", "no", "refuse"})
_PASSED_ON: frozenset[str] = frozenset()
_TOO_OLD = frozenset(
    f"{proof.name}_too_old" for policy in APPEAL_POLICIES for proof in policy.proofs if proof.months is not None
)


def _calls(path: Path, names: frozenset[str]) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in names:
                yield node


def _argument(call: ast.Call) -> ast.expr | None:
    named = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
    return named[0] if named else call.args[0] if call.args else None


def _word(call: ast.Call) -> str:
    argument = _argument(call)
    return argument.value if isinstance(argument, ast.Constant) and isinstance(argument.value, str) else ""


def envelope_codes() -> frozenset[str]:
    """What may be wrong with an envelope."""
    calls = (
        call for path in (ROOT / "libs/contracts").glob("*.py") for call in _calls(path, frozenset({"EnvelopeError"}))
    )
    return frozenset(code for call in calls if (code := _word(call)))


ELSEWHERE: Mapping[tuple[str, str], frozenset[str]] = {
    ("libs/runtime/delivery.py", "error.code"): frozenset({"invalid_data", "key_mismatch"}),
    ("libs/runtime/http.py", "code"): _PASSED_ON,
    ("libs/runtime/idempotency.py", "row.code"): _PASSED_ON,
    ("libs/runtime/problems.py", "error.code"): _PASSED_ON,
    ("libs/runtime/problems.py", "code"): frozenset({"no_such_route", "method_not_allowed", "bad_request"}),
    ("libs/runtime/pump.py", "error.code"): frozenset({"too_large"}),
    ("libs/runtime/webhooks.py", "f'invalid_{error.code}'"): frozenset(f"invalid_{code}" for code in envelope_codes()),
    ("services/deposits/domain.py", "other_seller"): frozenset({"forbidden", "not_found"}),
    ("services/disputes/rules.py", "code"): frozenset(OF_DISPUTES),
    ("services/escrow/process.py", "code"): _PASSED_ON,
    ("services/escrow/service.py", "code"): _PASSED_ON,
    ("services/escrow/walk.py", "refused[0].code"): _PASSED_ON,
    ("services/identity/documents.py", "f'{proof.name}_too_old'"): _TOO_OLD,
    ("services/identity/domain.py", "others"): frozenset({"forbidden", "not_found"}),
    ("services/orders/rules.py", "code"): frozenset(OF_ORDERS),
    ("simulators/payments/http_api.py", "code"): _PASSED_ON,
}
"""By file and expression."""


def raised() -> tuple[Mapping[str, frozenset[str]], frozenset[tuple[str, str]]]:
    """Every code with the services that raise it, and the places whose codes nobody said."""
    found: dict[str, set[str]] = {}
    unsaid = set()
    for folder, service in FOLDERS.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            for call in _calls(path, _RAISED_BY):
                if code := _word(call):
                    found.setdefault(code, set()).add(service)
                elif argument := _argument(call):
                    place = (path.relative_to(ROOT).as_posix(), ast.unparse(argument))
                    if place not in ELSEWHERE:
                        unsaid.add(place)
                    for code in ELSEWHERE.get(place, ()):
                        found.setdefault(code, set()).add(service)
    return {code: frozenset(services) for code, services in found.items()}, frozenset(unsaid)


def words_of(code: str) -> Words:
    """What a code means. One without words has the empty ones, which a test finds."""
    if code not in WORDS and code.removeprefix("invalid_") in envelope_codes():
        what = code.removeprefix("invalid_").replace("_", " ")
        return Words(
            f"The envelope of an event is not as CloudEvents and docs/events.md say: {what}.",
            "Correct it; nothing of its batch happened.",
        )
    return WORDS.get(code, Words("", ""))


def page() -> str:
    """The page, in Markdown."""
    codes, _ = raised()
    lines = [_HEAD]
    for code in sorted(codes):
        words = words_of(code)
        services = ["all"] if "all" in codes[code] else sorted(codes[code])
        lines.append(
            f"### {code}\n\n{status_of(code)} · {', '.join(services)}\n\n{words.means} **What to do:** {words.do}\n"
        )
    return "\n".join(lines)


_HEAD = """# Problems

Whatever is refused is a problem document after RFC 9457, `application/problem+json`:

```json
{
  "type": "urn:holdfast:problem:stale_version",
  "title": "Stale version",
  "status": 412,
  "detail": "this is version 8, not 7; read it again and decide anew",
  "code": "stale_version",
  "version": 8
}
```

`code` is what programs read: it is stable, and the `type` is made of it. `detail` is for people and may change.
Commands that came by Kafka are refused with the same codes, in the event `command_refused`.

**Sending again.** With an `Idempotency-Key` an answer is kept for the service's `answers_kept_days`, refusals included:
the same body has the same answer, marked `Idempotency-Replayed: true`. To correct what was refused takes a new key.
Only what had no answer of its own may be corrected or repeated under the same key: 401, 413, 415, 422 of a body that is
no command, 429, 500, 503, `request_in_flight` and `key_parked`. A key belongs to the caller (id and role) and the path.

**Rates.** `rate_limited` counts the requests of one caller, by id and role, or by address where there is no valid
token; services are not counted. Counting is done by each replica for itself (`rate_limit_per_second`,
`rate_limit_burst`).

Behind a code stand its HTTP status and who raises it.
"""

"""Whether the documents of an appeal prove what they must (I3, I4). Pure."""

from collections.abc import Sequence
from datetime import date

from contracts.identity import Document, DocumentKind
from identity.policy import AppealPolicy, months_before
from runtime.decision import Refused


def check(documents: Sequence[Document], country: str | None, policy: AppealPolicy, today: date) -> None:
    """Returns when the set is complete for someone of `country` on `today` (UTC).

    Raises `Refused`: document_repeated, document_in_future, documents_missing (names exactly what is missing),
    and `<proof>_too_old` such as statement_too_old (names the oldest day accepted).
    """
    if len({document.sha256 for document in documents}) < len(documents):
        raise Refused("document_repeated", "one file cannot be two documents; send each document once")
    for document in documents:
        if document.issued_on > today + policy.ahead:
            raise Refused("document_in_future", f"the {document.kind} is dated {document.issued_on}, after today")

    offered = {document.kind for document in documents}
    wanted = [(proof, proof.accepted(country)) for proof in policy.proofs]
    missing = [_name(kinds) for _, kinds in wanted if offered.isdisjoint(kinds)]
    if missing:
        raise Refused("documents_missing", "send again, complete; missing: " + "; ".join(missing))

    for proof, kinds in wanted:
        if proof.months is None:
            continue
        oldest = months_before(today, proof.months)
        if all(document.issued_on < oldest for document in documents if document.kind in kinds):
            raise Refused(
                f"{proof.name}_too_old", f"the {proof.name} must be dated {oldest} or later; send a newer one"
            )


def _name(kinds: Sequence[DocumentKind]) -> str:
    return kinds[0].value if len(kinds) == 1 else "one of " + ", ".join(kinds)

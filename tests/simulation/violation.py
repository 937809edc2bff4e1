"""What a watcher raises."""


class Violation(AssertionError):
    """An invariant does not hold. `id` names it, `about` is the order or other key concerned, if one is."""

    def __init__(self, id: str, text: str, about: str = "") -> None:
        super().__init__(f"{id}: {text}")
        self.id, self.text, self.about = id, text, about

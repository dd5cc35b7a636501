"""What is said of a rule that Syncline does not run."""


class Refused(Exception):
    """A rule that is not in the language. The message names the construct, `hint` says what to write."""

    def __init__(self, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.hint = (
            hint or "use column names, literals, comparisons, CASE, COALESCE, + - * || and the functions of docs/policies.md"
        )

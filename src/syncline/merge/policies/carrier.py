"""Text and what carries it: a plain str, or a value tagged json. A merge takes the text out and puts the result back."""

from syncline.model.value import ABSENT, Tagged, Value


def text_in(value: Value) -> str | None:
    """The text of a str or json value; None for anything else."""
    match value:
        case str():
            return value
        case Tagged("json", text):
            return text
        case _:
            return None


def put_back(text: str, *models: Value) -> Value:
    """The text as the first model that is not NULL carries its own."""
    carrier = next((model for model in models if model is not None and model is not ABSENT), "")
    return Tagged("json", text) if isinstance(carrier, Tagged) else text


def nothing(value: Value) -> bool:
    """Whether there is no value: NULL, or no common version."""
    return value is None or value is ABSENT

"""What can be asked: the pages and their answers. All of them read; nothing here changes anything."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from syncline import __version__
from syncline.model.errors import SynclineError
from syncline.model.limits import HTTP_LOOK_OLD_SECONDS
from syncline.observe.metrics import samples
from syncline.observe.readiness import Cause, causes
from syncline.server.door import OPEN, Door
from syncline.server.exchange import JSON, Answer, Request, failed, refused, told
from syncline.server.exposition import TEXT, exposed
from syncline.server.look import Look, Seen

T = TypeVar("T")
Report = dict[str, Any]
METHODS: Final = ("GET", "HEAD")


class Hub(Protocol):
    """What is asked of a space; the facade that verbs use has it."""

    async def status(self) -> Report:
        """What `syncline status --json` prints."""
        ...

    async def drift(self) -> list[Report]:
        """All incidents of drift, open or over."""
        ...


class Pages:
    """The pages of one space."""

    def __init__(self, status: Look[Report], drift: Look[list[Report]], door: Door) -> None:
        self._status, self._drift, self._door = status, drift, door
        self._made: dict[str, tuple[object, Answer]] = {}  # the last answer of a page, and what it was made of

    async def answer(self, request: Request) -> Answer:
        """The answer to a request, whatever it is; never raises."""
        path = request.target.partition("?")[0]
        try:
            if (refusal := self._door.refuses(request, path)) is not None:
                return refusal
            page = PAGES.get(path)
            if page is None:
                hint = f"there are: {', '.join(PAGES)}"
                return refused(HTTPStatus.NOT_FOUND, "there is no such page", hint=hint)
            if request.method not in METHODS:
                why = "nothing is changed over HTTP"
                return refused(
                    HTTPStatus.METHOD_NOT_ALLOWED, "a page can only be read", why, "use GET", Allow=", ".join(METHODS)
                )
            return await page.answer(self)
        except SynclineError as error:
            return failed(error)
        except Exception as error:  # a bug in one answer is told, and the next one is given all the same
            bug = SynclineError(f"{type(error).__name__}: {error}", why="this is a bug")
            return failed(bug, HTTPStatus.INTERNAL_SERVER_ERROR)

    async def health(self) -> Answer:
        """That the process is up."""
        return told({"up": True})

    async def readiness(self) -> Answer:
        """Whether the space can be relied on; else why not."""
        seen = await self._status.now()
        if seen.age > HTTP_LOOK_OLD_SECONDS:  # it grows old while its answer is kept
            return _readiness(seen, Cause("", "", "", f"the last look at the space was begun {seen.age:.0f} s ago"))
        return self._once("readiness", _readiness, seen)

    async def metrics(self) -> Answer:
        """The status as metrics."""
        return self._once("metrics", lambda seen: exposed(samples(*seen)), await self._status.now())

    async def status(self) -> Answer:
        """The status."""
        return self._once("status", lambda seen: told(seen.report), await self._status.now())

    async def drift(self) -> Answer:
        """The open incidents of drift."""
        return self._once("drift", _drift, await self._drift.now())

    async def description(self) -> Answer:
        """This list of pages, for programs."""
        return told(_openapi())

    def _once(self, page: str, make: Callable[[Seen[T]], Answer], seen: Seen[T]) -> Answer:
        """The answer that is made of what was seen; made once, however many ask."""
        known, answer = self._made.get(page, (None, None))
        if known is not seen or answer is None:
            answer = make(seen)
            self._made[page] = seen, answer
        return answer


def _readiness(seen: Seen[Report], *more: Cause) -> Answer:
    found = [*more, *causes(seen.report)]
    body = {"ready": not found, "space": seen.report["space"], "causes": [one.as_json() for one in found]}
    return told(body, HTTPStatus.SERVICE_UNAVAILABLE if found else HTTPStatus.OK)


def _drift(seen: Seen[list[Report]]) -> Answer:
    return told({"listed": "open", "incidents": [one for one in seen.report if one["open"]]})


class Page(NamedTuple):
    """One page: what it is, how it is answered, what its body is, and what its answers other than an error's mean."""

    does: str
    answer: Callable[[Pages], Awaitable[Answer]]
    answers: Mapping[int, str]
    kind: str = JSON


PAGES: Final = {
    "/healthz": Page("Whether the process is up.", Pages.health, {200: "It is."}),
    "/readyz": Page(
        "Whether the space can be relied on: a hub answers, and no copy is red.",
        Pages.readiness,
        {200: "It can.", 503: "It cannot; `causes` says why. Or it cannot be looked at; `error` says why."},
    ),
    "/metrics": Page("The status as metrics, in Prometheus' text format.", Pages.metrics, {200: "The metrics."}, TEXT),
    "/v1/status": Page("What `syncline status --json` prints.", Pages.status, {200: "The status."}),
    "/v1/drift": Page("What `syncline drift --json` prints: open incidents.", Pages.drift, {200: "The incidents."}),
    "/v1/openapi.json": Page("This description.", Pages.description, {200: "An OpenAPI document."}),
}
_ERRORS: Final = {401: "The token is missing or wrong.", 421: "The request was meant for another host."}
_AWAY: Final = {503: "The space cannot be looked at now."}
_TEXT: Final = {"type": "string"}
_ERROR: Final = {
    "type": "object",
    "required": ["code", "what", "where", "why", "fix"],
    "properties": dict.fromkeys(("code", "what", "why", "fix"), _TEXT) | {"where": {"type": "object"}},
}
_FAILED: Final = {
    "type": "object",
    "required": ["error", "problems"],
    "properties": {"error": _ERROR, "problems": {"type": "array", "items": _ERROR}},
}


def _openapi() -> Report:
    """The pages as an OpenAPI document. Source: https://spec.openapis.org/oas/v3.1.0."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Syncline", "version": __version__, "description": "A space's status, to be read."},
        "paths": {path: {"get": _operation(path, page)} for path, page in PAGES.items()},
        "components": {
            "schemas": {"Failed": _FAILED},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(path: str, page: Page) -> Report:
    schema = {"type": "object"} if page.kind == JSON else _TEXT
    given = {
        str(code): {"description": text, "content": {page.kind: {"schema": schema}}} for code, text in page.answers.items()
    }
    looks = {} if path in OPEN or path == "/v1/openapi.json" else _AWAY
    failures = {
        str(code): {"description": text, "content": {JSON: {"schema": {"$ref": "#/components/schemas/Failed"}}}}
        for code, text in (_ERRORS | looks).items()
    }
    security: list[Report] = [{}] if path in OPEN else [{}, {"token": []}]
    name = path.strip("/").removesuffix(".json").replace("/", "_")
    return {"operationId": name, "summary": page.does, "security": security, "responses": failures | given}

"""What `POST /v1/links:batch` answers, a line a file. All of it is read, and its last line says that it is all."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.client import answers
from gateway.client.answers import FileLink, Json
from gateway.errors import GatewayError, GatewayUnavailable, by_code
from gateway.model import LinkMode, ResourceName, Version


@dataclass(frozen=True, slots=True)
class LinkBatch:
    """Direct links to files of one version, in order, and the path to go on after."""

    version: Version
    links: tuple[FileLink, ...]
    next: str | None


def read_batch(name: ResourceName, lines: Iterable[bytes], url: str) -> LinkBatch:
    """Return the batch of `name` that the gateway at `url` has sent.

    Raises:
        GatewayUnavailable: it is not what this client understands, or not all of it.
        what the gateway says instead of a link: the first refusal counts for all.
    """
    given = (_parsed(line, url) for line in lines if line)
    version = answers.read(lambda answer: answers.version(name)(answer["version"]), next(given, None), url)
    links: list[FileLink] = []
    for answer in given:
        if "code" in answer:
            raise _refusal(answer)
        if "path" not in answer:
            return LinkBatch(version, tuple(links), answer.get("next"))
        links.append(answers.read(_link, answer, url))
    raise GatewayUnavailable(f"{url} broke off in the middle of its links.", hint="Try again.")


def _parsed(line: bytes, url: str) -> Json:
    def parse(answer: Json) -> Json:
        return answer

    try:
        return answers.read(parse, json.loads(line), url)
    except ValueError:
        return answers.read(parse, None, url)


def _refusal(answer: Json) -> GatewayError:
    kind = by_code().get(answer["code"], GatewayError)
    return kind(str(answer.get("detail", "")), hint=str(answer.get("hint", "")))


def _link(answer: Json) -> FileLink:
    return answers.link({"mode": LinkMode.DIRECT, "head_url": "", **answer})

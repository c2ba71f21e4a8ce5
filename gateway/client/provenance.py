"""What a publisher says of how a version was made."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.client.reference import Reference


@dataclass(frozen=True, slots=True)
class Provenance:
    """The revision of the code, the run, and the versions that it was made from."""

    commit: str = ""
    run: str = ""
    made_from: Sequence[str | Reference] = ()

    def params(self) -> dict[str, str | list[str] | None]:
        """Return the parameters of a commit. The gateway pins what a tag names at that moment.

        >>> Provenance(made_from=["dataset/vision/digits@v3"]).params()["from"]
        ['dataset/vision/digits@v3']
        """
        wanted = [Reference.parse(one) if isinstance(one, str) else one for one in self.made_from]
        return {
            "commit": self.commit or None,
            "run": self.run or None,
            "from": [f"{one.resource}@{one.version}" for one in wanted] or None,
        }


NOTHING_SAID = Provenance()

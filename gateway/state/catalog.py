"""Names, versions, tags and pushes in SQL: `ports.CatalogStore`. Each method is one transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, or_, select, tuple_
from sqlalchemy.orm import Session

from gateway.errors import Conflict, InvalidInput, PushClosed, UnknownVersion, VersionExists
from gateway.model import MAX_RESOURCE_TAGS, Input, Output, Push, Resource, ResourceKind, ResourceName, Version
from gateway.state import schema
from gateway.state.engine import Database
from gateway.state.models import InputRow, PushRow, ResourceRow, TagRow, UploadRow, VersionRow

_LATEST = "latest"
"""The tag that moves by itself."""


class SqlCatalog:
    """The catalog's rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_resource(self, name: ResourceName) -> Resource | None:
        """Return the resource, if there is one of this name."""
        row = await self._database.read(lambda session: session.scalar(_named(name)))
        return row.value() if row else None

    async def create_resource(self, resource: Resource) -> Resource:
        """Add the resource, or return the one that already has its name."""
        row = await self._database.find_or_add(_named(resource.name), ResourceRow.of(resource))
        return row.value()

    async def change_resource_tags(
        self, resource: Resource, *, put: Mapping[str, str], remove: Collection[str]
    ) -> Mapping[str, str]:
        """Put and remove tags in one step, and return what the resource has then.

        Raises:
            InvalidInput: they would be more than a resource may have.
        """

        def work(session: Session) -> dict[str, str]:
            _lock(session, resource.id)
            row = session.get_one(ResourceRow, resource.id)
            kept = {key: value for key, value in row.tags.items() if key not in remove}
            row.tags = dict(sorted((kept | dict(put)).items()))
            if len(row.tags) > MAX_RESOURCE_TAGS:
                raise InvalidInput(f"{resource.name} would have more than {MAX_RESOURCE_TAGS} tags.")
            return row.tags

        return await self._database.write(work)

    async def list_resources(
        self, *, kind: ResourceKind | None, namespace: str | None, after: ResourceName | None, limit: int
    ) -> Sequence[Resource]:
        """Return resources in the order of their names, after `after`."""
        name = (ResourceRow.kind, ResourceRow.namespace, ResourceRow.name)
        wanted: list[ColumnElement[bool]] = []
        if kind is not None:
            wanted.append(ResourceRow.kind == kind.value)
        if namespace is not None:
            wanted.append(ResourceRow.namespace == namespace)
        if after is not None:
            wanted.append(tuple_(*name) > (after.kind.value, after.namespace, after.name))
        query = select(ResourceRow).where(*wanted).order_by(*name).limit(limit)
        rows = await self._database.read(lambda session: session.scalars(query).all())
        return [row.value() for row in rows]

    async def find_version(
        self, resource: Resource, *, number: int | None = None, digest: str | None = None
    ) -> Version | None:
        """Return the version of this number or digest, the newest if several have the digest, or of all."""
        query = _standing(resource.id).order_by(VersionRow.number.desc()).limit(1)
        if number is not None:
            query = query.filter_by(number=number)
        if digest is not None:
            query = query.filter_by(digest=digest)
        row = await self._database.read(lambda session: session.scalar(query))
        return row.value(resource.name) if row else None

    async def list_versions(self, resource: Resource, *, removed_since: datetime | None = None) -> Sequence[Version]:
        """Return all versions, newest first; also those that were removed after a moment, if one is given."""
        wanted: list[ColumnElement[bool]] = [VersionRow.removed_at.is_(None)]
        if removed_since is not None:
            wanted.append(VersionRow.removed_at > removed_since)
        query = select(VersionRow).filter_by(resource_id=resource.id).where(or_(*wanted))
        query = query.order_by(VersionRow.number.desc())
        rows = await self._database.read(lambda session: session.scalars(query).all())
        return [row.value(resource.name) for row in rows]

    async def remove_version(self, resource: Resource, number: int, *, at: datetime, by: str) -> Version:
        """Remove a version for all who read; `latest` moves to the newest one left. Its number is never given again.

        Raises:
            UnknownVersion: there is no such version.
            Conflict: a tag other than `latest` names it.
        """
        return await self._database.write(lambda session: _remove(session, resource, number, at, by))

    async def inputs(self, resource: Resource) -> Mapping[int, Sequence[Input]]:
        """Return what each version was made from, by number; versions made from nothing are left out."""
        query = select(InputRow).filter_by(resource_id=resource.id).order_by(InputRow.input, InputRow.input_number)
        found: dict[int, list[Input]] = {}
        for row in await self._database.read(lambda session: session.scalars(query).all()):
            found.setdefault(row.number, []).append(row.value())
        return found

    async def outputs(self, name: ResourceName) -> Mapping[int, Sequence[Output]]:
        """Return the versions, of any resource, that were made from each version of this one, by its number."""
        query = (
            select(ResourceRow, VersionRow.number, InputRow.input_number)
            .join(VersionRow, VersionRow.resource_id == ResourceRow.id)
            .join(
                InputRow,
                (InputRow.resource_id == VersionRow.resource_id) & (InputRow.number == VersionRow.number),
            )
            .where(InputRow.input == str(name), VersionRow.removed_at.is_(None))
        )
        found: dict[int, list[Output]] = {}
        for row, made, number in await self._database.read(lambda session: session.execute(query).all()):
            found.setdefault(number, []).append(Output(row.value().name, made))
        return {number: sorted(some) for number, some in found.items()}

    async def tags(self, resource: Resource) -> Mapping[str, int]:
        """Return each tag and the version number that it names, in the order of the tags."""
        query = select(TagRow).filter_by(resource_id=resource.id).order_by(TagRow.tag)
        rows = await self._database.read(lambda session: session.scalars(query).all())
        return {row.tag: row.number for row in rows}

    async def set_tag(self, resource: Resource, tag: str, number: int) -> None:
        """Move or make the tag.

        Raises:
            UnknownVersion: the resource has no version of this number.
        """

        def work(session: Session) -> None:
            _lock(session, resource.id)
            _require_standing(session, resource, number)
            session.merge(TagRow(resource_id=resource.id, tag=tag, number=number))

        await self._database.write(work)

    async def open_push(self, push: Push) -> None:
        """Add the push."""
        await self._database.write(lambda session: session.add(PushRow.of(push)))

    async def find_push(self, push_id: str) -> Push | None:
        """Return the push."""
        row = await self._database.read(lambda session: session.get(PushRow, push_id))
        return row.value() if row else None

    async def list_pushes(self, resource: Resource) -> Sequence[Push]:
        """Return all pushes to a resource, open or not."""
        query = select(PushRow).filter_by(resource_id=resource.id)
        rows = await self._database.read(lambda session: session.scalars(query).all())
        return [row.value() for row in rows]

    async def reserve_objects(self, push_id: str, count: int) -> int:
        """Take `count` object numbers of the push and return the first.

        Raises:
            PushClosed: the push takes no more objects.
        """

        def work(session: Session) -> int:
            row = _open_push(session, push_id)
            first = row.next_object
            row.next_object += count
            return first

        return await self._database.write(work)

    async def add_upload(self, push_id: str, number: int, upload_id: str) -> None:
        """Remember the multipart upload of an object; the first one stays.

        Raises:
            PushClosed: the push takes no more objects.
        """

        def work(session: Session) -> None:
            _open_push(session, push_id)
            if session.get(UploadRow, (push_id, number)) is None:
                session.add(UploadRow(push_id=push_id, number=number, upload_id=upload_id))

        await self._database.write(work)

    async def find_upload(self, push_id: str, number: int) -> str | None:
        """Return the multipart upload id of an object of this push."""
        row = await self._database.read(lambda session: session.get(UploadRow, (push_id, number)))
        return row.upload_id if row else None

    async def close_push(self, push_id: str) -> Sequence[tuple[int, str]]:
        """Mark the push aborted; return (object number, upload id) of its multipart uploads.

        Raises:
            PushClosed: the push is published already, or there is none.
        """

        def work(session: Session) -> Sequence[tuple[int, str]]:
            row = session.get(PushRow, push_id, with_for_update=True)
            if row is None or row.committed_as is not None:
                raise _over(push_id)
            row.closed = True
            uploads = select(UploadRow).filter_by(push_id=push_id).order_by(UploadRow.number)
            return [(upload.number, upload.upload_id) for upload in session.scalars(uploads)]

        return await self._database.write(work)

    async def commit_push(
        self,
        push: Push,
        version: Version,
        tags: Sequence[str],
        *,
        taken_from: Collection[int] = (),
        inputs: Collection[Input] = (),
    ) -> Version:
        """In one transaction: give the version the next number, move the tags to it, close the push.

        Returns the version as stored; a push committed before returns that version again.

        Raises:
            VersionExists: the newest version has this digest.
            PushClosed: the push was aborted.
            Conflict: a version that it shares pages and objects with was removed meanwhile.
        """

        def work(session: Session) -> Version:
            # Whoever holds the resource's row gives out its next number; others wait here and then see the new version.
            _lock(session, push.resource_id)
            row = session.get(PushRow, push.id, with_for_update=True)
            if row is not None and row.committed_as is not None:
                return session.get_one(VersionRow, (push.resource_id, row.committed_as)).value(version.resource)
            if row is None or row.closed:
                raise _over(push.id)
            _require_sources(session, push.resource_id, version.resource, taken_from)
            stored = _publish(session, row, version, tags)
            session.add_all(InputRow.of(push.resource_id, stored.number, one) for one in set(inputs))
            return stored

        return await self._database.write(work)

    async def check(self) -> None:
        """Raise `StateUnavailable` unless the database answers and its schema is ours."""
        await self._database.read(schema.check)


def _named(name: ResourceName) -> Select[ResourceRow]:
    return select(ResourceRow).filter_by(kind=name.kind.value, namespace=name.namespace, name=name.name)


def _standing(resource_id: str) -> Select[VersionRow]:
    return select(VersionRow).filter_by(resource_id=resource_id).where(VersionRow.removed_at.is_(None))


def _require_standing(session: Session, resource: Resource, number: int) -> VersionRow:
    row = session.get(VersionRow, (resource.id, number))
    if row is None or row.removed_at is not None:
        raise UnknownVersion(f"{resource.name} has no version v{number}.")
    return row


def _publish(session: Session, push: PushRow, version: Version, tags: Sequence[str]) -> Version:
    stored = replace(version, number=_next_number(session, push.resource_id, version))
    session.add(VersionRow.of(push.resource_id, stored))
    session.flush()  # the tags and the push refer to it
    for tag in dict.fromkeys(tags):
        session.merge(TagRow(resource_id=push.resource_id, tag=tag, number=stored.number))
    push.committed_as = stored.number
    return stored


def _next_number(session: Session, resource_id: str, version: Version) -> int:
    newest = session.scalar(_standing(resource_id).order_by(VersionRow.number.desc()).limit(1))
    if newest is not None and newest.digest == version.digest:
        raise VersionExists(
            f"{version.resource}@v{newest.number} is this very content already.",
            hint=f"Use {version.resource}@v{newest.number}; nothing needs to be published.",
        )
    # Of all that ever were: a number that was removed never names something else.
    last = session.scalar(select(func.max(VersionRow.number)).filter_by(resource_id=resource_id))
    return (last or 0) + 1


def _require_sources(session: Session, resource_id: str, name: ResourceName, numbers: Collection[int]) -> None:
    """Refuse to share with a version that was removed: garbage collection may take its pages and objects any time."""
    found = session.scalars(_standing(resource_id).where(VersionRow.number.in_(list(numbers))))
    if missing := sorted(set(numbers) - {row.number for row in found}):
        raise Conflict(
            f"{name}@v{missing[0]} was removed while files of it were being published again.",
            hint="Run the push again.",
        )


def _remove(session: Session, resource: Resource, number: int, at: datetime, by: str) -> Version:
    _lock(session, resource.id)
    row = _require_standing(session, resource, number)
    naming = list(session.scalars(select(TagRow).filter_by(resource_id=resource.id, number=number)))
    if others := [tag.tag for tag in naming if tag.tag != _LATEST]:
        raise Conflict(
            f"{resource.name}@v{number} is tagged {others[0]!r}.",
            hint=f"Let the tag name another version first: 'gateway tag {resource.name}@VERSION {others[0]}'.",
        )
    row.removed_at, row.removed_by = at, by
    session.flush()
    newest = session.scalar(_standing(resource.id).order_by(VersionRow.number.desc()).limit(1))
    for tag in naming:
        if newest is None:
            session.delete(tag)
        else:
            tag.number = newest.number
    return row.value(resource.name)


def _lock(session: Session, resource_id: str) -> None:
    session.get(ResourceRow, resource_id, with_for_update=True)


def _open_push(session: Session, push_id: str) -> PushRow:
    row = session.get(PushRow, push_id, with_for_update=True)
    if row is None or row.closed or row.committed_as is not None:
        raise _over(push_id)
    return row


def _over(push_id: str) -> PushClosed:
    return PushClosed(f"Push {push_id} is over.", hint="Start again with 'gateway push'.")

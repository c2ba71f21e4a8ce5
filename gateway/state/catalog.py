"""Names, versions, tags and pushes in SQL: `ports.CatalogStore`. Each method is one transaction."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, Select, select, tuple_
from sqlalchemy.orm import Session

from gateway.errors import InvalidInput, PushClosed, UnknownVersion, VersionExists
from gateway.model import MAX_RESOURCE_TAGS, Push, Resource, ResourceKind, ResourceName, Version
from gateway.state import schema
from gateway.state.engine import Database
from gateway.state.models import PushRow, ResourceRow, TagRow, UploadRow, VersionRow


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
        query = select(VersionRow).filter_by(resource_id=resource.id).order_by(VersionRow.number.desc()).limit(1)
        if number is not None:
            query = query.filter_by(number=number)
        if digest is not None:
            query = query.filter_by(digest=digest)
        row = await self._database.read(lambda session: session.scalar(query))
        return row.value(resource.name) if row else None

    async def list_versions(self, resource: Resource) -> Sequence[Version]:
        """Return all versions, newest first."""
        query = select(VersionRow).filter_by(resource_id=resource.id).order_by(VersionRow.number.desc())
        rows = await self._database.read(lambda session: session.scalars(query).all())
        return [row.value(resource.name) for row in rows]

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
            if session.get(VersionRow, (resource.id, number)) is None:
                raise UnknownVersion(f"{resource.name} has no version v{number}.")
            session.merge(TagRow(resource_id=resource.id, tag=tag, number=number))

        await self._database.write(work)

    async def open_push(self, push: Push) -> None:
        """Add the push."""
        await self._database.write(lambda session: session.add(PushRow.of(push)))

    async def find_push(self, push_id: str) -> Push | None:
        """Return the push."""
        row = await self._database.read(lambda session: session.get(PushRow, push_id))
        return row.value() if row else None

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

    async def commit_push(self, push: Push, version: Version, tags: Sequence[str]) -> Version:
        """In one transaction: give the version the next number, move the tags to it, close the push.

        Returns the version as stored; a push committed before returns that version again.

        Raises:
            VersionExists: the newest version has this digest.
            PushClosed: the push was aborted.
        """
        return await self._database.write(lambda session: _commit(session, push, version, tags))

    async def check(self) -> None:
        """Raise `StateUnavailable` unless the database answers and its schema is ours."""
        await self._database.read(schema.check)


def _named(name: ResourceName) -> Select[ResourceRow]:
    return select(ResourceRow).filter_by(kind=name.kind.value, namespace=name.namespace, name=name.name)


def _commit(session: Session, push: Push, version: Version, tags: Sequence[str]) -> Version:
    # Whoever holds the resource's row gives out its next number; others wait here and then see the new version.
    _lock(session, push.resource_id)
    row = session.get(PushRow, push.id, with_for_update=True)
    if row is not None and row.committed_as is not None:
        return session.get_one(VersionRow, (push.resource_id, row.committed_as)).value(version.resource)
    if row is None or row.closed:
        raise _over(push.id)
    stored = replace(version, number=_next_number(session, push.resource_id, version))
    session.add(VersionRow.of(push.resource_id, stored))
    session.flush()  # the tags and the push refer to it
    for tag in dict.fromkeys(tags):
        session.merge(TagRow(resource_id=push.resource_id, tag=tag, number=stored.number))
    row.committed_as = stored.number
    return stored


def _next_number(session: Session, resource_id: str, version: Version) -> int:
    newest = session.scalar(
        select(VersionRow).filter_by(resource_id=resource_id).order_by(VersionRow.number.desc()).limit(1)
    )
    if newest is None:
        return 1
    if newest.digest == version.digest:
        raise VersionExists(
            f"{version.resource}@v{newest.number} is this very content already.",
            hint=f"Use {version.resource}@v{newest.number}; nothing needs to be published.",
        )
    return newest.number + 1


def _lock(session: Session, resource_id: str) -> None:
    session.get(ResourceRow, resource_id, with_for_update=True)


def _open_push(session: Session, push_id: str) -> PushRow:
    row = session.get(PushRow, push_id, with_for_update=True)
    if row is None or row.closed or row.committed_as is not None:
        raise _over(push_id)
    return row


def _over(push_id: str) -> PushClosed:
    return PushClosed(f"Push {push_id} is over.", hint="Start again with 'gateway push'.")

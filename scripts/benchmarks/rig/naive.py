"""What a team would write first: FastAPI, a JWT library, boto3's presigned URLs, and a list of rules.

It looks each token's signature up anew, knows its files from a dictionary, and writes no audit. Its settings come
as a JSON file: the public keys, the audience, the files, and who it is to S3.
"""

import fnmatch
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import boto3
from bare import serve
from botocore.config import Config
from fastapi import FastAPI, Header, HTTPException
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel

RULES = [
    {"groups": [f"team-{n}"], "action": "read", "resources": [f"dataset/team-{n}/*", f"model/team-{n}/*"]}
    for n in range(20)
] + [{"groups": ["ml-research"], "action": "read", "resources": ["dataset/vision/*", "model/vision/*"]}]


class Wanted(BaseModel):
    """The files to link to."""

    paths: list[str]
    ttl_seconds: int = 300


class Signed(BaseModel):
    """One link."""

    path: str
    url: str


class Links(BaseModel):
    """All of them."""

    links: list[Signed]


def create(settings: dict[str, Any]) -> FastAPI:
    """Return the application."""
    app = FastAPI()
    keys = KeySet.import_key_set(settings["jwks"])
    claims_registry = jwt.JWTClaimsRegistry(aud={"essential": True, "value": settings["audience"]})
    s3 = boto3.client(
        "s3",
        endpoint_url=settings["endpoint"],
        region_name=settings["region"],
        aws_access_key_id=Path(settings["access_key_id_file"]).read_text(),
        aws_secret_access_key=Path(settings["secret_access_key_file"]).read_text(),
        config=Config(signature_version="s3v4"),
    )

    @app.post("/{kind}/{namespace}/{name}/links")
    async def links(
        kind: str, namespace: str, name: str, body: Wanted, authorization: Annotated[str, Header()]
    ) -> Links:
        try:
            token = jwt.decode(authorization.removeprefix("Bearer "), keys, algorithms=["ES256", "RS256"])
            claims_registry.validate(token.claims)
        except JoseError as error:
            raise HTTPException(401) from error
        made = []
        for path in body.paths:
            resource = f"{kind}/{namespace}/{name}/{path}"
            if not allowed(token.claims, resource):
                raise HTTPException(403)
            where = {"Bucket": settings["bucket"], "Key": settings["files"][path]}
            url = s3.generate_presigned_url("get_object", Params=where, ExpiresIn=body.ttl_seconds)
            made.append(Signed(path=path, url=url))
        return Links(links=made)

    return app


def allowed(claims: dict[str, Any], resource: str) -> bool:
    """Look for a rule that lets one of the caller's groups read this."""
    groups = set(claims.get("groups", ()))
    return any(
        rule["action"] == "read"
        and groups & set(rule["groups"])
        and any(fnmatch.fnmatchcase(resource, pattern) for pattern in rule["resources"])
        for rule in RULES
    )


if __name__ == "__main__":
    serve(create(json.loads(Path(sys.argv[2]).read_text())), int(sys.argv[1]))

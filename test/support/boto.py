"""Answers S3 operations on one endpoint: a JSON object a line in, a JSON object a line out, in order."""

import base64
import json
import os
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

s3 = boto3.client(
    "s3",
    endpoint_url=os.environ["BOTO_ENDPOINT"],
    config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    verify=os.environ.get("BOTO_CA") or None,
)

ATTRIBUTES = {
    "contentType": "ContentType",
    "cacheControl": "CacheControl",
    "contentDisposition": "ContentDisposition",
    "contentLanguage": "ContentLanguage",
    "contentEncoding": "ContentEncoding",
    "expires": "Expires",
    "metadata": "Metadata",
    "tags": "Tagging",
}


def place(ask):
    at = {"Bucket": ask["bucket"], "Key": ask["key"]}
    return at | ({"VersionId": ask["versionId"]} if ask.get("versionId") else {})


def attributes(ask):
    return {name: ask[field] for field, name in ATTRIBUTES.items() if ask.get(field) is not None}


def written(answer):
    return {"etag": answer["ETag"].strip('"'), "versionId": answer.get("VersionId")}


def described(answer):
    return written(answer) | {
        "sizeBytes": answer["ContentLength"],
        "contentType": answer.get("ContentType"),
        "cacheControl": answer.get("CacheControl"),
        "contentDisposition": answer.get("ContentDisposition"),
        "contentLanguage": answer.get("ContentLanguage"),
        "contentEncoding": answer.get("ContentEncoding"),
        "expires": answer.get("ExpiresString"),
        "metadata": answer.get("Metadata", {}),
        "replicationStatus": answer.get("ReplicationStatus"),
    }


def create_bucket(ask):
    s3.create_bucket(Bucket=ask["bucket"])
    if ask.get("versioning"):
        s3.put_bucket_versioning(Bucket=ask["bucket"], VersioningConfiguration={"Status": "Enabled"})


def suspend_versioning(ask):
    s3.put_bucket_versioning(Bucket=ask["bucket"], VersioningConfiguration={"Status": "Suspended"})


def put(ask):
    return written(s3.put_object(Body=base64.b64decode(ask["body"]), **place(ask), **attributes(ask)))


def put_multipart(ask):
    at, parts = place(ask), []
    # Named, because a strict server refuses parts with checksums in an upload that announced none.
    upload = {"UploadId": s3.create_multipart_upload(ChecksumAlgorithm="CRC32", **at, **attributes(ask))["UploadId"]}
    for number, body in enumerate(ask["parts"], 1):
        part = s3.upload_part(PartNumber=number, Body=base64.b64decode(body), **at, **upload)
        checksums = {name: value for name, value in part.items() if name.startswith("Checksum") and name != "ChecksumType"}
        parts.append({"PartNumber": number, "ETag": part["ETag"], **checksums})
    return written(s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **at, **upload))


def copy(ask):
    answer = s3.copy_object(CopySource=place(ask["from"]), **place(ask["to"]))
    return written(answer["CopyObjectResult"] | {"VersionId": answer.get("VersionId")})


def head(ask):
    return described(s3.head_object(**place(ask)))


def get(ask):
    answer = s3.get_object(**place(ask))
    return described(answer) | {"body": base64.b64encode(answer["Body"].read()).decode()}


def tags(ask):
    return {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(**place(ask))["TagSet"]}


def set_tags(ask):
    s3.put_object_tagging(Tagging={"TagSet": [{"Key": key, "Value": value} for key, value in ask["tags"].items()]}, **place(ask))


def delete(ask):
    s3.delete_object(**place(ask))


def delete_many(ask):
    objects = [{"Key": key} for key in ask["keys"]]
    errors = s3.delete_objects(Bucket=ask["bucket"], Delete={"Objects": objects, "Quiet": True}).get("Errors", [])
    if errors:
        raise RuntimeError(f"not deleted: {errors}")


def pages(operation, ask):
    return s3.get_paginator(operation).paginate(Bucket=ask["bucket"], Prefix=ask.get("prefix") or "")


def list_keys(ask):
    found = [entry for page in pages("list_objects_v2", ask) for entry in page.get("Contents", [])]
    return [{"key": entry["Key"], "etag": entry["ETag"].strip('"'), "sizeBytes": entry["Size"]} for entry in found]


def version(entry, marker):
    return {"key": entry["Key"], "versionId": entry["VersionId"], "isLatest": entry["IsLatest"], "deleteMarker": marker}


def versions(ask):
    found = []
    for page in pages("list_object_versions", ask):
        found += [version(entry, False) for entry in page.get("Versions", [])]
        found += [version(entry, True) for entry in page.get("DeleteMarkers", [])]
    return found


OPERATIONS = {
    "createBucket": create_bucket,
    "suspendVersioning": suspend_versioning,
    "put": put,
    "putMultipart": put_multipart,
    "copy": copy,
    "head": head,
    "get": get,
    "tags": tags,
    "setTags": set_tags,
    "delete": delete,
    "deleteMany": delete_many,
    "list": list_keys,
    "versions": versions,
}


def answer(ask):
    try:
        return {"result": OPERATIONS[ask["operation"]](ask)}
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return {"error": {"code": error.response["Error"]["Code"], "status": status, "message": str(error)}}
    except Exception as error:
        return {"error": {"code": type(error).__name__, "status": 0, "message": str(error)}}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)

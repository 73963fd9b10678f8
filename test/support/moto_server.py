"""moto, with what it gets wrong about replication and about rights put right: run like moto_server.

moto 5.2 answers GetBucketReplication with `Filter: {Prefix: ''}` and delete markers off whatever was put, gives rules of the older schema a
priority, and takes documents that S3 refuses. Where it checks rights, it asks for s3:ListBucket and s3:CreateBucket in place of the rights of
most settings of a bucket, for monitoring:… in place of cloudwatch:…, for no iam:PassRole, and checks calls of IAM on no resource.
"""

import re
import sys

import xmltodict
from moto import settings
from moto.core.authorization import ActionAuthenticatorMixin
from moto.iam.access_control import IAMRequestBase, S3IAMRequest
from moto.iam.responses import IamResponse
from moto.s3.exceptions import MalformedXML, MissingBucket, ReplicationConfigurationNotFoundError, S3ClientError
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response
from moto.server import main
from moto.utilities.utils import get_partition

READ = {
    "encryption": "GetEncryptionConfiguration",
    "object-lock": "GetBucketObjectLockConfiguration",
    "ownershipControls": "GetBucketOwnershipControls",
    "publicAccessBlock": "GetBucketPublicAccessBlock",
    "replication": "GetReplicationConfiguration",
    "requestPayment": "GetBucketRequestPayment",
}
WRITTEN = {
    "encryption": "PutEncryptionConfiguration",
    "object-lock": "PutBucketObjectLockConfiguration",
    "ownershipControls": "PutBucketOwnershipControls",
    "publicAccessBlock": "PutBucketPublicAccessBlock",
    "replication": "PutReplicationConfiguration",
}
RIGHTS = {
    ("BUCKET", "HEAD"): {"": "ListBucket"},
    ("BUCKET", "GET"): READ,
    ("BUCKET", "PUT"): WRITTEN,
    ("BUCKET", "DELETE"): {**WRITTEN, "policy": "DeleteBucketPolicy"},
}


def as_list(value):
    return value if isinstance(value, list) else [value]


# What the document says


def get_bucket_replication(self):
    document = self.backend.get_bucket_replication(self.bucket_name)
    if not document:
        raise ReplicationConfigurationNotFoundError(bucket_name=self.bucket_name)
    return 200, {"content-type": "application/xml"}, xmltodict.unparse({"ReplicationConfiguration": document})


def put_bucket_replication(self, bucket_name, replication):
    rules = as_list(replication["Rule"])
    for rule in rules:
        if "Filter" in rule and not {"Priority", "DeleteMarkerReplication"} <= rule.keys():
            raise MalformedXML()
        if "Filter" not in rule and {"Priority", "DeleteMarkerReplication"} & rule.keys():
            raise MalformedXML()
    if len({"Filter" in rule for rule in rules}) > 1:
        raise S3ClientError("InvalidRequest", "Rules of both schemas in one document")
    # Not known of S3, but nobody should count on the contrary.
    priorities = [rule["Priority"] for rule in rules if "Priority" in rule]
    if len(set(priorities)) < len(priorities):
        raise S3ClientError("InvalidRequest", "Found duplicate priority")
    for index, rule in enumerate(rules):
        rule.setdefault("ID", f"made-up-{index}")
        check_destination(self, rule["Destination"]["Bucket"].rsplit(":", 1)[-1])
    self.get_bucket(bucket_name).replication = {**replication, "Rule": rules}


def check_destination(backend, name):
    try:
        bucket = backend.get_bucket(name)
    except MissingBucket:
        raise S3ClientError("InvalidRequest", "Destination bucket must exist.")
    if bucket.versioning_status != "Enabled":
        raise S3ClientError("InvalidRequest", "Destination bucket must have versioning enabled.")


# What has to be allowed


class PassRoleRequest(S3IAMRequest):
    def __init__(self, **request):
        super().__init__(**request)
        self._action = "iam:PassRole"


init_request = IAMRequestBase.__init__
set_action = S3Response._set_action
authorize = S3Response._authenticate_and_authorize_s3_action


def init_request_rightly(self, *args, **named):
    init_request(self, *args, **named)
    # Signed as one service, allowed as another.
    self._action = re.sub("^monitoring:", "cloudwatch:", self._action)


def remember_right(self, resource_type, method, querystring):
    set_action(self, resource_type, method, querystring)
    rights = RIGHTS.get((resource_type, method), {})
    self.right = next((right for name, right in rights.items() if name == "" or name in querystring), None)


def authorize_rightly(self, bucket_name=None, key_name=None):
    action, right = self.data.get("Action"), getattr(self, "right", None)
    is_checked = ActionAuthenticatorMixin.request_count >= settings.INITIAL_NO_AUTH_ACTION_COUNT
    self.data["Action"] = right or action
    try:
        authorize(self, bucket_name=bucket_name, key_name=key_name)
        if is_checked and right == "PutReplicationConfiguration" and self.method == "PUT":
            role = xmltodict.parse(self.body)["ReplicationConfiguration"]["Role"]
            self._authenticate_and_authorize_action(PassRoleRequest, role)
    finally:
        self.data["Action"] = action
        self.right = None


def role_arn(self):
    arn = f"arn:{get_partition(self.region)}:iam::{self.current_account}:role"
    name = self._get_param("RoleName")
    if name is None:
        return arn + self._get_param("PathPrefix") if self._get_param("PathPrefix") else "*"
    role = next((role for role in self.backend.roles.values() if role.name == name), None)
    path = role.path if role else self._get_param("Path", "/")
    return f"{arn}{path or '/'}{name}"


IAMRequestBase.__init__ = init_request_rightly
S3Response.get_bucket_replication = get_bucket_replication
S3Backend.put_bucket_replication = put_bucket_replication
S3Response._set_action = remember_right
S3Response._authenticate_and_authorize_s3_action = authorize_rightly
IamResponse._determine_resource = role_arn

if __name__ == "__main__":
    sys.exit(main())

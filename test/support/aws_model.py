"""Reads requests of an AWS service that speaks REST and XML as AWS's own model of it says, and refuses what the model does not allow.

Takes {service, requests: [{method, url, headers, body}]} as JSON, and prints for each {operation, input} or {error}.
"""

import json
import re
import sys
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.etree import ElementTree

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.utils import parse_timestamp
from botocore.validate import ParamValidator


class Refused(Exception):
    pass


def main():
    asked = json.load(sys.stdin)
    model = ServiceModel(Loader().load_service_model(asked["service"], "service-2"), asked["service"])
    json.dump([told(model, request) for request in asked["requests"]], sys.stdout, default=lambda value: value.isoformat())


def told(model, request):
    try:
        operation, labels = find_operation(model, request)
        params = read_input(operation.input_shape, request, labels)
        problems = ParamValidator().validate(params, operation.input_shape)
        if problems.has_errors():
            raise Refused(problems.generate_report())
        return {"operation": operation.name, "input": params}
    except Refused as problem:
        return {"error": str(problem)}


def find_operation(model, request):
    path = urlsplit(request["url"]).path
    for name in model.operation_names:
        operation = model.operation_model(name)
        pattern = re.sub(r"\{(\w+)\+?\}", r"(?P<\1>[^/]+)", urlsplit(operation.http["requestUri"]).path)
        match = re.fullmatch(pattern, path)
        if match and operation.http["method"] == request["method"]:
            return operation, {label: unquote(value) for label, value in match.groupdict().items()}
    raise Refused(f"no operation {request['method']} {path}")


def read_input(shape, request, labels):
    query = dict(parse_qsl(urlsplit(request["url"]).query, keep_blank_values=True))
    places = {"header": request["headers"], "querystring": query, "uri": labels}
    params, body = {}, {}
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        if location is None:
            body[member.serialization.get("name", name)] = (name, member)
            continue
        sent = places[location]
        key = member.serialization["name"]
        if key in sent:
            params[name] = read_text(member, sent.pop(key), name)
    if query:
        raise Refused(f"unknown in the query: {', '.join(query)}")
    if request["body"]:
        root = ElementTree.fromstring(request["body"])
        space = shape.serialization.get("xmlNamespace", {}).get("uri", "")
        wanted = f"{{{space}}}{shape.serialization.get('name', shape.name)}"
        if root.tag != wanted:
            raise Refused(f"the document is a {root.tag}, not a {wanted}")
        params.update(read_members(body, root, shape.name))
    return params


def read(shape, node, place):
    if shape.type_name == "structure":
        members = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}
        return read_members(members, node, place)
    if shape.type_name == "list":
        wanted = shape.member.serialization.get("name", "member")
        if any(local(child) != wanted for child in node):
            raise Refused(f"{place} has elements other than {wanted}")
        check_length(shape, len(node), place)
        return [read(shape.member, child, place) for child in node]
    return read_text(shape, node.text or "", place)


def read_members(members, node, place):
    params = {}
    for child in node:
        if local(child) not in members:
            raise Refused(f"{place} has no {local(child)}")
        name, member = members[local(child)]
        if name in params:
            raise Refused(f"{place} has {name} twice")
        params[name] = read(member, child, f"{place}.{name}")
    return params


def read_text(shape, text, place):
    if shape.type_name == "boolean":
        if text not in ("true", "false"):
            raise Refused(f"{place} is no boolean: {text}")
        return text == "true"
    if shape.type_name in ("integer", "long"):
        return int(text)
    if shape.type_name == "timestamp":
        return parse_timestamp(text)
    if shape.enum and text not in shape.enum:
        raise Refused(f"{place} is none of {', '.join(shape.enum)}: {text}")
    pattern = shape.metadata.get("pattern")
    if pattern and not pattern.count("\\p{") and not re.search(pattern, text):
        raise Refused(f"{place} does not match {pattern}: {text}")
    check_length(shape, len(text), place)
    return text


def check_length(shape, length, place):
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max", sys.maxsize)
    if not low <= length <= high:
        raise Refused(f"{place} is {length} long, and may be {low} to {high}")


def local(node):
    return node.tag.rpartition("}")[2]


if __name__ == "__main__":
    main()

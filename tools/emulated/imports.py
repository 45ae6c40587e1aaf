"""Adds what MiniStack leaves out when it imports an API: the methods of x-amazon-apigateway-any-method, and the binary media types.

    imports.py STACK

AWS imports them itself. Nor does MiniStack know API keys that an authorizer supplies (docs/limits.md: how 429 is answered), so
methods no longer ask for one. Everything else of the deployment is left as it was deployed.
"""

import json
import sys
import urllib.request

import boto3

ANY = "x-amazon-apigateway-any-method"
MEDIA_TYPES = "x-amazon-apigateway-binary-media-types"

gateway = boto3.client("apigateway")


def replace(path: str, name: str, value: object) -> None:
    """Replaces a property. MiniStack takes the value as it is, where the SDK sends texts only."""
    request = urllib.request.Request(
        gateway.meta.endpoint_url + path,
        method="PATCH",
        data=json.dumps({"patchOperations": [{"op": "replace", "path": "/" + name, "value": value}]}).encode(),
        headers={"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request, timeout=10).close()


def chosen(value: dict) -> dict:
    """Looks through the condition that SAM puts around what belongs to a conditional API: the API exists, so it is true."""
    return value["Fn::If"][1] if "Fn::If" in value else value


def add_any(api: str, resource: str, operation: dict, authorizers: dict, function: str) -> None:
    """Adds the method ANY, which calls a function."""
    where = {"restApiId": api, "resourceId": resource, "httpMethod": "ANY"}
    guards = [authorizers[name] for scheme in operation.get("security", []) for name in scheme if name in authorizers]
    if guards:
        gateway.put_method(**where, authorizationType="CUSTOM", authorizerId=guards[0])
    else:
        gateway.put_method(**where, authorizationType="NONE")
    arn = boto3.client("lambda").get_function(FunctionName=function)["Configuration"]["FunctionArn"]
    uri = f"arn:aws:apigateway:{gateway.meta.region_name}:lambda:path/2015-03-31/functions/{arn}/invocations"
    gateway.put_integration(**where, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)


def main() -> int:
    stack = sys.argv[1]
    cloudformation = boto3.client("cloudformation")
    template = cloudformation.get_template(StackName=stack, TemplateStage="Processed")["TemplateBody"]
    if isinstance(template, str):
        template = json.loads(template)
    ids = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in cloudformation.describe_stack_resources(StackName=stack)["StackResources"]}

    for name, declared in template["Resources"].items():
        if declared["Type"] != "AWS::ApiGateway::RestApi" or name not in ids:
            continue
        api, body = ids[name], declared["Properties"]["Body"]
        replace(f"/restapis/{api}", "binaryMediaTypes", [m.replace("~1", "/") for m in body.get(MEDIA_TYPES, [])])
        authorizers = {a["name"]: a["id"] for a in gateway.get_authorizers(restApiId=api)["items"]}
        resources = {r["path"]: r["id"] for r in gateway.get_resources(restApiId=api, limit=500)["items"]}

        for path, methods in body["paths"].items():
            for method, operation in chosen(methods).items():
                operation = chosen(operation)
                if method == ANY:
                    uri = operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
                    function = uri.split("${")[-1].split(".Arn}")[0]
                    add_any(api, resources[path], operation, authorizers, ids[function])
                elif any("api_key" in scheme for scheme in operation.get("security", [])):
                    replace(f"/restapis/{api}/resources/{resources[path]}/methods/{method.upper()}", "apiKeyRequired", False)
        for stage in gateway.get_stages(restApiId=api)["item"]:
            gateway.create_deployment(restApiId=api, stageName=stage["stageName"])
    return 0


sys.exit(main())

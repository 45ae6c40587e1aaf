"""Prints what SAM makes of a template: CloudFormation as JSON, without AWS and without network.

    .tools/venv/bin/python tools/sam-translate.py template.yaml DemoApi=http Profile=cached

Parameters that are not given have the template's defaults. Code locations are placeholders: nothing is built or uploaded.
"""

import json
import sys

import boto3
from samcli.yamlhelper import yaml_parse
from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator


def translate(template: dict, parameters: dict) -> dict:
    """Returns the CloudFormation template that SAM deploys for the template and its parameters."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"  # SAM accepts only what was uploaded
    # A session is wanted for its region alone; the map of managed policies would be fetched only for policies given by name.
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name="us-east-1"))
    return translator.translate(sam_template=template, parameter_values=parameters)


def main() -> int:
    if len(sys.argv) < 2 or not all("=" in argument for argument in sys.argv[2:]):
        print(__doc__, file=sys.stderr)
        return 2
    with open(sys.argv[1], encoding="utf-8") as file:
        template = yaml_parse(file.read())
    parameters = dict(argument.split("=", 1) for argument in sys.argv[2:])
    unknown = parameters.keys() - template.get("Parameters", {}).keys()
    if unknown:
        print(f"no such parameter: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    try:
        json.dump(translate(template, parameters), sys.stdout, indent=1)
    except InvalidDocumentException as error:
        print(error.message, *(cause.message for cause in error.causes), sep="\n", file=sys.stderr)
        return 1
    return 0


sys.exit(main())

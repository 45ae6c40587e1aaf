"""sbom.py LICENCES SBOM…: completes the lists of what is in a release, and checks that everything in them may be shipped.

LICENCES is a list of the Go module's whole graph with the licences that were detected, which takes long and so is done once. They
are added to the SBOMs that have none. Serial numbers and times are removed: each build would have another.
"""

import json
import sys

# Licences under which something may be shipped with this project, which is under the Apache License 2.0.
ALLOWED = {"Apache-2.0", "MIT", "MIT-0", "BSD-2-Clause", "BSD-3-Clause", "BSD-Source-Code", "ISC", "0BSD", "Unlicense", "OFL-1.1", "CC0-1.0"}
# None is detected for these: somebody has read it.
KNOWN = {"std": [{"license": {"id": "BSD-3-Clause"}}]}


def read(file):
    with open(file, encoding="utf-8") as text:
        return json.load(text)


def expressions(component):
    for entry in component.get("licenses", []):
        licence = entry.get("license", {})
        yield entry.get("expression") or licence.get("id") or licence.get("name", "?")


def allowed(expression):
    return any(choice.strip("() ") in ALLOWED for choice in expression.split(" OR "))


detected = {(c["name"], c["version"]): c.get("licenses") for c in read(sys.argv[1])["components"]}
faults, seen = [], set()
for file in sys.argv[2:]:
    bom = read(file)
    bom.pop("serialNumber", None)
    bom["metadata"].pop("timestamp", None)
    if not bom.get("components"):
        faults.append(f"{file} lists nothing")
    for component in bom.get("components", []):
        name, version = component["name"], component.get("version")
        seen.add((component.get("group"), name, version))
        if not component.get("licenses"):
            component["licenses"] = detected.get((name, version)) or KNOWN.get(name, [])
        found = list(expressions(component)) or ["none is known"]
        if not all(map(allowed, found)):
            faults.append(f"{file}: {name} {version}: {', '.join(found)}")
    with open(file, "w", encoding="utf-8") as text:
        json.dump(bom, text, indent=2)
        text.write("\n")

if faults:
    sys.exit("Somebody must look at these licences, and at ALLOWED in tools/package/sbom.py:\n" + "\n".join(sorted(set(faults))))
print(f"{len(seen)} components, each with a licence that may be shipped.")

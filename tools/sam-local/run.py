"""Runs `sam local` on what `make build` built, and compares its answers with those of `bitting local`.

    run.py [--serve] [--skip-pull-image]

With the Python of SAM CLI's environment. It prints a line for each answer and ends with 1 if any is not as it should be. With --serve it
compares nothing: it prepares everything, says how to use it, and stops when it is told to. The README says what runs.
"""

import argparse
import contextlib
import http.client
import ipaddress
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.parse
from typing import Any, Iterator

from samcli.local.docker.container_client_factory import ContainerClientFactory

from cases import CALLS, FUNCTIONS, KNOWN
from compare import Answer, allows, decoded, differences

ROOT = pathlib.Path(__file__).resolve().parents[2]
WORK = ROOT / ".aws-sam" / "sam-local"
BEGAN = time.monotonic()

# The keys of the samples. Each file gets a key of its own for the first, as some of them change it.
SAMPLE = "bt_prod_7Qm2Xb0aVd91KtZs_0123456789abcdefghijABCDEFGHIJKL3NOHGi"
SAMPLE_ADMIN = "bt_prod_Adm1nKeyAdm1nKey_ABCDEFGHIJKLabcdefghij01234567891EKtP1"

WEBSITE = {"name": "Main website", "environment": "production", "permissions": ["messages:read", "messages:write"]}
ONCE = {"rateLimits": [{"name": "once", "limit": 1, "window": "1h"}]}


# Whoever this is may do nothing in AWS.
NOBODY = {
    "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true", "SAM_CLI_TELEMETRY": "0",
}


def said(text: str) -> None:
    print(f"[{time.monotonic() - BEGAN:3.0f} s] {text}", flush=True)


def key_id(secret: str) -> str:
    return secret.split("_")[2]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def environment(**more: str) -> dict[str, str]:
    """This process's environment without what concerns AWS or a deployment: nothing may use the credentials of this machine."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "BITTING_", "SAM_"))}
    return kept | more


def sam_environment() -> dict[str, str]:
    home = WORK / "home"
    home.mkdir(exist_ok=True)
    return environment(
        HOME=str(home), DOCKER_CONFIG=os.environ.get("DOCKER_CONFIG", str(pathlib.Path.home() / ".docker")), **NOBODY)


def call(base: str, method: str, path: str, key: str = "", body: Any = None, headers: dict[str, str] | None = None) -> Answer:
    """Makes a call as a client does that follows nothing and unpacks nothing."""
    url = urllib.parse.urlsplit(base)
    sent = {"Accept": "*/*", "User-Agent": "curl/8.14.1"} | (headers or {}) | ({"X-Api-Key": key} if key else {})
    if body is not None and not isinstance(body, str):
        body, sent["Content-Type"] = json.dumps(body), "application/json"
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    try:
        connection.request(method, url.path + path, body=body, headers=sent)
        response = connection.getresponse()
        said = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, said, decoded(response.read().decode()))
    finally:
        connection.close()


@contextlib.contextmanager
def process(command: list, log: pathlib.Path, how: int, **options: Any) -> Iterator[subprocess.Popen]:
    """Runs a program until the end of a block, and then stops it by a signal."""
    with open(log, "ab") as out, subprocess.Popen(command, stdout=out, stderr=out, **options) as running:
        try:
            yield running
        finally:
            running.send_signal(how)
            try:
                running.wait(60)
            except subprocess.TimeoutExpired:
                running.kill()


def wait_until(done: Any, running: subprocess.Popen, log: pathlib.Path) -> None:
    while not done():
        if running.poll() is not None:
            sys.exit(f"{' '.join(map(str, running.args))} ended:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)


@contextlib.contextmanager
def bitting_local(data: pathlib.Path, *flags: str) -> Iterator[dict]:
    """Runs `bitting local` with its data in a folder, and yields its local.json."""
    ready, log = data / "local.json", WORK / f"{data.name}.log"
    command = [WORK / "bitting", "local", "--listen", "127.0.0.1:0", "--data", data, *flags]
    with process(command, log, signal.SIGTERM, cwd=ROOT, env=environment()) as running:
        wait_until(ready.exists, running, log)
        yield json.loads(ready.read_text())


def make_keys(local: dict, files: list[str]) -> dict[str, str]:
    """Makes what the cases need, and returns secrets by the name of a case's key or the file of an event."""
    def wanted(status: int, *arguments: Any) -> Any:
        answer = call(local["url"], *arguments)
        if answer.status != status:
            sys.exit(f"{arguments[0]} {arguments[1]}: {answer.status} {answer.body}")
        return answer.body

    catalogue = wanted(200, "GET", "/v1/permissions", local["operatorKey"])
    # The routes of the APIs in authorizer-websocket.json and authorizer-appsync.json, which the demo's catalogue lacks.
    next(p for p in catalogue["permissions"] if p["name"] == "messages:read")["routes"] += [
        {"api": "chat", "method": "GET", "path": "/$connect"},
        {"api": "demo", "method": "POST", "path": "/graphql"},
    ]
    wanted(200, "PUT", "/v1/permissions", local["operatorKey"], {"permissions": catalogue["permissions"]})

    keys = {"": "", "admin": local["adminKey"], "operator": local["operatorKey"], **local["keys"]}
    for name in ["limited", "revoked", *files]:
        settings = WEBSITE | (ONCE if "limited" in name else {}) | ({} if name in files else {"environment": "development"})
        keys[name] = wanted(201, "POST", "/v1/organizations/acme/keys", local["adminKey"], settings)["secret"]
    return keys


class Event:
    """A file of events/, with keys that exist."""

    def __init__(self, file: pathlib.Path, keys: dict[str, str]) -> None:
        first = file.stem.split("-")[0]
        admin = keys["operator" if first in ("organizations", "permissions") else "admin"]
        text = file.read_text()
        for old, new in ((SAMPLE, keys[file.name]), (SAMPLE_ADMIN, admin)):
            text = text.replace(old, new).replace(key_id(old), key_id(new))
        self.name, self.key, self.json = file.name, keys[file.name], json.loads(text)
        if first not in FUNCTIONS:
            sys.exit(f"events/{file.name}: tools/sam-local/cases.py does not say which function it is for")
        self.function, self.authorizer = FUNCTIONS[first], first == "authorizer"
        self.http, self.demo = "-http" in file.stem, first in ("demo", "authorizer")
        if first == "organizations":  # the demo has one of the sample's name
            self.json["body"] = self.json["body"].replace('"acme"', '"umbrella"')
        self.context = self.json["requestContext"] if "requestContext" in self.json else {}
        # Of APIs that `bitting local` does not serve, by their call: what *explain* is asked about.
        self.asked: dict | None = None
        if "appsync" in self.name:
            self.asked = {"method": "POST", "path": "/graphql", "api": "demo"}
        elif "websocket" in self.name:
            self.asked = {"method": "GET", "path": "/$connect", "api": self.json["stageVariables"]["bittingApi"]}

    def answered_by(self, local: dict, admin: str) -> Answer:
        """The answer of `bitting local` to the call that the event is of."""
        e = self.json
        if self.authorizer:
            if self.asked:
                said = call(local["url"], "POST", f"/v1/organizations/acme/keys/{key_id(self.key)}/explain", admin, self.asked).body
                return Answer(200 if said["allowed"] else 403, {}, {"allowed": said["allowed"]})
            # A TOKEN authorizer's event has no more of the call than its ARN.
            _, _, method, path = (e.get("methodArn") or e["routeArn"]).split("/", 3)
            answer = call(local["url"] + "/production", method, "/" + path, self.key)
            context = {name: value for name, value in answer.body["authorizer"].items() if name not in ("principalId", "integrationLatency")}
            return Answer(answer.status, {}, {"authorizer": context})

        method = e.get("httpMethod") or self.context["http"]["method"]
        path = e.get("path") or e["rawPath"].removeprefix("/production")
        query = urllib.parse.urlencode(e.get("queryStringParameters") or {})
        headers = {name: value for name, value in e["headers"].items() if not name.lower().startswith(("host", "x-amzn", "x-forwarded"))}
        base, target = local["url"] + ("/production" if self.demo else ""), path + ("?" + query if query else "")
        if "limited" in self.name:
            call(base, method, target, headers=headers)
        answer = call(base, method, target, body=e.get("body"), headers=headers)
        if isinstance(answer.body, dict) and "authorizer" in answer.body and "authorizer" in self.context:
            said = answer.body["authorizer"]
            self.context["authorizer"] = {"lambda": said} if self.http else said
        return answer

    def read(self, out: str) -> Answer:
        """The answer of a function that ran in a container, as its API would give it."""
        lines = out.strip().splitlines()
        said = decoded(lines[-1]) if lines else None
        if not isinstance(said, dict):
            return Answer(0, {}, out)
        if "isAuthorized" in said:
            return Answer(200 if said["isAuthorized"] else 403, {}, {"allowed": said["isAuthorized"]})
        if self.authorizer:
            if "policyDocument" not in said:
                return Answer(401 if said.get("errorMessage") == "Unauthorized" else 500, {}, said)
            allowed = allows(said["policyDocument"], self.json.get("methodArn") or self.json["routeArn"])
            return Answer(200 if allowed else 403, {}, {"allowed": allowed} if self.asked else {"authorizer": said["context"]})
        if "statusCode" not in said:
            return Answer(500, {}, said)
        headers = {name.lower(): ", ".join(values) for name, values in (said.get("multiValueHeaders") or {}).items()}
        headers |= {name.lower(): value for name, value in (said.get("headers") or {}).items()}
        return Answer(said["statusCode"], headers, decoded(said.get("body") or ""))


# ---- Containers ----


class Relay(socketserver.ThreadingTCPServer):
    """Lets the containers of one network reach a port of loopback, by the address that this machine has there."""

    daemon_threads = True

    def __init__(self, gateway: str, subnet: str, port: int) -> None:
        self.subnet, self.target = ipaddress.ip_network(subnet), ("127.0.0.1", port)
        super().__init__((gateway, 0), Relaying)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return ipaddress.ip_address(client_address[0]) in self.subnet


class Relaying(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        with socket.create_connection(self.server.target) as onward:
            back = threading.Thread(target=copy, args=(onward, self.request), daemon=True)
            back.start()
            copy(self.request, onward)
            back.join()


def copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def network(engine: Any, port: int) -> Iterator[tuple[str, str]]:
    """Makes a network for the containers, and yields its name and where they find a port of this machine's loopback."""
    made = engine.networks.create(f"bitting-sam-local-{os.getpid()}", driver="bridge")
    try:
        made.reload()
        address = made.attrs["IPAM"]["Config"][0]
        try:
            relay = Relay(address["Gateway"], address["Subnet"], port)
        except OSError:  # the containers are in a virtual machine, as with Docker Desktop, which has a name for this one
            yield made.name, f"http://host.docker.internal:{port}"
            return
        with relay:
            threading.Thread(target=relay.serve_forever, daemon=True).start()
            try:
                yield made.name, "http://{}:{}".format(*relay.server_address)
            finally:
                relay.shutdown()
    finally:
        made.reload()
        for container in made.containers:  # left by a sam that was killed
            container.remove(force=True)
        made.remove()


class Sam:
    """`sam local` with all that it needs to run the functions."""

    def __init__(self, tables: str, network_name: str, skip_pull: bool) -> None:
        self.skip_pull = skip_pull
        build = WORK / "build"
        shutil.copytree(ROOT / ".aws-sam" / "build", build, copy_function=os.link)
        # The key that wraps the peppers lies beside the code, which is all of this machine that a container sees. Not in .aws-sam/build:
        # what is there may be deployed.
        for function in filter(pathlib.Path.is_dir, build.iterdir()):
            shutil.copytree(WORK / "sam" / "keys", function / "keys")
        variables = {"AWS_ENDPOINT_URL_DYNAMODB": tables, "BITTING_LOCAL_KEYS": "/var/task/keys", "BITTING_AWS_TIMEOUT": "3s"}
        (WORK / "env.json").write_text(json.dumps({"Parameters": variables}, indent=2))
        machine = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
        self.flags = ["--template", build / "template.yaml", "--env-vars", WORK / "env.json", "--docker-network", network_name,
                      "--parameter-overrides", f"Architecture={machine}", "SignIn=none"]

    def command(self, *arguments: Any) -> list:
        return [pathlib.Path(sys.executable).with_name("sam"), "local", *arguments, *self.flags, *(["--skip-pull-image"] if self.skip_pull else [])]

    def invoke(self, function: str, event: pathlib.Path) -> str:
        done = subprocess.run(self.command("invoke", function, "--event", event), cwd=WORK, env=sam_environment(), capture_output=True, text=True)
        with open(WORK / "invoke.log", "a") as log:
            log.write(done.stderr)
        if done.returncode != 0 and not done.stdout.strip():
            return done.stderr[-300:]
        self.skip_pull = True  # it is there now
        return done.stdout

    @contextlib.contextmanager
    def api(self) -> Iterator[str]:
        port, log = free_port(), WORK / "start-api.log"
        command = self.command("start-api", "--port", port, "--warm-containers", "LAZY")
        def listens() -> bool:
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0
        with process(list(map(str, command)), log, signal.SIGINT, cwd=WORK, env=sam_environment()) as running:
            wait_until(listens, running, log)
            yield f"http://127.0.0.1:{port}"


# ---- The run ----


class Report:
    """Prints each comparison, and counts those that are not as the table of known differences says."""

    def __init__(self, ids: dict[str, str]) -> None:
        self.ids, self.faults, self.seen = ids, 0, set()

    def add(self, case: str, status: int, sam: Answer, local: Answer) -> None:
        self.seen.add(case)
        found = differences(sam, local, self.ids)
        why, known = KNOWN.get(case, ("", []))
        faults = [f"NEW: {f}" for f in found if f not in known] + [f"GONE: {k}" for k in known if k not in found]
        if local.status != status:
            faults.append(f"bitting local answers {local.status}, which should be {status}: {local.body}")
        self.faults += len(faults)
        verdict = "FAILS" if faults else f"differs as known: {why}" if found else "same"
        said(f"{sam.status} {local.status}  {case:42} {verdict}")
        for line in faults + [f for f in found if f in known]:
            print(f"{'':8}{line}", flush=True)

    def end(self) -> int:
        for case in KNOWN.keys() - self.seen:
            self.faults += 1
            print(f"FAILS: {case} has known differences, and there is no such case")
        return self.faults


def compare(sam: Sam, events: list[tuple[Event, Answer]], local: dict, keys: dict[str, str]) -> int:
    report = Report({key_id(secret): f"ID of {name}" for name, secret in keys.items() if secret})
    said("sam local invoke: the status of sam local, that of bitting local, the event")
    for event, answer in events:
        out = sam.invoke(event.function, WORK / "events" / event.name)
        status = 429 if "limited" in event.name else answer.status if answer.status < 300 else 200
        report.add(event.name, status, event.read(out), answer)

    said("sam local start-api: likewise, the call")
    with sam.api() as url:
        for name, method, path, key, body, status in CALLS:
            path = re.sub(r"{(\w+)}", lambda found: key_id(keys[found[1]]), path)
            secret = keys.get(key, key)
            # Of the APIs of the demo, sam local serves the last in the template.
            base = local["url"] + ("/development" if name.startswith("demo") else "")
            report.add(name, status, call(url, method, path, secret, body), call(base, method, path, secret, body))
    return report.end()


def serve(sam: Sam, events: list[tuple[Event, Answer]]) -> None:
    line = lambda *arguments: "  " + " ".join(map(str, sam.command(*arguments)))
    nobody = " ".join(f"{name}={value}" for name, value in NOBODY.items())
    print(f"sam local has a DynamoDB now, until Ctrl-C. In another shell, with credentials that are none:\n  export {nobody}")
    for event, _ in events:
        print(line("invoke", event.function, "--event", WORK / "events" / event.name))
    print(line("start-api"), flush=True)
    threading.Event().wait()


def run(engine: Any, options: argparse.Namespace) -> int:
    """Prepares everything, and returns the number of faults."""
    files = sorted((ROOT / "events").glob("*.json"))
    with bitting_local(WORK / "first") as first:
        keys = make_keys(first, [file.name for file in files])
    for side in ("sam", "rest", "http"):  # each begins with the same rows, and no other changes them
        shutil.copytree(WORK / "first", WORK / side)
    with contextlib.ExitStack() as running:
        rest, by_http, tables = (running.enter_context(bitting_local(WORK / side, "--api", "http" if side == "http" else "rest"))
                                 for side in ("rest", "http", "sam"))
        name, address = running.enter_context(network(engine, urllib.parse.urlsplit(tables["dynamodb"]).port))
        sam = Sam(address, name, options.skip_pull_image)
        events = []
        for file in files:
            event = Event(file, keys)
            events.append((event, event.answered_by(by_http if event.http and event.demo else rest, keys["admin"])))
            (WORK / "events" / file.name).write_text(json.dumps(event.json, indent=2))
        said(f"containers find DynamoDB at {address}")
        if not options.serve:
            return compare(sam, events, by_http, keys)
        with contextlib.suppress(KeyboardInterrupt):
            serve(sam, events)
        return 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", action="store_true", help="only say whether there is a container engine")
    parser.add_argument("--serve", action="store_true", help="compare nothing: prepare, and wait")
    parser.add_argument("--skip-pull-image", action="store_true", help="use the image of Lambda that is there")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        engine = ContainerClientFactory.create_client()
    except Exception as fault:  # SAM has one for each way of not being there
        print(f"make sam-local cannot run: sam finds no container engine ({fault}).\nInstall Docker (https://docs.docker.com/engine/install/) or "
              "Finch (https://runfinch.com), start it, and try again. For Podman, set DOCKER_HOST to its socket.", file=sys.stderr)
        return 1
    if options.engine:
        return 0

    shutil.rmtree(WORK, ignore_errors=True)
    (WORK / "events").mkdir(parents=True, mode=0o700)
    WORK.chmod(0o700)  # there are secrets in it
    subprocess.run([os.environ.get("GO", "go"), "build", "-o", WORK / "bitting", "./cmd/bitting"], cwd=ROOT, check=True)
    faults = run(engine, options)
    if faults:
        said(f"{faults} differences that are not known, or known and gone. What ran is in {WORK.relative_to(ROOT)}.")
        return 1
    shutil.rmtree(WORK)
    said("All as it should be.")
    return 0


try:
    sys.exit(main())
except KeyboardInterrupt:
    sys.exit(130)

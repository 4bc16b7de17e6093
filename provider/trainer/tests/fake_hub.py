"""A small hub on 127.0.0.1: the routes that huggingface_hub uses to fetch and upload a model."""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

TOKEN = "hf_right"


class FakeHub:
    """Repositories as {name: {revision: {file: bytes}}}; what is uploaded appears there, too."""

    def __init__(self):
        self.repositories, self.requests, self.tokens = {}, [], set()
        self.blobs, self.private, self.commits, self.gated = {}, set(), [], set()
        self.damage = lambda name, content: content
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server = server
        self.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def add(self, name, files, revision="main"):
        self.repositories.setdefault(name, {})[revision] = dict(files)
        return commit_of(files)

    def files(self, name, revision):
        for tag, files in self.repositories.get(name, {}).items():
            if revision in (tag, commit_of(files)):
                return files
        return None

    def _handler(hub):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, body=b"", **headers):
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key.replace("_", "-"), value)
                if "Content_Length" not in headers:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def handle_any(self):
                path = urlsplit(self.path).path
                hub.requests.append(f"{self.command} {path}")
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
                if token:
                    hub.tokens.add(token)
                for pattern, handle in ROUTES:
                    found = re.fullmatch(pattern, f"{self.command} {path}")
                    if found:
                        return handle(self, hub, token, body, *found.groups())
                return self.answer(404, {"error": "no such route"})

            do_GET = do_HEAD = do_POST = do_PUT = handle_any

        return Handler


def commit_of(files):
    text = json.dumps({name: hashlib.sha256(data).hexdigest() for name, data in files.items()})
    return hashlib.sha1(text.encode()).hexdigest()


def is_lfs(name):
    return name.endswith((".safetensors", ".bin"))


def model_info(request, hub, token, _body, name, revision):
    if name not in hub.repositories or (name in hub.private and token != TOKEN):
        return request.answer(404, {"error": "?"}, X_Error_Code="RepoNotFound")
    if name in hub.gated and token != TOKEN:
        return request.answer(403, {"error": "?"}, X_Error_Code="GatedRepo")
    files = hub.files(name, revision)
    if files is None:
        return request.answer(404, {"error": "?"}, X_Error_Code="RevisionNotFound")
    siblings = []
    for file, data in files.items():
        sibling = {"rfilename": file, "size": len(data), "blobId": blob_id(data)}
        if is_lfs(file):
            sha256 = hashlib.sha256(data).hexdigest()
            sibling["lfs"] = {"sha256": sha256, "size": len(data), "pointerSize": 130}
        siblings.append(sibling)
    return request.answer(200, {"id": name, "sha": commit_of(files), "siblings": siblings})


def tree(request, hub, _token, _body, name, revision):
    entries = []
    for file, data in (hub.files(name, revision) or {}).items():
        entry = {"type": "file", "path": file, "size": len(data), "oid": blob_id(data)}
        if is_lfs(file):
            sha256 = hashlib.sha256(data).hexdigest()
            entry["lfs"] = {"oid": sha256, "size": len(data), "pointerSize": 130}
        entries.append(entry)
    return request.answer(200, entries)


def blob_id(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def resolve(request, hub, _token, _body, name, revision, file):
    files = hub.files(name, revision) or {}
    if file not in files:
        return request.answer(404, {"error": "?"}, X_Error_Code="EntryNotFound")
    data = hub.damage(file, files[file])
    etag = hashlib.sha256(files[file]).hexdigest() if is_lfs(file) else blob_id(files[file])
    headers = {"X_Repo_Commit": commit_of(files), "ETag": f'"{etag}"', "Accept_Ranges": "bytes"}
    wanted = re.fullmatch(r"bytes=(\d+)-.*", request.headers.get("Range") or "")
    start = int(wanted[1]) if wanted else 0
    if request.command == "HEAD":
        return request.answer(200, b"", Content_Length=str(len(data)), **headers)
    if start:
        headers["Content_Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
    return request.answer(206 if start else 200, data[start:], **headers)


def create(request, hub, token, body):
    asked = json.loads(body)
    if token != TOKEN:
        return request.answer(401, {"error": "Invalid user token."})
    name = f"{asked.get('organization') or 'me'}/{asked['name']}"
    if name in hub.repositories:
        return request.answer(409, {"error": "exists", "url": f"{hub.url}/{name}"})
    hub.repositories[name] = {"main": {}}
    if asked.get("private") or asked.get("visibility") == "private":
        hub.private.add(name)
    return request.answer(200, {"url": f"{hub.url}/{name}", "name": name})


def preupload(request, _hub, _token, body, _name, _revision):
    files = [
        {"path": file["path"], "uploadMode": "lfs" if is_lfs(file["path"]) else "regular",
         "shouldIgnore": False}
        for file in json.loads(body)["files"]
    ]  # fmt: skip
    return request.answer(200, {"files": files})


def lfs_batch(request, hub, _token, body, _name):
    objects = []
    for asked in json.loads(body)["objects"]:
        action = {"href": f"{hub.url}/lfs/{asked['oid']}", "header": {}}
        objects.append({**asked, "authenticated": True, "actions": {"upload": action}})
    return request.answer(200, {"transfer": "basic", "objects": objects})


def lfs_put(request, hub, _token, body, oid):
    assert hashlib.sha256(body).hexdigest() == oid
    hub.blobs[oid] = body
    return request.answer(200)


def commit(request, hub, _token, body, name, revision):
    files = hub.repositories[name].setdefault(revision, {})
    for line in body.decode().splitlines():
        entry = json.loads(line)
        value = entry["value"]
        if entry["key"] == "header":
            hub.commits.append(value["summary"])
        if entry["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        if entry["key"] == "lfsFile":
            files[value["path"]] = hub.blobs[value["oid"]]
    url = f"{hub.url}/{name}/commit/{commit_of(files)}"
    return request.answer(200, {"success": True, "commitOid": commit_of(files), "commitUrl": url})


NAME = r"([\w.-]+/[\w.-]+)"
ROUTES = [
    (rf"GET /api/models/{NAME}/revision/([^/]+)", model_info),
    (rf"GET /api/models/{NAME}/tree/([^/]+)", tree),
    (rf"(?:GET|HEAD) /{NAME}/resolve/([^/]+)/(.+)", resolve),
    (r"POST /api/repos/create", create),
    (rf"POST /api/models/{NAME}/preupload/([^/]+)", preupload),
    (rf"POST /{NAME}\.git/info/lfs/objects/batch", lfs_batch),
    (r"PUT /lfs/(\w+)", lfs_put),
    (rf"POST /api/models/{NAME}/commit/([^/]+)", commit),
    (
        r"POST /api/validate-yaml",
        lambda request, *_: request.answer(200, {"errors": [], "warnings": []}),
    ),
]

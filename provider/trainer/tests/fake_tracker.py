"""A small Weights & Biases on 127.0.0.1: the routes that its client uses to open and feed a run."""

import base64
import gzip
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = "a" * 40


class FakeTracker:
    """Keeps runs as {id: {step: figures}}, and their other properties."""

    def __init__(self):
        self.runs, self.configs, self.names, self.projects = {}, {}, {}, {}
        self.lines, self.keys = [], set()
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server = server
        self.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def _handler(tracker):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def body(self):
                if self.headers.get("Transfer-Encoding") == "chunked":
                    data = b""
                    while size := int(self.rfile.readline(), 16):
                        data += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                else:
                    data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                return gzip.decompress(data) if self.headers.get("Content-Encoding") else data

            def answer(self, status, content):
                data = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self):
                body = self.body()
                scheme, _, credentials = (self.headers.get("Authorization") or "").partition(" ")
                key = base64.b64decode(credentials).decode().removeprefix("api:")
                if self.path == "/graphql":
                    tracker.keys.add(key)
                    if scheme != "Basic" or key != KEY:
                        return self.answer(401, {"data": None})
                    asked = json.loads(body)
                    return self.answer(
                        200, {"data": tracker._graphql(asked["query"], asked["variables"])}
                    )
                if self.path.endswith("/file_stream"):
                    tracker._stream(self.path.split("/")[4], json.loads(body))
                return self.answer(200, {})

            def do_PUT(self):
                self.body()
                self.answer(200, {})

        return Handler

    def _graphql(self, query, variables):
        name = variables.get("name")
        if "RunResumeStatus" in query:
            bucket = self._bucket(name) if name in self.runs else None
            return {"model": {"id": "1", "name": "p", "entity": ENTITY, "bucket": bucket}}
        if "upsertBucket" in query:
            is_new = name not in self.runs
            self.runs.setdefault(name, {})
            self.names[name] = variables.get("displayName") or self.names.get(name)
            self.projects[name] = variables.get("project") or self.projects.get(name)
            if variables.get("config"):
                self.configs[name] = json.loads(variables["config"])
            return {"upsertBucket": {"bucket": self._bucket(name), "inserted": is_new}}
        if "createRunFiles" in query:
            files = [{"name": file, "uploadUrl": f"{self.url}/put"} for file in variables["files"]]
            return {
                "createRunFiles": {"runID": variables["run"], "uploadHeaders": [], "files": files}
            }
        return {}

    def _bucket(self, name):
        points = self.runs[name]
        tail = [json.dumps(points[step]) for step in sorted(points)[-1:]]
        return {
            "id": name, "name": name, "displayName": self.names.get(name), "description": "",
            "config": "{}", "summaryMetrics": "{}", "historyLineCount": len(points),
            "logLineCount": 0, "eventsLineCount": 0, "historyTail": json.dumps(tail),
            "eventsTail": "[]", "tags": [], "notes": None, "wandbConfig": "{\"t\":{}}",
            "sweepName": None,
            "project": {"id": "1", "name": self.projects.get(name) or "p", "entity": ENTITY},
        }  # fmt: skip

    def _stream(self, name, body):
        history = (body.get("files") or {}).get("wandb-history.jsonl", {})
        for line in history.get("content", []):
            point = json.loads(line)
            self.lines.append((name, point["_step"]))
            self.runs[name][point["_step"]] = point


ENTITY = {"id": "2", "name": "me"}

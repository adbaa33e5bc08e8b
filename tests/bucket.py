"""A stand-in for Google Cloud Storage: its JSON API over HTTP, with objects in memory.

What gcsfs, tensorstore and google-cloud-storage ask for: objects read whole and in
ranges, listed with prefix and delimiter, page by page, written in one request or in a
session, deleted, copied and composed, each with generations and preconditions. They
find it by the environment variables of `where`; folders it has none, as they have none.
"""

import base64
import contextlib
import dataclasses
import email.parser
import hashlib
import http.server
import itertools
import json
import pathlib
import re
import threading
import urllib.parse

_PAGE = 1000


@dataclasses.dataclass
class Object:
    """An object: what is in it, and which writing of it this is."""

    data: bytes
    generation: int

    def told(self, bucket: str, name: str) -> dict:
        """Returns its resource, as JSON."""
        digest = hashlib.md5(self.data).digest()
        return {
            "kind": "storage#object",
            "bucket": bucket,
            "name": name,
            "size": str(len(self.data)),
            "generation": str(self.generation),
            "metageneration": "1",
            "etag": str(self.generation),
            "contentType": "application/octet-stream",
            "updated": "2026-01-01T00:00:00.000000Z",
            "timeCreated": "2026-01-01T00:00:00.000000Z",
            "md5Hash": base64.b64encode(digest).decode(),
        }


class Refused(Exception):
    """What is answered in place of what was asked for."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status


class Store:
    """Buckets and what is in them.

    Attributes:
        buckets: {bucket: {name: Object}}.
        refuses: {(bucket, "read" or "write"): status}, of buckets that are another's.
        requests: (method, path with query, Authorization) of every request so far.
        is_broken: whether every request is answered by 503, as in an outage.
    """

    def __init__(self):
        self.buckets: dict[str, dict[str, Object]] = {}
        self.refuses: dict[tuple[str, str], int] = {}
        self.requests: list[tuple[str, str, str | None]] = []
        self.is_broken = False
        self.lock = threading.RLock()
        self.sessions: dict[str, tuple[str, str, dict, bytearray]] = {}
        self._generations = itertools.count(1_700_000_000_000_001)

    def clear(self) -> None:
        """Forgets all of it."""
        for kept in (self.buckets, self.refuses, self.requests, self.sessions):
            kept.clear()
        self.is_broken = False

    def make(self, bucket: str) -> None:
        """Makes a bucket, empty."""
        self.buckets[bucket] = {}

    def put(self, url: str, data: bytes) -> None:
        """Writes gs://bucket/name."""
        bucket, _, name = url.removeprefix("gs://").partition("/")
        self.write(bucket, name, data, {})

    def put_all(self, folder: pathlib.Path, url: str) -> None:
        """Writes all files of a folder below gs://bucket/prefix."""
        for path in folder.rglob("*"):
            if path.is_file():
                self.put(f"{url}/{path.relative_to(folder)}", path.read_bytes())

    def get(self, url: str) -> bytes:
        """Returns what is in gs://bucket/name."""
        bucket, _, name = url.removeprefix("gs://").partition("/")
        return self.buckets[bucket][name].data

    def names(self, url: str) -> list[str]:
        """Returns the objects below gs://bucket/prefix, by what follows it."""
        bucket, _, prefix = url.removeprefix("gs://").partition("/")
        prefix = prefix and f"{prefix.rstrip('/')}/"
        found = self.buckets[bucket]
        return sorted(n.removeprefix(prefix) for n in found if n.startswith(prefix))

    def bucket(self, name: str, kind: str = "read") -> dict[str, Object]:
        if status := self.refuses.get((name, kind)):
            # As Google says it to whoever has not logged in, or has no rights.
            raise Refused(
                status,
                "Anonymous caller does not have storage.objects access to the Google "
                "Cloud Storage bucket. Permission denied on resource (or it may not "
                "exist).",
            )
        if name not in self.buckets:
            raise Refused(404, "The specified bucket does not exist.")
        return self.buckets[name]

    def read(self, bucket: str, name: str, query: dict) -> Object:
        objects = self.bucket(bucket)
        self.check(objects.get(name), query)
        if name not in objects:
            raise Refused(404, f"No such object: {bucket}/{name}")
        found = objects[name]
        if query.get("generation", str(found.generation)) != str(found.generation):
            raise Refused(404, f"No such object: {bucket}/{name}")
        return found

    def check(self, there: Object | None, query: dict) -> None:
        generation = str(there.generation) if there else "0"
        if query.get("ifGenerationMatch", generation) != generation:
            raise Refused(412, "At least one of the pre-conditions did not hold.")
        if query.get("ifGenerationNotMatch") == generation and there:
            raise Refused(304, "")

    def write(self, bucket: str, name: str, data: bytes, query: dict) -> dict:
        with self.lock:
            objects = self.bucket(bucket, "write")
            self.check(objects.get(name), query)
            made = objects[name] = Object(bytes(data), next(self._generations))
            return made.told(bucket, name)

    def delete(self, bucket: str, name: str, query: dict) -> None:
        with self.lock:
            objects = self.bucket(bucket, "write")
            self.check(objects.get(name), query)
            if name not in objects:
                raise Refused(404, f"No such object: {bucket}/{name}")
            del objects[name]

    def listed(self, bucket: str, query: dict) -> dict:
        """Returns a page of a listing."""
        start, stop = query.get("startOffset", ""), query.get("endOffset")
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        begin = query.get("pageToken", "")
        most = int(query.get("maxResults", _PAGE))
        items, prefixes = {}, {}
        with self.lock:
            for name, found in sorted(self.bucket(bucket).items()):
                if not name.startswith(prefix) or name < start:
                    continue
                if stop and name >= stop:
                    continue
                head, cut, _ = name[len(prefix) :].partition(delimiter or "\0")
                key = prefix + head + cut if delimiter and cut else name
                if key <= begin or key in prefixes:
                    continue
                if len(items) + len(prefixes) == most:
                    last = max([*items, *prefixes])
                    return self._page(items, prefixes) | {"nextPageToken": last}
                if key == name:
                    items[name] = found.told(bucket, name)
                else:
                    prefixes[key] = None
        return self._page(items, prefixes)

    def _page(self, items: dict, prefixes: dict) -> dict:
        page = {"kind": "storage#objects"}
        page |= {"items": list(items.values())} if items else {}
        return page | ({"prefixes": list(prefixes)} if prefixes else {})


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # Headers and content in one packet.
    store: Store

    def _answer(self) -> None:
        asked = (self.command, self.path, self.headers.get("Authorization"))
        self.store.requests.append(asked)
        body = self._body()
        try:
            if self.store.is_broken:
                raise Refused(503, "The service is unavailable.")
            status, headers, content = self._route(body)
        except Refused as refused:
            told = {"code": refused.status, "message": str(refused)}
            status, headers = refused.status, {"Content-Type": "application/json"}
            content = json.dumps({"error": told}).encode()
        if status in (204, 304):
            content = b""
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = _answer

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _route(self, body: bytes) -> tuple[int, dict, bytes]:
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        parts = [urllib.parse.unquote(part) for part in url.path.split("/")[1:]]
        if parts[:1] == ["session"]:
            return self._session(parts[1], body)
        is_upload, is_download = parts[0] == "upload", parts[0] == "download"
        parts = parts[1:] if is_upload or is_download else parts
        if parts[:3] != ["storage", "v1", "b"] or len(parts) < 4:
            raise Refused(404, f"{url.path} is not known here.")
        bucket, rest = parts[3], parts[4:]
        if not rest:
            self.store.bucket(bucket)
            return _json({"kind": "storage#bucket", "name": bucket, "id": bucket})
        if rest == ["o"]:
            if is_upload:
                return self._upload(bucket, query, body)
            return _json(self.store.listed(bucket, query))
        name, action = rest[1], rest[2:]
        if action[:1] in (["rewriteTo"], ["copyTo"]):
            return self._copy(bucket, name, action, query)
        if action == ["compose"]:
            return self._compose(bucket, name, query, json.loads(body))
        if self.command == "DELETE":
            self.store.delete(bucket, name, query)
            return 204, {}, b""
        found = self.store.read(bucket, name, query)
        if is_download or query.get("alt") == "media":
            return self._media(found)
        return _json(found.told(bucket, name))

    def _media(self, found: Object) -> tuple[int, dict, bytes]:
        headers = {
            "Content-Type": "application/octet-stream",
            "x-goog-generation": str(found.generation),
            "x-goog-stored-content-length": str(len(found.data)),
        }
        size = len(found.data)
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            return 200, headers, found.data
        if not asked[1]:
            start, stop = max(0, size - int(asked[2])), size
        else:
            start = int(asked[1])
            stop = min(size, int(asked[2]) + 1) if asked[2] else size
        if start >= size:
            raise Refused(416, "The requested range cannot be satisfied.")
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        return 206, headers, found.data[start:stop]

    def _upload(self, bucket: str, query: dict, body: bytes) -> tuple:
        kind = query.get("uploadType")
        if kind == "media":
            return _json(self.store.write(bucket, query["name"], body, query))
        if kind == "multipart":
            told, data = self._parts(body)
            return _json(self.store.write(bucket, told["name"], data, query))
        self.store.bucket(bucket, "write")
        name = query.get("name") or json.loads(body)["name"]
        session = f"{len(self.store.sessions)}"
        self.store.sessions[session] = (bucket, name, query, bytearray())
        host = self.headers["Host"]
        return 200, {"Location": f"http://{host}/session/{session}"}, b""

    def _parts(self, body: bytes) -> tuple[dict, bytes]:
        kind = self.headers["Content-Type"]
        boundary = email.parser.HeaderParser().parsestr(f"Content-Type: {kind}\n\n")
        mark = b"--" + boundary.get_boundary().encode()
        # What is in the object may hold line breaks, and the mark ends it.
        _, told, data = body.split(mark, 2)
        data = data[: data.rindex(mark)].removesuffix(b"\n").removesuffix(b"\r")
        split = re.compile(rb"\r?\n\r?\n")
        return json.loads(split.split(told, 1)[1]), split.split(data, 1)[1]

    def _session(self, session: str, body: bytes) -> tuple[int, dict, bytes]:
        bucket, name, query, data = self.store.sessions[session]
        if self.command == "DELETE":
            del self.store.sessions[session]
            return 499, {}, b""
        told = self.headers.get("Content-Range", "")
        asked = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", told)
        if asked and asked[1]:
            data[int(asked[1]) :] = body
        elif not asked:
            data[:] = body
        if not asked or asked[3] == str(len(data)):
            return _json(self.store.write(bucket, name, bytes(data), query))
        return 308, {"Range": f"bytes=0-{len(data) - 1}"} if data else {}, b""

    def _copy(self, bucket: str, name: str, action: list[str], query: dict) -> tuple:
        found = self.store.read(bucket, name, {})
        told = self.store.write(action[2], action[4], found.data, query)
        if action[0] == "copyTo":
            return _json(told)
        return _json(
            {"kind": "storage#rewriteResponse", "done": True, "resource": told}
        )

    def _compose(self, bucket: str, name: str, query: dict, asked: dict) -> tuple:
        sources = [part["name"] for part in asked["sourceObjects"]]
        data = b"".join(self.store.read(bucket, part, {}).data for part in sources)
        return _json(self.store.write(bucket, name, data, query))

    def log_message(self, *_) -> None:
        pass


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address) -> None:
        """Says nothing: clients hang up when they have heard enough."""


def _json(told: dict) -> tuple[int, dict, bytes]:
    return 200, {"Content-Type": "application/json"}, json.dumps(told).encode()


def where(url: str) -> dict[str, str]:
    """Returns the environment in which programs find the stand-in, and no other."""
    return {
        # gcsfs and google-cloud-storage.
        "STORAGE_EMULATOR_HOST": url,
        "TENSORSTORE_GCS_HTTP_URL": url,
        # Nobody asks a machine of Google's for credentials: port 9 answers nothing.
        "NO_GCE_CHECK": "true",
        "GCE_METADATA_ROOT": "127.0.0.1:9",
        "CLOUDSDK_CONFIG": "/nowhere",
    }


@contextlib.contextmanager
def served():
    """Serves a store; yields it and its url."""
    store = Store()
    handler = type("Handler", (_Handler,), {"store": store})
    server = _Server(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield store, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()

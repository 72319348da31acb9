# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for AWX's API on loopback: the endpoints that awx.awx asks for what this collection sets up.

It refuses what AWX refuses. `prefix` is /api/ for AWX and /api/controller/ for Ansible Automation Platform.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from .checks import survey
from .kinds import KINDS, UNIFIED
from .store import Object, RefusedError, Role, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE_SIZE, MAXIMUM_PAGE_SIZE = 25, 200
PRODUCTS = {"/api/": "AWX", "/api/controller/": "Red Hat Ansible Automation Platform"}
Answer = tuple[int, Any]


@dataclass(frozen=True)
class Asked:
    """A request: by which account, with what."""

    method: str
    user: int
    sent: Object
    query: dict[str, str]


@dataclass
class Api:
    """Answers requests about a store."""

    store: Store
    prefix: str = "/api/"
    tokens: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, target: str, authorization: str, body: bytes) -> Answer:
        """Return status and body."""
        parts = urlsplit(target)
        root = f"{self.prefix}v2/"
        if not parts.path.startswith(root) or not parts.path.endswith("/"):
            return 404, {"detail": "The requested resource could not be found."}
        path = parts.path.removeprefix(root).strip("/").split("/")
        with self.lock:
            try:
                user = self._user(authorization)
                sent = json.loads(body) if body and method in ("POST", "PATCH") else {}
                return self._routed(path, Asked(method, user, sent, dict(parse_qsl(parts.query))))
            except RefusedError as error:
                return error.status, error.body

    def _user(self, authorization: str) -> int:
        scheme, _, value = authorization.partition(" ")
        if scheme == "Bearer" and value in self.tokens:
            return self.tokens[value]
        if scheme == "Basic":
            name, _, password = base64.b64decode(value).decode().partition(":")
            for one in self.store.objects["users"].values():
                if one["username"] == name and secrets.compare_digest(self.store.passwords[name], password):
                    return int(one["id"])
        raise RefusedError(401, {"detail": "Authentication credentials were not provided."})

    def _routed(self, path: list[str], asked: Asked) -> Answer:
        match path:
            case ["tokens"] if asked.method == "POST":
                token = secrets.token_urlsafe(20)
                self.tokens[token] = asked.user
                return 201, {"id": len(self.tokens), "token": token}
            case ["tokens", _number] if asked.method == "DELETE":
                return 204, None
            case ["unified_job_templates"] if asked.method == "GET":
                return self._list(UNIFIED, asked)
            case [kind] if kind in KINDS:
                return self._create(kind, asked) if asked.method == "POST" else self._list((kind,), asked)
            case [kind, number] if kind in KINDS:
                return self._detail(kind, int(number), asked)
        return self._routed_below(path, asked)

    def _routed_below(self, path: list[str], asked: Asked) -> Answer:
        match path:
            case ["project_updates", number] | ["projects", number, "update"]:
                return self._update(int(number), asked)
            case ["roles", number, ("teams" | "users") as actors]:
                return self._role(self.store.roles[int(number)], actors, asked)
            case [("job_templates" | "workflow_job_templates") as kind, number, "survey_spec"]:
                return self._survey(self._seen(kind, int(number), asked.user), asked)
            case ["workflow_job_template_nodes" as kind, number, "create_approval_template"]:
                return self._approval(self._seen(kind, int(number), asked.user), asked)
            case [kind, number, name] if kind in KINDS and name in KINDS[kind].lists:
                return self._related(self._seen(kind, int(number), asked.user), name, asked)
        return 404, {"detail": "Not found."}

    def _seen(self, kind: str, number: int, user: int) -> Object:
        thing = self.store.get(kind, number)
        if not self.store.sees(user, kind, thing):
            raise RefusedError(403, {"detail": "You do not have permission to perform this action."})
        return thing

    def _may(self, user: int, kind: str, thing: Object) -> None:
        if not self.store.changes_allowed(user, kind, thing):
            raise RefusedError(403, {"detail": "You do not have permission to perform this action."})

    def _create(self, kind: str, asked: Asked) -> Answer:
        self._may(asked.user, kind, asked.sent)
        made = self.store.create(KINDS[kind], asked.sent)
        return 201, self._shown(kind, made)

    def _detail(self, kind: str, number: int, asked: Asked) -> Answer:
        thing = self._seen(kind, number, asked.user)
        if asked.method == "GET":
            return 200, self._shown(kind, thing)
        self._may(asked.user, kind, thing)
        if asked.method == "PATCH":
            return 200, self._shown(kind, self.store.change(KINDS[kind], number, asked.sent))
        if asked.method == "DELETE":
            if kind == "inventories":
                self.store.delete_later(number)
                return 202, None
            self.store.delete(kind, number)
            return 204, None
        raise RefusedError(405, {"detail": f'Method "{asked.method}" not allowed.'})

    def _list(self, kinds: tuple[str, ...], asked: Asked) -> Answer:
        paging = ("page", "page_size")
        wanted = {name: value for name, value in asked.query.items() if name not in paging}
        found = [
            self._shown(kind, thing)
            for kind in kinds
            for thing in self.store.objects[kind].values()
            if self.store.sees(asked.user, kind, thing) and self._matches(kind, thing, wanted, lenient=len(kinds) > 1)
        ]
        if kinds == ("inventories",):
            self.store.looked_at_inventories()
        return self._page("unified_job_templates" if len(kinds) > 1 else kinds[0], found, asked.query)

    def _matches(self, kind: str, thing: Object, wanted: dict[str, str], *, lenient: bool) -> bool:
        either = []
        for name, value in wanted.items():
            plain = name.removeprefix("or__")
            if plain not in ("id", "type") and plain not in KINDS[kind].fields:
                if lenient:
                    return False
                raise RefusedError(400, {"detail": f"{KINDS[kind].type} has no field named '{plain}'"})
            same = str(thing.get(plain)) == value
            if name.startswith("or__"):
                either.append(same)
            elif not same:
                return False
        return any(either) if either else True

    def _page(self, endpoint: str, found: list[Object], query: dict[str, str]) -> Answer:
        size = min(int(query.get("page_size", PAGE_SIZE)), MAXIMUM_PAGE_SIZE)
        page = int(query.get("page", 1))
        if page > 1 and (page - 1) * size >= len(found):
            return 404, {"detail": "Invalid page."}
        following = None
        if page * size < len(found):
            following = f"{self.prefix}v2/{endpoint}/?{urlencode({**query, 'page': page + 1})}"
        results = found[(page - 1) * size : page * size]
        return 200, {"count": len(found), "next": following, "previous": None, "results": results}

    def _related(self, thing: Object, name: str, asked: Asked) -> Answer:
        kind = self.store.kind_of(thing["id"])
        to = KINDS[kind].lists[name]
        numbers = self.store.lists.setdefault((kind, thing["id"], name), [])
        if asked.method == "GET":
            found = [self._shown(to, self.store.get(to, number)) for number in numbers]
            return self._page(f"{kind}/{thing['id']}/{name}", found, asked.query)
        self._may(asked.user, kind, thing)
        number = asked.sent.get("id")
        if not isinstance(number, int):
            raise RefusedError(400, {"id": ["This field is required."]})
        other = self.store.get(to, number)
        if asked.sent.get("disassociate"):
            numbers.remove(number)
        else:
            self._associable(thing, other, name, numbers)
            numbers.append(number)
        self.store.changes += 1
        return 204, None

    def _associable(self, thing: Object, other: Object, name: str, there: list[int]) -> None:
        if name == "credentials":
            types = {self.store.get("credentials", number)["credential_type"] for number in there}
            if other["credential_type"] in types:
                raise RefusedError(400, {"error": "Cannot assign multiple credentials of the same type."})
        if name.endswith("_nodes"):
            if other["workflow_job_template"] != thing["workflow_job_template"]:
                raise RefusedError(403, {"detail": "not of the same workflow"})
            if self._reaches(other["id"], thing["id"]):
                raise RefusedError(400, {"Error": "Cycle detected."})

    def _reaches(self, start: int, goal: int) -> bool:
        following = (
            number
            for name in ("success_nodes", "failure_nodes", "always_nodes")
            for number in self.store.lists.get(("workflow_job_template_nodes", start, name), ())
        )
        return start == goal or any(self._reaches(number, goal) for number in following)

    def _survey(self, thing: Object, asked: Asked) -> Answer:
        if asked.method == "GET":
            return 200, thing["_survey"]
        self._may(asked.user, self.store.kind_of(thing["id"]), thing)
        if asked.method == "POST" and (errors := survey(asked.sent)):
            return 400, errors
        thing["_survey"] = asked.sent if asked.method == "POST" else {}
        self.store.changes += 1
        return 200, None

    def _approval(self, node: Object, asked: Asked) -> Answer:
        workflow = self.store.get("workflow_job_templates", node["workflow_job_template"])
        self._may(asked.user, "workflow_job_templates", workflow)
        made = self.store.create(KINDS["workflow_approval_templates"], asked.sent)
        node["unified_job_template"] = made["id"]
        return 201, self._shown("workflow_approval_templates", made)

    def _role(self, role: Role, actors: str, asked: Asked) -> Answer:
        having = role.teams if actors == "teams" else role.users
        if asked.method == "GET":
            found = [self._shown(actors, self.store.get(actors, number)) for number in sorted(having)]
            return self._page(f"roles/{actors}", found, asked.query)
        self._may(asked.user, role.kind, self.store.get(role.kind, role.thing))
        actor = self.store.get(actors, asked.sent["id"])
        if actors == "teams" and role.kind == "organizations" and role.name in ("member_role", "admin_role"):
            said = "You cannot assign an Organization participation role as a child role for a Team."
            return 400, {"msg": said}
        if actors == "teams" and role.kind == "credentials":
            of_credential = self.store.get("credentials", role.thing)["organization"]
            if of_credential != actor["organization"]:
                return 400, {"msg": "You cannot grant credential access to a team of a different organization"}
        (having.discard if asked.sent.get("disassociate") else having.add)(actor["id"])
        self.store.changes += 1
        return 204, None

    def _update(self, number: int, asked: Asked) -> Answer:
        """Begin a project's update, or look at it; here it has the number of the project."""
        if asked.method == "POST":
            self._may(asked.user, "projects", self._seen("projects", number, asked.user))
            self.store.updates[number] = 2
            self.store.changes += 1
            return 202, self._update_shown(number, "pending")
        left = self.store.updates.get(number, 0)
        self.store.updates[number] = max(left - 1, 0)
        if left > 1:
            return 200, self._update_shown(number, "running")
        return 200, self._update_shown(number, "successful" if self.store.updated(number) else "failed")

    def _update_shown(self, number: int, status: str) -> Object:
        finished = "2026-01-01T00:00:00Z" if status in ("successful", "failed") else None
        told = {"id": number, "status": status, "failed": status == "failed", "finished": finished, "scm_revision": ""}
        return {**told, "url": f"{self.prefix}v2/project_updates/{number}/", "summary_fields": {}}

    def _shown(self, kind: str, thing: Object) -> Object:
        out = self.store.shown(kind, thing)
        here = f"{self.prefix}v2/{kind}/{thing['id']}/"
        related = {name: f"{here}{name}/" for name in KINDS[kind].lists}
        if "survey_enabled" in thing:
            related["survey_spec"] = f"{here}survey_spec/"
        for name, one in KINDS[kind].fields.items():
            if one.json is None and thing.get(name):
                related[name] = f"{self.prefix}v2/{self.store.kind_of(thing[name])}/{thing[name]}/"
        roles = {
            role.name: {"id": number, "name": role.name.removesuffix("_role").title()}
            for number, role in self.store.roles.items()
            if role.thing == thing["id"]
        }
        summary: Object = {"object_roles": roles}
        if kind == "projects":
            out["scm_revision"] = ""
            related["update"] = f"{here}update/"
            if self.store.updates.get(thing["id"], 0):
                summary["current_update"] = {"id": thing["id"]}
        return {**out, "url": here, "related": related, "summary_fields": summary}


@contextmanager
def serving(api: Api) -> Iterator[str]:
    """Serve it; yield its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # An answer in two small packets waits for the client's acknowledgement in between.
        wbufsize = -1

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            status, answer = api.answer(self.command, self.path, self.headers.get("Authorization", ""), body)
            text = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("X-API-Product-Name", PRODUCTS[api.prefix])
            self.send_header("X-API-Product-Version", "24.6.1")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815 - as http.server wants them

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

"""What a careful client needs, whatever the vendor: a record on disk, a deadline, waiting, downloads, claims, callbacks."""

import json
import os
import queue
import sys
import threading
import time
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import requests

TIMEOUT = 90.0
INTERVAL = 3.0
DEADLINE = float(os.environ.get("JOB_DEADLINE") or 300)


class Failed(Exception):
    """The job has failed for good."""


class NotKnown(Exception):
    """What became of the job is not known yet; its record is kept."""


class Lasting(Failed):
    """A refusal that no repetition can change; `code` is the vendor's."""

    def __init__(self, code, message):
        super().__init__(f"refused with {code}: {message}")
        self.code = code


class Passing(Exception):
    """A refusal before any effect that may pass; `wait` is what Retry-After says, or None."""

    def __init__(self, text, wait=None):
        super().__init__(text)
        self.wait = wait


class Doubtful(Exception):
    """No answer, or one from which nobody can tell what happened."""


class Record:
    """The job on disk: written before anything is sent, read at the start."""

    def __init__(self, folder):
        self.path = Path(folder) / "job.json"
        self.facts = json.loads(self.path.read_text()) if self.path.exists() else {}

    def __getitem__(self, name):
        return self.facts.get(name)

    def keep(self, **facts):
        self.facts.update(facts)
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(self.facts))
        temporary.replace(self.path)


class Callbacks:
    """Receives callbacks: parses first, acknowledges at once, and only tells which task to read."""

    def __init__(self, port, task_of):
        self.answer = {"code": "200"}
        self.news = queue.SimpleQueue()
        self.tasks = {}
        self.task_of = task_of
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                outer.receive(self, self.path, body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def receive(self, handler, path, body):
        try:
            task = self.task_of(json.loads(body))
        except ValueError:
            self.reply(handler, 400, {"code": "400"})
            return
        job = parse_qs(urlsplit(path).query).get("job", [""])[0]
        self.reply(handler, 200, self.answer)
        if task:
            self.heard(job, task)

    def heard(self, job, task):
        self.tasks.setdefault(job, task)
        self.news.put(task)

    def reply(self, handler, status, document):
        body = json.dumps(document).encode()
        handler.send_response(status)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)


class Client:
    """One job from picture to file. A vendor's class says how to submit, to ask and to check."""

    attempts = 5
    deadline = DEADLINE
    interval = INTERVAL
    tolerated = 8

    def __init__(self):
        self.url = os.environ["SWAPMOCK_URL"]
        self.image = os.environ["SWAPMOCK_IMAGE_URL"]
        self.face = os.environ["SWAPMOCK_FACE_URL"]
        self.folder = Path(os.environ.get("SWAPMOCK_WORK_DIR", "."))
        self.record = Record(self.folder)
        if not self.record["job"]:
            self.record.keep(job=os.urandom(8).hex())
        self.started = time.monotonic()
        port = os.environ.get("SWAPMOCK_CALLBACK_PORT")
        self.callbacks = self.receiver(int(port)) if port else None
        base = os.environ.get("SWAPMOCK_CALLBACK_URL")
        self.callback_url = f"{base}?job={self.record['job']}" if base else None

    def receiver(self, port):
        return Callbacks(port, self.task_in_callback)

    # One request

    def send(self, method, path, **given):
        """The parsed answer. Raises Doubtful where there is none that can be read."""
        try:
            answer = requests.request(
                method, self.url + path, headers=self.headers(), timeout=TIMEOUT, allow_redirects=False, **given
            )
            document = answer.json()
        except requests.exceptions.SSLError as error:
            raise Failed(f"the server's certificate is not valid: {error}") from None
        except (requests.RequestException, ValueError) as error:
            raise Doubtful(type(error).__name__) from None
        if not isinstance(document, dict) or "code" not in document:
            raise Doubtful(f"HTTP {answer.status_code} with no code")
        return self.checked(answer, document)

    def checked(self, answer, document):
        """`data` of a success. The code in the body counts, whatever the HTTP status is."""
        code = str(document["code"])
        if code == "200":
            return document.get("data") or {}
        if code in self.passing:
            raise Passing(f"refused with {code}", self.retry_after(answer))
        if code in self.doubtful:
            raise Doubtful(f"code {code}")
        raise Lasting(code, document.get("message") or document.get("msg"))

    def retry_after(self, answer):
        """Seconds to wait, from either form of the header."""
        told = answer.headers.get("Retry-After")
        if told is None:
            return None
        if told.isdigit():
            return float(told)
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())

    # Submitting

    def submit_once(self, submit):
        """A task's id. A passing refusal is tried again later; a doubtful answer is checked before anything is sent."""
        gap = 2.0
        for attempt in range(self.attempts):
            try:
                return submit()
            except Passing as busy:
                if attempt == self.attempts - 1:
                    raise Failed(f"gave up after {self.attempts} attempts: {busy}") from None
                self.pause(busy.wait or gap)
                gap = min(gap * 2, 60.0)
            except Doubtful as doubt:
                found = self.look_for_it(doubt)
                if found:
                    return found
                self.pause(gap)
                gap = min(gap * 2, 60.0)
        raise Failed("gave up after several attempts")

    def look_for_it(self, doubt):
        """The id of the task that a doubtful submission made, None if it certainly made none. Raises NotKnown."""
        raise NotKnown(doubt)  # a vendor that can be asked overrides this

    # Waiting

    def wait_for(self, ask):
        """The answer that tells the end. One failing poll ends nothing, the deadline ends the wait."""
        failing = 0
        while True:
            wait = self.interval
            try:
                answer = ask()
                failing = 0
                state = self.state(answer)
                if state == "succeeded":
                    return answer
                if state == "failed":
                    raise Failed(f"the task failed: {self.reason(answer)}")
            except Passing as busy:
                failing += 1
                wait = busy.wait or self.interval * 2
            except Doubtful:
                failing += 1
            except Lasting as refused:
                if refused.code != "404" or failing >= 3:
                    raise NotKnown(f"polls are {refused}") from None
                failing += 1
            if failing > self.tolerated:
                raise NotKnown(f"{failing} polls failed one after the other")
            self.pause(min(wait * max(1, failing), 120.0))

    def pause(self, seconds):
        """Sleep, but not beyond the job's deadline."""
        left = self.deadline - (time.monotonic() - self.started)
        if left <= 0 or seconds > left:
            raise NotKnown("the deadline has passed; the task goes on at the vendor")
        time.sleep(seconds)

    # Fetching

    def fetch(self, link):
        """The path of the stored result. Three tries; nothing counts that is not a whole medium."""
        for attempt in range(3):
            try:
                return self.fetch_once(link)
            except Doubtful as wrong:
                if attempt == 2:
                    raise NotKnown(f"the result could not be fetched: {wrong}") from None
                self.pause(5.0)
        return None

    def fetch_once(self, link):
        try:
            answer = requests.get(link, timeout=TIMEOUT)
        except requests.RequestException as error:
            raise Doubtful(type(error).__name__) from None
        kind, size = answer.headers.get("content-type", ""), answer.headers.get("content-length")
        if answer.status_code != 200 or not kind.startswith(("image/", "video/")):
            raise Doubtful(f"HTTP {answer.status_code}, {kind}")
        if not answer.content or (size is not None and int(size) != len(answer.content)):
            raise Doubtful("it is not whole")
        return self.store(answer.content, Path(urlsplit(link).path).suffix)

    def store(self, content, suffix):
        path = self.folder / f"result{suffix}"
        part = path.with_suffix(".part")
        part.write_bytes(content)
        part.replace(path)
        return path

    # The whole

    def run(self):
        if self.record["done"]:
            return self.record["done"]
        task = self.record["task"] or self.new_task()
        self.record.keep(task=task)
        answer = self.wait_for(lambda: self.ask(task))
        links = self.links(answer)
        if not links:
            raise Failed("the task succeeded without any media")
        path = self.fetch(links[0])
        self.fulfil(task)
        self.record.keep(done=str(path))
        return path

    def new_task(self):
        if self.record["doubt"]:
            found = self.look_for_it(Doubtful("an earlier run was not answered"))
            if found:
                return found
        return self.submit_job()

    def fulfil(self, task):
        """Deliver to the user, once per task."""
        if self.record["fulfilled"] != task:
            self.record.keep(fulfilled=task)
            self.tell("SWAPMOCK_EFFECT_URL", {"effect": "fulfil", "task": task, "id": self.record["job"]})

    def tell(self, variable, document):
        where = os.environ.get(variable)
        if where:
            requests.post(where, json=document, timeout=TIMEOUT)

    def claim(self, outcome, reason=None):
        self.tell("SWAPMOCK_OUTCOME_URL", {"outcome": outcome, "task": self.record["task"], "reason": reason})

    def linger(self):
        """A receiver stays for callbacks that come late or twice."""
        if self.callbacks is not None:
            time.sleep(4.0)


def main(kind):
    client = kind()
    try:
        path = client.run()
    except Failed as failure:
        client.claim("failed", str(failure))
        print(f"failed: {failure}", file=sys.stderr)
        client.linger()
        return 1
    except NotKnown as doubt:
        client.claim("unknown", str(doubt))
        print(f"not known yet: {doubt}; task {client.record['task']}", file=sys.stderr)
        client.linger()
        return 75
    client.claim("succeeded")
    print(f"done: {path}")
    client.linger()
    return 0

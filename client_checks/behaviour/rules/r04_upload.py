"""R4: an upload is a PUT with the declared content type and without the key."""

from urllib.parse import parse_qs, urlsplit

from swapmock.client_checks.behaviour.model import Findings, Level, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.providers import PROVIDERS
from swapmock.client_checks.behaviour.rule import Rule


def judge(case: Observations) -> Findings:
    """Judge the method and the headers of uploads."""
    links = case.of(Role.UPLOAD_LINK)
    for put in case.of(Role.UPLOAD):
        before = [one for one in links if one.number < put.number]
        own = [one for one in before if urlsplit(put.target).path in one.answer_text]
        asked = next(iter(reversed(own or before)), None)
        declared = parse_qs(urlsplit(asked.target).query).get("content_type", [""])[0] if asked is not None else ""
        shown = [name for name, value in put.headers.items() if _is_key(case, name, value)]
        sent = put.headers.get("content-type", "").partition(";")[0].strip()
        if shown:
            yield broken(f"the upload shows the key to the store in the header {shown[0]}", put)
        elif declared and sent.lower() != declared.lower():
            yield broken(
                f"the link was made for {declared}, the upload says {sent or 'nothing'}",
                *([asked] if asked else []),
                put,
            )
        else:
            yield kept("the declared type, and no key", put)


def _is_key(case: Observations, name: str, value: str) -> bool:
    """Return whether a header shows the key: it is the key's own header, or its value contains the key."""
    own = PROVIDERS[case.provider].secret_headers - {"authorization"}
    return name in own or any(secret in value for secret in case.secrets)


RULE = Rule(
    id="R4",
    title="uploads by PUT with the declared content type and without the key",
    levels={"crun": Level.MUST},
    sources={"crun": "the vendor's command-line tool: PUT with the declared Content-Type, no API key"},
    looks_at="requests for upload links and the uploads that follow",
    good="use a separate request for the upload, without the client's default headers",
    bad="r4_uploads_with_the_key",
    judge=judge,
)

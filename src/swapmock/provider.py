"""What a provider from outside this package is built with. The guide is docs/add-a-provider.md."""

from swapmock.contracts import Contract, Registration
from swapmock.mock_server.core.call import Cacheable, Call, Problem, Reply
from swapmock.mock_server.core.credits import from_credits, to_credits
from swapmock.mock_server.core.faces import FaceRef
from swapmock.mock_server.core.provider import CallbackToSign, Identity, Provider, VendorResponse
from swapmock.mock_server.core.seeded import hexadecimal, uuid4
from swapmock.mock_server.core.task import Phase, Task
from swapmock.mock_server.engine.engine import Engine
from swapmock.mock_server.providers.links import face_at, file_url
from swapmock.mock_server.providers.rest import (
    ErrorToWrite,
    RestWire,
    authenticate_by_key,
    problem_details,
    rest_provider,
    usual_error,
)
from swapmock.mock_server.providers.submission import faces_in, submit_task
from swapmock.mock_server.providers.task_pages import page_of_tasks

__all__ = [
    "Cacheable",
    "Call",
    "CallbackToSign",
    "Contract",
    "Engine",
    "ErrorToWrite",
    "FaceRef",
    "Identity",
    "Phase",
    "Problem",
    "Provider",
    "Registration",
    "Reply",
    "RestWire",
    "Task",
    "VendorResponse",
    "authenticate_by_key",
    "face_at",
    "faces_in",
    "file_url",
    "from_credits",
    "hexadecimal",
    "page_of_tasks",
    "problem_details",
    "rest_provider",
    "submit_task",
    "to_credits",
    "usual_error",
    "uuid4",
]

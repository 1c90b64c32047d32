"""Sentences that come from elsewhere are shown in the reader's language: each kind that the code can say has a row."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from html import unescape
from itertools import product
from time import process_time
from types import ModuleType

import pytest

from swapmock.contracts import load
from swapmock.mock_server.adapters import transport
from swapmock.mock_server.admin import explanations
from swapmock.mock_server.core import delivery
from swapmock.mock_server.core.clock import ClockMode
from swapmock.mock_server.core.delivery import DeliveryState
from swapmock.mock_server.core.ledger import Account, Move
from swapmock.mock_server.core.task import Phase
from swapmock.mock_server.inspector.languages import translations
from swapmock.mock_server.inspector.sentences import LONGEST, SENTENCES, translated
from tests.inspector.conftest import Reader, Story

CHINESE = re.compile(r"[一-鿿]")


def zh(text: str) -> str:
    return translated(text, translations("zh").gettext)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("`image_url` is missing; you sent `imageUrl`", "缺少 `image_url`；您发送的是 `imageUrl`"),
        (
            "callback attempt 2 to http://127.0.0.1:9/x: the connection was refused; next due at 2026-01-01T00:00:00Z",
            "第 2 次回调 http://127.0.0.1:9/x：连接被拒绝；下次应于 2026-01-01T00:00:00Z",
        ),
        ("callback attempt 1 to http://h/a: b: acknowledged", "第 1 次回调 http://h/a：b: acknowledged"),
        ("task t1: queued -> running", "任务 t1：已排队 → 运行中"),
        ("blocked: app is not loopback; --callback-allow app would allow it", "已拦截：app 不是回环地址；--callback-allow app 可放行"),
        ("/by: is missing; /to: does nothing", "/by：缺失; /to：不起任何作用"),
        (
            "127.0.0.2 is not the address that submitted the task; --callback-allow 127.0.0.2 would allow it",
            "127.0.0.2 不是提交任务的地址；--callback-allow 127.0.0.2 可放行",
        ),
        (
            "app has the address 10.0.0.1, which is not loopback; --callback-allow app would allow it",
            "app 的地址 10.0.0.1 不是回环地址；--callback-allow app 可放行",
        ),
        ("a file of 9 bytes: 0 bytes of a body went over the connection", "文件 9 字节：连接上传输了 0 字节正文"),
        (
            "a file of 9 bytes, bytes 0-1/9: 2 bytes of a body went over the connection, SHA-256 ab",
            "文件 9 字节，bytes 0-1/9：连接上传输了 2 字节正文，SHA-256 ab",
        ),
        (
            "its file is drawn with 64 by 32 pixels, 5 s; at most 256 pixels a side (--max-media-side), 10 s "
            "(--max-media-seconds) and H.264 level 5.2",
            "文件按 64 × 32 像素、5 秒 绘制；每边最多 256 像素（--max-media-side），最长 10 秒（--max-media-seconds），不超过 H.264 level 5.2",
        ),
        ("GPU on fire", "GPU on fire"),
        ("not enough credits", "not enough credits"),
        ("fault %(x)s was applied", "故障 %(x)s 已生效"),
        ("", ""),
    ],
)  # fmt: skip
def test_a_sentence_is_found_with_its_values(text: str, shown: str) -> None:
    assert zh(text) == shown
    assert translated(text, translations("en").gettext) == text


def variants(node: ast.expr) -> list[str]:
    """The texts that an expression can be; `X` stands for every value."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.JoinedStr):
        return ["".join(parts) for parts in product(*map(variants, node.values))]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return ["".join(parts) for parts in product(variants(node.left), variants(node.right))]
    if isinstance(node, ast.IfExp):
        return variants(node.body) + variants(node.orelse)
    if isinstance(node, ast.BoolOp):
        return [text for value in node.values for text in variants(value)]
    return ["X"]


#: Functions whose texts no page shows, or that are parts of other sentences.
ELSEWHERE = {
    "exchange_summary",
    "task_summary",
    "delivery_summary",
    "_nearest",
    "_query_of",
    "_query",
    "nearest_operation",
}

#: What raises an error whose text says why an attempt failed.
ERRORS = {"Blocked", "OSError", "SendResult"}


def spoken(module: ModuleType) -> Iterator[str]:
    """Every sentence that the functions of a module return, yield, store as a `detail` or give as an error."""
    for function in ast.walk(ast.parse(inspect.getsource(module))):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or function.name in ELSEWHERE:
            continue
        for node in ast.walk(function):
            for one in said_by(node):
                yield from (text for text in variants(one) if re.search(r"[a-z]{2} [a-z`]", text))


def said_by(node: ast.AST) -> list[ast.expr]:
    """The expressions of a statement or call that may be sentences."""
    if isinstance(node, ast.Return | ast.Yield):
        return [] if node.value is None else [node.value]
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        return [node.value]
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ERRORS:
        return [*node.args, *(keyword.value for keyword in node.keywords)]
    return []


#: Sentences of which a value is a part of the sentence; the table above has them whole.
CHOSEN = {
    "X is not X; --callback-allow X would allow it",
    "a file of X bytesX: X bytes of a body went over the connectionX",
    "its file is drawn with X; X",
}


@pytest.mark.parametrize("module", [explanations, delivery, transport], ids=lambda module: module.__name__)
def test_each_kind_of_sentence_has_a_row(module: ModuleType) -> None:
    found = set(spoken(module)) - CHOSEN
    assert len(found) > 3
    assert sorted(text for text in found if not CHINESE.search(zh(text))) == []


WORDS = [*DeliveryState, *Phase, *Move, *Account, *ClockMode]


@pytest.mark.parametrize("word", WORDS, ids=str)
def test_each_word_has_a_row(word: str) -> None:
    assert CHINESE.search(zh(str(word)))


@pytest.mark.parametrize("move", Move, ids=str)
def test_each_move_of_credits_has_a_row(move: Move) -> None:
    assert CHINESE.search(zh(f"{move} 3 credits"))


def test_the_translations_of_the_losses_are_those_of_the_report() -> None:
    from swapmock.client_checks.behaviour.reports.document import LOSSES

    assert [name for name in LOSSES if not CHINESE.search(zh(name.replace("_", " ")))] == []


def test_no_text_takes_long() -> None:
    hostile = [
        "`" * LONGEST,
        "a" * LONGEST,
        ": " * (LONGEST // 2),
        "; /" * (LONGEST // 3),
        "`x` is missing; you sent " * 150,
    ]
    start = process_time()
    for text in hostile:
        zh(text)
    assert process_time() - start < 1
    assert zh("fault " + "x" * LONGEST + " was applied").startswith("fault ")


def test_no_row_hides_another() -> None:
    """A special row comes before the general one: each row finds itself."""
    for template in SENTENCES:
        text = re.sub(r"%\((\w+)\)s", r"\1", template)
        expected = translations("zh").gettext(template)
        literals = [part for part in re.split(r"%\(\w+\)s", expected) if len(part) > 1]
        assert all(part in zh(text) for part in literals), template


PAGES = [
    "/__admin", "{}", "{}/requests", "{}/requests/{violation}", "{}/requests/{created}", "{}/requests/{download}", "{}/requests/{cut}",
    "{}/requests/{fault}", "{}/requests/{unmatched}", "{}/requests/{imgopen violation}", "{}/tasks/{swap}", "{}/tasks/{failed}",
    "{}/tasks/{video}", "{}/deliveries", "{}/deliveries/{delivery}", "{}/deliveries/{dead}", "{}/media", "{}/ledger", "{}/inbox",
    "{}/tasks/none", "/__admin/runs", "/__admin/ui/nowhere",
]  # fmt: skip

#: Four English words in a row.
ENGLISH = re.compile(r"[A-Za-z']+(?: [A-Za-z']+){3,}")


def data_of_contracts() -> str:
    """The texts of the contracts that pages show as they are."""
    return " ".join(str(load(name).document) + str(load(name).behaviour) for name in ("crun", "imgopen"))


@pytest.mark.parametrize("template", PAGES)
def test_a_chinese_page_is_chinese_but_for_data(story: Story, reader: Reader, template: str) -> None:
    path = template.replace("{}", story.path()).format(**story.ids) if "{" in template else template
    text = reader.get(path, **{"Accept-Language": "zh"}).text
    assert CHINESE.search(text)
    shown = re.sub(r"(?s)<(code|pre|script|style|figcaption|table class=\"pairs\").*?</\1?[^>]*>", " ", text)
    words = unescape(re.sub(r"<[^>]*>", "\n", shown))
    known = data_of_contracts()
    assert [found for found in ENGLISH.findall(words) if found not in known and "GPU on fire" not in found] == []

"""Parsed contracts are kept beside Python's bytecode, and never serve what is not in the file."""

import os
import sys

import pytest

from swapmock import contracts


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = tmp_path / "table.yaml"
    file.write_text("a: [1, {200: x}]\n")
    return file


def kept(file):
    return list((file.parent / "__pycache__").glob("*"))


def test_it_is_parsed_once(file, monkeypatch):
    first = contracts.kept(file)
    monkeypatch.setattr(contracts, "read_yaml", lambda path: pytest.fail("parsed again"))
    assert contracts.kept(file) == first == {"a": [1, {200: "x"}]}
    assert len(kept(file)) == 1


def test_a_change_is_seen(file):
    contracts.kept(file)
    file.write_text("a: [2, {200: y}]\n")
    os.utime(file, ns=(1, 1))
    assert contracts.kept(file) == {"a": [2, {200: "y"}]}


@pytest.mark.parametrize("content", [b"", b"no marshal", b"\xe3\x07\x00", b"i\x07\x00\x00\x00"])
def test_what_cannot_be_read_is_parsed(file, content):
    contracts.kept(file)
    kept(file)[0].write_bytes(content)
    assert contracts.kept(file) == {"a": [1, {200: "x"}]}


def test_where_nothing_may_be_written_nothing_is(file, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert contracts.kept(file) == {"a": [1, {200: "x"}]}
    assert not (file.parent / "__pycache__").exists()


def test_a_value_that_is_no_plain_data_is_not_kept(file):
    file.write_text("a: 2026-01-01\n")
    assert contracts.kept(file)["a"].year == 2026
    assert kept(file) == []

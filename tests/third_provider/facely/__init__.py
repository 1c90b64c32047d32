"""Facely: a provider from outside the package, which brings its contract and its handlers."""

from pathlib import Path

from swapmock.provider import Registration
from tests.third_provider.facely.provider import provider

REGISTRATION = Registration(Path(__file__).parent / "contract", provider)

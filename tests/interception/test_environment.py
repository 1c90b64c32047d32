"""The variables for clients: what they hold, and what of the user's own stays."""

import ssl
import subprocess
from pathlib import Path

import pytest

from swapmock.mock_server.interception import intercept
from tests.interception.conftest import ENVIRONMENT


@pytest.fixture
def given(interception):
    return interception.variables


def variables_with(**own):
    with intercept(environment={**ENVIRONMENT, **own}) as running:
        return dict(running.variables)


def test_the_proxy_variables_in_both_cases(given, interception):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        assert given[name] == given[name.lower()] == interception.proxy_url
    assert given["NO_PROXY"] == given["no_proxy"] == "localhost,127.0.0.1,::1"


def test_the_credentials_and_addresses(given, interception):
    credentials = interception.control.default.document["credentials"]
    assert given["CRUN_API_KEY"] == credentials["crun"]["key"]
    assert given["IMGOPEN_ACCESS_KEY_ID"] == credentials["imgopen"]["key"]
    assert given["IMGOPEN_ACCESS_KEY_SECRET"] == credentials["imgopen"]["secret"]
    assert given["SWAPMOCK_URL"] == interception.url
    assert given["SWAPMOCK_CALLBACK_URL"] == interception.callback_url
    assert given["SWAPMOCK_CALLBACK_PORT"] == str(interception.callback_port)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_bundle_holds_the_systems_roots_and_ours(name, given):
    everything = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    everything.load_verify_locations(given[name])
    system = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    system.load_default_certs()
    roots = set(system.get_ca_certs(binary_form=True))
    assert roots <= set(everything.get_ca_certs(binary_form=True))
    assert len(everything.get_ca_certs()) == len(roots) + 1


def test_only_the_run_s_own_authority_is_extra_for_node(given):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(given["NODE_EXTRA_CA_CERTS"])
    (authority,) = context.get_ca_certs()
    assert ("organizationName", "swapmock run") in [pair for part in authority["subject"] for pair in part]


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"])
def test_the_user_s_own_roots_stay(name, tmp_path, given):
    own = tmp_path / "company.pem"
    own.write_bytes(Path(given["DENO_CERT"]).read_bytes())
    with intercept(environment={**ENVIRONMENT, name: str(own)}) as running:
        bundle = Path(running.variables[name]).read_bytes()
    assert bundle.startswith(own.read_bytes().rstrip())
    assert bundle.count(b"BEGIN CERTIFICATE") == 2


@pytest.mark.parametrize("named", ["/nowhere", "/dev/null", "/tmp", ""])
def test_a_bundle_that_cannot_be_read_gives_way_to_the_system_s(named, given):
    with intercept(environment={**ENVIRONMENT, "SSL_CERT_FILE": named}) as running:
        count = Path(running.variables["SSL_CERT_FILE"]).read_bytes().count(b"BEGIN CERTIFICATE")
    assert count == Path(given["SSL_CERT_FILE"]).read_bytes().count(b"BEGIN CERTIFICATE")


@pytest.mark.parametrize(
    ("own", "kept"),
    [
        ("db.internal, .corp", ",db.internal,.corp"),
        ("*", ""),
        ("crun.ai,.crun.ai,api.crun.ai:443,*.crun.ai,zhiqite.com", ""),
        ("run.ai", ",run.ai"),
        ("localhost", ""),
    ],
)
def test_no_proxy_keeps_what_does_not_name_a_vendor(own, kept):
    assert variables_with(no_proxy=own)["NO_PROXY"] == "localhost,127.0.0.1,::1" + kept


def test_options_of_the_user_stay():
    variables = variables_with(NODE_OPTIONS="--max-old-space-size=512", JAVA_TOOL_OPTIONS="-Xmx1g")
    assert variables["NODE_OPTIONS"].startswith("--max-old-space-size=512 --require ")
    assert variables["JAVA_TOOL_OPTIONS"].startswith("-Xmx1g -Djavax.net.ssl.trustStore=")


@pytest.mark.needs("keytool")
def test_the_trust_store_is_one_that_java_reads(given):
    properties = dict(word[2:].split("=", 1) for word in given["JAVA_TOOL_OPTIONS"].split())
    listed = subprocess.run(
        [
            *("keytool", "-list", "-storetype", "PKCS12", "-keystore", properties["javax.net.ssl.trustStore"]),
            *("-storepass", properties["javax.net.ssl.trustStorePassword"]),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env=ENVIRONMENT,
    )
    system = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    system.load_default_certs()
    assert listed.stdout.count("trustedCertEntry") >= len(system.get_ca_certs())


def test_the_files_are_gone_afterwards():
    with intercept(environment=ENVIRONMENT) as running:
        path = running.variables["SSL_CERT_FILE"]
    with pytest.raises(FileNotFoundError):
        Path(path).read_bytes()

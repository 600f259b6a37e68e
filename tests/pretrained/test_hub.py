"""Models on the Hub, against a server of this machine that speaks the part of its interface that is used."""

import base64
import http.server
import json
import os
import pathlib
import re
import subprocess
import sys
import threading

import numpy as np
import pytest

import gdm_jax as gdm
from gdm_jax import pretrained
from gdm_jax.pretrained import hub

MODEL = "model.safetensors"
FILES = {}  # of the server's one repository, by path


class Hub(http.server.BaseHTTPRequestHandler):
    """Takes one repository's files in a commit, and gives them back."""

    def answer(self, content=b"", status=200, headers=()):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **dict(headers)}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_GET(self):
        file = re.fullmatch("/somebody/tiny/resolve/[^/]+/(.+)", self.path)
        if not file or file[1] not in FILES:
            return self.answer(status=404, headers={"X-Error-Code": "RepoNotFound"})
        content = FILES[file[1]]
        self.answer(content, headers={"ETag": f'"{hash(content)}"', "X-Repo-Commit": "0" * 40})

    do_HEAD = do_GET

    def do_POST(self):
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/repos/create":
            return self.reply({"url": f"http://{self.headers['Host']}/somebody/tiny"})
        if self.path == "/api/validate-yaml":  # of the card
            return self.reply({"warnings": [], "errors": []})
        if self.path == "/api/models/somebody/tiny/preupload/main":
            asked = json.loads(sent)["files"]
            return self.reply({"files": [{**one, "uploadMode": "regular", "shouldIgnore": False} for one in asked]})
        if self.path == "/api/models/somebody/tiny/commit/main":
            for line in map(json.loads, sent.splitlines()):
                if line["key"] == "file":
                    FILES[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return self.reply({"success": True, "commitOid": "0" * 40, "commitUrl": f"http://{self.headers['Host']}/somebody/tiny/commit/0"})
        self.answer(status=404)

    def reply(self, content):
        self.answer(json.dumps(content).encode(), headers={"Content-Type": "application/json"})

    def log_message(self, *_):
        """Says nothing."""


@pytest.fixture(scope="module")
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def program(code, folder, address, **environment):
    """A Python program in `folder`, for which the Hub is at `address`; its output."""
    root = pathlib.Path(gdm.__file__).parents[1]
    environment |= {"HF_ENDPOINT": address, "HF_HOME": str(folder / "hub"), "HF_TOKEN": "a_token"}
    found = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True,
                           env={**os.environ, "PYTHONPATH": str(root), **environment})
    assert found.returncode == 0, found.stderr
    return found.stdout + found.stderr


def test_goes_there_and_comes_back(run, server, tmp_path):
    """The same model; commands write to a folder of its name; the card says how it is loaded.

    Without a network, what was downloaded before is there, and for the rest a line says what to do.
    """
    code = f"""
import gdm_jax
from gdm_jax import cli
assert cli.main(["export", "--workdir", {str(run[0])!r}, "--out", "hf://somebody/tiny"]) == 0
assert cli.main(["sample", "--workdir", "hf://somebody/tiny", "--count", "2", "--steps", "4"]) == 0
print(gdm_jax.load("hf://somebody/tiny"))
assert cli.main(["sample", "--workdir", "hf://somebody/none"]) == 2
assert cli.main(["sample", "--workdir", "hf://somebody/tiny", "--out", "hf://somebody/tiny"]) == 2
"""
    said = program(code, tmp_path, server)
    assert f"{server}/somebody/tiny: step" in said and repr(gdm.load(run[0])) in said
    assert (tmp_path / "somebody--tiny" / "samples.png").is_file()
    assert sorted(FILES) == ["README.md", MODEL]
    assert 'gdm_jax.load("hf://somebody/tiny")' in FILES["README.md"].decode()
    (tmp_path / MODEL).write_bytes(FILES[MODEL])
    one, two = (gdm.load(place).decode(np.ones((1, 8, 8, 1), np.float32)) for place in (run[0], f"{tmp_path}/{MODEL}"))
    np.testing.assert_allclose(two, one, atol=0.05)
    assert "error: --workdir: hf://somebody/none cannot be fetched" in said and "or pass the path of its" in said
    assert "error: --out: 'hf:/somebody/tiny' is an address; only folders of this machine are written to" in said

    code = f"""
from gdm_jax import cli
assert cli.main(["info", "--workdir", "hf://somebody/tiny"]) == 0
assert cli.main(["info", "--workdir", "hf://somebody/another"]) == 2
assert cli.main(["export", "--workdir", {str(run[0])!r}, "--out", "hf://somebody/tiny"]) == 2
"""
    said = program(code, tmp_path, "http://127.0.0.1:9", HF_HUB_OFFLINE="1")
    assert "data       digits (8, 8, 1)" in said
    errors = [line for line in said.splitlines() if " error: " in line]
    assert [re.sub(r" \(.*\)", "", line) for line in errors] == [
        "gdm info: error: --workdir: hf://somebody/another cannot be fetched; log in by 'hf auth login' if it is "
        "private, or pass the path of its model.safetensors",
        "gdm export: error: --out: hf://somebody/tiny cannot be written; log in by 'hf auth login', or export to a "
        "file and upload it by hand",
    ]


@pytest.mark.parametrize("address", ["hf://", "hf://name", "hf://a/b/c", "hf:///b"])
def test_other_addresses(address):
    with pytest.raises(ValueError, match="^workdir: an address on the Hub has the form hf://OWNER/NAME, got"):
        pretrained.located(address)


def test_says_what_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r'pip install "gdm-jax\[hub\]"') as raised:
        hub.download("hf://somebody/another")
    assert "\n" not in str(raised.value)

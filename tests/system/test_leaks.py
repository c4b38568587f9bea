"""The scanner, the rules for other scanners, and a report from a stranger, by the binary itself."""

import json
import os
import pathlib
import re
import shutil
import string
import subprocess
import sys
import zlib

import pytest

from engines import on_both_engines
from house import House, made_up_token
from house import binary as symbolon

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "docs" / "leak-rules"
DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase


def token_of(random):
    """A token of the public format, made by contract §3 alone."""
    body = "sbn" + random
    rest, check = zlib.crc32(body.encode()) % 62**5, ""
    for _ in range(5):
        rest, digit = divmod(rest, 62)
        check = DIGITS[digit] + check
    return body + check


TOKEN = token_of("0123456789abcdefghijkl")
OTHER = token_of("ABCDEFGHIJKLMNOPQRSTUV")
LOOKALIKE = TOKEN[:-1] + ("0" if TOKEN[-1] != "0" else "1")


def scan(*arguments, **options):
    return subprocess.run(
        [symbolon(), "token", "scan", *map(str, arguments)],
        capture_output=True, text=True, timeout=60, check=False, **options,
    )


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "plain.txt").write_text(f"nothing\n  key={TOKEN}\n")
    (tmp_path / "deep" / ".hidden").write_text(f"password{OTHER}")
    (tmp_path / "deep" / "er" / "binary").write_bytes(b"\0\xff" * 300_000 + TOKEN.encode() + b"\0")
    (tmp_path / "lookalike").write_text(LOOKALIKE)
    (tmp_path / "link").symlink_to(tmp_path / "plain.txt")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def test_a_tree_is_scanned_whole_and_no_token_is_printed(tree):
    ran = scan(tree)

    assert ran.returncode == 3
    places = sorted(re.sub(r": sbn….{4}$", "", line) for line in ran.stdout.splitlines())
    assert places == [
        f"{tree}/deep/.hidden:1:9", f"{tree}/deep/er/binary:1:600001", f"{tree}/plain.txt:2:7",
    ]
    assert "3 tokens found" in ran.stderr
    assert TOKEN not in ran.stdout + ran.stderr and OTHER not in ran.stdout + ran.stderr


def test_the_same_as_json(tree):
    ran = scan(tree, "--json")

    found = json.loads(ran.stdout)
    assert ran.returncode == 3 and len(found) == 3
    assert {"path": f"{tree}/plain.txt", "line": 2, "column": 7, "token": f"sbn…{TOKEN[-4:]}"} in found


def test_standard_input_is_scanned():
    assert scan("-", input=f"a\nb {TOKEN}").stdout == f"-:2:3: sbn…{TOKEN[-4:]}\n"
    nothing = scan("-", "--json", input=LOOKALIKE)
    assert nothing.returncode == 0 and json.loads(nothing.stdout) == []


def test_what_cannot_be_read_is_told(tmp_path):
    ran = scan(tmp_path / "nowhere")

    assert ran.returncode == 1 and "nowhere" in ran.stderr
    assert scan().returncode == 2


def test_tokens_in_names_are_findings_and_no_path_that_is_printed_holds_one(tmp_path):
    deep = tmp_path / f"of-{TOKEN}"
    deep.mkdir()
    (deep / "plain.txt").write_text(f"key={OTHER}")
    (deep / f"{OTHER}.txt").write_text("")
    (deep / "gone").symlink_to(tmp_path / OTHER)
    mask, other = f"sbn…{TOKEN[-4:]}", f"sbn…{OTHER[-4:]}"

    ran = scan(tmp_path)
    told = scan(tmp_path, "--json")
    missing = scan(deep / "nowhere", deep / f"{TOKEN}.none")

    assert ran.returncode == 3
    assert sorted(ran.stdout.splitlines()) == sorted([
        f"{tmp_path}/of-{mask}:name: {mask}",
        f"{tmp_path}/of-{mask}/{other}.txt:name: {other}",
        f"{tmp_path}/of-{mask}/plain.txt:1:5: {other}",
    ])
    assert {"path": f"{tmp_path}/of-{mask}", "line": None, "column": None, "token": mask} in json.loads(told.stdout)
    assert missing.returncode == 3 and f"cannot read {tmp_path}/of-{mask}/nowhere" in missing.stderr
    for printed in (ran, told, missing):
        assert TOKEN not in printed.stdout + printed.stderr and OTHER not in printed.stdout + printed.stderr


def git(repository, *arguments):
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-C", str(repository), *arguments],
        check=True, capture_output=True, timeout=60,
    )


def test_a_token_that_a_later_commit_removed_is_found_in_the_history(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    git(tmp_path, "add", "."), git(tmp_path, "commit", "-qm", "first")
    (tmp_path / "a.txt").write_text(f"one\n++ {TOKEN}\ntwo\n")
    git(tmp_path, "commit", "-qam", f"second, by {OTHER}")
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    git(tmp_path, "commit", "-qam", "third")
    # A repository's configuration must not get anything run.
    trap = tmp_path / "trap"
    git(tmp_path, "config", "diff.external", f"touch {trap}")
    git(tmp_path, "config", "core.pager", f"touch {trap}")
    git(tmp_path, "config", "core.fsmonitor", f"touch {trap}")

    ran = scan("--git", tmp_path, "--json")

    found = {(entry["path"], entry["line"], entry["column"]) for entry in json.loads(ran.stdout)}
    assert ran.returncode == 3
    assert found == {("a.txt", 2, 4), (None, 1, 12)}
    assert all(len(entry["commit"]) == 40 for entry in json.loads(ran.stdout))
    assert not trap.exists()
    assert scan(tmp_path / "a.txt").returncode == 0


def test_a_token_in_the_name_of_a_file_is_found_in_the_history_where_it_was_added(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / f"{TOKEN} b").write_text("one\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / OTHER).write_text("")
    git(tmp_path, "add", "."), git(tmp_path, "commit", "-qm", "first")
    (tmp_path / f"{TOKEN} b").write_text("two\n")
    git(tmp_path, "commit", "-qam", "second")
    (tmp_path / f"{TOKEN} b").unlink()
    git(tmp_path, "commit", "-qam", "third")

    ran = scan("--git", tmp_path, "--json")

    found = sorted((entry["path"], entry["line"]) for entry in json.loads(ran.stdout))
    assert ran.returncode == 3
    assert found == [(f"empty/sbn…{OTHER[-4:]}", None), (f"sbn…{TOKEN[-4:]} b", None)]
    assert TOKEN not in ran.stdout + ran.stderr and OTHER not in ran.stdout + ran.stderr


def test_what_is_missing_of_a_history_is_told_and_not_fetched_by_a_command_that_the_repository_names(tmp_path):
    repository, trap = tmp_path / "repository", tmp_path / "trap"
    repository.mkdir()
    git(repository, "init", "-q")
    (repository / "a.txt").write_text("one\n")
    git(repository, "add", "."), git(repository, "commit", "-qm", "first")
    whole = tmp_path / "whole"
    shutil.copytree(repository, whole)
    blob = subprocess.run(["git", "-C", str(repository), "rev-parse", "HEAD:a.txt"],
                          check=True, capture_output=True, text=True, timeout=60).stdout.strip()
    (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    for name, value in [
        ("core.repositoryformatversion", "1"), ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"), ("remote.origin.url", str(whole)),
        ("remote.origin.uploadpack", f"touch {trap}; git-upload-pack"),
    ]:
        git(repository, "config", name, value)

    ran = scan("--git", repository)

    assert not trap.exists()
    assert ran.returncode == 1 and "history" in ran.stderr


def test_no_configuration_of_a_repository_hides_its_first_commit(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text(TOKEN)
    git(tmp_path, "add", "."), git(tmp_path, "commit", "-qm", "first")
    git(tmp_path, "config", "log.showRoot", "false")

    assert scan("--git", tmp_path).returncode == 3


def test_no_replacement_and_no_graft_hides_a_commit(tmp_path):
    for name in ("replaced", "grafted"):
        repository = tmp_path / name
        repository.mkdir()
        git(repository, "init", "-q")
        (repository / "a.txt").write_text("one\n")
        git(repository, "add", "."), git(repository, "commit", "-qm", "first")
        (repository / "a.txt").write_text(TOKEN)
        git(repository, "commit", "-qam", "second")
        (repository / "a.txt").write_text("two\n")
        git(repository, "commit", "-qam", "third")
    git(tmp_path / "replaced", "replace", "HEAD~1", "HEAD~2")
    head = (tmp_path / "grafted" / ".git" / "refs" / "heads" / branch_of(tmp_path / "grafted")).read_text()
    (tmp_path / "grafted" / ".git" / "info").mkdir(exist_ok=True)
    (tmp_path / "grafted" / ".git" / "info" / "grafts").write_text(head)
    shutil.rmtree(tmp_path / "grafted" / ".git" / "logs")

    assert scan("--git", tmp_path / "replaced").returncode == 3
    assert scan("--git", tmp_path / "grafted").returncode == 3


def branch_of(repository):
    return (repository / ".git" / "HEAD").read_text().strip().rsplit("/", 1)[1]


def test_the_whole_history_is_read_from_within_a_directory_too(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.txt").write_text("one\n")
    (tmp_path / "a.txt").write_text(TOKEN)
    git(tmp_path, "add", "."), git(tmp_path, "commit", "-qm", "first")
    git(tmp_path, "config", "diff.relative", "true")

    assert scan("--git", tmp_path / "sub").returncode == 3


@pytest.mark.parametrize("setting", ["i18n.logOutputEncoding", "i18n.commitEncoding"])
def test_no_encoding_hides_a_message(tmp_path, setting):
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("one\n")
    git(tmp_path, "config", setting, "UTF-16")
    git(tmp_path, "add", "."), git(tmp_path, "commit", "-qm", f"first, by {TOKEN}")

    assert scan("--git", tmp_path).returncode == 3


def test_a_directory_without_history_is_told(tmp_path):
    ran = scan("--git", tmp_path)

    assert ran.returncode == 1 and "history" in ran.stderr


def test_the_rule_for_detect_secrets_finds_tokens_and_no_lookalikes(tree):
    (tree / "pipe").unlink()
    command = [
        sys.executable, "-m", "detect_secrets", "scan", "--all-files",
        "-p", str(RULES / "symbolon_detector.py"), str(tree),
    ]

    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, cwd=tree)

    results = json.loads(ran.stdout)["results"]
    found = {
        pathlib.Path(path).name
        for path, secrets in results.items()
        for secret in secrets
        if secret["type"] == "Symbolon security token"
    }
    assert {"plain.txt", ".hidden"} <= found and "lookalike" not in found


def test_the_rule_for_secretlint_finds_tokens(tree):
    modules = pathlib.Path(os.environ.get("SYMBOLON_TEST_NODE_MODULES", ROOT / "tests" / "browser" / "node_modules"))
    node = shutil.which("node")
    assert node and (modules / "secretlint").exists(), "npm ci in tests/browser is missing"
    command = [
        node, str(modules / "secretlint" / "bin" / "secretlint.js"),
        "--secretlintrc", str(RULES / "secretlintrc.json"), "--maskSecrets",
        "--format", "json", str(tree / "plain.txt"), str(tree / "link.md"),
    ]
    (tree / "link.md").write_text("nothing here")

    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=tree)

    assert ran.returncode == 1, ran.stderr
    found = [entry["filePath"] for entry in json.loads(ran.stdout) if entry["messages"]]
    assert [pathlib.Path(path).name for path in found] == ["plain.txt"]


def report(house, *tokens):
    """What a stranger sends who has found these tokens."""
    body = json.dumps({"tokens": [{"token": token, "url": "https://paste.example/7"} for token in tokens]})
    headers = {"Content-Type": "application/json"}
    return house.request("POST", "/api/v1/leaked-tokens", body=body.encode(), headers=headers)


@on_both_engines
def test_a_report_from_a_stranger_ends_what_is_live_and_tells_its_owner(house: House, sink):
    user, other = house.user_with_token(), house.user_with_token()
    session = house.soap_login(user.username, user.secret).session_id
    assert house.session_works(session) and house.accepts(other)

    known = report(house, user.token)
    again = report(house, user.token)
    unknown = report(house, made_up_token())

    assert not house.accepts(user) and not house.session_works(session)
    assert house.accepts(other), "what nobody reported lives on"
    assert (known.status, known.body) == (202, b'{"received":1}')
    for answer in (again, unknown):
        assert (answer.status, answer.body) == (known.status, known.body)
        assert set(answer.headers.keys()) == set(known.headers.keys())
    mail = sink.wait_for(user.email, "leaked")
    assert "paste[.]example/7" in mail.text and user.token not in mail.text
    assert len(sink.all_for(user.email, "leaked")) == 1
    assert [token["state"] for token in house.tokens(user)] == ["retired"]
    house.do("audit", "verify")


def test_a_thousand_reported_tokens_are_answered_and_one_more_is_refused(house: House):
    user = house.user_with_token()
    some = [made_up_token() for _ in range(999)]

    most = report(house, *some, user.token)
    too_many = report(house, *some, made_up_token() + made_up_token())

    assert (most.status, most.json()) == (202, {"received": 1000})
    assert too_many.status == 422 and "1000" in too_many.json()["detail"]
    assert not house.accepts(user)


def test_what_was_acknowledged_is_ended_also_if_the_server_stops_at_once(house: House):
    users = [house.user_with_token() for _ in range(3)]

    assert report(house, *[user.token for user in users]).status == 202
    house.restart()

    assert not any(house.accepts(user) for user in users)

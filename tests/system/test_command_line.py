"""The command line and the configuration, as scripts and operators rely on them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import urllib.request

import pytest

from house import House, binary, clean_environment, made_up_token, wait_until
from post import LINK
from postgres import free_port


# Exit codes.

def test_exit_code_0_is_done_and_json_is_json(house: House):
    user = house.add_user()

    assert house.cli("user", "list")[0]["username"] == user.username
    assert house.cli("user", "show", user.username)["username"] == user.username


def test_exit_code_1_is_failed_with_one_line_on_stderr(house: House, build_house):
    second = build_house(name="second", start=False)
    second.port = house.port

    second.start(ready=False)
    code = second.process.wait(60)

    assert code == 1
    assert str(house.port) in second.log()


@pytest.mark.parametrize("words", [["no-such-command"], ["serve", "--no-such-flag"], ["user", "add"], ["user"],
                                   ["user", "show"], ["token", "reset"], ["serve", "--listen", "not an address"]])
def test_exit_code_2_is_wrong_usage(house: House, words):
    ran = house.run(*words)

    assert ran.code == 2, (ran.code, ran.err)
    assert ran.err.strip()


def test_exit_code_3_is_a_negative_verdict(house: House):
    good = made_up_token()
    bad = good[:-1] + ("0" if good[-1] != "0" else "1")

    assert house.run("token", "check", stdin=good + "\n").code == 0
    ran = house.run("token", "check", stdin=bad + "\n")

    assert ran.code == 3
    assert bad not in ran.out + ran.err
    assert house.run("token", "check", stdin="too short\n").code == 3


def test_token_check_works_without_a_server(tmp_path):
    done = subprocess.run([binary(), "token", "check"], input=made_up_token().encode() + b"\n", cwd=tmp_path,
                          env=clean_environment(), capture_output=True, timeout=60, check=False)

    assert done.returncode == 0


@pytest.mark.parametrize("words", [["user", "show", "nobody"], ["user", "freeze", "nobody"], ["token", "reset", "nobody"],
                                   ["user", "unlock", "nobody"], ["user", "remove", "nobody"]])
def test_exit_code_5_is_not_found(house: House, words):
    ran = house.run(*words)

    assert ran.code == 5, (ran.code, ran.err)
    assert len(ran.err.strip().splitlines()) == 1


def test_exit_code_6_is_a_conflict(house: House):
    user = house.add_user()

    ran = house.run("user", "add", user.username, "--email", "x@example.org", "--password-stdin",
                    stdin="lantern orbits-73 quilt!\n")

    assert ran.code == 6, (ran.code, ran.err)
    assert len(ran.err.strip().splitlines()) == 1


def test_exit_code_7_is_a_server_that_cannot_be_reached(house: House):
    house.stop()

    ran = house.run("user", "list")

    assert ran.code == 7, (ran.code, ran.err)
    assert len(ran.err.strip().splitlines()) == 1


def test_exit_code_7_is_a_database_that_cannot_be_reached(build_house):
    house = build_house(start=False, database=f"postgres://nobody@127.0.0.1:{free_port()}/nothing")
    house.start(ready=False)

    try:
        assert house.process.wait(30) == 7
    except subprocess.TimeoutExpired:
        # It may also wait for its database; then it must not claim to be ready.
        assert house.request("GET", "/readyz").status == 503


def test_there_is_no_color_and_no_bar_where_there_is_no_terminal(house: House):
    house.add_user()

    ran = house.run("user", "list")

    assert "\x1b" not in ran.out + ran.err


def test_help_names_the_commands_of_the_contract(house: House):
    out = house.run("--help", data_dir=False).out

    for word in ("serve", "demo", "user", "token", "network", "client", "login", "mail", "config"):
        assert re.search(rf"^\s+{word}\b", out, re.M), word
    assert house.run("--version", data_dir=False).code == 0


def test_only_whoever_may_read_the_data_directory_may_command(house: House):
    user = house.add_user()
    if os.geteuid() != 0:
        pytest.fail("this check needs root, to become somebody else")

    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", binary(), "user", "remove",
                           user.username, "--data-dir", str(house.data)], capture_output=True, env=clean_environment(),
                          cwd="/", timeout=60, check=False)

    assert done.returncode != 0
    assert house.run("user", "show", user.username).code == 0


# Configuration.

def organization(house: House) -> str:
    return house.browser().go("/login").html


def test_a_flag_beats_the_environment_and_that_beats_the_file_and_that_beats_the_default(build_house):
    words = ["From The File", "From The Environment", "From The Flag"]

    for rank in range(4):
        house = build_house(name=f"rank{rank}", start=False)
        house.directory.mkdir(parents=True)
        if rank >= 1:
            (house.directory / "symbolon.toml").write_text(f'organization = "{words[0]}"\n')
        if rank >= 2:
            house.environment["SYMBOLON_ORGANIZATION"] = words[1]
        if rank >= 3:
            house.arguments = ["--organization", words[2]]
        house.start()

        page = organization(house)

        expected = "Symbolon" if rank == 0 else words[rank - 1]
        assert expected in page
        for other in words:
            assert other == expected or other not in page
        house.stop()


def refused_start(house: House) -> str:
    house.start(ready=False)
    code = house.process.wait(60)
    assert code in (1, 2), code
    return house.log()


def test_an_unknown_key_in_the_file_is_an_error_that_names_the_nearest(build_house):
    house = build_house(start=False)
    house.directory.mkdir(parents=True)
    (house.directory / "symbolon.toml").write_text('organisation = "Acme"\n')

    said = refused_start(house)

    assert "organisation" in said and "organization" in said and "symbolon.toml" in said


def test_an_unknown_variable_is_an_error_that_names_the_nearest(build_house):
    house = build_house(start=False, environment={"SYMBOLON_LISTN": "127.0.0.1:1"})

    said = refused_start(house)

    assert "SYMBOLON_LISTN" in said and "SYMBOLON_LISTEN" in said


def test_the_variables_that_kubernetes_injects_are_no_error(build_house):
    house = build_house(environment={
        "SYMBOLON_PORT": "tcp://10.0.0.1:80", "SYMBOLON_PORT_80_TCP": "tcp://10.0.0.1:80",
        "SYMBOLON_PORT_80_TCP_ADDR": "10.0.0.1", "SYMBOLON_SERVICE_HOST": "10.0.0.1", "SYMBOLON_SERVICE_PORT_HTTP": "80"})

    assert house.request("GET", "/readyz").status == 200


def test_a_secret_given_twice_is_an_error(build_house, tmp_path, sink):
    file = tmp_path / "url"
    file.write_text(sink.url)
    house = build_house(start=False, mail=None,
                        environment={"SYMBOLON_MAIL": sink.url, "SYMBOLON_MAIL_FILE": str(file)})

    said = refused_start(house)

    assert "SYMBOLON_MAIL_FILE" in said or "mail_file" in said


def test_a_secret_file_that_is_missing_is_an_error_that_names_it(build_house):
    house = build_house(start=False, mail=None, environment={"SYMBOLON_MAIL_FILE": "/no/such/file"})

    assert "/no/such/file" in refused_start(house)


def test_the_database_may_come_from_a_secret_file(build_house, postgres_url, tmp_path):
    from postgres import create_database, drop_database

    database = create_database(postgres_url)
    file = tmp_path / "database"
    file.write_text(database + "\n")
    house = build_house(environment={"SYMBOLON_DATABASE_FILE": str(file)})

    house.user_with_token()

    assert not list(house.data.glob("*.db*")), "it runs on the database of the file"
    house.stop()
    drop_database(postgres_url, database)


def test_a_password_in_an_argument_is_refused(build_house, sink):
    house = build_house(start=False, mail=f"smtp://relay:hush-hush-7@127.0.0.1:{sink.port}?tls=none")

    said = refused_start(house)

    assert "hush-hush-7" not in said


@pytest.mark.parametrize("arguments", [["--listen", "127.0.0.1:99999"], ["--public-url", "not a url"],
                                       ["--public-url", "ftp://x"], ["--trusted-proxy", "300.0.0.0/8"],
                                       ["--mail", "gopher://x"], ["--database", "mysql://x"], ["--mail-from", "no address"],
                                       ["--listen-tls", "127.0.0.1:0"]])
def test_a_value_that_makes_no_sense_is_refused_at_the_start(build_house, arguments):
    house = build_house(start=False, mail=None)
    command = [binary(), "serve", "--data-dir", str(house.data)]
    if "--listen" not in arguments:
        command += ["--listen", f"127.0.0.1:{house.port}"]
    house.directory.mkdir(parents=True)

    done = subprocess.run(command + arguments, cwd=house.directory, env=clean_environment(), capture_output=True,
                          timeout=60, check=False)

    assert done.returncode in (1, 2)
    assert done.stderr.strip()


def test_the_development_mailbox_is_for_the_demo_only(build_house):
    house = build_house(start=False, mail="mailbox:")

    assert "mailbox" in refused_start(house)


def test_plain_http_beyond_loopback_is_not_begun_without_being_asked(build_house):
    house = build_house(start=False)

    assert "0.0.0.0" not in " ".join(house.command())
    house.start()

    with open("/proc/net/tcp") as sockets:
        ports = {house.port, house.ops_port}
        listening = [line.split()[1] for line in sockets if line.split()[3] == "0A"]
    for address in listening:
        host, port = address.split(":")
        if int(port, 16) in ports:
            assert host == "0100007F"


# The demonstration.

def test_the_demo_walks_the_whole_job_and_ends(tmp_path):
    done = subprocess.run([binary(), "demo", "--once"], cwd=tmp_path, env=clean_environment(), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    shown = done.stdout + done.stderr
    tokens = set(re.findall(r"Security token \(case-sensitive\): (\S+)", shown))
    assert len(tokens) >= 1
    assert "INVALID_LOGIN" in shown
    assert re.search(r"token retired \d{4}-", shown)
    assert re.search(r"<sessionId>|sessionId", shown)
    assert not list(tmp_path.iterdir()), "the demo leaves nothing behind"


def test_the_demo_stays_up_and_its_mailbox_can_be_read(tmp_path):
    out = tmp_path / "out"
    with open(out, "wb") as sink:
        process = subprocess.Popen([binary(), "demo"], cwd=tmp_path, env=clean_environment(), stdin=subprocess.DEVNULL,
                                   stdout=sink, stderr=subprocess.STDOUT)
    try:
        def shown() -> str | None:
            links = [link.rstrip(".,;") for link in LINK.findall(out.read_text(errors="replace"))]
            assert process.poll() is None, out.read_text()
            return next((link for link in links if link.startswith("http://") and link.endswith("/dev/mailbox")), None)

        mailbox = wait_until(shown, what=lambda: f"the mailbox in\n{out.read_text()}")

        with urllib.request.urlopen(mailbox, timeout=60) as answer:
            page = answer.read().decode()

        assert "security token" in page
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, 130, 143)

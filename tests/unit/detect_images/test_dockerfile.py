# ruff: noqa: E501 - cases read best on one line
"""Every rule about a Dockerfile has a case that it finds, and one that it must let be."""

import pytest

from tidegate.core.errors import CheckError
from tidegate.core.finding import Severity
from tidegate.detect.images import ImageWants, check_dockerfile
from tidegate.detect.images.dockerfile import instructions, read_dockerfile

PIN = "@sha256:" + "a" * 64
BASE = f"FROM registry.example/base/python:3.12{PIN}\n"
END = "USER 1000\n"
LISTED = ImageWants(("registry.example/base",))

CASES: dict[str, tuple[str, str, str]] = {
    "a tag": ("base-tag", "FROM python:3.12\n", BASE),
    "latest": ("base-latest", "FROM python:latest\n", BASE),
    "no tag": ("base-latest", "FROM python\n", "FROM scratch\n"),
    "an argument that nobody decides": (
        "base-unknown", "ARG BASE\nFROM $BASE\n", f"ARG BASE=registry.example/base/p{PIN}\nFROM ${{BASE}}\n"),
    "a registry of others": ("base-registry", f"FROM evil.example/base/python{PIN}\n", BASE),
    "a prefix that only begins alike": (
        "base-registry", f"FROM registry.example/base-evil/p{PIN}\n", BASE),
    "an image that files are taken from": (
        "base-latest", BASE + "COPY --from=ghcr.io/tool /t /t\n",
        BASE + f"COPY --from=registry.example/base/tool{PIN} /t /t\n"),
    "root": ("root-user", BASE + "USER 1\nUSER root\n", BASE + "USER 0100:0\n"),
    "root by number": ("root-user", BASE + "USER 0:0\n", BASE + END),
    "no user": ("root-user", BASE, BASE + END),
    "a user of another stage": (
        "root-user", BASE.strip() + " AS build\nUSER 9\n" + BASE,
        BASE.strip() + " AS build\nUSER 9\nFROM build\n"),
    "a password": ("secret", BASE + "ENV DB_PASSWORD=hunter2\n", BASE + "ENV DB_PASSWORD_FILE=/run/p\n"),
    "a password in the old form": ("secret", BASE + "ENV API_KEY abc\n", BASE + "ENV API_URL abc\n"),
    "an argument for a secret": ("secret", BASE + "ARG NPM_TOKEN\n", BASE + "ARG NPM_VERSION\n"),
    "a key in a command": (
        "secret", BASE + f"RUN aws --key AKIA{'A' * 16}\n", BASE + "RUN --mount=type=secret,id=aws x\n"),
    "a password in an address": (
        "secret", BASE + "RUN git clone https://me:hunter2@git.example/x\n",
        BASE + "RUN git clone https://${USER}:${PASS}@git.example/x\n"),
    "a key file": ("secret-file", BASE + "COPY --chown=1 id_rsa /root/.ssh/\n", BASE + "COPY id.txt /\n"),
    "an environment file": (
        "secret-file", BASE + 'COPY [".env.production", "/app/"]\n', BASE + "COPY .env.example /app/\n"),
    "an address": (
        "remote-add", BASE + "ADD https://x.example/t.tgz /t\n",
        BASE + f"ADD --checksum=sha256:{'a' * 64} https://x.example/t.tgz /t\n"),
    "curl into a shell": (
        "pipe-to-shell", BASE + "RUN curl -fsSL https://x.example/i | sudo -E bash -\n",
        BASE + "RUN curl -fsSLo i https://x.example/i && sha256sum -c i.sum && sh i\n"),
    "a shell of curl": (
        "pipe-to-shell", BASE + 'RUN bash -c "$(curl -fsSL https://x.example/i)"\n',
        BASE + 'RUN V="$(curl -s https://x.example/v)" && echo $V\n'),
    "curl into a shell, over lines": (
        "pipe-to-shell", BASE + "RUN curl x \\\n # why\n\n  | sh\n", BASE + "RUN curl x \\\n | tar xz\n"),
    "an address with signs": (
        "pipe-to-shell", BASE + 'RUN curl "https://x.example/?a=1&b=2" | VERSION=1 sh -s\n',
        BASE + "RUN curl x || sh fallback; echo curl | tee x; bash y\n"),
    "in a here document": (
        "pipe-to-shell", BASE + "RUN <<EOF\nset -e\nwget -qO- x | python3\nEOF\n",
        BASE + "COPY <<EOF /doc\nnothing | here\nEOF\n"),
    "a trusted host": (
        "unverified-download", BASE + "RUN pip install --trusted-host pypi.example --require-hashes -r r.txt\n",
        BASE + "RUN pip install --require-hashes -r r.txt\n"),
    "no certificate": ("unverified-download", BASE + "RUN curl -sSk https://x -o y\n", BASE + "RUN curl -sS https://k -o y\n"),
    "packages without signatures": (
        "unverified-download", BASE + "RUN apt-get install --allow-unauthenticated x\n",
        BASE + "RUN apt-get install -y --no-install-recommends x\n"),
    "pip without hashes": (
        "pip-unhashed", BASE + "RUN pip install --no-cache-dir flask==3\n",
        BASE + "RUN pip install --no-cache-dir . && pip install --no-deps x.whl\n"),
}  # fmt: skip


def slugs(text: str) -> list[str]:
    return [one.rule.partition("/")[2] for one in check_dockerfile(text, "Dockerfile", LISTED)]


@pytest.mark.parametrize("case", CASES)
def test_a_rule_finds_its_case_and_lets_the_other_be(case: str) -> None:
    slug, bad, good = CASES[case]
    assert slug in slugs(bad)
    assert slug not in slugs(good)


def test_a_careful_file_is_clean() -> None:
    text = f"""# syntax=docker/dockerfile:1
ARG VERSION=3.12
{BASE.strip()} AS build
WORKDIR /src
COPY requirements.txt .
RUN --mount=type=cache,target=/root/.cache pip install --require-hashes -r requirements.txt
{BASE.strip()}
COPY --from=build /src /app
ENV PYTHONUNBUFFERED=1 TOKENIZERS_PARALLELISM=false PIP_NO_CACHE_DIR=1
EXPOSE 8080
USER 10001:10001
ENTRYPOINT ["python", "-m", "app"]
"""
    assert check_dockerfile(text, "Dockerfile", LISTED) == ()


def test_no_finding_repeats_a_secret() -> None:
    found = check_dockerfile(BASE + "ENV DB_PASSWORD=hunter2\n", "Dockerfile", LISTED)
    assert "hunter2" not in str([one.to_json() for one in found])
    token = "ghp_" + "a" * 36
    (told,) = check_dockerfile(BASE + f"ENV X={token}\n{END}", "D", LISTED)
    assert (told.severity, token in told.message) == (Severity.CRITICAL, False)


def test_lines_are_those_of_the_file() -> None:
    text = "# a\n\nFROM x:1 \\\n  AS y\n\nRUN <<A <<B\n1\nA\n2\nB\nUSER 1\n"
    told = [(one.name, one.line, len(one.documents)) for one in instructions(text)]
    assert told == [("FROM", 3, 0), ("RUN", 6, 2), ("USER", 11, 0)]


def test_the_escape_directive_holds() -> None:
    text = "# escape=`\nFROM x:1\nRUN a `\n  b\nCOPY c:\\ d:\\\nUSER 1\n"
    assert [one.text for one in read_dockerfile(text).stages[0].instructions][:2] == [
        "a b",
        "c:\\ d:\\",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "USER x\n",
        "FROM\n",
        "FROM a AS\n",
        "FROM a\nRUN <<EOF\nx\n",
        "FROM a\n{json}\n",
        "x" * 2_000_000,
    ],
)
def test_what_is_no_dockerfile_is_told(text: str) -> None:
    with pytest.raises(CheckError) as told:
        read_dockerfile(text)
    assert told.value.next_step

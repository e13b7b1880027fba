"""``image check`` on files, layouts, and a registry that listens on this machine."""

from pathlib import Path

import pytest
from tests.images import Store, served
from tests.sites import Site, Tidegate

from tidegate.core.identity.keys import PrivateKey, Scheme

KEY = PrivateKey.generate(Scheme.P256)
PIN = "@sha256:" + "a" * 64


def test_dockerfiles_have_exit_codes(tidegate: Tidegate) -> None:
    Path("Dockerfile").write_text(f"FROM python{PIN}\nUSER 1\n")
    assert tidegate("image", "check", "Dockerfile").code == 0
    Path("deep").mkdir()
    Path("deep/app.Dockerfile").write_text("FROM python\n")
    ran = tidegate("image", "check", ".", "--format", "json")
    assert (ran.code, len(ran.json["findings"])) == (1, 2)
    Path("deep/app.Dockerfile").write_text("RUN x\n")
    assert tidegate("image", "check", ".").code == 4
    assert tidegate("image", "check", "./nowhere").code == 2
    Path("empty").mkdir()
    assert tidegate("image", "check", "empty").code == 3


def test_a_layout_is_checked_with_keys(tidegate: Tidegate) -> None:
    store = Store()
    image = store.image()
    store.sign_simply(image, KEY)
    store.write(Path("layout"))
    Path("cosign.pub").write_bytes(KEY.verifier.pem)
    Path("other.pub").write_bytes(PrivateKey.generate(Scheme.P256).verifier.pem)
    unkeyed = tidegate("image", "check", "layout")
    assert (unkeyed.code, "not looked for" in unkeyed.out) == (0, True)
    assert tidegate("image", "check", "layout", "--key", "cosign.pub").code == 0
    assert tidegate("image", "check", "layout", "--key", "other.pub").code == 1
    assert tidegate("image", "check", "layout", "--key", "none.pub").code == 1
    Path("tidegate.toml").write_text('[images]\nkeys = ["other.pub"]\n')
    assert tidegate("image", "check", "layout").code == 1


@pytest.mark.parametrize("way", ["open", "token", "no referrers", "moved"])
def test_a_listed_registry_is_asked(way: str, tidegate: Tidegate) -> None:
    store = Store()
    image = store.image(annotations={})
    store.sign_simply(image, KEY)
    if way != "no referrers":
        store.attest(image, KEY, predicate="https://slsa.dev/provenance/v1")
    Path("cosign.pub").write_bytes(KEY.verifier.pem)
    Path("token").write_text("me:word")
    Path("token").chmod(0o600)
    with served(
        store,
        token="t0ken" if way != "open" else "",
        user="me:word" if way != "open" else "",
        referrers=way != "no referrers",
        moved=way == "moved",
    ) as registry:
        text = f'[images]\nregistries = ["{registry.host}"]\n'
        Path("tidegate.toml").write_text(text + ('token_file = "token"\n' if way != "open" else ""))
        target = f"{registry.host}/team/app:1.0"
        ran = tidegate("image", "check", target, "--key", "cosign.pub", "--format", "json")
        assert (ran.code, [one["rule"] for one in ran.json["findings"]]) == (
            0,
            ["TG-REG-06/base-unstated"],
        )
        assert ran.json["subjects"][0]["digest"] == image["digest"]
        pinned = f"{registry.host}/team/app@{image['digest']}"
        assert tidegate("image", "check", pinned, "--no-layers").code == 0
        assert tidegate("image", "check", f"{registry.host}/team/app:2").code == 2
        elsewhere = [given for path, given in registry.asked if path.startswith("/elsewhere")]
        assert elsewhere == ([""] * len(elsewhere))
        assert bool(elsewhere) is (way == "moved")


def test_no_other_registry_is_asked(tidegate: Tidegate) -> None:
    with served(Store()) as registry:
        assert tidegate("image", "check", f"{registry.host}/team/app:1").code == 2
        Path("tidegate.toml").write_text('[images]\nregistries = ["registry.example"]\n')
        assert tidegate("image", "check", f"{registry.host}/team/app:1").code == 2
        assert registry.asked == []


def test_a_registry_that_lies_or_refuses_is_told(tidegate: Tidegate) -> None:
    store = Store()
    image = store.image()
    layer = next(iter(store.blobs))
    store.blobs[layer] += b"x"
    with served(store) as registry:
        Path("tidegate.toml").write_text(f'[images]\nregistries = ["{registry.host}"]\n')
        target = f"{registry.host}/team/app@{image['digest']}"
        ran = tidegate("image", "check", target, "--format", "json")
        assert (ran.code, ran.json["findings"][0]["rule"]) == (1, "TG-REG-06/digest-mismatch")
        store.blobs[image["digest"].partition(":")[2]] += b" "
        assert tidegate("image", "check", target).code == 5
    with served(store, token="t", user="me:word") as registry:
        Path("tidegate.toml").write_text(f'[images]\nregistries = ["{registry.host}"]\n')
        assert tidegate("image", "check", f"{registry.host}/team/app:1.0").code == 1
    assert tidegate("image", "check", f"{registry.host}/team/app:1.0").code == 6


def test_releasers_of_the_workspace_count(site: Site, tidegate: Tidegate) -> None:
    Store().write(Path("layout"))
    assert tidegate("image", "check", "layout", "--trusted", "-C", "ws").code == 3


def test_no_name_hides_an_image(tidegate: Tidegate) -> None:
    store = Store()
    store.image(tag="sha256-" + "a" * 64 + ".sig", config={"User": "root"})
    store.index[-1] |= {"artifactType": "application/x"}
    store.write(Path("layout"))
    assert tidegate("image", "check", "layout").code == 1

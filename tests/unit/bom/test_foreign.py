"""Documents of other tools: read for what they say, with a list of what was not understood."""

import json
from dataclasses import dataclass

import pytest

from tidegate.core.canonical import Json
from tidegate.core.errors import SubjectError
from tidegate.interop.bom import State, read_bom, score

SHA = "a" * 64


def read(document: Json) -> Json:
    return read_bom(json.dumps(document).encode())


OLD = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.4",
    "serialNumber": "urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79",
    "version": 1,
    "metadata": {
        "timestamp": "2026-01-31T12:00:00Z",
        "tools": [{"vendor": "acme", "name": "lister", "version": "1"}],
        "component": {"type": "application", "bom-ref": "app", "name": "shop", "version": "2"},
    },
    "components": [
        {
            "type": "framework",
            "bom-ref": "r1",
            "group": "org.acme",
            "name": "web",
            "version": "1.0",
            "purl": "pkg:maven/org.acme/web@1.0",
            "hashes": [{"alg": "MD5", "content": "0" * 32}, {"alg": "SHA-256", "content": SHA}],
            "licenses": [{"license": {"id": "MIT"}}, {"license": {"id": "Apache-2.0"}}],
            "components": [{"type": "library", "name": "inner", "version": "3"}],
            "evidence": {"copyright": [{"text": "x"}]},
        },
        {"type": "container", "name": "base", "version": "tag"},
        {"type": "file", "name": "weak.bin", "hashes": [{"alg": "SHA-1", "content": "0" * 40}]},
    ],
    "dependencies": [{"ref": "r1", "dependsOn": ["app"]}],
    "vulnerabilities": [
        {"id": "CVE-1", "affects": [{"ref": "r1"}], "analysis": {"state": "not_affected"}},
        {"id": "CVE-2", "affects": [{"ref": "r1"}], "analysis": {"state": "exploitable"}},
    ],
}


def test_cyclonedx_of_another_tool() -> None:
    found = read(OLD)
    bom = found.bom
    assert (found.format, found.serial) == ("cyclonedx-1.4", OLD["serialNumber"])
    assert (bom.model.name, bom.model.kind) == ("shop", "application")
    inner, web = sorted(bom.packages, key=lambda part: part.name)
    assert (inner.name, web.group, web.licence) == ("inner", "org.acme", "MIT AND Apache-2.0")
    assert [digest.algorithm for digest in web.hashes] == ["sha256"]
    assert [image.name for image in bom.images] == ["base"]
    one, two = bom.assessments
    assert (one.state, two.state) == (State.IN_TRIAGE, State.EXPLOITABLE)
    assert two.affects == ("pkg:maven/org.acme/web@1.0",)
    assert {str(loss) for loss in found.losses} == {
        "components[]: a file without a hash that counts",
        "components[].components: which part holds which is not kept",
        "components[].evidence: not kept",
        "components[].hashes[]: MD5 is not kept",
        "components[].hashes[]: SHA-1 is not kept",
        "components[].licenses: several licences are joined by AND, as if all applied",
        "dependencies[].dependsOn: which part needs which is not kept",
        "metadata.tools: not kept",
        "vulnerabilities[].analysis.state: not_affected without a reason is read as in_triage",
    }


SPDX_23 = {
    "spdxVersion": "SPDX-2.3",
    "dataLicense": "CC0-1.0",
    "SPDXID": "SPDXRef-DOCUMENT",
    "name": "shop",
    "documentNamespace": "https://acme.example/shop",
    "creationInfo": {"created": "2026-01-31T12:00:00Z", "creators": ["Tool: lister"]},
    "packages": [
        {
            "SPDXID": "SPDXRef-a",
            "name": "shop",
            "versionInfo": "2",
            "downloadLocation": "NOASSERTION",
            "supplier": "Organization: Acme (acme@example.com)",
            "licenseDeclared": "MIT",
        },
        {
            "SPDXID": "SPDXRef-b",
            "name": "web",
            "versionInfo": "1",
            "downloadLocation": "NOASSERTION",
            "licenseConcluded": "NONE",
            "checksums": [{"algorithm": "SHA256", "checksumValue": SHA}],
            "externalRefs": [
                {
                    "referenceCategory": "PACKAGE-MANAGER",
                    "referenceType": "purl",
                    "referenceLocator": "pkg:pypi/web@1",
                }
            ],
        },
    ],
    "files": [
        {
            "SPDXID": "SPDXRef-c",
            "fileName": "./a",
            "checksums": [{"algorithm": "SHA256", "checksumValue": SHA}],
        }
    ],
    "relationships": [
        {
            "spdxElementId": "SPDXRef-DOCUMENT",
            "relationshipType": "DESCRIBES",
            "relatedSpdxElement": "SPDXRef-a",
        }
    ],
}


def test_spdx_2_of_another_tool() -> None:
    found = read(SPDX_23)
    model = found.bom.model
    assert (model.name, model.owner, model.licence, model.url) == ("shop", "Acme", "MIT", None)
    (web,) = found.bom.packages
    assert (web.purl, web.licence, web.hashes[0].hex) == ("pkg:pypi/web@1", None, SHA)
    assert list(model.files) == ["./a"]
    assert [str(loss) for loss in found.losses] == ["creationInfo.creators: not kept"]
    assert score(found.bom).lacking


SPDX_3 = {
    "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
    "@graph": [
        {
            "type": "CreationInfo", "@id": "_:c", "specVersion": "3.0.1",
            "created": "2026-01-31T12:00:00Z", "createdBy": ["urn:x:who"],
        },
        {"type": "SpdxDocument", "spdxId": "urn:x:doc", "creationInfo": "_:c",
         "rootElement": ["urn:x:m"]},
        {"type": "Person", "spdxId": "urn:x:who", "creationInfo": "_:c", "name": "Ada"},
        {
            "type": "ai_AIPackage", "spdxId": "urn:x:m", "creationInfo": "_:c", "name": "m",
            "suppliedBy": "urn:x:who", "ai_autonomyType": "no", "ai_limitation": "a\nb",
            "ai_metric": [{"type": "DictionaryEntry", "key": "f1", "value": "0.5"}],
        },
        {"type": "dataset_DatasetPackage", "spdxId": "urn:x:d", "creationInfo": "_:c", "name": "d",
         "dataset_datasetType": ["text"], "dataset_confidentialityLevel": "red"},
        {"type": "Relationship", "spdxId": "urn:x:r", "creationInfo": "_:c", "from": "urn:x:m",
         "relationshipType": "trainedOn", "to": ["urn:x:d"]},
        {"type": "Relationship", "spdxId": "urn:x:l", "creationInfo": "_:c", "from": "urn:x:m",
         "relationshipType": "hasDeclaredLicense", "to": ["https://spdx.org/licenses/MIT"]},
        {"type": "Annotation", "spdxId": "urn:x:a", "creationInfo": "_:c", "subject": "urn:x:m",
         "annotationType": "review"},
    ],
}  # fmt: skip


def test_spdx_3_of_another_tool() -> None:
    found = read(SPDX_3)
    model = found.bom.model
    assert (model.name, model.owner, model.licence) == ("m", "Ada", "MIT")
    assert model.considerations.limitations == ("a", "b")
    assert [(metric.name, metric.value) for metric in model.metrics] == [("f1", "0.5")]
    (data,) = found.bom.data
    assert (data.role, data.label) == ("training", "restricted")
    assert {loss.where for loss in found.losses} == {
        "Annotation", "ai_AIPackage.ai_autonomyType",
        "dataset_DatasetPackage.dataset_datasetType",
    }  # fmt: skip


def test_a_property_that_contradicts_its_field_does_not_count() -> None:
    """Who only edits one of the two is found out, and what others would read is what is read."""
    document = json.loads(json.dumps(SPDX_3))
    value = '[["f1","0.9","0.8","1.0",null]]'
    entry = {
        "type": "extension_CdxPropertyEntry",
        "extension_cdxPropName": "tidegate:metrics",
        "extension_cdxPropValue": value,
    }
    extension = {"type": "extension_CdxPropertiesExtension", "extension_cdxProperty": [entry]}
    document["@graph"][3]["extension"] = [extension]
    found = read(document)
    assert found.bom.model.metrics[0].value == "0.5"
    assert any("contradicts" in loss.why for loss in found.losses)


@dataclass(frozen=True)
class Bad:
    """A document that is refused."""

    data: bytes
    says: str


def with_(**fields: Json) -> bytes:
    return json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", **fields}).encode()


BAD = {
    "nothing": Bad(b"", "well-formed"),
    "no json": Bad(b"<bom/>", "well-formed"),
    "a list": Bad(b"[]", "neither"),
    "another format": Bad(b'{"a":1}', "neither"),
    "no unicode": Bad(b'{"bomFormat":"\xff"}', "well-formed"),
    "a key twice": Bad(b'{"bomFormat":"CycloneDX","bomFormat":"x"}', "well-formed"),
    "too deep": Bad(b'{"bomFormat":' * 99 + b"1" + b"}" * 99, "well-formed"),
    "an old version": Bad(b'{"bomFormat":"CycloneDX","specVersion":"1.2"}', "CycloneDX 1.2"),
    "a version from the future": Bad(b'{"bomFormat":"CycloneDX","specVersion":"9"}', "CycloneDX 9"),
    "spdx 2.2": Bad(b'{"spdxVersion":"SPDX-2.2"}', "neither"),
    "components that are none": Bad(with_(components="x"), "no list"),
    "a component that is none": Bad(with_(components=[1]), "no object"),
    "a name that is a number": Bad(with_(components=[{"type": "library", "name": 1}]), "no text"),
    "metadata that is a list": Bad(with_(metadata=[1]), "no object"),
    "half a surrogate pair": Bad(
        b'{"bomFormat":"CycloneDX","specVersion":"1.6","components":'
        b'[{"type":"library","name":"\\ud800"}]}', "not Unicode",
    ),
    "an spdx graph that is none": Bad(
        b'{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":{}}', "no list"
    ),
    "spdx 2.3 packages that are none": Bad(b'{"spdxVersion":"SPDX-2.3","packages":3}', "no list"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_can_not_be_read_is_refused(name: str) -> None:
    with pytest.raises(SubjectError, match=BAD[name].says) as caught:
        read_bom(BAD[name].data)
    assert caught.value.code == "TG-SUB/bad-bom"
    assert caught.value.next_step


def test_the_list_of_losses_is_bounded() -> None:
    parts = [{"type": "library", "name": "x", f"k{number}": 1} for number in range(3_000)]
    found = read(json.loads(with_(components=parts)))
    assert len(found.losses) == 1_001
    assert sum(loss.count for loss in found.losses) == 3_000

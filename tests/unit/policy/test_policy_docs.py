"""The design page names every fact that a rule may name."""

from pathlib import Path

from tidegate.core.policy.load import bundled
from tidegate.core.policy.vocabulary import VOCABULARY, check_variables
from tidegate.core.stage import Stage

PAGE = Path(__file__).resolve().parents[3] / "docs/design/policy.md"


def test_the_vocabulary_of_the_design_page_is_current() -> None:
    text = PAGE.read_text("utf-8")
    for variable in (*VOCABULARY.values(), *check_variables("<id>")):
        head, _, rest = variable.name.partition(".")
        name = f"<stage>.{rest}" if head in tuple(Stage) else variable.name
        assert f"| `{name}` | {variable.type.value} |" in text


def test_every_rule_names_a_command_or_a_duty_and_a_known_control() -> None:
    for rule in bundled("strict").rules:
        assert rule.fix
        assert rule.message
        assert rule.control.startswith("TG-")


def test_every_control_of_the_bundled_rules_is_in_the_catalogue(shared: Path) -> None:
    catalogue = (shared / "data/taxonomies/controls.yaml").read_text("utf-8")
    for rule in bundled("strict").rules:
        assert f"- id: {rule.control}\n" in catalogue

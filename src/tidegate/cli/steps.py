"""What a command tells about its progress; this one is silent."""


class Steps:
    """Progress that a command reports; silent where nobody watches."""

    def advance(self, count: int = 1) -> None:
        """Say that so many more units are done."""

    def say(self, text: str) -> None:
        """Say what is being done now."""

"""``tidegate serve``: check deployments, release and recall them, and stand guard.

Each command is loaded when it is called: a guard that runs without a workspace starts fast.
"""

from cyclopts import App

app = App(name="serve", help="Check deployments; run the gateway or the admission webhook.")
for name, place, told in (
    ("check", "deployments:check", "Verify a deployment: its bytes and its whole chain."),
    ("recalls", "deployments:recalls", "Write what is quarantined and revoked."),
    ("inventory", "inventory:inventory", "Compare what runs with what was registered."),
    ("watch", "watching:watch", "Verify running replicas, again and again."),
    ("drain", "deployments:drain", "Log what a gateway or a webhook wrote down."),
    ("released", "released:released", "Tell whether files are what was released."),
    ("gateway", "gateway:app", "Run the gateway before a model."),
    ("webhook", "webhook:app", "Run the admission webhook."),
):
    app.command(f"tidegate.cli.{place}", name=name, help=told)

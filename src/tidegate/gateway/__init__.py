"""The data plane: an ASGI gateway in front of one verified model.

::

    from tidegate.gateway.compose import create_gateway
    from tidegate.gateway.settings import GatewaySettings
"""

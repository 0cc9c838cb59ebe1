"""Stand-ins for the services that the network sources talk to: loopback servers that speak the protocols.

They start and stop inside a test, listen on 127.0.0.1 only, write down every request, and fail on request.
"""

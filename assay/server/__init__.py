"""The workspace's own Prefect server: one process per workspace, started when missing.

    address     is there a server already that Prefect would use? then none of ours
    record      what is written down about ours: where it listens, which process it is
    reach       its addresses, and whether it answers
    port        a free port, the same as last time if possible
    settings    the environment of the server and of its clients
    process     spawning, recognising and ending it
    lifecycle   begin, wait until ready, ensure
    commands    start, stop, status
    gate, patience, serve    what runs inside the server's process

And a workspace in service, with deployments and a worker:

    service     which server, and under which names
    deployments `prefect.yaml` made out for it, and what differs on the server
    worker      found, started, stopped
    in_service  all of it brought up, and looked at
    deploy, work    what runs inside the processes of these
    programs, tenancy    background processes from outside and from inside
    api         asking the server

Prefect is not imported here: reaching a running server costs milliseconds.
"""

from assay.server.address import api_url_from_outside
from assay.server.commands import Status, start, status, stop
from assay.server.lifecycle import begin, ensure, wait_until_ready
from assay.server.reach import Server
from assay.server.settings import client_environment

__all__ = [
    "Server",
    "Status",
    "api_url_from_outside",
    "begin",
    "client_environment",
    "ensure",
    "start",
    "status",
    "stop",
    "wait_until_ready",
]

"""What `assay doctor` looks at: whether this installation and workspace can do their work.

    finding       one line of the doctor's: ok, warn or FAIL, and how to mend it
    installation  Python and packages against what Assay supports
    workspace     configuration, prompts, golden tasks, history, folders, disk
    agent         the model's key, the tools
    variables     that the configuration names, here and in the worker
    service       server, worker, deployments, clock

Nothing is changed, and no server is needed; nothing is started but MCP servers, to be asked for
their tools and ended again.
"""

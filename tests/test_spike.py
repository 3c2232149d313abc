import time, sys
def test_a(assay, workspace):
    for i in range(3):
        t=time.monotonic()
        ws = workspace()
        r = assay(ws, "evaluate", "support:v14", "--repeats", "3")
        t2=time.monotonic()
        sys.__stderr__.write(f"{t2-t}\n")
        assert r.exit_code == 1
    sys.__stderr__.write(r.err)

"""Each claim is about a whole process, so each is made by one."""

import os
import subprocess
import sys

import pytest

from gateway.keys.memory import KeyMemory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prctl and mlock2 are Linux's")

WITHOUT_THE_RIGHT = """
import ctypes, resource
libc = ctypes.CDLL(None)
for capability in range(64):  # PR_CAPBSET_DROP: as any service is, without the superuser's rights from the next exec on
    libc.prctl(24, capability, 0, 0, 0)
resource.setrlimit(resource.RLIMIT_MEMLOCK, (LIMIT, LIMIT))
import os, sys
os.execv(sys.executable, [sys.executable, "-c", os.environ["THEN"]])
"""
PROTECT = """
import logging
logging.basicConfig(format="%(message)s")
from gateway.keys.memory import KeyMemory, protect_process
protect_process()
"""


def run(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return done.stdout, done.stderr


def run_without_rights(code, *, limit):
    return run(WITHOUT_THE_RIGHT.replace("LIMIT, LIMIT", f"{limit}, {limit}"), THEN=code)


def status(field):
    return f"""
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("{field}:")))
"""


def test_a_key_of_another_length_is_refused():
    with pytest.raises(ValueError, match="32 bytes"):
        KeyMemory(1).write(0, b"short")


def test_no_core_is_dumped_and_nobody_else_may_look():
    asked = "import ctypes, resource\nprint(ctypes.CDLL(None).prctl(3), resource.getrlimit(resource.RLIMIT_CORE))"
    assert run(asked)[0].startswith("1 ")
    assert run(PROTECT + asked)[0].strip() == "0 (0, 0)"


@pytest.mark.parametrize(("protected", "said"), [("", "read"), (PROTECT, "PermissionError")])
def test_another_process_of_the_same_user_reads_our_memory_only_before(protected, said):
    waiting = protected + "print('ready', flush=True)\ninput()"
    words = [sys.executable, "-c", WITHOUT_THE_RIGHT.replace("LIMIT, LIMIT", "0, 0")]
    with subprocess.Popen(
        words, env=os.environ | {"THEN": waiting}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as victim:
        victim.stdout.readline()
        look = f"""
try:
    open("/proc/{victim.pid}/environ", "rb").read()
    print("read")
except OSError as error:
    print(type(error).__name__)
"""
        assert run_without_rights(look, limit=0)[0].strip() == said
        victim.communicate(b"\n")


def test_a_process_that_crashes_leaves_no_core(tmp_path):
    crash = f"import os\nos.chdir({str(tmp_path)!r})\nos.abort()"
    done = subprocess.run([sys.executable, "-c", PROTECT + crash], capture_output=True, check=False)
    assert done.returncode < 0
    assert list(tmp_path.iterdir()) == []


def test_without_the_right_to_lock_everything_it_says_so_once_and_locks_the_keys_alone():
    out, err = run_without_rights(PROTECT + "memory = KeyMemory(64)" + status("VmLck"), limit=1 << 16)
    assert err.count("only cached data keys are kept out of the swap") == 1
    assert 0 < int(out) <= 64


def test_without_the_right_to_lock_anything_that_is_said_as_well():
    out, err = run_without_rights(PROTECT + "print(KeyMemory(64).is_locked)", limit=0)
    assert "keys may be swapped to disk" in err
    assert out.strip() == "False"


def test_with_the_right_everything_is_locked_from_its_first_use():
    out, err = run(PROTECT + "more = bytes(8 << 20)" + status("VmLck"))
    assert int(out) >= 8 << 10 or "only cached data keys" in err


def test_keys_are_in_pages_that_are_left_out_of_dumps_and_locked():
    code = """
import ctypes
from gateway.keys.memory import KeyMemory
memory = KeyMemory(128)
address = ctypes.addressof(ctypes.c_char.from_buffer(memory._memory))
inside = False
for line in open("/proc/self/smaps"):
    if "-" in line.split()[0]:
        start, end = (int(half, 16) for half in line.split()[0].split("-"))
        inside = start <= address < end
    elif inside and line.startswith("VmFlags:"):
        print(line)
"""
    flags = run(code)[0].split()
    assert {"dd", "lo"} <= set(flags)

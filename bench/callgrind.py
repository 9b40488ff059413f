# SPDX-License-Identifier: MIT
"""Instructions of a program, counted by callgrind: the same on each run of one build.

So that they are: no address is drawn (setarch -R), the environment is ours, and the C library and
libcrypto, which choose their code by the processor, are told to choose what every x86-64 has."""
import os
import re
import subprocess

import machine
from machine import Failure

ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "LC_ALL": "C",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-BMI2,-ERMS,-FSRM,"
                      "-SSE4_2,-SSE4_1,-SSSE3",
    "OPENSSL_ia32cap": "0x0:0x0",
}

# Operations that cost so much that a few do.
FEW = {"hop-hash": 100, "copy": 2, "messages": 1}
COUNT = 2000


def collected(argv, folder=None, limit=120.0):
    """The instructions of one run; the program is found from `folder`, which is its own."""
    valgrind = machine.find("valgrind")
    if not valgrind:
        raise Failure("valgrind is not installed")
    command = ["setarch", "-R", valgrind, "--tool=callgrind",
               "--callgrind-out-file=/dev/null", *argv]
    ran = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, env=ENVIRONMENT, cwd=folder, check=False,
                         timeout=limit)
    said = ran.stdout.decode(errors="replace")
    found = re.search(r"Collected : (\d+)", said)
    if ran.returncode or not found:
        last = said.strip().rpartition("\n")[2]
        raise Failure(f"{argv[0]}: exit status {ran.returncode} under callgrind: {last}")
    return int(found.group(1))


def per_operation(build, name, program="micro"):
    """What one operation of a program costs, the loop around it included."""
    count = FEW.get(name, COUNT)
    program = os.path.join(".", "bench", program)
    twice, once = (collected([program, name, str(n)], build) for n in (2 * count, count))
    return (twice - once) / count


def operations(build):
    listed = subprocess.run([os.path.join(build, "bench", "micro"), "--list"],
                            capture_output=True, text=True, check=True)
    return listed.stdout.split()

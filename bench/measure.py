"""Runs a command and writes what it cost, its waited-for descendants included: measure.py RESULT LIMIT_SECONDS COMMAND [ARGUMENT...]."""

import json
import os
import signal
import sys
import time

result, limit, command = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
parent, start, timed_out = os.getppid(), time.monotonic(), False
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT})
pid = os.posix_spawnp(command[0], command, os.environ, setsid=True, setsigmask=[])
while True:
    ended, status, usage = os.wait4(pid, os.WNOHANG)
    wall = time.monotonic() - start
    if ended:
        break
    got = signal.sigtimedwait({signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}, 0.2)
    stopped = got is not None and got.si_signo != signal.SIGCHLD
    timed_out = timed_out or wall > limit
    if stopped or timed_out or os.getppid() != parent:
        os.killpg(pid, signal.SIGKILL)
cost = {"wallSeconds": wall, "cpuSeconds": usage.ru_utime + usage.ru_stime, "peakRssBytes": usage.ru_maxrss * 1024}
cost["wrapperCpuSeconds"] = time.process_time()
with open(result, "w", encoding="utf8") as file:
    json.dump(cost | {"exitCode": "timeout" if timed_out else os.waitstatus_to_exitcode(status)}, file)

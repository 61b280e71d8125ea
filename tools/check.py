#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make check: every step of it, one after the other, and one count at the end.

--quick leaves out what boots a machine; names of steps run only these. A step counts the tests
that it reports in a last line "N passed, N failed" (pytest's own form too), or as one test.
All output goes to build/check/<step>.log; a failed step shows the end of its own.
"""
import os
import pathlib
import re
import subprocess
import sys
import time

LOGS = pathlib.Path('build/check')
PY = '/usr/bin/python3'
# name, command, whether it boots machines, seconds it may take on a slow machine
STEPS = [
    ('deps', 'make deps', False, 900),
    ('build-clang', 'make CC=clang -j2 objects', False, 900),
    ('build-debug', 'make DEBUG=1 -j2 build/obj/gcc-debug/mica', False, 900),
    ('build', 'make -j2', False, 900),
    ('layers', 'make layers', False, 60),
    ('abi', 'make abi', False, 60),
    ('format', 'make fmt-check', False, 60),
    ('tidy', 'make -j2 -k tidy', False, 1200),
    ('unit', 'make -j2 unit-build && make unit', False, 1200),
    ('coverage', 'make -j2 coverage', False, 1200),
    ('race', 'make -j2 race', False, 900),
    ('fuzz', 'make -j2 fuzz-build && make fuzz', False, 1200),
    ('bench', 'make bench-quick', True, 900),
    ('guests', 'make disk test-guests', True, 1200),
    ('system', f'{PY} -m pytest -v -rf test/system -m "not matrix and not soak and (not xl or daily)" --durations=12', True, 4500),
]
WHOLE = 85 * 60  # a slow machine may need four times what a quick one does, but nobody waits for more than this


def count(text):
    """(passed, failed, skipped) of the last summary line, or None."""
    found = None
    for line in text.splitlines():
        if not re.search(r'\b\d+ (passed|failed|error)', line):
            continue
        numbers = {word: int(n) for n, word in
                   re.findall(r'\b(\d+) (passed|failed|error|skipped|xfailed|xpassed)', line)}
        found = (numbers.get('passed', 0) + numbers.get('xfailed', 0),
                 numbers.get('failed', 0) + numbers.get('error', 0) + numbers.get('xpassed', 0),
                 numbers.get('skipped', 0))
    return found


def follow(process, log, limit):
    """Copies output to the log; shows what looks like progress. The whole text."""
    text = []
    start = time.time()
    for line in process.stdout:
        log.write(line)
        text.append(line)
        if re.search(r' (PASSED|FAILED|ERROR|SKIPPED)\b|^  (unit|race|fuzz|DISK|FETCH) ', line):
            print('    ' + line.strip(), flush=True)
        if time.time() - start > limit:
            process.kill()
            text.append(f'check.py: stopped after {limit} s\n')
    return ''.join(text)


def step(name, command, limit):
    start = time.time()
    print(f'{name}: {command}', flush=True)
    command = f'timeout -k 10 {limit} sh -c {shell_quote(command)}'
    with open(LOGS / f'{name}.log', 'w', encoding='utf-8') as log, \
            subprocess.Popen(command, shell=True, stdin=subprocess.DEVNULL, text=True, errors='replace',
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as p:
        text = follow(p, log, limit + 30)
    counted = count(text)
    good, bad, skipped = counted or (0, 0, 0)
    if p.returncode and not bad:
        bad = 1
    elif counted is None and not p.returncode:
        good = 1
    if bad:
        print(''.join(line + '\n' for line in text.splitlines()[-60:]))
    print(f'{name}: {"FAILED" if bad else "ok"}, {good} passed, {bad} failed, '
          f'{time.time() - start:.0f} s', flush=True)
    return good, bad, skipped


def shell_quote(text):
    return "'" + text.replace("'", "'\\''") + "'"


def main():
    os.environ.pop('MAKEFLAGS', None)
    os.environ.pop('MAKELEVEL', None)
    os.environ.setdefault('SLOW', '3')  # tools/run.py: a machine that is a third as fast passes too
    LOGS.mkdir(parents=True, exist_ok=True)
    wanted = [a for a in sys.argv[1:] if not a.startswith('-')]
    quick = '--quick' in sys.argv
    total = [0, 0, 0]
    failed = []
    start = time.time()
    for name, command, boots, limit in STEPS:
        if (wanted and name not in wanted) or (quick and boots):
            continue
        result = step(name, command, max(60, min(limit, int(start + WHOLE - time.time()))))
        total = [a + b for a, b in zip(total, result)]
        if result[1]:
            failed.append(name)
        if result[1] and name in ('deps', 'build'):
            break
    print(f'\ncheck: {time.time() - start:.0f} s' + (f'; failed: {" ".join(failed)}' if failed else ''))
    skipped = f', {total[2]} skipped' if total[2] else ''
    print(f'{total[0]} passed, {total[1]} failed{skipped}')
    sys.exit(1 if total[1] else 0)


main()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs host test binaries and counts their cases: hosttest.py unit|race|fuzz [--seconds S] NAME...

A unit or race binary is a cmocka program: its cases are counted from its output. A fuzzer is
one case; its corpus lives in build/corpus/NAME, its seeds in test/fuzz/corpus/NAME.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import time

SLOW = 300


def run(cmd, limit):
    env = dict(os.environ, ASAN_OPTIONS='detect_leaks=1:abort_on_error=0',
               UBSAN_OPTIONS='print_stacktrace=1', TSAN_OPTIONS='halt_on_error=1')
    try:
        p = subprocess.run(cmd, capture_output=True, timeout=limit, env=env, check=False)
        return p.returncode, (p.stdout + p.stderr).decode(errors='replace')
    except subprocess.TimeoutExpired as e:
        out = (e.stdout or b'') + (e.stderr or b'')
        return -1, out.decode(errors='replace') + f'\ntimed out after {limit} s'


def cmocka(name, kind):
    rc, out = run([f'build/test/{kind}/{name}'], SLOW)
    good = len(re.findall(r'^\[\s+OK\s+\]', out, re.M))
    bad = len(set(re.findall(r'^\[\s+FAILED\s+\] (?:[^:\n]*: )?(\w+)$', out, re.M)))
    if rc and not bad:
        bad = 1
    if not rc and not good:
        good = 1
    return good, bad, out


def fuzz(name, seconds):
    corpus = pathlib.Path('build/corpus', name)
    corpus.mkdir(parents=True, exist_ok=True)
    seeds = pathlib.Path('test/fuzz/corpus', name)
    cmd = [f'build/test/fuzz/{name}', f'-max_total_time={seconds}', '-timeout=10', '-rss_limit_mb=2048',
           f'-artifact_prefix=build/corpus/{name}-', str(corpus)] + [str(seeds)] * seeds.is_dir()
    rc, out = run(cmd, seconds * 3 + 60)
    m = re.findall(r'stat::number_of_executed_units: *(\d+)|^Done (\d+) runs', out, re.M)
    runs = next((a or b for a, b in m), '?')
    return (1, 0, out) if rc == 0 else (0, 1, out), runs


def one(kind, name, seconds):
    """Runs one binary: what to print, and how many cases passed and failed."""
    start = time.time()
    note = ''
    if kind == 'fuzz':
        (good, bad, out), runs = fuzz(name, seconds)
        note = f', {runs} runs'
    else:
        good, bad, out = cmocka(name, kind)
    line = (f'  {kind} {name:20} {"FAILED" if bad else "ok":6} {good} passed, {bad} failed '
            f'({time.time() - start:.1f} s{note})')
    return line + ('\n' + out[-6000:] if bad else ''), good, bad


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument('kind', choices=['unit', 'race', 'fuzz'])
    ap.add_argument('--seconds', type=int, default=20)
    ap.add_argument('names', nargs='*')
    args = ap.parse_intermixed_args()
    passed = failed = 0
    # Two at a time, but for races, which have threads of their own.
    with concurrent.futures.ThreadPoolExecutor(1 if args.kind == 'race' else 2) as pool:
        for text, good, bad in pool.map(lambda name: one(args.kind, name, args.seconds), args.names):
            print(text, flush=True)
            passed += good
            failed += bad
    print(f'{passed} passed, {failed} failed')
    sys.exit(1 if failed else 0)


main()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs the host tests built for coverage and says which share of the lines under src/ they ran.

Files that no host test compiles count with all of their lines, so the figure is of all C in src/.
coverage.py [--min PERCENT] NAME...; what was not run is in build/cov/<file>.txt.
"""
import collections
import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess
import sys

OUT = pathlib.Path('build/cov')
OBJ = pathlib.Path('build/test/obj/cov')


def gcov(notes):
    """{file: {line: count}} from one .gcno file and its .gcda, if any."""
    run = subprocess.run(['gcov', '--json-format', '--stdout', notes], capture_output=True, check=False)
    seen = {}
    for text in run.stdout.decode().splitlines():
        for f in json.loads(text)['files']:
            if f['file'].startswith('src/'):
                seen[f['file']] = {line['line_number']: line['count'] for line in f['lines']}
    return seen


def notes_only(path, flags):
    """Lines of a file that no host test compiles: notes from a compilation for the machine."""
    target = OUT / 'notes' / path
    target.parent.mkdir(parents=True, exist_ok=True)
    cmd = ['gcc', *flags, '-O0', '-ftest-coverage', '-c', '-o', str(target.with_suffix('.o')), str(path)]
    subprocess.run(cmd, check=False, stderr=subprocess.DEVNULL)
    found = target.with_suffix('.gcno')
    lines = gcov(found).get(str(path), {}) if found.exists() else {}
    return {line: 0 for line in lines}


def run_test(name):
    # A failure is make unit's business; what ran, ran.
    try:
        subprocess.run([f'build/test/cov/{name}'], check=False, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=600)
    except subprocess.TimeoutExpired:
        print(f'{name}: stopped, what it ran does not count')


def run_tests(names):
    for old in OBJ.rglob('*.gcda'):
        old.unlink()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(run_test, names))


def collect():
    total = collections.defaultdict(lambda: collections.defaultdict(int))
    for notes in OBJ.rglob('*.gcno'):
        for file, lines in gcov(notes).items():
            if not pathlib.Path(file).exists():  # an earlier build's
                continue
            for line, count in lines.items():
                total[file][line] += count
    flags = shlex.split(subprocess.run(['make', '-s', 'print-cflags'], check=True, text=True,
                                       capture_output=True, env=dict(os.environ, MAKEFLAGS='')).stdout)
    for path in pathlib.Path('src').rglob('*.c'):
        if str(path) not in total:
            total[str(path)].update(notes_only(path, flags))
    return total


def main():
    args = sys.argv[1:]
    least = float(args.pop(args.index('--min') + 1)) if '--min' in args else 0
    run_tests([a for a in args if a != '--min'])
    OUT.mkdir(parents=True, exist_ok=True)
    total = collect()
    ran = lines = 0
    rows = []
    for file, counts in sorted(total.items()):
        good = sum(1 for c in counts.values() if c)
        ran, lines = ran + good, lines + len(counts)
        rows.append((file, good, len(counts)))
        text = pathlib.Path(file).read_text('utf-8').splitlines()
        report = OUT / (file.replace('/', '.') + '.txt')
        report.write_text(''.join(f'{n}: {text[n - 1]}\n' for n, c in sorted(counts.items())
                                  if not c and n <= len(text)), 'utf-8')
    for file, good, of in rows:
        if of:
            print(f'{100 * good / of:5.1f} %  {good:5} of {of:5}  {file}')
    share = 100 * ran / max(lines, 1)
    print(f'{share:5.1f} %  {ran:5} of {lines:5}  all of src (at least {least:.0f} % are wanted)')
    if share < least:
        sys.exit(f'coverage: less than {least} %')


main()

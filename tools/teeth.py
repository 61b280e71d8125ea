#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make check-teeth: do the tests notice when Mica looks away?

Every row of test/teeth/checks.txt takes one check out of a copy of src/ in build/teeth, builds that
and runs what should notice: test guests in Domain 0's place (guest@CPU: on that CPU model, EPYC say, where
page-table isolation is off), or host tests. A row is good when one of them fails. Ends with the count;
words on the command line choose rows by their names.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import run

ROOT = pathlib.Path(__file__).resolve().parent.parent
TREE = ROOT / 'build/teeth'
LIST = ROOT / 'test/teeth/checks.txt'
SMP = {'smp': 2, 'grant_map': 2, 'shares': 2}
QEMU = {'shares': '-icount shift=4,sleep=off'}
CPU = run.DEFAULTS['CPU']
LIMIT = 40


def rows():
    row = None
    for line in LIST.read_text().splitlines() + ['= end: -']:
        kind, text = line[:1], line[1:].strip()
        if kind == '=':
            if row:
                yield row
            name, tests = text.rsplit(':', 1)
            row = {'name': name.strip(), 'tests': tests.split(), 'old': [], 'new': []}
        elif kind in '-+' and kind:
            row['old' if kind == '-' else 'new'].append(text)
        elif kind == '#' or not line.strip():
            continue
        else:
            row['file'] = line.strip()


def pattern(lines):
    """The lines one after the other, blanks aside; the last may be only the beginning of its line."""
    return r'\s+'.join(r'\s+'.join(re.escape(word) for word in line.split()) for line in lines)


def applied(row):
    text = (ROOT / row['file']).read_text()
    found = list(re.finditer(pattern(row['old']), text))
    if len(found) != 1:
        sys.exit(f'teeth.py: "{row["name"]}" matches {len(found)} places of {row["file"]}')
    return text[:found[0].start()] + '\n'.join(row['new']) + text[found[0].end():]


def prepare():
    """A tree beside the real one, kept between runs: what has not changed is not built again."""
    TREE.mkdir(parents=True, exist_ok=True)
    for name in ('Makefile', 'tools', 'test'):
        link = TREE / name
        if not link.is_symlink():
            link.symlink_to(ROOT / name)
    real = {p.relative_to(ROOT) for p in (ROOT / 'src').rglob('*') if p.is_file()}
    for old in [p for p in (TREE / 'src').rglob('*') if p.is_file()]:
        if old.relative_to(TREE) not in real:
            old.unlink()
    for path in real:
        put(TREE / path, (ROOT / path).read_bytes())


def put(path, data):
    if not path.exists() or path.read_bytes() != data:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def make(*targets):
    words = ['make', '-C', str(TREE), '--no-print-directory', '-j2', 'EXTRA_CFLAGS=-Wno-error', *targets]
    return subprocess.run(words, capture_output=True, text=True, check=False,
                          env={k: v for k, v in os.environ.items() if not k.startswith('MAKE') and k != 'MFLAGS'})


def guest(name):
    """None if the guest succeeds on the hypervisor in the tree, or what went wrong."""
    name, _, cpu = name.partition('@')
    machine = run.Boot(hv='mica', cpu=cpu or CPU, kernel=ROOT / f'build/guest/test/{name}.elf', initrd='none', mem='256M',
                       hvargs='dom0_mem=64M dom0_max_vcpus=4 noreboot', smp=SMP.get(name, 1),
                       qemu=QEMU.get(name, ''))
    found = machine.wait_for(r'^Test result: (SUCCESS|FAILURE.*)\n|^\(XEN\).*(?:panic|PANIC|d0 crashed).*\n', LIMIT)
    machine.stop()
    if found is None:
        return f'no result (machine: {machine.ended})'
    if found[1] == 'SUCCESS':
        return None
    failed = re.search(r'^not ok \d+ - (.*)$', machine.log, re.M)
    return failed[1] if failed else found[0].strip()


def host(name):
    """None if the host test passes."""
    built = make(f'build/test/unit/{name}')
    if built.returncode:
        sys.exit(f'teeth.py: unit/{name} does not build:\n{built.stderr}')
    try:
        done = subprocess.run([TREE / f'build/test/unit/{name}'], capture_output=True, timeout=300,
                              check=False)
    except subprocess.TimeoutExpired:
        return 'no end'
    return f'status {done.returncode}' if done.returncode else None


def wrong(test):
    return host(test[5:]) if test.startswith('unit/') else guest(test)


def noticed(row):
    """The test that noticed, and how; None if nobody did."""
    put(TREE / row['file'], applied(row).encode())
    try:
        built = make('build/mica')
        if built.returncode:
            sys.exit(f'teeth.py: "{row["name"]}" does not build:\n{built.stdout}{built.stderr}')
        for test in row['tests']:
            why = wrong(test)
            if why:
                return f'{test}: {why}'
        return None
    finally:
        put(TREE / row['file'], (ROOT / row['file']).read_bytes())


def sound(chosen):
    """Nothing taken out: every test that is to notice must pass."""
    if make('build/mica').returncode:
        sys.exit('teeth.py: the tree does not build as it is')
    for test in sorted({test for row in chosen for test in row['tests']}):
        why = wrong(test)
        if why:
            sys.exit(f'teeth.py: {test} fails with every check in place: {why}')


def main():
    words = sys.argv[1:]
    chosen = [row for row in rows() if not words or any(word in row['name'] for word in words)]
    for row in chosen:
        applied(row)
    prepare()
    run.BUILD = TREE / 'build'
    sound(chosen)
    missed = 0
    for row in chosen:
        start = time.time()
        by = noticed(row)
        missed += by is None
        print(f'  teeth {"ok    " if by else "MISSED"} {row["name"]}: '
              f'{by or "none of " + " ".join(row["tests"])} ({time.time() - start:.0f} s)', flush=True)
    print(f'{len(chosen) - missed} passed, {missed} failed')
    return 1 if missed else 0


if __name__ == '__main__':
    if '--clean' in sys.argv:
        shutil.rmtree(TREE, ignore_errors=True)
        sys.exit(0)
    sys.exit(main())

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Prints the first comment of each source file, in reading order: what happens first comes first."""
import pathlib
import re
import textwrap

MODULES = ('boot entry hcall debug domain pv hvm gnttab evtchn sched irq time mm emul image '
           'policy core hw lib').split()


def first_comment(text):
    text = re.sub(r'^/\*\s*SPDX[^\n]*\*/\s*', '', text)
    m = re.match(r'\s*/\*(.*?)\*/', text, re.S)
    if not m:
        return '(no first comment)'
    lines = [re.sub(r'^\s*\*? ?', '', line).rstrip() for line in m[1].strip().splitlines()]
    return '\n'.join(lines)


def order(module):
    """The header first, then main and dispatch, then the rest by name."""
    def key(path):
        first = ['head.S', f'{module}.h', 'main.c', 'stubs.S', 'trap.c', 'run.c', 'dispatch.c', 'table.c',
                 f'{module}.c']
        return first.index(path.name) if path.name in first else len(first), str(path)
    return sorted(pathlib.Path('src', module).rglob('*.[chS]'), key=key)


for m in MODULES:
    files = order(m) if pathlib.Path('src', m).is_dir() else []
    if files:
        print(f'\n== src/{m}/ ' + '=' * (70 - len(m)))
    for f in files:
        print(f'\n{f}')
        print(textwrap.indent(first_comment(f.read_text(encoding="utf-8")), '    '))

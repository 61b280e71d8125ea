#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Fails if a file under src/ includes from its own level or above, or another module's priv.h."""
import pathlib
import re
import sys

# From the top down; folders on one line may not include each other.
ORDER = [
    ['boot'],
    ['entry'],
    ['hcall', 'debug'],
    ['domain'],
    ['pv', 'hvm'],
    ['gnttab'],
    ['evtchn'],
    ['sched'],
    ['irq'],
    ['time'],
    ['mm'],
    ['emul', 'image', 'policy'],
    ['core'],
    ['hw'],
    ['lib'],
]
RANK = {name: i for i, names in enumerate(ORDER) for name in names}
CURRENT_MAY = {'entry', 'hcall', 'hw'}


def problems(path, text):
    module = path.parts[1]
    if module not in RANK:
        yield 1, f'folder src/{module} has no place in tools/layers.py'
        return
    for number, line in enumerate(text.splitlines(), 1):
        m = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        if not m:
            continue
        target = m[1].split('/')
        if len(target) == 1:
            if m[1] != 'asm_offsets.h':
                yield number, f'"{m[1]}": name its folder'
            continue
        if target[0] not in RANK:
            yield number, f'"{m[1]}": unknown folder'
        elif target[-1] == 'priv.h' and target[0] != module:
            yield number, f'"{m[1]}": priv.h of another module'
        elif module == 'hw' and target[0] == 'core' and path.suffix != '.h':
            pass        # what hardware does (hw/x86/*.c) may log and lock
        elif target[0] != module and RANK[target[0]] <= RANK[module]:
            yield number, f'"{m[1]}": {module} may not include from {target[0]}'


def main():
    bad = count = 0
    for path in sorted(pathlib.Path('src').rglob('*.[chS]')):
        if len(path.parts) < 3:
            continue
        count += 1
        text = path.read_text(encoding='utf-8')
        for number, what in problems(path, text):
            print(f'{path}:{number}: {what}')
            bad += 1
        if path.parts[1] not in CURRENT_MAY:
            code = re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"', ' ', text, flags=re.S)
            if re.search(r'(?<![\w.>])current(?:_vcpu\(\)|->|\b(?=\s*[;,)]))', code):
                print(f'{path}: names "current": it belongs in entry/ and hcall/ only')
                bad += 1
    if bad:
        sys.exit(f'layers: {bad} findings in {count} files')
    print(f'layers: {count} files, no include points upward')


main()

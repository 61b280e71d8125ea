#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Lines of source by module, sizes of the image's sections."""
import pathlib
import re
import subprocess
import sys


def count(path):
    text = path.read_text(encoding='utf-8')
    code = re.sub(r'/\*.*?\*/|//[^\n]*', '', text, flags=re.S)
    return text.count('\n'), sum(1 for line in code.splitlines() if line.strip())


total = [0, 0, 0]
print(f'{"folder":12}{"files":>8}{"lines":>8}{"code":>8}')
for folder in sorted(p for p in pathlib.Path('src').iterdir() if p.is_dir()):
    rows = [count(f) for f in folder.rglob('*.[chS]')]
    if not rows:
        continue
    sums = [len(rows), sum(r[0] for r in rows), sum(r[1] for r in rows)]
    total = [a + b for a, b in zip(total, sums)]
    print(f'{folder.name:12}{sums[0]:8}{sums[1]:8}{sums[2]:8}')
print(f'{"all of src":12}{total[0]:8}{total[1]:8}{total[2]:8}')
longest = sorted(((count(f)[0], str(f)) for f in pathlib.Path('src').rglob('*.[chS]')), reverse=True)
print('longest: ' + ', '.join(f'{name} {lines}' for lines, name in longest[:3]))
for image in sys.argv[1:]:
    print(subprocess.run(['size', image], capture_output=True, text=True, check=True).stdout.rstrip())

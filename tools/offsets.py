#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Compiler output with lines "->NAME value" on stdin, a header of #defines on stdout."""
import re
import sys

seen = {}
for line in sys.stdin:
    m = re.search(r'->\s*([A-Za-z_]\w*)\s+\$?(-?(?:0x)?[0-9a-fA-F]+)\b', line)
    if m:
        seen.setdefault(m[1], m[2])
print('/* SPDX-License-Identifier: MIT */')
print('/* Made from src/entry/offsets.c. */')
print('#ifndef ASM_OFFSETS_H\n#define ASM_OFFSETS_H')
for name, value in seen.items():
    print(f'#define {name} {value}')
print('#endif')

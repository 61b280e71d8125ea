#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Output of `nm -n` on stdin, an assembly file with the symbol table on stdout.

symbols_count      u32
symbols_addr       u64 each, sorted
symbols_name_off   u32 each, into symbols_names
symbols_names      the names, each ended by a zero byte

--check FILE: the addresses on stdin must be those from which FILE was made.
"""
import sys


def functions(stream):
    """(address, name) of every symbol in a text section."""
    table = []
    for line in stream:
        part = line.split()
        if len(part) != 3 or part[1] not in 'tTwW':
            continue
        if part[2].startswith(('.L', '$')):
            continue
        addr = int(part[0], 16)
        if table and table[-1][0] == addr:
            # Several names for one address: the last one is the innermost.
            table[-1] = (addr, part[2])
        else:
            table.append((addr, part[2]))
    return table


def assembly(table):
    offset = 0
    out = ['/* SPDX-License-Identifier: MIT */',
           '/* Made by tools/symbols.py. */',
           '\t.section .note.GNU-stack,"",@progbits',
           '\t.section .symbols,"a",@progbits',
           '\t.globl symbols_count, symbols_addr, symbols_name_off, symbols_names',
           '\t.hidden symbols_count, symbols_addr, symbols_name_off, symbols_names',
           '\t.balign 8',
           'symbols_addr:']
    out += [f'\t.quad {addr:#x}' for addr, _ in table]
    out.append('symbols_name_off:')
    for _, name in table:
        out.append(f'\t.long {offset}')
        offset += len(name) + 1
    out += ['symbols_count:', f'\t.long {len(table)}', 'symbols_names:']
    out += [f'\t.asciz "{name}"' for _, name in table]
    return '\n'.join(out) + '\n'


def main():
    text = assembly(functions(sys.stdin))
    if len(sys.argv) == 3 and sys.argv[1] == '--check':
        with open(sys.argv[2], encoding='ascii') as made:
            if made.read() != text:
                sys.exit('symbols.py: addresses moved between the two links; '
                         '*(.symbols) must be the last thing in the image')
        return
    sys.stdout.write(text)


main()

#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The life of a guest: made, moved while it runs or saved and restored, destroyed; and the memory that the hypervisor keeps.

Counted as tools/bench.py counts, in a Domain 0 with xl. Debian's Xen moves no PV guest while it runs, so there only saved and
restored. How long a guest stood still is what a program in it saw (test/bench/moved.c), in virtual time, of which an
instruction is a nanosecond.
bench_life.py		measures and prints; build/plugin/life.json. bench_doc.py life puts that into doc/
Settings: HV=xen|mica  WAY=live|saved: only that way of moving
"""
import base64
import json
import os
import re
import struct
import sys

import bench

WORDS = bench.KERNEL_WORDS['plain']
FIGURES = bench.BUILD / 'life.json'
# In Domain 0. Pauses let what comes after a command (scrubbing, say) be counted with it. The second time, Domain 0 has all it
# needs in memory.
LIFE = '''for i in 1 2; do
sleep 1; /srv/ops --mark; xl create -q -p /srv/bench.cfg; sleep 1; /srv/ops --mark; xl destroy bench; sleep 1; /srv/ops --mark
done
'''
KEPT = 'xl info | grep _memory; xl list; echo life end'
HOSTS = ('2G', '4G')  # of which the memory kept is told
START = (512, 1024)  # MiB of Domain 0, for what each page more costs while it starts
GUESTS = {'idle': 0, 'busy': 4}  # pages that each writes to in a millisecond
MIB = 128
WAYS = {'live': "xl migrate -s '' $name 'exec xl migrate-receive'", 'saved': 'xl save $name /srv/image && xl restore /srv/image'}
# In place of libxl's: what it tells xl, progress too, is also kept.
HELPER = '''#!/bin/bash
/usr/lib/xen-4.17/bin/libxl-save-helper "$@" | tee /srv/told$1
exit ${PIPESTATUS[0]}
'''
MOVE = '''log=/var/log/xen/console/guest
says() {{ for i in $(seq 600); do cat $log-$name*.log 2>/dev/null | grep -q "^$1" && break; sleep 0.2; done; }}
name={guest}-{way}
xl create -q /srv/{guest}.cfg "name=\\"$name\\""
says runs; sleep 2; /srv/ops --mark
export LIBXL_SAVE_HELPER=/srv/helper
{command}
says stood; sleep 1; /srv/ops --mark
xl destroy $name
echo "moved {way} {guest}"
echo "told $(base64 -w 0 /srv/told--save-domain)"
cat $log-$name*.log | grep ^stood
rm -f /srv/image $log-$name*.log
'''


def in_dom0(hv, script, **more):
    """What was said, what was counted, and the MiB that the hypervisor keeps."""
    files = {'bench.cfg': bench.guest_cfg(WORDS)}
    text, rows = bench.run(hv, 'plain', 'xl', **bench.xl_dom0(WORDS, script + KEPT, files), **more)
    memory = {k: int(n) for k, n in re.findall(r'^(\w+)_memory +: (\d+)', text, re.M)}
    if 'life end' not in text:
        sys.exit(f'{hv}: it did not come to its end\n' + text[-2000:])
    domains = sum(int(n) for n in re.findall(r'^\S+ +\d+ +(\d+) +\d+ +[-\w]{6} ', text, re.M))
    return rows, memory['total'] - memory['free'] - domains


def life(hv):
    """Domain 0 started; a guest made, paused, and destroyed; memory kept."""
    starts = [bench.run(hv, HVARGS=f'dom0_mem={mib}M,max:{mib}M {bench.XEN_WORDS["plain"]}')[1][1][1]['hypervisor'] for mib in START]
    rows, kept = in_dom0(hv, LIFE)
    marks = [row['hypervisor'] for what, row in rows if what == 'mark']
    return {'boot': rows[0][1]['hypervisor'], 'create': marks[4], 'destroy': marks[5], 'start': starts[1],
            'page': (starts[1] - starts[0]) / ((START[1] - START[0]) * 256),
            'kept': {HOSTS[0]: kept, **{memory: in_dom0(hv, '', MEM=memory)[1] for memory in HOSTS[1:]}}}


def rounds(told):
    """Pages sent in each, from the helper's reports: a name, how many are sent, of how many."""
    reports = [struct.unpack('<QQ', numbers) for numbers in re.findall(rb'Frames[^\0]*\0(.{16})', told, re.S)]
    return [of for sent, of in reports if sent == of > 0]


def moves(hv, ways):
    """{'live, idle': {'rounds': pages sent in each, 'ns': [how long it stood still, and was suspended], counters}}"""
    files = {f'{name}.cfg': bench.guest_cfg(f'{WORDS} {bench.script_word(f"/moved {pages}")}', name, MIB)
             for name, pages in GUESTS.items()}
    files['helper'] = HELPER.encode()
    all_moves = [(way, guest) for way in ways for guest in GUESTS]
    # The first of them twice, and what it said first is forgotten: it finds memory that nobody has had, which is scrubbed then.
    script = ''.join(MOVE.format(way=way, guest=guest, command=WAYS[way]) for way, guest in all_moves[:1] + all_moves)
    text, rows = bench.run(hv, 'plain', 'xl', **bench.xl_dom0(WORDS, script, files, 'moved'))
    marks = [row for what, row in rows if what == 'mark'][1::2]
    parts = re.split(r'^moved (\w+) (\w+)\s*$', text, flags=re.M)[1:]
    found = {}
    for way, guest, said, row in zip(parts[::3], parts[1::3], parts[2::3], marks):
        stood = re.search(r'^stood (\d+) (\d+)', said, re.M)
        if not stood:
            sys.exit(f'{hv} {way} {guest}: it did not move\n' + text[-3000:])
        found[f'{way}, {guest}'] = {'rounds': rounds(base64.b64decode(re.search(r'^told (\S+)', said, re.M)[1])), 'ns': [int(n) for n in stood.groups()], **row}
    return found


def rows_of_life(found):
    yield ['millions of instructions', 'boot', 'Domain 0 to its first user instruction', 'a page of it (instructions)',
           'create', 'destroy', *(f'MiB kept of {memory}iB' for memory in HOSTS)]
    for hv, row in sorted(found.items(), reverse=True):
        if 'boot' in row:
            yield ([hv.title(), f'{row["boot"] / 1e6:.1f}', f'{row["start"] / 1e6:.1f}', f'{row["page"]:.0f}'] +
                   [f'{row[k] / 1e6:.1f}' for k in ('create', 'destroy')] + [str(row['kept'][memory]) for memory in HOSTS])


def rows_of_moves(found):
    yield ['', 'guest', 'pages sent in each round', 'pages in all', "hypervisor's a page", 'all a page', 'ms stood still', 'ms suspended']
    for hv, row in sorted(found.items(), reverse=True):
        for name, move in row.get('moves', {}).items():
            way, guest = name.split(', ')
            sent = sum(move['rounds'])
            yield [f'{hv.title()}, {way}', guest, ', '.join(f'{n:,}' for n in move['rounds']), f'{sent:,}',
                   f'{move["hypervisor"] / sent:,.0f}', f'{bench.total(move) / sent:,.0f}'] + [f'{n / 1e6:,.0f}' for n in move['ns']]


def main():
    bench.compile_tools()
    way = os.environ.get('WAY')
    found = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    for hv in bench.wanted('HV', ('xen', 'mica')):
        mine = found.setdefault(hv, {})
        if not way:
            mine.update(life(hv))
        mine.setdefault('moves', {}).update(moves(hv, [way] if way else ['saved'] if hv == 'xen' else list(WAYS)))
        FIGURES.write_text(json.dumps(found, indent=1) + '\n')
    bench.show('The life of a guest', list(rows_of_life(found)), (0,), '')
    bench.show('Guests moved', list(rows_of_moves(found)), (0, 1, 2), '')


if __name__ == '__main__':
    main()

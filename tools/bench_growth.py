#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Each cost against how much there is: guests, their memory and vCPUs, open event channels, grants in use.

Measures (test/bench/growth.c, and stock Linux in Domain 0), prints the tables, and puts them and a plot into doc/performance.md.
Counted as tools/bench.py counts, plain, what the hypervisor itself executes. Fails if anything grows of which GROWS does not say why, or beyond AT_MOST.
bench_growth.py doc	only the tables and the page, of what was measured before
Stock Linux as Domain 0 on Xen only if asked for: it takes long.
Settings: HV=mica or xen  AXIS=one of AXES; then the tables are only printed, with what build/plugin/growth.json has of the others
"""
import json
import math
import os
import re
import subprocess
import sys

import bench

DOC = bench.ROOT / 'doc'
FIGURES = bench.BUILD / 'growth.json'
LINUX_OPS = ('fork, exit', 'fork, exec', 'mmap, touch', 'pipe round', 'context switch, 2 p')
LINUX_SMP_OPS = ('2 CPUs: fork', '2 CPUs: munmap', '2 CPUs: mprotect', '2 CPUs: pipe', '2 CPUs: context switch, 2')
# name of the axis: (what there is more of, memory of the machine)
AXES = {
    'idle': ('idle guests', '1G'),
    'ticking': ('guests that have a timer each second and are idle else', '1G'),
    'busy': ('guests that never block, on the other CPU', '1G'),
    'memory': ("MiB of the guest's memory", '10G'),
    'vcpus': ("the guest's vCPUs", '1G'),
    'channels': ('open event channels', '1G'),
    'grants': ('grants in use', '1G'),
    'linux memory': ("stock Linux: MiB of Domain 0's memory", ''),
    'linux vcpus': ("stock Linux: Domain 0's vCPUs, each on a CPU", ''),
    'linux guests': ('stock Linux: idle guests there', '3G'),
}
# In Domain 0: more and more guests that sleep, and with these there, what another costs, and what operations in it do.
LINUX_GUESTS = r'''there=0
log=/var/log/xen/console/guest
measured() {{ /srv/ops --mark; eval "$3"; /srv/ops --mark; echo "op 1 $1 linux guests $n|$2"; }}
for n in 1 2 4 8; do
	while [ $there -lt $n ]; do
		there=$((there + 1))
		xl create -q /srv/idle.cfg "name=\"idle$there\""
		for i in $(seq 600); do grep -q ^uptime $log-idle$there.log && break; sleep 0.2; done
	done
	sleep 5
	measured {idle_s} 'a second' 'sleep {idle_s}'
	measured 1 'xl create' 'xl create -q -p /srv/bench.cfg; sleep 1'
	measured 1 'xl destroy' 'xl destroy bench; sleep 1'
	xl create -q -F /srv/bench.cfg
	sed -n "s/^op [0-9]* [0-9]* /&linux guests $n|/p" $log-bench.log
	rm $log-bench.log
	domains=$(xl list | awk 'NR > 1 {{ sum += $3 }} END {{ print sum }}')
	xl info | awk '{{ mib[$1] = $3 }} END {{ print "kept '$n'", mib["total_memory"] - mib["free_memory"] - '$domains' }}'
done
echo guests end
'''
GUEST_MIB = 128
IDLE_S = 60
KEPT, DOM0_PART = 'MiB kept', "xl create: Domain 0's own part"
AT_MOST = {('ticking', 'a second'): 1e6}  # 0.1 % of a CPU
GROWS = {
    ('busy', 'yield to the next'): 'one alone is not switched; of several the one that is due comes from a heap, a step deeper with each doubling',
    ('ticking', 'a second'): 'each guest wakes once a second: a timer interrupt, two switches, an event, a timer set, a block',
    ('memory', 'memory given'): 'each frame is scrubbed (a store for each of its 512 words), gets its owner and its M2P entry',
    ('memory', 'end of that guest'): 'each frame is taken from its owner and given back',
    ('vcpus', 'domain created'): 'each vCPU has its structures, a page of registers and a window of descriptor tables, all cleared',
    ('vcpus', 'domain destroyed'): 'it gives all that back',
    ('vcpus', 'end of that guest'): 'it gives all that back',
    ('channels', 'end of that guest'): "each of its ports is closed and the other side's told so",
    ('grants', 'end of that guest'): 'the frames of its grant table go back with it',
    ('linux vcpus', '2 CPUs: mprotect, thread runs'): 'with more than two, Linux names one more CPU, which ran the process before; each that it names gets an IPI',
    ('linux vcpus', '2 CPUs: munmap, thread runs'): 'for the same reason',
    ('linux vcpus', '2 CPUs: fork, thread runs'): 'for the same reason, and children begin on more CPUs',
    ('linux guests', 'a second'): "each guest's kernel wakes by itself some nine times a second for timers of its own",
    ('linux guests', 'xl create'): "the other guests' wake-ups meanwhile count, and the tools look at each domain",
    ('linux guests', 'xl destroy'): "the other guests' wake-ups meanwhile count, and the tools look at each domain",
    ('linux guests', DOM0_PART): 'the tools look at each domain, in the list and in xenstore',
}
GREW = 1.1  # from the least to the most
PLOT = '''set terminal svg noenhanced size 1300,{height} font "sans,11" background "white"
set output "{out}"
set logscale xy
set grid
set multiplot layout {rows},2 title "Instructions that Mica itself executes"
set key outside right font "sans,8"
'''


def linux(hv, ops, cpus, mib):
    """Operations of stock Linux in a Domain 0 of that size."""
    words = f'dom0_mem={mib}M,max:{mib}M {bench.XEN_WORDS["plain"]} {bench.STABLE.get(hv, "")}'
    return bench.measure_part(hv, 'plain', 'dom0', ops, SMP=str(cpus), MEM=f'{mib + 1024}M', HVARGS=words)


def by_number(rows):
    """{axis: {operation: {how many: instructions of the hypervisor}}} of what is named "<axis> <how many>|<operation>"."""
    found = {}
    for name, row in rows.items():
        what, number, op = re.match(r'(.+) (\d+)\|(.*)', name).groups()
        found.setdefault(what, {}).setdefault(op, {})[int(number)] = row['hypervisor']
        if op == 'xl create':
            found[what].setdefault(DOM0_PART, {})[int(number)] = row['kernel'] + row['user']
    return found


def linux_guests(hv):
    """The same of stock Linux guests, and the MiB that the hypervisor keeps."""
    words = bench.KERNEL_WORDS['plain']
    work = {'bench': '; '.join(f'/ops "{name}"' for name in LINUX_OPS), 'idle': 'sleep 1000000'}
    files = {f'{name}.cfg': bench.guest_cfg(f'{words} {bench.script_word(script)}', name, GUEST_MIB) for name, script in work.items()}
    text, rows = bench.run(hv, 'plain', 'xl', MEM=AXES['linux guests'][1], TIMEOUT='3600',
                           **bench.xl_dom0(words, LINUX_GUESTS.format(idle_s=IDLE_S), files))
    if not re.search('^guests end', text, re.M):
        sys.exit(f'{hv}: not all guests came to their ends\n' + text[-2000:])
    found = by_number(bench.least_rounds(text, rows))
    found['linux guests'][KEPT] = {int(n): int(mib) for n, mib in re.findall(r'^kept (\d+) (\d+)', text, re.M)}
    return found


def measure(hv, axis):
    """{axis: {operation: {how many: instructions of the hypervisor}}}; idle guests give two."""
    if axis == 'linux guests':
        return linux_guests(hv)
    found = {}
    if axis == 'linux memory':
        parts = {mib: linux(hv, LINUX_OPS, 1, mib) for mib in (256, 512, 1024, 2048, 4096, 8192)}
    elif axis == 'linux vcpus':
        parts = {cpus: linux(hv, LINUX_SMP_OPS, cpus, 512) for cpus in (2, 4, 8)}
    else:
        return by_number(bench.measure_part(hv, 'plain', 'growth', [''], APPEND=axis, MEM=AXES[axis][1]))
    for number, rows in parts.items():
        for op, row in rows.items():
            found.setdefault(axis, {}).setdefault(op, {})[number] = row['hypervisor']
    return found


def growth(values):
    """How many times as much with the most as with the least."""
    return values[max(values)] / max(values[min(values)], 1)


def cells(axis, systems):
    """Rows of the table: Mica's for each number, how that grows, and Xen's for the least and the most."""
    mica, xen = systems.get('mica', {}).get(axis, {}), systems.get('xen', {}).get(axis, {})
    either = mica or xen
    numbers = sorted({n for values in either.values() for n in values})
    yield [AXES[axis][0]] + [f'{n:,}' for n in numbers] + ['times'] + (['Xen', 'Xen, most', 'times'] if xen else [])
    for op, values in either.items():
        row = [op] + [bench.number(values[n]) if n in values else '' for n in numbers] + [f'{growth(values):.2f}']
        of_xen = xen.get(op)
        if xen:
            row += [bench.number(of_xen[numbers[0]]), bench.number(of_xen[numbers[-1]]), f'{growth(of_xen):.2f}'] if of_xen else ['', '', '']
        yield row


def unexplained(systems):
    return [(axis, op) for axis, found in systems.get('mica', {}).items() for op, values in found.items()
            if growth(values) > GREW and (axis, op) not in GROWS or max(values.values()) > AT_MOST.get((axis, op), math.inf)]


def markdown(table):
    lines = ['| ' + ' | '.join(table[0]) + ' |', '| --- |' + ' ---: |' * (len(table[0]) - 1)]
    return '\n'.join(lines + ['| ' + ' | '.join(row) + ' |' for row in table[1:]]) + '\n'


def plot(found):
    axes = [axis for axis in AXES if axis in found]
    rows = (len(axes) + 1) // 2
    text = PLOT.format(out='performance-growth.svg', rows=rows, height=260 * rows + 40)
    for axis in axes:
        ops = {op: values for op, values in found[axis].items() if op not in (KEPT, DOM0_PART)}
        text += f'set xlabel "{AXES[axis][0]}" font "sans,9"\nplot ' + ', '.join(
            f'"-" using 1:2 with lines linewidth 2 title "{op}"' for op in ops) + '\n'
        text += ''.join(''.join(f'{n} {max(v, 1)}\n' for n, v in values.items()) + 'e\n' for values in ops.values())
    subprocess.run(['gnuplot'], input=text, text=True, check=True, cwd=DOC)


def document(systems):
    mica = systems['mica']
    text = ''.join(markdown(list(cells(axis, systems))) + '\n' for axis in AXES if axis in mica)
    text += '![growth](performance-growth.svg)\n\nWhat grows, and why it must:\n\n'
    for (axis, op), why in GROWS.items():
        values = mica.get(axis, {}).get(op)
        if values and growth(values) > 1.01:
            text += f'- **{op}**, with more of *{AXES[axis][0]}*: {growth(values):.2f} times. {why[0].upper() + why[1:]}.\n'
    for axis, op in unexplained(systems):
        text += f'- **{op}**, with more of *{AXES[axis][0]}*: nothing says why.\n'
    plot(mica)
    page = DOC / 'performance.md'
    marks = '<!-- growth -->\n{}<!-- end of growth -->'
    page.write_text(re.sub(marks.format('.*?'), lambda _: marks.format(text), page.read_text(), flags=re.S))


def kept():
    """What was measured before, axis by axis."""
    if not FIGURES.exists():
        return {}
    return json.loads(FIGURES.read_text(), object_hook=lambda d: {int(k) if k.isdigit() else k: v for k, v in d.items()})


def main():
    bench.compile_tools()
    systems = kept()
    for hv in [] if 'doc' in sys.argv else bench.wanted('HV', ('mica', 'xen')):
        for axis in bench.wanted('AXIS', [a for a in AXES if a != 'ticking' and not (hv == 'xen' and a in ('linux memory', 'linux vcpus'))]):
            systems.setdefault(hv, {}).update(measure(hv, axis))
            FIGURES.write_text(json.dumps(systems) + '\n')
            print(f'bench: {hv}: {axis}', file=sys.stderr)
    for axis in AXES:
        table = list(cells(axis, systems))
        widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
        for row in table:
            print('  '.join(f'{c:<{w}}' if i == 0 else f'{c:>{w}}' for i, (c, w) in enumerate(zip(row, widths))))
        print()
    if not (os.environ.get('HV') or os.environ.get('AXIS')):
        document(systems)
    for axis, op in unexplained(systems):
        print(f'bench: {op} grows with more of {AXES[axis][0]} beyond what GROWS or AT_MOST says')
    sys.exit(bool(unexplained(systems)))


if __name__ == '__main__':
    main()

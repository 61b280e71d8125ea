#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Puts the figures of the last `make bench` (build/plugin/bench.json) into doc/: performance.json, the tables of
performance.md between its marks, and plots of Domain 0's and bare calls' (SVG, made by gnuplot).
bench_doc.py jobs: likewise those of the last `make bench-jobs`, which have a section of their own; what it did not measure
stays as it is there.
bench_doc.py life: likewise those of the last `make bench-life`."""
import json
import re
import subprocess
import sys

import bench
import bench_jobs
import bench_life

DOC = bench.ROOT / 'doc'
PLOT = '''set terminal svg noenhanced size 1000,560 font "sans,12" background "white"
set output "{out}"
set title "{title}: instructions that the hypervisor itself executes"
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.9 border -1
set boxwidth 0.9
set logscale y
set yrange [10:*]
set grid y
set key top left
set xtics rotate by -40 font "sans,10"
set bmargin 12
set rmargin 12
plot "-" using 2:xtic(1) title "Xen 4.17" linecolor rgb "#c0504d", "-" using 2:xtic(1) title "Mica" linecolor rgb "#4f81bd", \\
     "-" using 2:xtic(1) title "at most" with points pointtype 7 pointsize 0.6 linecolor rgb "black"
{xen}e
{mica}e
{most}e
'''
# Why an operation costs more than on Xen; else a matter of who comes when.
DEARER = {
    'socket round trip': 'its entries go to C, where each loads CR3 twice and overwrites the branch history, and four L4 tables are copied; Xen with'
                         ' `xpti=no` only overwrites the branch history, of PV guests',
    'set_segment_base': 'a call that does next to nothing, but Mica\'s C is reached by two CR3 loads and an overwritten branch history',
    'sleep 100 us': 'where a wake-up and the tick fall together, which differs from round to round, an entry serves both',
}
TURNS = ('a fraction of an entry: in some rounds the guest itself switches or wakes once more or less, as its ticks fall, and the'
         ' round with the fewest instructions counts')
MARKS = '<!-- {what} -->\n{text}<!-- end of {what} -->'


def markdown(title, cells):
    """A table; columns that are empty throughout are left out."""
    keep = [i for i in range(len(cells[0])) if any(row[i] for row in cells[1:])]
    lines = [f'### {title}\n', '| ' + ' | '.join(cells[0][i] for i in keep) + ' |',
             '|' + '|'.join(' --- ' if i == 0 else ' ---: ' for i in keep) + '|']
    lines += ['| ' + ' | '.join(row[i].replace('>', '\\>') for i in keep) + ' |' for row in cells[1:]]
    return '\n'.join(lines) + '\n'


def not_held(found):
    """A line for each limit that some table is above; another for each operation that costs more than on Xen."""
    over, dearer, why = {}, {}, bench.limits(2)
    for (mode, where), title in bench.TITLES.items():
        _, *rows = bench.rows_of(found, mode, where)
        for row in rows:
            name = row[0].replace(' of totals to native', '')
            if '>' in row[7]:
                over.setdefault(name, []).append(f'{title.lower()} {(row[5] or row[4]).strip("()")} (at most {row[6]})')
            if 'X' in row[7]:
                plain = found['plain'][where]['xen'][row[0]]['hypervisor']
                dearer.setdefault(name, []).append(f'{title.lower()} {row[5].strip("()")} instructions (Xen {row[3].strip("()")}, with'
                                                   f' `xpti=no` at least {bench.number(plain)})')
            if 'x' in row[7]:
                dearer.setdefault(name, []).append(f'{title.lower()} {row[8]} entries, {row[9]} CR3 loads, {row[10]} flushes (Xen / Mica)')
    text = 'Limits that do not hold:\n\n'
    text += ''.join(f'- **{name}**: {"; ".join(rows)}. Why: {why.get(name) or "not looked at yet"}.\n' for name, rows in over.items())
    text += '\nWhere Xen does less:\n\n'
    return text + ''.join(f'- **{name}**: {"; ".join(rows)}. Why: {DEARER.get(name, TURNS)}.\n' for name, rows in dearer.items())


def plot(out, title, mode, systems):
    """Bars of Xen's and Mica's own instructions, and points for the limits; what costs neither is left out."""
    names = [n for n in systems['mica'] if systems['mica'][n]['hypervisor'] > 1 and n in systems['xen']]

    def data(value):
        values = ((n, value(n)) for n in names)
        return ''.join(f'"{n}" {v if v else "NaN"}\n' for n, v in values)

    text = PLOT.format(out=out, title=title, xen=data(lambda n: systems['xen'][n]['hypervisor']),
                       mica=data(lambda n: systems['mica'][n]['hypervisor']),
                       most=data(lambda n: bench.at_most(n, systems['mica'][n], mode, systems['xen'][n])))
    subprocess.run(['gnuplot'], input=text, text=True, check=True)


def put(what, text):
    """Text between two marks of the page."""
    page = DOC / 'performance.md'
    page.write_text(re.sub(MARKS.format(what=what, text='.*?'), lambda _: MARKS.format(what=what, text=text),
                           page.read_text(), flags=re.S))


def kept(file):
    """The figures that are in doc/."""
    return json.loads((DOC / file).read_text())


def keep(file, found, places=()):
    """The figures, without what is only for looking into a run."""
    for mode in found.keys() & bench.MODES:
        for rows in [found[mode]['native'], *(found[mode][w][hv] for w in found[mode].keys() & places for hv in found[mode][w])]:
            for row in rows.values():
                row.pop('said', None)
                row.update((k, round(v, 3)) for k, v in row.items())
    (DOC / file).write_text(json.dumps(found, separators=(',', ':')).replace('},"', '},\n"') + '\n')


def over(old, new):
    """The old, with each new figure in its place."""
    for key, value in new.items():
        old[key] = over(old.get(key, {}), value) if isinstance(value, dict) else value
    return old


def jobs():
    found = over(kept('performance-jobs.json'), json.loads((bench.BUILD / 'jobs.json').read_text()))
    text = bench_jobs.remarks(found) + '\n'
    for (mode, where), title in bench_jobs.TITLES.items():
        if where in found.get(mode, {}):
            text += markdown(title, list(bench_jobs.rows_of(found, mode, where))) + '\n'
    put('jobs', text)
    keep('performance-jobs.json', found, bench_jobs.PLACES)
    print('doc/performance.md and performance-jobs.json are made')


def life():
    found = json.loads(bench_life.FIGURES.read_text())
    put('life', markdown('Made and destroyed', list(bench_life.rows_of_life(found))) + '\n' +
        markdown('Moved', list(bench_life.rows_of_moves(found))))
    keep('performance.json', {**kept('performance.json'), 'life': found})
    print('doc/performance.md and performance.json are made')


def main():
    found = json.loads((bench.BUILD / 'bench.json').read_text())
    if not all(where in found.get(mode, {}) for mode in bench.MODES for where in bench.PLACES):
        sys.exit('bench_doc.py: the last run was only a part')
    found['life'] = kept('performance.json').get('life', {})
    text = 'Packages: ' + ', '.join(f'{name} {version}' for name, version in found['versions'].items()
                             if name.startswith(('linux', 'xen')) and 'cloud' not in name) + '.\n\n'
    for (mode, where), title in bench.TITLES.items():
        text += markdown(title, list(bench.rows_of(found, mode, where))) + '\n'
        if not where.startswith('guest'):
            name = f'performance-{mode}-{where}.svg'
            plot(DOC / name, title, mode, found[mode][where])
            text += f'![{title}]({name})\n\n'
    text = not_held(found) + '\n' + text
    put('figures', text)
    keep('performance.json', found, bench.PLACES)
    print('doc/performance.md, its plots and performance.json are made')


if __name__ == '__main__':
    {'jobs': jobs, 'life': life}.get(' '.join(sys.argv[1:]), main)()

# SPDX-License-Identifier: MIT
"""Machines such that every two values of different settings meet in one of them."""
import itertools

VALUES = dict(machine=('pc', 'q35'), disk=('virtio', 'ahci', 'nvme'), net=('virtio', 'e1000'),
              cpu=('Haswell', 'qemu64', 'max', 'EPYC'), smp=(1, 2, 4), mem=('1G', '4G', '16G'))


def pairs(row):
    """The pairs of (setting, value) that meet in one machine, or in all machines if all values are given."""
    return set(itertools.combinations(row.items(), 2))


def every_pair():
    return set().union(*(pairs(dict(zip(VALUES, values))) for values in itertools.product(*VALUES.values())))


def complete(rows):
    """What is to be added to these machines: each time one of those that bring the most new pairs, the same every time."""
    machines = [dict(zip(VALUES, values)) for values in itertools.product(*VALUES.values())]
    missing = every_pair().difference(*map(pairs, rows))
    added = []
    while missing:
        added.append(max(machines, key=lambda row: len(missing & pairs(row))))
        missing -= pairs(added[-1])
    return added

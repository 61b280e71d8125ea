# SPDX-License-Identifier: MIT
"""Every number of the tool calls, asked on Mica and compared with what Xen 4.17 answers (abi_probe.c). Where the two may
differ is a list here, with the reason; doc/abi.md has what Mica does with each number."""
import re
import subprocess

import pytest
import xl_initramfs
import xl_shell

# Lines by the pattern of their name.
DIFFERENT = [
    (r'physinfo capabilities', 'grant tables of version 1 only'),
    (r'tbuf_op .*', 'Mica has trace rings of its own, not xentrace\'s'),
    (r'get_pmstat .*|pm_op .*', 'frequencies and idle states are the hardware\'s: as a Xen without cpufreq and cpuidle'),
    (r'perfc_op .*', 'Debian\'s Xen is built without counters'),
    (r'page_offline_op .*', 'no frame is taken away at run time'),
    (r'livepatch_op .*', 'as a Xen without live patching'),
    (r'(vm_event|monitor)_op .*', 'no events of introspection, and no version of theirs'),
    (r'psr_alloc (3|10)', 'one error for all of a CPU without resource control'),
    (r'set_target none|test_assign_device any', 'refused without looking, or after looking for the domain'),
    (r'getvcpucontext vcpu 9|hypercall_init nowhere', 'another error for what is not there'),
    (r'setvnumainfo .*', 'no virtual NUMA'),
    (r'(get|set)_vcpu_msrs .*', 'fewer registers'),
    (r'getvcpuinfo before', 'vCPUs are made with their domain'),
    (r'get_cpu_policy few msrs', 'a leaf more: AVX is not hidden'),
    (r'now set leaf (1|7|0x4|0x80000001|0x80000008).*', 'AVX is not hidden; features do not depend on each other\'s flags'),
    (r'access_op.*|acquire_resource.*|claim_pages.*', 'another error for what a PV guest has not'),
    (r'xenoprof_op|hvm_op .*|kexec_op|dm_op|hypfs_op|arch_1', 'not there at all'),
    (r'platform_op (3[1-5]|48|49)', 'memory types and microcode are not Domain 0\'s'),
]


@pytest.fixture(scope='module')
def probe(tmp_path_factory):
    """An initramfs with the program in it."""
    folder = tmp_path_factory.mktemp('abi')
    subprocess.run(['gcc', '-std=gnu11', '-O1', '-Wall', '-Wextra', '-Werror', '-static', '-o', folder / 'abi_probe',
                    xl_initramfs.HERE.parent / 'test/system/abi_probe.c'], check=True)
    xl_initramfs.main()
    return xl_shell.with_files({'srv/abi_probe': (folder / 'abi_probe').read_bytes()}, folder / 'initrd')


def lines_of(text):
    """{name: answers}, without what the hypervisor prints in between."""
    found = {}
    for line in text.splitlines():
        match = re.match(r'(?!\(XEN\))([\w ,]+): (.*)', line)
        if match:
            found.setdefault(match[1], []).append(match[2].strip())
    return found


def test_numbers(boot, probe, oracle, hypervisor):
    machine = boot(**xl_shell.settings({}, probe))
    shell = xl_shell.Shell(machine)
    assert shell.ready(300)
    status, text = shell.run('/srv/abi_probe', 200)
    assert status == 0, text
    seen = lines_of(text)
    assert len(seen) > 250
    xen = oracle('abi', seen)
    wrong = {name: f'{name}: Xen {xen.get(name)}, here {seen.get(name)}' for name in {**xen, **seen}
             if seen.get(name) != xen.get(name)}
    for pattern, _ in DIFFERENT:
        explained = [name for name in wrong if re.fullmatch(pattern, name)]
        assert explained or hypervisor == 'xen', f'nothing of {pattern} is different any more'
        for name in explained:
            del wrong[name]
    assert not wrong, '\n'.join(wrong.values())


def test_xl_info(boot, probe, oracle):
    """`xl info` is Xen's but for names."""
    names = re.compile(r'xen_(extra|version|changeset)|cc_.*|build_id|cpu_mhz|free_memory|hw_caps|virt_caps')
    machine = boot(**xl_shell.settings({'smp': 2}, probe))
    shell = xl_shell.Shell(machine)
    assert shell.ready(300)
    status, text = shell.run('xl info -n')
    assert status == 0, text
    seen = dict(line.split(':', 1) for line in text.splitlines() if ':' in line and not line.startswith('(XEN)'))
    seen = {name.strip(): value.strip() for name, value in seen.items() if not names.fullmatch(name.strip())}
    seen['0'] = seen['0'].split()[0]  # numa_info: the free memory differs
    xen = oracle('xl-info', seen)
    assert seen == xen
    for line in ('xen-cpuid -p', 'test-cpu-policy', 'xl debug-keys h'):
        assert shell.run(line)[0] == 0, line

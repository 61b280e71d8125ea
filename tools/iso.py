#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Makes a CD image that GRUB boots under BIOS and under UEFI: iso.py [OUT] [HV=xen] [ENTRY=name]

Entries: disk (Domain 0's disk, label mica-dom0), initramfs (the small one; powers off).
The words are those that Debian's own GRUB scripts write for Xen: the first one after the file
name is a placeholder.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import fetch

MENU = '''set timeout={timeout}
set default={entry}
serial --unit=0 --speed=115200
terminal_input serial console
terminal_output serial console
insmod all_video

menuentry "Mica, Domain 0 from the disk labelled mica-dom0" --id disk {{
	multiboot2 /boot/{hv} placeholder {hvargs}
	module2 /boot/vmlinuz placeholder root=LABEL=mica-dom0 ro console=hvc0 earlyprintk=xen {append}
	module2 --nounzip /boot/initrd.img
}}
menuentry "Mica, small initramfs" --id initramfs {{
	multiboot2 /boot/{hv} placeholder {hvargs}
	module2 /boot/vmlinuz placeholder console=hvc0 earlyprintk=xen {append}
	module2 --nounzip /boot/initramfs
}}
'''


def make(out, hv='mica', entry='disk', hvargs='', append='', timeout=3, disk=True, kernel=None):
    build = pathlib.Path('build')
    files = {hv: build / ('guest/xen' if hv == 'xen' else 'mica'),
             'vmlinuz': pathlib.Path(kernel or build / 'guest/vmlinuz'),
             'initramfs': build / 'guest/initramfs.cpio.gz'}
    if disk:
        # Its modules must be those of the kernel: take both from the disk.
        files.update({'vmlinuz': pathlib.Path(kernel or build / 'dom0/vmlinuz'),
                      'initrd.img': build / 'dom0/initrd.img'})
    with tempfile.TemporaryDirectory(prefix='mica-iso-') as tree:
        boot = pathlib.Path(tree, 'boot')
        (boot / 'grub').mkdir(parents=True)
        for name, file in files.items():
            shutil.copy(file, boot / name)
        menu = MENU.format(hv=hv, entry=entry, timeout=timeout, append=append,
                           hvargs=f'console=com1 com1=115200,8n1 {hvargs}'.strip())
        (boot / 'grub/grub.cfg').write_text(menu, 'ascii')
        log = subprocess.run(['grub-mkrescue', '-o', str(out), tree], text=True, check=False,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if log.returncode:
            sys.exit(log.stdout + 'iso.py: grub-mkrescue failed')


if __name__ == '__main__':
    given = dict(a.split('=', 1) for a in sys.argv[1:] if '=' in a)
    where = ([a for a in sys.argv[1:] if '=' not in a] or ['build/mica.iso'])[0]
    make(where, hv=given.get('HV') or os.environ.get('HV') or 'mica',
         entry=given.get('ENTRY') or os.environ.get('ENTRY') or 'disk',
         append=given.get('APPEND', ''), hvargs=given.get('HVARGS', ''))
    fetch.say(f'ISO     {where}')

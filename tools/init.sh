#!/bin/sh
# SPDX-License-Identifier: MIT
# /init of the small initramfs. Says where it is, then does what the kernel command line asks:
#   mica.sh=BASE64                        run this script first
#   mica.do=poweroff|reboot|shell|crash   how to end (default poweroff)
B=/bin/busybox
$B --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
dmesg -n 4

what=poweroff
script=
for word in $(cat /proc/cmdline); do
	case $word in
	mica.do=*) what=${word#*=} ;;
	mica.sh=*) script=${word#*=} ;;
	esac
done

echo MICA-INITRAMFS-OK
uname -a
echo "cpus: $(grep -c ^processor /proc/cpuinfo)"
echo "memory: $(sed -n 's/^MemTotal: *//p' /proc/meminfo)"
echo "hypervisor: $(cat /sys/hypervisor/type 2>/dev/null)" \
	"$(cat /sys/hypervisor/version/major 2>/dev/null).$(cat /sys/hypervisor/version/minor 2>/dev/null)$(cat /sys/hypervisor/version/extra 2>/dev/null)"
echo "clocksource: $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
echo "uptime: $(cut -d' ' -f1 /proc/uptime)"

if [ -n "$script" ]; then
	echo "$script" | base64 -d > /tmp/script
	sh /tmp/script
	echo "MICA-SCRIPT-DONE $?"
fi
echo "MICA-INITRAMFS-END $what"
case $what in
reboot) reboot -f ;;
shell) setsid cttyhack sh; poweroff -f ;;
crash) echo c > /proc/sysrq-trigger ;;
*) poweroff -f ;;
esac
sleep 60

#!/bin/sh
# SPDX-License-Identifier: MIT
# Around test/bench/jobs.c, all by busybox and the same everywhere; what comes with it is in /jobs.
#   jobs.sh here [BEGINNING]   natively and in Domain 0: devices, another end of a wire, then the jobs
#   jobs.sh apart              the other end there
#   jobs.sh guest [BEGINNING]  in a guest
#   jobs.sh other              in the other guest
#   jobs.sh dom0               Domain 0 with two guests: disk and other end; shows what the first says
#   jobs.sh prepare|run|check NAME   one job of small programs
PATH=/bin
wait_for() {
	i=0
	until "$@" >/dev/null 2>&1 || [ $i = 600 ]; do i=$((i + 1)); usleep 50000; done
}
many_files() {
	for d in 1 2 3 4 5 6 7 8; do
		mkdir -p $1/$d
		for f in 1 2 3 4 5 6 7 8; do
			seq $((d * 1000 + f)) $((d * 1000 + f + 2500)) >$1/$d/$f
		done
	done
}

case "$1 $2" in
here*)
	mount -t tmpfs tmp /tmp
	for m in $(cat /modules/order); do insmod /modules/$m; done
	if [ -e /dev/vda ]; then
		export DISK=/dev/vda
		set -- here "${2:-disk}"
	else
		/jobs/jobs --fill /disk.img 32
		losetup /dev/loop0 /disk.img
		ifconfig lo up
		/jobs/jobs --serve &
		/jobs/jobs --apart sh /jobs/jobs.sh apart &
		wait_for ifconfig wire0 192.168.77.2
		export BLOCK=/dev/loop0 PEER=192.168.77.1 LOOPBACK=127.0.0.1
		wait_for ping -c 1 $PEER
	fi
	/jobs/jobs "$2"
	;;
apart*)
	/usr/bin/ip link add wire1 type veth peer name wire0 netns 1
	ifconfig wire1 192.168.77.1
	exec /jobs/jobs --serve
	;;
other*) exec /jobs/jobs --serve ;;
guest*)
	/jobs/jobs --serve &
	export BLOCK=/dev/xvda PEER=192.168.77.1 GUEST_PEER=192.168.77.3 LOOPBACK=127.0.0.1
	wait_for ping -c 1 $GUEST_PEER
	/jobs/jobs "$2"
	;;
dom0*)
	PATH=/usr/lib/xen-4.17/bin:/usr/sbin:/usr/bin:/sbin:/bin
	/jobs/jobs --fill /srv/disk.img 32
	/jobs/jobs --serve &
	xl create -q /jobs/other.cfg
	xl create -q -F /jobs/bench.cfg
	tr -d '\r' </var/log/xen/console/guest-bench.log
	;;
"prepare forks") ;;
"run forks")
	i=0
	while [ $i -lt 200 ]; do
		sh -c 'exit 3'
		[ $? = 3 ] || exit 1
		i=$((i + 1))
	done
	;;
"check forks") ;;
"prepare build")
	rm -rf /tmp/build
	mkdir /tmp/build
	for i in $(seq 40); do
		echo "static int f$i(int *a, unsigned n) { int sum = @N@; for (unsigned i = 0; i < n; i++)"
		echo "	sum += a[i] > $i ? a[i] * sum : sum / ($i + @N@); return sum; }"
		echo "int g${i}_@N@(struct s$i *s) { return s->x ? f$i(&s->x->y, s->n) : s->n; }" |
			sed "s/^/struct s$i { struct s$i *x; int y, n; };&/"
	done >/tmp/source.c
	;;
"run build")
	cd /tmp/build
	for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
		sed "s/@N@/$n/g" /tmp/source.c | awk '{ print } END { print "int lines_" NR ";" }' >$n.c
		/usr/bin/tcc -c -o $n.o $n.c || exit 1
	done
	cat *.o | md5sum >sum
	;;
"check build")
	[ -s /tmp/build.sum ] || cp /tmp/build/sum /tmp/build.sum
	[ "$(cat /tmp/build/*.o | wc -c)" -gt 20000 ] && cmp /tmp/build/sum /tmp/build.sum
	;;
"prepare pack" | "prepare unpack")
	rm -rf /tmp/pack
	mkdir /tmp/pack
	cd /tmp/pack
	many_files tree
	tar czf ready.tgz tree
	;;
"run pack")
	cd /tmp/pack
	tar czf made.tgz tree
	;;
"run unpack")
	cd /tmp/pack
	mkdir made
	tar xzf ready.tgz -C made
	;;
"check pack")
	cd /tmp/pack
	mkdir made
	tar xzf made.tgz -C made && diff -r tree made/tree
	;;
"check unpack") diff -r /tmp/pack/tree /tmp/pack/made/tree ;;
"prepare tree") rm -rf /tmp/files ;;
"run tree")
	for d in 1 2 3 4 5 6 7 8 9 10; do
		mkdir -p /tmp/files/$d/a/b
		for f in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
			echo "file $f of $d" >/tmp/files/$d/a/b/$f
		done
	done
	find /tmp/files -type f -size -2 >/tmp/found
	rm -r /tmp/files
	;;
"check tree") [ "$(wc -l </tmp/found)" = 200 ] && [ ! -e /tmp/files ] ;;
*) exit 1 ;;
esac

# SPDX-License-Identifier: MIT
# gdb with Mica: `make debug`, or `make run GDB=1` in one terminal and `make gdb` in another.
# `help mica-` lists the commands below.
set pagination off
set confirm off
set print pretty on
set disassembly-flavor att
set history save off
set architecture i386:x86-64

define mica-attach
	target remote 127.0.0.1:1234
	echo Halted at reset. "mica-go" runs to Mica's C code; "c" runs on.\n
end
document mica-attach
Connect to QEMU's gdb server (make debug does it).
end

define mica-go
	thbreak boot_main
	continue
end
document mica-go
Run to the first C function of Mica.
end

define mica-domains
	set $i = 0
	if dom0
		mica-domain dom0
	end
end
document mica-domains
Show Domain 0 (mica-domain EXPR shows any).
end

define mica-domain
	set $d = $arg0
	printf "domain %u: refs %u, vcpus %u, dying %u, crashed %u, shut down %u (code %u) %s\n", \
		$d->id, $d->refs, $d->vcpu_max, $d->is_dying, $d->is_crashed, $d->is_shut_down, \
		$d->shutdown_code, $d->crash_reason
	set $n = 0
	while $n < $d->vcpu_max
		set $v = $d->vcpus[$n]
		if $v
			printf "  vcpu %u: cpu %u, running %u, down %u, paused %u, pending %u, masked %u\n", \
				$v->id, $v->cpu, $v->is_running, $v->is_down, $v->pause_count, \
				$v->info->evtchn_upcall_pending, $v->info->evtchn_upcall_mask
		end
		set $n = $n + 1
	end
end
document mica-domain
mica-domain EXPR: a domain and its vCPUs.
end

define mica-trace
	set $cpu = $arg0
	set $k = $arg1
	while $k > 0
		set $k = $k - 1
		set $r = trace_get($cpu, $k)
		if $r
			printf "%16lu ", $r->tsc
			output (enum trace_event)$r->event
			printf " %#lx %#lx", $r->a, $r->b
			if $r->text
				printf " %s", $r->text
			end
			printf "\n"
		end
	end
end
document mica-trace
mica-trace CPU COUNT: the last COUNT records of a CPU's trace ring, oldest first.
end

define mica-entry
	set $va = (unsigned long)$arg0
	printf "L4 %lu  L3 %lu  L2 %lu  L1 %lu  offset %#lx\n", ($va >> 39) & 511, ($va >> 30) & 511, \
		($va >> 21) & 511, ($va >> 12) & 511, $va & 4095
end
document mica-entry
mica-entry VA: the page-table indices of an address.
end

define mica-where
	monitor info registers
	bt 16
end
document mica-where
Registers, control registers included, and a backtrace.
end

define mica-linux
	add-symbol-file build/guest/vmlinux
end
document mica-linux
Add Domain 0's kernel (Debian's is stripped: of use with your own).
end

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
	if $argc == 0
		target remote 127.0.0.1:1234
	else
		target remote 127.0.0.1:$arg0
	end
	echo Halted at reset. "mica-go" runs to Mica's C code; "c" runs on.\n
end
document mica-attach
mica-attach [PORT]: connect to QEMU's gdb server (make debug does it; port 1234).
end

define mica-go
	thbreak boot_main
	continue
end
document mica-go
Run to the first C function of Mica.
end

define mica-domains
	set $slot = 0
	if idle_domain
		mica-domain idle_domain
	end
	while $slot < sizeof('src/core/domain.c'::table) / sizeof('src/core/domain.c'::table[0])
		set $next = 'src/core/domain.c'::table[$slot]
		while $next
			mica-domain $next
			set $next = $next->table_next
		end
		set $slot = $slot + 1
	end
end
document mica-domains
All domains and their vCPUs, the idle one first.
end

define mica-domain
	set $d = (struct domain *)($arg0)
	printf "domain %u: refs %u, vcpus %u, dying %u, crashed %u, shut down %u (code %u)", $d->id, $d->refs, \
		$d->vcpu_max, $d->is_dying, $d->is_crashed, $d->is_shut_down, $d->shutdown_code
	if $d->crash_reason[0]
		printf " %s", $d->crash_reason
	end
	printf "\n"
	set $n = 0
	while $n < $d->vcpu_max && $n < sizeof($d->vcpus) / sizeof($d->vcpus[0])
		if $d->vcpus[$n]
			mica-vcpu-line $d->vcpus[$n]
		end
		set $n = $n + 1
	end
end
document mica-domain
mica-domain EXPR: a domain and its vCPUs, as in "mica-domain dom0".
end

define mica-vcpu-line
	set $v = (struct vcpu *)($arg0)
	printf "  vcpu %u: cpu %u, running %u, down %u, paused %u", $v->id, $v->cpu, $v->is_running, $v->is_down, \
		$v->pause_count
	if !$v->is_idle && $v->info
		printf ", events pending %u masked %u", $v->info->evtchn_upcall_pending, $v->info->evtchn_upcall_mask
	end
	printf "\n"
end

define mica-vcpu
	set $v = (struct vcpu *)($arg0)
	printf "domain %u:\n", $v->domain->id
	mica-vcpu-line $v
	if $v->pv
		set $r = $v->pv->regs
		printf "  mode "
		output (enum pv_mode)($v->pv->page->entry.mode & 1)
		printf ", saved at the last entry by vector %#x, error %#x\n", $r->vector, $r->error_code
		printf "  rip %04lx:%016lx  rsp %04lx:%016lx  flags %lx\n", $r->cs & 0xffff, $r->rip, $r->ss & 0xffff, \
			$r->rsp, $r->rflags
		printf "  rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", $r->rax, $r->rbx, $r->rcx, $r->rdx
		printf "  rsi %016lx rdi %016lx rbp %016lx r8  %016lx\n", $r->rsi, $r->rdi, $r->rbp, $r->r8
		printf "  r9  %016lx r10 %016lx r11 %016lx r12 %016lx\n", $r->r9, $r->r10, $r->r11, $r->r12
		printf "  r13 %016lx r14 %016lx r15 %016lx\n", $r->r13, $r->r14, $r->r15
		printf "  roots: kernel %#lx, user %#lx; callbacks: event %#lx, syscall %#lx\n", \
			$v->mm->root_kernel.m, $v->mm->root_user.m, $v->pv->event.rip, $v->pv->syscall.rip
	end
end
document mica-vcpu
mica-vcpu EXPR: one vCPU with its saved registers, as in "mica-vcpu dom0->vcpus[0]".
end

# The rings are read, no function of Mica's is called: the machine may be stopped in a guest.
define mica-trace
	set $ring = &'src/core/trace.c'::rings[$arg0]
	set $records = 512
	set $k = $arg1
	if $k > $records
		set $k = $records
	end
	if $k > $ring->count
		set $k = $ring->count
	end
	while $k > 0
		set $t = &$ring->records[($ring->count - $k) % $records]
		printf "%16lu ", $t->tsc
		output (enum trace_event)$t->event
		printf " %#lx %#lx", $t->a, $t->b
		if $t->event == TRACE_HYPERCALL && $t->a < sizeof(hcall_name::names) / sizeof(hcall_name::names[0])
			if hcall_name::names[$t->a]
				printf " %s", hcall_name::names[$t->a]
			end
		else
			if $t->text
				printf " %s", $t->text
			end
		end
		printf "\n"
		set $k = $k - 1
	end
end
document mica-trace
mica-trace CPU COUNT: the last COUNT records of a CPU's trace ring, oldest first.
end

define mica-frame
	set $mfn = (unsigned long)($arg0)
	if $mfn >= hw_frame_max
		printf "%#lx: beyond memory\n", $mfn
	else
		if !((hw_ram_bitmap[$mfn / 64] >> ($mfn % 64)) & 1)
			printf "%#lx: not RAM\n", $mfn
		else
			mica-frame-print
		end
	end
end
document mica-frame
mica-frame MFN: what the frame table knows of a machine frame.
end

define mica-frame-print
	set $f = (struct frame *)0xffff808000000000 + $mfn
	set $w = $f->word
	printf "%#lx: owner %#x, refs %lu, typed %lu, ", $mfn, $f->owner, $w & 0xffffffff, ($w >> 32) & 0x3fffff
	output (enum frame_type)(($w >> 54) & 7)
	if $w & (1ul << 57)
		printf " VALID"
	end
	if $w & (1ul << 58)
		printf " BUSY"
	end
	if $w & (1ul << 59)
		printf " PINNED"
	end
	if $w & (1ul << 60)
		printf " LIVE"
	end
	if $w & (1ul << 61)
		printf " NONCOH"
	end
	if $w & (1ul << 62)
		printf " TAINTED"
	end
	if $w & (1ul << 63)
		printf " SHARED"
	end
	printf ", done %u, stamp %u, m2p %#lx\n", $f->done, $f->stamp, ((unsigned long *)0xffff818000000000)[$mfn]
end

define mica-log
	set $size = sizeof('src/core/log.c'::ring)
	set $from = 0
	set $end = 'src/core/log.c'::ring_end
	if $end > $size
		set $from = $end - $size
	end
	while $from < $end
		printf "%c", 'src/core/log.c'::ring[$from % $size]
		set $from = $from + 1
	end
end
document mica-log
What Mica and its guests have printed, as far as the ring still has it.
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

/* SPDX-License-Identifier: MIT */
/*
 * One operation after the other, each several rounds long, each round between two marks that tools/plugin/count.c sees.
 * Says "op <rounds> <operations of a round> <name>" after each. An argument: only names that begin so; --mark: a mark.
 * Runs in the small initramfs, natively, in Domain 0 and in a guest, started by tools/bench.py.
 *
 * With two CPUs (Linux's) only the operations across both run, with one only the others: the one that measures is on CPU 0,
 * whom it works with on CPU 1.
 *
 * Every operation has a process of its own, made anew by exec, and begins after a pause, so that what came before it
 * (output, RCU, memory that the hypervisor scrubs) is over. Addresses are not random: they decide how many page tables
 * an operation needs.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define MARK()	  __asm__ volatile(".byte 0x0f, 0x1f, 0x80, 'M', 'A', 'R', 'K'" ::: "memory")
#define PAGES	  256
#define MIB	  (1u << 20)
#define COPY	  (16u * MIB)
#define PAUSE_NS  200000000 /* before an operation */
#define BREATH_NS 30000000  /* before each round: what the last one left to RCU is freed */
#define STEP_NS	  700000    /* so that the tick falls elsewhere in the next */
#define RING_MAX  16

static char *page, *many, *source, *target;
static volatile int hits;
static atomic_int is_round; /* between two marks */
static pid_t self, other;
static int to[2], from[2], privcmd = -1, fd = -1;
static int ring[RING_MAX + 1][2];
static const struct op *op; /* the one that is measured */

struct op {
	const char *name;
	void (*run)(unsigned int i);
	unsigned int repeats;
	void (*setup)(void);	/* before the first round */
	void (*prepare)(void);	/* before each */
	unsigned int cpus;	/* 2: across both */
	unsigned int processes; /* of a ring: a lap is so many operations */
	unsigned int kib;	/* each touches between two switches */
};

static struct futexes {
	atomic_int turn[2];
} * futexes;

static void must(int ok)
{
	if (!ok) {
		perror("ops");
		exit(1);
	}
}

static cpu_set_t one_cpu(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return set;
}

/* From now on; does nothing with one CPU. */
static void go_to_cpu(unsigned int cpu)
{
	cpu_set_t set = one_cpu(cpu);

	if (op != NULL && op->cpus == 2)
		must(sched_setaffinity(0, sizeof(set), &set) == 0);
}

/* A child that dies with its parent, on the other CPU if there is one: 0 in it. */
static pid_t child(void)
{
	pid_t pid = fork();

	must(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		go_to_cpu(1);
	}
	return pid;
}

static void *memory(size_t bytes)
{
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED && madvise(p, bytes, MADV_NOHUGEPAGE) == 0);
	return p;
}

/* ---- system calls and signals */

static void null_call(unsigned int i)
{
	(void)i;
	syscall(SYS_getppid);
}

static void open_zero(void)
{
	fd = open("/dev/zero", O_RDWR);
	must(fd >= 0);
}

static void read_byte(unsigned int i)
{
	char c;

	(void)i;
	must(read(fd, &c, 1) == 1);
}

static void write_byte(unsigned int i)
{
	char c = 0;

	(void)i;
	must(write(fd, &c, 1) == 1);
}

static void stat_file(unsigned int i)
{
	struct stat s;

	(void)i;
	must(stat("/ops", &s) == 0);
}

static void open_close(unsigned int i)
{
	(void)i;
	close(open("/ops", O_RDONLY));
}

static void on_signal(int n)
{
	(void)n;
	hits++;
}

static void signal_install(unsigned int i)
{
	struct sigaction action = {.sa_handler = on_signal};

	(void)i;
	sigaction(SIGUSR2, &action, NULL);
}

static void signal_ready(void)
{
	self = getpid();
	signal(SIGUSR1, on_signal);
}

static void signal_self(unsigned int i)
{
	(void)i;
	syscall(SYS_tgkill, self, self, SIGUSR1);
}

static void signal_answer(pid_t to_whom)
{
	sigset_t set;
	int n;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	kill(to_whom, SIGUSR1);
	must(sigwait(&set, &n) == 0);
}

/* Two processes wake each other; neither has a handler. */
static void signal_pair(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	other = child();
	if (other != 0)
		return;
	sigwait(&set, &(int){0});
	for (;;)
		signal_answer(getppid());
}

static void signal_round_trip(unsigned int i)
{
	(void)i;
	signal_answer(other);
}

/* Steps over the three bytes of the instruction in protection_fault(). */
static void on_fault(int n, siginfo_t *info, void *context)
{
	(void)n;
	(void)info;
	((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 3;
}

static void fault_ready(void)
{
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &action, NULL);
	page = memory(4096);
	*page = 1;
	mprotect(page, 4096, PROT_READ);
}

static void protection_fault(unsigned int i)
{
	(void)i;
	__asm__ volatile("movb $1, (%0)" ::"a"(page) : "memory");
}

/* ---- memory */

static void touch(unsigned int i)
{
	((volatile char *)many)[i * 4096] = 1;
}

static void fresh_pages(void)
{
	if (many != NULL)
		munmap(many - 4096, PAGES * 4096);
	many = memory(PAGES * 4096);
	touch(0);
	many += 4096;
}

static void shared_pages(void)
{
	fresh_pages();
	for (unsigned int i = 0; i < PAGES - 1; i++)
		touch(i);
	if (other != 0) {
		kill(other, SIGKILL);
		waitpid(other, NULL, 0);
	}
	other = child();
	if (other == 0)
		for (;;)
			pause();
}

static void protect_ready(void)
{
	page = memory(4096);
	*page = 1;
}

static void protect(unsigned int i)
{
	mprotect(page, 4096, i & 1 ? PROT_READ | PROT_WRITE : PROT_READ);
}

/* A thread that runs on the other CPU during a round, so that CPU has in its TLB what this one changes. */
static void *spin(void *arg)
{
	go_to_cpu(1);
	for (;;) {
		syscall(SYS_futex, &is_round, FUTEX_WAIT, 0, NULL, NULL, 0);
		for (hits = 1; atomic_load(&is_round); __builtin_ia32_pause())
			for (unsigned int i = 0; i < 100; i++)
				hits += *(volatile char *)page;
	}
	return arg;
}

static void spinner(void)
{
	pthread_t thread;

	protect_ready();
	must(pthread_create(&thread, NULL, spin, NULL) == 0);
}

static void round_begin(void)
{
	hits = 0;
	atomic_store(&is_round, 1);
	if (op->setup != spinner)
		return;
	syscall(SYS_futex, &is_round, FUTEX_WAKE, 1, NULL, NULL, 0);
	while (hits == 0)
		__builtin_ia32_pause();
}

static void map_touch_unmap_page(unsigned int i)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)i;
	*(volatile char *)p = 1;
	munmap(p, 4096);
}

static void map_touch_unmap(unsigned int i)
{
	char *p = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)i;
	for (unsigned int at = 0; at < MIB; at += 4096)
		((volatile char *)p)[at] = 1;
	munmap(p, MIB);
}

static void copy_ready(void)
{
	source = memory(COPY);
	target = memory(COPY);
	memset(source, 1, COPY);
	memset(target, 2, COPY);
}

static void copy(unsigned int i)
{
	(void)i;
	memcpy(target, source, COPY);
	__asm__ volatile("" ::: "memory");
}

/* ---- processes and threads */

static void fork_exit(unsigned int i)
{
	pid_t pid = fork();

	(void)i;
	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
}

static void fork_exec(unsigned int i)
{
	pid_t pid = fork();

	(void)i;
	if (pid == 0) {
		execl("/ops", "/ops", "--nothing", NULL);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

static void *no_work(void *arg)
{
	return arg;
}

static void thread_create(unsigned int i)
{
	cpu_set_t set = one_cpu(1);
	pthread_attr_t attr;
	pthread_t thread;

	(void)i;
	pthread_attr_init(&attr);
	if (op->cpus == 2)
		pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	must(pthread_create(&thread, &attr, no_work, NULL) == 0);
	pthread_join(thread, NULL);
}

static void round_trip(unsigned int i)
{
	char c = 0;

	(void)i;
	must(write(to[1], &c, 1) == 1 && read(from[0], &c, 1) == 1);
}

static void echo(void)
{
	char c;

	if (child() != 0)
		return;
	while (read(to[0], &c, 1) == 1 && write(from[1], &c, 1) == 1)
		continue;
	_exit(0);
}

static void pipe_echo(void)
{
	must(pipe(to) == 0 && pipe(from) == 0);
	echo();
}

/* Each end of a pair is read and written. */
static void socket_echo(void)
{
	int pair[2];

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	to[1] = from[0] = pair[0];
	to[0] = from[1] = pair[1];
	echo();
}

static void touch_between(void)
{
	for (size_t at = 0; at < op->kib * 1024; at += 64)
		((volatile char *)source)[at]++;
}

/* Processes that hand a byte on in a ring; the first one is ours. On two CPUs each hands it to the other CPU. */
static void ring_ready(void)
{
	char c;

	source = memory(MIB);
	memset(source, 1, MIB);
	for (unsigned int i = 0; i < op->processes; i++)
		must(pipe(ring[i]) == 0);
	for (unsigned int i = 1; i < op->processes; i++) {
		if (child() != 0)
			continue;
		go_to_cpu(i % 2);
		while (read(ring[i - 1][0], &c, 1) == 1) {
			touch_between();
			must(write(ring[i][1], &c, 1) == 1);
		}
		_exit(0);
	}
}

static void ring_lap(unsigned int i)
{
	char c = 0;

	(void)i;
	must(write(ring[0][1], &c, 1) == 1 && read(ring[op->processes - 1][0], &c, 1) == 1);
	touch_between();
}

static void futex_pass(int from_side)
{
	atomic_store(&futexes->turn[!from_side], 1);
	syscall(SYS_futex, &futexes->turn[!from_side], FUTEX_WAKE, 1, NULL, NULL, 0);
	while (atomic_load(&futexes->turn[from_side]) == 0)
		syscall(SYS_futex, &futexes->turn[from_side], FUTEX_WAIT, 0, NULL, NULL, 0);
	atomic_store(&futexes->turn[from_side], 0);
}

static void futex_ready(void)
{
	futexes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(futexes != MAP_FAILED);
	if (child() != 0)
		return;
	while (atomic_load(&futexes->turn[1]) == 0)
		syscall(SYS_futex, &futexes->turn[1], FUTEX_WAIT, 0, NULL, NULL, 0);
	atomic_store(&futexes->turn[1], 0);
	for (;;)
		futex_pass(1);
}

static void futex_round_trip(unsigned int i)
{
	(void)i;
	futex_pass(0);
}

/* ---- the hypervisor and time */

/* IOCTL_PRIVCMD_HYPERCALL: xen_version(XENVER_version). */
static int xen_version(void)
{
	unsigned long call[6] = {17};

	return ioctl(privcmd, _IOC(_IOC_NONE, 'P', 0, sizeof(call)), call);
}

static void hypercall(unsigned int i)
{
	(void)i;
	xen_version();
}

static void device(void)
{
	privcmd = open("/dev/xen/privcmd", O_RDWR);
	if (privcmd < 0 || xen_version() < 0)
		exit(0); /* natively, and in a guest, where Linux does not let it through */
}

static void nap(unsigned int i)
{
	struct timespec t = {0, 100000};

	(void)i;
	nanosleep(&t, NULL);
}

static void read_clock(unsigned int i)
{
	struct timespec t;

	(void)i;
	clock_gettime(CLOCK_MONOTONIC, &t);
}

#define RING(n, laps, ...) ring_lap, laps, .setup = ring_ready, .processes = n, ##__VA_ARGS__

static const struct op ops[] = {
	{"null system call", null_call, 200},
	{"read one byte", read_byte, 200, .setup = open_zero},
	{"write one byte", write_byte, 200, .setup = open_zero},
	{"stat", stat_file, 50},
	{"open and close", open_close, 50},
	{"signal install", signal_install, 200},
	{"signal deliver", signal_self, 100, .setup = signal_ready},
	{"protection fault with signal", protection_fault, 100, .setup = fault_ready},
	{"page fault, anonymous", touch, PAGES - 1, .prepare = fresh_pages},
	{"copy-on-write fault", touch, PAGES - 1, .prepare = shared_pages},
	{"mprotect of a page", protect, 100, .setup = protect_ready},
	{"mmap, touch, munmap 1 MiB", map_touch_unmap, 1},
	{"memcpy 16 MiB", copy, 1, .setup = copy_ready},
	{"fork, exit, wait", fork_exit, 2},
	{"fork, exec, wait", fork_exec, 1},
	{"thread create and join", thread_create, 5},
	{"pipe round trip", round_trip, 20, .setup = pipe_echo},
	{"socket round trip", round_trip, 20, .setup = socket_echo},
	{"futex round trip", futex_round_trip, 20, .setup = futex_ready},
	{"signal round trip", signal_round_trip, 20, .setup = signal_pair},
	{"context switch, 2 processes", RING(2, 20)},
	{"context switch, 2, 16 KiB", RING(2, 20, .kib = 16)},
	{"context switch, 2, 64 KiB", RING(2, 20, .kib = 64)},
	{"context switch, 8 processes", RING(8, 5)},
	{"context switch, 8, 16 KiB", RING(8, 5, .kib = 16)},
	{"context switch, 8, 64 KiB", RING(8, 5, .kib = 64)},
	{"context switch, 16 processes", RING(16, 3)},
	{"context switch, 16, 16 KiB", RING(16, 3, .kib = 16)},
	{"context switch, 16, 64 KiB", RING(16, 3, .kib = 64)},
	{"hypercall through privcmd", hypercall, 100, .setup = device},
	{"sleep 100 us", nap, 10},
	{"clock_gettime", read_clock, 200},
	/* across two CPUs */
	{"2 CPUs: pipe round trip", round_trip, 20, .setup = pipe_echo, .cpus = 2},
	{"2 CPUs: socket round trip", round_trip, 20, .setup = socket_echo, .cpus = 2},
	{"2 CPUs: futex round trip", futex_round_trip, 20, .setup = futex_ready, .cpus = 2},
	{"2 CPUs: signal round trip", signal_round_trip, 20, .setup = signal_pair, .cpus = 2},
	{"2 CPUs: context switch, 2", RING(2, 20, .cpus = 2)},
	{"2 CPUs: context switch, 8", RING(8, 5, .cpus = 2)},
	{"2 CPUs: context switch, 16, 16 KiB", RING(16, 3, .kib = 16, .cpus = 2)},
	{"2 CPUs: thread create and join", thread_create, 5, .cpus = 2},
	{"2 CPUs: mprotect, thread runs", protect, 100, .setup = spinner, .cpus = 2},
	{"2 CPUs: munmap, thread runs", map_touch_unmap_page, 20, .setup = spinner, .cpus = 2},
	{"2 CPUs: fork, thread runs", fork_exit, 2, .setup = spinner, .cpus = 2},
};

#define OPS    (sizeof(ops) / sizeof(ops[0]))
#define ROUNDS 15

static void measure(void)
{
	struct timespec rest = {0, PAUSE_NS};

	go_to_cpu(0);
	if (op->setup != NULL)
		op->setup();
	nanosleep(&rest, NULL);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		if (op->prepare != NULL)
			op->prepare();
		rest.tv_nsec = BREATH_NS + round * STEP_NS;
		nanosleep(&rest, NULL);
		round_begin();
		if (op->run != touch)
			op->run(1);
		MARK();
		for (unsigned int i = 0; i < op->repeats; i++)
			op->run(i);
		MARK();
		atomic_store(&is_round, 0);
	}
	printf("op %u %u %s\n", ROUNDS, op->repeats * (op->processes ? op->processes : 1),
	       op->name);
}

int main(int argc, char **argv)
{
	const char *wanted = argc > 1 ? argv[1] : "";
	bool has_two = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	char number[12];
	int status;

	if (argc == 3 && strcmp(wanted, "--one") == 0) {
		op = &ops[atoi(argv[2])];
		measure();
	} else if (strcmp(wanted, "--mark") == 0)
		MARK();
	else if (strcmp(wanted, "--nothing") != 0)
		for (unsigned int n = 0; n < OPS; n++) {
			pid_t pid;

			if (strncmp(ops[n].name, wanted, strlen(wanted)) != 0 ||
			    (ops[n].cpus == 2) != has_two)
				continue;
			snprintf(number, sizeof(number), "%u", n);
			pid = child();
			if (pid == 0 && personality(ADDR_NO_RANDOMIZE) >= 0)
				execl("/ops", "/ops", "--one", number, NULL);
			waitpid(pid, &status, 0);
			if (status != 0)
				printf("ops: %s failed\n", ops[n].name);
		}
	return 0;
}

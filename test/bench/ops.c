/* SPDX-License-Identifier: MIT */
/*
 * One operation after the other, each between two marks that tools/plugin/count.c sees. Says "op <repeats> <name>" of each.
 * Runs in Domain 0's initramfs, started by tools/bench.py.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MARK() __asm__ volatile(".byte 0x0f, 0x1f, 0x80, 'M', 'A', 'R', 'K'" ::: "memory")
#define PAGES  256

static char *page, *many;
static volatile int hits;
static int to[2], from[2], privcmd = -1;

static void on_signal(int n)
{
	(void)n;
	hits++;
}

static void on_fault(int n)
{
	(void)n;
	mprotect(page, 4096, PROT_READ | PROT_WRITE);
}

static void null_call(unsigned int i)
{
	(void)i;
	syscall(SYS_getppid);
}

static void signal_self(unsigned int i)
{
	(void)i;
	raise(SIGUSR1);
}

static void protection_fault(unsigned int i)
{
	(void)i;
	mprotect(page, 4096, PROT_READ);
	*(volatile char *)page = 1;
}

static void touch(unsigned int i)
{
	((volatile char *)many)[i * 4096] = 1;
}

static void protect(unsigned int i)
{
	mprotect(page, 4096, i & 1 ? PROT_READ | PROT_WRITE : PROT_READ);
}

static void map_touch_unmap(unsigned int i)
{
	char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)i;
	for (unsigned int at = 0; at < 1 << 20; at += 4096)
		((volatile char *)p)[at] = 1;
	munmap(p, 1 << 20);
}

static void fork_exit(unsigned int i)
{
	pid_t child = fork();

	(void)i;
	if (child == 0)
		_exit(0);
	waitpid(child, NULL, 0);
}

static void fork_exec(unsigned int i)
{
	pid_t child = fork();

	(void)i;
	if (child == 0) {
		execl("/ops", "/ops", "nothing", NULL);
		_exit(1);
	}
	waitpid(child, NULL, 0);
}

static void round_trip(unsigned int i)
{
	char c = 0;

	(void)i;
	if (write(to[1], &c, 1) != 1 || read(from[0], &c, 1) != 1)
		exit(1);
}

/* IOCTL_PRIVCMD_HYPERCALL: xen_version(XENVER_version). */
static void hypercall(unsigned int i)
{
	unsigned long call[6] = {17};

	(void)i;
	ioctl(privcmd, _IOC(_IOC_NONE, 'P', 0, sizeof(call)), call);
}

static void nap(unsigned int i)
{
	struct timespec t = {0, 100000};

	(void)i;
	nanosleep(&t, NULL);
}

static void fresh_pages(void)
{
	many = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(many, PAGES * 4096, MADV_NOHUGEPAGE);
	touch(0);
	many += 4096;
}

static void shared_pages(void)
{
	for (unsigned int i = 0; i < PAGES - 1; i++)
		touch(i);
	if (fork() == 0) {
		pause();
		_exit(0);
	}
}

static void echo(void)
{
	char c;

	if (pipe(to) != 0 || pipe(from) != 0)
		exit(1);
	if (fork() != 0)
		return;
	while (read(to[0], &c, 1) == 1 && write(from[1], &c, 1) == 1)
		continue;
	_exit(0);
}

static void device(void)
{
	privcmd = open("/dev/xen/privcmd", O_RDWR);
}

static const struct {
	const char *name;
	void (*run)(unsigned int i);
	unsigned int repeats;
	void (*prepare)(void);
} ops[] = {
	{"null system call", null_call, 1000, NULL},
	{"signal deliver", signal_self, 200, NULL},
	{"protection fault with signal", protection_fault, 100, NULL},
	{"page fault, anonymous", touch, PAGES - 1, fresh_pages},
	{"copy-on-write fault", touch, PAGES - 1, shared_pages},
	{"mprotect of a page", protect, 200, NULL},
	{"mmap, touch, munmap 1 MiB", map_touch_unmap, 5, NULL},
	{"fork, exit, wait", fork_exit, 20, NULL},
	{"fork, exec, wait", fork_exec, 20, NULL},
	{"pipe round trip", round_trip, 200, echo},
	{"hypercall through privcmd", hypercall, 500, device},
	{"sleep 100 us", nap, 50, NULL},
};

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return 0;
	signal(SIGUSR1, on_signal);
	signal(SIGSEGV, on_fault);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	*page = 1;
	for (unsigned int n = 0; n < sizeof(ops) / sizeof(ops[0]); n++) {
		if (ops[n].prepare != NULL)
			ops[n].prepare();
		if (ops[n].run == hypercall && privcmd < 0)
			continue;
		if (ops[n].run != touch)
			ops[n].run(1);
		MARK();
		for (unsigned int i = 0; i < ops[n].repeats; i++)
			ops[n].run(i);
		MARK();
		printf("op %u %s\n", ops[n].repeats, ops[n].name);
		fflush(stdout);
	}
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * A fixed piece of work for Domain 0, as a static Linux program: four workers fork and exec, let memory come and go, and
 * copy files, each the same on however many CPUs. Marks that tools/plugin/count.c knows stand at its start and its end, so
 * that what lies between is counted: user code, kernel and hypervisor.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE	4096u
#define WORKERS 4
#define ROUNDS	25
#define PAGES	96u

static void mark(void)
{
	__asm__ volatile(".byte 0x0f, 0x1f, 0x80\n\t.ascii \"MARK\"" : : : "memory");
}

static void need(int good, const char *what)
{
	if (good)
		return;
	perror(what);
	_exit(1);
}

/* A child that exec's this program, or that writes to what it shares with its parent until it is told apart. */
static void child(const char *self, char *memory)
{
	int status;
	pid_t pid = fork();

	need(pid >= 0, "fork");
	if (!pid && self)
		execl(self, self, "exit", NULL);
	if (!pid) {
		for (unsigned int i = 0; i < PAGES; i += 2)
			memory[i * PAGE]++;
		_exit(0);
	}
	need(waitpid(pid, &status, 0) == pid && !status, "child");
}

static void churn(void)
{
	char *memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);

	need(memory != MAP_FAILED, "mmap");
	for (unsigned int i = 0; i < PAGES; i++)
		memory[i * PAGE] = (char)i;
	child(NULL, memory);
	for (unsigned int i = 0; i < PAGES; i += 3)
		need(!mprotect(memory + i * PAGE, PAGE, PROT_READ), "mprotect");
	need(!munmap(memory, PAGES * PAGE), "munmap");
}

static void copy(unsigned int worker)
{
	static char block[16 * PAGE], back[sizeof(block)];
	char from[40], to[40];
	int in, out;

	snprintf(from, sizeof(from), "/tmp/work-%u-a", worker);
	snprintf(to, sizeof(to), "/tmp/work-%u-b", worker);
	in = open(from, O_RDWR | O_CREAT | O_TRUNC, 0600);
	out = open(to, O_RDWR | O_CREAT | O_TRUNC, 0600);
	need(in >= 0 && out >= 0, "open");
	for (unsigned int i = 0; i < 4; i++) {
		memset(block, (int)(worker + i), sizeof(block));
		need(pwrite(in, block, sizeof(block), i * sizeof(block)) == sizeof(block), "write");
		need(pread(in, back, sizeof(back), i * sizeof(block)) == sizeof(block), "read");
		need(!memcmp(back, block, sizeof(block)), "what was read");
		need(pwrite(out, back, sizeof(back), i * sizeof(block)) == sizeof(block), "write");
	}
	close(in);
	close(out);
	unlink(from);
	unlink(to);
}

static void round_trip(const char *self, unsigned int worker)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		child(self, NULL);
		churn();
		copy(worker);
	}
}

int main(int argc, char **argv)
{
	int status, failed = 0;

	if (argc > 1)
		return 0;
	mark();
	for (unsigned int i = 0; i < WORKERS; i++) {
		pid_t pid = fork();

		need(pid >= 0, "fork");
		if (!pid) {
			round_trip(argv[0], i);
			_exit(0);
		}
	}
	while (wait(&status) > 0)
		failed |= status;
	mark();
	puts(failed ? "WORK-BAD" : "WORK-OK");
	return failed != 0;
}

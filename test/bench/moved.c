/* SPDX-License-Identifier: MIT */
/*
 * In a guest that tools/bench_life.py moves: wakes each millisecond and writes to as many pages as its argument says, one after
 * the other of 32 MiB. Says "stood <ns> <ns>" when the machine was suspended: how long this program did not run, by the
 * TSC (in QEMU under -icount a nanosecond a tick, on whatever host it goes on), and how much of that the kernel was suspended.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <x86intrin.h>

#define PAGE  4096u
#define PAGES 8192u
#define MS    1000000

static int64_t ns_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

/* Only one of the two clocks goes on while the machine is suspended. */
static int64_t suspended_ns(void)
{
	return ns_of(CLOCK_BOOTTIME) - ns_of(CLOCK_MONOTONIC);
}

int main(int argc, char **argv)
{
	unsigned int each = argc > 1 ? (unsigned int)atoi(argv[1]) : 0, next = 0;
	struct timespec pause = {0, MS};
	char *pool = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int64_t suspended = suspended_ns();
	uint64_t ran = __rdtsc();

	if (pool == MAP_FAILED)
		return 1;
	setlinebuf(stdout);
	printf("runs\n");
	for (;;) {
		nanosleep(&pause, NULL);
		uint64_t now = __rdtsc();
		int64_t more = suspended_ns() - suspended;

		if (more > MS) {
			printf("stood %llu %lld\n", (unsigned long long)(now - ran),
			       (long long)more);
			suspended += more;
		}
		ran = now;
		for (unsigned int i = 0; i < each; i++)
			pool[next++ % PAGES * PAGE]++;
	}
}

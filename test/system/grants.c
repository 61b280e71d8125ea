/* SPDX-License-Identifier: MIT */
/*
 * Runs in Domain 0: grants pages by /dev/xen/gntalloc and maps or copies them by /dev/xen/gntdev, from several processes at
 * once, and compares what comes through. usage: grants ROUNDS. Prints GRANTS-OK, or GRANTS-BAD and why.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

typedef uint16_t domid_t;
typedef uint32_t grant_ref_t;
#include <linux/types.h>
#include <xen/gntalloc.h>
#include <xen/gntdev.h>

#define PAGES	    40
#define PROCESSES   3
#define PAGE	    4096ul
#define COPY_TO_REF 2 /* GNTCOPY_dest_gref */
#define COPY_OF_REF 1

static void bad(const char *what, int i)
{
	printf("GRANTS-BAD %s %d\n", what, i);
	perror("GRANTS-BAD");
	exit(1);
}

static union {
	struct ioctl_gntalloc_alloc_gref a;
	uint8_t room[sizeof(struct ioctl_gntalloc_alloc_gref) + PAGES * 4];
} alloc;
static union {
	struct ioctl_gntdev_map_grant_ref m;
	uint8_t room[sizeof(struct ioctl_gntdev_map_grant_ref) + PAGES * 8];
} map;

static sigjmp_buf faulted;
static void fault(int sig)
{
	siglongjmp(faulted, sig);
}

static void copies(int dev, char *granted, int round)
{
	static char mine[2 * PAGE] __attribute__((aligned(4096)));
	struct gntdev_grant_copy_segment segments[2] = {
		{.source.virt = mine + 100,
		 .dest.foreign = {.ref = alloc.a.gref_ids[1], .offset = 7, .domid = 0},
		 .len = 4000,
		 .flags = COPY_TO_REF},
		{.source.foreign = {.ref = alloc.a.gref_ids[2], .offset = 0, .domid = 0},
		 .dest.virt = mine + PAGE + 50,
		 .len = 4000,
		 .flags = COPY_OF_REF},
	};
	struct ioctl_gntdev_grant_copy copy = {.count = 2, .segments = segments};

	memset(mine, round, sizeof(mine));
	memset(granted + 2 * PAGE, round + 1, PAGE);
	if (ioctl(dev, IOCTL_GNTDEV_GRANT_COPY, &copy) || segments[0].status || segments[1].status)
		bad("copy", segments[0].status * 100 + segments[1].status);
	if (memcmp(granted + PAGE + 7, mine + 100, 4000) ||
	    memcmp(mine + PAGE + 50, granted + 2 * PAGE, 4000))
		bad("copied", round);
}

/* The granted pages under a second address: writes show on both sides, also after fork and mprotect. */
static void mapped(char *granted, char *seen, int round)
{
	for (int i = 0; i < PAGES; i++) {
		uint64_t *there = (uint64_t *)(granted + (unsigned long)i * PAGE);
		uint64_t *here = (uint64_t *)(seen + (unsigned long)i * PAGE);

		there[3] = (uint64_t)round * 1000 + (uint64_t)i;
		if (here[3] != there[3])
			bad("read", i);
		here[4] = there[3] ^ 0x5555;
		if (there[4] != here[4])
			bad("written", i);
	}
}

static void round_do(int dev, char *granted, int round)
{
	struct ioctl_gntdev_unmap_grant_ref unmap = {.count = PAGES};
	char *seen;

	map.m.count = PAGES;
	for (int i = 0; i < PAGES; i++)
		map.m.refs[i] = (struct ioctl_gntdev_grant_ref){.ref = alloc.a.gref_ids[i]};
	if (ioctl(dev, IOCTL_GNTDEV_MAP_GRANT_REF, &map))
		bad("map", round);
	seen = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, dev,
		    (off_t)map.m.index);
	if (seen == MAP_FAILED)
		bad("mmap", round);
	if (round % 3) /* sometimes nothing is touched */
		mapped(granted, seen, round);
	if (round % 4 == 1 && munmap(seen + PAGE * (PAGES / 2), PAGE * (PAGES / 2)))
		bad("munmap of a half", round);
	if (munmap(seen, PAGES * PAGE))
		bad("munmap", round);
	if (!sigsetjmp(faulted, 1)) {
		*(volatile char *)seen = 1;
		bad("still mapped", round);
	}
	unmap.index = map.m.index;
	if (ioctl(dev, IOCTL_GNTDEV_UNMAP_GRANT_REF, &unmap))
		bad("unmap", round);
}

static int process(int rounds, int self)
{
	int allocator = open("/dev/xen/gntalloc", O_RDWR), dev = open("/dev/xen/gntdev", O_RDWR);
	struct ioctl_gntalloc_dealloc_gref dealloc = {.count = PAGES};
	char *granted;

	if (allocator < 0 || dev < 0)
		bad("open", self);
	signal(SIGSEGV, fault);
	alloc.a.flags = GNTALLOC_FLAG_WRITABLE;
	alloc.a.count = PAGES;
	if (ioctl(allocator, IOCTL_GNTALLOC_ALLOC_GREF, &alloc))
		bad("alloc", self);
	granted = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, allocator,
		       (off_t)alloc.a.index);
	if (granted == MAP_FAILED)
		bad("mmap of the granted", self);
	for (int round = 1; round <= rounds; round++) {
		round_do(dev, granted, round);
		copies(dev, granted, round);
	}
	dealloc.index = alloc.a.index;
	if (ioctl(allocator, IOCTL_GNTALLOC_DEALLOC_GREF, &dealloc))
		bad("dealloc", self);
	return 0;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 10, good = 0, status;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < PROCESSES; i++)
		if (fork() == 0)
			_exit(process(rounds, i));
	while (wait(&status) > 0)
		good += status == 0;
	puts(good == PROCESSES ? "GRANTS-OK" : "GRANTS-BAD a process");
	return good != PROCESSES;
}

/* SPDX-License-Identifier: MIT */
/*
 * A memory checker for a guest that is moved while it runs, as a static Linux program: memory of its own, a file mapped shared,
 * and what a child inherits are written all the time, each page with a pattern that follows from its number and its
 * version, and looked at again before the next version. Pieces are paged out where there is swap. It says "round N" now
 * and then, WRONG for each page that is not what it was, and "end" when /tmp/stop is there.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE	 4096u
#define WORDS	 (PAGE / sizeof(uint64_t))
#define OWN	 1024u
#define SHARED	 256u
#define WRITES	 512u /* a round */
#define OUT	 64u  /* pages at a time are paged out */
#define MADV_OUT 21   /* MADV_PAGEOUT */

static uint32_t versions[OWN + SHARED];
static uint64_t *own, *shared;
static unsigned int wrong;
static uint64_t seed = 88172645463325252ull;

static uint64_t random_next(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

static uint64_t *page_at(unsigned int page)
{
	return page < OWN ? own + page * WORDS : shared + (page - OWN) * WORDS;
}

static uint64_t word_of(unsigned int page, unsigned int word)
{
	return versions[page] == 0 ? 0 : (uint64_t)versions[page] << 40 | page << 16 | word;
}

static void check(unsigned int page, const char *who)
{
	const uint64_t *at = page_at(page);

	for (unsigned int i = 0; i < WORDS; i++)
		if (at[i] != word_of(page, i)) {
			printf("WRONG %s page %u word %u: %llx, should be %llx\n", who, page, i,
			       (unsigned long long)at[i], (unsigned long long)word_of(page, i));
			wrong++;
			return;
		}
}

static void rewrite(unsigned int page)
{
	check(page, "its");
	versions[page]++;
	for (unsigned int i = 0; i < WORDS; i++)
		page_at(page)[i] = word_of(page, i);
}

/* The child sees what was there when it began, and writes without harm. */
static void child_round(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		for (unsigned int i = 0; i < 64; i++)
			rewrite((unsigned int)(random_next() % OWN));
		fflush(stdout);
		_exit(wrong != 0);
	}
	for (unsigned int i = 0; i < 64; i++)
		rewrite((unsigned int)(random_next() % OWN));
	if (waitpid(pid, &status, 0) != pid || status != 0)
		wrong++;
}

/* By another way than the mapping. */
static void file_check(int fd)
{
	unsigned int page = (unsigned int)(random_next() % SHARED);
	uint64_t words[WORDS];

	if (pread(fd, words, PAGE, (off_t)page * PAGE) != PAGE ||
	    memcmp(words, shared + page * WORDS, PAGE) != 0) {
		printf("WRONG file page %u\n", page);
		wrong++;
	}
}

int main(void)
{
	int fd = open("/tmp/shared", O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || ftruncate(fd, SHARED * PAGE) != 0)
		return 2;
	own = mmap(NULL, OWN * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	shared = mmap(NULL, SHARED * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (own == MAP_FAILED || shared == MAP_FAILED)
		return 2;
	for (unsigned int round = 1; access("/tmp/stop", F_OK) != 0; round++) {
		for (unsigned int i = 0; i < WRITES; i++)
			rewrite((unsigned int)(random_next() % (OWN + SHARED)));
		child_round();
		file_check(fd);
		(void)madvise(own + random_next() % (OWN / OUT) * OUT * WORDS, OUT * PAGE,
			      MADV_OUT);
		printf("round %u\n", round);
		fflush(stdout);
		usleep(20000);
	}
	for (unsigned int i = 0; i < OWN + SHARED; i++)
		check(i, "at the end");
	printf("end %u\n", wrong);
	return wrong != 0;
}

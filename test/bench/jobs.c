/* SPDX-License-Identifier: MIT */
/*
 * Whole jobs: block and network devices, processes, files, a database, plain computing. Each is run a few rounds, each
 * round between two marks that tools/plugin/count.c sees; then it says "op <rounds> <operations of a round> <name>".
 * What was read, received or computed is checked after the second mark. Started by test/bench/jobs.sh, natively, in
 * Domain 0 and in a guest. Devices and peers come from the environment: DISK (a virtio disk), BLOCK (a loop device, in a
 * guest a disk of blkfront on one), PEER (the other end of the wire), GUEST_PEER (another guest), LOOPBACK. What is not
 * there is left out.
 *
 *   jobs [BEGINNING]       jobs whose names begin so
 *   jobs --serve           the other end: echoes, swallows and sends
 *   jobs --fill FILE MIB   a disk of known content: each word of eight bytes is its index multiplied
 *   jobs --apart COMMAND   runs it in a network name space of its own
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MARK()	  __asm__ volatile(".byte 0x0f, 0x1f, 0x80, 'M', 'A', 'R', 'K'" ::: "memory")
#define MIB	  (1u << 20)
#define BUFFER	  (4u * MIB)
#define HALF	  (16u * MIB) /* of a disk: the first is read, the second written */
#define PAGE	  4096u
#define PORT	  7
#define PAUSE_NS  300000000 /* before a job */
#define BREATH_NS 50000000  /* before each round */
#define LIMIT	  100	    /* seconds of a job, when something hangs */
#define SLOTS	  64	    /* requests of a round, at most */

static const struct job {
	const char *name;
	void (*run)(unsigned int i);
	unsigned int repeats, rounds;
	void (*setup)(void);   /* before the first round */
	void (*prepare)(void); /* before each */
	void (*check)(void);   /* after it */
	uint64_t bytes;	       /* of a request */
	const char *of;	       /* what its device or peer is called above, or it in jobs.sh */
} * job;		       /* the one that this process does */
static uint64_t *data;	       /* BUFFER, of which each request has a piece */
static uint64_t offset[SLOTS];
static uint64_t salt;
static int fd = -1;

static void must(int ok, const char *what)
{
	if (!ok) {
		printf("jobs: %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

static void pattern(uint64_t *at, uint64_t bytes, uint64_t where, uint64_t with)
{
	for (uint64_t i = 0; i < bytes / 8; i++)
		at[i] = (where / 8 + i) * 0x9e3779b97f4a7c15ull + with;
}

static int is_pattern(const uint64_t *at, uint64_t bytes, uint64_t where, uint64_t with)
{
	for (uint64_t i = 0; i < bytes / 8; i++)
		if (at[i] != (where / 8 + i) * 0x9e3779b97f4a7c15ull + with)
			return 0;
	return 1;
}

static uint32_t chance(void)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(state >> 33);
}

/* ---- block devices, without the page cache */

static void open_device(void)
{
	if (getenv(job->of) == NULL)
		exit(0);
	fd = open(getenv(job->of), O_RDWR | O_DIRECT);
	must(fd >= 0, job->of);
}

static void choose(uint64_t from)
{
	for (unsigned int i = 0; i < SLOTS; i++)
		offset[i] = from + (job->bytes == PAGE ? chance() % (HALF / PAGE) * PAGE
						       : i * job->bytes % HALF);
}

/* The i-th request's data. */
static uint64_t *piece(unsigned int i)
{
	return data + i * job->bytes / 8;
}

static void read_request(unsigned int i)
{
	must(pread(fd, piece(i), job->bytes, (off_t)offset[i]) == (ssize_t)job->bytes, "read");
}

static void write_request(unsigned int i)
{
	must(pwrite(fd, piece(i), job->bytes, (off_t)offset[i]) == (ssize_t)job->bytes, "write");
}

static void before_read(void)
{
	memset(data, 0, BUFFER);
	choose(0);
}

static void after_read(void)
{
	for (unsigned int i = 0; i < job->repeats; i++)
		must(is_pattern(piece(i), job->bytes, offset[i], salt),
		     "what the disk has is wrong");
}

static void before_write(void)
{
	choose(HALF);
	salt++;
	for (unsigned int i = 0; i < job->repeats; i++)
		pattern(piece(i), job->bytes, offset[i], salt);
}

static void after_write(void)
{
	memset(data, 0, BUFFER);
	for (unsigned int i = 0; i < job->repeats; i++)
		read_request(i);
	after_read();
}

/* ---- network: a connection's first byte says what it is for */

enum { ECHO = 'e', SWALLOW = 's', SEND = 'r' };

static void all(ssize_t (*what)(int, void *, size_t), void *at, size_t bytes)
{
	for (size_t done = 0; done < bytes;) {
		ssize_t n = what(fd, (char *)at + done, bytes - done);

		if (n <= 0)
			exit(1);
		done += (size_t)n;
	}
}

static ssize_t put(int to, void *at, size_t bytes)
{
	return write(to, at, bytes);
}

static void reach(int type, char purpose)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	const char *address = getenv(job->of);
	int one = 1;

	if (address == NULL)
		exit(0);
	must(inet_aton(address, &to.sin_addr), address);
	fd = socket(AF_INET, type, 0);
	must(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0, address);
	if (type == SOCK_STREAM) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		all(put, &purpose, 1);
	}
}

static void udp_echo(void)
{
	reach(SOCK_DGRAM, ECHO);
}

static void tcp_echo(void)
{
	reach(SOCK_STREAM, ECHO);
}

static void tcp_swallow(void)
{
	reach(SOCK_STREAM, SWALLOW);
}

static void tcp_send(void)
{
	reach(SOCK_STREAM, SEND);
}

static void round_trip(unsigned int i)
{
	char c = (char)i;

	must(write(fd, &c, 1) == 1 && read(fd, &c, 1) == 1 && c == (char)i, "echo");
}

static void before_send(void)
{
	pattern(data, BUFFER, 0, ++salt);
}

static void bulk_send(unsigned int i)
{
	char ack;

	(void)i;
	all(put, data, BUFFER);
	all(read, &ack, 1);
}

/* The server compares, not we. */
static void after_send(void)
{
	uint64_t verdict = salt;

	all(put, &verdict, 8);
	all(read, &verdict, 8);
	must(verdict == 1, "what was sent did not arrive so");
}

static void before_receive(void)
{
	memset(data, 0, BUFFER);
	salt++;
}

static void bulk_receive(unsigned int i)
{
	(void)i;
	all(put, &salt, 8);
	all(read, data, BUFFER);
}

static void after_receive(void)
{
	must(is_pattern(data, BUFFER, 0, 0), "what was received is wrong");
}

static void serve_one(void)
{
	uint64_t word;
	char c;

	all(read, &c, 1);
	if (c == ECHO)
		for (;;) {
			all(read, &c, 1);
			all(put, &c, 1);
		}
	pattern(data, BUFFER, 0, 0);
	for (;;)
		if (c == SEND) {
			all(read, &word, 8);
			all(put, data, BUFFER);
		} else {
			all(read, data, BUFFER);
			all(put, &c, 1);
			all(read, &word, 8);
			word = (uint64_t)is_pattern(data, BUFFER, 0, word);
			all(put, &word, 8);
		}
}

static void serve(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int one = 1, listening = socket(AF_INET, SOCK_STREAM, 0);
	char c;

	signal(SIGCHLD, SIG_IGN);
	if (fork() == 0) {
		socklen_t length = sizeof(at);

		fd = socket(AF_INET, SOCK_DGRAM, 0);
		must(bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0, "bind");
		while (recvfrom(fd, &c, 1, 0, (struct sockaddr *)&at, &length) == 1)
			sendto(fd, &c, 1, 0, (struct sockaddr *)&at, length);
	}
	setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	must(bind(listening, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(listening, 5) == 0,
	     "bind");
	for (;;) {
		fd = accept(listening, NULL, NULL);
		must(fd >= 0, "accept");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if (fork() == 0) {
			close(listening);
			serve_one();
		}
		close(fd);
	}
}

/* ---- what test/bench/jobs.sh does with small programs */

static void shell(const char *what, const char *word)
{
	int status = 1;

	fflush(stdout);
	if (fork() == 0) {
		execl("/bin/sh", "sh", "/jobs/jobs.sh", what, word, NULL);
		_exit(1);
	}
	must(wait(&status) > 0 && status == 0, word);
}

static void script_prepare(void)
{
	shell("prepare", job->of);
}

static void script_run(unsigned int i)
{
	(void)i;
	shell("run", job->of);
}

static void script_check(void)
{
	shell("check", job->of);
}

/* ---- SQLite (its header is not needed) */

extern int sqlite3_open(const char *file, void **base);
extern int sqlite3_close(void *base);
extern int sqlite3_exec(void *base, const char *text, int (*row)(void *, int, char **, char **),
			void *arg, char **error);

static const char *sql_wanted;

static int row(void *arg, int n, char **column, char **name)
{
	(void)arg;
	(void)name;
	return n != 1 || strcmp(column[0], sql_wanted) != 0;
}

static void sql(const char *file, const char *text, int commands)
{
	void *base;

	must(sqlite3_open(file, &base) == 0, file);
	for (int i = 0; i < commands; i++) {
		char line[200];

		snprintf(line, sizeof(line), text, i, i * 7919 % 1000, "some words beside it");
		must(sqlite3_exec(base, line, row, NULL, NULL) == 0, line);
	}
	sqlite3_close(base);
}

static void sql_prepare(void)
{
	unlink("/tmp/base");
	sql("/tmp/base",
	    "create table t (i integer primary key, n integer, words text); create index at on t "
	    "(n)",
	    1);
}

static void sql_insert(unsigned int i)
{
	(void)i;
	sql("/tmp/base", "insert into t values (%d, %d, '%s')", 200);
}

static void sql_check(void)
{
	sql_wanted = "200 19900";
	sql("/tmp/base", "select count(*) || ' ' || sum(i) from t where words like 'some%%it'", 1);
	sql_wanted = "ok";
	sql("/tmp/base", "pragma integrity_check", 1);
}

/* ---- computing */

#define STEPS 12000000u
#define LANES 8

static uint32_t lanes[LANES];

static void integers(unsigned int i)
{
	uint64_t x = 88172645463325252ull;

	(void)i;
	for (unsigned int step = 0; step < STEPS; step++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	must(salt == 0 || salt == x, "the sum is another");
	salt = x;
}

/* With AVX2 where the CPU says that it has it. */
__attribute__((target_clones("avx2", "default"), optimize("O3"))) static void vectors(
	unsigned int i)
{
	typedef uint32_t vector __attribute__((vector_size(4 * LANES)));
	vector x = {1, 2, 3, 4, 5, 6, 7, 8};

	(void)i;
	for (unsigned int step = 0; step < STEPS; step++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
	}
	memcpy(lanes, &x, sizeof(lanes));
}

static void check_vectors(void)
{
	uint32_t lane = chance() % LANES, x = lane + 1;

	for (unsigned int step = 0; step < STEPS; step++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
	}
	must(lanes[lane] == x, "a vector's lane is wrong");
}

#define CELLS (1u << 22)

static uint32_t *cells;

static void memory_ready(void)
{
	cells = mmap(NULL, CELLS * 8ul, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(cells != MAP_FAILED, "memory");
	for (uint32_t i = 0; i < CELLS; i++)
		cells[i] = (i * 1664525u + 1013904223u) % CELLS;
	memset(cells + CELLS, 1, CELLS * 4ul);
}

/* Twice around, from cell to cell, then copies of all. */
static void memory(unsigned int i)
{
	uint32_t at = 0;

	(void)i;
	for (unsigned int step = 0; step < 2 * CELLS; step++)
		at = cells[at];
	must(at == 0, "the chain does not close");
	for (unsigned int copy = 0; copy < 8; copy++)
		memcpy(cells + CELLS, cells, CELLS * 4ul);
}

static void check_memory(void)
{
	must(memcmp(cells, cells + CELLS, CELLS * 4ul) == 0, "the copy differs");
	memset(cells + CELLS, 1, CELLS * 4ul);
}

/* ---- all */

static const struct job jobs[] = {
#define REQUEST(name, what, n, bytes, of)                                                        \
	{                                                                                        \
		name, what##_request, n, 21, open_device, before_##what, after_##what, bytes, of \
	}
#define DEVICE(name, of)                                          \
	REQUEST(name " read 4 KiB", read, 8, PAGE, of),           \
		REQUEST(name " write 4 KiB", write, 8, PAGE, of), \
		REQUEST(name " read 1 MiB", read, 2, MIB, of),    \
		REQUEST(name " write 1 MiB", write, 2, MIB, of)
#define NETWORK(name, of)                                                                           \
	{name " UDP round trip", round_trip, 16, 9, udp_echo, NULL, NULL, 0, of},                   \
		{name " TCP round trip", round_trip, 16, 9, tcp_echo, NULL, NULL, 0, of},           \
		{name " send 4 MiB", bulk_send, 1, 5, tcp_swallow, before_send, after_send, 0, of}, \
	{                                                                                           \
		name " receive 4 MiB", bulk_receive, 1, 5, tcp_send, before_receive,                \
			after_receive, 0, of                                                        \
	}
#define SCRIPT(name, word)                                                          \
	{                                                                           \
		name, script_run, 1, 3, NULL, script_prepare, script_check, 0, word \
	}
	DEVICE("disk", "DISK"),
	DEVICE("block", "BLOCK"),
	NETWORK("network", "PEER"),
	NETWORK("guest to guest", "GUEST_PEER"),
	NETWORK("loopback", "LOOPBACK"),
	SCRIPT("200 times sh", "forks"),
	SCRIPT("build of 12 files", "build"),
	SCRIPT("tar and gzip", "pack"),
	SCRIPT("gunzip and untar", "unpack"),
	SCRIPT("file tree", "tree"),
	{"SQLite, 200 inserts", sql_insert, 1, 3, .prepare = sql_prepare, .check = sql_check},
	{"CPU-bound", integers, 1, 3},
	{"CPU-bound, vectors", vectors, 1, 3, .check = check_vectors},
	{"memory-bound", memory, 1, 3, .setup = memory_ready, .check = check_memory},
};
#define JOBS (sizeof(jobs) / sizeof(jobs[0]))

static void measure(int n)
{
	struct timespec rest = {0, PAUSE_NS};

	job = &jobs[n];
	alarm(LIMIT);
	data = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(data != MAP_FAILED, "memory");
	memset(data, 1, BUFFER);
	if (job->setup != NULL)
		job->setup();
	nanosleep(&rest, NULL);
	for (unsigned int round = 0; round < job->rounds; round++) {
		if (job->prepare != NULL)
			job->prepare();
		rest.tv_nsec = BREATH_NS;
		nanosleep(&rest, NULL);
		if (job->repeats > 1)
			job->run(1);
		MARK();
		for (unsigned int i = 0; i < job->repeats; i++)
			job->run(i);
		MARK();
		if (job->check != NULL)
			job->check();
	}
	printf("op %u %u %s\n", job->rounds, job->repeats, job->name);
	exit(0);
}

/* Each in a process made anew, with addresses that are not random. */
static void measure_all(const char *wanted)
{
	int status;

	for (unsigned int n = 0; n < JOBS; n++) {
		char number[12];
		pid_t pid;

		if (strncmp(jobs[n].name, wanted, strlen(wanted)) != 0)
			continue;
		snprintf(number, sizeof(number), "%u", n);
		pid = fork();
		must(pid >= 0, "fork");
		if (pid == 0 && personality(ADDR_NO_RANDOMIZE) >= 0)
			execl("/jobs/jobs", "jobs", "--one", number, NULL);
		waitpid(pid, &status, 0);
		if (status != 0)
			printf("jobs: %s failed\n", jobs[n].name);
		fflush(stdout);
	}
}

static void fill(const char *file, uint64_t mib)
{
	fd = open(file, O_WRONLY | O_CREAT, 0600);
	must(fd >= 0, file);
	data = malloc(MIB);
	for (uint64_t at = 0; at < mib; at++) {
		pattern(data, MIB, at * MIB, 0);
		all(put, data, MIB);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	data = argc == 2 && strcmp(what, "--serve") == 0 ? malloc(BUFFER) : NULL;
	if (data != NULL) {
		serve();
	} else if (argc == 3 && strcmp(what, "--one") == 0) {
		measure(atoi(argv[2]));
	} else if (argc == 4 && strcmp(what, "--fill") == 0) {
		fill(argv[2], strtoul(argv[3], NULL, 10));
	} else if (argc > 2 && strcmp(what, "--apart") == 0) {
		must(unshare(CLONE_NEWNET) == 0, "unshare");
		execvp(argv[2], argv + 2);
	} else {
		measure_all(what);
	}
	return 0;
}

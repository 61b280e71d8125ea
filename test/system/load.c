/* SPDX-License-Identifier: MIT */
/*
 * Load for Domain 0, as a static Linux program (also built for i386): load SECONDS [DISK SERVER].
 * Every kind of work checks itself, and the first thing found wrong ends the program with one line "LOAD-BAD ...".
 * At the end it prints "LOAD-OK" and how often each kind came round.
 *
 *   fork     fork, exec of itself, exit code
 *   protect  one thread changes the protection of a page, three try to write it: none may once mprotect has returned
 *   remap    one thread swaps the page under an address, three read it: none may see the old one
 *   churn    memory comes, is protected in pieces, moved, forked and goes; every page keeps what was written to it
 *   file     a file is written, copied, compared
 *   pipe     two processes send a counter to and fro
 *   network  a stream over the loopback device arrives as it was sent
 *   disk     blocks of DISK, a device, are written past the page cache; what is read back later is what was written
 *   wire     SERVER, by a network card, returns a stream (echo, port 7) as it was sent
 *   time     CLOCK_MONOTONIC, read by all threads, never goes back
 *   float    each thread keeps sums in vector registers
 *   segment  a segment of a local descriptor table stays loaded while others run
 *   signal   a timer signal interrupts all of this
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <asm/ldt.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE	 4096u
#define WATCHERS 3

enum kind {
	FORK,
	PROTECT,
	REMAP,
	CHURN,
	FILES,
	PIPES,
	NETWORK,
	DISK,
	WIRE,
	TIMES,
	FLOATS,
	SEGMENTS,
	SIGNALS,
	KINDS
};
static const char *const kind_name[KINDS] = {"fork",  "protect", "remap", "churn", "file",
					     "pipe",  "network", "disk",  "wire",  "time",
					     "float", "segment", "signal"};
static atomic_ulong rounds[KINDS];
static atomic_bool stop;
static const char *self, *disk, *server;

static _Noreturn void bad(const char *format, ...)
{
	char text[200];
	va_list args;
	int n = snprintf(text, sizeof(text), "LOAD-BAD ");

	va_start(args, format);
	n += vsnprintf(text + n, sizeof(text) - (size_t)n - 2, format, args);
	va_end(args);
	text[n++] = '\n';
	if (write(1, text, (size_t)n) < 0)
		_exit(2);
	_exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_MONOTONIC, &t))
		bad("clock_gettime: %s", strerror(errno));
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void *forks(void *arg)
{
	while (!stop) {
		int status;
		pid_t pid = fork();

		if (pid < 0)
			bad("fork: %s", strerror(errno));
		if (!pid) {
			execl(self, self, "exit", NULL);
			_exit(99);
		}
		if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
		    WEXITSTATUS(status) != 42)
			bad("child: status %x", status);
		rounds[FORK]++;
	}
	return arg;
}

/* ---- protect: state holds a round number; even: writable, odd: not */
static char *guarded;
static atomic_ulong guard_state;
static __thread sigjmp_buf fault_back;
static __thread volatile sig_atomic_t fault_wanted;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)context;
	if (!fault_wanted)
		bad("signal %d at %p", sig, info->si_addr);
	siglongjmp(fault_back, 1);
}

/* Watchers spin, but leave some time to the others: on one CPU nothing else would come round. */
static void watcher_rest(void)
{
	static __thread unsigned int count;

	if (++count % 5000 == 0)
		usleep(2000);
}

static void *guard_writer(void *arg)
{
	while (!stop) {
		unsigned long before;

		watcher_rest();
		before = guard_state;
		fault_wanted = 1;
		if (!sigsetjmp(fault_back, 1)) {
			*(volatile char *)guarded = 1;
			/* It went through: it was allowed at some moment, unless the page was closed all the time. */
			if ((before & 1) && guard_state == before)
				bad("wrote to a closed page, round %lu", before);
		}
		fault_wanted = 0;
	}
	return arg;
}

static void *guard_owner(void *arg)
{
	static const int closed[] = {PROT_READ, PROT_NONE};

	while (!stop) {
		unsigned long next = guard_state + 1;

		if (mprotect(guarded, PAGE, closed[next / 2 % 2]))
			bad("mprotect: %s", strerror(errno));
		guard_state = next;
		for (int i = 0; i < 2000; i++)
			__asm__ volatile("pause");
		guard_state = next + 1;
		if (mprotect(guarded, PAGE, PROT_READ | PROT_WRITE))
			bad("mprotect: %s", strerror(errno));
		rounds[PROTECT]++;
	}
	return arg;
}

/* ---- remap: the address shows page number 0 or 1 of a file; view holds round * 2 + page, or 0 while it changes */
static volatile uint32_t *view_at;
static int view_fd;
static atomic_ulong view;

static void *view_reader(void *arg)
{
	while (!stop) {
		unsigned long before;
		uint32_t seen;

		watcher_rest();
		before = view;
		seen = *view_at;
		if (before && view == before && seen != (before & 1))
			bad("read page %u, mapped is %lu, round %lu", seen, before & 1, before / 2);
	}
	return arg;
}

static void view_map(unsigned int page)
{
	void *at = (void *)(uintptr_t)view_at;

	if (mmap(at, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, view_fd, (off_t)(page * PAGE)) != at)
		bad("mmap: %s", strerror(errno));
}

static void *view_owner(void *arg)
{
	for (unsigned long round = 1; !stop; round++) {
		view = 0;
		view_map(round & 1);
		view = round * 2 + (round & 1);
		for (int i = 0; i < 2000; i++)
			__asm__ volatile("pause");
		rounds[REMAP]++;
	}
	return arg;
}

/* ---- churn: several at once, so that the process's page tables change on all CPUs */
enum { CHURN_PAGES = 700 }; /* more than a page table holds */

static uint32_t churn_word(uint32_t seed, unsigned int page)
{
	return (seed + page) * 2654435761u;
}

static void churn_check(const volatile uint32_t *at, uint32_t seed, unsigned int first,
			unsigned int end)
{
	for (unsigned int i = first; i < end; i++)
		if (at[i * (PAGE / 4) + i % 1000] != churn_word(seed, i))
			bad("page %u of memory holds %x, not %x", i, at[i * (PAGE / 4) + i % 1000],
			    churn_word(seed, i));
}

static void churn_once(uint32_t seed)
{
	const size_t bytes = CHURN_PAGES * PAGE;
	unsigned int half = CHURN_PAGES / 2;
	volatile uint32_t *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int status;
	pid_t pid;
	char *to;

	if (at == MAP_FAILED)
		bad("mmap: %s", strerror(errno));
	for (unsigned int i = 0; i < CHURN_PAGES; i++)
		at[i * (PAGE / 4) + i % 1000] = churn_word(seed, i);
	for (unsigned int i = 0; i < CHURN_PAGES; i += 7)
		if (mprotect((char *)(uintptr_t)at + i * PAGE, PAGE, PROT_READ))
			bad("mprotect: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		bad("fork: %s", strerror(errno));
	if (!pid) {
		churn_check(at, seed, 0, CHURN_PAGES);
		for (unsigned int i = 1; i < CHURN_PAGES; i += 7)
			at[i * (PAGE / 4)] = 1; /* its own copy from here on */
		_exit(7);
	}
	if (madvise((char *)(uintptr_t)at + half * PAGE, half * PAGE, MADV_DONTNEED))
		bad("madvise: %s", strerror(errno));
	if (mprotect((void *)(uintptr_t)at, half * PAGE, PROT_READ | PROT_WRITE))
		bad("mprotect: %s", strerror(errno));
	to = mremap((void *)(uintptr_t)at, half * PAGE, half * PAGE * 2, MREMAP_MAYMOVE);
	if (to == MAP_FAILED)
		bad("mremap: %s", strerror(errno));
	churn_check((volatile uint32_t *)(void *)to, seed, 0, half);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 7)
		bad("forked: status %x", status);
	if (to != (char *)(uintptr_t)at && munmap((char *)(uintptr_t)at + half * PAGE, half * PAGE))
		bad("munmap: %s", strerror(errno));
	if (munmap(to, half * PAGE * 2))
		bad("munmap: %s", strerror(errno));
}

static void *churns(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg * 1000003u;

	while (!stop) {
		churn_once(seed++);
		rounds[CHURN]++;
	}
	return arg;
}

/* ---- */
static void copy_file(int to, int from, char *buf, size_t size)
{
	ssize_t n;

	while ((n = read(from, buf, size)) > 0)
		if (write(to, buf, (size_t)n) != n)
			bad("write: %s", strerror(errno));
	if (n < 0)
		bad("read: %s", strerror(errno));
}

static void *files(void *arg)
{
	enum { WORDS = 16384 };
	static uint32_t data[WORDS], back[WORDS];
	uint32_t seed = 1;
	char name[2][40];

	snprintf(name[0], sizeof(name[0]), "/tmp/load.a%d", getpid());
	snprintf(name[1], sizeof(name[1]), "/tmp/load.b%d", getpid());
	while (!stop) {
		int a = open(name[0], O_RDWR | O_CREAT | O_TRUNC, 0600);
		int b = open(name[1], O_RDWR | O_CREAT | O_TRUNC, 0600);

		if (a < 0 || b < 0)
			bad("open: %s", strerror(errno));
		for (int i = 0; i < WORDS; i++)
			data[i] = seed = seed * 1664525 + 1013904223;
		if (write(a, data, sizeof(data)) != (ssize_t)sizeof(data) || lseek(a, 0, SEEK_SET))
			bad("write: %s", strerror(errno));
		copy_file(b, a, (char *)back, 10000);
		if (lseek(b, 0, SEEK_SET) || read(b, back, sizeof(back)) != (ssize_t)sizeof(back) ||
		    memcmp(data, back, sizeof(data)))
			bad("a copied file differs");
		close(a);
		close(b);
		rounds[FILES]++;
	}
	return arg;
}

static void *pipes(void *arg)
{
	int there[2], back[2];
	uint32_t n = 0, got;
	pid_t pid;

	if (pipe(there) || pipe(back) || (pid = fork()) < 0)
		bad("pipe: %s", strerror(errno));
	if (!pid) {
		close(there[1]);
		while (read(there[0], &got, sizeof(got)) == (ssize_t)sizeof(got)) {
			got++;
			if (write(back[1], &got, sizeof(got)) < 0)
				break;
		}
		_exit(0);
	}
	close(there[0]);
	while (!stop) {
		if (write(there[1], &n, sizeof(n)) != (ssize_t)sizeof(n) ||
		    read(back[0], &got, sizeof(got)) != (ssize_t)sizeof(got) || got != n + 1)
			bad("pipe: sent %u, got %u", n, got);
		n = got;
		rounds[PIPES]++;
	}
	close(there[1]);
	waitpid(pid, NULL, 0);
	return arg;
}

/* ---- disk: each of two threads has half of it, of HALF blocks; it checks the block of the round before last */
#define BLOCK (64u << 10)
#define HALF  300u

static void *disks(void *arg)
{
	static atomic_uint threads;
	const off_t base = (off_t)(threads++ * HALF * BLOCK);
	uint32_t *words = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);
	int fd = open(disk, O_RDWR | O_DIRECT);

	if (fd < 0 || words == MAP_FAILED)
		bad("disk: %s", strerror(errno));
	for (uint32_t round = 0; !stop; round++) {
		const uint32_t old = round < 2 ? round : round - 2;

		for (uint32_t i = 0; i < BLOCK / 4; i++)
			words[i] = (round * (BLOCK / 4) + i) * 2654435761u;
		if (pwrite(fd, words, BLOCK, base + (off_t)(round % HALF * BLOCK)) !=
		    (ssize_t)BLOCK)
			bad("disk: write: %s", strerror(errno));
		memset(words, 0, BLOCK);
		if (pread(fd, words, BLOCK, base + (off_t)(old % HALF * BLOCK)) != (ssize_t)BLOCK)
			bad("disk: read: %s", strerror(errno));
		for (uint32_t i = 0; i < BLOCK / 4; i++)
			if (words[i] != (old * (BLOCK / 4) + i) * 2654435761u)
				bad("disk: word %u of block %u is %x", i, old, words[i]);
		rounds[DISK]++;
	}
	close(fd);
	return arg;
}

/* ---- network and wire: one thread sends numbers, another gets them, over TCP */
static int stream[2], wire;

static void network_open(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t len = sizeof(at);

	stream[0] = socket(AF_INET, SOCK_STREAM, 0);
	(void)ioctl(listener, SIOCSIFFLAGS, &lo); /* in an initramfs nobody did */
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&at, &len) ||
	    connect(stream[0], (struct sockaddr *)&at, sizeof(at)))
		bad("network: %s", strerror(errno));
	stream[1] = accept(listener, NULL, NULL);
	close(listener);
}

static void wire_open(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(7)};

	wire = socket(AF_INET, SOCK_STREAM, 0);
	if (!inet_pton(AF_INET, server, &at.sin_addr) ||
	    connect(wire, (struct sockaddr *)&at, sizeof(at)))
		bad("wire: %s", strerror(errno));
}

static void numbers_send(int fd)
{
	uint32_t numbers[2000], next = 0;

	while (!stop) {
		for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
			numbers[i] = next++ * 2654435761u;
		for (size_t done = 0; done < sizeof(numbers);) {
			ssize_t n = write(fd, (char *)numbers + done, sizeof(numbers) - done);

			if (n < 0)
				bad("send: %s", strerror(errno));
			done += (size_t)n;
		}
	}
	shutdown(fd, SHUT_WR);
}

static void numbers_receive(int fd, enum kind kind)
{
	uint32_t numbers[1500], next = 0;
	size_t have = 0;
	ssize_t n;

	while ((n = read(fd, (char *)numbers + have, sizeof(numbers) - have)) > 0) {
		have += (size_t)n;
		for (size_t i = 0; i < have / 4; i++)
			if (numbers[i] != next++ * 2654435761u)
				bad("number %u of the %s arrived as %x", next - 1, kind_name[kind],
				    numbers[i]);
		memmove(numbers, numbers + have / 4, have % 4);
		have %= 4;
		rounds[kind]++;
	}
	if (n < 0 || have)
		bad("%s: receive: %s", kind_name[kind], strerror(errno));
}

static void *network_send(void *arg)
{
	numbers_send(stream[0]);
	return arg;
}

static void *network_receive(void *arg)
{
	numbers_receive(stream[1], NETWORK);
	return arg;
}

static void *wire_send(void *arg)
{
	numbers_send(wire);
	return arg;
}

static void *wire_receive(void *arg)
{
	numbers_receive(wire, WIRE);
	return arg;
}

/* What another thread read before cannot be later than what is read now. */
static void *times(void *arg)
{
	static _Atomic uint64_t latest;

	while (!stop) {
		for (int i = 0; i < 1000; i++) {
			uint64_t seen = latest, t = now_ns();

			if (t < seen)
				bad("time went back by %llu ns", (unsigned long long)(seen - t));
			while (seen < t && !atomic_compare_exchange_weak(&latest, &seen, t))
				;
		}
		rounds[TIMES]++;
		usleep(1000); /* woken by a timer, perhaps on another CPU */
	}
	return arg;
}

static double sum(double start)
{
	double a = start, b = 1, c = 2, d = 3;

	for (int i = 1; i < 20000; i++) {
		a += 1.0 / i;
		b += a * 1e-3;
		c += b * 1e-5;
		d = d * 0.5 + c;
	}
	return a + b + c + d;
}

static void *floats(void *arg)
{
	volatile double start = (double)(uintptr_t)arg; /* volatile: every sum is really made */
	double want = sum(start);

	while (!stop) {
		if (memcmp(&want, &(double){sum(start)}, sizeof(want)))
			bad("a sum of floating point numbers came out different");
		rounds[FLOATS]++;
		sched_yield();
	}
	return NULL;
}

/* ---- segments: a local descriptor table, and a segment of it that stays loaded while others run */
#ifdef __i386__
#define SEGMENT "fs" /* gs is the threads' own */
#else
#define SEGMENT "gs"
#endif

static void *segments(void *arg)
{
	uint32_t *word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct user_desc desc = {.entry_number = 3,
				 .base_addr = (unsigned int)(uintptr_t)word,
				 .limit = PAGE - 1,
				 .seg_32bit = 1,
				 .useable = 1};

	if (word == MAP_FAILED)
		bad("mmap: %s", strerror(errno));
	while (!stop) {
		uint32_t seen;

		if (syscall(SYS_modify_ldt, 1, &desc, sizeof(desc)))
			bad("modify_ldt: %s", strerror(errno));
		__asm__ volatile("movl %0, %%" SEGMENT : : "r"(3 << 3 | 7));
		for (int i = 0; i < 100; i++) {
			word[1] = (uint32_t)rounds[SEGMENTS] + (uint32_t)i;
			sched_yield();
			__asm__ volatile("movl %%" SEGMENT ":4, %0" : "=r"(seen) : : "memory");
			if (seen != word[1])
				bad("a segment shows %x, not %x", seen, word[1]);
		}
		__asm__ volatile("movl %0, %%" SEGMENT : : "r"(0));
		rounds[SEGMENTS]++;
	}
	return arg;
}

static void on_tick(int sig)
{
	(void)sig;
	rounds[SIGNALS]++;
}

static void prepare(void)
{
	struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	struct sigaction tick = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
	struct itimerval every = {{0, 7000}, {0, 7000}};

	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	sigaction(SIGALRM, &tick, NULL);
	guarded = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	view_fd = memfd_create("view", 0);
	view_at = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (guarded == MAP_FAILED || view_at == MAP_FAILED || view_fd < 0 ||
	    ftruncate(view_fd, 2 * PAGE))
		bad("mmap: %s", strerror(errno));
	if (pwrite(view_fd, &(uint32_t){1}, 4, PAGE) != 4)
		bad("pwrite: %s", strerror(errno));
	view_map(0);
	network_open();
	if (server)
		wire_open();
	setitimer(ITIMER_REAL, &every, NULL);
}

static bool is_asked(int kind)
{
	return (kind != DISK && kind != WIRE) || server;
}

static bool all_done(void)
{
	for (int k = 0; k < KINDS; k++)
		if (!rounds[k] && is_asked(k))
			return false;
	return true;
}

int main(int argc, char **argv)
{
	static void *(*const work[])(void *) = {
		forks,	    guard_owner, guard_writer, guard_writer, guard_writer,
		view_owner, view_reader, view_reader,  view_reader,  files,
		pipes,	    times,	 times,	       times,	     floats,
		floats,	    churns,	 churns,       network_send, network_receive,
		segments,   disks,	 disks,	       wire_send,    wire_receive,
	};
	enum { THREADS = sizeof(work) / sizeof(work[0]), OF_DEVICES = 4 };
	pthread_t thread[THREADS];
	size_t threads = THREADS - OF_DEVICES;
	unsigned int seconds;
	uint64_t end;

	if (argc < 2)
		return 2;
	if (!strcmp(argv[1], "exit"))
		return 42;
	self = argv[0];
	seconds = (unsigned int)atoi(argv[1]);
	if (argc == 4) {
		disk = argv[2];
		server = argv[3];
		threads = THREADS;
	}
	prepare();
	end = now_ns() + seconds * 1000000000ull;
	for (size_t i = 0; i < threads; i++)
		if (pthread_create(&thread[i], NULL, work[i], (void *)(uintptr_t)i))
			bad("pthread_create");
	/* On a slow machine longer, until something was done of each kind. */
	while (now_ns() < end || (!all_done() && now_ns() < end + 120000000000ull))
		usleep(100000);
	stop = true;
	for (size_t i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	printf("LOAD-OK %zu bits:", 8 * sizeof(void *));
	for (int k = 0; k < KINDS; k++) {
		printf(" %s %lu", kind_name[k], rounds[k]);
		if (!rounds[k] && is_asked(k))
			bad("nothing done of %s", kind_name[k]);
	}
	printf("\n");
	return 0;
}

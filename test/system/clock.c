/* SPDX-License-Identifier: MIT */
/*
 * What a clock_gettime() costs, by the machine's own time stamps: under -icount a tick is an instruction. The least of
 * many rounds: no interrupt fell into it. Says "CLOCK <name> <ticks>" and which clock source Linux has chosen.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define ROUNDS 50
#define CALLS  100

static uint64_t ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
	return (uint64_t)high << 32 | low;
}

static uint64_t cost(clockid_t clock)
{
	uint64_t least = UINT64_MAX;
	struct timespec t;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = ticks(), spent;

		for (int i = 0; i < CALLS; i++)
			clock_gettime(clock, &t);
		spent = ticks() - start;
		least = spent < least ? spent : least;
	}
	return least / CALLS;
}

int main(void)
{
	char source[32] = "?";
	FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "r");

	if (file == NULL || fscanf(file, "%31s", source) != 1)
		return 1;
	printf("CLOCK source %s\n", source);
	printf("CLOCK monotonic %llu\n", (unsigned long long)cost(CLOCK_MONOTONIC));
	printf("CLOCK realtime %llu\n", (unsigned long long)cost(CLOCK_REALTIME));
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * The first program of a tiny initramfs: prints the CPUID leaves that this machine shows, asked as a PV kernel asks
 * (forced emulation) if a Xen interface is there, and which MSRs can be read and written back. Built and run by
 * tools/cpuid_oracle.py; "C leaf sub a b c d" and "M msr value written" lines are what it keeps.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_xen;

static void cpuid(uint32_t leaf, uint32_t sub, uint32_t *r)
{
	r[0] = leaf;
	r[2] = sub;
	if (is_xen)
		__asm__ volatile("ud2; .ascii \"xen\"; cpuid"
				 : "+a"(r[0]), "=b"(r[1]), "+c"(r[2]), "=d"(r[3]));
	else
		__asm__ volatile("cpuid" : "+a"(r[0]), "=b"(r[1]), "+c"(r[2]), "=d"(r[3]));
}

static unsigned int subs_of(uint32_t leaf)
{
	switch (leaf) {
	case 0x4:
		return 6;
	case 0x7:
	case 0xb:
	case 0x40000003:
		return 4;
	case 0xd:
		return 12;
	case 0x8000001d:
		return 5;
	default:
		return 1;
	}
}

static void show_range(uint32_t base, uint32_t extra)
{
	uint32_t r[4], max;

	cpuid(base, 0, r);
	max = r[0] >> 16 == base >> 16 && r[0] - base < 0x40 ? r[0] : base;
	for (uint32_t leaf = base; leaf <= max + extra; leaf++) {
		for (uint32_t sub = 0; sub < subs_of(leaf); sub++) {
			cpuid(leaf, sub, r);
			printf("C %08x %08x %08x %08x %08x %08x\n", leaf, sub, r[0], r[1], r[2],
			       r[3]);
		}
	}
}

/* Not written back: time, local APIC and the commands of the branch predictor. */
static bool may_write(uint32_t msr)
{
	return msr != 0x10 && msr != 0x1b && msr != 0x48 && msr != 0x49 && msr != 0x79;
}

static void show_msrs(int fd, uint32_t first, uint32_t last)
{
	for (uint32_t msr = first; msr <= last; msr++) {
		uint64_t value;

		if (pread(fd, &value, sizeof(value), msr) != sizeof(value))
			continue;
		printf("M %08x %016llx %d\n", msr, (unsigned long long)value,
		       may_write(msr) && pwrite(fd, &value, sizeof(value), msr) == sizeof(value));
	}
}

int main(void)
{
	static const uint32_t msrs[][2] = {
		{0x0, 0x47f},
		{0x480, 0x4a0},
		{0x560, 0x5a0},
		{0x600, 0x6b0},
		{0x770, 0x7a0},
		{0xc80, 0xd20},
		{0xda0, 0xda0},
		{0x1900, 0x1990},
		{0x40000000, 0x40000010},
		{0xc0000080, 0xc0000110},
		{0xc0000200, 0xc0000210},
		{0xc0010000, 0xc0010080},
		{0xc0010110, 0xc0010142},
		{0xc0010200, 0xc0010210},
		{0xc0010290, 0xc00102ff},
		{0xc0011000, 0xc0011040},
	};
	char type[8] = "";
	int fd;

	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	fd = open("/dev/console", O_RDWR);
	dup2(fd, 0);
	dup2(fd, 1);
	dup2(fd, 2);

	fd = open("/sys/hypervisor/type", O_RDONLY);
	is_xen = fd >= 0 && read(fd, type, 3) == 3 && !strcmp(type, "xen");
	printf("BEGIN %s\n", is_xen ? "xen" : "native");
	show_range(0, 2);
	show_range(0x40000000, 2);
	show_range(0x80000000, 2);
	if (is_xen) {
		fd = open("/msr.ko", O_RDONLY);
		syscall(SYS_finit_module, fd, "", 0);
		fd = open("/dev/cpu/0/msr", O_RDWR);
		for (size_t i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++)
			show_msrs(fd, msrs[i][0], msrs[i][1]);
	}
	printf("END\n");
	fflush(stdout);
	sleep(1);
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

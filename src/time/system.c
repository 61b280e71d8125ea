/* SPDX-License-Identifier: MIT */
/*
 * System time and wall clock. System time is the TSC since boot, scaled by one multiplier that never changes: so it never
 * goes back, is the same on every CPU (whose TSCs are taken as equal), and every guest computes it for itself from a
 * vcpu_time_info that is written once. Reached from everywhere; calls the seam. The wall clock is under LOCK_RANK_TIME.
 */
#include "time/time.h"

#include "core/log.h"
#include "hw/clock.h"
#include "lib/bits.h"
#include "time/priv.h"

struct time_base time_base;

static struct lock wallclock_lock = LOCK_INIT(LOCK_RANK_TIME);
static u64 wallclock_sec;  /* [l] at system time 0 */
static u32 wallclock_nsec; /* [l] */

struct time_scale time_scale_make(u64 tsc_khz)
{
	struct time_scale scale = {0};
	u64 khz = MIN(MAX(tsc_khz, 1000ull), BIT(30));
	int shift = 0;

	/* mul = 10^6 / khz * 2^(32 - shift), with the shift that puts it into [2^31, 2^32) */
	while ((1000000ull << 32 >> shift) / khz >= BIT(32))
		shift++;
	while (shift > -11 && (1000000ull << (32 - shift)) / khz < BIT(31))
		shift--;
	scale.shift = (s8)shift;
	scale.mul = (u32)(shift > 0 ? (1000000ull << 32 >> shift) / khz
				    : (1000000ull << (32 - shift)) / khz);
	return scale;
}

u64 time_scale_apply(struct time_scale scale, u64 tsc)
{
	u128 ns;

	/* Years: the shift, at most 10, loses nothing, and the product fits. */
	if (likely(tsc >> 52 == 0)) {
		tsc = scale.shift >= 0 ? tsc << scale.shift : tsc >> -scale.shift;
		return (u64)((u128)tsc * scale.mul >> 32);
	}
	if (scale.shift >= 0)
		ns = ((u128)tsc << scale.shift) * scale.mul >> 32;
	else
		ns = (u128)(tsc >> -scale.shift) * scale.mul >> 32;
	return ns > UINT64_MAX ? UINT64_MAX : (u64)ns;
}

struct time_base time_base_make(void)
{
	struct time_scale scale = time_scale_make(hw_tsc_khz);

	return (struct time_base){
		.tsc = hw_tsc(),
		.scale = scale,
		.ticks_39 = (MIN(hw_tsc_khz, BIT(24)) << 39) / 1000000 + 1,
		/* one tick for the division, one unit of the shift for the scale's */
		.ticks_more = 1 + (scale.shift < 0 ? BIT(-scale.shift) : 1),
	};
}

u64 time_now_ns(void)
{
	u64 tsc = hw_tsc();

	/* a CPU whose TSC lags a little behind at boot sees zero, not the far future */
	return tsc > time_base.tsc ? time_scale_apply(time_base.scale, tsc - time_base.tsc) : 0;
}

u64 time_ns_to_ticks(u64 ns)
{
	return (u64)((u128)MIN(ns, TIME_ARM_MAX_NS) * time_base.ticks_39 >> 39) +
	       time_base.ticks_more;
}

u64 time_from_date(unsigned int year, unsigned int month, unsigned int day, unsigned int hour,
		   unsigned int minute, unsigned int second)
{
	/* March is the first month, so that the day that comes and goes is the last of a year */
	unsigned int m = month > 2 ? month - 3 : month + 9;
	u64 y = month > 2 ? year : year - 1;
	u64 days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1;

	return (((days - 719468) * 24 + hour) * 60 + minute) * 60 + second;
}

int time_wallclock_set(u64 seconds, u32 nanoseconds, u64 system_time_ns)
{
	u64 sec = system_time_ns / NS_PER_SECOND;
	u32 nsec = (u32)(system_time_ns % NS_PER_SECOND);

	if (nanoseconds >= NS_PER_SECOND)
		return err(EINVAL);
	if (nanoseconds < nsec) {
		nanoseconds += (u32)NS_PER_SECOND;
		sec++;
	}
	if (seconds < sec)
		return err(EINVAL);
	{
		LOCK_SCOPE_IRQ(&wallclock_lock);
		wallclock_sec = seconds - sec;
		wallclock_nsec = nanoseconds - nsec;
	}
	for_each_domain(d)
		time_wallclock_publish(d);
	return 0;
}

void time_wallclock_publish(struct domain *d)
{
	struct shared_info *shared = atomic_load(&d->shared);
	u64 sec;
	u32 version;

	if (shared == NULL)
		return;
	LOCK_SCOPE_IRQ(&wallclock_lock);
	sec = wallclock_sec + (u64)d->time_offset_s;
	version = (atomic_load(&shared->wc_version) + 1) | 1;
	atomic_exchange(&shared->wc_version,
			version); /* odd before the rest: pairs with the guest's read loop */
	atomic_store(&shared->wc_sec, (u32)sec);
	atomic_store(&shared->wc_sec_hi, (u32)(sec >> 32));
	atomic_store(&shared->wc_nsec, wallclock_nsec);
	atomic_store(&shared->wc_version, version + 1);
}

void time_init(void)
{
	struct hw_date date;
	u64 sec;

	time_base = time_base_make();
	if (hw_rtc_read(&date) != 0) {
		log_warning("time: no real-time clock, the wall clock begins in 1970");
		return;
	}
	sec = time_from_date(date.year, date.month, date.day, date.hour, date.minute, date.second);
	(void)time_wallclock_set(sec, 0, 0);
	log_info("time: %04u-%02u-%02u %02u:%02u:%02u UTC, TSC %u.%03u MHz%s", date.year,
		 date.month, date.day, date.hour, date.minute, date.second,
		 (u32)(hw_tsc_khz / 1000), (u32)(hw_tsc_khz % 1000),
		 hw_tsc_is_stable ? ", stable" : "");
}

/* SPDX-License-Identifier: MIT */
/*
 * The CMOS clock (MC146818 and its descendants), read once at boot for the wall clock; afterwards it is Domain 0's.
 * Calls the port seam. No lock.
 */
#include "core/err.h"
#include "hw/acpi.h"
#include "hw/clock.h"
#include "hw/io.h"
#include "lib/string.h"

#define RTC_INDEX   0x70
#define RTC_DATA    0x71
#define RTC_SECOND  0x00
#define RTC_MINUTE  0x02
#define RTC_HOUR    0x04
#define RTC_DAY	    0x07
#define RTC_MONTH   0x08
#define RTC_YEAR    0x09
#define RTC_A	    0x0a
#define RTC_B	    0x0b
#define RTC_UPDATES 0x80 /* register A: an update is under way */
#define RTC_BINARY  0x04 /* register B */
#define RTC_24H	    0x02
#define RTC_PM	    0x80 /* hour in 12-hour mode */

#define TRIES	  10
#define UPDATE_US 3000 /* an update takes 2 ms */

static u8 cmos_read(u8 reg)
{
	hw_out8(RTC_INDEX, reg);
	return hw_in8(RTC_DATA);
}

static bool update_wait(void)
{
	u64 end = hw_tsc() + hw_tsc_khz * UPDATE_US / 1000;

	while ((cmos_read(RTC_A) & RTC_UPDATES) != 0)
		if (hw_tsc() > end)
			return false;
	return true;
}

static unsigned int plain(u8 value, bool is_binary)
{
	return is_binary ? value : (value >> 4) * 10u + (value & 15);
}

static void date_take(struct hw_date *date)
{
	u8 b = cmos_read(RTC_B);
	bool is_binary = (b & RTC_BINARY) != 0;
	u8 hour = cmos_read(RTC_HOUR);
	unsigned int century = hw_acpi.century != 0 ? plain(cmos_read(hw_acpi.century), is_binary)
						    : 0;

	date->second = plain(cmos_read(RTC_SECOND), is_binary);
	date->minute = plain(cmos_read(RTC_MINUTE), is_binary);
	date->hour = plain(hour & 0x7f, is_binary);
	if ((b & RTC_24H) == 0)
		date->hour = date->hour % 12 + ((hour & RTC_PM) != 0 ? 12 : 0);
	date->day = plain(cmos_read(RTC_DAY), is_binary);
	date->month = plain(cmos_read(RTC_MONTH), is_binary);
	date->year = plain(cmos_read(RTC_YEAR), is_binary);
	if (century >= 19 && century <= 29)
		date->year += century * 100;
	else
		date->year += date->year < 70 ? 2000 : 1900;
}

static bool date_is_sane(const struct hw_date *date)
{
	return date->second < 60 && date->minute < 60 && date->hour < 24 && date->day >= 1 &&
	       date->day <= 31 && date->month >= 1 && date->month <= 12 && date->year >= 1970 &&
	       date->year < 3000;
}

int hw_rtc_read(struct hw_date *date)
{
	for (unsigned int i = 0; i < TRIES; i++) {
		struct hw_date again;

		if (!update_wait())
			return err(EIO);
		date_take(date);
		date_take(&again);
		if (memcmp(date, &again, sizeof(again)) == 0)
			return date_is_sane(date) ? 0 : err(EIO);
	}
	return err(EIO);
}

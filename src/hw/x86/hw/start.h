/* SPDX-License-Identifier: MIT */
/* Registers that each CPU sets at its start, and what its machine-check banks say. No lock. */
#pragma once

/* Each CPU once, with its trap table loaded. */
void hw_cpu_start(void);
/* This CPU's machine-check registers, to the log. */
void hw_machine_checks_print(void);

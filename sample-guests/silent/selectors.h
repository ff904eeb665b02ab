/* The selectors of boot_pvh.S, and two of this guest's own. */
#pragma once

#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_TASK 0x30
#define SELECTOR_LDT 0x48 /* two slots */
#define SELECTOR_OWN 0x58

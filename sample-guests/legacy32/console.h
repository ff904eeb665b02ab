/* Output on COM1. Lines that begin with "~ " are not for comparison. */
#pragma once

#include "types.h"

/* %s, %u, %x, with width and `-` or `0` as in C. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One fact: what was looked at, what came of it. */
void fact(const char *what, const char *format, ...) __attribute__((format(printf, 2, 3)));

void shutdown(u32 value) __attribute__((noreturn));

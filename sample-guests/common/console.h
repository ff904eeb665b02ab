/* Formatted output. Every guest speaks through these two functions.

   A line whose text depends on timing, on the CPU model or on the world that the guest
   runs in begins with "~ ": whoever compares consoles skips such lines. All other lines
   state architectural facts and are the same everywhere. */
#pragma once

#include "types.h"

/* %s %c, %d (int), %u %x (unsigned), %lu %lx (64-bit); width, `-` and `0` as in C. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints, then ends the guest with exit value 1: for states that should be impossible. */
void panic(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Reads one line with echo and backspace; returns its length. Enables interrupts. */
size_t read_line(char *line, size_t capacity);

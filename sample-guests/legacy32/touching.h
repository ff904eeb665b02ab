/* Touching memory, with faults caught. */
#pragma once

#include "types.h"

void try_read(const char *what, u32 linear);
void try_write(const char *what, u32 linear);
void try_call(const char *what, u32 linear);
void try_read_in_ring_3(const char *what, u32 linear);
void try_write_in_ring_3(const char *what, u32 linear);
void try_call_in_ring_3(const char *what, u32 linear);

static inline u32 peek(u32 linear) { return *(volatile u32 *)linear; }
static inline void poke(u32 linear, u32 value) { *(volatile u32 *)linear = value; }

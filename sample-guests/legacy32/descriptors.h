/* Segments, gates and the task state. */
#pragma once

#ifndef __ASSEMBLER__
#include "types.h"

/*  31       24 23 22 21 20 19      16 15 14 13 12 11     8 7         0
   +-----------+--+--+--+--+----------+--+-----+--+--------+-----------+
   | base      | G| D| L|  | limit    | P| DPL | S| type   | base      |  high dword
   +-----------+--+--+--+--+----------+--+-----+--+--------+-----------+   low: base 15-0, limit 15-0 */
u64 descriptor(u32 base, u32 limit, u32 access, u32 size);

#define PRESENT 0x80U
#define RING(n) ((u32)(n) << 5)
#define SEGMENT 0x10U
#define CODE (PRESENT | SEGMENT | 0xb) /* readable, accessed */
#define CODE_EXECUTE_ONLY (PRESENT | SEGMENT | 0x9)
#define CODE_CONFORMING (PRESENT | SEGMENT | 0xf)
#define DATA (PRESENT | SEGMENT | 0x3) /* writable, accessed */
#define DATA_READ_ONLY (PRESENT | SEGMENT | 0x1)
#define DATA_EXPAND_DOWN (PRESENT | SEGMENT | 0x7)
#define SIZE_32 0x4U     /* D: 32-bit, limit in bytes */
#define SIZE_32_PAGES 0xcU /* the same, limit in pages */

extern u64 gdt[32], ldt[4];

/* Sets what traps into ring 0 take for their stack. */
void set_ring0_stack(u32 top);

/* Lets ring 3 use this port, or forbids it. */
void permit_port(u16 port, bool permitted);
#endif

#define CODE_0 0x08
#define DATA_0 0x10
#define CODE_3 0x18
#define DATA_3 0x20
#define TASK 0x28
#define CODE_1 0x30
#define DATA_1 0x38
#define LOCAL 0x40
#define BASED 0x48
#define GATE 0x50
#define CONFORMING 0x58
#define READ_ONLY 0x60
#define ABSENT 0x68
#define SMALL 0x70
#define EXPAND_DOWN 0x78
#define EXECUTE_ONLY 0x80
#define KERNEL_GATE 0x88

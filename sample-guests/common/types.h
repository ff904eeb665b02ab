/* The few types and constants that every file needs. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#define PAGE_SIZE 4096UL
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* RFLAGS */
#define FLAG_TRAP (1UL << 8)
#define FLAG_INTERRUPT (1UL << 9)
#define FLAG_RESUME (1UL << 16)
#define FLAG_ALIGNMENT_CHECK (1UL << 18)

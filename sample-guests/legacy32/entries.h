/* Bits of page table entries in both formats. */
#pragma once

#define PAGE_PRESENT 1U
#define PAGE_WRITABLE 2U
#define PAGE_USER 4U
#define PAGE_ACCESSED 0x20U
#define PAGE_DIRTY 0x40U
#define PAGE_LARGE 0x80U

/* Where the lessons map their pages, and memory that nobody else uses. */
#define WINDOW 0x40000000U
#define LARGE_FRAME 0x1000000U

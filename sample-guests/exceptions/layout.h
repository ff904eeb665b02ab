/* The guest's window of 4 KiB pages, for C and assembler: each page is wrong in its own way. */
#define WINDOW_CODE 0x40000000      /* ring3_probes.S, for user mode */
#define WINDOW_STACK 0x40010000     /* top of the user stack: one page below */
#define PAGE_READ_ONLY 0x40020000   /* not writable */
#define PAGE_NO_EXECUTE 0x40021000  /* writable, not executable */
#define PAGE_UNMAPPED 0x40022000    /* not present; follows a present page */
#define PAGE_SUPERVISOR 0x40030000  /* writable and executable, not for user mode */
#define PAGE_USER_READ_ONLY 0x40031000
#define PAGE_RESERVED_BIT 0x40200000 /* a 2 MiB page with a reserved bit set */
#define NON_CANONICAL 0x0000800000000000

#define SELECTOR_CODE32 0x40
#define SELECTOR_ABSENT_DATA 0x48
#define SELECTOR_ABSENT_CODE 0x50

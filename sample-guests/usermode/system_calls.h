/* The system calls: number in RAX, arguments in RDI, RSI and RDX, result in RAX, through
   INT 0x80 as well as SYSCALL. */
#pragma once

#define SYSTEM_EXIT 0   /* (code) */
#define SYSTEM_SAY 1    /* (text, length, number): prints both; -1 if the text is not the caller's to read */
#define SYSTEM_YIELD 2  /* () */
#define SYSTEM_NUMBER 3 /* () -> the number of the process */
#define SYSTEM_ENOUGH 4 /* () -> whether every process was pre-empted often enough */

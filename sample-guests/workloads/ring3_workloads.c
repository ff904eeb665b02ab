/* What runs in ring 3. Compiled position-independent; reaches the kernel only by system call. */
#include "ring3_workloads.h"

#include "instructions.h"
#include "processes.h"
#include "system_calls.h"

#define CACHE_LINE 64
#define FORK_STEP 4 /* the child changes every fourth page */

static inline u64 by_int80(u64 number, u64 a, u64 b)
{
    asm volatile("int 0x80" : "+a"(number) : "D"(a), "S"(b) : "memory");
    return number;
}

static inline u64 by_syscall(u64 number, u64 a, u64 b)
{
    asm volatile("syscall" : "+a"(number) : "D"(a), "S"(b) : "rcx", "r11", "memory");
    return number;
}

static void __attribute__((noreturn)) end(u64 value, u64 wrong)
{
    for (;;)
        by_syscall(SYSTEM_END, value, wrong);
}

void program_null_calls(u64 way, u64 count)
{
    u64 sum = 0, start = read_time_stamp();
    if (way == BY_INT80)
        for (u64 i = 0; i < count; i++)
            sum += by_int80(SYSTEM_NULL, 0, 0);
    else
        for (u64 i = 0; i < count; i++)
            sum += by_syscall(SYSTEM_NULL, 0, 0);
    end(read_time_stamp() - start, sum != count);
}

static volatile u64 *const memory = (u64 *)PROCESS_MEMORY;

static u64 process_number; /* each process has its own */

void program_ping(u64 rounds, u64 pages)
{
    /* Two processes run this; what is in the memory says whose it is. */
    u64 wrong = 0, start = read_time_stamp(), words = pages * PAGE_SIZE / sizeof *memory;
    process_number = start;
    for (u64 round = 0; round < rounds; round++) {
        for (u64 i = 0; i < words; i += CACHE_LINE / sizeof *memory)
            memory[i] = process_number + round;
        by_syscall(SYSTEM_YIELD, 0, 0);
        for (u64 i = 0; i < words; i += CACHE_LINE / sizeof *memory)
            wrong += memory[i] != process_number + round;
    }
    end(read_time_stamp() - start, wrong);
}

static u64 count_wrong(u64 pages, u64 step, u64 offset)
{
    u64 wrong = 0;
    for (u64 page = 0; page < pages; page++)
        wrong += memory[page * PAGE_SIZE / sizeof *memory] != page + (page % step ? 0 : offset);
    return wrong;
}

void program_forks(u64 count, u64 pages)
{
    for (u64 page = 0; page < pages; page++)
        memory[page * PAGE_SIZE / sizeof *memory] = page;
    u64 wrong = 0, start = read_time_stamp();
    for (u64 i = 0; i < count; i++) {
        u64 child = by_syscall(SYSTEM_FORK, 0, 0);
        if (child == 0) {
            wrong += count_wrong(pages, 1, 0);
            for (u64 page = 0; page < pages; page += FORK_STEP)
                memory[page * PAGE_SIZE / sizeof *memory] += 1000;
            end(i, wrong + count_wrong(pages, FORK_STEP, 1000));
        }
        by_syscall(SYSTEM_YIELD, 0, 0);
        wrong += by_syscall(SYSTEM_FORGET, child, 0) != i;
    }
    u64 cycles = read_time_stamp() - start;
    end(cycles, wrong + count_wrong(pages, 1, 0));
}

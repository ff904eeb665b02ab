/* Workloads with processes. */
#include "copy_on_write.h"
#include "processes.h"
#include "system_calls.h"
#include "workloads.h"

/* Runs what has been made; answers whether the processes found nothing wrong. */
static bool run(void)
{
    u64 before = wrong_in_processes;
    processes_run();
    return wrong_in_processes == before;
}

/* What the process ended with; frees it. */
static u64 value_of(unsigned number)
{
    u64 value = process_get(number)->exit_code;
    process_free(number);
    return value;
}

struct measured null_calls(enum way way, u64 count)
{
    u64 calls = system_call_counts[SYSTEM_NULL];
    unsigned caller = process_make_with_memory(program_null_calls, way, count, 0);
    bool right = run();
    calls = system_call_counts[SYSTEM_NULL] - calls;
    return (struct measured){value_of(caller), calls, right && calls == count};
}

struct measured context_switches(unsigned pages, u64 rounds)
{
    u64 yields = system_call_counts[SYSTEM_YIELD];
    unsigned first = process_make_with_memory(program_ping, rounds, pages, pages);
    unsigned second = process_make_with_memory(program_ping, rounds, pages, pages);
    bool right = run();
    yields = system_call_counts[SYSTEM_YIELD] - yields;
    u64 cycles = value_of(first);
    value_of(second);
    return (struct measured){cycles, yields, right && yields == 2 * rounds};
}

struct measured forks(u64 count, unsigned pages)
{
    u64 forks = system_call_counts[SYSTEM_FORK];
    unsigned parent = process_make_with_memory(program_forks, count, pages, pages);
    bool right = run();
    forks = system_call_counts[SYSTEM_FORK] - forks;
    return (struct measured){value_of(parent), forks, right && forks == count};
}

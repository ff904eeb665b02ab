/* fork, run, exit: a copy of an address space that shares its frames until somebody writes. */
#include "console.h"
#include "copy_on_write.h"
#include "pages.h"
#include "start_info.h"
#include "system_calls.h"
#include "text.h"
#include "workloads.h"

#define USUAL_COUNT 20
#define PAGES 32

int main(void)
{
    u64 count = text_number(start_info.command_line, "count=", USUAL_COUNT);
    workload_system_calls_start();
    print("A process with %u pages of memory forks %lu times; each child changes every fourth page\n", PAGES, count);
    unsigned frames = frames_in_use();
    report("fork_run_exit", forks(count, PAGES));
    print("Pages copied: %u\n", pages_copied);
    print("Pages that nobody shared any more: %u\n", pages_reclaimed);
    print("All frames came back: %s\n", frames_in_use() == frames ? "yes" : "NO");
    return 0;
}

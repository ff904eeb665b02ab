/* Says hello, and by what and on what it was started. */
#include "console.h"
#include "privileged.h"
#include "start_info.h"

int main(void)
{
    print("Hello from a guest in 64-bit mode.\n");
    print("command line: \"%s\"\n", start_info.command_line);

    print("~ entry: %s; privileged operations: %s\n", start_info.way, privileged->name);
    for (unsigned i = 0; i < start_info.range_count; i++) {
        const struct memory_range *range = &start_info.ranges[i];
        print("~ memory 0x%010lx-0x%010lx %s\n", range->base, range->base + range->length, range->usable ? "usable" : "reserved");
    }

    print("more than 16 MiB of usable memory: %s\n", usable_memory() > 16UL << 20 ? "yes" : "no");
    print("Goodbye.\n");
    return 0;
}

/* Visits to whoever stands behind the devices. On a PC, a port is read; a Xen domain has no ports, and
   asks Xen. A burst goes through the doorway once for many visits: REP INSB, or a multicall. */
#include "console.h"
#include "start_info.h"
#include "text.h"
#include "workloads.h"

#define USUAL_COUNT 2048

int main(void)
{
    u64 count = text_number(start_info.command_line, "count=", USUAL_COUNT);
    print("The same visit, %lu times each way; right: every answer was the same\n", count);
    report("visit", visits(count));
    report("visit_in_bursts", visits_often(count));
    return 0;
}

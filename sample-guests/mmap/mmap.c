/* Storms of mappings. Batched, the kernel says when it wants its changes to be done, not each at once. */
#include "console.h"
#include "start_info.h"
#include "text.h"
#include "workloads.h"

#define USUAL_COUNT 8

int main(void)
{
    unsigned rounds = (unsigned)text_number(start_info.command_line, "count=", USUAL_COUNT);
    print("Pages mapped, touched, unmapped: %u rounds of 64\n", rounds);
    report("map_touch_unmap", map_touch_unmap(rounds, false));
    report("map_touch_unmap_batched", map_touch_unmap(rounds, true));
    print("Page faults that the kernel mends\n");
    report("map_on_demand", map_on_demand(rounds));
    report("write_protection", write_protections(rounds));
    return 0;
}

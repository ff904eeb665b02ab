/* The timer at rising rates: first with nothing else to do, then beside a fixed piece of work. */
#include "console.h"
#include "workloads.h"

#define WORK 1500000 /* turns of a loop */

static const struct {
    unsigned hertz, ticks;
    const char *idle, *working;
} rates[] = {
    {100, 10, "tick_idle_100", "tick_working_100"},
    {1000, 50, "tick_idle_1000", "tick_working_1000"},
    {10000, 200, "tick_idle_10000", "tick_working_10000"},
};

int main(void)
{
    print("Idle between ticks\n");
    for (unsigned i = 0; i < LENGTH(rates); i++)
        report(rates[i].idle, ticks_while_idle(rates[i].hertz, rates[i].ticks));

    print("A piece of work\n");
    struct measured calm = work_while_ticking(0, WORK);
    print("without a timer: %s\n", calm.right ? "right" : "WRONG");
    print("~ result work %lu cycles\n", calm.cycles);
    for (unsigned i = 0; i < LENGTH(rates); i++) {
        struct measured disturbed = work_while_ticking(rates[i].hertz, WORK);
        print("at %5u Hz: %s\n", rates[i].hertz, disturbed.right ? "right" : "WRONG");
        u64 more = disturbed.cycles > calm.cycles ? disturbed.cycles - calm.cycles : 0;
        print("~ %lu ticks came and took %lu cycles\n", disturbed.operations, more);
        print("~ result %s %lu cycles\n", rates[i].working, disturbed.operations ? more / disturbed.operations : 0);
    }
    return 0;
}

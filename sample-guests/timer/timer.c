/* Timer interrupts: held back while interrupts are off, counted while the CPU idles. */
#include "console.h"
#include "instructions.h"
#include "privileged.h"
#include "start_info.h"

#define HERTZ 100
#define TICKS 20

static volatile unsigned ticks;
static volatile unsigned ticks_with_interrupts_on;

static void tick(struct trap_frame *frame)
{
    ticks++;
    if (frame->rflags & FLAG_INTERRUPT)
        ticks_with_interrupts_on++;
}

int main(void)
{
    print("Timer at %u Hz, interrupts off.\n", HERTZ);
    privileged->timer_start(HERTZ, tick);
    while (!privileged->timer_pending())
        ;
    print("A tick is pending; ticks handled: %u\n", ticks);

    privileged->interrupts_on();
    while (ticks == 0)
        ;
    privileged->interrupts_off();
    print("Interrupts on: the pending tick was handled.\n");

    unsigned first = ticks, wakes = 0;
    u64 start = read_time_stamp();
    while (ticks - first < TICKS) {
        privileged->idle();
        privileged->interrupts_off();
        wakes++;
    }
    u64 cycles = read_time_stamp() - start;
    privileged->timer_stop();

    print("Idled until %u more ticks were seen.\n", TICKS);
    print("Every tick interrupted code that had interrupts on: %s\n", ticks_with_interrupts_on == ticks ? "yes" : "no");
    print("~ woke %u times; %lu TSC cycles for %u ticks, %lu for one\n", wakes, cycles, TICKS, cycles / TICKS);

    unsigned after = ticks;
    privileged->interrupts_on();
    for (volatile unsigned i = 0; i < 1000; i++)
        ;
    privileged->interrupts_off();
    print("Timer stopped: %s\n", ticks - after <= 1 ? "at most one tick was still under way" : "but it went on");
    return 0;
}

/* Workloads with the timer. */
#include "instructions.h"
#include "privileged.h"
#include "workloads.h"

static volatile unsigned ticks, ticks_with_interrupts_off;
static unsigned last_tick; /* the handler stops the timer then: ticks may come faster than they are handled */

static void tick(struct trap_frame *frame)
{
    ticks++;
    ticks_with_interrupts_off += !(frame->rflags & FLAG_INTERRUPT);
    if (ticks == last_tick)
        privileged->timer_stop();
}

static void start(unsigned hertz, unsigned count)
{
    ticks = ticks_with_interrupts_off = 0;
    last_tick = count;
    privileged->timer_start(hertz, tick);
}

/* A tick may still be under way when the timer is stopped. */
static void stop(void)
{
    privileged->timer_stop();
    privileged->interrupts_on();
    for (volatile unsigned i = 0; i < 100; i++)
        ;
    privileged->interrupts_off();
}

struct measured ticks_while_idle(unsigned hertz, unsigned count)
{
    u64 before = read_time_stamp();
    start(hertz, count);
    while (ticks < count) {
        privileged->idle();
        privileged->interrupts_off();
    }
    u64 cycles = read_time_stamp() - before;
    stop();
    return (struct measured){cycles, count, ticks_with_interrupts_off == 0};
}

struct measured work_while_ticking(unsigned hertz, u64 work)
{
    u64 sum = 0, before = read_time_stamp();
    if (hertz)
        start(hertz, 0);
    privileged->interrupts_on();
    for (u64 i = 1; i <= work; i++) {
        sum += i;
        asm volatile("" : "+r"(sum));
    }
    privileged->interrupts_off();
    u64 cycles = read_time_stamp() - before;
    unsigned came = hertz ? ticks : 0;
    if (hertz)
        stop();
    return (struct measured){cycles, came, sum == work * (work + 1) / 2};
}

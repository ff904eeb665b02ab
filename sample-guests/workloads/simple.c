/* Workloads of one operation in a loop. */
#include "instructions.h"
#include "privileged.h"
#include "workloads.h"

struct measured time_stamp_reads(u64 count)
{
    bool forward = true;
    u64 start = read_time_stamp(), now = start;
    for (u64 i = 0; i < count; i++) {
        u64 last = now;
        now = read_time_stamp();
        forward &= now >= last;
    }
    return (struct measured){now - start, count, forward};
}

struct measured interrupt_switches(u64 count)
{
    u64 start = read_time_stamp();
    for (u64 i = 0; i < count; i++) {
        privileged->interrupts_on();
        privileged->interrupts_off();
    }
    return (struct measured){read_time_stamp() - start, count, true};
}

struct measured visits(u64 count)
{
    u8 first = privileged->visit();
    bool same = true;
    u64 start = read_time_stamp();
    for (u64 i = 0; i < count; i++)
        same &= privileged->visit() == first;
    return (struct measured){read_time_stamp() - start, count, same};
}

struct measured visits_often(u64 count)
{
    static u8 answers[256];
    u8 first = privileged->visit();
    bool same = true;
    u64 cycles = 0;
    for (u64 left = count; left;) {
        unsigned some = left < sizeof answers ? (unsigned)left : sizeof answers;
        u64 start = read_time_stamp();
        privileged->visit_often(answers, some);
        cycles += read_time_stamp() - start;
        for (unsigned i = 0; i < some; i++) {
            same &= answers[i] == first;
            answers[i] = (u8)~first;
        }
        left -= some;
    }
    return (struct measured){cycles, count, same};
}

#include "touching.h"

#include "traps.h"

static u32 do_read(u32 linear) { return peek(linear); }

static u32 do_write(u32 linear)
{
    poke(linear, 0xc3); /* RET, for who calls there later */
    return 0;
}

static u32 do_call(u32 linear)
{
    ((void (*)(void))linear)();
    return 0;
}

void try_read(const char *what, u32 linear) { report(what, attempt(do_read, linear)); }
void try_write(const char *what, u32 linear) { report(what, attempt(do_write, linear)); }
void try_call(const char *what, u32 linear) { report(what, attempt(do_call, linear)); }
void try_read_in_ring_3(const char *what, u32 linear) { report(what, attempt_in_ring(3, do_read, linear, 0)); }
void try_write_in_ring_3(const char *what, u32 linear) { report(what, attempt_in_ring(3, do_write, linear, 0)); }
void try_call_in_ring_3(const char *what, u32 linear) { report(what, attempt_in_ring(3, do_call, linear, 0)); }

/* A small kernel with processes in ring 3: system calls, address spaces, offenders that are
   killed, and pre-emption by the timer. */
#include "console.h"
#include "privileged.h"
#include "processes.h"
#include "ring3_programs.h"
#include "system_calls.h"

#define HERTZ 200
#define ENOUGH_PREEMPTIONS 3

/* Bits of a page fault's error code. */
#define PAGE_FAULT_WRITE 2
#define PAGE_FAULT_FETCH 16

static unsigned counters[2];

static bool enough(void)
{
    for (unsigned i = 0; i < LENGTH(counters); i++)
        if (process_get(counters[i])->preemptions < ENOUGH_PREEMPTIONS)
            return false;
    return true;
}

/* Both INT 0x80 and SYSCALL come here. */
static void system_call(struct trap_frame *frame)
{
    u64 number = frame->rax;
    frame->rax = 0;
    switch (number) {
    case SYSTEM_EXIT:
        process_end(frame, ENDED, frame->rdi);
        break;
    case SYSTEM_SAY:
        if (!process_can_read(frame->rdi, frame->rsi)) {
            frame->rax = -1UL;
            break;
        }
        print("  process %u: ", process_current);
        privileged->console_write((const char *)frame->rdi, frame->rsi);
        print(" %lu\n", frame->rdx);
        break;
    case SYSTEM_YIELD:
        process_yield(frame);
        break;
    case SYSTEM_NUMBER:
        frame->rax = process_current;
        break;
    case SYSTEM_ENOUGH:
        frame->rax = enough();
        break;
    default:
        frame->rax = -1UL;
        break;
    }
}

static void kill_offender(struct trap_frame *frame)
{
    if (!frame_from_user(frame))
        panic("%s in the kernel at 0x%lx", exception_name((unsigned)frame->vector), frame->rip);
    /* Not for comparison: whether a page is absent or forbidden depends on whether the tables
       that ring 3 runs on map the kernel at all. */
    if (exception_has_error_code((unsigned)frame->vector))
        print("~ error code 0x%lx\n", frame->error_code);
    print("  process %u killed: %s", process_current, exception_name((unsigned)frame->vector));
    if (frame->vector == VECTOR_PAGE_FAULT)
        print(" on a %s", frame->error_code & PAGE_FAULT_FETCH ? "fetch" : frame->error_code & PAGE_FAULT_WRITE ? "write" : "read");
    process_end(frame, KILLED, 0);
}

static void tick(struct trap_frame *frame)
{
    if (frame_from_user(frame)) {
        process_get(process_current)->preemptions++;
        process_yield(frame);
    }
}

static void system_calls(void)
{
    print("System calls\n");
    unsigned greeter = process_make(program_greeter, 0);
    processes_run();
    print("  process %u ended with %lu\n", greeter, process_get(greeter)->exit_code);
}

static void address_spaces(void)
{
    print("Address spaces: two processes, one address, taking turns\n");
    unsigned first = process_make(program_neighbour, 3), second = process_make(program_neighbour, 2);
    processes_run();
    print("  process %u ended with %lu, process %u with %lu\n", first, process_get(first)->exit_code, second,
          process_get(second)->exit_code);
}

static void offenders(void)
{
    static const char *const names[OFFENCE_COUNT] = {
        [READ_KERNEL_MEMORY] = "read kernel memory",
        [WRITE_OWN_CODE] = "write to its own code",
        [EXECUTE_OWN_STACK] = "execute its stack",
        [OVERFLOW_STACK] = "run out of stack",
        [DIVIDE_BY_ZERO] = "divide by zero",
        [UNDEFINED_INSTRUCTION] = "execute UD2",
        [HALT] = "halt the CPU",
        [DISABLE_INTERRUPTS] = "disable interrupts",
        [READ_NON_CANONICAL] = "read a non-canonical address",
    };
    print("Offenders\n");
    for (unsigned offence = 0; offence < OFFENCE_COUNT; offence++) {
        process_make(program_offender, offence);
        processes_run();
        print(": it tried to %s\n", names[offence]);
    }
}

static void preemption(void)
{
    print("Pre-emption: two processes that never yield\n");
    counters[0] = process_make(program_counter, BY_INT80);
    counters[1] = process_make(program_counter, BY_SYSCALL);
    privileged->timer_start(HERTZ, tick);
    processes_run();
    privileged->timer_stop();
    for (unsigned i = 0; i < LENGTH(counters); i++) {
        const struct process *process = process_get(counters[i]);
        print("  process %u: made progress and kept its registers: %s; pre-empted: %s\n", counters[i],
              process->exit_code == 42 ? "yes" : "NO", process->preemptions >= ENOUGH_PREEMPTIONS ? "yes" : "NO");
        print("~ process %u was pre-empted %u times\n", counters[i], process->preemptions);
    }
}

int main(void)
{
    for (unsigned vector = 0; vector < 32; vector++)
        trap_handle(vector, kill_offender);
    trap_handle(VECTOR_INT80, system_call);
    trap_handle(VECTOR_SYSCALL, system_call);
    privileged->system_calls_start();

    system_calls();
    address_spaces();
    offenders();
    preemption();
    print("All processes have ended.\n");
    return 0;
}

/* What runs in ring 3. Compiled position-independent; reaches the kernel only by system call. */
#include "ring3_programs.h"

#include "system_calls.h"

static u64 by_int80(u64 number, u64 a, u64 b, u64 c)
{
    asm volatile("int 0x80" : "+a"(number) : "D"(a), "S"(b), "d"(c) : "memory");
    return number;
}

static u64 by_syscall(u64 number, u64 a, u64 b, u64 c)
{
    /* SYSCALL itself puts RIP into RCX and RFLAGS into R11. */
    asm volatile("syscall" : "+a"(number) : "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return number;
}

#define SAY(way, text, number) way(SYSTEM_SAY, (u64)(text), sizeof(text) - 1, number)

static void __attribute__((noreturn)) end(u64 code)
{
    for (;;)
        by_syscall(SYSTEM_EXIT, code, 0, 0);
}

static volatile u64 mine; /* one linear address, another frame for each process */

void program_greeter(u64 unused)
{
    u64 selector;
    asm("mov %0, cs" : "=r"(selector));
    SAY(by_int80, "hello through INT 0x80; the ring in CS is", selector & 3);
    SAY(by_syscall, "hello through SYSCALL; my number is", by_syscall(SYSTEM_NUMBER, 0, 0, 0));
    SAY(by_int80, "text in kernel memory is refused with", by_syscall(SYSTEM_SAY, 0x100000, 8, 0) + 2);
    SAY(by_int80, "text at an unmapped address is refused with", by_int80(SYSTEM_SAY, (u64)&mine + 0x80000, 8, 0) + 2);
    (void)unused;
    end(7);
}

void program_neighbour(u64 rounds)
{
    u64 number = by_int80(SYSTEM_NUMBER, 0, 0, 0);
    mine = number * 111;
    for (u64 i = 0; i < rounds; i++) {
        SAY(by_int80, "my variable holds", mine);
        by_int80(SYSTEM_YIELD, 0, 0, 0);
        mine++;
    }
    end(mine);
}

void program_offender(u64 offence)
{
    u8 instructions[16] = {0xc3};
    switch ((enum offence)offence) {
    case READ_KERNEL_MEMORY:
        asm volatile("mov eax, [0x100000]" : : : "rax");
        break;
    case WRITE_OWN_CODE:
        *(volatile u8 *)program_offender = 0xc3;
        break;
    case EXECUTE_OWN_STACK:
        asm volatile("call %0" : : "r"(instructions) : "memory");
        break;
    case OVERFLOW_STACK:
        asm volatile("1: push rax; jmp 1b");
        break;
    case DIVIDE_BY_ZERO:
        asm volatile("div %b0" : : "q"(0) : "rax", "cc");
        break;
    case UNDEFINED_INSTRUCTION:
        asm volatile("ud2");
        break;
    case HALT:
        asm volatile("hlt");
        break;
    case DISABLE_INTERRUPTS:
        asm volatile("cli");
        break;
    case READ_NON_CANONICAL:
        asm volatile("mov al, [%0]" : : "r"(0x0000800000000000) : "rax");
        break;
    case OFFENCE_COUNT:
        break;
    }
    SAY(by_int80, "survived offence", offence);
    end(1);
}

/* Computes in registers all the time: a pre-emption that loses one is noticed. */
void program_counter(u64 way)
{
    for (;;) {
        u64 sum = 0;
        for (u64 i = 1; i <= 1000; i++) {
            sum += i;
            asm volatile("" : "+r"(sum));
        }
        if (sum != 500500)
            end(1);
        mine++;
        if (way == BY_INT80 ? by_int80(SYSTEM_ENOUGH, 0, 0, 0) : by_syscall(SYSTEM_ENOUGH, 0, 0, 0))
            end(mine ? 42 : 2);
    }
}

/* Faults to choose from. All are caught: the shell goes on. */
#include "console.h"
#include "shell.h"
#include "text.h"
#include "traps.h"

static void divide(u64 zero) { asm volatile("div %0" : : "r"(zero) : "rax", "rdx", "cc"); }
static void breakpoint(u64 unused) { asm volatile("int3" : : "r"(unused)); }
static void opcode(u64 unused) { asm volatile("ud2" : : "r"(unused)); }
static void page(u64 unused) { asm volatile("mov eax, [0x7ffff000]" : : "r"(unused) : "rax"); }
static void execute(u64 unused) { asm volatile("call %0" : : "r"(0x7ffff000UL + 0 * unused)); }
static void protection(u64 unused) { asm volatile("mov al, [%0]" : : "r"(0x0000800000000000UL + 0 * unused) : "rax"); }
static void selector(u64 unused) { asm volatile("mov fs, %k0" : : "r"(0x2000 + 0 * unused)); }

static const struct {
    const char *name;
    void (*raise)(u64 zero);
    const char *what;
} faults[] = {
    {"divide", divide, "divides by zero"},
    {"breakpoint", breakpoint, "executes INT3"},
    {"opcode", opcode, "executes UD2"},
    {"page", page, "reads from an absent page"},
    {"execute", execute, "calls into an absent page"},
    {"protection", protection, "reads from a non-canonical address"},
    {"selector", selector, "loads a selector beyond the GDT"},
};

void fault_command(unsigned count, char **words)
{
    for (unsigned i = 0; i < LENGTH(faults); i++) {
        if (count == 1)
            print("fault %-12s%s\n", faults[i].name, faults[i].what);
        else if (text_equal(words[1], faults[i].name)) {
            if (attempt(faults[i].raise, 0)) {
                print("nothing was raised\n");
                return;
            }
            unsigned vector = (unsigned)caught.frame.vector;
            print("%s, vector %u", exception_name(vector), vector);
            if (exception_has_error_code(vector))
                print(", error code 0x%lx", caught.frame.error_code);
            if (vector == VECTOR_PAGE_FAULT)
                print(", CR2 0x%lx", caught.address);
            print("; the shell goes on\n");
            return;
        }
    }
    if (count > 1)
        print("no such fault: %s\n", words[1]);
}

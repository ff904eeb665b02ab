#include "console.h"
#include "instructions.h"
#include "privileged.h"
#include "shell.h"
#include "start_info.h"

/* Hexadecimal with 0x, else decimal. */
static bool parse_number(const char *text, u64 *value)
{
    unsigned base = 10;
    if (text[0] == '0' && text[1] == 'x') {
        base = 16;
        text += 2;
    }
    *value = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        unsigned digit = *text >= '0' && *text <= '9' ? (unsigned)(*text - '0') : *text >= 'a' && *text <= 'f' ? (unsigned)(*text - 'a' + 10) : 99;
        if (digit >= base)
            return false;
        *value = *value * base + digit;
    }
    return true;
}

/* The number that is word `index`; complains if there is none. */
static bool number_at(unsigned count, char **words, unsigned index, u64 *value)
{
    if (index < count && parse_number(words[index], value))
        return true;
    print("%s wants a number, such as 4096 or 0x1000\n", words[0]);
    return false;
}

static void help(unsigned count, char **words)
{
    (void)count, (void)words;
    for (unsigned i = 0; i < command_count; i++)
        print("%-8s%-15s%s\n", commands[i].name, commands[i].arguments, commands[i].help);
}

static void echo(unsigned count, char **words)
{
    for (unsigned i = 1; i < count; i++)
        print("%s%s", words[i], i + 1 < count ? " " : "");
    print("\n");
}

static u64 transfer; /* what peek read, what poke will write */

static void do_peek(u64 address) { transfer = *(volatile u64 *)address; }
static void do_poke(u64 address) { *(volatile u64 *)address = transfer; }

static void print_fault(void)
{
    print("%s, error code 0x%lx", exception_name((unsigned)caught.frame.vector), caught.frame.error_code);
    if (caught.frame.vector == VECTOR_PAGE_FAULT)
        print(", CR2 0x%lx", caught.address);
    print("\n");
}

static void peek(unsigned count, char **words)
{
    u64 address;
    if (!number_at(count, words, 1, &address))
        return;
    print("0x%lx: ", address);
    if (attempt(do_peek, address))
        print("0x%016lx\n", transfer);
    else
        print_fault();
}

static void poke(unsigned count, char **words)
{
    u64 address, value;
    if (!number_at(count, words, 1, &address) || !number_at(count, words, 2, &value))
        return;
    transfer = value;
    print("0x%lx: ", address);
    if (attempt(do_poke, address))
        print("written\n");
    else
        print_fault();
}

static void show_ticks(unsigned count, char **words)
{
    (void)count, (void)words;
    print("~ %u ticks, time-stamp counter %lu\n", ticks, read_time_stamp());
}

static void cpuid(unsigned count, char **words)
{
    (void)count, (void)words;
    struct cpuid first = read_cpuid(0), features = read_cpuid(1), extended = read_cpuid(0x80000001);
    u32 vendor[3] = {first.ebx, first.edx, first.ecx};
    print("~ vendor %c%c%c%c%c%c%c%c%c%c%c%c, highest leaf %u\n", ((char *)vendor)[0], ((char *)vendor)[1], ((char *)vendor)[2],
          ((char *)vendor)[3], ((char *)vendor)[4], ((char *)vendor)[5], ((char *)vendor)[6], ((char *)vendor)[7], ((char *)vendor)[8],
          ((char *)vendor)[9], ((char *)vendor)[10], ((char *)vendor)[11], first.eax);
    print("~ signature 0x%x, features ECX 0x%08x EDX 0x%08x\n", features.eax, features.ecx, features.edx);
    print("~ extended features ECX 0x%08x EDX 0x%08x\n", extended.ecx, extended.edx);
    print("~ under a hypervisor: %s\n", features.ecx >> 31 ? "it says so" : "it doesn't say");
}

static void memory(unsigned count, char **words)
{
    (void)count, (void)words;
    for (unsigned i = 0; i < start_info.range_count; i++) {
        const struct memory_range *range = &start_info.ranges[i];
        print("~ 0x%010lx-0x%010lx %s\n", range->base, range->base + range->length, range->usable ? "usable" : "reserved");
    }
    print("~ %lu KiB usable; entry: %s; privileged operations: %s\n", usable_memory() >> 10, start_info.way, privileged->name);
}

static void reboot(unsigned count, char **words)
{
    (void)count, (void)words;
    print("Rebooting.\n");
    privileged->reboot();
}

static void leave(unsigned count, char **words)
{
    u64 value = 0;
    if (count > 1 && !number_at(count, words, 1, &value))
        return;
    print("Goodbye.\n");
    privileged->shutdown((u32)value);
}

const struct command commands[] = {
    {"help", "", "lists the commands", help},
    {"echo", "WORD...", "prints the words", echo},
    {"peek", "ADDRESS", "reads 8 bytes", peek},
    {"poke", "ADDRESS VALUE", "writes 8 bytes", poke},
    {"fault", "[KIND]", "raises a fault, or lists the kinds", fault_command},
    {"ticks", "", "shows the timer's ticks and the TSC", show_ticks},
    {"cpuid", "", "shows what the CPU says of itself", cpuid},
    {"memory", "", "shows the memory map", memory},
    {"reboot", "", "resets the machine", reboot},
    {"exit", "[VALUE]", "ends the guest, 0 for success", leave},
};
const unsigned command_count = LENGTH(commands);

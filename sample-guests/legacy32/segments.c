/* Segments: what loading them checks, and what they do to addresses. */
#include "console.h"
#include "descriptors.h"
#include "lessons.h"
#include "traps.h"

static u32 words[4] = {0x11111111, 0x22222222, 0x33333333, 0x44444444};

#define LOADS(name, instruction)                                                                         \
    static u32 name(u32 selector)                                                                        \
    {                                                                                                    \
        asm volatile(instruction : : "r"(selector) : "memory");                                          \
        return selector;                                                                                 \
    }

LOADS(load_fs, "mov fs, %0")
LOADS(load_ss, "mov ss, %0")
LOADS(pop_fs, "push %0\n\tpop fs")
LOADS(load_ldt, "lldt %w0")
LOADS(load_task, "ltr %w0")
LOADS(far_return, "push %0\n\tpush offset 1f\n\tretf\n1:")

static u32 load_cs(u32 selector)
{
    asm volatile(".byte 0x8e, 0xc8" : : "a"(selector));
    return 0;
}

/* Loads FS and reads the word at `offset` in it: selector in the low half, offset in the high half. */
static u32 read_through(u32 selector_and_offset)
{
    u32 value;
    asm volatile("mov fs, %1\n\tmov %0, fs:[%2]" : "=r"(value) : "r"(selector_and_offset & 0xffff), "r"(selector_and_offset >> 16));
    return value;
}

static u32 write_through(u32 selector_and_offset)
{
    asm volatile("mov fs, %0\n\tmov dword ptr fs:[%1], 0x5555"
                 :
                 : "r"(selector_and_offset & 0xffff), "r"(selector_and_offset >> 16)
                 : "memory");
    return 0;
}

static u32 read_null(u32 offset)
{
    u32 value;
    asm volatile("xor eax, eax\n\tmov fs, eax\n\tmov %0, fs:[%1]" : "=r"(value) : "r"(offset) : "eax");
    return value;
}

static u32 lds_fs(u32 selector)
{
    struct {
        u32 offset;
        u16 selector;
    } __attribute__((packed)) pointer = {0x1234, (u16)selector};
    u32 offset;
    asm volatile("lfs %0, %1" : "=r"(offset) : "m"(pointer));
    return offset;
}

#define AT(selector, offset) ((selector) | (u32)(offset) << 16)

static void loading(void)
{
    print("Loading segment registers\n");
    report("FS: flat data", attempt(load_fs, DATA_0));
    report("FS: null", attempt(load_fs, 0));
    report("FS: null with RPL 3", attempt(load_fs, 3));
    report("FS: read-only data", attempt(load_fs, READ_ONLY));
    report("FS: readable code", attempt(load_fs, CODE_0));
    report("FS: execute-only code", attempt(load_fs, EXECUTE_ONLY));
    report("FS: absent data", attempt(load_fs, ABSENT));
    report("FS: data of ring 3", attempt(load_fs, DATA_3));
    report("FS: data of ring 0, with RPL 3", attempt(load_fs, DATA_0 | 3));
    report("FS: a TSS", attempt(load_fs, TASK));
    report("FS: a call gate", attempt(load_fs, GATE));
    report("FS: beyond the table", attempt(load_fs, 32 * 8));
    report("POP FS: absent data", attempt(pop_fs, ABSENT));
    report("LFS: flat data", attempt(lds_fs, DATA_0));
    report("SS: null", attempt(load_ss, 0));
    report("SS: read-only data", attempt(load_ss, READ_ONLY));
    report("SS: absent data", attempt(load_ss, ABSENT));
    report("SS: data of ring 3", attempt(load_ss, DATA_3 | 3));
    report("SS: data of ring 0, with RPL 3", attempt(load_ss, DATA_0 | 3));
    report("CS by MOV", attempt(load_cs, CODE_0));
    report("CS by RETF: code", attempt(far_return, CODE_0));
    report("CS by RETF: null", attempt(far_return, 0));
    report("CS by RETF: data", attempt(far_return, DATA_0));
    report("CS by RETF: conforming code", attempt(far_return, CONFORMING));
    attempt(far_return, CODE_0);
    report("LTR of a busy TSS", attempt(load_task, TASK));
    report("LLDT of a data segment", attempt(load_ldt, DATA_0));
}

static void addressing(void)
{
    print("Addresses through segments\n");
    gdt[BASED / 8] = descriptor((u32)words, 0xf, DATA, SIZE_32);
    report("offset 0 of a segment with a base", attempt(read_through, AT(BASED, 0)));
    report("offset 8 of it", attempt(read_through, AT(BASED, 8)));
    gdt[BASED / 8] = descriptor((u32)words + 4, 0xb, DATA, SIZE_32);
    report("offset 0 after its base was moved by 4", attempt(read_through, AT(BASED, 0)));
    report("write to offset 8", attempt(write_through, AT(BASED, 8)));
    fact("which is the last of the words", "0x%x", ((volatile u32 *)words)[3]);
    gdt[BASED / 8] = descriptor((u32)words - 0x10000, 0xfffff, DATA, SIZE_32);
    report("a base below: offset 0x8000 and a register", attempt(read_through, AT(BASED, 0x8000)).returned
               ? (struct outcome){.returned = true, .value = 1} : (struct outcome){0});

    attempt(load_ldt, 0);
    report("no local table: its entry 1", attempt(load_fs, 8 | 4));
    ldt[1] = descriptor((u32)words, 0xf, DATA, SIZE_32);
    attempt(load_ldt, LOCAL);
    report("LLDT, then a word through its entry 1", attempt(read_through, AT(8 | 4, 4)));
    report("its entry 2, empty", attempt(load_fs, 16 | 4));
    report("beyond its limit", attempt(load_fs, 32 | 4));
    attempt(load_ldt, 0);
    report("after LLDT of null", attempt(load_fs, 8 | 4));

    print("Checks on access: QEMU's TCG doesn't make them\n");
    report_marked("read beyond a limit of 0xfff", attempt(read_through, AT(SMALL, 0x1000)));
    report_marked("read across it", attempt(read_through, AT(SMALL, 0xffd)));
    report_marked("write through a read-only segment", attempt(write_through, AT(READ_ONLY, 0x8000)));
    report_marked("write through a code segment", attempt(write_through, AT(CODE_0, 0x8000)));
    report_marked("read through null", attempt(read_null, 0x8000));
    report_marked("expand-down: read below its limit", attempt(read_through, AT(EXPAND_DOWN, 0x8000)));
    gdt[EXPAND_DOWN / 8] = descriptor(0, 0x7, DATA_EXPAND_DOWN, SIZE_32_PAGES);
    report("expand-down: read above its limit", attempt(read_through, AT(EXPAND_DOWN, 0xfff0)).returned
               ? (struct outcome){.returned = true, .value = 1} : (struct outcome){0});
}

void segments(void)
{
    loading();
    addressing();
}

static u32 push_cs(u32 unused)
{
    u32 cs;
    asm volatile("push cs\n\tpop %0" : "=r"(cs));
    return cs + unused;
}

static u32 push_all(u32 value)
{
    u32 sum;
    asm volatile("mov ecx, %1\n\tpusha\n\txor ecx, ecx\n\tpopa\n\tmov %0, ecx" : "=r"(sum) : "r"(value) : "ecx");
    return sum;
}

static u32 bound(u32 index)
{
    static const u32 limits[2] = {2, 5};
    asm volatile("bound %0, %1" : : "r"(index), "m"(limits));
    return index;
}

static u32 into(u32 value)
{
    asm volatile("mov eax, %0\n\tadd eax, eax\n\tinto" : : "r"(value) : "eax", "cc");
    return value + value;
}

static u32 divide_ascii(u32 value)
{
    asm volatile("aam 0" : "+a"(value));
    return value;
}

static u32 adjust_ascii(u32 value)
{
    asm volatile("aam" : "+a"(value));
    return value;
}

static u32 add_decimal(u32 value)
{
    asm volatile("add al, 0x28\n\tdaa\n\tmovzx eax, al" : "+a"(value) : : "cc");
    return value;
}

static u32 adjust_ring(u32 selector)
{
    asm volatile("arpl %w0, %w1" : "+r"(selector) : "r"(3) : "cc");
    return selector;
}

static u32 set_carry_salc(u32 unused)
{
    asm volatile("stc\n\t.byte 0xd6\n\tmovzx eax, al" : "+a"(unused));
    return unused;
}

static u32 limit_of(u32 selector)
{
    u32 limit = 0xdead;
    asm volatile("lsl %0, %1" : "+r"(limit) : "r"(selector) : "cc");
    return limit;
}

static u32 rights_of(u32 selector)
{
    u32 rights = 0xdead;
    asm volatile("lar %0, %1" : "+r"(rights) : "r"(selector) : "cc");
    return rights & ~0xf0000U; /* the limit's bits are undefined */
}

static u32 undefined(u32 unused)
{
    asm volatile("ud2");
    return unused;
}

static u32 raise_3(u32 unused)
{
    asm volatile("int3");
    return unused;
}

static u32 divide(u32 by)
{
    asm volatile("xor edx, edx\n\tdiv %0" : : "r"(by) : "eax", "edx", "cc");
    return by;
}

void instructions_of_32_bit_mode(void)
{
    print("Instructions\n");
    report("PUSH CS", attempt(push_cs, 0));
    report("PUSHA and POPA keep ECX", attempt(push_all, 0x1234));
    report("BOUND: within", attempt(bound, 5));
    report("BOUND: beyond", attempt(bound, 6));
    report("INTO without overflow", attempt(into, 1));
    report("INTO with overflow", attempt(into, 0x40000000));
    report("AAM", attempt(adjust_ascii, 57));
    report("AAM by 0", attempt(divide_ascii, 57));
    report("DAA", attempt(add_decimal, 0x35));
    report("SALC with carry", attempt(set_carry_salc, 0));
    report("ARPL", attempt(adjust_ring, 0x20));
    report("LSL of a limit in bytes", attempt(limit_of, SMALL));
    report("LSL of a limit in pages", attempt(limit_of, DATA_0));
    report("LSL of a call gate: unchanged", attempt(limit_of, GATE));
    report("LAR of code", attempt(rights_of, CODE_0));
    report("LAR of data of ring 3", attempt(rights_of, DATA_3));
    report("LAR of a call gate", attempt(rights_of, GATE));
    report("DIV by 0", attempt(divide, 0));
    report("INT3", attempt(raise_3, 0));
    report("UD2", attempt(undefined, 0));
}

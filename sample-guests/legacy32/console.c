#include "console.h"

#include <stdarg.h>

#include "machine.h"

#define COM1 0x3f8
#define EXIT_PORT 0xf4

static void put(char letter)
{
    while (!(in8(COM1 + 5) & 0x20))
        ;
    out8(COM1, (u8)letter);
}

static void put_text(const char *text, unsigned width)
{
    for (; *text; text++, width -= width > 0)
        put(*text);
    while (width--)
        put(' ');
}

static void put_number(u32 value, unsigned base, unsigned width, char fill)
{
    char digits[12], *start = digits + sizeof digits - 1;
    *start = 0;
    do {
        *--start = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    while (start > digits && (unsigned)(digits + sizeof digits - 1 - start) < width)
        *--start = fill;
    put_text(start, 0);
}

static void print_list(const char *format, va_list arguments)
{
    for (; *format; format++) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        char fill = ' ';
        unsigned width = 0;
        format++;
        for (; *format == '-' || *format == '0'; format++)
            fill = *format == '0' ? '0' : ' ';
        for (; *format >= '0' && *format <= '9'; format++)
            width = width * 10 + (unsigned)(*format - '0');
        if (*format == 's')
            put_text(va_arg(arguments, const char *), width);
        else
            put_number(va_arg(arguments, u32), *format == 'x' ? 16 : 10, width, fill);
    }
}

void print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_list(format, arguments);
    va_end(arguments);
}

void fact(const char *what, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    put_text("  ", 0);
    put_text(what, 52);
    print_list(format, arguments);
    put('\n');
    va_end(arguments);
}

void shutdown(u32 value)
{
    out32(EXIT_PORT, value);
    for (;;)
        asm volatile("cli; hlt");
}

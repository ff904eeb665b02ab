#include "console.h"

#include <stdarg.h>

#include "privileged.h"
#include "text.h"

static void write_padded(const char *text, size_t length, int width, bool left, char fill)
{
    int missing = width - (int)length;
    if (left)
        privileged->console_write(text, length);
    for (; missing > 0; missing--)
        privileged->console_write(&fill, 1);
    if (!left)
        privileged->console_write(text, length);
}

static void write_number(u64 value, unsigned base, bool negative, int width, bool left, char fill)
{
    char digits[24];
    char *start = digits + sizeof digits;
    do {
        *--start = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    if (negative)
        *--start = '-';
    write_padded(start, (size_t)(digits + sizeof digits - start), width, left, fill);
}

static void print_list(const char *format, va_list arguments)
{
    while (*format) {
        const char *plain = format;
        while (*format && *format != '%')
            format++;
        if (format != plain)
            privileged->console_write(plain, (size_t)(format - plain));
        if (!*format++)
            return;

        bool left = false, wide = false;
        char fill = ' ';
        int width = 0;
        for (; *format == '-' || *format == '0'; format++) {
            left |= *format == '-';
            fill = *format == '0' ? '0' : fill;
        }
        for (; *format >= '0' && *format <= '9'; format++)
            width = width * 10 + *format - '0';
        if (*format == 'l') {
            wide = true;
            format++;
        }

        switch (*format++) {
        case 's': {
            const char *text = va_arg(arguments, const char *);
            write_padded(text, text_length(text), width, left, ' ');
            break;
        }
        case 'c': {
            char letter = (char)va_arg(arguments, int);
            write_padded(&letter, 1, width, left, ' ');
            break;
        }
        case 'd': {
            int value = va_arg(arguments, int);
            write_number(value < 0 ? -(u64)value : (u64)value, 10, value < 0, width, left, fill);
            break;
        }
        case 'u':
            write_number(wide ? va_arg(arguments, u64) : va_arg(arguments, u32), 10, false, width, left, fill);
            break;
        case 'x':
            write_number(wide ? va_arg(arguments, u64) : va_arg(arguments, u32), 16, false, width, left, fill);
            break;
        default:
            privileged->console_write("%", 1);
            break;
        }
    }
}

void print(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_list(format, arguments);
    va_end(arguments);
}

void panic(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print("panic: ");
    print_list(format, arguments);
    print("\n");
    va_end(arguments);
    privileged->shutdown(1);
}

size_t read_line(char *line, size_t capacity)
{
    size_t length = 0;
    for (;;) {
        int letter = privileged->console_read();
        if (letter < 0) {
            privileged->console_wait();
            continue;
        }
        if (letter == '\r' || letter == '\n')
            break;
        if (letter == '\b' || letter == 0x7f) {
            if (length) {
                length--;
                print("\b \b");
            }
        } else if (letter >= ' ' && length + 1 < capacity) {
            line[length++] = (char)letter;
            print("%c", letter);
        }
    }
    line[length] = 0;
    print("\n");
    return length;
}

#include "text.h"

void *memcpy(void *to, const void *from, size_t length)
{
    void *cursor = to;
    asm volatile("rep movsb" : "+D"(cursor), "+S"(from), "+c"(length) : : "memory");
    return to;
}

void *memset(void *to, int value, size_t length)
{
    void *cursor = to;
    asm volatile("rep stosb" : "+D"(cursor), "+c"(length) : "a"(value) : "memory");
    return to;
}

int memcmp(const void *a, const void *b, size_t length)
{
    const u8 *left = a, *right = b;
    for (size_t i = 0; i < length; i++)
        if (left[i] != right[i])
            return left[i] - right[i];
    return 0;
}

size_t text_length(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

bool text_equal(const char *a, const char *b)
{
    size_t length = text_length(a);
    return length == text_length(b) && memcmp(a, b, length) == 0;
}

/* The first word of `text` that begins with `start`, or null. */
static const char *find_word(const char *text, const char *start)
{
    size_t length = text_length(start);
    while (*text) {
        size_t i = 0;
        while (i < length && text[i] == start[i])
            i++;
        if (i == length)
            return text;
        while (*text && *text != ' ')
            text++;
        while (*text == ' ')
            text++;
    }
    return NULL;
}

u64 text_number(const char *text, const char *key, u64 otherwise)
{
    const char *digit = find_word(text, key);
    if (!digit)
        return otherwise;
    u64 number = 0;
    for (digit += text_length(key); *digit >= '0' && *digit <= '9'; digit++)
        number = number * 10 + (u64)(*digit - '0');
    return number;
}

bool text_has_word(const char *text, const char *word)
{
    size_t length = text_length(word);
    for (; *text; text++) {
        if (memcmp(text, word, length) == 0 && (text[length] == 0 || text[length] == ' '))
            return true;
        while (*text && *text != ' ')
            text++;
        if (!*text)
            break;
    }
    return false;
}

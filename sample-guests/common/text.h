/* Bytes and text. GCC may call memcpy, memset and memcmp on its own account, even when freestanding. */
#pragma once

#include "types.h"

void *memcpy(void *to, const void *from, size_t length);
void *memset(void *to, int value, size_t length);
int memcmp(const void *a, const void *b, size_t length);
size_t text_length(const char *text);
bool text_equal(const char *a, const char *b);

/* The decimal number after `key` ("count=") in the space-separated list `text`, or `otherwise`. */
u64 text_number(const char *text, const char *key, u64 otherwise);

/* Does `word` stand in the space-separated list `text`? (For command lines.) */
bool text_has_word(const char *text, const char *word);

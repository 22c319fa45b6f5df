#ifndef GATEWAY_WORD_LIST_H
#define GATEWAY_WORD_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* A constant list of words separated by single blanks: how tables name fields.
 * NULL is the empty list. */
static inline bool word_list_has(const char *list, const char *word)
{
    size_t size = strlen(word);

    if (list == NULL || size == 0)
        return false;
    for (const char *at = strstr(list, word); at != NULL; at = strstr(at + 1, word))
        if ((at == list || at[-1] == ' ') && (at[size] == ' ' || at[size] == '\0'))
            return true;
    return false;
}

#endif

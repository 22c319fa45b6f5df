#ifndef CORE_BASE_LIST_H
#define CORE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* From a member back to the struct that embeds it. The type check is the point. */
#define container_of(ptr, type, member) \
    ((type *)(void *)((char *)(1 ? (ptr) : &((type *)0)->member) - offsetof(type, member)))

/* A circular doubly linked list with a head. A link is in one list at a time;
 * link_init() makes "in none" a state that list_remove() and link_is_linked()
 * understand. */
struct link {
    struct link *prev, *next;
};

static inline void link_init(struct link *link)
{
    link->prev = link->next = link;
}

static inline bool link_is_linked(const struct link *link)
{
    return link->next != link;
}

static inline void list_append(struct link *list, struct link *link)
{
    link->prev = list->prev;
    link->next = list;
    list->prev->next = link;
    list->prev = link;
}

static inline void list_prepend(struct link *list, struct link *link)
{
    list_append(list->next, link);
}

static inline void list_remove(struct link *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    link_init(link);
}

/* Moves everything in `from` to `list`, which is empty: O(1). */
static inline void list_take_all(struct link *list, struct link *from)
{
    if (!link_is_linked(from))
        return;
    *list = *from;
    list->next->prev = list->prev->next = list;
    link_init(from);
}

/* Moves everything in `from` to the end of `list`. */
static inline void list_splice(struct link *list, struct link *from)
{
    while (link_is_linked(from)) {
        struct link *link = from->next;

        list_remove(link);
        list_append(list, link);
    }
}

#define list_each(link, list) \
    for (struct link *link = (list)->next; link != (list); link = link->next)

/* The body may remove `link`. */
#define list_each_safe(link, list)                                               \
    for (struct link *link = (list)->next, *link##_next = link->next; link != (list); \
         link = link##_next, link##_next = link->next)

#endif

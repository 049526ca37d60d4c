/*
 * list - an intrusive doubly linked list
 *
 * Owns     nothing: the links live in the caller's structs
 *
 *	struct list waiting;             list_init(&waiting);
 *	struct job { struct list link; } list_append(&waiting, &job->link);
 *	LIST_EACH_SAFE(&waiting, at, next) { struct job *job = LIST_ENTRY(at, struct job, link); … }
 */
#ifndef POSTERN_COMMON_LIST_H
#define POSTERN_COMMON_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#define LIST_ENTRY(at, type, member) ((type *)(void *)((char *)(at)-offsetof(type, member)))
#define LIST_EACH(head, at) for (struct list *at = (head)->next; at != (head); at = at->next)
#define LIST_EACH_SAFE(head, at, following)                                                        \
	for (struct list *at = (head)->next, *following = at->next; at != (head);                  \
	     at = following, following = at->next)

/* An element that is in no list is its own, so that list_remove() may be called twice. */
static inline void
list_init(struct list *head)
{
	head->next = head->prev = head;
}

static inline bool
list_is_empty(const struct list *head)
{
	return head->next == head;
}

static inline void
list_insert_after(struct list *position, struct list *element)
{
	element->prev = position;
	element->next = position->next;
	position->next->prev = element;
	position->next = element;
}

static inline void
list_append(struct list *head, struct list *element)
{
	list_insert_after(head->prev, element);
}

static inline void
list_prepend(struct list *head, struct list *element)
{
	list_insert_after(head, element);
}

static inline void
list_remove(struct list *element)
{
	element->prev->next = element->next;
	element->next->prev = element->prev;
	list_init(element);
}

/* The first element, taken out, or NULL. */
static inline struct list *
list_take_first(struct list *head)
{
	struct list *first = head->next;

	if (first == head)
		return NULL;
	list_remove(first);
	return first;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Doubly linked lists whose links live inside the things listed. A list is a ring through its head;
 * an unlinked entry (list_init or list_del) is a ring of one, so list_is_empty(&entry->link) says
 * "on no list", and deleting twice is harmless. Reached by every file; the caller's lock.
 */
#ifndef LIB_LIST_H
#define LIB_LIST_H

#include "lib/types.h"

struct list_head {
	struct list_head *next, *prev;
};

#define LIST_HEAD_INIT(name)     \
	{                        \
		&(name), &(name) \
	}

static inline void list_init(struct list_head *head)
{
	head->next = head;
	head->prev = head;
}

static inline void list_insert_between(struct list_head *link, struct list_head *prev,
				       struct list_head *next)
{
	link->prev = prev;
	link->next = next;
	prev->next = link;
	next->prev = link;
}

/* Put link first (directly after head; head may be any member). */
static inline void list_add(struct list_head *link, struct list_head *head)
{
	list_insert_between(link, head, head->next);
}

/* Put link last (directly before head). */
static inline void list_add_tail(struct list_head *link, struct list_head *head)
{
	list_insert_between(link, head->prev, head);
}

static inline void list_del(struct list_head *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}

static inline bool list_is_empty(const struct list_head *head)
{
	return head->next == head;
}

static inline void list_move_tail(struct list_head *link, struct list_head *head)
{
	list_del(link);
	list_add_tail(link, head);
}

/* Move all of `from` to the end of `to`. */
static inline void list_splice_tail(struct list_head *from, struct list_head *to)
{
	if (list_is_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_entry(link, type, member) container_of(link, type, member)
/* Only for a list that is not empty. */
#define list_first_entry(head, type, member) list_entry((head)->next, type, member)
#define list_last_entry(head, type, member)  list_entry((head)->prev, type, member)

#define list_for_each(link, head) \
	for ((link) = (head)->next; (link) != (head); (link) = (link)->next)

#define list_for_each_entry(pos, head, member)                             \
	for ((pos) = list_entry((head)->next, __typeof__(*(pos)), member); \
	     &(pos)->member != (head);                                     \
	     (pos) = list_entry((pos)->member.next, __typeof__(*(pos)), member))

/* The body may unlink or free pos (not `after`). */
#define list_for_each_entry_safe(pos, after, head, member)                        \
	for ((pos) = list_entry((head)->next, __typeof__(*(pos)), member),        \
	    (after) = list_entry((pos)->member.next, __typeof__(*(pos)), member); \
	     &(pos)->member != (head); (pos) = (after),                           \
	    (after) = list_entry((pos)->member.next, __typeof__(*(pos)), member))

#endif

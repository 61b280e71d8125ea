/* SPDX-License-Identifier: MIT */
/*
 * A queue of things by key, smallest first, whose links live inside the things: a leftist heap. Insert, remove (any of
 * them) and remove-first take O(log n) steps in the worst case; nothing is allocated. Used for timers and run queues.
 * Keys are compared by their distance, so they may wrap; all keys of a queue lie within 2^63 of each other.
 * Reached by time and sched; calls nothing; the caller's lock.
 */
#pragma once

#include "lib/types.h"

struct pqueue_node {
	struct pqueue_node *parent, *left, *right;
	u64 key;
	u32 rank; /* steps to the nearest missing child, down the right side: at most log2(n + 1) */
	bool is_queued;
};

struct pqueue {
	struct pqueue_node *root;
	unsigned int count;
};

static inline bool pqueue_key_before(u64 a, u64 b)
{
	return (s64)(a - b) < 0;
}

/* node is in no queue. */
void pqueue_insert(struct pqueue *queue, struct pqueue_node *node, u64 key);
/* node is in this queue. */
void pqueue_remove(struct pqueue *queue, struct pqueue_node *node);
/* NULL when empty. */
static inline struct pqueue_node *pqueue_first(const struct pqueue *queue)
{
	return queue->root;
}
/* Any order, parents before children: NULL starts, NULL ends. */
struct pqueue_node *pqueue_next(const struct pqueue *queue, const struct pqueue_node *node);

#define pqueue_entry(node, type, member) container_of(node, type, member)

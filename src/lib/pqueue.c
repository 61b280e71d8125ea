/* SPDX-License-Identifier: MIT */
/* Leftist heap with parent links; see pqueue.h. Calls nothing; the caller's lock. */
#include "lib/pqueue.h"

static u32 rank_of(const struct pqueue_node *node)
{
	return node ? node->rank : 0;
}

/* Restores "left side at least as long as right"; the rank it has now. */
static u32 node_fix(struct pqueue_node *node)
{
	if (rank_of(node->left) < rank_of(node->right)) {
		struct pqueue_node *left = node->left;

		node->left = node->right;
		node->right = left;
	}
	node->rank = rank_of(node->right) + 1;
	return node->rank;
}

/* Two heaps into one: right sides zipped going down, ranks put right going up. */
static struct pqueue_node *merge(struct pqueue_node *a, struct pqueue_node *b)
{
	struct pqueue_node *root = NULL;
	struct pqueue_node *parent = NULL;
	struct pqueue_node **link = &root;

	while (a && b) {
		struct pqueue_node *top = pqueue_key_before(b->key, a->key) ? b : a;

		if (top == b)
			b = a;
		a = top->right;
		*link = top;
		top->parent = parent;
		parent = top;
		link = &top->right;
	}
	*link = a ? a : b;
	if (*link)
		(*link)->parent = parent;
	for (; parent; parent = parent->parent)
		(void)node_fix(parent);
	return root;
}

void pqueue_insert(struct pqueue *queue, struct pqueue_node *node, u64 key)
{
	*node = (struct pqueue_node){.key = key, .rank = 1, .is_queued = true};
	queue->root = merge(queue->root, node);
	queue->count++;
}

void pqueue_remove(struct pqueue *queue, struct pqueue_node *node)
{
	struct pqueue_node *parent = node->parent;
	struct pqueue_node *rest = merge(node->left, node->right);

	if (rest)
		rest->parent = parent;
	if (!parent)
		queue->root = rest;
	else if (parent->left == node)
		parent->left = rest;
	else
		parent->right = rest;
	while (parent) {
		u32 before = parent->rank;

		if (node_fix(parent) == before)
			break;
		parent = parent->parent;
	}
	queue->count--;
	*node = (struct pqueue_node){.key = node->key};
}

struct pqueue_node *pqueue_next(const struct pqueue *queue, const struct pqueue_node *node)
{
	if (!node)
		return queue->root;
	if (node->left)
		return node->left;
	if (node->right)
		return node->right;
	for (; node->parent; node = node->parent)
		if (node->parent->left == node && node->parent->right)
			return node->parent->right;
	return NULL;
}

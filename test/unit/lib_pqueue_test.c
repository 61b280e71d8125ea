/* SPDX-License-Identifier: MIT */
/* uses: src/lib/pqueue.c test/fake/machine.c */
/* The leftist heap beside a naive model: random inserts and removals anywhere, its shape looked at, keys that wrap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "fake.h"
#include "lib/pqueue.h"

#define NODES 500

static struct pqueue_node nodes[NODES];

static u32 rank_of(const struct pqueue_node *node)
{
	return node ? node->rank : 0;
}

static void shape_check(const struct pqueue *queue)
{
	const struct pqueue_node *node = NULL;
	unsigned int count = 0;

	while ((node = pqueue_next(queue, node)) != NULL) {
		count++;
		assert_true(node->is_queued);
		assert_int_equal(node->rank, rank_of(node->right) + 1);
		assert_true(rank_of(node->left) >= rank_of(node->right));
		if (node->left) {
			assert_true(node->left->parent == node);
			assert_false(pqueue_key_before(node->left->key, node->key));
		}
		if (node->right) {
			assert_true(node->right->parent == node);
			assert_false(pqueue_key_before(node->right->key, node->key));
		}
	}
	assert_int_equal(count, queue->count);
	if (queue->root)
		assert_null(queue->root->parent);
	/* 2^rank - 1 nodes at least: the right side is never longer than a logarithm. */
	assert_true(queue->count + 1 >= 1u << rank_of(queue->root));
}

static void model_run(u64 base, u64 spread)
{
	struct pqueue queue = {0};

	for (unsigned int i = 0; i < NODES; i++)
		nodes[i] = (struct pqueue_node){0};
	for (unsigned int n = 0; n < 50000; n++) {
		unsigned int i = (unsigned int)(fake_random() % NODES);
		const struct pqueue_node *first = NULL;

		if (nodes[i].is_queued && n % 3 == 0)
			pqueue_remove(&queue, &nodes[i]);
		else if (n % 7 == 0 && pqueue_first(&queue))
			pqueue_remove(&queue, pqueue_first(&queue));
		else if (!nodes[i].is_queued)
			pqueue_insert(&queue, &nodes[i], base + fake_random() % spread);
		for (unsigned int j = 0; j < NODES; j++)
			if (nodes[j].is_queued &&
			    (!first || pqueue_key_before(nodes[j].key, first->key)))
				first = &nodes[j];
		if (first)
			assert_int_equal(first->key, pqueue_first(&queue)->key);
		else
			assert_null(pqueue_first(&queue));
		if (n % 64 == 0)
			shape_check(&queue);
	}
}

static void random_model(void **state)
{
	(void)state;
	model_run(0, 1000);
	model_run(0, BIT(62));
	model_run(5, 1); /* all the same */
}

static void keys_wrap(void **state)
{
	(void)state;
	model_run(UINT64_MAX - 500, 1000);
	model_run((u64)INT64_MAX - 500, 1000);
}

static void removed_in_order(void **state)
{
	struct pqueue queue = {0};
	u64 last = 0;

	(void)state;
	for (unsigned int i = 0; i < NODES; i++)
		pqueue_insert(&queue, &nodes[i], i < NODES / 2 ? i : fake_random() % 1000);
	while (pqueue_first(&queue)) {
		struct pqueue_node *first = pqueue_first(&queue);

		pqueue_remove(&queue, first);
		assert_true(first->key >= last);
		assert_false(first->is_queued);
		last = first->key;
	}
	assert_int_equal(queue.count, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_model),
		cmocka_unit_test(keys_wrap),
		cmocka_unit_test(removed_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* rework - one step after the other. */
#include "daemon/mime/rework.h"

#include "common/header_field.h"
#include "common/xalloc.h"
#include "daemon/mime/charset.h"
#include "daemon/mime/seven.h"
#include "daemon/mime/signature.h"
#include "daemon/mime/tree.h"

#include <stdlib.h>

void
rework_prepare(void)
{
	charset_open_all();
	tree_prepare();
}

static bool
wants_signature(const struct signatures *signatures)
{
	return signatures->text.size > 0 || signatures->html.size > 0 ||
	       signatures->global_text.size > 0 || signatures->global_html.size > 0;
}

static void
change_sender(struct rework *rework, const struct sender_wishes *wishes)
{
	struct header_end end = {0};

	if (!header_find_end(&end, rework->message, rework->size))
		header_end_at(&end, rework->size);
	sender_change(wishes, rework->message, end.fields_size, &rework->edits);
}

static void
add_signatures(struct rework *rework, const struct signatures *signatures)
{
	struct tree tree;

	if (tree_parse(&tree, rework->message, rework->size))
		rework->remark = signature_add(&tree, signatures, &rework->edits);
	else
		rework->remark = tree.problem;
	tree_fini(&tree);
}

/* The edits become part of the message, so that others can follow. */
static void
settle_edits(struct rework *rework)
{
	size_t size = edits_result_size(&rework->edits, rework->size);
	struct edits_reader reader = {0};
	char *message;

	if (rework->edits.count == 0)
		return;
	message = xmalloc(size + 1);
	(void)edits_read(&rework->edits, &reader, rework->message, rework->size, message, size);
	free(rework->message);
	rework->message = message;
	rework->size = size;
	edits_fini(&rework->edits);
}

static void
convert(struct rework *rework)
{
	const char *obstacle;
	struct tree tree;

	settle_edits(rework);
	if (seven_is_done(rework->message, rework->size))
		return;
	obstacle = tree_parse(&tree, rework->message, rework->size)
		       ? seven_convert(&tree, &rework->edits)
		       : tree.problem;
	tree_fini(&tree);
	edits_sort(&rework->edits);
	if (obstacle == NULL) {
		settle_edits(rework);
		if (!seven_is_done(rework->message, rework->size))
			obstacle = "what stands between its parts is not ASCII";
	}
	if (obstacle == NULL)
		return;
	rework->outcome = REWORK_CANT_CONVERT;
	rework->remark = obstacle;
	edits_fini(&rework->edits);
}

void
rework_run(struct rework *rework, const struct rework_order *order)
{
	change_sender(rework, &order->sender);
	if (wants_signature(&order->signatures))
		add_signatures(rework, &order->signatures);
	edits_sort(&rework->edits);
	rework->is_7bit = order->to_7bit;
	if (order->to_7bit)
		convert(rework);
}

void
rework_fini(struct rework *rework)
{
	free(rework->message);
	edits_fini(&rework->edits);
	*rework = (struct rework){0};
}
